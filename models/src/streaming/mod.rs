//! Live conversion, frame by frame.

mod converter;
mod formant;
mod prosody;
mod source;
mod voice;

pub use converter::{Converter, DELAY_SAMPLES};
pub(crate) use converter::{NOISE_SEED, hush, own_colour};
pub use prosody::{EmotionProsody, PROSODY_DEFAULTS, PitchTarget, ProsodyMapper};
pub use source::{Hop, Source};
pub use voice::VoiceMix;
