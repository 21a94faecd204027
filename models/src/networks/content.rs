//! The content encoder: what is said, without who says it.

use tch::Tensor;
use tch::nn::Path;

use super::codebook::{BiasState, Codebook};
use super::{CONTENT, CONTENT_MEL, NetworkConfig};
use crate::nn::{Linear, Trunk, TrunkState};

/// Causal encoder from log mel frames to a narrow content vector. Its output at frame `t` tells
/// the content of frame `t − LOOK_AHEAD`.
#[derive(Debug)]
pub struct ContentEncoder {
    input: Linear,
    trunk: Trunk,
    bottleneck: Linear,
    codebook: Option<Codebook>,
}

/// Past of one stream.
#[derive(Debug)]
pub struct ContentState {
    trunk: TrunkState,
    bias: Option<BiasState>,
}

impl ContentEncoder {
    /// A fresh encoder below `path`.
    pub fn new(path: &Path, networks: &NetworkConfig) -> Self {
        let (config, codes) = (&networks.content, networks.codes);
        Self {
            input: Linear::new(&(path / "input"), CONTENT_MEL, config.width, 1.0),
            trunk: Trunk::new(&(path / "trunk"), config, None),
            bottleneck: Linear::new(&(path / "bottleneck"), config.width, CONTENT, 1.0),
            codebook: (codes > 0).then(|| {
                let (softness, prior) = (networks.code_softness, networks.code_bias_prior);
                Codebook::new(&(path / "codes"), codes, softness, prior)
            }),
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
        let codebook = self.codebook.as_ref();
        ContentState {
            trunk: self.trunk.state(batch, like),
            bias: codebook.and_then(|codebook| codebook.bias_state(batch, like)),
        }
    }

    /// `mel`: normalised log mel `[batch, frames, ≥ CONTENT_MEL]`, the lowest bands are read →
    /// content `[batch, frames, CONTENT]`: entries of the codebook, where there is one.
    pub fn forward(&self, mel: &Tensor, state: &mut ContentState) -> Tensor {
        self.coded(&self.forward_raw(mel, state))
    }

    /// As [`Self::forward`], before the codebook: each frame of unit variance, less its [bias](Codebook::without_bias)
    /// where content is coded so.
    pub fn forward_raw(&self, mel: &Tensor, state: &mut ContentState) -> Tensor {
        let raw = self.forward_biased(mel, &mut state.trunk);
        match (&self.codebook, &mut state.bias) {
            (Some(codebook), Some(bias)) => codebook.without_bias(&raw, bias),
            _ => raw,
        }
    }

    fn forward_biased(&self, mel: &Tensor, state: &mut TrunkState) -> Tensor {
        let h = self
            .input
            .forward(&mel.narrow(-1, 0, CONTENT_MEL).contiguous());
        let h = self.trunk.forward(&h, &self.trunk.modulate(None), state);
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
        self.coded(&self.encode_raw(mel))
    }

    /// As [`Self::encode`], before the codebook.
    pub fn encode_raw(&self, mel: &Tensor) -> Tensor {
        self.forward_raw(mel, &mut self.state(mel.size()[0], mel))
    }

    /// As [`Self::encode_raw`], with its bias: what a codebook begins from, that has no codes yet to be biased against.
    pub fn encode_biased(&self, mel: &Tensor) -> Tensor {
        self.forward_biased(mel, &mut self.trunk.state(mel.size()[0], mel))
    }

    /// What the content is of what [`Self::forward_raw`] gave.
    pub fn coded(&self, raw: &Tensor) -> Tensor {
        match &self.codebook {
            Some(codebook) => codebook.quantise(raw),
            None => raw.shallow_clone(),
        }
    }

    /// The codes, where content is coded.
    pub fn codebook(&self) -> Option<&Codebook> {
        self.codebook.as_ref()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::networks::MEL;
    use crate::nn::ConvNeXtConfig;
    use tch::nn::VarStore;
    use tch::{Device, Kind};

    fn encoder(codes: i64) -> (VarStore, ContentEncoder) {
        tch::manual_seed(8);
        let content = ConvNeXtConfig {
            width: 24,
            dilations: vec![1, 2],
            ..NetworkConfig::default().content
        };
        let networks = NetworkConfig {
            content,
            codes,
            ..NetworkConfig::default()
        };
        let store = VarStore::new(Device::Cpu);
        let encoder = ContentEncoder::new(&(store.root() / "content"), &networks);
        (store, encoder)
    }

    fn mel() -> Tensor {
        Tensor::randn([2, 40, MEL], (Kind::Float, Device::Cpu))
    }

    #[test]
    fn without_codes_content_is_what_it_was() {
        let (store, encoder) = encoder(0);
        assert!(encoder.codebook().is_none());
        assert!(store.variables().keys().all(|name| !name.contains("codes")));
        let mel = mel();
        assert!(encoder.encode(&mel).equal(&encoder.encode_raw(&mel)));
        assert_eq!(NetworkConfig::default().codes, 0);
        // A card of a pack from before there were codes.
        let mut card = serde_json::to_value(NetworkConfig::default()).unwrap();
        card.as_object_mut().unwrap().remove("codes").unwrap();
        let config: NetworkConfig = serde_json::from_value(card).unwrap();
        assert_eq!(config, NetworkConfig::default());
    }

    #[test]
    fn coded_content_is_always_the_nearest_entry_to_the_bit() {
        let (store, encoder) = encoder(10);
        assert_eq!(
            store.variables()["content.codes.entries"].size(),
            [10, CONTENT]
        );
        let book = encoder.codebook().unwrap();
        let mel = mel();
        let raw = encoder.encode_raw(&mel);
        let distance = (raw.unsqueeze(2) - book.entries())
            .square()
            .sum_dim_intlist([-1].as_slice(), false, Kind::Float);
        let entries = book.look_up(&distance.argmin(-1, false));
        // With gradients and without.
        assert!(encoder.encode(&mel).equal(&entries));
        assert!(tch::no_grad(|| encoder.encode(&mel)).equal(&entries));
    }

    #[test]
    fn gradients_pass_the_codes_as_if_they_were_not_there() {
        let (store, encoder) = encoder(10);
        let raw = encoder.encode_raw(&mel());
        let want = Tensor::randn_like(&raw);
        let variables = store.variables();
        let weight = [&variables["content.input.weight"]];
        let through = |content: &Tensor| {
            let loss = (content * &want).sum(Kind::Float);
            Tensor::run_backward(&[loss], &weight, true, false).remove(0)
        };
        let gradient = through(&encoder.coded(&raw));
        assert!(gradient.abs().max().double_value(&[]) > 0.0);
        assert!(gradient.allclose(&through(&raw), 1e-5, 1e-6, false));
    }
}
