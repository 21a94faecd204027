//! The commands for files.

pub mod convert;
pub mod inputs;
pub mod picture;
pub mod recipe;
pub mod voices;
