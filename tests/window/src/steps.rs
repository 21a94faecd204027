//! The steps that were asked for, one after the other.

use anyhow::{Context, Result, bail, ensure};
use mien_host::{Manner, Touch};
use std::path::Path;
use std::process::{Child, Command};
use std::time::{Duration, Instant};

use crate::Options;
use crate::clap_host::ClapHost;
use crate::host::{Host, expect_gesture};
use crate::screen::Screen;
use crate::usage::Usage;
use crate::vst3_host::Vst3Host;

/// How long a program may take to open its window.
const PATIENCE: Duration = Duration::from_secs(30);

/// How long what is checked may take to become true.
const CHECK_PATIENCE: Duration = Duration::from_secs(5);

/// What is looked at.
enum Subject {
    Plugin(Box<dyn Host>),
    Program(Child),
}

struct Session {
    screen: Screen,
    subject: Subject,
    window: Option<u32>,
    /// Where the pointer was moved to last, in the window.
    pointer: (i16, i16),
    /// What hands did that no check has accepted yet.
    touches: Vec<(u32, Touch)>,
}

/// Opens what was asked for and takes the steps.
pub fn run(options: &Options) -> Result<()> {
    let screen = Screen::open()?;
    let subject = match (&options.plugin, &options.vst3, &options.program) {
        (Some(file), ..) => Subject::Plugin(Box::new(ClapHost::new(
            file,
            options.rate,
            sound(options)?,
        )?)),
        (None, Some(file), _) => {
            let manner = Manner {
                has_menu: !options.no_menu,
                has_loop: !options.no_loop,
            };
            let host = Vst3Host::new(file, options.rate, &manner)?;
            Subject::Plugin(Box::new(host))
        }
        (None, None, Some(file)) => {
            let mut command = Command::new(file);
            Subject::Program(command.args(&options.argument).spawn()?)
        }
        (None, None, None) => bail!("name a --plugin, a --vst3 or a --program"),
    };
    let mut session = Session {
        screen,
        subject,
        window: None,
        pointer: (0, 0),
        touches: Vec::new(),
    };
    session.open()?;
    let mut done = Ok(());
    for step in &options.steps {
        done = session.step(step).with_context(|| step.clone());
        if done.is_err() {
            break;
        }
    }
    session.close()?;
    match session.subject {
        Subject::Plugin(host) => done.and(host.end()),
        Subject::Program(mut child) => {
            child.kill()?;
            child.wait()?;
            done
        }
    }
}

/// The sound to play, as the host needs it.
fn sound(options: &Options) -> Result<Vec<f32>> {
    let Some(path) = &options.sound else {
        return Ok(Vec::new());
    };
    let sound = mien_audio::decode(path)?;
    let (mono, rate) = (sound.mono(), sound.rate);
    // A picture is no listening test: the nearest sample will do.
    let (from, to) = (u64::from(rate), u64::from(options.rate));
    let length = mono.len() as u64 * to / from;
    let nearest = |at: u64| options.gain * mono[(at * from / to) as usize];
    Ok((0..length).map(nearest).collect())
}

impl Session {
    fn open(&mut self) -> Result<()> {
        match &mut self.subject {
            Subject::Plugin(host) => {
                let [width, height] = host.open()?;
                let window = self.screen.window(width, height)?;
                host.embed(window)?;
                self.window = Some(window);
            }
            Subject::Program(_) => {
                let begun = Instant::now();
                while self.window.is_none() {
                    if begun.elapsed() > PATIENCE {
                        bail!("the program opened no window called Mien");
                    }
                    std::thread::sleep(Duration::from_millis(100));
                    self.window = self.screen.find("Mien")?;
                }
            }
        }
        Ok(())
    }

    fn close(&mut self) -> Result<()> {
        if let (Subject::Plugin(host), Some(window)) = (&mut self.subject, self.window.take()) {
            host.close()?;
            self.screen.close(window)?;
        }
        Ok(())
    }

    /// Takes a step. A check may come true a little later: a busy machine draws late.
    fn step(&mut self, step: &str) -> Result<()> {
        const CHECKS: [&str; 5] = ["gesture=", "value=", "state=", "menu=", "colour="];
        let is_check = CHECKS.iter().any(|verb| step.starts_with(verb));
        let begun = Instant::now();
        loop {
            let done = self.try_step(step);
            if done.is_ok() || !is_check || begun.elapsed() > CHECK_PATIENCE {
                return done;
            }
            self.wait(0.1)?;
        }
    }

    fn try_step(&mut self, step: &str) -> Result<()> {
        let (verb, words) = step.split_once('=').unwrap_or((step, ""));
        let parts: Vec<&str> = words.split(',').collect();
        match verb {
            "wait" => return self.wait(number(&parts, 0)?),
            "open" => return self.open(),
            "close" => return self.close(),
            "cpu" => return self.cpu(number(&parts, 0)?, parts.get(1).unwrap_or(&"")),
            "dialog" => return self.dialog(words),
            "gone" => return self.gone(),
            "file" => return self.file(parts[0], parts.get(1).unwrap_or(&"")),
            "screen" => return self.screen.shot_all(Path::new(words)),
            "sound" | "set" | "gesture" | "value" | "state" | "menu" => {
                let Subject::Plugin(host) = &mut self.subject else {
                    bail!("only a plugin has a host to do this");
                };
                return told(host.as_mut(), verb, words, self.pointer, &mut self.touches);
            }
            _ => {}
        }
        let window = self.window.context("the window is closed")?;
        match verb {
            "shot" => self.screen.shot(window, Path::new(words))?,
            "size" => {
                let (mut width, mut height) =
                    (number(&parts, 0)? as u32, number(&parts, 1)? as u32);
                if let Subject::Plugin(host) = &mut self.subject {
                    [width, height] = host.resize([width, height])?;
                }
                self.screen.resize(window, width, height)?;
            }
            "meanwhile" => {
                let Subject::Plugin(host) = &mut self.subject else {
                    bail!("only a plugin has a host to do this");
                };
                host.click_in_menu(window, place(&parts, 0)?)?;
            }
            "colour" => {
                let (x, y) = place(&parts, 0)?;
                let [red, green, blue] = self.screen.colour(window, x, y)?.map(i32::from);
                let name = match (red - green, blue - green) {
                    (-20..=20, -20..=20) => "grey",
                    (..-20, ..-20) => "green",
                    _ => "another",
                };
                let wanted = parts.get(2).context("a colour is missing")?;
                ensure!(name == *wanted, "it is {red}, {green}, {blue}: {name}");
            }
            "key" => self.screen.key(words)?,
            "type" => self.screen.write(words)?,
            "move" | "click" | "double" | "right" => {
                self.point(window, place(&parts, 0)?)?;
                let button = if verb == "right" { 3 } else { 1 };
                let times = ["move", "click", "double"]
                    .iter()
                    .position(|name| *name == verb);
                for _ in 0..times.unwrap_or(1) {
                    self.screen.button(button, true)?;
                    self.screen.button(button, false)?;
                }
            }
            "drag" => {
                // From one place to the next, on and on.
                let stops = parts.len() / 2;
                let mut from = place(&parts, 0)?;
                self.point(window, from)?;
                self.screen.button(1, true)?;
                for stop in 1..stops {
                    let to = place(&parts, 2 * stop)?;
                    for share in 1..=8 {
                        let along = |from: i16, to: i16| from + (to - from) * share / 8;
                        self.point(window, (along(from.0, to.0), along(from.1, to.1)))?;
                    }
                    from = to;
                }
                self.screen.button(1, false)?;
            }
            _ => bail!("there is no such step"),
        }
        self.wait(0.05)
    }

    fn point(&mut self, window: u32, place: (i16, i16)) -> Result<()> {
        self.pointer = place;
        self.screen.point(window, place.0, place.1)
    }

    /// Waits for a dialog of this title, and turns the keyboard to it, as a window manager would.
    fn dialog(&mut self, wanted: &str) -> Result<()> {
        let window = self.dialog_when(|found| found)?;
        // It takes keys once it has drawn.
        self.wait(1.0)?;
        let title = window.map_or(Ok(String::new()), |window| self.screen.title(window))?;
        ensure!(title == wanted, "the dialog is called “{title}”");
        self.screen.focus(window)
    }

    /// Waits until there is no dialog, and turns the keyboard back.
    fn gone(&mut self) -> Result<()> {
        self.dialog_when(|found| !found)?;
        self.screen.focus(None)
    }

    /// Waits until a dialog is there or is not; gives it.
    fn dialog_when(&mut self, enough: fn(bool) -> bool) -> Result<Option<u32>> {
        let begun = Instant::now();
        loop {
            let found = self.screen.dialog(self.window)?;
            if enough(found.is_some()) {
                return Ok(found);
            }
            if begun.elapsed() > PATIENCE {
                bail!("waited for nothing");
            }
            self.wait(0.1)?;
        }
    }

    /// Fails unless there is such a file, with this text in it, within a while.
    fn file(&mut self, path: &str, text: &str) -> Result<()> {
        let begun = Instant::now();
        loop {
            let read = std::fs::read(path);
            if read.is_ok_and(|bytes| String::from_utf8_lossy(&bytes).contains(text)) {
                return Ok(());
            }
            if begun.elapsed() > CHECK_PATIENCE {
                bail!("there is no such file, or the text is not in it");
            }
            self.wait(0.1)?;
        }
    }

    /// Lets time pass, and does meanwhile what a host's main thread does.
    fn wait(&mut self, seconds: f64) -> Result<()> {
        let until = Instant::now() + Duration::from_secs_f64(seconds);
        while Instant::now() < until {
            if let Subject::Plugin(host) = &mut self.subject {
                let wanted = host.idle()?;
                if let (Some([width, height]), Some(window)) = (wanted, self.window) {
                    self.screen.resize(window, width, height)?;
                }
            }
            std::thread::sleep(Duration::from_millis(8));
        }
        Ok(())
    }

    fn cpu(&mut self, seconds: f64, label: &str) -> Result<()> {
        let process = match &self.subject {
            Subject::Plugin(_) => std::process::id(),
            Subject::Program(child) => child.id(),
        };
        let before = Usage::of(process);
        self.wait(seconds)?;
        Usage::of(process).print_since(&before, label);
        Ok(())
    }
}

fn number(parts: &[&str], index: usize) -> Result<f64> {
    let part = parts.get(index).context("a number is missing")?;
    Ok(part.parse()?)
}

fn place(parts: &[&str], index: usize) -> Result<(i16, i16)> {
    Ok((
        number(parts, index)? as i16,
        number(parts, index + 1)? as i16,
    ))
}

/// What only a host can do, or tell. `pointer` is where the pointer is, and `touches` are those that
/// no check has accepted yet.
fn told(
    host: &mut dyn Host,
    verb: &str,
    words: &str,
    pointer: (i16, i16),
    touches: &mut Vec<(u32, Touch)>,
) -> Result<()> {
    let parts: Vec<&str> = words.split(',').collect();
    match verb {
        "sound" => host.play(words == "on")?,
        "set" => host.set(parts[0], number(&parts, 1)?)?,
        "gesture" => {
            touches.extend(host.take_touches());
            if !words.is_empty() {
                expect_gesture(touches, words, host.param(words)?)?;
            }
            touches.clear();
        }
        "value" => {
            let (value, wanted) = (host.get(parts[0])?, number(&parts, 1)?);
            ensure!((value - wanted).abs() < 0.005, "it is {value}");
        }
        "state" => {
            let state = host.state()?;
            ensure!(state.contains(words), "the state is {state}");
        }
        "menu" => {
            let (name, place) = host.menu()?;
            let pointer = [pointer.0, pointer.1].map(i32::from);
            ensure!(name == words, "it is the menu of {name}");
            ensure!(
                place == pointer,
                "it opens at {place:?}, the pointer is at {pointer:?}"
            );
            println!("the host was asked for the menu of {name} at {place:?}");
        }
        _ => bail!("there is no such step"),
    }
    Ok(())
}
