//! The speaker encoder: who speaks, whatever is said, as a direction of length 1.
//!
//! It hears a whole recording at once and is never run live: it makes new voices from recordings, and
//! is the verifier of `mien evaluate`.

use tch::nn::{Init, Path};
use tch::{Kind, Tensor};

use super::{CONTENT_MEL, MEL_SCALE};
use crate::nn::{Linear, reduced};

/// Frames this far below the mean power of a recording (nepers, −26 dB) count as pauses.
const PAUSE: f64 = -6.0;
/// Bands are heard down to this far below the mean power (nepers, −43 dB): room and codec lie below.
const DEPTH: f64 = -10.0;
/// Share of each band's own mean that is taken away. All of it would take the recording channel out,
/// and the long-term spectrum of the voice with it; training with random equalisers does the rest.
const CHANNEL: f64 = 0.7;
/// Hidden values of the attention.
const ATTENTION: i64 = 64;
/// Channels that share one mean and spread.
const GROUP: i64 = 8;

/// Sizes of a speaker encoder.
#[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
#[serde(default)]
pub struct SpeakerConfig {
    /// Channels of the first layer and of each stage after it. Multiples of 8.
    pub channels: Vec<i64>,
    /// Values of the embedding.
    pub embedding: i64,
}

impl Default for SpeakerConfig {
    fn default() -> Self {
        Self {
            channels: vec![16, 32, 64, 96],
            embedding: 128,
        }
    }
}

impl SpeakerConfig {
    /// Whether these sizes can be built: a damaged file must not make this program allocate without end.
    pub fn sensible(&self) -> bool {
        let channel = |&c: &i64| (GROUP..=512).contains(&c) && c % GROUP == 0;
        (2..=6).contains(&self.channels.len())
            && self.channels.iter().all(channel)
            && (8..=1024).contains(&self.embedding)
    }
}

/// A small residual network over time and frequency (He et al. 2016; for speakers Chung et al. 2020,
/// "In defence of metric learning for speaker recognition") with attentive statistics pooling
/// (Okabe et al. 2018). Convolutions over both axes, because with few speakers to learn from a
/// resonance should not have to be learned for each band anew.
#[derive(Debug)]
pub struct SpeakerEncoder {
    stem: Convolution,
    stages: Vec<Stage>,
    attention_in: Linear,
    attention_out: Linear,
    output: Linear,
}

/// A convolution with group norm (Wu and He 2018): unlike batch norm it is the same in training.
#[derive(Debug)]
struct Convolution {
    weight: Tensor,
    scale: Tensor,
    shift: Tensor,
    stride: [i64; 2],
}

impl Convolution {
    fn new(path: &Path, inputs: i64, outputs: i64, kernel: i64, stride: [i64; 2]) -> Self {
        let stdev = (2.0 / (inputs * kernel * kernel) as f64).sqrt();
        let init = Init::Randn { mean: 0.0, stdev };
        Self {
            weight: path.var("weight", &[outputs, inputs, kernel, kernel], init),
            scale: path.ones("scale", &[outputs]),
            shift: path.zeros("shift", &[outputs]),
            stride,
        }
    }

    fn forward(&self, x: &Tensor) -> Tensor {
        let kind = x.kind();
        let size = self.weight.size();
        let edge = size[2] / 2;
        x.conv2d(
            &self.weight.to_kind(kind),
            None::<&Tensor>,
            self.stride,
            [edge, edge],
            [1, 1],
            1,
        )
        .group_norm(
            size[0] / GROUP,
            Some(&self.scale.to_kind(kind)),
            Some(&self.shift.to_kind(kind)),
            1e-5,
            true,
        )
    }
}

/// Two convolutions beside a shortcut.
#[derive(Debug)]
struct Stage {
    first: Convolution,
    second: Convolution,
    shortcut: Convolution,
    stride: [i64; 2],
}

impl Stage {
    fn new(path: &Path, inputs: i64, outputs: i64, stride: [i64; 2]) -> Self {
        Self {
            first: Convolution::new(&(path / "first"), inputs, outputs, 3, stride),
            second: Convolution::new(&(path / "second"), outputs, outputs, 3, [1, 1]),
            shortcut: Convolution::new(&(path / "shortcut"), inputs, outputs, 1, [1, 1]),
            stride,
        }
    }

    fn forward(&self, x: &Tensor) -> Tensor {
        // Averaged, not picked, where the grid gets coarser (He et al. 2019, ResNet-D).
        let coarse = x.avg_pool2d(self.stride, self.stride, [0, 0], true, false, None::<i64>);
        let h = self.first.forward(x).silu();
        (self.second.forward(&h) + self.shortcut.forward(&coarse)).silu()
    }
}

impl SpeakerEncoder {
    /// A fresh encoder below `path`.
    pub fn new(path: &Path, config: &SpeakerConfig) -> Self {
        let channels = &config.channels;
        // Frequency gets coarser in every stage, time in every other one.
        let stage = |(i, pair): (usize, &[i64])| {
            let stride = [1 + (i as i64 % 2), 2];
            Stage::new(&(path / format!("stage{i}")), pair[0], pair[1], stride)
        };
        let stages: Vec<Stage> = channels.windows(2).enumerate().map(stage).collect();
        let bands = (0..=stages.len()).fold(CONTENT_MEL, |bands, _| (bands + 1) / 2);
        let deep = channels[channels.len() - 1] * bands;
        Self {
            stem: Convolution::new(&(path / "stem"), 1, channels[0], 5, [2, 2]),
            stages,
            attention_in: Linear::new(&(path / "attention_in"), deep, ATTENTION, 1.0),
            attention_out: Linear::new(&(path / "attention_out"), ATTENTION, deep, 0.5),
            output: Linear::new(&(path / "output"), 2 * deep, config.embedding, 1.0),
        }
    }

    /// `mel`: normalised log mel `[batch, frames, ≥ CONTENT_MEL]` of which the lowest bands are read,
    /// best 2 to 30 s → directions of length 1, `[batch, embedding]`. How loud the recording is makes
    /// no difference.
    pub fn embed(&self, mel: &Tensor) -> Tensor {
        // Recordings to look at come from main memory, wherever the network is trained.
        let mel = mel.to_device(self.stem.weight.device());
        let (heard, speech) = levelled(&mel);
        let kind = reduced().unwrap_or(Kind::Float);
        let mut h = self.stem.forward(&heard.unsqueeze(1).to_kind(kind)).silu();
        for stage in &self.stages {
            h = stage.forward(&h);
        }
        // [batch, channels, time, bands] → [batch, time, channels · bands]
        let h = h.to_kind(Kind::Float).transpose(1, 2).flatten(2, 3);
        let speech = coarser(&speech, h.size()[1]);
        let scores = self
            .attention_out
            .forward(&self.attention_in.forward(&h).tanh());
        let weights = (scores + (speech + 1e-4).log()).softmax(1, Kind::Float);
        let mean = (&h * &weights).sum_dim_intlist([1].as_slice(), true, Kind::Float);
        let spread = ((&h - &mean).square() * &weights)
            .sum_dim_intlist([1].as_slice(), false, Kind::Float)
            .clamp_min(1e-5)
            .sqrt();
        let statistics = Tensor::cat(&[mean.squeeze_dim(1), spread], -1);
        let size = statistics.size()[1];
        let statistics =
            statistics.layer_norm([size], None::<&Tensor>, None::<&Tensor>, 1e-5, true);
        unit(&self.output.forward(&statistics))
    }
}

/// Rows of length 1.
pub fn unit(x: &Tensor) -> Tensor {
    let length = x
        .square()
        .sum_dim_intlist([-1].as_slice(), true, Kind::Float);
    x / (length + 1e-9).sqrt()
}

/// Takes the level out, what lies far below it, and a share of each band's mean over speech.
/// Returns the bands `[batch, frames, CONTENT_MEL]` and 1 where there is speech, `[batch, frames, 1]`.
fn levelled(mel: &Tensor) -> (Tensor, Tensor) {
    let nepers = mel.narrow(-1, 0, CONTENT_MEL) / MEL_SCALE;
    let size = nepers.size();
    let level = nepers.logsumexp([1, 2].as_slice(), true) - ((size[1] * CONTENT_MEL) as f64).ln();
    let bands = nepers - level;
    let loudness = bands.logsumexp([2].as_slice(), true) - (CONTENT_MEL as f64).ln();
    let speech = loudness.gt(PAUSE).to_kind(Kind::Float);
    let bands = bands.clamp_min(DEPTH);
    let mean = (&bands * &speech).sum_dim_intlist([1].as_slice(), true, Kind::Float)
        / (speech.sum_dim_intlist([1].as_slice(), true, Kind::Float) + 1e-6);
    ((bands - mean * CHANNEL) * 0.3, speech)
}

/// Share of speech around each of `frames` coarser frames, `[batch, frames, 1]`.
fn coarser(speech: &Tensor, frames: i64) -> Tensor {
    let line = speech.transpose(1, 2);
    line.adaptive_avg_pool1d([frames].as_slice())
        .transpose(1, 2)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::networks::{MEL, normalise_mel};
    use tch::Device;
    use tch::nn::VarStore;

    fn speech(batch: i64, frames: i64) -> Tensor {
        let noise = Tensor::randn([batch, frames, MEL], (Kind::Float, Device::Cpu));
        normalise_mel(&(noise * 2.0 - 8.0))
    }

    fn encoder(store: &VarStore) -> SpeakerEncoder {
        SpeakerEncoder::new(&store.root(), &SpeakerConfig::default())
    }

    #[test]
    fn embeddings_have_the_right_shape_and_length_one_for_any_duration() {
        tch::manual_seed(1);
        let _guard = tch::no_grad_guard();
        let store = VarStore::new(Device::Cpu);
        let encoder = encoder(&store);
        for frames in [1, 7, 200, 333] {
            let embedding = encoder.embed(&speech(3, frames));
            assert_eq!(embedding.size(), [3, 128]);
            let length = embedding
                .square()
                .sum_dim_intlist([-1].as_slice(), false, Kind::Float);
            let error = (length - 1.0).abs().max().double_value(&[]);
            assert!(error < 1e-4, "{frames} frames: {error}");
        }
        let weights: usize = store.variables().values().map(|v| v.numel()).sum();
        assert!(weights < 1_500_000, "{weights}");
    }

    #[test]
    fn level_makes_no_difference() {
        tch::manual_seed(2);
        let _guard = tch::no_grad_guard();
        let store = VarStore::new(Device::Cpu);
        let encoder = encoder(&store);
        let mel = speech(1, 250);
        let louder = &mel + 4.6 * MEL_SCALE;
        let difference = (encoder.embed(&mel) - encoder.embed(&louder)).abs().max();
        assert!(difference.double_value(&[]) < 1e-4, "{difference:?}");
    }

    #[test]
    fn bands_that_narrow_recordings_lack_are_not_heard() {
        tch::manual_seed(3);
        let _guard = tch::no_grad_guard();
        let store = VarStore::new(Device::Cpu);
        let encoder = encoder(&store);
        let mel = speech(1, 250);
        let narrow = mel.narrow(-1, 0, CONTENT_MEL);
        let difference = (encoder.embed(&mel) - encoder.embed(&narrow)).abs().max();
        assert!(difference.double_value(&[]) < 1e-6, "{difference:?}");
    }
}
