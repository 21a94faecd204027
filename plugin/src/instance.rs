//! One running Mien: parameters, shared state and threads, whatever hosts it. The plugin wraps it for
//! CLAP and VST3, the standalone for the sound card.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use crate::editor::RemoteSlot;
use crate::engine::pipeline::Pipeline;
use crate::engine::{EngineHost, search};
use crate::params::{MienParams, VoiceNames};
use crate::realtime::processor::Mode;
use crate::realtime::{Plan, Processor, rings};
use crate::shared::Shared;

/// Delay in samples at 24 kHz that is planned for before a pack is known: that of the shipped ones.
const USUAL_CONVERTER_DELAY: u32 = 600;

/// How sound will be brought to a processor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stream {
    /// Sample rate in Hz.
    pub rate: u32,
    /// Largest block in samples.
    pub block: u32,
    /// Input channels.
    pub inputs: usize,
    /// Live or offline.
    pub mode: Mode,
}

/// The parts of one Mien that outlive a stream.
pub struct Instance {
    /// What a host automates, and what is saved.
    pub params: Arc<MienParams>,
    /// What all threads know.
    pub shared: Arc<Shared>,
    /// For the editor, which may be made before the engine.
    pub remote: RemoteSlot,
    names: Arc<VoiceNames>,
    /// Started by the first activation: a scan makes instances too.
    engine: Option<EngineHost>,
}

impl Default for Instance {
    fn default() -> Self {
        let names = Arc::<VoiceNames>::default();
        Self {
            params: Arc::new(MienParams::new(names.clone())),
            shared: Shared::new(),
            remote: RemoteSlot::default(),
            names,
            engine: None,
        }
    }
}

impl Instance {
    /// Starts the threads, unless they run. Tells whether they were started now.
    ///
    /// # Errors
    /// When the system refuses a thread; text for people.
    pub fn start(&mut self) -> Result<bool, String> {
        if self.engine.is_some() {
            return Ok(false);
        }
        let selection = self.params.selection.clone();
        let engine = EngineHost::start(self.shared.clone(), selection, self.names.clone())
            .map_err(|error| format!("Mien cannot start its engine thread: {error}"))?;
        self.remote.set(engine.remote());
        self.engine = Some(engine);
        Ok(true)
    }

    /// A processor for a new stream; one that was made before falls silent. Starts the threads where
    /// they do not run yet.
    ///
    /// # Errors
    /// When the system refuses a thread, or for a rate that cannot be; text for people.
    pub fn processor(&mut self, stream: Stream) -> Result<Processor, String> {
        self.start()?;
        let Some(engine) = &self.engine else {
            return Err("Mien's engine thread is gone.".into());
        };
        let delay = self.converter_delay() as usize;
        let shape = Pipeline::shape(stream.rate, delay).map_err(|error| error.to_string())?;
        let delay_mode = self.params.delay_mode.value();
        let plan = Plan {
            offline: stream.mode == Mode::Offline,
            ..Plan::new(stream.rate, stream.block, delay_mode, shape)
        };
        let (audio, engine_end) = rings::connect(plan, stream.block);
        engine.attach(engine_end);
        engine.choose();
        let mut processor = Processor::new(
            plan,
            stream.block,
            stream.inputs,
            audio,
            engine.thread(),
            self.shared.clone(),
        );
        processor.reset(&self.params);
        self.shared.plan.store(plan);
        Ok(processor)
    }

    /// Waits until the engine has nothing to load, at most for `limit`.
    pub fn wait_ready(&self, limit: Duration) {
        if let Some(engine) = &self.engine {
            engine.wait_ready(limit);
        }
    }

    /// The converter's delay to plan for, in samples at 24 kHz: the loaded one's, or the one that
    /// the selected pack's card tells.
    fn converter_delay(&self) -> u32 {
        let loaded = self.shared.converter_delay.load(Ordering::Relaxed);
        if loaded > 0 && !self.shared.busy() {
            return loaded;
        }
        let selection = self.params.selection.lock();
        let wanted = selection.map(|held| held.pack.clone()).unwrap_or_default();
        let engine = search::find_engine().ok();
        let packs = search::packs(engine.as_deref());
        let pack = packs
            .iter()
            .find(|pack| pack.card.name == wanted)
            .or(packs.first());
        pack.map(|pack| pack.card.delay_samples)
            .filter(|&delay| delay > 0)
            .unwrap_or(USUAL_CONVERTER_DELAY)
    }
}
