//! Fits what acting does to the content ([`ActedContent`]): ridge regression (Hoerl and Kennard 1970) on parallel takes,
//! laid along each other in time.
//!
//! Both takes are equally noisy, so the change is told from what lies midway between them, and the map from the neutral take follows
//! from that. Told from the neutral take itself it would mostly be regression towards the mean: sounds that lose
//! what they are, by which every word is lost and feelings are heard all the same.
//!
//! A map that says the same of every speaker and sentence is all that few actors can teach: networks that
//! know more of the context learn their sentences (docs/emotion.md).

use anyhow::Result;
use mien_face::EMOTIONS;
use tch::{Device, Kind, Tensor, no_grad};

use super::features::{FeatureSet, Features};
use super::parallel::{Take, align, apart, parallel};
use crate::networks::{
    ActedContent, CONTENT, CONTENT_MEL, ContentEncoder, FLOOR, LOOK_AHEAD, loudness,
    normalise_value,
};

/// Weight of the ridge, in frames of content of unit variance.
const RIDGE: f64 = 300.0;
/// Nepers of power under a recording's loudest frame at which speech ends.
pub(super) const SPEECH: f32 = 8.0;
/// Pairs of takes without which a feeling changes nothing.
const LEAST_PAIRS: usize = 6;

/// A take as the live path hears it.
struct Heard {
    /// `[frames, CONTENT]`.
    content: Tensor,
    /// What is laid along other takes.
    described: Tensor,
    /// Whether somebody speaks, for each frame.
    speech: Vec<f32>,
}

/// Sums over the frames of one feeling's pairs.
struct Sums {
    pairs: usize,
    weight: f64,
    midway: Tensor,
    change: Tensor,
    /// Of products of what lies midway with itself and with the change.
    square: Tensor,
    cross: Tensor,
}

/// Fits the maps to all pairs that `takes` hold. `encoder` lies in main memory. A feeling of few pairs changes nothing.
///
/// # Errors
/// None but those of a broken build: the shapes are this module's own.
pub fn fit(
    takes: &[Take],
    features: &FeatureSet,
    encoder: &ContentEncoder,
) -> Result<ActedContent> {
    no_grad(|| {
        let heard = |take: &Take| hear(&features[&take.key], encoder);
        let mut sums: [Sums; EMOTIONS.len()] = std::array::from_fn(|_| Sums::new());
        for (neutral, acted) in parallel(takes, features) {
            let from: Vec<Heard> = neutral.iter().map(|t| heard(t)).collect();
            for take in acted {
                let to = heard(take);
                for from in &from {
                    sums[take.emotion as usize - 1].add(from, &to, take.weight());
                }
            }
        }
        let maps: Vec<[Tensor; 3]> = sums.iter().map(Sums::solve).collect();
        let stacked = |part: usize| {
            let parts: Vec<&Tensor> = maps.iter().map(|map| &map[part]).collect();
            Tensor::stack(&parts, 0).to_kind(Kind::Float)
        };
        for (name, sums) in EMOTIONS.iter().zip(&sums) {
            tracing::info!("acting: {} pairs {name}", sums.pairs);
        }
        ActedContent::new(stacked(0), stacked(1), stacked(2))
    })
}

fn hear(features: &Features, encoder: &ContentEncoder) -> Heard {
    let mels = features.levelled_mel();
    let frames = mels.len() as i64;
    let bands = CONTENT_MEL as usize;
    let values: Vec<f32> = mels
        .iter()
        .flat_map(|frame| frame[..bands].iter())
        .map(|v| normalise_value(v.max(FLOOR)))
        .collect();
    let mel = Tensor::from_slice(&values).reshape([1, frames, CONTENT_MEL]);
    let content = encoder
        .encode(&mel)
        .narrow(1, LOOK_AHEAD, frames - LOOK_AHEAD)
        .squeeze_dim(0);
    let levels: Vec<f32> = mels.iter().map(|frame| loudness(frame)).collect();
    let loudest = levels.iter().copied().fold(f32::MIN, f32::max);
    let spoken = |level: &f32| if *level > loudest - SPEECH { 1.0 } else { 0.0 };
    Heard {
        described: apart(&content, &mel.squeeze_dim(0)),
        speech: levels[..content.size()[0] as usize]
            .iter()
            .map(spoken)
            .collect(),
        content,
    }
}

impl Sums {
    fn new() -> Self {
        let zeros = |size: &[i64]| Tensor::zeros(size, (Kind::Double, Device::Cpu));
        Self {
            pairs: 0,
            weight: 0.0,
            midway: zeros(&[1, CONTENT]),
            change: zeros(&[1, CONTENT]),
            square: zeros(&[CONTENT, CONTENT]),
            cross: zeros(&[CONTENT, CONTENT]),
        }
    }

    fn add(&mut self, from: &Heard, to: &Heard, weight: f64) {
        let path = align(&Tensor::cdist(
            &from.described,
            &to.described,
            2.0,
            None::<i64>,
        ));
        let path: Vec<i64> = path.into_iter().map(i64::from).collect();
        let acted = to.content.index_select(0, &Tensor::from_slice(&path));
        let content = from.content.to_kind(Kind::Double);
        let change = acted.to_kind(Kind::Double) - &content;
        let midway = content + &change / 2.0;
        let counts = Tensor::from_slice(&from.speech).to_kind(Kind::Double) * weight;
        let weighed = &midway * counts.unsqueeze(1);
        self.pairs += 1;
        self.weight += counts.sum(Kind::Double).double_value(&[]);
        self.midway += weighed.sum_dim_intlist([0].as_slice(), true, None);
        self.change += (&change * counts.unsqueeze(1)).sum_dim_intlist([0].as_slice(), true, None);
        self.square += weighed.transpose(0, 1).matmul(&midway);
        self.cross += weighed.transpose(0, 1).matmul(&change);
    }

    /// Mean change, middle and slope.
    fn solve(&self) -> [Tensor; 3] {
        if self.pairs < LEAST_PAIRS {
            let none = Self::new();
            return [
                none.change.squeeze_dim(0),
                none.midway.squeeze_dim(0),
                none.square,
            ];
        }
        let (midway, change) = (&self.midway / self.weight, &self.change / self.weight);
        let mass = midway.transpose(0, 1) * self.weight;
        let one = Tensor::eye(CONTENT, (Kind::Double, Device::Cpu));
        let square = &self.square - mass.matmul(&midway) + &one * RIDGE;
        let cross = &self.cross - mass.matmul(&change);
        let slope = Tensor::linalg_solve(&square, &cross, true);
        // With m midway, change = shift + (m − middle) slope and m = heard + change / 2, so
        // change = (shift + (heard − middle) slope) (1 − slope / 2)⁻¹; the middle of what is heard lies half the shift lower.
        let slope = Tensor::linalg_solve(&(one - &slope / 2.0), &slope, false);
        let middle = midway - &change / 2.0;
        [change.squeeze_dim(0), middle.squeeze_dim(0), slope]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn heard(content: Tensor) -> Heard {
        Heard {
            described: content.shallow_clone(),
            speech: vec![1.0; content.size()[0] as usize],
            content,
        }
    }

    #[test]
    fn an_affine_change_is_found_again() {
        tch::manual_seed(1);
        let options = (Kind::Float, Device::Cpu);
        let slope = Tensor::randn([CONTENT, CONTENT], options) * 0.01;
        let shift = Tensor::randn([1, CONTENT], options) * 0.1;
        let mut sums = Sums::new();
        for _ in 0..LEAST_PAIRS {
            let from = Tensor::randn([2000, CONTENT], options) + 1.0;
            let to = &from + from.matmul(&slope) + &shift;
            sums.add(&heard(from), &heard(to), 1.0);
        }
        let [change, middle, found] = sums.solve();
        let mean_change = middle.to_kind(Kind::Float).unsqueeze(0).matmul(&slope) + &shift;
        let off = |a: Tensor, b: &Tensor| (a - b).abs().max().double_value(&[]);
        assert!(off(found.to_kind(Kind::Float), &slope) < 2e-3);
        assert!(off(change.to_kind(Kind::Float).unsqueeze(0), &mean_change) < 1e-3);
    }

    #[test]
    fn without_pairs_nothing_is_changed() {
        let [change, _, slope] = Sums::new().solve();
        assert_eq!(change.abs().sum(Kind::Double).double_value(&[]), 0.0);
        assert_eq!(slope.abs().sum(Kind::Double).double_value(&[]), 0.0);
    }
}
