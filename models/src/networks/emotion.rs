//! The emotion adapter: what a feeling does to the sound of a voice, as a change of its log mel.
//!
//! It is a network of its own beside a frozen generator, so that weights trained on corpora of
//! another licence stay in a file of their own, and so that nothing at all runs at strength 0.

use tch::Tensor;
use tch::nn::Path;

use super::{MEL, MelClassifier, NetworkConfig, PROSODY};
use crate::nn::{Linear, Modulation, Trunk, TrunkState};

/// Changes a generator's mel towards a mix of emotions.
#[derive(Debug)]
pub struct EmotionAdapter {
    input: Linear,
    trunk: Trunk,
    output: Linear,
    embed: Linear,
}

/// Past of one stream.
#[derive(Debug)]
pub struct EmotionState(TrunkState);

/// Values of an emotion's embedding.
const EMBEDDING: i64 = 32;

impl EmotionAdapter {
    /// A fresh adapter below `path`; it changes nothing until it is trained.
    pub fn new(path: &Path, config: &NetworkConfig) -> Self {
        let width = config.emotion.width;
        let emotions = mien_face::EMOTIONS.len() as i64;
        let inputs = config.generator.width + MEL + PROSODY + EMBEDDING;
        Self {
            input: Linear::new(&(path / "input"), inputs, width, 1.0),
            trunk: Trunk::new(&(path / "trunk"), &config.emotion, Some(EMBEDDING)),
            output: Linear::new(&(path / "output"), width, MEL, 0.0),
            embed: Linear::new(&(path / "embed"), emotions, EMBEDDING, 1.0),
        }
    }

    /// Prepares for live frames; see [`Linear::settle`].
    pub fn settle(&mut self) {
        self.input.settle();
        self.trunk.settle();
        self.output.settle();
    }

    /// An empty past.
    pub fn state(&self, batch: i64, like: &Tensor) -> EmotionState {
        EmotionState(self.trunk.state(batch, like))
    }

    /// Prepares a mix of emotions: weights `[batch, emotions]`, each 0 to 1.
    pub fn mix(&self, weights: &Tensor) -> (Tensor, Modulation) {
        let embedding = self.embed.forward(weights);
        let modulation = self.trunk.modulate(Some(&embedding));
        (embedding, modulation)
    }

    /// The change of the normalised log mel, `[batch, frames, MEL]`, from the generator's hidden
    /// values, its mel, and the prosody that is to be sung.
    pub fn forward(
        &self,
        hidden: &Tensor,
        mel: &Tensor,
        prosody: &Tensor,
        mix: &(Tensor, Modulation),
        state: &mut EmotionState,
    ) -> Tensor {
        let size = hidden.size();
        let emotion = mix
            .0
            .unsqueeze(1)
            .expand([size[0], size[1], EMBEDDING], false);
        let h = self
            .input
            .forward(&Tensor::cat(&[hidden, mel, prosody, &emotion], -1));
        self.output
            .forward(&self.trunk.forward(&h, &mix.1, &mut state.0))
    }

    /// A whole recording from an empty past.
    pub fn change(
        &self,
        hidden: &Tensor,
        mel: &Tensor,
        prosody: &Tensor,
        weights: &Tensor,
    ) -> Tensor {
        let mut state = self.state(hidden.size()[0], hidden);
        self.forward(hidden, mel, prosody, &self.mix(weights), &mut state)
    }
}

/// Names the emotion of a log mel: for training the adapter and for evaluation.
#[derive(Debug)]
pub struct EmotionClassifier(MelClassifier);

impl EmotionClassifier {
    /// A fresh classifier below `path` with `width` channels in its first layer.
    pub fn new(path: &Path, width: i64) -> Self {
        Self(MelClassifier::new(
            path,
            width,
            mien_face::EMOTIONS.len() as i64 + 1,
        ))
    }

    /// `mel`: normalised `[batch, frames, MEL]` → logits `[batch, 1 + emotions]`, neutral first.
    pub fn logits(&self, mel: &Tensor) -> Tensor {
        self.0.logits(mel)
    }
}
