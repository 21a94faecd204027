//! How a stretch of speech is delivered, as numbers that a gradient passes through, and how far natural
//! acting moves them.
//!
//! Regression alone learns the mean of what actors do: right on average, and too smooth. Statistics over
//! time (as in the statistics pooling of Snyder et al. 2018, and the global variance of Toda and Tokuda
//! 2007) bring back the liveliness. They are targets with a definite value, so that nothing is won by
//! overdoing one of them, unlike a classifier's verdict.

use tch::{Device, Kind, Tensor};

use crate::networks::MEL;

/// Cosine coefficients of a log mel that are described; the first, the level, is left out of the means.
const CEPSTRA: i64 = 24;
/// Share of each variance that is added to it, since few recordings tell the covariance badly.
const SHRINKAGE: f64 = 0.1;

/// Means, log spreads and log spreads of the change over 20 ms of the mel's cosine coefficients,
/// over speech: `mel` normalised `[batch, frames, MEL]`, `speech` `[batch, frames, 1]` →
/// `[batch, values]`.
pub fn describe(mel: &Tensor, speech: &Tensor) -> Tensor {
    let cepstra = mel.matmul(&cosines(CEPSTRA, mel.device()));
    let frames = cepstra.size()[1];
    let over = |x: &Tensor, mask: &Tensor| {
        let count = mask.sum_dim_intlist([1].as_slice(), false, None) + 1e-3;
        (x * mask).sum_dim_intlist([1].as_slice(), false, None) / count
    };
    let mean = over(&cepstra, speech);
    let spread = over(&(&cepstra - mean.unsqueeze(1)).square(), speech);
    let change = cepstra.narrow(1, 2, frames - 2) - cepstra.narrow(1, 0, frames - 2);
    let both = speech.narrow(1, 2, frames - 2) * speech.narrow(1, 0, frames - 2);
    let rate = over(&change.square(), &both);
    let log = |variance: Tensor| (variance + 1e-5).log() * 0.5;
    Tensor::cat(&[mean.narrow(1, 1, CEPSTRA - 1), log(spread), log(rate)], 1)
}

/// `[MEL, count]`: the orthogonal cosine transform, its lowest coefficients.
pub(super) fn cosines(count: i64, device: Device) -> Tensor {
    let bands = Tensor::arange(MEL, (Kind::Float, device)) + 0.5;
    let rows = Tensor::arange(count, (Kind::Float, device));
    let angle = bands.outer(&rows) * (std::f64::consts::PI / MEL as f64);
    angle.cos() * (2.0 / MEL as f64).sqrt()
}

/// What each feeling does to [`describe`]'s values in natural acting.
#[derive(Debug)]
pub struct Delivery {
    /// Mean change of each emotion, `[1 + emotions, values]`.
    change: Tensor,
    /// Whitens deviations: what differs much between actors counts little, `[values, values]`.
    whitening: Tensor,
}

impl Delivery {
    /// From pairs of an emotion's index and a change, by pairs of takes of one actor. `None` for
    /// fewer than twice as many as there are values.
    pub fn new(changes: &[(i64, Tensor)]) -> Option<Self> {
        let values = changes.first()?.1.size()[0];
        if (changes.len() as i64) < 2 * values {
            return None;
        }
        let classes = mien_face::EMOTIONS.len() as i64 + 1;
        let device = changes[0].1.device();
        let zero = || Tensor::zeros([values], (Kind::Float, device));
        let mut means = Vec::new();
        let mut deviations = Vec::new();
        for class in 0..classes {
            let own: Vec<&Tensor> = changes
                .iter()
                .filter(|c| c.0 == class)
                .map(|c| &c.1)
                .collect();
            if own.is_empty() {
                means.push(zero());
                continue;
            }
            let all = Tensor::stack(&own, 0);
            let mean = all.mean_dim([0].as_slice(), false, None);
            deviations.push(&all - &mean);
            means.push(mean);
        }
        let deviations = Tensor::cat(&deviations, 0);
        let covariance = deviations.tr().matmul(&deviations) / deviations.size()[0] as f64;
        let own = covariance.diagonal(0, 0, 1);
        let covariance = &covariance + Tensor::diag(&own, 0) * SHRINKAGE;
        Some(Self {
            change: Tensor::stack(&means, 0),
            whitening: Tensor::linalg_inv(&covariance).linalg_cholesky(false),
        })
    }

    /// Mean square distance, in actors' standard deviations, of a change `[batch, values]` from
    /// `scale` `[batch, 1]` times that of natural acting.
    pub fn distance(&self, change: &Tensor, emotion: &Tensor, scale: &Tensor) -> Tensor {
        let wanted = self.change.index_select(0, emotion) * scale;
        (change - wanted)
            .matmul(&self.whitening)
            .square()
            .mean(Kind::Float)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_natural_change_is_at_no_distance_and_level_counts_for_nothing() {
        tch::manual_seed(3);
        let like = (Kind::Float, Device::Cpu);
        let speech = Tensor::ones([40, 60, 1], like);
        let calm = Tensor::randn([40, 60, MEL], like);
        let louder = describe(&(&calm + 0.7), &speech) - describe(&calm, &speech);
        assert!(louder.abs().max().double_value(&[]) < 1e-2);
        let change = describe(&(&calm * 1.3), &speech) - describe(&calm, &speech);
        let pairs = |x: &Tensor| (0..40).map(|i| (1, x.get(i))).collect::<Vec<_>>();
        assert!(Delivery::new(&pairs(&change)).is_none());
        let many: Vec<_> = (0..5)
            .flat_map(|_| pairs(&(&change + change.randn_like() * 0.1)))
            .collect();
        let delivery = Delivery::new(&many).unwrap();
        let emotion = Tensor::from_slice(&[1_i64]);
        let one = Tensor::ones([1, 1], like);
        let mean = delivery.change.get(1).unsqueeze(0);
        let near = delivery.distance(&mean, &emotion, &one).double_value(&[]);
        let far = delivery.distance(&(&mean * 0.0), &emotion, &one);
        assert!(near < 1e-6 && far.double_value(&[]) > 1.0, "{near}");
    }
}
