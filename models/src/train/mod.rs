//! Training: from recordings to a pack. `mien train` runs it; see `docs/training.md`.

pub mod acoustic;
pub mod acting;
pub mod adversarial;
pub mod augment;
pub mod batches;
pub mod checkpoint;
pub mod classifier;
pub mod codes;
pub mod config;
pub mod curves;
pub mod delivery;
pub mod emotion;
pub mod emotion_game;
pub mod export;
pub mod features;
mod learner;
pub mod listener;
pub mod losses;
pub mod optimizer;
pub mod parallel;
pub mod performer;
pub mod phone_beam;
pub mod phone_grammar;
pub mod phone_reader;
pub mod phone_readers;
pub mod phones;
pub mod rehearsal;
mod session;
pub mod speaker;
pub mod speaker_adversary;
pub mod speaker_leak;
pub mod tint;
pub mod vocoder;
pub mod voice_map;

pub use config::TrainConfig;
