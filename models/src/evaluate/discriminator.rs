//! The article's discriminator measures: can a network tell converted speech from real speech?
//!
//! The adversary of the training is not in the pack, and would be the wrong judge: the generator was
//! trained against it. A small fresh one is trained here instead, by cross-validation, on crops of
//! real and of made speech, and asked about crops whose recordings it has not seen.

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use serde::Serialize;
use tch::nn::{Init, VarStore};
use tch::{Device, Kind, Tensor, no_grad};

use crate::networks::{MEL, loudness, normalise_value};
use crate::train::checkpoint;
use crate::train::config::OptimizerConfig;
use crate::train::features::Features;
use crate::train::optimizer::AdamW;

/// Frames of a crop.
const FRAMES: usize = 64;
/// Crops of each kind in a batch.
const BATCH: usize = 12;
/// Steps of each fold: the loss is flat long before on speech that is easy to tell apart.
const STEPS: u64 = 120;
/// Parts of the cross-validation.
const FOLDS: usize = 3;
const SEED: u64 = 17;

/// What a fresh discriminator says of speech that it was not trained on.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Discrimination {
    /// Share of crops, balanced over both kinds, that are told rightly; 0.5 is chance, and the best a
    /// converter can reach.
    pub accuracy: f64,
    /// Share of the made crops that pass as real; 0.5 where they cannot be told apart.
    pub false_accept_rate: f64,
    /// Made crops that were judged.
    pub crops: usize,
}

/// Trains and asks. `real`, `made`: recordings with the group they belong to; those of a group are
/// never on both sides of a fold. `None` where there are too few groups to hold some out.
pub fn discriminate(
    real: &[(usize, &Features)],
    made: &[(usize, &Features)],
) -> Option<Discrimination> {
    let groups = |kind: &[(usize, &Features)]| {
        let mut all: Vec<usize> = kind.iter().map(|(group, _)| *group).collect();
        all.sort_unstable();
        all.dedup();
        all
    };
    let (real_groups, made_groups) = (groups(real), groups(made));
    let folds = FOLDS.min(real_groups.len()).min(made_groups.len());
    if folds < 2 {
        return None;
    }
    let (mut passed, mut right) = ([0.0; 2], [0.0; 2]);
    let mut counts = [0_usize; 2];
    for fold in 0..folds {
        let split = |kind: &[(usize, &Features)], groups: &[usize]| {
            let (mut learn, mut test) = (Vec::new(), Vec::new());
            for (group, features) in kind {
                let place = groups.binary_search(group).unwrap_or(0);
                let side = if place % folds == fold {
                    &mut test
                } else {
                    &mut learn
                };
                side.extend(crops(features));
            }
            (learn, test)
        };
        let (real_learn, real_test) = split(real, &real_groups);
        let (made_learn, made_test) = split(made, &made_groups);
        if real_learn.is_empty() || made_learn.is_empty() {
            return None;
        }
        let network = train([&real_learn, &made_learn], fold as u64);
        for (kind, test) in [real_test, made_test].iter().enumerate() {
            let real: f64 = test.iter().map(|crop| network.says_real(crop)).sum();
            passed[kind] += real;
            right[kind] += if kind == 0 {
                real
            } else {
                test.len() as f64 - real
            };
            counts[kind] += test.len();
        }
    }
    if counts.contains(&0) {
        return None;
    }
    let share = |values: [f64; 2], kind: usize| values[kind] / counts[kind] as f64;
    Some(Discrimination {
        accuracy: 0.5 * (share(right, 0) + share(right, 1)),
        false_accept_rate: share(passed, 1),
        crops: counts[1],
    })
}

/// Audible stretches of normalised mel, [`FRAMES`] × [`MEL`] values each, without their mean level.
fn crops(features: &Features) -> Vec<Vec<f32>> {
    let level = |frame: &[half::f16; MEL as usize]| loudness(&frame.map(|v| v.to_f32()));
    let levels: Vec<f32> = features.mel.iter().map(level).collect();
    let loudest = levels.iter().fold(f32::MIN, |a, &b| a.max(b));
    let audible = |from: usize| {
        let heard = levels[from..from + FRAMES].iter();
        heard.filter(|&&l| l > loudest - 9.0).count() > FRAMES / 2
    };
    (0..(features.mel.len() + 1).saturating_sub(FRAMES))
        .step_by(FRAMES)
        .filter(|&from| audible(from))
        .map(|from| {
            let frames = features.mel[from..from + FRAMES].iter().flatten();
            let mut values: Vec<f32> = frames.map(|v| normalise_value(v.to_f32())).collect();
            let mean = values.iter().sum::<f32>() / values.len() as f32;
            values.iter_mut().for_each(|v| *v -= mean);
            values
        })
        .collect()
}

struct Network {
    store: VarStore,
    layers: Vec<(Tensor, Tensor)>,
    output: (Tensor, Tensor),
}

impl Network {
    fn new(store: VarStore) -> Self {
        let root = store.root();
        let shapes = [(1, 8), (8, 16), (16, 24)];
        let layer = |(i, (inputs, outputs)): (usize, (i64, i64))| {
            let stdev = (2.0 / (inputs as f64 * 15.0)).sqrt();
            let init = Init::Randn { mean: 0.0, stdev };
            let weight = root.var(&format!("weight{i}"), &[outputs, inputs, 3, 5], init);
            (weight, root.zeros(&format!("bias{i}"), &[outputs]))
        };
        let layers = shapes.into_iter().enumerate().map(layer).collect();
        let output = (root.zeros("output", &[1, 24]), root.zeros("offset", &[1]));
        Self {
            layers,
            output,
            store,
        }
    }

    /// One score a crop; above 0 is real.
    fn scores(&self, crops: &Tensor) -> Tensor {
        let mut h = crops.unsqueeze(1);
        for (weight, bias) in &self.layers {
            h = h
                .conv2d(weight, Some(bias), [2, 2], [1, 2], [1, 1], 1)
                .leaky_relu();
        }
        let pooled = h.mean_dim([2, 3].as_slice(), false, None);
        pooled.linear(&self.output.0, Some(&self.output.1))
    }

    fn says_real(&self, crop: &[f32]) -> f64 {
        let score = no_grad(|| self.scores(&stack(&[crop])).double_value(&[0, 0]));
        f64::from(u8::from(score > 0.0))
    }
}

fn stack(crops: &[&[f32]]) -> Tensor {
    let values: Vec<f32> = crops.iter().copied().flatten().copied().collect();
    Tensor::from_slice(&values).reshape([crops.len() as i64, FRAMES as i64, MEL])
}

fn train([real, made]: [&[Vec<f32>]; 2], fold: u64) -> Network {
    tch::manual_seed((SEED + fold) as i64);
    let mut rng = StdRng::seed_from_u64(SEED + fold);
    let store = VarStore::new(Device::Cpu);
    let network = Network::new(store);
    let config = OptimizerConfig {
        learning_rate: 3e-3,
        warm_up: 10,
        ..OptimizerConfig::default()
    };
    let mut adam = AdamW::new(&config, checkpoint::named(&network.store), STEPS);
    for _ in 0..STEPS {
        let mut draw = |from: &[Vec<f32>]| {
            let one = |_| from[rng.random_range(0..from.len())].clone();
            (0..BATCH).map(one).collect::<Vec<_>>()
        };
        let (real, made) = (draw(real), draw(made));
        let all: Vec<&[f32]> = real.iter().chain(&made).map(Vec::as_slice).collect();
        let scores = network.scores(&stack(&all)).view([-1]);
        let (real, made) = (
            scores.narrow(0, 0, BATCH as i64),
            scores.narrow(0, BATCH as i64, BATCH as i64),
        );
        let loss = ((-real).softplus() + made.softplus()).mean(Kind::Float);
        adam.backward_step(&loss);
    }
    network
}

#[cfg(test)]
mod tests {
    use super::*;
    use half::f16;

    /// Mels of coloured noise: `tilt` in nepers over the bands.
    fn noise(seed: u64, tilt: f32) -> Features {
        let mut rng = StdRng::seed_from_u64(seed);
        let mut frame = || {
            std::array::from_fn(|b| {
                f16::from_f32(-6.0 + tilt * b as f32 / 100.0 + rng.random_range(-1.0..1.0_f32))
            })
        };
        Features {
            mel: (0..3 * FRAMES).map(|_| frame()).collect(),
            ..Default::default()
        }
    }

    #[test]
    fn what_differs_is_told_apart_and_what_is_alike_is_not() {
        let real: Vec<Features> = (0..6).map(|s| noise(s, -2.0)).collect();
        let alike: Vec<Features> = (6..12).map(|s| noise(s, -2.0)).collect();
        let other: Vec<Features> = (6..12).map(|s| noise(s, 1.0)).collect();
        let ask = |a: &[Features], b: &[Features]| {
            let a: Vec<(usize, &Features)> = a.iter().enumerate().collect();
            let b: Vec<(usize, &Features)> = b.iter().enumerate().collect();
            discriminate(&a, &b)
        };
        let told = ask(&real, &other).unwrap();
        assert!(
            told.accuracy > 0.9 && told.false_accept_rate < 0.1,
            "{told:?}"
        );
        let fooled = ask(&real, &alike).unwrap();
        assert!((fooled.accuracy - 0.5).abs() < 0.3, "{fooled:?}");
        assert_eq!(
            ask(&real, &other),
            Some(told),
            "another answer to the same question"
        );
        assert_eq!(ask(&real[..1], &other), None);
    }
}
