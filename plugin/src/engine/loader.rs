//! The loader thread: opens the engine library, reads packs, makes converters, drops old ones.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::Thread;
use std::time::Duration;

use crossbeam::channel::{Receiver, Sender, bounded};
use mien_face::{Controls, Engine, FRAME, PackDescription};

use super::pipeline::Convert;
use super::search::{self, PackFile};
use super::selection::{follow, resolve};
use super::thread::Command;
use crate::params::{Selection, VoiceNames};
use crate::shared::{EngineState, Shared, Status};

/// Frames run through a new converter before it goes live: first runs allocate and choose kernels.
const WARM_UP_FRAMES: usize = 30;

/// What the loader can be asked for. Each job but [`Job::Quit`] was announced by [`Shared::begin`].
pub enum Job {
    /// Take over the selection in the state.
    Choose,
    /// Take over a selection that the user made.
    Select(Selection),
    /// The `voice` parameter moved to this value.
    Follow(i32),
    /// Look for engine and packs again.
    Reload,
    /// The converter failed with this text; it is not in use any more.
    Broken(String, Box<dyn Convert>),
    /// End.
    Quit,
}

/// The engine library is opened once per process: several instances share it, and it cannot be
/// closed.
static ENGINE: Mutex<Option<Engine>> = Mutex::new(None);

/// Opens the engine library, or gives the open one.
///
/// # Errors
/// Text for people.
pub fn open_engine() -> Result<Engine, String> {
    let mut open = ENGINE.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(engine) = &*open {
        return Ok(engine.clone());
    }
    let engine = Engine::open(&search::find_engine()?).map_err(|e| e.to_string())?;
    *open = Some(engine.clone());
    Ok(engine)
}

/// Path of the open engine library.
pub fn engine_path() -> Option<PathBuf> {
    let open = ENGINE.try_lock().ok()?;
    open.as_ref().map(|engine| engine.path().to_owned())
}

/// The loader thread's state.
pub struct Loader {
    shared: Arc<Shared>,
    selection: Arc<Mutex<Selection>>,
    names: Arc<VoiceNames>,
    to_engine: Sender<Command>,
    engine_thread: Thread,
    /// The pack that the engine thread converts with.
    loaded: Option<(PathBuf, Arc<PackDescription>)>,
}

/// Why there is no voice: state for programs, text for people.
type Failure = (EngineState, String);

impl Loader {
    /// A loader for one plugin instance.
    pub fn new(
        shared: Arc<Shared>,
        selection: Arc<Mutex<Selection>>,
        names: Arc<VoiceNames>,
        to_engine: Sender<Command>,
        engine_thread: Thread,
    ) -> Self {
        Self {
            shared,
            selection,
            names,
            to_engine,
            engine_thread,
            loaded: None,
        }
    }

    /// Works until [`Job::Quit`].
    pub fn run(mut self, jobs: Receiver<Job>) {
        for job in jobs {
            if matches!(job, Job::Quit) {
                break;
            }
            // A panic (in a broken engine library, say) must not leave the audio thread waiting.
            let done = catch_unwind(AssertUnwindSafe(|| self.work(job)));
            if done.is_err() {
                let text = "The voice engine failed while loading. Reload it in the settings.";
                self.say(EngineState::Failed, text.into(), String::new());
            }
            self.shared.finish();
        }
    }

    fn work(&mut self, job: Job) {
        match job {
            Job::Choose => {}
            Job::Select(selection) => *self.selection() = selection,
            Job::Follow(parameter) => {
                if let Some((_, pack)) = &self.loaded {
                    follow(&mut self.selection(), parameter, pack);
                }
            }
            Job::Reload => self.loaded = None,
            Job::Broken(text, converter) => {
                drop(converter);
                self.loaded = None;
                let text =
                    format!("{text}. Reload the engine in the settings, or choose another pack.");
                return self.say(EngineState::Failed, text, String::new());
            }
            Job::Quit => return,
        }
        let result = self.load();
        self.take_over(result);
    }

    /// Makes sure that the selected pack is loaded; gives a note.
    fn load(&mut self) -> Result<String, Failure> {
        if self.loaded.is_none() {
            self.say(
                EngineState::Loading,
                "Loading the voice engine …".into(),
                String::new(),
            );
        }
        let missing = |text| (EngineState::EngineMissing, text);
        let engine = open_engine().map_err(missing)?;
        let packs = search::packs(Some(engine.path()));
        let wanted = self.selection().pack.clone();
        let chosen = choose(&packs, &wanted);
        self.shared.slow().packs = packs.clone();
        let Some(pack) = chosen else {
            let folder = search::user_data()
                .map(|data| data.join("packs"))
                .unwrap_or_default();
            let text = format!(
                "No voice pack is installed, so your own voice passes through. \
                 Put a .mien file into {} and reload.",
                folder.display()
            );
            return Err((EngineState::PackMissing, text));
        };
        let mut note = String::new();
        if !wanted.is_empty() && pack.card.name != wanted {
            note = format!(
                "The pack {wanted} is not installed; {} speaks instead.",
                pack.card.name
            );
        }
        if self
            .loaded
            .as_ref()
            .is_some_and(|(path, _)| *path == pack.path)
        {
            return Ok(note);
        }
        match self.go_live(&engine, pack) {
            Ok(()) => Ok(note),
            // A broken file must not silence the voice that speaks.
            Err(text) if self.loaded.is_some() => Ok(text),
            Err(text) => Err((EngineState::Failed, text)),
        }
    }

    /// Reads a pack and hands a warm converter to the engine thread.
    fn go_live(&mut self, engine: &Engine, pack: &PackFile) -> Result<(), String> {
        let opened = engine.load_pack(&pack.path).map_err(|e| e.to_string())?;
        let mut converter = opened.converter().map_err(|e| e.to_string())?;
        let mut output = [0.0; FRAME];
        for _ in 0..WARM_UP_FRAMES {
            converter
                .step(&[0.0; FRAME], &mut output, &Controls::default())
                .map_err(|e| e.to_string())?;
        }
        converter.reset();
        let description = Arc::new(opened.description().clone());
        // The voices must be known before the converter that they belong to.
        self.publish(&description);
        let delay = converter.info().delay_samples;
        self.shared
            .converter_delay
            .store(delay, std::sync::atomic::Ordering::Relaxed);
        let (reply, retired) = bounded(1);
        let _ = self
            .to_engine
            .send(Command::Adopt(Box::new(converter), reply));
        self.engine_thread.unpark();
        // The former converter comes back when it has faded out, and is dropped here.
        drop(retired.recv_timeout(Duration::from_secs(5)));
        self.loaded = Some((pack.path.clone(), description));
        Ok(())
    }

    /// Publishes the voices of `pack` that the selection means; gives a note.
    fn publish(&self, pack: &Arc<PackDescription>) -> String {
        let mut selection = self.selection();
        let (voices, note) = resolve(&mut selection, pack);
        if selection.pack.is_empty() {
            selection.pack.clone_from(&pack.name);
        }
        let names = pack.voices.iter().map(|voice| voice.name.clone()).collect();
        self.names.set(names, selection.clone());
        let mut slow = self.shared.slow();
        slow.voices = voices;
        slow.pack = Some(pack.clone());
        slow.selection = selection.clone();
        note
    }

    fn take_over(&mut self, result: Result<String, Failure>) {
        match (result, self.loaded.clone()) {
            (Ok(mut note), Some((_, pack))) => {
                let lost = self.publish(&pack);
                if note.is_empty() {
                    note = lost;
                }
                self.say(EngineState::Live, String::new(), note);
            }
            (Ok(_), None) => {}
            (Err((state, text)), _) => {
                self.loaded = None;
                let (reply, retired) = bounded(1);
                let _ = self.to_engine.send(Command::Retire(reply));
                self.engine_thread.unpark();
                drop(retired.recv_timeout(Duration::from_secs(5)));
                self.say(state, text, String::new());
            }
        }
    }

    fn say(&self, state: EngineState, text: String, note: String) {
        self.shared.slow().status = Status { state, text, note };
    }

    fn selection(&self) -> MutexGuard<'_, Selection> {
        self.selection
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

/// The pack of this name, or the first one.
fn choose<'a>(packs: &'a [PackFile], name: &str) -> Option<&'a PackFile> {
    packs
        .iter()
        .find(|pack| pack.card.name == name)
        .or_else(|| packs.first())
}
