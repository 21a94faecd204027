//! The adversaries. Least-squares, hinge and the article's cross-entropy losses are in
//! `train::adversarial`; here are the networks.

use tch::nn::{Init, Path};
use tch::{Kind, Tensor};

use super::MEL;

/// A plain 2-D convolution with He initialisation.
#[derive(Debug)]
struct Convolution {
    weight: Tensor,
    bias: Tensor,
    stride: [i64; 2],
}

impl Convolution {
    fn new(path: &Path, inputs: i64, outputs: i64, kernel: [i64; 2], stride: [i64; 2]) -> Self {
        let fan = (inputs * kernel[0] * kernel[1]) as f64;
        let init = Init::Randn {
            mean: 0.0,
            stdev: (2.0 / fan).sqrt(),
        };
        Self {
            weight: path.var("weight", &[outputs, inputs, kernel[0], kernel[1]], init),
            bias: path.zeros("bias", &[outputs]),
            stride,
        }
    }

    fn forward(&self, x: &Tensor) -> Tensor {
        let k = self.weight.size();
        x.conv2d(
            &self.weight,
            Some(&self.bias),
            self.stride,
            [k[2] / 2, k[3] / 2],
            [1, 1],
            1,
        )
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
    layers: Vec<Convolution>,
    score: Convolution,
    speakers: Tensor,
    emotions: Tensor,
}

impl MelDiscriminator {
    /// For that many speakers and emotions, `width` channels in the first layer.
    pub fn new(path: &Path, speakers: i64, emotions: i64, width: i64) -> Self {
        let shapes = [
            (1, width, [3, 5], [1, 2]),
            (width, 2 * width, [3, 5], [2, 2]),
            (2 * width, 3 * width, [3, 5], [2, 2]),
            (3 * width, 4 * width, [3, 3], [1, 2]),
        ];
        let mut layers = Vec::with_capacity(shapes.len());
        for (i, (inputs, outputs, kernel, stride)) in shapes.into_iter().enumerate() {
            let path = path / format!("layer{i}");
            layers.push(Convolution::new(&path, inputs, outputs, kernel, stride));
        }
        let deep = 4 * width;
        let table = Init::Randn {
            mean: 0.0,
            stdev: 0.02,
        };
        Self {
            layers,
            score: Convolution::new(&(path / "score"), deep, 1, [3, 3], [1, 1]),
            speakers: path.var("speakers", &[speakers, deep], table),
            emotions: path.var("emotions", &[emotions, deep], table),
        }
    }

    /// `mel`: `[batch, frames, MEL]` normalised; `speaker`, `emotion`: `[batch]` indices.
    pub fn judge(&self, mel: &Tensor, speaker: &Tensor, emotion: &Tensor) -> Verdict {
        debug_assert_eq!(mel.size()[2], MEL);
        let mut h = mel.unsqueeze(1);
        let mut features = Vec::with_capacity(self.layers.len());
        for layer in &self.layers {
            h = layer.forward(&h).leaky_relu();
            features.push(h.shallow_clone());
        }
        let who = self.speakers.index_select(0, speaker) + self.emotions.index_select(0, emotion);
        // The projection is taken where time still runs, so that every stretch must fit the voice.
        let projected = (h.mean_dim([3].as_slice(), false, None) * who.unsqueeze(-1))
            .sum_dim_intlist(1, false, None);
        let scores = self.score.forward(&h).squeeze_dim(1) + projected.unsqueeze(-1);
        Verdict { scores, features }
    }
}

/// Judges sound by log magnitudes at several resolutions of time and frequency
/// (multi-resolution discriminator, Jang et al. 2021).
#[derive(Debug)]
pub struct SpectrogramDiscriminators {
    scales: Vec<(i64, Vec<Convolution>, Convolution)>,
}

impl SpectrogramDiscriminators {
    /// One network for each length of Fourier transform.
    pub fn new(path: &Path, lengths: &[i64], width: i64) -> Self {
        let scale = |&length: &i64| {
            let path = path / format!("fft{length}");
            let layers = [
                (1, width, [3, 9], [1, 2]),
                (width, width, [3, 9], [1, 2]),
                (width, width, [3, 9], [2, 2]),
                (width, width, [3, 3], [1, 1]),
            ]
            .iter()
            .enumerate()
            .map(|(i, &(a, b, k, s))| Convolution::new(&(&path / format!("layer{i}")), a, b, k, s))
            .collect();
            let score = Convolution::new(&(&path / "score"), width, 1, [3, 3], [1, 1]);
            (length, layers, score)
        };
        Self {
            scales: lengths.iter().map(scale).collect(),
        }
    }

    /// `sound`: `[batch, samples]`; one verdict a resolution.
    pub fn judge(&self, sound: &Tensor) -> Vec<Verdict> {
        let judge = |(length, layers, score): &(i64, Vec<Convolution>, Convolution)| {
            let mut h = log_magnitude(sound, *length).unsqueeze(1);
            let mut features = Vec::with_capacity(layers.len());
            for layer in layers {
                h = layer.forward(&h).leaky_relu();
                features.push(h.shallow_clone());
            }
            Verdict {
                scores: score.forward(&h),
                features,
            }
        };
        self.scales.iter().map(judge).collect()
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
