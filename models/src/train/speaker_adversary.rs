//! The classifier that looks for the speaker in the content while the encoder hides it.

use tch::nn::VarStore;
use tch::{Device, Kind, Reduction, Tensor};

use super::checkpoint::{self, Tensors};
use super::config::OptimizerConfig;
use super::learner::{restore_beside, state_beside};
use super::losses::masked_mean;
use super::optimizer::AdamW;
use crate::networks::CONTENT;
use crate::nn::Linear;

/// Values of its hidden layers.
const WIDTH: i64 = 256;
/// Steps that it takes on each batch: it has to keep up with an encoder that flees from it.
const STEPS: usize = 2;

/// Names the speaker twice: from each frame alone, and from mean and spread over the crop (statistics
/// pooling, Snyder et al. 2018). A head that pools by the mean alone is satisfied long before the
/// speaker is gone (docs/training.md).
#[derive(Debug)]
pub struct SpeakerAdversary {
    store: VarStore,
    first: Linear,
    second: Linear,
    frame: Linear,
    crop: Linear,
    adam: AdamW,
    speakers: i64,
}

/// Its verdict on a batch: cross-entropy of each row, by frames `[batch]` and by the crop `[batch]`.
struct Named {
    frame: Tensor,
    crop: Tensor,
}

impl SpeakerAdversary {
    /// A fresh classifier of so many speakers, for a run of `steps` batches.
    pub fn new(speakers: i64, steps: u64, settings: &OptimizerConfig, device: Device) -> Self {
        let store = VarStore::new(device);
        let root = store.root();
        let first = Linear::new(&(&root / "first"), CONTENT, WIDTH, 1.4);
        let second = Linear::new(&(&root / "second"), WIDTH, WIDTH, 1.4);
        let frame = Linear::new(&(&root / "frame"), WIDTH, speakers, 0.3);
        let crop = Linear::new(&(&root / "crop"), 2 * WIDTH, speakers, 0.3);
        let adam = AdamW::new(settings, checkpoint::named(&store), steps * STEPS as u64);
        Self {
            store,
            first,
            second,
            frame,
            crop,
            adam,
            speakers,
        }
    }

    /// `content` `[batch, frames, CONTENT]`, `speaker` `[batch]`.
    fn name(&self, content: &Tensor, speaker: &Tensor) -> Named {
        let h = self.second.forward(&self.first.forward(content).silu());
        let h = h.silu();
        let size = h.size();
        let mean = h.mean_dim([1].as_slice(), true, Kind::Float);
        let spread = (&h - &mean).square();
        let spread = (spread.mean_dim([1].as_slice(), false, Kind::Float) + 1e-4).sqrt();
        let pooled = Tensor::cat(&[mean.squeeze_dim(1), spread], -1);
        let entropy = |logits: &Tensor, who: &Tensor| {
            logits.cross_entropy_loss(who, None::<&Tensor>, Reduction::None, -100, 0.0)
        };
        let each = speaker.unsqueeze(1).expand([size[0], size[1]], false);
        let frames = self.frame.forward(&h).reshape([-1, self.speakers]);
        let frame = entropy(&frames, &each.reshape([-1]))
            .reshape([size[0], size[1]])
            .mean_dim([1].as_slice(), false, Kind::Float);
        Named {
            frame,
            crop: entropy(&self.crop.forward(&pooled), speaker),
        }
    }

    /// Learns from a batch of content that the encoder made; `known` `[batch]` is 1 where the speaker is.
    /// Returns its cross-entropies by frame and by crop, before the last step.
    pub fn learn(&mut self, content: &Tensor, speaker: &Tensor, known: &Tensor) -> [f64; 2] {
        let content = content.detach();
        let mut values = [0.0; 2];
        for _ in 0..STEPS {
            let named = self.name(&content, speaker);
            let (frame, crop) = (
                masked_mean(&named.frame, known),
                masked_mean(&named.crop, known),
            );
            values = [&frame, &crop].map(|t| t.double_value(&[]));
            self.adam.backward_step(&(frame + crop));
        }
        values
    }

    /// What the encoder is to make small: how much better than by chance the speaker is told, with the
    /// gradient turned round (Ganin et al. 2016). Beyond chance there is nothing to win, and without the
    /// bound the game runs away (it did, after 2,000 steps, to ten times the loss of chance).
    pub fn told(&self, content: &Tensor, speaker: &Tensor, known: &Tensor) -> Tensor {
        let chance = (self.speakers as f64).ln();
        let named = self.name(content, speaker);
        let better = |entropy: Tensor| masked_mean(&(-entropy + chance).relu(), known);
        better(named.frame) + better(named.crop)
    }

    /// What a checkpoint needs to go on.
    pub fn state(&self) -> Vec<(String, Tensor)> {
        state_beside("adversary", &self.store, &self.adam)
    }

    /// Takes a checkpoint of batch `step` back.
    pub fn restore(&mut self, saved: &Tensors, step: u64) {
        let (store, adam) = (&self.store, &mut self.adam);
        restore_beside("adversary", store, adam, saved, step * STEPS as u64);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Four speakers that differ in one value of the content: the classifier finds it, and the
    /// gradient of [`SpeakerAdversary::told`] takes it out.
    #[test]
    fn what_tells_the_speaker_is_found_and_fled_from() {
        tch::manual_seed(5);
        let like = (Kind::Float, Device::Cpu);
        let settings = OptimizerConfig {
            warm_up: 5,
            ..OptimizerConfig::default()
        };
        let mut adversary = SpeakerAdversary::new(4, 60, &settings, Device::Cpu);
        let speaker = Tensor::from_slice(&[0_i64, 1, 2, 3]);
        let known = Tensor::ones([4], like);
        let mark = Tensor::from_slice(&[-1.5_f32, -0.5, 0.5, 1.5]).reshape([4, 1, 1]);
        let mark = mark.set_requires_grad(true);
        let content = |mark: &Tensor| {
            let noise = Tensor::randn([4, 40, CONTENT], like) * 0.2;
            let rest = noise.narrow(2, 1, CONTENT - 1);
            Tensor::cat(&[noise.narrow(2, 0, 1) + mark, rest], 2)
        };
        let first = adversary.learn(&content(&mark), &speaker, &known);
        let mut last = first;
        for _ in 0..40 {
            last = adversary.learn(&content(&mark), &speaker, &known);
        }
        assert!((first[1] - 4.0_f64.ln()).abs() < 0.7, "{first:?}");
        assert!(last[0] < 0.3 && last[1] < 0.1, "{last:?}");
        let loss = adversary.told(&content(&mark), &speaker, &known);
        assert!(loss.double_value(&[]) > 2.0);
        loss.backward();
        // Each speaker's mark is driven towards the others': the outer ones inwards.
        let gradient = Vec::<f32>::try_from(&mark.grad().reshape([-1])).unwrap();
        assert!(gradient[0] < 0.0 && gradient[3] > 0.0, "{gradient:?}");
    }
}
