//! Distances between what came out and what should have.

use tch::Tensor;

use crate::networks::log_magnitude;

/// Mean of `x` where `mask` is 1.
pub fn masked_mean(x: &Tensor, mask: &Tensor) -> Tensor {
    (x * mask).sum(None) / (mask.sum(None) + 1e-6)
}

/// How much a band of a normalised mel counts: what is far under the loud parts is hardly heard.
pub fn audibility(mel: &Tensor) -> Tensor {
    ((mel + 2.2) * 0.6).clamp(0.15, 1.0)
}

/// L1 distance of mels `[batch, frames, bands]`, and the distance of their changes over time and
/// over bands.
pub fn mel_losses(out: &Tensor, target: &Tensor, mask: &Tensor) -> (Tensor, Tensor) {
    let weight = audibility(target) * mask;
    let difference = out - target;
    let level = masked_mean(&difference.abs(), &weight);
    let frames = difference.size()[1];
    let bands = difference.size()[2];
    let over_time = difference.narrow(1, 1, frames - 1) - difference.narrow(1, 0, frames - 1);
    let over_bands = difference.narrow(2, 1, bands - 1) - difference.narrow(2, 0, bands - 1);
    let change = masked_mean(&over_time.abs(), &weight.narrow(1, 1, frames - 1))
        + masked_mean(&over_bands.abs(), &weight.narrow(2, 1, bands - 1));
    (level, change)
}

/// Multi-resolution spectral distance (Yamamoto et al. 2020): log magnitudes by L1 plus spectral
/// convergence, frequencies weighted by the ear. `band`: share of the spectrum that counts, `[batch]`;
/// `ear`: 0 counts all frequencies alike, 1 follows [`ear_weights`].
pub fn spectral_loss(
    out: &Tensor,
    target: &Tensor,
    band: &Tensor,
    resolutions: &[i64],
    ear: f64,
) -> Tensor {
    let mut total = Tensor::zeros([], (out.kind(), out.device()));
    for &length in resolutions {
        let a = log_magnitude(out, length);
        let b = log_magnitude(target, length);
        let bins = a.size()[2];
        let axis = Tensor::arange(bins, (out.kind(), out.device())) / (bins - 1) as f64;
        let mask = axis
            .unsqueeze(0)
            .le_tensor(&band.unsqueeze(1))
            .to_kind(out.kind());
        let weight = Tensor::from_slice(&ear_weights(bins as usize)).to_device(out.device()) * ear
            + (1.0 - ear);
        let mask = (mask * weight).unsqueeze(1).expand_as(&a);
        let logs = masked_mean(&(&a - &b).abs(), &mask);
        let (a, b) = (a.exp() * &mask, b.exp() * &mask);
        let convergence =
            (&a - &b).square().sum(None).sqrt() / (b.square().sum(None).sqrt() + 1e-5);
        total = total + logs + convergence * 0.5;
    }
    total / resolutions.len() as f64
}

/// The ear's sensitivity at `bins` frequencies from 0 to half the sample rate: the A-weighting's
/// amplitude (IEC 61672-1) to the power of one half, as loudness grows, never under a tenth; mean 1.
pub fn ear_weights(bins: usize) -> Vec<f32> {
    let nyquist = f64::from(mien_face::SAMPLE_RATE) / 2.0;
    let weight = |bin: usize| {
        let f2 = (nyquist * bin as f64 / (bins - 1) as f64).powi(2);
        let gain = |hz: f64| f2 + hz.powi(2);
        let a = 1.2589 * 12194.0_f64.powi(2) * f2.powi(2)
            / (gain(20.6) * (gain(107.7) * gain(737.9)).sqrt() * gain(12194.0));
        a.sqrt().max(0.1) as f32
    };
    let weights: Vec<f32> = (0..bins).map(weight).collect();
    let mean = weights.iter().sum::<f32>() / bins as f32;
    weights.iter().map(|w| w / mean).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_ear_hears_best_where_the_standard_says() {
        let weights = ear_weights(513);
        let at = |hz: f32| weights[(hz / 12_000.0 * 512.0).round() as usize];
        let decibel = |hz: f32| 40.0 * (at(hz) / at(1000.0)).log10();
        // Published values of the A-weighting; a bin is 23 Hz wide.
        assert!((decibel(250.0) + 8.6).abs() < 1.0, "{}", decibel(250.0));
        assert!((decibel(4000.0) - 1.0).abs() < 0.3, "{}", decibel(4000.0));
        let mean = weights.iter().sum::<f32>() / 513.0;
        assert!((mean - 1.0).abs() < 1e-4);
    }
}
