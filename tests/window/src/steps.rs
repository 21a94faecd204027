//! The steps that were asked for, one after the other.

use anyhow::{Context, Result, bail};
use std::path::Path;
use std::process::{Child, Command};
use std::time::{Duration, Instant};

use crate::Options;
use crate::host::Host;
use crate::screen::Screen;
use crate::usage::Usage;

/// How long a program may take to open its window.
const PATIENCE: Duration = Duration::from_secs(30);

/// What is looked at.
enum Subject {
    Plugin(Box<Host>),
    Program(Child),
}

struct Session {
    screen: Screen,
    subject: Subject,
    window: Option<u32>,
}

/// Opens what was asked for and takes the steps.
pub fn run(options: &Options) -> Result<()> {
    let screen = Screen::open()?;
    let subject = match (&options.plugin, &options.program) {
        (Some(file), _) => {
            Subject::Plugin(Box::new(Host::new(file, options.rate, sound(options)?)?))
        }
        (None, Some(file)) => {
            let mut command = Command::new(file);
            Subject::Program(command.args(&options.argument).spawn()?)
        }
        (None, None) => bail!("name a --plugin or a --program"),
    };
    let mut session = Session {
        screen,
        subject,
        window: None,
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
    if let Subject::Program(child) = &mut session.subject {
        child.kill()?;
        child.wait()?;
    }
    done
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
                let size = host.open()?;
                let window = self.screen.window(size.width, size.height)?;
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
            host.close();
            self.screen.close(window)?;
        }
        Ok(())
    }

    fn step(&mut self, step: &str) -> Result<()> {
        let (verb, words) = step.split_once('=').unwrap_or((step, ""));
        let parts: Vec<&str> = words.split(',').collect();
        let number = |index: usize| -> Result<f64> {
            let part = parts.get(index).context("a number is missing")?;
            Ok(part.parse()?)
        };
        let place = |index: usize| -> Result<(i16, i16)> {
            Ok((number(index)? as i16, number(index + 1)? as i16))
        };
        match verb {
            "wait" => return self.wait(number(0)?),
            "open" => return self.open(),
            "close" => return self.close(),
            "cpu" => return self.cpu(number(0)?, parts.get(1).unwrap_or(&"")),
            "sound" => {
                if let Subject::Plugin(host) = &self.subject {
                    host.play(words == "on");
                }
                return Ok(());
            }
            "set" => {
                let Subject::Plugin(host) = &mut self.subject else {
                    bail!("only a plugin has a host to do this");
                };
                return host.set(parts[0], number(1)?);
            }
            _ => {}
        }
        let window = self.window.context("the window is closed")?;
        match verb {
            "shot" => self.screen.shot(window, Path::new(words))?,
            "size" => {
                let (mut width, mut height) = (number(0)? as u32, number(1)? as u32);
                if let Subject::Plugin(host) = &mut self.subject {
                    let taken = host.resize(width, height)?;
                    (width, height) = (taken.width, taken.height);
                }
                self.screen.resize(window, width, height)?;
            }
            "key" => self.screen.key(number(0)? as u8)?,
            "move" | "click" | "right" => {
                let (x, y) = place(0)?;
                self.screen.point(window, x, y)?;
                let button = if verb == "right" { 3 } else { 1 };
                if verb != "move" {
                    self.screen.button(button, true)?;
                    self.screen.button(button, false)?;
                }
            }
            "drag" => {
                let (from, to) = (place(0)?, place(2)?);
                self.screen.point(window, from.0, from.1)?;
                self.screen.button(1, true)?;
                for share in 1..=8 {
                    let along = |from: i16, to: i16| from + (to - from) * share / 8;
                    let at = (along(from.0, to.0), along(from.1, to.1));
                    self.screen.point(window, at.0, at.1)?;
                }
                self.screen.button(1, false)?;
            }
            _ => bail!("there is no such step"),
        }
        self.wait(0.05)
    }

    /// Lets time pass, and does meanwhile what a host's main thread does.
    fn wait(&mut self, seconds: f64) -> Result<()> {
        let until = Instant::now() + Duration::from_secs_f64(seconds);
        while Instant::now() < until {
            if let Subject::Plugin(host) = &mut self.subject {
                let wanted = host.idle()?;
                if let (Some(size), Some(window)) = (wanted, self.window) {
                    self.screen.resize(window, size.width, size.height)?;
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
