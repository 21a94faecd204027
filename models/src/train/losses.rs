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
/// convergence. `band`: share of the spectrum that counts, `[batch]`.
pub fn spectral_loss(out: &Tensor, target: &Tensor, band: &Tensor, resolutions: &[i64]) -> Tensor {
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
        let mask = mask.unsqueeze(1).expand_as(&a);
        let logs = masked_mean(&(&a - &b).abs(), &mask);
        let (a, b) = (a.exp() * &mask, b.exp() * &mask);
        let convergence =
            (&a - &b).square().sum(None).sqrt() / (b.square().sum(None).sqrt() + 1e-5);
        total = total + logs + convergence * 0.5;
    }
    total / resolutions.len() as f64
}
