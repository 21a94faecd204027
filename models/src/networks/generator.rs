//! The generator: content, prosody and a voice in, that voice's log mel out.

use tch::Tensor;
use tch::nn::Path;

use super::{CONTENT, MEL, NetworkConfig, PROSODY};
use crate::nn::{Linear, Modulation, Trunk, TrunkState};

/// The acoustic half of the generator; the [`super::Vocoder`] is the other.
#[derive(Debug)]
pub struct Generator {
    input: Linear,
    trunk: Trunk,
    output: Linear,
}

/// Past of one stream.
#[derive(Debug)]
pub struct GeneratorState(TrunkState);

impl Generator {
    /// A fresh generator below `path`.
    pub fn new(path: &Path, config: &NetworkConfig) -> Self {
        let width = config.generator.width;
        Self {
            input: Linear::new(&(path / "input"), CONTENT + PROSODY, width, 1.0),
            trunk: Trunk::new(&(path / "trunk"), &config.generator, Some(config.voice)),
            output: Linear::new(&(path / "output"), width, MEL, 0.5),
        }
    }

    /// Prepares for live frames; see [`Linear::settle`].
    pub fn settle(&mut self) {
        self.input.settle();
        self.trunk.settle();
        self.output.settle();
    }

    /// An empty past.
    pub fn state(&self, batch: i64, like: &Tensor) -> GeneratorState {
        GeneratorState(self.trunk.state(batch, like))
    }

    /// Prepares a voice: `[batch, voice]`.
    pub fn voice(&self, embedding: &Tensor) -> Modulation {
        self.trunk.modulate(Some(embedding))
    }

    /// `content`: `[batch, frames, CONTENT]`, `prosody`: `[batch, frames, PROSODY]` →
    /// (normalised log mel `[batch, frames, MEL]`, hidden `[batch, frames, width]`).
    pub fn forward(
        &self,
        content: &Tensor,
        prosody: &Tensor,
        voice: &Modulation,
        state: &mut GeneratorState,
    ) -> (Tensor, Tensor) {
        let h = self.input.forward(&Tensor::cat(&[content, prosody], -1));
        let h = self.trunk.forward(&h, voice, &mut state.0);
        (self.output.forward(&h), h)
    }

    /// A whole recording from an empty past.
    pub fn generate(
        &self,
        content: &Tensor,
        prosody: &Tensor,
        embedding: &Tensor,
    ) -> (Tensor, Tensor) {
        let mut state = self.state(content.size()[0], content);
        self.forward(content, prosody, &self.voice(embedding), &mut state)
    }
}
