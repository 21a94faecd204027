//! Names what a stretch of log mel is: who speaks, or with what feeling.

use tch::Tensor;
use tch::nn::{Init, Path};

use crate::nn::Linear;

/// Sorts log mels into classes, for training and evaluation: a small convolutional network with means
/// and spreads over time (statistics pooling, Snyder et al. 2018).
#[derive(Debug)]
pub struct MelClassifier {
    convolutions: Vec<(Tensor, Tensor)>,
    output: Linear,
}

impl MelClassifier {
    /// A fresh classifier below `path` with `width` channels in its first layer.
    pub fn new(path: &Path, width: i64, classes: i64) -> Self {
        let shapes = [(1, width), (width, 2 * width), (2 * width, 3 * width)];
        let layer = |(i, &(inputs, outputs)): (usize, &(i64, i64))| {
            let path = path / format!("layer{i}");
            let stdev = (2.0 / (inputs as f64 * 15.0)).sqrt();
            let weight = path.var(
                "weight",
                &[outputs, inputs, 3, 5],
                Init::Randn { mean: 0.0, stdev },
            );
            (weight, path.zeros("bias", &[outputs]))
        };
        Self {
            convolutions: shapes.iter().enumerate().map(layer).collect(),
            output: Linear::new(&(path / "output"), 2 * 3 * width * 13, classes, 0.3),
        }
    }

    /// `mel`: normalised `[batch, frames, MEL]` → logits `[batch, classes]`.
    pub fn logits(&self, mel: &Tensor) -> Tensor {
        let mut h = mel.unsqueeze(1);
        for (weight, bias) in &self.convolutions {
            h = h
                .conv2d(weight, Some(bias), [2, 2], [1, 2], [1, 1], 1)
                .leaky_relu();
        }
        let mean = h.mean_dim([2].as_slice(), true, None);
        let spread = ((&h - &mean).square().mean_dim([2].as_slice(), true, None) + 1e-4).sqrt();
        self.output
            .forward(&Tensor::cat(&[mean, spread], 1).flatten(1, -1))
    }
}
