//! The system's file dialogs. Each runs on a thread of its own, since a host's window must not
//! stand still while somebody looks for a file; the answer is fetched with the next frame.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::time::{Duration, Instant};

use crossbeam::channel::{Receiver, Sender, unbounded};
use mien_panel::FilePurpose;

use super::wake::Wake;

/// Nobody closes a dialog this fast: without an answer by then there was none. (On Linux the dialog
/// library asks the desktop's portal, then `zenity`, and keeps to itself that it found neither.)
const NO_DIALOG: Duration = Duration::from_millis(250);

/// What became of a dialog.
#[derive(Clone, Debug, PartialEq)]
pub enum Answer {
    /// A path was chosen.
    Chosen(FilePurpose, PathBuf),
    /// It was closed without a choice.
    Cancelled,
    /// The system has no dialogs.
    Unavailable,
}

/// Opens dialogs and collects their answers.
pub struct Dialogs {
    sender: Sender<Answer>,
    answers: Receiver<Answer>,
    wake: Wake,
    open: bool,
    available: bool,
}

impl Dialogs {
    /// No dialog is open. `wake` is called when there is an answer.
    pub fn new(wake: Wake) -> Self {
        let (sender, answers) = unbounded();
        Self {
            sender,
            answers,
            wake,
            open: false,
            available: likely_available(),
        }
    }

    /// Whether the system has dialogs, as far as that is known yet.
    pub fn are_available(&self) -> bool {
        self.available
    }

    /// Opens one, if none is open. A dialog outlives a window that closes, but not for nothing:
    /// its thread holds the plugin's library in memory until it ends.
    pub fn open(&mut self, purpose: FilePurpose) {
        if self.open {
            return;
        }
        let (sender, wake) = (self.sender.clone(), self.wake.clone());
        let ask = move || {
            let begun = Instant::now();
            let chosen = catch_unwind(AssertUnwindSafe(|| ask(&purpose)));
            let answer = match chosen {
                Ok(Some(path)) => Answer::Chosen(purpose, path),
                Ok(None) if begun.elapsed() >= NO_DIALOG => Answer::Cancelled,
                _ => Answer::Unavailable,
            };
            let _ = sender.send(answer);
            wake.call();
        };
        let thread = std::thread::Builder::new().name("mien dialog".into());
        match thread.spawn(ask) {
            Ok(_) => self.open = true,
            Err(_) => {
                let _ = self.sender.send(Answer::Unavailable);
            }
        }
    }

    /// What became of the open dialog, once.
    pub fn answer(&mut self) -> Option<Answer> {
        let answer = self.answers.try_recv().ok()?;
        self.open = false;
        if answer == Answer::Unavailable {
            self.available = false;
        }
        Some(answer)
    }
}

/// Shows the dialog and waits for it.
fn ask(purpose: &FilePurpose) -> Option<PathBuf> {
    let sounds = ["wav", "flac", "mp3", "ogg", "m4a", "aac", "aiff"];
    let dialog = rfd::AsyncFileDialog::new();
    let handle = match purpose {
        FilePurpose::MyVoice(_) => pollster::block_on(
            dialog
                .set_title("A recording of 5 to 30 seconds")
                .add_filter("Sound", &sounds)
                .pick_file(),
        ),
        FilePurpose::Player => pollster::block_on(
            dialog
                .set_title("A sound file to play in place of the microphone")
                .add_filter("Sound", &sounds)
                .pick_file(),
        ),
        FilePurpose::Pack => pollster::block_on(
            dialog
                .set_title("A voice pack")
                .add_filter("Voice pack", &["mien"])
                .pick_file(),
        ),
        FilePurpose::PacksFolder => {
            pollster::block_on(dialog.set_title("A folder of voice packs").pick_folder())
        }
        FilePurpose::Engine => pollster::block_on(
            dialog
                .set_title("The engine library")
                .add_filter("Library", &[std::env::consts::DLL_EXTENSION])
                .pick_file(),
        ),
        FilePurpose::ImportPreset => pollster::block_on(
            dialog
                .set_title("A preset")
                .add_filter("Preset", &[super::library::ENDING, "json"])
                .pick_file(),
        ),
        FilePurpose::ExportPreset { name, .. } => pollster::block_on(
            dialog
                .set_title("Where to write the preset")
                .add_filter("Preset", &[super::library::ENDING])
                .set_file_name(format!(
                    "{}.{}",
                    super::library::file_name(name),
                    super::library::ENDING
                ))
                .save_file(),
        ),
    };
    handle.map(|handle| handle.path().to_owned())
}

/// Whether a dialog is worth offering: on Linux where there is a session bus, on which the desktop's
/// portal may answer, or `zenity`; elsewhere always.
fn likely_available() -> bool {
    if cfg!(any(target_os = "windows", target_os = "macos")) {
        return true;
    }
    let set = |name: &str| std::env::var_os(name).is_some_and(|value| !value.is_empty());
    let socket = std::env::var_os("XDG_RUNTIME_DIR")
        .is_some_and(|folder| PathBuf::from(folder).join("bus").exists());
    let paths = std::env::var_os("PATH").unwrap_or_default();
    let zenity = std::env::split_paths(&paths).any(|folder| folder.join("zenity").is_file());
    set("DBUS_SESSION_BUS_ADDRESS") || socket || zenity
}
