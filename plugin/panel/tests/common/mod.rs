//! What the tests share: a state as a session has it, and a harness that carries actions out.

#![allow(dead_code)]

pub mod raster;

use egui::vec2;
use egui_kittest::{Harness, SnapshotOptions};
use mien_face::Voice;
use mien_panel::{
    DEFAULT_SIZE, EngineStatus, LIVE_BANDS, LIVE_COLUMNS, LIVE_HIGH_HZ, LIVE_LOW_HZ, LatencyPart,
    LiveColumn, Memory, MidiBinding, PackEntry, Panel, PanelAction, PanelState, ParamId, Player,
    PresetFile, Standalone, VoiceEntry,
};

/// A panel, what it is drawn from, and all that it asked for.
pub struct App {
    pub panel: Panel,
    pub state: PanelState,
    pub actions: Vec<PanelAction>,
    /// Whether actions change the state, as a host does it.
    pub carry_out: bool,
}

impl App {
    pub fn frame(&mut self, ui: &mut egui::Ui) {
        let actions = self.panel.ui(ui, &self.state);
        for action in &actions {
            if self.carry_out {
                carry_out(&mut self.state, action);
            }
        }
        self.actions.extend(actions);
    }
}

fn carry_out(state: &mut PanelState, action: &PanelAction) {
    match action {
        PanelAction::Set(param, value) => state.values.set(*param, *value),
        PanelAction::ChooseVoice(name) => state.morph = vec![(name.clone(), 1.0)],
        PanelAction::SetMorph(members) => state.morph = members.clone(),
        _ => {}
    }
}

/// How a harness is set up.
pub struct Setup {
    pub size: [f32; 2],
    pub scale: f32,
    pub memory: Memory,
}

impl Default for Setup {
    fn default() -> Self {
        let memory = Memory {
            welcomed: true,
            favourites: vec!["Ines".into()],
            ..Memory::default()
        };
        Self {
            size: DEFAULT_SIZE,
            scale: 1.0,
            memory,
        }
    }
}

impl Setup {
    pub fn light(mut self) -> Self {
        self.memory.dark = false;
        self
    }

    pub fn sized(mut self, width: f32, height: f32, scale: f32) -> Self {
        self.size = [width, height];
        self.scale = scale;
        self
    }

    pub fn start(self, state: PanelState) -> Harness<'static, App> {
        let app = App {
            panel: Panel::new(self.memory),
            state,
            actions: Vec::new(),
            carry_out: true,
        };
        // A snapshot differs when the drawing does, not when a font rasteriser rounds another way.
        let options = SnapshotOptions::new()
            .threshold(0.6)
            .max_failed_pixels(40_usize);
        let mut harness = Harness::builder()
            .with_size(vec2(self.size[0], self.size[1]))
            .with_pixels_per_point(self.scale)
            .with_step_dt(1.0 / 30.0)
            .with_max_steps(60)
            .with_options(options)
            .with_render_cursor(false)
            .renderer(raster::Raster::default())
            .with_context_setup(Panel::install)
            .build_ui_state(|ui, app: &mut App| app.frame(ui), app);
        settle(&mut harness);
        harness
    }
}

/// Draws until nothing moves any more, or for a second.
pub fn settle(harness: &mut Harness<'static, App>) {
    harness.run_steps(12);
}

/// Numbers that look random and are the same each time.
pub fn noise(seed: u64) -> f32 {
    let mut x = seed
        .wrapping_mul(0x9e37_79b9_7f4a_7c15)
        .wrapping_add(0x1234_5678_9abc_def1);
    x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    ((x ^ (x >> 31)) >> 40) as f32 / (1u64 << 24) as f32
}

fn voice(index: u64, name: &str, gender: &str, mean: f32, description: &str) -> VoiceEntry {
    VoiceEntry {
        voice: Voice {
            name: name.into(),
            description: description.into(),
            gender: gender.into(),
            f0_low_hz: mean * 0.72,
            f0_mean_hz: mean,
            f0_high_hz: mean * 1.5,
            trained_minutes: 24.0,
            embedding: (0..128)
                .map(|part| 0.6 + noise(index * 1000 + part))
                .collect(),
        },
        own: false,
    }
}

/// A session in full swing.
pub fn session() -> PanelState {
    let mut state = PanelState {
        version: "0.1.0".into(),
        voices: vec![
            voice(1, "Ines", "f", 205.0, "Woman, thirties, warm and close"),
            voice(2, "Tobias", "m", 112.0, "Man, forties, calm narrator"),
            voice(3, "Maren", "f", 228.0, "Young woman, bright and quick"),
            voice(4, "Oskar", "m", 96.0, "Man, sixties, deep and grainy"),
            voice(5, "Linnea", "f", 188.0, "Woman, fifties, clear and even"),
            voice(6, "Jonas", "m", 128.0, "Young man, light and friendly"),
            voice(7, "Aurelia", "f", 212.0, "Woman, forties, stage voice"),
            voice(8, "Henrik", "m", 104.0, "Man, fifties, dry and dark"),
        ],
        morph: vec![("Ines".into(), 1.0)],
        engine: EngineStatus::Ready,
        packs: vec![
            PackEntry {
                name: "Mien voices".into(),
                description: "Eight readers, seven emotions".into(),
                licence: "CC-BY-4.0".into(),
                path: "/usr/share/mien/packs/voices.mien".into(),
                loaded: true,
                ..PackEntry::default()
            },
            PackEntry {
                name: "Acted emotions".into(),
                description: "Twenty-four actors, English".into(),
                licence: "CC-BY-NC-SA-4.0".into(),
                non_commercial: true,
                path: "/usr/share/mien/packs/acted.mien".into(),
                loaded: false,
            },
        ],
        packs_folder: "/home/ada/.local/share/mien/packs".into(),
        engine_path: "/usr/lib/mien/libmien_models.so".into(),
        presets: vec![PresetFile {
            name: "My narrator".into(),
            path: "/presets/narrator.json".into(),
        }],
        can_browse: true,
        ..PanelState::default()
    };
    state.latency = [
        ("Host buffer", 2.7),
        ("Inference budget", 8.0),
        ("Resampling", 1.6),
        ("Look-ahead of the model", 10.0),
    ]
    .map(|(name, ms)| LatencyPart {
        name: name.into(),
        ms,
    })
    .into();
    state.load.share = 0.18;
    state.load.mean_ms = 1.6;
    state.load.worst_ms = 3.1;
    state.host.max_block = 128;
    state.host.name = "Test host".into();
    state.meters.input_db = -17.0;
    state.meters.input_hold_db = -11.5;
    state.meters.output_db = -14.0;
    state.meters.output_hold_db = -9.0;
    state.live.columns = speech(LIVE_COLUMNS);
    state.live.total = 1000;
    state.live.column_ms = 20.0;
    state.live.mean_f0_hz = 118.0;
    state.live.range_f0_hz = (88.0, 176.0);
    state.values.set(ParamId::EmoHappy, 0.42);
    state.values.set(ParamId::EmoCalm, 0.31);
    state.values.set(ParamId::Pitch, 1.25);
    state.values.set(ParamId::Formant, 0.6);
    state
}

/// Columns that look like speech: syllables with harmonics, a falling melody, and hiss.
pub fn speech(count: usize) -> Vec<LiveColumn> {
    (0..count)
        .map(|index| {
            let t = index as f32 * 0.02;
            let beat = (t * 3.4).fract();
            let word = (t * 0.9).fract();
            let loud = if word > 0.86 {
                0.0
            } else {
                (beat * std::f32::consts::PI).sin().max(0.0).powf(0.6)
            };
            let hiss = beat > 0.82 || (0.02..0.07).contains(&word);
            let voiced = loud > 0.35 && !hiss && word < 0.86;
            let melody = 118.0 * (1.25 - 0.35 * word + 0.12 * (t * 5.0).sin());
            let column = |f0: f32, tilt: f32, seed: u64| -> [u8; LIVE_BANDS] {
                std::array::from_fn(|band| {
                    let share = band as f32 / (LIVE_BANDS - 1) as f32;
                    let hz = LIVE_LOW_HZ * (LIVE_HIGH_HZ / LIVE_LOW_HZ).powf(share);
                    let formants: f32 = [
                        (620.0, 0.30),
                        (1500.0 + 500.0 * (t * 2.3).sin(), 0.24),
                        (2800.0, 0.26),
                    ]
                    .iter()
                    .map(|(centre, width): &(f32, f32)| {
                        (-((hz / (centre * tilt)).ln() / width).powi(2)).exp()
                    })
                    .sum();
                    let near = (hz / f0).round().max(1.0);
                    let comb = (-((hz / f0 - near) / 0.22).powi(2)).exp();
                    let seen = (1.0 - (hz / f0 - 4.0) / 8.0).clamp(0.0, 1.0);
                    let harmonics = 0.45 + (comb - 0.45) * seen;
                    let mut db = -88.0 + 8.0 * noise(seed + band as u64);
                    if voiced {
                        db = db.max(
                            -78.0
                                + loud
                                    * (26.0 + 34.0 * formants.min(1.0))
                                    * (0.35 + 0.65 * harmonics)
                                + 10.0 * (1.0 - share),
                        );
                    } else if hiss {
                        db = db.max(
                            -80.0
                                + 36.0 * (hz / 9000.0).min(1.0).powf(1.5)
                                + 6.0 * noise(seed + 7 * band as u64),
                        );
                    }
                    ((db + 90.0) / 90.0 * 255.0).clamp(0.0, 255.0) as u8
                })
            };
            LiveColumn {
                input: column(melody, 1.0, index as u64 * 977),
                output: column(melody * 1.85, 1.14, index as u64 * 1979),
                input_f0_hz: if voiced { melody } else { 0.0 },
                output_f0_hz: if voiced { melody * 1.85 } else { 0.0 },
            }
        })
        .collect()
}

/// What the standalone adds.
pub fn standalone() -> Standalone {
    Standalone {
        backends: vec!["ALSA".into(), "JACK".into()],
        backend: "ALSA".into(),
        inputs: vec!["USB microphone".into(), "Built-in audio".into()],
        input: "USB microphone".into(),
        outputs: vec!["Headphones".into(), "Mien".into()],
        output: "Headphones".into(),
        rates: vec![44_100, 48_000, 96_000],
        rate: 48_000,
        buffers: vec![64, 128, 256, 512],
        buffer: 128,
        monitor_db: -6.0,
        recordings: "/home/ada/Music/Mien".into(),
        player: Some(Player {
            name: "interview take 3.flac".into(),
            position_s: 34.0,
            length_s: 151.0,
            playing: true,
            looped: false,
        }),
        midi_inputs: vec!["nanoKONTROL2".into()],
        midi_input: "nanoKONTROL2".into(),
        midi_map: vec![MidiBinding {
            param: ParamId::Pitch,
            channel: 1,
            controller: 16,
        }],
        bypass_hotkey: "Ctrl + Alt + B".into(),
        ..Standalone::default()
    }
}
