//! What the panel is drawn from: plain data, filled by whoever owns the panel before each frame.

use std::path::PathBuf;

use mien_face::{EmotionInfo, Voice};
use serde::{Deserialize, Serialize};

use crate::params::{PARAM_COUNT, PARAMS, ParamId};

/// Frequency bands of one [`LiveColumn`], evenly spaced in octaves from [`LIVE_LOW_HZ`] to
/// [`LIVE_HIGH_HZ`].
pub const LIVE_BANDS: usize = 96;
/// Lower edge of the lowest band in Hz.
pub const LIVE_LOW_HZ: f32 = 50.0;
/// Upper edge of the highest band in Hz.
pub const LIVE_HIGH_HZ: f32 = 10_000.0;
/// Columns that the live view shows; older ones are not looked at.
pub const LIVE_COLUMNS: usize = 256;
/// Level in dBFS that is written as 0 in a [`LiveColumn`]; 0 dBFS is 255.
pub const LIVE_FLOOR_DB: f32 = -90.0;

/// The values of all parameters, plain (not normalised).
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ParamValues([f32; PARAM_COUNT]);

impl Default for ParamValues {
    fn default() -> Self {
        Self(std::array::from_fn(|index| PARAMS[index].default))
    }
}

impl ParamValues {
    /// The value of one.
    pub fn get(&self, param: ParamId) -> f32 {
        self.0[param.index()]
    }

    /// Whether a switch is on.
    pub fn is_on(&self, param: ParamId) -> bool {
        self.get(param) > 0.5
    }

    /// Sets one, kept inside its range.
    pub fn set(&mut self, param: ParamId, value: f32) {
        self.0[param.index()] = param.spec().clamp(value);
    }
}

/// A voice that can be chosen.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct VoiceEntry {
    /// Its card.
    pub voice: Voice,
    /// Made by the user from a recording, not part of the pack.
    pub own: bool,
}

/// A pack file that was found.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct PackEntry {
    /// Its name, or its file's where the card is not read yet.
    pub name: String,
    /// One line.
    pub description: String,
    /// Licence of the weights.
    pub licence: String,
    /// True where the weights may not be used commercially.
    pub non_commercial: bool,
    /// Where it lies.
    pub path: PathBuf,
    /// Whether it is the loaded one.
    pub loaded: bool,
}

/// How the engine is.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum EngineStatus {
    /// The library is being opened and warmed.
    #[default]
    Starting,
    /// Voices are converted.
    Ready,
    /// The library could not be opened; the dry voice passes.
    EngineMissing {
        /// Why, in the loader's words.
        reason: String,
        /// Where it was looked for.
        searched: Vec<PathBuf>,
    },
    /// No pack was found; the dry voice passes.
    PackMissing {
        /// The folder that packs go into.
        folder: PathBuf,
    },
    /// A pack is being read.
    LoadingPack {
        /// Its name.
        name: String,
        /// 0 to 1, where it is known.
        progress: Option<f32>,
    },
    /// Something failed; the text says what to do.
    Failed(String),
}

/// Level meters. All in dBFS; −120 is silence.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Meters {
    /// Peak of the input after its gain, since the last frame.
    pub input_db: f32,
    /// Held peak of the input.
    pub input_hold_db: f32,
    /// Peak of the output.
    pub output_db: f32,
    /// Held peak of the output.
    pub output_hold_db: f32,
    /// The input reached full scale in the last two seconds.
    pub input_clipped: bool,
    /// The output reached full scale in the last two seconds.
    pub output_clipped: bool,
    /// For how long the input has been silent, in seconds.
    pub silent_for_s: f32,
    /// The gate is closed.
    pub gated: bool,
}

impl Default for Meters {
    fn default() -> Self {
        Self {
            input_db: -120.0,
            input_hold_db: -120.0,
            output_db: -120.0,
            output_hold_db: -120.0,
            input_clipped: false,
            output_clipped: false,
            silent_for_s: 0.0,
            gated: false,
        }
    }
}

/// One moment of the live view.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct LiveColumn {
    /// Input spectrum, lowest band first; 0 is [`LIVE_FLOOR_DB`], 255 is 0 dBFS.
    pub input: [u8; LIVE_BANDS],
    /// Output spectrum.
    pub output: [u8; LIVE_BANDS],
    /// Pitch of the input in Hz, 0 where unvoiced.
    pub input_f0_hz: f32,
    /// Pitch of the output in Hz, 0 where unvoiced.
    pub output_f0_hz: f32,
}

/// What scrolls in the live view.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Live {
    /// How many columns were ever made; tells the panel how many are new.
    pub total: u64,
    /// The newest columns, oldest first; at most [`LIVE_COLUMNS`] are drawn.
    pub columns: Vec<LiveColumn>,
    /// Time between columns in ms.
    pub column_ms: f32,
    /// Running mean pitch of the input in Hz; 0 before any was heard.
    pub mean_f0_hz: f32,
    /// Usual low and high end of the input's pitch in Hz (5th and 95th percentile); 0 before any.
    pub range_f0_hz: (f32, f32),
}

/// One part of the delay.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct LatencyPart {
    /// What it is spent on.
    pub name: String,
    /// How long, in ms.
    pub ms: f32,
}

/// How busy the inference thread is.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Load {
    /// Share of the time budget used per frame, 0 to 1 (above 1: too slow); running mean.
    pub share: f32,
    /// Milliseconds per 10 ms frame, running mean.
    pub mean_ms: f32,
    /// The slowest frame of the last seconds, in ms.
    pub worst_ms: f32,
    /// Frames that came too late since the start.
    pub dropouts: u64,
    /// True while the machine is too slow, and the converter pauses to catch up.
    pub overloaded: bool,
}

/// What the host told.
#[derive(Clone, Debug, PartialEq)]
pub struct Host {
    /// Its name, or "Standalone".
    pub name: String,
    /// Sample rate in Hz.
    pub sample_rate: f32,
    /// Largest block in samples.
    pub max_block: u32,
    /// False where no resampler reaches the rate, so that the host cannot switch Mien on.
    pub rate_supported: bool,
    /// Whether the format lets the plugin ask for the host's menu of a parameter.
    pub has_param_menu: bool,
    /// The host renders offline now.
    pub offline: bool,
}

impl Default for Host {
    fn default() -> Self {
        Self {
            name: String::new(),
            sample_rate: 48_000.0,
            max_block: 512,
            rate_supported: true,
            has_param_menu: false,
            offline: false,
        }
    }
}

/// A preset file of the user's.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct PresetFile {
    /// Its name.
    pub name: String,
    /// Where it lies.
    pub path: PathBuf,
}

/// How making a voice of one's own goes.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum MyVoice {
    /// Nothing is going on.
    #[default]
    Idle,
    /// The input is being recorded for it.
    Recording {
        /// Seconds so far.
        seconds: f32,
        /// Seconds wanted.
        wanted: f32,
    },
    /// The engine works on it.
    Working,
    /// It is among the voices now, under this name.
    Done(String),
    /// It failed; the text says what to do.
    Failed(String),
}

/// The system that the standalone runs on; it decides which way of routing is told first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum System {
    /// Linux with PipeWire or PulseAudio.
    #[default]
    Linux,
    /// macOS.
    MacOs,
    /// Windows.
    Windows,
}

/// A file that plays in place of the microphone.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Player {
    /// The file's name.
    pub name: String,
    /// Position in seconds.
    pub position_s: f32,
    /// Length in seconds.
    pub length_s: f32,
    /// Whether it plays now.
    pub playing: bool,
    /// Whether it starts again at its end.
    pub looped: bool,
}

/// A controller that moves a parameter.
#[derive(Clone, Debug, PartialEq)]
pub struct MidiBinding {
    /// The parameter.
    pub param: ParamId,
    /// Channel, 1 to 16.
    pub channel: u8,
    /// Controller number, 0 to 127.
    pub controller: u8,
}

/// What only the standalone has.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Standalone {
    /// Audio systems to choose from (ALSA, JACK, …).
    pub backends: Vec<String>,
    /// The one in use.
    pub backend: String,
    /// Input devices.
    pub inputs: Vec<String>,
    /// The one in use.
    pub input: String,
    /// Output devices.
    pub outputs: Vec<String>,
    /// The one in use.
    pub output: String,
    /// Sample rates that both devices can do, in Hz.
    pub rates: Vec<u32>,
    /// The one in use.
    pub rate: u32,
    /// Buffer sizes in samples.
    pub buffers: Vec<u32>,
    /// The one in use.
    pub buffer: u32,
    /// What is wrong with the devices (unplugged, refused), in words.
    pub problem: Option<String>,
    /// The output goes to the monitor as well.
    pub listening: bool,
    /// Level of the monitor in dB.
    pub monitor_db: f32,
    /// Seconds recorded so far, while recording.
    pub recording_s: Option<f32>,
    /// Folder that recordings go into.
    pub recordings: PathBuf,
    /// The file in place of the microphone.
    pub player: Option<Player>,
    /// MIDI inputs.
    pub midi_inputs: Vec<String>,
    /// The one in use; empty for none.
    pub midi_input: String,
    /// Which controller moves what.
    pub midi_map: Vec<MidiBinding>,
    /// The parameter that waits for a controller.
    pub midi_learning: Option<ParamId>,
    /// The global hotkey of the bypass, in words, e.g. "Ctrl + Alt + B"; empty where the system
    /// has none.
    pub bypass_hotkey: String,
    /// The system.
    pub system: System,
}

/// Everything that the panel shows.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct PanelState {
    /// Version of the program.
    pub version: String,
    /// The parameters.
    pub values: ParamValues,
    /// The voices of the loaded pack, then the user's own.
    pub voices: Vec<VoiceEntry>,
    /// The chosen voices with their shares; one entry is a single voice, two to eight are a morph.
    /// Members with share 0 stay on the pad.
    pub morph: Vec<(String, f32)>,
    /// The emotions of the loaded pack; those that it lacks are drawn from a built-in table.
    pub emotions: Vec<EmotionInfo>,
    /// Name and licence of the loaded pack, and the others that were found.
    pub packs: Vec<PackEntry>,
    /// Folder that packs go into.
    pub packs_folder: PathBuf,
    /// Whether the user chose that folder.
    pub packs_folder_chosen: bool,
    /// The engine library in use.
    pub engine_path: PathBuf,
    /// The engine.
    pub engine: EngineStatus,
    /// The meters.
    pub meters: Meters,
    /// The live view.
    pub live: Live,
    /// The parts of the delay; their sum is what the host is told.
    pub latency: Vec<LatencyPart>,
    /// The inference thread.
    pub load: Load,
    /// The host.
    pub host: Host,
    /// The user's presets.
    pub presets: Vec<PresetFile>,
    /// The folder that they lie in.
    pub presets_folder: PathBuf,
    /// Making one's own voice.
    pub my_voice: MyVoice,
    /// Whether [`crate::PanelAction::Browse`] can open a file dialog.
    pub can_browse: bool,
    /// Present in the standalone.
    pub standalone: Option<Standalone>,
    /// A short message of the owner ("Saved to …"), shown until it goes away.
    pub message: Option<String>,
}

impl PanelState {
    /// The whole delay in ms.
    pub fn latency_ms(&self) -> f32 {
        self.latency.iter().map(|part| part.ms).sum()
    }

    /// The voice with the largest share.
    pub fn main_voice(&self) -> Option<&VoiceEntry> {
        let heaviest = self
            .morph
            .iter()
            .max_by(|a, b| a.1.total_cmp(&b.1))
            .map(|(name, _)| name.as_str());
        match heaviest {
            Some(name) => self.voice(name).or_else(|| self.voices.first()),
            None => self
                .voices
                .get(self.values.get(ParamId::Voice) as usize)
                .or_else(|| self.voices.first()),
        }
    }

    /// The voice of this name.
    pub fn voice(&self, name: &str) -> Option<&VoiceEntry> {
        self.voices.iter().find(|entry| entry.voice.name == name)
    }
}

/// What the panel wants kept between sessions; the owner stores it as it likes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Memory {
    /// Dark (true) or light.
    pub dark: bool,
    /// Size of the panel, 0.75 to 2.
    pub zoom: f32,
    /// Width and height of the window in points; `None` for the usual shape at that zoom.
    pub window: Option<[f32; 2]>,
    /// Names of the favourite voices.
    pub favourites: Vec<String>,
    /// The three first steps were shown.
    pub welcomed: bool,
}

impl Default for Memory {
    fn default() -> Self {
        Self {
            dark: true,
            zoom: 1.0,
            window: None,
            favourites: Vec::new(),
            welcomed: false,
        }
    }
}
