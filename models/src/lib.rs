//! What a voice is: networks, streaming conversion, packs, training and evaluation.
//!
//! Built twice: as a Rust library, and as the engine library that the plugin opens through the C
//! face of `mien-face`. It knows nothing of plugins.

pub mod commands;
pub mod corpus;
mod engine;
pub mod evaluate;
pub mod networks;
pub mod nn;
pub mod pack;
mod speaker;
pub mod streaming;
pub mod train;

// Helpers of `tests`, which know the library by its name, serve the tests within it too.
#[cfg(test)]
extern crate self as mien_models;
#[cfg(test)]
#[path = "../tests/small/mod.rs"]
mod small;
