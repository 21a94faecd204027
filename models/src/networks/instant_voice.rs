//! Instant voices: from a recording to a place in a generator's space of voices, in one go.

use tch::Tensor;
use tch::nn::Path;

use super::{NetworkConfig, SpeakerEncoder};
use crate::nn::Linear;

/// A speaker encoder and a map from its directions to the embeddings that one generator understands.
#[derive(Debug)]
pub struct InstantVoice {
    encoder: SpeakerEncoder,
    map: Linear,
}

impl InstantVoice {
    /// A fresh one below `path`: `speaker` and `instant`.
    pub fn new(path: &Path, config: &NetworkConfig) -> Self {
        Self {
            encoder: SpeakerEncoder::new(&(path / "speaker"), &config.speaker),
            map: Linear::new(
                &(path / "instant"),
                config.speaker.embedding,
                config.voice,
                0.0,
            ),
        }
    }

    /// Who speaks, as a direction of length 1, `[batch, embedding]`: the closer two are, the more alike the voices. `mel`: as for
    /// [`Self::voice`].
    pub fn direction(&self, mel: &Tensor) -> Tensor {
        self.encoder.embed(mel)
    }

    /// `mel`: normalised log mel `[batch, frames, ≥ CONTENT_MEL]`, best 5 to 30 s → embeddings
    /// `[batch, voice]`.
    pub fn voice(&self, mel: &Tensor) -> Tensor {
        self.map.forward(&self.encoder.embed(mel))
    }
}
