//! The face between a host of voices (the plugin, the `mien` binary) and the engine library.
//!
//! The engine library (`libmien_models.so`, built from `mien-models`) links libtorch, which takes
//! hundreds of milliseconds and 110 MB to load. A plugin scan must not pay that, so the plugin
//! never links it: it opens the library on first use, through the one symbol [`ENTRY_SYMBOL`],
//! which returns a table of C functions, [`Face`]. This crate holds both sides of that contract:
//!
//! * [`abi`]: the `repr(C)` types; the only things that cross the border.
//! * [`description`]: the JSON that tells what is in a pack.
//! * [`library`]: the caller's side, safe: [`Engine`], [`Pack`], [`Converter`].

pub mod abi;
pub mod description;
pub mod library;

pub use abi::*;
pub use description::*;
pub use library::{Converter, Engine, EngineError, Pack};
