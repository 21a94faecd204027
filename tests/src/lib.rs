//! What the tests share: a CLAP host in this process, the toy engine, and measuring sound.
//!
//! The tests go over public faces only: the CLAP entry, the `mien` program, pack files.

pub mod host;
pub mod program;
pub mod sound;
pub mod toy;

pub use host::Host;
