//! Evaluation on speakers that training never saw: what comes out, measured, shown, and listed for
//! outside judges. `docs/evaluation.md` tells what each figure means.

pub mod discriminator;
pub mod diversity;
pub mod emotion;
pub mod judges;
mod measures;
mod offline;
pub mod performances;
mod pictures;
pub mod prosody;
mod render;
pub mod report;
pub mod rows;
mod signal;
pub mod verification;
pub mod verifier;
pub mod world;

pub use measures::{Measures, compare};
pub use offline::Offline;
pub use render::{convert, decode, resynthesise, streaming_error};
pub use rows::mean;
pub use signal::{WaveformMatch, spectral_distance, waveform_match};
