//! What is in a pack, as the engine tells it (JSON) and the panel shows it.

use serde::{Deserialize, Serialize};

/// A pack's card: everything but the weights.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct PackDescription {
    /// Name of the pack, unique among the installed ones.
    pub name: String,
    /// One line for the panel.
    pub description: String,
    /// SPDX expression or the name of the licence of the weights.
    pub licence: String,
    /// True where the weights may not be used commercially.
    pub non_commercial: bool,
    /// Version of the pack.
    pub version: String,
    /// Corpora it was trained on, with their licences.
    pub trained_on: Vec<String>,
    /// Optimiser steps of each stage of its training, as text.
    pub steps: Vec<String>,
    /// What was measured of it, as text.
    pub figures: Vec<String>,
    /// Delay of the converter in samples at 24 kHz.
    pub delay_samples: u32,
    /// The voices, in the order of their indices.
    pub voices: Vec<Voice>,
    /// The emotions that the pack has weights for. The others act through prosody only.
    pub emotions: Vec<EmotionInfo>,
}

/// One target voice.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Voice {
    /// Invented name, unique in the pack.
    pub name: String,
    /// One line: age, gender, colour.
    pub description: String,
    /// `"f"`, `"m"` or `""`.
    pub gender: String,
    /// Low end of the voice's usual pitch range in Hz (5th percentile).
    pub f0_low_hz: f32,
    /// Mean pitch in Hz (geometric).
    pub f0_mean_hz: f32,
    /// High end of the range in Hz (95th percentile).
    pub f0_high_hz: f32,
    /// Minutes of speech it was trained on.
    pub trained_minutes: f32,
    /// The voice's embedding: the panel draws its portrait from it.
    pub embedding: Vec<f32>,
}

/// One emotion.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct EmotionInfo {
    /// One of [`crate::EMOTIONS`].
    pub name: String,
    /// One line for a tooltip.
    pub description: String,
    /// Valence, −1 to 1.
    pub valence: f32,
    /// Arousal, −1 to 1.
    pub arousal: f32,
}
