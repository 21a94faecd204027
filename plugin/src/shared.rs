//! What all threads of one plugin instance know together: atomics for the audio thread, a mutex for
//! what only slow threads touch.

use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use crossbeam::atomic::AtomicCell;
use crossbeam::queue::ArrayQueue;
use mien_face::{MORPH_SLOTS, PackDescription, StepReport, VoiceWeight};

use mien_panel::MyVoice;

use crate::engine::search::PackFile;
use crate::engine::stats::StepStats;
use crate::params::Selection;
use crate::realtime::Plan;
use crate::realtime::meters::Meters;

/// Reports kept for the panel's pitch curves: 2.5 s.
const REPORTS: usize = 256;
/// Samples kept for the panel's spectrograms: a third of a second at 48 kHz.
const SCOPE: usize = 1 << 14;

/// The shared state of one plugin instance.
pub struct Shared {
    /// Levels, raised by the audio thread.
    pub meters: Meters,
    /// What went wrong, counted.
    pub counters: Counters,
    /// Recent input and output, for spectrograms.
    pub scope: Scope,
    /// What the engine heard in recent frames; the oldest is dropped when nobody reads.
    pub reports: ArrayQueue<StepReport>,
    /// Times of the converter's recent steps.
    pub stats: AtomicCell<StepStats>,
    /// The present latency.
    pub plan: AtomicCell<Plan>,
    /// Jobs that the loader has not finished.
    pending: AtomicU32,
    /// Delay of the loaded converter in samples at 24 kHz; 0 before one was loaded.
    pub converter_delay: AtomicU32,
    slow: Mutex<Slow>,
}

/// What only slow threads touch.
#[derive(Clone, Default)]
pub struct Slow {
    /// The engine's state, and words for it.
    pub status: Status,
    /// Name of the pack that is being read, or was read last.
    pub reading: String,
    /// The installed packs.
    pub packs: Vec<PackFile>,
    /// The loaded pack.
    pub pack: Option<Arc<PackDescription>>,
    /// The selected voices as the engine needs them.
    pub voices: ResolvedVoices,
    /// The selection that they were resolved from.
    pub selection: Selection,
    /// Names of the voices that the user made; they follow the pack's.
    pub own: Vec<String>,
    /// How making one goes.
    pub my_voice: MyVoice,
}

/// The selected voices by their indices in the loaded pack.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct ResolvedVoices {
    /// Value of the `voice` parameter that they belong to.
    pub parameter: i32,
    /// Their shares.
    pub weights: [VoiceWeight; MORPH_SLOTS],
    /// Number of voices in the pack.
    pub count: u32,
}

/// State of the engine.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum EngineState {
    /// Not asked for yet.
    #[default]
    Idle,
    /// The library or a pack is being read.
    Loading,
    /// Voices are converted.
    Live,
    /// The engine library is not there or does not fit.
    EngineMissing,
    /// No pack is installed.
    PackMissing,
    /// A pack cannot be used.
    Failed,
}

/// State of the engine, in words that say what to do.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Status {
    /// For programs.
    pub state: EngineState,
    /// For people: what is wrong, and what to do. Empty when all is well.
    pub text: String,
    /// A remark that does not stop anything, e.g. that a voice of the state is not in the pack.
    pub note: String,
}

impl Shared {
    /// Nothing heard, nothing loaded.
    pub fn new() -> Arc<Self> {
        Arc::new(Self {
            meters: Meters::default(),
            counters: Counters::default(),
            scope: Scope::default(),
            reports: ArrayQueue::new(REPORTS),
            stats: AtomicCell::new(StepStats::default()),
            plan: AtomicCell::new(Plan::default()),
            pending: AtomicU32::new(0),
            converter_delay: AtomicU32::new(0),
            slow: Mutex::default(),
        })
    }

    /// Whether the engine is about to change what it plays. Real-time safe.
    pub fn busy(&self) -> bool {
        self.pending.load(Ordering::Acquire) > 0
    }

    /// Notes that a job for the loader begins; [`Self::finish`] ends it.
    pub fn begin(&self) {
        self.pending.fetch_add(1, Ordering::AcqRel);
    }

    /// Notes that a job is done.
    pub fn finish(&self) {
        self.pending.fetch_sub(1, Ordering::AcqRel);
    }

    /// The slow part. Never on the audio thread.
    pub fn slow(&self) -> MutexGuard<'_, Slow> {
        self.slow.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What went wrong since the plugin was made. Every figure only grows.
#[derive(Default)]
pub struct Counters {
    dropouts: AtomicU64,
    missing: AtomicU64,
    expired: AtomicU64,
    resyncs: AtomicU64,
    fast_renders: AtomicU64,
}

/// The counters at one moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Times that the converted voice was not there in time.
    pub dropouts: u64,
    /// Samples that were not there in time.
    pub missing: u64,
    /// Input samples that the engine skipped, because their voice would have come too late.
    pub expired: u64,
    /// Times that everything queued was given up.
    pub resyncs: u64,
    /// Blocks that waited for the engine, because the host renders faster than real time.
    pub fast_renders: u64,
}

impl Counters {
    /// Counts samples that were not there. Real-time safe.
    pub fn missing(&self, samples: usize, dropout: bool) {
        if samples > 0 {
            self.missing.fetch_add(samples as u64, Ordering::Relaxed);
            self.dropouts
                .fetch_add(u64::from(dropout), Ordering::Relaxed);
        }
    }

    /// Counts skipped input.
    pub fn expired(&self, samples: u64) {
        self.expired.fetch_add(samples, Ordering::Relaxed);
    }

    /// Counts a new start. Real-time safe.
    pub fn resync(&self) {
        self.resyncs.fetch_add(1, Ordering::Relaxed);
    }

    /// Counts a block that waited. Real-time safe.
    pub fn fast_render(&self) {
        self.fast_renders.fetch_add(1, Ordering::Relaxed);
    }

    /// All of them.
    pub fn read(&self) -> Counts {
        let read = |cell: &AtomicU64| cell.load(Ordering::Relaxed);
        Counts {
            dropouts: read(&self.dropouts),
            missing: read(&self.missing),
            expired: read(&self.expired),
            resyncs: read(&self.resyncs),
            fast_renders: read(&self.fast_renders),
        }
    }
}

/// The last samples of input and output. They are written only while a panel watches;
/// the panel may read a sample that is just being replaced, and draws one wrong pixel.
pub struct Scope {
    /// Microseconds since `start` until which somebody watches.
    watched_until: AtomicU64,
    start: Instant,
    input: Trace,
    output: Trace,
}

struct Trace {
    samples: Vec<AtomicU32>,
    written: AtomicU64,
}

impl Default for Scope {
    fn default() -> Self {
        Self {
            watched_until: AtomicU64::new(0),
            start: Instant::now(),
            input: Trace::new(),
            output: Trace::new(),
        }
    }
}

impl Scope {
    /// A panel watches, and will say so again before this moment.
    pub fn watch_until(&self, moment: Instant) {
        let time = moment.saturating_duration_since(self.start).as_micros() as u64;
        self.watched_until.store(time, Ordering::Relaxed);
    }

    fn is_watched(&self) -> bool {
        let until = self.watched_until.load(Ordering::Relaxed);
        until > 0 && (self.start.elapsed().as_micros() as u64) < until
    }

    /// Keeps input samples. Real-time safe.
    pub fn input(&self, samples: &[f32]) {
        if self.is_watched() {
            self.input.write(samples);
        }
    }

    /// Keeps output samples. Real-time safe.
    pub fn output(&self, samples: &[f32]) {
        if self.is_watched() {
            self.output.write(samples);
        }
    }

    /// Appends the input samples since `position` to `to` and moves `position`.
    pub fn read_input(&self, position: &mut u64, to: &mut Vec<f32>) {
        self.input.read(position, to);
    }

    /// Appends the output samples since `position` to `to` and moves `position`.
    pub fn read_output(&self, position: &mut u64, to: &mut Vec<f32>) {
        self.output.read(position, to);
    }
}

impl Trace {
    fn new() -> Self {
        Self {
            samples: (0..SCOPE).map(|_| AtomicU32::new(0)).collect(),
            written: AtomicU64::new(0),
        }
    }

    fn write(&self, samples: &[f32]) {
        let start = self.written.load(Ordering::Relaxed);
        for (at, sample) in (start..).zip(samples) {
            self.samples[at as usize % SCOPE].store(sample.to_bits(), Ordering::Relaxed);
        }
        self.written
            .store(start + samples.len() as u64, Ordering::Release);
    }

    fn read(&self, position: &mut u64, to: &mut Vec<f32>) {
        let end = self.written.load(Ordering::Acquire);
        // Half the ring at most, so that the writer is far from what is read.
        let start = (*position)
            .max(end.saturating_sub(SCOPE as u64 / 2))
            .min(end);
        to.extend(
            (start..end).map(|at| {
                f32::from_bits(self.samples[at as usize % SCOPE].load(Ordering::Relaxed))
            }),
        );
        *position = end;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_scope_gives_what_was_written_since() {
        let scope = Scope::default();
        scope.input(&[1.0]);
        scope.watch_until(Instant::now() + std::time::Duration::from_secs(60));
        let mut position = 0;
        let mut seen = Vec::new();
        scope.input(&[2.0, 3.0]);
        scope.read_input(&mut position, &mut seen);
        scope.input(&[4.0]);
        scope.read_input(&mut position, &mut seen);
        assert_eq!(seen, [2.0, 3.0, 4.0]);
    }
}
