//! The standalone: Mien on its own, with a window, on a sound card.
//!
//! The framework's own wrapper knows one device for its whole life, so this is a host of our own. It
//! drives the same processor as the plugin and shows the same panel.
//!
//! * `options`: the command line.
//! * `host`: the thread that opens devices, carries out what the person does, and keeps watch.
//! * `board`: what that thread and the window share.
//! * `window`: the panel in a window.
//! * `devices`, `streams`, `jack`, `clock`: what can drive the sound; `running`: what drives it now.
//! * `chain`: one block, from the microphone to the outputs, on the audio thread.
//! * `bridge`: joins devices whose clocks differ.
//! * `volume`: the level at which one listens to oneself.
//! * `player`, `recorder`: files in place of the microphone; input and output to files.
//! * `midi`, `hotkey`: other ways to move a control.
//! * `settings`: what is remembered.

mod board;
mod bridge;
mod chain;
mod clock;
mod devices;
mod host;
mod hotkey;
mod jack;
mod midi;
mod options;
mod player;
mod recorder;
mod running;
mod settings;
mod streams;
mod volume;
mod window;

use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use clap::Parser;
use mien::editor::Desk;
use mien::instance::Instance;

use board::{Board, Message};
use devices::{Devices, System};
use host::Host;
use hotkey::Hotkey;
use options::Options;
use settings::Settings;

/// Runs the standalone with a command line whose first word is the program.
pub fn run(words: Vec<String>) -> ExitCode {
    let options = Options::parse_from(words);
    if options.list_devices {
        list();
        return ExitCode::SUCCESS;
    }
    match open(options) {
        Ok(()) => ExitCode::SUCCESS,
        Err(text) => {
            eprintln!("mien: {text}");
            ExitCode::FAILURE
        }
    }
}

fn open(options: Options) -> Result<(), String> {
    let settings = Settings::load();
    let instance = Instance::default();
    if let Some(sound) = &settings.sound {
        settings::restore(&instance.params, sound);
    }
    let (to_host, messages) = crossbeam::channel::unbounded();
    let board = Board::new(to_host);
    let stopped = board.clone();
    ctrlc::set_handler(move || stopped.close()).map_err(|error| error.to_string())?;
    let (params, shared) = (instance.params.clone(), instance.shared.clone());
    let remote = instance.remote.clone();
    let hotkey = match options.no_window {
        true => None,
        false => Hotkey::new(params.clone()),
    };
    let key = hotkey.as_ref().map_or("", Hotkey::words);
    let host = Host::new(instance, settings, &options, board.clone(), messages, key)?;
    let host = std::thread::Builder::new()
        .name("mien host".into())
        .spawn(move || host.run())
        .map_err(|error| format!("cannot start a thread: {error}"))?;
    if !options.no_window {
        let desk = Arc::new(board.clone());
        match window::run(params, shared, remote, desk, options.dpi_scale) {
            Ok(()) => board.close(),
            Err(error) => eprintln!(
                "mien: no window can be opened ({error}). It runs without one; Ctrl + C ends it."
            ),
        }
    }
    while !board.closing() {
        std::thread::sleep(Duration::from_millis(20));
    }
    let _ = board.sender().send(Message::Quit);
    host.join()
        .map_err(|_| "the host's thread failed".to_owned())
}

/// Prints what there is.
fn list() {
    for system in System::all() {
        println!("{} (-b {})", system.name(), system.word());
        let System::Native(id) = system else { continue };
        match Devices::of(id) {
            Err(text) => println!("  {text}"),
            Ok(devices) => {
                for (kind, found, usual) in [
                    ("in ", &devices.inputs, &devices.usual_input),
                    ("out", &devices.outputs, &devices.usual_output),
                ] {
                    for device in found {
                        let mark = if usual.as_ref() == Some(&device.name) {
                            " (usual)"
                        } else {
                            ""
                        };
                        println!("  {kind}  {}{mark}", device.name);
                    }
                }
            }
        }
    }
}
