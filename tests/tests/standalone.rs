//! The standalone from outside: a file goes in by the player and comes out by the recorder, with and
//! without a window, on a machine without a sound card.

use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use mien_audio::{Depth, Sound, decode, write};
use mien_tests::program::program;
use mien_tests::sound::{rms, sine};
use mien_tests::toy;

const RATE: u32 = 48_000;

/// A home of one's own: packs, a sound to play, and a place for takes.
struct Home(tempfile::TempDir);

impl Home {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        toy::write_pack(folder.path(), "Toy", &["Through", "Ring"]);
        let sound = Sound::from_mono(sine(RATE, 300.0, RATE as usize), RATE);
        write(folder.path().join("sine.wav"), &sound, Depth::Float32).unwrap();
        Self(folder)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// `mien live` without a sound card.
    fn command(&self, engine: &Path, words: &[&str]) -> Command {
        let mut command = Command::new(program());
        command
            .args(["live", "-b", "dummy"])
            .args(words)
            .env("MIEN_ENGINE", engine)
            .env("MIEN_PACKS", self.0.path())
            .env("HOME", self.0.path())
            .env("XDG_DATA_HOME", self.path("data"))
            .env_remove("DISPLAY")
            .env_remove("WAYLAND_DISPLAY");
        command
    }

    /// Plays the sound through the program and records it, to the end.
    fn play(&self, engine: &Path, words: &[&str]) -> Output {
        self.command(engine, words)
            .arg("--play")
            .arg(self.path("sine.wav"))
            .arg("--record")
            .arg(self.path("takes"))
            .arg("--quit-at-end")
            .output()
            .expect("run the program")
    }

    /// The recorded input and output.
    fn take(&self) -> [Sound; 2] {
        ["in", "out"].map(|side| {
            let name = format!("takes/Mien take 001 {side}.wav");
            decode(self.path(&name)).unwrap()
        })
    }
}

fn assert_ended_well(done: &Output) {
    let words = String::from_utf8_lossy(&done.stderr);
    assert!(done.status.success(), "{words}");
    assert!(words.contains("Saved Mien take 001 in.wav"), "{words}");
}

fn no_engine() -> PathBuf {
    PathBuf::from("/nowhere.so")
}

#[test]
fn a_file_is_played_and_recorded_sample_by_sample() {
    let home = Home::new();
    let done = home.play(&no_engine(), &["--no-window", "-r", "48000", "-p", "128"]);
    assert_ended_well(&done);
    let [input, output] = home.take();
    assert_eq!((input.rate, input.channels()), (RATE, 1));
    // Without an engine the voice is the dry one, and the recorder takes the delay out.
    assert_eq!(input.samples, output.samples);
    let played = sine(RATE, 300.0, RATE as usize);
    let start = input.samples[0].iter().position(|&x| x != 0.0).unwrap() - 1;
    assert_eq!(input.samples[0][start..][..played.len()], played[..]);
}

#[test]
fn a_voice_comes_out() {
    let home = Home::new();
    let done = home.play(&toy::engine(), &["--no-window"]);
    assert_ended_well(&done);
    let [input, output] = home.take();
    assert_eq!(input.frames(), output.frames());
    assert!(rms(&output.samples[0]) > 0.1, "{}", rms(&output.samples[0]));
}

#[test]
fn the_sound_and_the_rate_are_remembered_and_options_are_not() {
    let home = Home::new();
    let file = home.path("data/mien/standalone.json");
    std::fs::create_dir_all(file.parent().unwrap()).unwrap();
    let settings = serde_json::json!({
        "backend": "JACK",
        "rate": 44_100,
        "sound": {"version": "0", "params": {"out_gain": {"f32": -6.0206}}, "fields": {}},
    });
    std::fs::write(&file, settings.to_string()).unwrap();
    assert_ended_well(&home.play(&no_engine(), &["--no-window", "-p", "512"]));
    let [input, output] = home.take();
    assert_eq!(output.rate, 44_100);
    let ratio = rms(&output.samples[0]) / rms(&input.samples[0]);
    assert!((ratio - 0.5).abs() < 0.01, "{ratio}");
    let text = std::fs::read_to_string(&file).unwrap();
    let kept: serde_json::Value = serde_json::from_str(&text).unwrap();
    assert_eq!(kept["backend"], "JACK");
    assert_eq!(
        (&kept["rate"], &kept["buffer"]),
        (&44_100.into(), &256.into())
    );
    let gain = kept["sound"]["params"]["out_gain"]["f32"].as_f64().unwrap();
    assert!((gain + 6.0206).abs() < 1e-3, "{text}");
}

#[cfg(unix)]
#[test]
fn a_signal_ends_it_and_leaves_whole_files() {
    let home = Home::new();
    let mut running = home
        .command(&no_engine(), &["--no-window", "--loop", "--play"])
        .arg(home.path("sine.wav"))
        .arg("--record")
        .arg(home.path("takes"))
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // The headers are brought up to date after two seconds of sound.
    let path = home.path("takes/Mien take 001 out.wav");
    while decode(&path).map_or(0, |sound| sound.frames()) == 0 {
        std::thread::sleep(std::time::Duration::from_millis(50));
        assert!(running.try_wait().unwrap().is_none(), "it ended by itself");
    }
    let id = running.id().to_string();
    assert!(
        Command::new("kill")
            .args(["-TERM", &id])
            .status()
            .unwrap()
            .success()
    );
    assert_ended_well(&running.wait_with_output().unwrap());
    let [input, output] = home.take();
    assert_eq!(input.samples, output.samples);
    // It was played again and again.
    assert!(input.frames() > 2 * RATE as usize);
}

#[test]
fn says_what_is_wrong() {
    let home = Home::new();
    let run = |words: &[&str]| home.command(&no_engine(), words).output().unwrap();
    for (words, hint) in [
        (&["--play", "/nowhere.wav"][..], "/nowhere.wav"),
        (&["--output-device", "Gramophone"], "Gramophone"),
        (&["--period-size", "1"], "period-size"),
    ] {
        let failed = run(&[&["--no-window"], words].concat());
        let text = String::from_utf8_lossy(&failed.stderr);
        assert!(!failed.status.success() && text.contains(hint), "{text}");
    }
    let unknown = Command::new(program())
        .args(["-b", "gramophone", "--no-window"])
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&unknown.stderr);
    assert!(
        text.contains("gramophone") && text.contains("jack"),
        "{text}"
    );
    let help = run(&["--help"]);
    assert!(String::from_utf8_lossy(&help.stdout).contains("--list-devices"));
    let listed = run(&["--list-devices"]);
    assert!(String::from_utf8_lossy(&listed.stdout).contains("-b dummy"));
}

/// A screen that nobody sees, where the system has one.
#[cfg(target_os = "linux")]
struct Screen {
    server: std::process::Child,
    display: String,
}

#[cfg(target_os = "linux")]
impl Screen {
    fn new() -> Option<Self> {
        use std::io::{BufRead, BufReader};
        let mut server = Command::new("Xvfb")
            .args(["-displayfd", "1", "-screen", "0", "1000x700x24"])
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .ok()?;
        let mut line = String::new();
        BufReader::new(server.stdout.take()?)
            .read_line(&mut line)
            .ok()?;
        let display = format!(":{}", line.trim());
        Some(Self { server, display })
    }
}

#[cfg(target_os = "linux")]
impl Drop for Screen {
    fn drop(&mut self) {
        let _ = self.server.kill();
        let _ = self.server.wait();
    }
}

#[cfg(target_os = "linux")]
#[test]
fn a_window_opens_and_closes() {
    let Some(screen) = Screen::new() else {
        eprintln!("left out: there is no Xvfb");
        return;
    };
    let home = Home::new();
    let done = home
        .command(&no_engine(), &["--quit-at-end", "--play"])
        .arg(home.path("sine.wav"))
        .arg("--record")
        .arg(home.path("takes"))
        .env("DISPLAY", &screen.display)
        .output()
        .unwrap();
    assert_ended_well(&done);
    let words = String::from_utf8_lossy(&done.stderr);
    assert!(!words.contains("no window"), "{words}");
    let [input, output] = home.take();
    assert_eq!(input.samples, output.samples);
}
