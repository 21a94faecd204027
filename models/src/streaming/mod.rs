//! Live conversion, frame by frame.

mod articulation;
mod colour;
mod converter;
mod cycles;
mod formant;
mod level;
mod prosody;
mod random;
mod source;
mod voice;

pub use articulation::Articulation;
pub(crate) use colour::{AROUND, MOST, MOST_SHARP, OCTAVES, SLOW};
pub use colour::{Colour, EmotionColour};
pub use converter::{Converter, DELAY_SAMPLES};
pub(crate) use converter::{NOISE_SEED, added, glide_emotions, hush, wanted_emotions};
pub use cycles::Unevenness;
pub use level::AutoLevel;
pub use prosody::{EmotionProsody, Feelings, PROSODY_DEFAULTS, PitchTarget, ProsodyMapper};
pub use source::{Hop, Source};
pub use voice::VoiceMix;
