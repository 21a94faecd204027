//! The adversaries. Least-squares, hinge and the article's cross-entropy losses are in
//! `train::adversarial`; here are the networks.

use serde::{Deserialize, Serialize};
use tch::nn::{Init, Path};
use tch::{Kind, Tensor, no_grad};

use super::MEL;

/// How a discriminator's weights are kept from growing without bound.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum WeightNorm {
    /// Not at all; see `docs/training.md` for what the others cost.
    #[default]
    None,
    /// Largest singular value 1, found by one power iteration a step (Miyato et al. 2018).
    Spectral,
    /// Length and direction of each output's weights learn apart (Salimans and Kingma 2016).
    Weight,
}

/// What a [`WeightNorm`] needs besides the weights.
#[derive(Debug)]
enum Norm {
    None,
    /// The power iteration's left vector, `[outputs]`.
    Spectral(Tensor),
    /// Length of each output's weights, `[outputs, 1, 1, 1]`.
    Weight(Tensor),
}

/// A 2-D convolution with He initialisation (He et al. 2015).
#[derive(Debug)]
struct Convolution {
    weight: Tensor,
    bias: Tensor,
    norm: Norm,
    stride: [i64; 2],
}

impl Convolution {
    fn new(
        path: &Path,
        [inputs, outputs]: [i64; 2],
        kernel: [i64; 2],
        stride: [i64; 2],
        norm: WeightNorm,
    ) -> Self {
        let fan = (inputs * kernel[0] * kernel[1]) as f64;
        let init = Init::Randn {
            mean: 0.0,
            stdev: (2.0 / fan).sqrt(),
        };
        let weight = path.var("weight", &[outputs, inputs, kernel[0], kernel[1]], init);
        let norm = match norm {
            WeightNorm::None => Norm::None,
            WeightNorm::Spectral => {
                let start = Init::Randn {
                    mean: 0.0,
                    stdev: 1.0,
                };
                let left = path.var("left", &[outputs], start);
                Norm::Spectral(left.set_requires_grad(false))
            }
            WeightNorm::Weight => {
                let mut length = path.ones("length", &[outputs, 1, 1, 1]);
                no_grad(|| length.copy_(&lengths(&weight)));
                Norm::Weight(length)
            }
        };
        Self {
            weight,
            bias: path.zeros("bias", &[outputs]),
            norm,
            stride,
        }
    }

    /// The weights as they act, `[outputs, inputs, height, width]`.
    fn weight(&self) -> Tensor {
        match &self.norm {
            Norm::None => self.weight.shallow_clone(),
            Norm::Spectral(left) => {
                let matrix = self.weight.flatten(1, -1);
                let right = no_grad(|| {
                    let right = unit(&matrix.tr().mv(left));
                    left.shallow_clone().copy_(&unit(&matrix.mv(&right)));
                    right
                });
                // A copy: the next step's iteration must not change what this one's gradient needs.
                let value = left.copy().dot(&matrix.mv(&right));
                &self.weight / (value + 1e-6)
            }
            Norm::Weight(length) => &self.weight * (length / lengths(&self.weight)),
        }
    }

    fn forward(&self, x: &Tensor) -> Tensor {
        let k = self.weight.size();
        x.conv2d(
            &self.weight(),
            Some(&self.bias),
            self.stride,
            [k[2] / 2, k[3] / 2],
            [1, 1],
            1,
        )
    }
}

/// Length of each output's weights, `[outputs, 1, 1, 1]`.
fn lengths(weight: &Tensor) -> Tensor {
    let squares = weight
        .square()
        .sum_dim_intlist([1, 2, 3].as_slice(), true, None);
    (squares + 1e-12).sqrt()
}

/// The vector at length 1.
fn unit(vector: &Tensor) -> Tensor {
    vector / (vector.square().sum(None).sqrt() + 1e-9)
}

/// Layers one after another with leaky rectifiers between them, and a last one that scores.
#[derive(Debug)]
struct Stack {
    layers: Vec<Convolution>,
    score: Convolution,
}

/// Channels in and out, kernel and stride of one layer.
type LayerShape = ([i64; 2], [i64; 2], [i64; 2]);

impl Stack {
    fn new(path: &Path, layers: &[LayerShape], score: LayerShape, norm: WeightNorm) -> Self {
        let layer = |(i, &(channels, kernel, stride)): (usize, &LayerShape)| {
            Convolution::new(
                &(path / format!("layer{i}")),
                channels,
                kernel,
                stride,
                norm,
            )
        };
        let (channels, kernel, stride) = score;
        Self {
            layers: layers.iter().enumerate().map(layer).collect(),
            score: Convolution::new(&(path / "score"), channels, kernel, stride, norm),
        }
    }

    /// `x`: `[batch, channels, height, width]` → the last layer's activations and all of them.
    fn features(&self, x: Tensor) -> (Tensor, Vec<Tensor>) {
        let mut h = x;
        let mut features = Vec::with_capacity(self.layers.len());
        for layer in &self.layers {
            h = layer.forward(&h).leaky_relu();
            features.push(h.shallow_clone());
        }
        (h, features)
    }

    fn judge(&self, x: Tensor) -> Verdict {
        let (h, features) = self.features(x);
        Verdict {
            scores: self.score.forward(&h),
            features,
        }
    }
}

/// What a discriminator says of a batch.
#[derive(Debug)]
pub struct Verdict {
    /// One score for each patch, `[batch, …]`; high means real.
    pub scores: Tensor,
    /// Inner activations, for feature matching (Larsen et al. 2016).
    pub features: Vec<Tensor>,
}

/// Judges patches of log mels, knowing whose voice and which feeling they should be: a projection
/// discriminator (Miyato and Koyama 2018) with StarGANv2-VC's task (Li et al. 2021), that
/// converted sound must pass as the target speaker's.
#[derive(Debug)]
pub struct MelDiscriminator {
    stack: Stack,
    speakers: Tensor,
    emotions: Tensor,
}

impl MelDiscriminator {
    /// For that many speakers and emotions, `width` channels in the first layer.
    pub fn new(path: &Path, speakers: i64, emotions: i64, width: i64, norm: WeightNorm) -> Self {
        let layers = [
            ([1, width], [3, 5], [1, 2]),
            ([width, 2 * width], [3, 5], [2, 2]),
            ([2 * width, 3 * width], [3, 5], [2, 2]),
            ([3 * width, 4 * width], [3, 3], [1, 2]),
        ];
        let deep = 4 * width;
        let table = Init::Randn {
            mean: 0.0,
            stdev: 0.02,
        };
        Self {
            stack: Stack::new(path, &layers, ([deep, 1], [3, 3], [1, 1]), norm),
            speakers: path.var("speakers", &[speakers, deep], table),
            emotions: path.var("emotions", &[emotions, deep], table),
        }
    }

    /// `mel`: `[batch, frames, MEL]` normalised; `speaker`, `emotion`: `[batch]` indices.
    pub fn judge(&self, mel: &Tensor, speaker: &Tensor, emotion: &Tensor) -> Verdict {
        debug_assert_eq!(mel.size()[2], MEL);
        let (h, features) = self.stack.features(mel.unsqueeze(1));
        let who = self.speakers.index_select(0, speaker) + self.emotions.index_select(0, emotion);
        // The projection is taken where time still runs, so that every stretch must fit the voice.
        let projected = (h.mean_dim([3].as_slice(), false, None) * who.unsqueeze(-1))
            .sum_dim_intlist(1, false, None);
        let scores = self.stack.score.forward(&h).squeeze_dim(1) + projected.unsqueeze(-1);
        Verdict { scores, features }
    }
}

/// Judges sound by log magnitudes at several resolutions of time and frequency
/// (multi-resolution discriminator, Jang et al. 2021).
#[derive(Debug)]
pub struct SpectrogramDiscriminators {
    scales: Vec<(i64, Stack)>,
}

impl SpectrogramDiscriminators {
    /// One network for each length of Fourier transform.
    pub fn new(path: &Path, lengths: &[i64], width: i64, norm: WeightNorm) -> Self {
        let layers = [
            ([1, width], [3, 9], [1, 2]),
            ([width, width], [3, 9], [1, 2]),
            ([width, width], [3, 9], [2, 2]),
            ([width, width], [3, 3], [1, 1]),
        ];
        let score = ([width, 1], [3, 3], [1, 1]);
        let scale = |&length: &i64| {
            let path = path / format!("fft{length}");
            (length, Stack::new(&path, &layers, score, norm))
        };
        Self {
            scales: lengths.iter().map(scale).collect(),
        }
    }

    /// `sound`: `[batch, samples]`; one verdict a resolution.
    pub fn judge(&self, sound: &Tensor) -> Vec<Verdict> {
        let judge = |(length, stack): &(i64, Stack)| {
            stack.judge(log_magnitude(sound, *length).unsqueeze(1))
        };
        self.scales.iter().map(judge).collect()
    }
}

/// Judges the waveform itself, folded at several periods: each network sees every `period`-th sample
/// as one row (multi-period discriminator, Kong et al. 2020, with fewer channels).
#[derive(Debug)]
pub struct PeriodDiscriminators {
    periods: Vec<(i64, Stack)>,
}

impl PeriodDiscriminators {
    /// One network for each period, in samples; `width` channels in the first layer.
    pub fn new(path: &Path, periods: &[i64], width: i64, norm: WeightNorm) -> Self {
        let layers = [
            ([1, width], [5, 1], [3, 1]),
            ([width, 2 * width], [5, 1], [3, 1]),
            ([2 * width, 4 * width], [5, 1], [3, 1]),
            ([4 * width, 4 * width], [5, 1], [1, 1]),
        ];
        let score = ([4 * width, 1], [3, 1], [1, 1]);
        let network = |&period: &i64| {
            let path = path / format!("period{period}");
            (period, Stack::new(&path, &layers, score, norm))
        };
        Self {
            periods: periods.iter().map(network).collect(),
        }
    }

    /// `sound`: `[batch, samples]`; one verdict a period. What is left over at the end is not heard.
    pub fn judge(&self, sound: &Tensor) -> Vec<Verdict> {
        let size = sound.size();
        let judge = |(period, stack): &(i64, Stack)| {
            let rows = size[1] / period;
            let folded = sound
                .narrow(1, 0, rows * period)
                .reshape([size[0], 1, rows, *period]);
            stack.judge(folded)
        };
        self.periods.iter().map(judge).collect()
    }
}

/// Log magnitudes `[batch, frames, bins]` of a Hann-windowed transform with a quarter hop.
pub(crate) fn log_magnitude(sound: &Tensor, length: i64) -> Tensor {
    let window = Tensor::hann_window(length, (Kind::Float, sound.device()));
    let frames = sound.unfold(-1, length, length / 4) * window;
    let spectrum = frames.fft_rfft(length, -1, "backward");
    let power = spectrum.real().square() + spectrum.imag().square();
    (power / (length as f64) + 1e-7).log() * 0.5
}

#[cfg(test)]
mod tests {
    use super::*;
    use tch::Device;
    use tch::nn::VarStore;

    fn sound() -> Tensor {
        tch::manual_seed(3);
        Tensor::randn([2, 4000], (Kind::Float, Device::Cpu))
    }

    #[test]
    fn every_period_and_resolution_gives_a_verdict_that_learns() {
        for norm in [WeightNorm::None, WeightNorm::Spectral, WeightNorm::Weight] {
            let store = VarStore::new(Device::Cpu);
            let root = store.root();
            let periods = PeriodDiscriminators::new(&(&root / "p"), &[2, 7], 4, norm);
            let spectra = SpectrogramDiscriminators::new(&(&root / "s"), &[256], 4, norm);
            let mut verdicts = periods.judge(&sound());
            verdicts.extend(spectra.judge(&sound()));
            assert_eq!(verdicts.len(), 3);
            let sum: Tensor = verdicts
                .iter()
                .map(|v| v.scores.square().mean(Kind::Float))
                .sum();
            sum.backward();
            for (name, variable) in store.variables() {
                if variable.requires_grad() {
                    let gradient = variable.grad();
                    assert!(gradient.defined(), "{name}");
                    assert!(gradient.isfinite().all().int64_value(&[]) == 1, "{name}");
                }
            }
        }
    }

    #[test]
    fn a_spectral_norm_brings_the_largest_gain_to_one() {
        let store = VarStore::new(Device::Cpu);
        let shape = ([8, 16], [3, 3], [1, 1]);
        let layer = Convolution::new(
            &store.root(),
            shape.0,
            shape.1,
            shape.2,
            WeightNorm::Spectral,
        );
        for _ in 0..60 {
            let _ = layer.weight();
        }
        let largest = layer.weight().flatten(1, -1).svd(true, false).1.max();
        assert!((largest.double_value(&[]) - 1.0).abs() < 0.02);
    }
}
