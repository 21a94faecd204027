//! The slow side of a running plugin: the engine thread that converts, the loader thread that reads
//! libraries and packs, and what they use. Nothing here runs on the audio thread.

pub mod chosen;
pub mod loader;
pub mod overload;
pub mod own;
pub mod pipeline;
pub mod search;
pub mod selection;
pub mod stats;
pub mod thread;

use std::sync::{Arc, Mutex};
use std::thread::{JoinHandle, Thread};
use std::time::Duration;

use crossbeam::channel::{Sender, bounded, unbounded};

use crate::params::{Selection, VoiceNames};
use crate::realtime::rings::EngineEnd;
use crate::shared::Shared;

/// The two threads of one plugin instance. Dropping it ends them.
pub struct EngineHost {
    shared: Arc<Shared>,
    to_engine: Sender<thread::Command>,
    to_loader: Sender<loader::Job>,
    engine: Option<JoinHandle<()>>,
    loader: Option<JoinHandle<()>>,
}

impl EngineHost {
    /// Starts the threads. They open no library yet.
    ///
    /// # Errors
    /// When the system refuses a thread.
    pub fn start(
        shared: Arc<Shared>,
        selection: Arc<Mutex<Selection>>,
        names: Arc<VoiceNames>,
    ) -> std::io::Result<Self> {
        let (to_engine, engine_commands) = unbounded();
        let (to_loader, jobs) = unbounded();
        let engine = {
            let (shared, to_loader) = (shared.clone(), to_loader.clone());
            std::thread::Builder::new()
                .name("mien engine".into())
                .spawn(move || {
                    crate::priority::raise();
                    thread::run(engine_commands, to_loader, shared);
                })?
        };
        let mut host = Self {
            shared: shared.clone(),
            to_engine: to_engine.clone(),
            to_loader,
            engine: Some(engine),
            loader: None,
        };
        let engine = host.thread();
        host.loader = Some(
            std::thread::Builder::new()
                .name("mien loader".into())
                .spawn(move || {
                    loader::Loader::new(shared, selection, names, to_engine, engine).run(jobs);
                })?,
        );
        Ok(host)
    }

    /// The engine thread, for waking it.
    pub fn thread(&self) -> Thread {
        let handle = self.engine.as_ref().map(JoinHandle::thread);
        handle.cloned().unwrap_or_else(std::thread::current)
    }

    /// Joins the engine thread to a new pair of rings, and waits until it works on them.
    pub fn attach(&self, end: EngineEnd) {
        let (reply, attached) = bounded(1);
        let _ = self
            .to_engine
            .send(thread::Command::Attach(Box::new(end), reply));
        self.thread().unpark();
        // The thread answers within a frame; an engine stuck for longer is handled by the overload
        // rules, not by a host that cannot activate.
        let _ = attached.recv_timeout(Duration::from_secs(2));
    }

    /// Has the selection read from the state again, and its pack loaded where it is another.
    pub fn choose(&self) {
        self.job(loader::Job::Choose);
    }

    /// Has packs and engine looked for again, and the present pack loaded again.
    pub fn reload(&self) {
        self.job(loader::Job::Reload);
    }

    /// Has a selection made by the user taken over.
    pub fn select(&self, selection: Selection) {
        self.job(loader::Job::Select(selection));
    }

    /// A handle for the editor, which lives on another thread.
    pub fn remote(&self) -> Remote {
        Remote {
            shared: self.shared.clone(),
            to_loader: self.to_loader.clone(),
        }
    }

    /// Waits until the loader has nothing to do, at most for `limit`.
    pub fn wait_ready(&self, limit: Duration) {
        let deadline = std::time::Instant::now() + limit;
        while self.shared.busy() && std::time::Instant::now() < deadline {
            std::thread::sleep(Duration::from_millis(1));
        }
    }

    fn job(&self, job: loader::Job) {
        self.remote().job(job);
    }
}

/// What the editor can ask of the engine.
#[derive(Clone)]
pub struct Remote {
    shared: Arc<Shared>,
    to_loader: Sender<loader::Job>,
}

impl Remote {
    /// See [`EngineHost::reload`].
    pub fn reload(&self) {
        self.job(loader::Job::Reload);
    }

    /// See [`EngineHost::select`].
    pub fn select(&self, selection: Selection) {
        self.job(loader::Job::Select(selection));
    }

    /// Has a voice made of a recording (mono, `rate` Hz), kept, and selected.
    pub fn make_voice(&self, name: String, samples: Vec<f32>, rate: u32) {
        self.job(loader::Job::MakeVoice {
            name,
            samples,
            rate,
        });
    }

    /// The same from a sound file.
    pub fn make_voice_of_file(&self, name: String, path: std::path::PathBuf) {
        self.job(loader::Job::MakeVoiceOfFile { name, path });
    }

    /// Has a pack from anywhere copied to the user's, and loaded.
    pub fn install_pack(&self, path: std::path::PathBuf) {
        self.job(loader::Job::InstallPack(path));
    }

    /// Has a voice of the user's own forgotten.
    pub fn forget_voice(&self, name: String) {
        self.job(loader::Job::ForgetVoice(name));
    }

    fn job(&self, job: loader::Job) {
        self.shared.begin();
        if self.to_loader.send(job).is_err() {
            self.shared.finish();
        }
    }
}

impl Drop for EngineHost {
    fn drop(&mut self) {
        // Both must be gone before a host may unmap the plugin, so both are joined.
        let _ = self.to_loader.send(loader::Job::Quit);
        if let Some(loader) = self.loader.take() {
            let _ = loader.join();
        }
        let _ = self.to_engine.send(thread::Command::Quit);
        self.thread().unpark();
        if let Some(engine) = self.engine.take() {
            let _ = engine.join();
        }
    }
}
