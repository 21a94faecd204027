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

use super::Desk;
use super::library;
use super::spectrum::{COLUMN_MS, Spectrum};
use crate::engine::{chosen, loader, search};
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
/// Sample rates, in Hz, that the resamplers reach.
const RATES: std::ops::RangeInclusive<u32> = 4_000..=768_000;
/// Input below this level, in dBFS, is silence.
const SILENCE_DB: f32 = -70.0;
/// Pitch reports that the speaker's range is taken from: half a minute.
const RANGE_REPORTS: usize = 3000;

/// A remark of the engine stays longer than an answer: nobody asked for it.
const REMARK: Duration = Duration::from_secs(12);
/// Silence is counted up to here, in s; the panel tells nothing longer apart.
const LONGEST_SILENCE_S: f32 = 10.0;
/// Time between two looks at what moves slowly: the load, and the range of the pitch.
const SLOWLY: Duration = Duration::from_secs(1);
/// Levels of a column up to here are drawn as the ground of the picture.
const GROUND_LEVEL: u8 = 50;

/// The panel's state, and what is needed to keep it up to date.
pub struct Mirror {
    /// What the panel is drawn from.
    pub state: PanelState,
    params: Arc<MienParams>,
    shared: Arc<Shared>,
    desk: Option<Arc<dyn Desk>>,
    spectrum: Spectrum,
    pitches: VecDeque<f32>,
    last_report: StepReport,
    input: Level,
    output: Level,
    loud_at: Instant,
    counted: Counts,
    cleared_dropouts: u64,
    lost_at: Option<Instant>,
    /// When the message goes.
    quiet_at: Option<Instant>,
    /// The engine's last remark.
    remark: String,
    /// When the slow figures are due again.
    slow_at: Instant,
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
    pub fn new(params: Arc<MienParams>, shared: Arc<Shared>, desk: Option<Arc<dyn Desk>>) -> Self {
        let mut state = PanelState {
            version: env!("CARGO_PKG_VERSION").into(),
            presets: library::presets(),
            presets_folder: library::folder().unwrap_or_default(),
            packs_folder: search::packs_folder(),
            packs_folder_chosen: chosen::chosen().packs.is_some(),
            ..PanelState::default()
        };
        state.live.column_ms = COLUMN_MS;
        Self {
            state,
            params,
            shared,
            desk,
            spectrum: Spectrum::new(48_000),
            pitches: VecDeque::new(),
            last_report: StepReport::default(),
            input: Level::new(),
            output: Level::new(),
            loud_at: Instant::now(),
            counted: Counts::default(),
            cleared_dropouts: 0,
            lost_at: None,
            quiet_at: None,
            remark: String::new(),
            slow_at: Instant::now(),
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
        self.look_up_packs_folder();
        self.loud_at = Instant::now();
    }

    /// Reads again which folder of packs was chosen.
    pub fn look_up_packs_folder(&mut self) {
        self.state.packs_folder = search::packs_folder();
        self.state.packs_folder_chosen = chosen::chosen().packs.is_some();
    }

    /// The window closed: nothing is recorded any more.
    pub fn closed(&mut self) {
        self.recording = None;
        self.shared.scope.watch_until(Instant::now());
    }

    /// Shows a short message.
    pub fn say(&mut self, text: impl Into<String>) {
        self.say_for(text.into(), MESSAGE);
    }

    fn say_for(&mut self, text: String, time: Duration) {
        self.state.message = Some(text);
        self.quiet_at = Some(Instant::now() + time);
    }

    /// Counts dropouts from here on.
    pub fn clear_dropouts(&mut self) {
        self.cleared_dropouts = self.shared.counters.read().dropouts;
    }

    /// Reads the parameters alone; cheap enough for each frame.
    pub fn follow_parameters(&mut self) -> bool {
        let before = self.state.values;
        for param in ParamId::all() {
            self.state.values.set(param, self.params.value(param));
        }
        self.state.values != before
    }

    /// Brings the state up to date. True when something that is shown has changed.
    pub fn refresh(&mut self) -> bool {
        let now = Instant::now();
        self.shared.scope.watch_until(super::watch());
        let mut changed = self.follow_parameters();
        let shared = self.shared.clone();
        {
            let slow = shared.slow();
            changed |= self.voices(&slow);
            changed |= self.engine(&slow);
            changed |= self.record(&slow);
        }
        changed |= self.meters(now);
        changed |= self.load(now);
        changed |= self.latency();
        changed |= self.live(now);
        changed |= self.standalone();
        if self.quiet_at.is_some_and(|at| now > at) {
            (self.state.message, self.quiet_at) = (None, None);
            changed = true;
        }
        changed
    }

    fn voices(&mut self, slow: &Slow) -> bool {
        let Some(pack) = &slow.pack else {
            let had = !self.state.voices.is_empty();
            self.state.voices.clear();
            self.state.emotions.clear();
            self.state.morph.clear();
            return had;
        };
        let known = self.state.voices.iter().map(|entry| &entry.voice);
        let mut changed = !known.eq(&pack.voices);
        if changed {
            let entry = |voice: &mien_face::Voice| VoiceEntry {
                voice: voice.clone(),
                own: slow.own.contains(&voice.name),
            };
            self.state.voices = pack.voices.iter().map(entry).collect();
            self.state.emotions.clone_from(&pack.emotions);
        }
        let value = self.params.voice.value();
        let morph = if value == slow.selection.parameter {
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
        changed |= put(&mut self.state.morph, morph);
        changed
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

    fn record(&mut self, slow: &Slow) -> bool {
        let rate = self.shared.plan.load().rate.max(1) as f32;
        let my_voice = match &mut self.recording {
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
        put(&mut self.state.my_voice, my_voice)
    }

    fn engine(&mut self, slow: &Slow) -> bool {
        let status = &slow.status;
        let engine = match status.state {
            EngineState::Idle => EngineStatus::Starting,
            EngineState::Loading if slow.pack.is_none() => EngineStatus::Starting,
            EngineState::Loading => EngineStatus::LoadingPack {
                name: slow.reading.clone(),
                progress: None,
            },
            EngineState::Live => EngineStatus::Ready,
            EngineState::EngineMissing => match &self.state.engine {
                // Where it was looked for costs a walk through the file system.
                present @ EngineStatus::EngineMissing { reason, .. } if *reason == status.text => {
                    present.clone()
                }
                _ => EngineStatus::EngineMissing {
                    reason: status.text.clone(),
                    searched: search::engine_candidates(),
                },
            },
            EngineState::PackMissing => EngineStatus::PackMissing {
                folder: self.state.packs_folder.clone(),
            },
            EngineState::Failed => EngineStatus::Failed(status.text.clone()),
        };
        let mut changed = put(&mut self.state.engine, engine);
        if put(&mut self.remark, status.note.clone()) && !status.note.is_empty() {
            self.say_for(status.note.clone(), REMARK);
            changed = true;
        }
        let loaded = slow.pack.as_ref().map(|pack| pack.name.as_str());
        let packs = slow.packs.iter().map(|pack| PackEntry {
            name: pack.card.name.clone(),
            description: pack.card.description.clone(),
            licence: pack.card.licence.clone(),
            non_commercial: pack.card.non_commercial,
            path: pack.path.clone(),
            loaded: loaded == Some(&pack.card.name),
        });
        if !packs.clone().eq(self.state.packs.iter().cloned()) {
            self.state.packs = packs.collect();
            changed = true;
        }
        if let Some(path) = loader::engine_path() {
            changed |= put(&mut self.state.engine_path, path);
        }
        changed
    }

    fn meters(&mut self, now: Instant) -> bool {
        let before = self.state.meters;
        let [input, output] = self.shared.meters.take();
        // The gate shows the input down to where it is off.
        let input = decibels(input, ParamId::Gate.spec().min);
        let output = decibels(output, SILENCE_DB);
        let meters = &mut self.state.meters;
        (meters.input_db, meters.output_db) = (input, output);
        (meters.input_hold_db, meters.input_clipped) = self.input.follow(input, now);
        (meters.output_hold_db, meters.output_clipped) = self.output.follow(output, now);
        if input > SILENCE_DB {
            self.loud_at = now;
        }
        let silent = now.duration_since(self.loud_at).as_secs_f32();
        meters.silent_for_s = silent.min(LONGEST_SILENCE_S).floor();
        let gate = self.state.values.get(ParamId::Gate);
        meters.gated = gate > ParamId::Gate.spec().min && input < gate;
        self.state.meters != before
    }

    fn load(&mut self, now: Instant) -> bool {
        let before = self.state.load;
        let counts = self.shared.counters.read();
        if counts.missing > self.counted.missing || counts.expired > self.counted.expired {
            self.lost_at = Some(now);
        }
        self.counted = counts;
        let load = &mut self.state.load;
        if now >= self.slow_at {
            // Rounded as it is shown, so that what looks the same is the same.
            let stats = self.shared.stats.load();
            load.share = (stats.load() * 100.0).round() / 100.0;
            load.mean_ms = (stats.mean_us / 100.0).round() / 10.0;
            load.worst_ms = (stats.max_us / 100.0).round() / 10.0;
        }
        load.dropouts = counts.dropouts - self.cleared_dropouts.min(counts.dropouts);
        load.overloaded = self
            .lost_at
            .is_some_and(|at| now.duration_since(at) < OVERLOAD);
        self.state.load != before
    }

    fn latency(&mut self) -> bool {
        let plan = self.shared.plan.load();
        if plan.rate == 0 {
            return false;
        }
        let host = &mut self.state.host;
        let mut changed = put(&mut host.sample_rate, plan.rate as f32);
        changed |= put(&mut host.max_block, plan.block);
        changed |= put(&mut host.offline, plan.offline);
        changed |= put(&mut host.rate_supported, RATES.contains(&plan.rate));
        let converter = plan.converter as f32 * 1000.0 / mien_face::SAMPLE_RATE as f32;
        let part = |name: &str, ms: f32| LatencyPart {
            name: name.into(),
            ms,
        };
        let latency = vec![
            part("Filling a frame", plan.ms(plan.adaptation)),
            part("Time to compute", plan.ms(plan.inference)),
            part("The voice itself", converter),
            part(
                "Changing the sample rate",
                (plan.ms(plan.pipeline) - converter).max(0.0),
            ),
        ];
        changed |= put(&mut self.state.latency, latency);
        if self.spectrum.rate() != plan.rate {
            self.spectrum = Spectrum::new(plan.rate);
        }
        changed
    }

    fn standalone(&mut self) -> bool {
        let Some(desk) = self.desk.clone() else {
            return false;
        };
        let mut changed = put(&mut self.state.standalone, Some(desk.state()));
        // Each message is shown for as long as any other.
        if self.state.message.is_none()
            && let Some(message) = desk.message()
        {
            self.say(message);
            changed = true;
        }
        changed || desk.closing()
    }

    fn live(&mut self, now: Instant) -> bool {
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
        let live = &mut self.state.live;
        let mut changed = false;
        if now >= self.slow_at {
            self.slow_at = now + SLOWLY;
            let mean = (self.last_report.mean_f0_hz * 2.0).round() / 2.0;
            changed |= put(&mut live.mean_f0_hz, mean);
            changed |= put(&mut live.range_f0_hz, range(&self.pitches));
        }
        let columns = self.spectrum.columns(&self.shared.scope);
        let count = columns.len();
        for (i, mut column) in columns.into_iter().enumerate() {
            // Reports and columns come at different rates; each column takes the one of its time.
            if let Some(report) = reports.get(i * reports.len() / count) {
                self.last_report = *report;
            }
            column.input_f0_hz = self.last_report.input_f0_hz;
            column.output_f0_hz = self.last_report.output_f0_hz;
            // Silence that would push silence out of the picture changes nothing.
            if is_silent(&column) && live.columns.iter().all(is_silent) {
                continue;
            }
            live.columns.push(column);
            live.total += 1;
            changed = true;
        }
        let surplus = live.columns.len().saturating_sub(LIVE_COLUMNS);
        live.columns.drain(..surplus);
        changed
    }
}

/// Sets a value; true when it was another.
fn put<T: PartialEq>(slot: &mut T, value: T) -> bool {
    let changed = *slot != value;
    if changed {
        *slot = value;
    }
    changed
}

/// Whether nothing of a column is seen.
fn is_silent(column: &LiveColumn) -> bool {
    let ground = |levels: &[u8]| levels.iter().all(|level| *level <= GROUND_LEVEL);
    column.input_f0_hz <= 0.0
        && column.output_f0_hz <= 0.0
        && ground(&column.input)
        && ground(&column.output)
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

/// To a tenth of a decibel, which is finer than a pixel of the meters; below `floor` it is silence,
/// or the noise of nothing at all would be drawn 30 times a second.
fn decibels(peak: f32, floor: f32) -> f32 {
    match (200.0 * peak.max(1e-6).log10()).round() / 10.0 {
        level if level < floor => -120.0,
        level => level,
    }
}
