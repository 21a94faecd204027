//! Sound files and resampling.
//!
//! - [`decode`] reads whatever the `symphonia` crate reads: WAV, FLAC, Ogg Vorbis, MP3, AAC, ALAC, AIFF, CAF, Matroska.
//! - [`resample()`] changes the rate of a whole clip, at high quality and without a delay.
//! - [`StreamResampler`] does the same for a running stream, with a short and constant delay and without allocation.
//! - [`write()`] stores a sound as WAV or FLAC.

mod decode;
mod error;
mod resample;
mod sound;
mod stream;
mod write;

pub use decode::decode;
pub use error::AudioError;
pub use resample::resample;
pub use sound::Sound;
pub use stream::{Progress, StreamResampler, StreamResamplerError};
pub use write::{Depth, write};
