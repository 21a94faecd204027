//! The networks. Training and live conversion share these definitions: there is one generator.

mod acting;
mod bands;
mod classifier;
mod codebook;
mod content;
mod discriminators;
mod emotion;
mod frame;
mod generator;
mod instant_voice;
mod speaker_encoder;
mod vocoder;

pub use acting::{ActedContent, ActingMix, ActingWeights};
pub use bands::{place, stretched};
pub use classifier::MelClassifier;
pub use codebook::Codebook;
pub(crate) use codebook::nearest;
pub use content::{ContentEncoder, ContentState};
pub(crate) use discriminators::log_magnitude;
pub use discriminators::{
    MelDiscriminator, PeriodDiscriminators, SpectrogramDiscriminators, Verdict, WeightNorm,
};
pub use emotion::{EmotionAdapter, EmotionClassifier, EmotionState};
pub use frame::{BANDS, CENTRE, FLOOR, PITCH_HELD, loudness};
pub use generator::{Generator, GeneratorState};
pub use instant_voice::InstantVoice;
pub use speaker_encoder::{SpeakerConfig, SpeakerEncoder, unit};
pub use vocoder::{FFT, SPECTRUM, SourceSpectra, Vocoder, VocoderState};

use crate::nn::ConvNeXtConfig;

/// Mel bands of a frame, 0 to 12 kHz.
pub const MEL: i64 = 100;
/// Bands that the content encoder reads: 0 to 6.5 kHz, which every corpus has.
pub const CONTENT_MEL: i64 = 80;
/// Values of one frame of content.
pub const CONTENT: i64 = 64;
/// Prosody values of a frame: voiced, pitch, confidence, loudness.
pub const PROSODY: i64 = 4;
/// Frames of look-ahead of the content encoder, 10 ms each.
pub const LOOK_AHEAD: i64 = 1;

/// Log mel values are shifted and scaled to about unit size before a network sees them.
pub const MEL_SHIFT: f64 = 8.0;
/// See [`MEL_SHIFT`].
pub const MEL_SCALE: f64 = 0.25;

/// Sizes of all networks of one pack; stored in the pack, so that packs of any size load.
#[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
#[serde(default)]
pub struct NetworkConfig {
    /// Content encoder.
    pub content: ConvNeXtConfig,
    /// Vectors that a frame of content may be (a [`Codebook`]'s); 0: any.
    pub codes: i64,
    /// How far a frame of content may lie between codes; 0: on one (see [`Codebook::quantise`]).
    pub code_softness: f64,
    /// Where content is coded and its codes are soft: frames that having no bias weighs, which is then taken away (see
    /// [`Codebook::without_bias`]); 0: it stays.
    pub code_bias_prior: f64,
    /// Generator.
    pub generator: ConvNeXtConfig,
    /// Vocoder.
    pub vocoder: ConvNeXtConfig,
    /// Emotion adapter.
    pub emotion: ConvNeXtConfig,
    /// Values of a voice's embedding.
    pub voice: i64,
    /// Speaker encoder, where the pack has one.
    pub speaker: SpeakerConfig,
}

impl Default for NetworkConfig {
    fn default() -> Self {
        Self {
            content: ConvNeXtConfig {
                width: 192,
                expansion: 3,
                kernel: 7,
                dilations: vec![1, 2, 1, 4, 1, 2, 1, 2],
                ..ConvNeXtConfig::default()
            },
            codes: 0,
            code_softness: 0.0,
            code_bias_prior: 0.0,
            generator: ConvNeXtConfig {
                width: 192,
                expansion: 3,
                kernel: 5,
                dilations: vec![1, 1, 2, 1, 2, 1],
                ..ConvNeXtConfig::default()
            },
            vocoder: ConvNeXtConfig {
                width: 144,
                expansion: 3,
                kernel: 5,
                dilations: vec![1, 1, 1, 1],
                ..ConvNeXtConfig::default()
            },
            emotion: ConvNeXtConfig {
                width: 96,
                expansion: 2,
                kernel: 5,
                dilations: vec![1, 2],
                ..ConvNeXtConfig::default()
            },
            voice: 96,
            speaker: SpeakerConfig::default(),
        }
    }
}

impl NetworkConfig {
    /// Whether a bias can be taken away from the content, where one is to be.
    ///
    /// # Errors
    /// Content that is not coded, or whose codes are not soft, and priors that make no sense.
    pub fn check_bias(&self) -> anyhow::Result<()> {
        let (prior, softness) = (self.code_bias_prior, self.code_softness);
        let soft = self.codes > 0 && softness > 0.0;
        anyhow::ensure!(
            prior == 0.0 || (soft && (0.01..=1e6).contains(&prior)),
            "code_bias_prior {prior} is not 0, nor 0.01 to 1000000 with soft codes; there are {} codes of softness {softness}",
            self.codes,
        );
        Ok(())
    }
}

/// Scales a log mel to what networks read and write.
pub fn normalise_mel(mel: &tch::Tensor) -> tch::Tensor {
    (mel + MEL_SHIFT) * MEL_SCALE
}

/// The inverse of [`normalise_mel`].
pub fn denormalise_mel(mel: &tch::Tensor) -> tch::Tensor {
    mel / MEL_SCALE - MEL_SHIFT
}

/// As [`normalise_mel`], for one value.
pub fn normalise_value(value: f32) -> f32 {
    (value + MEL_SHIFT as f32) * MEL_SCALE as f32
}

/// Prosody values of one frame as the networks read them.
///
/// `f0_hz` 0 counts as unvoiced; `loudness` is a natural log of power, as in a log mel.
pub fn prosody_features(f0_hz: f32, voicing: f32, loudness: f32) -> [f32; PROSODY as usize] {
    let voiced = if f0_hz > 0.0 { 1.0 } else { 0.0 };
    let pitch = if f0_hz > 0.0 {
        (f0_hz / 180.0).log2()
    } else {
        0.0
    };
    [voiced, pitch, voicing, normalise_value(loudness)]
}
