//! The types that cross the border between the plugin and the engine library. All `repr(C)`.

use std::ffi::{c_char, c_int};

/// Version of this face. The engine refuses to open when it differs.
pub const FACE_VERSION: u32 = 1;

/// The one symbol that an engine library exports: `extern "C" fn() -> *const Face`.
pub const ENTRY_SYMBOL: &[u8] = b"mien_engine_face\0";

/// Sample rate of a converter's input and output, in Hz.
pub const SAMPLE_RATE: u32 = 24_000;

/// Samples in one converter frame: 10 ms at [`SAMPLE_RATE`].
pub const FRAME: usize = 240;

/// Names of the emotions, in the order of [`Controls::emotions`].
pub const EMOTIONS: [&str; 7] = [
    "happy",
    "sad",
    "angry",
    "fearful",
    "surprised",
    "disgusted",
    "calm",
];

/// How many voices can be mixed into one.
pub const MORPH_SLOTS: usize = 8;

/// One voice's share in a mix.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct VoiceWeight {
    /// Index into the pack's voices. Out of range: the slot counts as unused.
    pub index: u32,
    /// Share, ≥ 0. Shares are normalised to sum to 1; all zero means the pack's first voice.
    pub weight: f32,
}

/// Everything a performer can move, read once a frame.
///
/// Out-of-range values are clamped and NaNs replaced by the neutral value: the engine never
/// fails because of a control.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Controls {
    /// The voices to mix.
    pub voices: [VoiceWeight; MORPH_SLOTS],
    /// Weight of each emotion, 0 to 1, in the order of [`EMOTIONS`].
    pub emotions: [f32; EMOTIONS.len()],
    /// Strength of the whole emotion, 0 to 1. At 0 the emotion path is not run at all.
    pub strength: f32,
    /// Transposition in semitones, −24 to 24, on top of the automatic match.
    pub pitch_semitones: f32,
    /// Shift of the vocal tract's resonances in semitones, −6 to 6.
    pub formant_semitones: f32,
    /// Pitch movement around the speaker's running mean: 0 monotone, 1 as spoken, 2 doubled.
    pub intonation: f32,
    /// Part of the noise (breath, fricatives) in the voice: 0 none, 1 as modelled, 2 doubled.
    pub breath: f32,
    /// Non-zero: move the speaker's mean pitch to the target voice's.
    pub auto_pitch: u32,
}

impl Default for Controls {
    fn default() -> Self {
        let mut voices = [VoiceWeight::default(); MORPH_SLOTS];
        voices[0].weight = 1.0;
        Self {
            voices,
            emotions: [0.0; EMOTIONS.len()],
            strength: 1.0,
            pitch_semitones: 0.0,
            formant_semitones: 0.0,
            intonation: 1.0,
            breath: 1.0,
            auto_pitch: 1,
        }
    }
}

/// What the engine heard and did in one frame; drawn by the panel.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct StepReport {
    /// Pitch of the input in Hz; 0 where unvoiced.
    pub input_f0_hz: f32,
    /// Pitch of the output in Hz; 0 where unvoiced.
    pub output_f0_hz: f32,
    /// Running mean of the input's pitch in Hz; 0 before any was heard.
    pub mean_f0_hz: f32,
    /// Confidence of the pitch estimator, 0 to 1.
    pub voicing: f32,
}

/// The fixed facts of a converter.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ConverterInfo {
    /// Sample rate of input and output in Hz: [`SAMPLE_RATE`] in this version.
    pub sample_rate: u32,
    /// Samples per [`Face::step`]: [`FRAME`] in this version.
    pub frame: u32,
    /// By how many samples the output of a frame lies behind its input (analysis window and
    /// look-ahead). The output of step `n` holds the input's samples from
    /// `n * frame - delay_samples`.
    pub delay_samples: u32,
    /// Number of voices that [`VoiceWeight::index`] can name.
    pub voices: u32,
}

/// Result of a call: [`OK`] or one of the other constants.
pub type Status = c_int;
/// The call did what was asked.
pub const OK: Status = 0;
/// It did not; `last_error` on the same thread tells why.
pub const FAILED: Status = 1;
/// The engine caught a panic of its own; `last_error` tells where. The object must be destroyed.
pub const PANICKED: Status = 2;

/// A loaded pack; opaque. May be used from any thread, by one at a time.
#[repr(C)]
pub struct RawPack {
    _private: [u8; 0],
}

/// One stream's converter; opaque. May move between threads, used by one at a time.
#[repr(C)]
pub struct RawConverter {
    _private: [u8; 0],
}

/// The engine's functions. No function unwinds into the caller.
#[repr(C)]
pub struct Face {
    /// [`FACE_VERSION`] of the engine.
    pub version: u32,
    /// Size of this table in bytes, so that later versions can append functions.
    pub size: u32,
    /// Writes the last error of this thread as UTF-8 without a final zero; returns its length in
    /// bytes, of which at most `capacity` are written.
    pub last_error: unsafe extern "C" fn(buffer: *mut u8, capacity: usize) -> usize,
    /// Reads and checks the pack at a UTF-8 path. Slow; never on an audio thread.
    pub load_pack: unsafe extern "C" fn(path: *const c_char, out: *mut *mut RawPack) -> Status,
    /// Tells what is in the pack: JSON of [`crate::PackDescription`], valid as long as the pack.
    pub describe: unsafe extern "C" fn(pack: *const RawPack) -> *const c_char,
    /// Drops the pack. Converters made from it live on.
    pub drop_pack: unsafe extern "C" fn(pack: *mut RawPack),
    /// Makes a converter from a pack, its state cleared. Slow; never on an audio thread.
    pub create_converter:
        unsafe extern "C" fn(pack: *const RawPack, out: *mut *mut RawConverter) -> Status,
    /// The converter's fixed facts.
    pub info: unsafe extern "C" fn(converter: *const RawConverter) -> ConverterInfo,
    /// Forgets everything that was heard. After it, the same input gives the same bits.
    pub reset: unsafe extern "C" fn(converter: *mut RawConverter),
    /// Converts one frame: reads `info.frame` samples, writes as many. `report` may be null.
    pub step: unsafe extern "C" fn(
        converter: *mut RawConverter,
        input: *const f32,
        output: *mut f32,
        controls: *const Controls,
        report: *mut StepReport,
    ) -> Status,
    /// Drops the converter.
    pub drop_converter: unsafe extern "C" fn(converter: *mut RawConverter),
    /// Makes a voice from a recording (mono, any rate): writes a JSON [`crate::Voice`] with its
    /// embedding like `last_error` writes its text; the length needed comes in `needed`.
    pub embed_voice: unsafe extern "C" fn(
        pack: *const RawPack,
        samples: *const f32,
        length: usize,
        rate: u32,
        buffer: *mut u8,
        capacity: usize,
        needed: *mut usize,
    ) -> Status,
    /// Adds a voice (JSON of [`crate::Voice`] with an embedding) to a converter; its index is
    /// written to `index`.
    pub add_voice: unsafe extern "C" fn(
        converter: *mut RawConverter,
        voice_json: *const c_char,
        index: *mut u32,
    ) -> Status,
    /// Runs a command line of the slow side (`train`, `evaluate`, …): `argv` as a program gets it,
    /// `argv[0]` the program's name. Returns the exit code.
    pub command: unsafe extern "C" fn(argc: c_int, argv: *const *const c_char) -> c_int,
}
