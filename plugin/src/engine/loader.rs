//! The loader thread: opens the engine library, reads packs, makes converters, drops old ones.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::Thread;
use std::time::Duration;

use crossbeam::channel::{Receiver, Sender, bounded};
use mien_face::{Controls, Engine, FRAME, Pack, PackDescription, Voice};
use mien_panel::MyVoice;

use super::own;
use super::pipeline::Convert;
use super::search::{self, PackFile};
use super::selection::{follow, resolve};
use super::thread::Command;
use crate::params::{Selection, Slot, VoiceNames};
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
    /// Copy a pack to the user's, and load it.
    InstallPack(PathBuf),
    /// Make a voice of a recording.
    MakeVoice {
        /// What to call it.
        name: String,
        /// The recording, mono.
        samples: Vec<f32>,
        /// Its rate in Hz.
        rate: u32,
    },
    /// Make a voice of a sound file.
    MakeVoiceOfFile {
        /// What to call it.
        name: String,
        /// The file.
        path: PathBuf,
    },
    /// Forget a voice that the user made.
    ForgetVoice(String),
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
    loaded: Option<Loaded>,
}

/// A pack in use.
struct Loaded {
    path: PathBuf,
    pack: Pack,
    /// What is in it, the user's own voices for it included.
    description: Arc<PackDescription>,
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
        let mut remark = String::new();
        match job {
            Job::Choose => self.miss_own_voices(),
            Job::Select(selection) => {
                *self.selection() = selection;
                self.miss_own_voices();
            }
            Job::Follow(parameter) => {
                if let Some(loaded) = &self.loaded {
                    follow(&mut self.selection(), parameter, &loaded.description);
                }
            }
            Job::Reload => self.loaded = None,
            Job::InstallPack(path) => match search::install_pack(&path) {
                Ok(name) => {
                    // The same name may mean a newer file.
                    self.loaded = None;
                    self.selection().pack = name;
                }
                Err(text) => remark = text,
            },
            Job::MakeVoice {
                name,
                samples,
                rate,
            } => self.make_voice(name, &samples, rate),
            Job::MakeVoiceOfFile { name, path } => match mien_audio::decode(&path) {
                Ok(sound) => self.make_voice(name, &sound.mono(), sound.rate),
                Err(error) => self.shared.slow().my_voice = MyVoice::Failed(error.to_string()),
            },
            Job::ForgetVoice(name) => {
                if let Some(loaded) = self.loaded.take() {
                    own::delete(&loaded.description.name, &name);
                }
                self.selection().own.retain(|voice| voice.name != name);
            }
            Job::Broken(text, converter) => {
                drop(converter);
                self.loaded = None;
                let text =
                    format!("{text}. Reload the engine in the settings, or choose another pack.");
                return self.say(EngineState::Failed, text, String::new());
            }
            Job::Quit => return,
        }
        let mut result = self.load();
        if let Ok(note) = &mut result
            && !remark.is_empty()
        {
            *note = remark;
        }
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
            let folder = search::packs_folder();
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
            .is_some_and(|loaded| loaded.path == pack.path)
        {
            return Ok(note);
        }
        // The one that speaks goes on meanwhile, but whoever chose another is told that it comes.
        self.shared.slow().reading.clone_from(&pack.card.name);
        self.say(EngineState::Loading, String::new(), String::new());
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
        let mut description = opened.description().clone();
        let mut own = own::voices(&description.name);
        let known = |own: &[Voice], voice: &Voice| own.iter().any(|other| other.name == voice.name);
        for voice in &self.selection().own {
            if !known(&own, voice) {
                own.push(voice.clone());
            }
        }
        own.retain(|voice| !known(&description.voices, voice));
        // One that the engine refuses (made by another version of the pack) is left out.
        own.retain(|voice| converter.add_voice(voice).is_ok());
        self.shared.slow().own = own.iter().map(|voice| voice.name.clone()).collect();
        description.voices.extend(own);
        let description = Arc::new(description);
        // The voices must be known before the converter that they belong to.
        self.publish(&description);
        let delay = converter.info().delay_samples;
        self.shared.converter_delay.store(delay, Ordering::Relaxed);
        let (reply, retired) = bounded(1);
        let _ = self
            .to_engine
            .send(Command::Adopt(Box::new(converter), reply));
        self.engine_thread.unpark();
        // The former converter comes back when it has faded out, and is dropped here.
        drop(retired.recv_timeout(Duration::from_secs(5)));
        let path = pack.path.clone();
        self.loaded = Some(Loaded {
            path,
            pack: opened,
            description,
        });
        Ok(())
    }

    /// Has the pack loaded again when the state brings voices of the user's that it was loaded without.
    fn miss_own_voices(&mut self) {
        let Some(loaded) = &self.loaded else { return };
        let known = &loaded.description.voices;
        let selection = self.selection();
        let missing = |voice: &Voice| known.iter().all(|other| other.name != voice.name);
        let reload = selection.pack == loaded.description.name && selection.own.iter().any(missing);
        drop(selection);
        if reload {
            self.loaded = None;
        }
    }

    /// Makes a voice, keeps it, and selects it; the pack is loaded again with it afterwards.
    fn make_voice(&mut self, name: String, samples: &[f32], rate: u32) {
        self.shared.slow().my_voice = MyVoice::Working;
        let made = match &self.loaded {
            None => Err("Load a voice pack first: its encoder makes the voice.".into()),
            Some(loaded)
                if loaded
                    .pack
                    .description()
                    .voices
                    .iter()
                    .any(|v| v.name == name) =>
            {
                Err(format!(
                    "The pack has a voice {name} already. Choose another name."
                ))
            }
            Some(loaded) => loaded
                .pack
                .embed_voice(samples, rate)
                .map_err(|error| error.to_string())
                .and_then(|voice| {
                    let voice = Voice {
                        name: name.clone(),
                        ..voice
                    };
                    own::save(&loaded.description.name, voice)
                }),
        };
        let state = match made {
            Ok(()) => {
                self.selection().slots = vec![Slot {
                    voice: name.clone(),
                    weight: 1.0,
                }];
                self.loaded = None;
                MyVoice::Done(name)
            }
            Err(text) => MyVoice::Failed(text),
        };
        self.shared.slow().my_voice = state;
    }

    /// Publishes the voices of `pack` that the selection means; gives a note.
    fn publish(&self, pack: &Arc<PackDescription>) -> String {
        let mut selection = self.selection();
        let (voices, note) = resolve(&mut selection, pack);
        if selection.pack.is_empty() {
            selection.pack.clone_from(&pack.name);
        }
        let mut slow = self.shared.slow();
        let chosen = |voice: &&Voice| {
            let named = selection.slots.iter().any(|slot| slot.voice == voice.name);
            named && slow.own.contains(&voice.name)
        };
        let mut own: Vec<Voice> = pack.voices.iter().filter(chosen).cloned().collect();
        // One that this pack cannot have is kept for the pack that can.
        own.extend(
            std::mem::take(&mut selection.own)
                .into_iter()
                .filter(|voice| {
                    let named = selection.slots.iter().any(|slot| slot.voice == voice.name);
                    named && pack.voices.iter().all(|known| known.name != voice.name)
                }),
        );
        selection.own = own;
        let names = pack.voices.iter().map(|voice| voice.name.clone()).collect();
        self.names.set(names, selection.clone());
        slow.voices = voices;
        slow.pack = Some(pack.clone());
        slow.selection = selection.clone();
        note
    }

    fn take_over(&mut self, result: Result<String, Failure>) {
        let pack = self
            .loaded
            .as_ref()
            .map(|loaded| loaded.description.clone());
        match (result, pack) {
            (Ok(mut note), Some(pack)) => {
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
