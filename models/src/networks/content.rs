//! The content encoder: what is said, without who says it.

use tch::Tensor;
use tch::nn::Path;

use super::{CONTENT, CONTENT_MEL};
use crate::nn::{ConvNeXtConfig, Linear, Trunk, TrunkState};

/// Causal encoder from log mel frames to a narrow content vector. Its output at frame `t` tells
/// the content of frame `t − LOOK_AHEAD`.
#[derive(Debug)]
pub struct ContentEncoder {
    input: Linear,
    trunk: Trunk,
    bottleneck: Linear,
}

/// Past of one stream.
#[derive(Debug)]
pub struct ContentState(TrunkState);

impl ContentEncoder {
    /// A fresh encoder below `path`.
    pub fn new(path: &Path, config: &ConvNeXtConfig) -> Self {
        Self {
            input: Linear::new(&(path / "input"), CONTENT_MEL, config.width, 1.0),
            trunk: Trunk::new(&(path / "trunk"), config, None),
            bottleneck: Linear::new(&(path / "bottleneck"), config.width, CONTENT, 1.0),
        }
    }

    /// Prepares for live frames; see [`Linear::settle`].
    pub fn settle(&mut self) {
        self.input.settle();
        self.trunk.settle();
        self.bottleneck.settle();
    }

    /// An empty past.
    pub fn state(&self, batch: i64, like: &Tensor) -> ContentState {
        ContentState(self.trunk.state(batch, like))
    }

    /// `mel`: normalised log mel `[batch, frames, ≥ CONTENT_MEL]`, the lowest bands are read →
    /// content `[batch, frames, CONTENT]`, each frame of unit variance.
    pub fn forward(&self, mel: &Tensor, state: &mut ContentState) -> Tensor {
        let h = self
            .input
            .forward(&mel.narrow(-1, 0, CONTENT_MEL).contiguous());
        let h = self
            .trunk
            .forward(&h, &self.trunk.modulate(None), &mut state.0);
        // A norm without parameters bounds the content, so that the bottleneck stays narrow.
        self.bottleneck.forward(&h).layer_norm(
            [CONTENT],
            None::<&Tensor>,
            None::<&Tensor>,
            1e-5,
            true,
        )
    }

    /// A whole recording from an empty past.
    pub fn encode(&self, mel: &Tensor) -> Tensor {
        self.forward(mel, &mut self.state(mel.size()[0], mel))
    }
}
