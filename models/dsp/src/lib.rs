//! Streaming analysis of a voice: mel spectrum, loudness, noise floor and pitch.
//!
//! Everything here runs at [`RATE`] in steps of [`HOP`] samples, causally and without allocation once built, so the same
//! code serves the live converter and the preparation of training data.

pub mod creak;
pub mod mel;
pub mod noise;
pub mod pitch;

/// Samples per second of everything in this crate.
pub const RATE: u32 = 24_000;

/// Samples per step: 10 ms.
pub const HOP: usize = 240;
