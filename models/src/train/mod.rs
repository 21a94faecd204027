//! Training: from recordings to a pack. `mien train` runs it; see `docs/training.md`.

pub mod acoustic;
pub mod adversarial;
pub mod augment;
pub mod batches;
pub mod checkpoint;
pub mod classifier;
pub mod config;
pub mod curves;
pub mod emotion;
pub mod export;
pub mod features;
pub mod losses;
pub mod optimizer;
pub mod phone_reader;
pub mod phones;
pub mod session;
pub mod speaker;
pub mod speaker_leak;
pub mod vocoder;
pub mod voice_map;

pub use config::TrainConfig;
