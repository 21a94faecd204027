//! The system's file dialogs. Each runs on a thread of its own, since a host's window must not
//! stand still while somebody looks for a file; the answer is fetched with the next frame.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::time::{Duration, Instant};

use crossbeam::channel::{Receiver, Sender, unbounded};
use mien_panel::FilePurpose;

use super::wake::Wake;

/// Nobody closes a dialog this fast: without an answer by then there was none. (On Linux there may be
/// neither the desktop's portal nor `zenity`, which the dialog library keeps to itself.)
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
            let by_library = catch_unwind(library_shows_titles).unwrap_or(true);
            let begun = Instant::now();
            let chosen = catch_unwind(AssertUnwindSafe(|| ask(&purpose, by_library)));
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

/// What a dialog asks for.
struct Request {
    title: String,
    /// Which files it shows: a word for them, and how their names end.
    filter: Option<(&'static str, Vec<&'static str>)>,
    kind: Kind,
}

enum Kind {
    File,
    Folder,
    /// A file to write, with this name unless the person says otherwise.
    NewFile(String),
}

impl Request {
    fn new(purpose: &FilePurpose) -> Self {
        let preset = super::library::ENDING;
        let sounds = || {
            let endings = ["wav", "flac", "mp3", "ogg", "m4a", "aac", "aiff"];
            Some(("Sound", endings.to_vec()))
        };
        let (title, filter, kind) = match purpose {
            FilePurpose::MyVoice(_) => (
                "Mien: a recording of your voice, 5 to 30 seconds".into(),
                sounds(),
                Kind::File,
            ),
            FilePurpose::Player => (
                "Mien: a sound file to play in place of the microphone".into(),
                sounds(),
                Kind::File,
            ),
            FilePurpose::Pack => (
                "Mien: a voice pack to open".into(),
                Some(("Voice pack", vec!["mien"])),
                Kind::File,
            ),
            FilePurpose::PacksFolder => {
                ("Mien: the folder of voice packs".into(), None, Kind::Folder)
            }
            FilePurpose::Engine => (
                "Mien: the engine library".into(),
                Some(("Library", vec![std::env::consts::DLL_EXTENSION])),
                Kind::File,
            ),
            FilePurpose::ImportPreset => (
                "Mien: a preset to import".into(),
                Some(("Preset", vec![preset, "json"])),
                Kind::File,
            ),
            FilePurpose::ExportPreset { name, .. } => (
                format!("Mien: where to write the preset “{name}”"),
                Some(("Preset", vec![preset])),
                Kind::NewFile(format!("{}.{preset}", super::library::file_name(name))),
            ),
        };
        Self {
            title,
            filter,
            kind,
        }
    }
}

/// Whether the dialog library is the one to ask: on Linux it goes on to `zenity` where there is no
/// portal, and drops the title.
fn library_shows_titles() -> bool {
    #[cfg(target_os = "linux")]
    return portal::answers();
    #[cfg(not(target_os = "linux"))]
    return true;
}

/// Shows the dialog and waits for it.
fn ask(purpose: &FilePurpose, by_library: bool) -> Option<PathBuf> {
    let request = Request::new(purpose);
    #[cfg(target_os = "linux")]
    if !by_library && let Some(asked) = zenity::ask(&request) {
        return asked;
    }
    #[cfg(not(target_os = "linux"))]
    let _ = by_library;
    let mut dialog = rfd::AsyncFileDialog::new().set_title(request.title);
    if let Some((words, endings)) = request.filter {
        dialog = dialog.add_filter(words, &endings);
    }
    let handle = pollster::block_on(async {
        match request.kind {
            Kind::File => dialog.pick_file().await,
            Kind::Folder => dialog.pick_folder().await,
            Kind::NewFile(name) => dialog.set_file_name(name).save_file().await,
        }
    });
    handle.map(|handle| handle.path().to_owned())
}

/// The desktop's portal.
#[cfg(target_os = "linux")]
mod portal {
    use std::time::Duration;

    /// A portal that must be started first may take a while.
    const PATIENCE: Duration = Duration::from_secs(10);

    /// Whether it has file dialogs.
    pub(super) fn answers() -> bool {
        pollster::block_on(ask()).is_ok()
    }

    async fn ask() -> zbus::Result<()> {
        let bus = zbus::connection::Builder::session()?
            .method_timeout(PATIENCE)
            .build()
            .await?;
        bus.call_method(
            Some("org.freedesktop.portal.Desktop"),
            "/org/freedesktop/portal/desktop",
            Some("org.freedesktop.DBus.Properties"),
            "Get",
            &("org.freedesktop.portal.FileChooser", "version"),
        )
        .await?;
        Ok(())
    }
}

/// `zenity`, where there is no portal.
#[cfg(target_os = "linux")]
mod zenity {
    use std::ffi::OsString;
    use std::os::unix::ffi::OsStringExt;
    use std::path::PathBuf;
    use std::process::{Command, Stdio};

    use super::{Kind, Request};

    /// Shows the dialog and waits for it; `None` where there is no `zenity`.
    pub(super) fn ask(request: &Request) -> Option<Option<PathBuf>> {
        let mut command = Command::new("zenity");
        command.args(arguments(request)).stdin(Stdio::null());
        let output = command.stderr(Stdio::null()).output().ok()?;
        let mut path = output.stdout;
        if path.last() == Some(&b'\n') {
            path.pop();
        }
        let chosen = output.status.success() && !path.is_empty();
        Some(chosen.then(|| OsString::from_vec(path).into()))
    }

    pub(super) fn arguments(request: &Request) -> Vec<String> {
        let mut arguments = vec![
            "--file-selection".into(),
            format!("--title={}", request.title),
        ];
        match &request.kind {
            Kind::File => {}
            Kind::Folder => arguments.push("--directory".into()),
            Kind::NewFile(name) => arguments.extend([
                "--save".into(),
                "--confirm-overwrite".into(),
                format!("--filename={name}"),
            ]),
        }
        if let Some((words, endings)) = &request.filter {
            let endings: Vec<String> = endings.iter().map(|end| format!("*.{end}")).collect();
            arguments.push(format!("--file-filter={words} | {}", endings.join(" ")));
        }
        arguments
    }
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

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[test]
    fn zenity_is_told_what_is_chosen() {
        let folder = zenity::arguments(&Request::new(&FilePurpose::PacksFolder));
        assert_eq!(
            folder,
            [
                "--file-selection",
                "--title=Mien: the folder of voice packs",
                "--directory"
            ]
        );
        let preset = zenity::arguments(&Request::new(&FilePurpose::ImportPreset));
        assert_eq!(preset[1], "--title=Mien: a preset to import");
        assert_eq!(preset[2], "--file-filter=Preset | *.mienpreset *.json");
    }
}
