//! The standalone in JACK's graph: a controller that comes through it moves a parameter. The server is
//! one of our own, without a sound card.

#![cfg(target_os = "linux")]

use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use jack::contrib::ClosureProcessHandler;
use jack::{Client, ClientOptions, Control, MidiOut, ProcessScope, RawMidi};
use mien_tests::program::program;
use mien_tests::toy;

/// A program that ends with the test.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Waits until `done`, and fails when it takes too long.
fn until<T>(what: &str, mut done: impl FnMut() -> Option<T>) -> T {
    let begun = Instant::now();
    loop {
        if let Some(found) = done() {
            return found;
        }
        assert!(begun.elapsed() < Duration::from_secs(30), "{what}");
        std::thread::sleep(Duration::from_millis(100));
    }
}

/// The mix that the standalone remembers.
fn mix(settings: &Path) -> Option<f64> {
    let text = std::fs::read_to_string(settings).ok()?;
    let settings: serde_json::Value = serde_json::from_str(&text).ok()?;
    settings["sound"]["params"]["mix"]["f32"].as_f64()
}

#[test]
fn a_controller_in_the_graph_moves_a_parameter() {
    // Always the same one: JACK keeps a place for each name that a killed server had, and has eight.
    let name = "mien-test";
    // SAFETY: no other thread runs yet that reads the environment.
    unsafe { std::env::set_var("JACK_DEFAULT_SERVER", name) };
    let server = Command::new("jackd")
        .args(["--no-realtime", "-n", name])
        .args(["-d", "dummy", "-r", "48000", "-p", "256"])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn();
    let Ok(server) = server else {
        eprintln!("left out: there is no jackd");
        return;
    };
    let _server = Running(server);
    jack::set_logger(jack::LoggerType::None);
    let (hand, _) = until("JACK starts", || {
        Client::new("hand", ClientOptions::NO_START_SERVER).ok()
    });
    let mut knob = hand
        .register_port("knob", MidiOut::default())
        .expect("a port");
    // A knob on channel 3 that is turned all the way down, again and again.
    let turn = move |_: &Client, scope: &ProcessScope| {
        let bytes = &[0xB2, 7, 0];
        let _ = knob.writer(scope).write(&RawMidi { time: 0, bytes });
        Control::Continue
    };
    let _hand = hand
        .activate_async((), ClosureProcessHandler::new(turn))
        .expect("a client");

    let home = tempfile::tempdir().expect("a home");
    toy::write_pack(home.path(), "Toy", &["Through"]);
    let settings = home.path().join("data/mien/standalone.json");
    std::fs::create_dir_all(settings.parent().expect("a folder")).expect("make it");
    let remembered = serde_json::json!({
        "midi_input": "hand:knob",
        "midi_map": [{"param": "mix", "channel": 3, "controller": 7}],
    });
    std::fs::write(&settings, remembered.to_string()).expect("write the settings");
    assert_eq!(mix(&settings), None);
    let program = Command::new(program())
        .args(["live", "-b", "jack", "--no-window"])
        .env("MIEN_ENGINE", toy::engine())
        .env("MIEN_PACKS", home.path())
        .env("HOME", home.path())
        .env("XDG_DATA_HOME", home.path().join("data"))
        .stderr(Stdio::null())
        .spawn();
    let _program = Running(program.expect("the program"));
    until("the mix is at 0", || {
        mix(&settings).filter(|mix| *mix == 0.0)
    });
}
