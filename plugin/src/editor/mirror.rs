//! Fills the panel's plain state from what the threads share.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

use mien_face::StepReport;
use mien_panel::{
    EngineStatus, LIVE_COLUMNS, LatencyPart, LiveColumn, MyVoice, PackEntry, PanelState, ParamId,
    VoiceEntry,
};
use nice_plug::context::PluginApi;

use super::library;
use super::spectrum::{COLUMN_MS, Spectrum};
use crate::engine::{loader, search};
use crate::params::MienParams;
use crate::shared::{Counts, EngineState, Shared, Slow};

/// How long a peak is held.
const HOLD: Duration = Duration::from_millis(1500);
/// How long a clip light stays on.
const CLIP: Duration = Duration::from_secs(2);
/// How long a message stays.
const MESSAGE: Duration = Duration::from_secs(5);
/// The panel says "overload" for this long after the last lost sample.
const OVERLOAD: Duration = Duration::from_secs(1);
/// Input below this level, in dBFS, is silence.
const SILENCE_DB: f32 = -70.0;
/// Pitch reports that the speaker's range is taken from: half a minute.
const RANGE_REPORTS: usize = 3000;

/// The panel's state, and what is needed to keep it up to date.
pub struct Mirror {
    /// What the panel is drawn from.
    pub state: PanelState,
    params: Arc<MienParams>,
    shared: Arc<Shared>,
    spectrum: Spectrum,
    columns: VecDeque<LiveColumn>,
    pitches: VecDeque<f32>,
    last_report: StepReport,
    input: Level,
    output: Level,
    loud_at: Instant,
    counted: Counts,
    cleared_dropouts: u64,
    lost_at: Option<Instant>,
    said_at: Option<Instant>,
    recording: Option<Recording>,
}

/// A recording for a voice, under way.
struct Recording {
    name: String,
    /// How long it is to be.
    seconds: f32,
    position: u64,
    samples: Vec<f32>,
}

/// One meter's memory.
struct Level {
    hold_db: f32,
    held_at: Instant,
    clipped_at: Option<Instant>,
}

impl Mirror {
    /// A mirror of one plugin instance.
    pub fn new(params: Arc<MienParams>, shared: Arc<Shared>) -> Self {
        let mut state = PanelState {
            version: env!("CARGO_PKG_VERSION").into(),
            presets: library::presets(),
            packs_folder: search::user_data()
                .map(|data| data.join("packs"))
                .unwrap_or_default(),
            ..PanelState::default()
        };
        state.live.column_ms = COLUMN_MS;
        Self {
            state,
            params,
            shared,
            spectrum: Spectrum::new(48_000),
            columns: VecDeque::new(),
            pitches: VecDeque::new(),
            last_report: StepReport::default(),
            input: Level::new(),
            output: Level::new(),
            loud_at: Instant::now(),
            counted: Counts::default(),
            cleared_dropouts: 0,
            lost_at: None,
            said_at: None,
            recording: None,
        }
    }

    /// A window opened in this kind of host.
    pub fn opened(&mut self, api: PluginApi) {
        self.state.host.name = match api {
            PluginApi::Clap => "CLAP host",
            PluginApi::Vst3 => "VST3 host",
            PluginApi::Standalone => "Standalone",
        }
        .into();
        self.state.presets = library::presets();
    }

    /// Shows a short message.
    pub fn say(&mut self, text: impl Into<String>) {
        self.state.message = Some(text.into());
        self.said_at = Some(Instant::now());
    }

    /// Counts dropouts from here on.
    pub fn clear_dropouts(&mut self) {
        self.cleared_dropouts = self.shared.counters.read().dropouts;
    }

    /// Brings the state up to date; call it before each frame.
    pub fn refresh(&mut self) {
        let now = Instant::now();
        for param in ParamId::all() {
            self.state.values.set(param, self.params.value(param));
        }
        let slow = self.shared.slow().clone();
        self.voices(&slow);
        self.engine(&slow);
        self.record(&slow);
        self.meters(now);
        self.load(now);
        self.latency();
        self.live();
        if self
            .said_at
            .is_some_and(|at| now.duration_since(at) > MESSAGE)
        {
            (self.state.message, self.said_at) = (None, None);
        }
    }

    fn voices(&mut self, slow: &Slow) {
        let Some(pack) = &slow.pack else {
            self.state.voices.clear();
            self.state.emotions.clear();
            self.state.morph.clear();
            return;
        };
        if !self
            .state
            .voices
            .iter()
            .map(|entry| &entry.voice)
            .eq(&pack.voices)
        {
            let entry = |voice: &mien_face::Voice| VoiceEntry {
                voice: voice.clone(),
                own: slow.own.contains(&voice.name),
            };
            self.state.voices = pack.voices.iter().map(entry).collect();
            self.state.emotions.clone_from(&pack.emotions);
        }
        let value = self.params.voice.value();
        self.state.morph = if value == slow.selection.parameter {
            let slots = slow.selection.slots.iter();
            slots
                .map(|slot| (slot.voice.clone(), slot.weight))
                .collect()
        } else {
            // Automation moves faster than the loader thread takes note of it.
            let last = pack.voices.len().saturating_sub(1);
            let voice = pack.voices.get((value.max(0) as usize).min(last));
            voice
                .map(|voice| (voice.name.clone(), 1.0))
                .into_iter()
                .collect()
        };
    }

    /// Starts to record what comes in, for a voice of this name.
    pub fn start_recording(&mut self, name: String, seconds: f32) {
        let mut recording = Recording {
            name,
            seconds,
            position: 0,
            samples: Vec::new(),
        };
        // What was heard before does not count.
        self.shared
            .scope
            .read_input(&mut recording.position, &mut recording.samples);
        recording.samples.clear();
        self.recording = Some(recording);
    }

    /// Stops recording, and forgets what became of the last one.
    pub fn stop_recording(&mut self) {
        self.recording = None;
        self.shared.slow().my_voice = MyVoice::Idle;
    }

    /// The finished recording: name, samples and rate.
    pub fn take_recording(&mut self) -> Option<(String, Vec<f32>, u32)> {
        let rate = self.shared.plan.load().rate;
        let done = |held: &Recording| held.samples.len() as f32 >= held.seconds * rate as f32;
        let finished = rate > 0 && self.recording.as_ref().is_some_and(done);
        let recording = self.recording.take_if(|_| finished)?;
        Some((recording.name, recording.samples, rate))
    }

    fn record(&mut self, slow: &Slow) {
        let rate = self.shared.plan.load().rate.max(1) as f32;
        self.state.my_voice = match &mut self.recording {
            Some(held) => {
                self.shared
                    .scope
                    .read_input(&mut held.position, &mut held.samples);
                MyVoice::Recording {
                    seconds: held.samples.len() as f32 / rate,
                    wanted: held.seconds,
                }
            }
            None => slow.my_voice.clone(),
        };
    }

    fn engine(&mut self, slow: &Slow) {
        let status = &slow.status;
        self.state.engine = match status.state {
            EngineState::Idle => EngineStatus::Starting,
            EngineState::Loading if slow.pack.is_none() => EngineStatus::Starting,
            EngineState::Loading => EngineStatus::LoadingPack {
                name: slow.selection.pack.clone(),
                progress: None,
            },
            EngineState::Live => EngineStatus::Ready,
            EngineState::EngineMissing => EngineStatus::EngineMissing {
                reason: status.text.clone(),
                searched: search::engine_candidates(),
            },
            EngineState::PackMissing => EngineStatus::PackMissing {
                folder: self.state.packs_folder.clone(),
            },
            EngineState::Failed => EngineStatus::Failed(status.text.clone()),
        };
        if !status.note.is_empty() && self.state.message.is_none() {
            self.state.message = Some(status.note.clone());
        }
        let loaded = slow.pack.as_ref().map(|pack| pack.name.as_str());
        self.state.packs = slow
            .packs
            .iter()
            .map(|pack| PackEntry {
                name: pack.card.name.clone(),
                description: pack.card.description.clone(),
                licence: pack.card.licence.clone(),
                non_commercial: pack.card.non_commercial,
                path: pack.path.clone(),
                loaded: loaded == Some(&pack.card.name),
            })
            .collect();
        if let Some(path) = loader::engine_path() {
            self.state.engine_path = path;
        }
    }

    fn meters(&mut self, now: Instant) {
        let [input, output] = self.shared.meters.take().map(decibels);
        let meters = &mut self.state.meters;
        (meters.input_db, meters.output_db) = (input, output);
        (meters.input_hold_db, meters.input_clipped) = self.input.follow(input, now);
        (meters.output_hold_db, meters.output_clipped) = self.output.follow(output, now);
        if input > SILENCE_DB {
            self.loud_at = now;
        }
        meters.silent_for_s = now.duration_since(self.loud_at).as_secs_f32();
        let gate = self.state.values.get(ParamId::Gate);
        meters.gated = gate > ParamId::Gate.spec().min && input < gate;
    }

    fn load(&mut self, now: Instant) {
        let (stats, counts) = (self.shared.stats.load(), self.shared.counters.read());
        if counts.missing > self.counted.missing || counts.expired > self.counted.expired {
            self.lost_at = Some(now);
        }
        self.counted = counts;
        let load = &mut self.state.load;
        load.share = stats.load();
        load.mean_ms = stats.mean_us / 1000.0;
        load.worst_ms = stats.max_us / 1000.0;
        load.dropouts = counts.dropouts - self.cleared_dropouts.min(counts.dropouts);
        load.overloaded = self
            .lost_at
            .is_some_and(|at| now.duration_since(at) < OVERLOAD);
    }

    fn latency(&mut self) {
        let plan = self.shared.plan.load();
        if plan.rate == 0 {
            return;
        }
        self.state.host.sample_rate = plan.rate as f32;
        self.state.host.max_block = plan.block;
        self.state.host.offline = plan.offline;
        let converter = plan.converter as f32 * 1000.0 / mien_face::SAMPLE_RATE as f32;
        let part = |name: &str, ms: f32| LatencyPart {
            name: name.into(),
            ms,
        };
        self.state.latency = vec![
            part("Filling a frame", plan.ms(plan.adaptation)),
            part("Time to compute", plan.ms(plan.inference)),
            part("The voice itself", converter),
            part(
                "Changing the sample rate",
                (plan.ms(plan.pipeline) - converter).max(0.0),
            ),
        ];
        if self.spectrum.rate() != plan.rate {
            self.spectrum = Spectrum::new(plan.rate);
        }
    }

    fn live(&mut self) {
        let mut reports = Vec::new();
        while let Some(report) = self.shared.reports.pop() {
            if report.input_f0_hz > 0.0 {
                self.pitches.push_back(report.input_f0_hz);
            }
            reports.push(report);
        }
        while self.pitches.len() > RANGE_REPORTS {
            self.pitches.pop_front();
        }
        let columns = self.spectrum.columns(&self.shared.scope);
        if columns.is_empty() {
            return;
        }
        let count = columns.len();
        for (i, mut column) in columns.into_iter().enumerate() {
            // Reports and columns come at different rates; each column takes the one of its time.
            if let Some(report) = reports.get(i * reports.len() / count) {
                self.last_report = *report;
            }
            column.input_f0_hz = self.last_report.input_f0_hz;
            column.output_f0_hz = self.last_report.output_f0_hz;
            self.columns.push_back(column);
        }
        while self.columns.len() > LIVE_COLUMNS {
            self.columns.pop_front();
        }
        let live = &mut self.state.live;
        live.total += count as u64;
        live.columns.clear();
        live.columns.extend(&self.columns);
        live.mean_f0_hz = self.last_report.mean_f0_hz;
        live.range_f0_hz = range(&self.pitches);
    }
}

impl Level {
    fn new() -> Self {
        Self {
            hold_db: -120.0,
            held_at: Instant::now(),
            clipped_at: None,
        }
    }

    /// Takes a level; gives the held one, and whether it clipped lately.
    fn follow(&mut self, db: f32, now: Instant) -> (f32, bool) {
        if db >= self.hold_db || now.duration_since(self.held_at) > HOLD {
            (self.hold_db, self.held_at) = (db, now);
        }
        if db >= 0.0 {
            self.clipped_at = Some(now);
        }
        (
            self.hold_db,
            self.clipped_at
                .is_some_and(|at| now.duration_since(at) < CLIP),
        )
    }
}

/// 5th and 95th percentile.
fn range(pitches: &VecDeque<f32>) -> (f32, f32) {
    let mut sorted: Vec<f32> = pitches.iter().copied().collect();
    sorted.sort_unstable_by(f32::total_cmp);
    let at = |share: f32| {
        let index = (sorted.len().saturating_sub(1) as f32 * share) as usize;
        sorted.get(index).copied().unwrap_or_default()
    };
    (at(0.05), at(0.95))
}

fn decibels(peak: f32) -> f32 {
    20.0 * peak.max(1e-6).log10()
}
