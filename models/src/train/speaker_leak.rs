//! How much of who speaks is left in the content: a fresh classifier learns to name the training
//! speakers from the content of an encoder that stands still, and is asked about other recordings.

use std::path::Path;
use std::time::Instant;

use anyhow::{Result, ensure};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use tch::nn::VarStore;
use tch::{Device, Kind, Tensor, no_grad};

use super::batches::clean_content_input;
use super::checkpoint;
use super::config::OptimizerConfig;
use super::features::FeatureSet;
use super::optimizer::AdamW;
use super::session::Session;
use crate::nn::Linear;

/// Frames of a crop.
const CROP: usize = 250;
/// Most crops' length of a speaker to learn from and to be asked about, in frames.
const LEARN: usize = 6000;
const ASK: usize = 2000;
/// One recording in so many is asked about.
const SPLIT: usize = 5;
const BATCH: usize = 64;
/// Steps of the classifier; it names what it learned from without fault by then.
pub const STEPS: u64 = 1000;
const WIDTH: i64 = 256;

/// What the classifier said.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Leak {
    /// Speakers among whom it chose.
    pub speakers: usize,
    /// Crops it was asked about.
    pub crops: usize,
    /// Share named rightly.
    pub right: f64,
    /// Share named rightly, averaged over speakers: chance is 1 / speakers.
    pub balanced: f64,
    /// Share of the crops that the most frequent speaker has.
    pub majority: f64,
}

impl Leak {
    /// How often it is right, as a multiple of 1 / speakers.
    pub fn times_chance(&self) -> f64 {
        self.balanced * self.speakers as f64
    }
}

/// One speaker's frames, `[frames, values]`, crops being cut from either side.
#[derive(Debug)]
struct Spoken {
    learn: Tensor,
    ask: Tensor,
}

/// A speaker's recordings: those to learn from and those to be asked about, by sorted keys.
pub fn split(keys: &[String]) -> (Vec<&String>, Vec<&String>) {
    let mut sorted: Vec<&String> = keys.iter().collect();
    sorted.sort();
    let asked = |i: usize| i % SPLIT == SPLIT / 2;
    let pick = |ask: bool| {
        let own = sorted.iter().enumerate().filter(|(i, _)| asked(*i) == ask);
        own.map(|(_, k)| *k).collect()
    };
    (pick(false), pick(true))
}

/// Trains and asks. `speakers`: each one's recordings; `look`: normalised log mel `[1, frames,
/// CONTENT_MEL]` → what the classifier sees, `[1, frames, values]`.
///
/// # Errors
/// Too little speech, a full disk, losses that stay infinite.
pub fn measure(
    name: &str,
    speakers: &[Vec<String>],
    features: &FeatureSet,
    look: impl Fn(&Tensor) -> Tensor,
    (folder, deadline): (&Path, Option<Instant>),
    (seed, steps): (u64, u64),
) -> Result<Leak> {
    let gather = |keys: &[&String], most: usize| {
        let mut pieces = Vec::new();
        let mut frames = 0;
        for features in keys.iter().filter_map(|k| features.get(*k)) {
            if frames >= most {
                break;
            }
            pieces.push(no_grad(|| look(&clean_content_input(features))).squeeze_dim(0));
            frames += features.mel.len();
        }
        let all = (!pieces.is_empty()).then(|| Tensor::cat(&pieces, 0))?;
        let length = (frames.min(most)) as i64;
        (length >= CROP as i64).then(|| all.narrow(0, 0, length).to_kind(Kind::Half))
    };
    let spoken = |keys: &Vec<String>| {
        let (learn, ask) = split(keys);
        Some(Spoken {
            learn: gather(&learn, LEARN)?,
            ask: gather(&ask, ASK)?,
        })
    };
    let spoken: Vec<Spoken> = speakers.iter().filter_map(spoken).collect();
    ensure!(
        spoken.len() > 1,
        "the leak needs two speakers with 2.5 s of speech in a fifth of their recordings"
    );
    let store = VarStore::new(Device::Cpu);
    let classifier = Classifier::new(&store, spoken[0].learn.size()[1], spoken.len() as i64);
    let settings = OptimizerConfig {
        learning_rate: 3e-3,
        warm_up: 50,
        ..OptimizerConfig::default()
    };
    let mut adam = AdamW::new(&settings, checkpoint::named(&store), steps);
    let mut rng = StdRng::seed_from_u64(seed);
    let mut session = Session::new(folder, name, &["entropy"], (0, steps), deadline)?;
    while adam.step < steps && !session.over() {
        let who: Vec<i64> = (0..BATCH)
            .map(|_| rng.random_range(0..spoken.len()) as i64)
            .collect();
        let crop = |&who: &i64| {
            let frames = &spoken[who as usize].learn;
            let from = rng.random_range(0..=frames.size()[0] - CROP as i64);
            frames.narrow(0, from, CROP as i64)
        };
        let crops: Vec<Tensor> = who.iter().map(crop).collect();
        let crops = Tensor::stack(&crops, 0).to_kind(Kind::Float);
        let loss = classifier
            .logits(&crops)
            .cross_entropy_for_logits(&Tensor::from_slice(&who));
        let rate = adam.learning_rate();
        let norm = adam.backward_step(&loss);
        session.record(adam.step, rate, norm, &[loss.double_value(&[])])?;
    }
    session.finish();
    Ok(ask(&classifier, &spoken))
}

fn ask(classifier: &Classifier, spoken: &[Spoken]) -> Leak {
    let (mut right, mut crops, mut most, mut shares) = (0, 0, 0, 0.0);
    for (who, own) in spoken.iter().enumerate() {
        let count = own.ask.size()[0] / CROP as i64;
        let cut = own.ask.narrow(0, 0, count * CROP as i64);
        let cut = cut.to_kind(Kind::Float).reshape([count, CROP as i64, -1]);
        let named = no_grad(|| classifier.logits(&cut).argmax(-1, false));
        let hits = named.eq(who as i64).sum(Kind::Int64).int64_value(&[]);
        right += hits;
        crops += count;
        most = most.max(count);
        shares += hits as f64 / count as f64;
    }
    Leak {
        speakers: spoken.len(),
        crops: crops as usize,
        right: right as f64 / crops as f64,
        balanced: shares / spoken.len() as f64,
        majority: most as f64 / crops as f64,
    }
}

/// Two layers on each frame, mean and spread over the crop (statistics pooling, Snyder et al. 2018),
/// one layer on those.
#[derive(Debug)]
struct Classifier {
    first: Linear,
    second: Linear,
    output: Linear,
}

impl Classifier {
    fn new(store: &VarStore, values: i64, speakers: i64) -> Self {
        let root = store.root();
        Self {
            first: Linear::new(&(&root / "first"), values, WIDTH, 1.4),
            second: Linear::new(&(&root / "second"), WIDTH, WIDTH, 1.4),
            output: Linear::new(&(&root / "output"), 2 * WIDTH, speakers, 0.3),
        }
    }

    /// `[batch, frames, values]` → `[batch, speakers]`.
    fn logits(&self, x: &Tensor) -> Tensor {
        let h = self.second.forward(&self.first.forward(x).silu()).silu();
        let mean = h.mean_dim([1].as_slice(), true, Kind::Float);
        let spread = ((&h - &mean)
            .square()
            .mean_dim([1].as_slice(), false, Kind::Float)
            + 1e-4)
            .sqrt();
        self.output
            .forward(&Tensor::cat(&[mean.squeeze_dim(1), spread], -1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::networks::MEL;
    use crate::train::features::Features;
    use half::f16;

    #[test]
    fn recordings_are_split_without_overlap_in_any_order() {
        let keys: Vec<String> = (0..23).map(|i| format!("k{i:02}")).collect();
        let (learn, ask) = split(&keys);
        assert_eq!((learn.len(), ask.len()), (18, 5));
        assert!(learn.iter().all(|k| !ask.contains(k)));
        let reversed: Vec<String> = keys.iter().rev().cloned().collect();
        assert_eq!(split(&reversed).1, ask);
    }

    /// Four speakers whose mels differ by a constant: seen through a window that shows it they are named,
    /// through one that hides it they are not.
    #[test]
    fn what_is_there_is_found_and_what_is_not_is_not() {
        tch::manual_seed(7);
        let mut features = FeatureSet::new();
        let mut speakers = Vec::new();
        for speaker in 0..4 {
            let mut keys = Vec::new();
            for recording in 0..5 {
                let noise = Tensor::randn([260, MEL], (Kind::Float, Device::Cpu));
                let values = Vec::<f32>::try_from(&noise.view([-1])).unwrap();
                let frame = |row: &[f32]| {
                    std::array::from_fn(|b| {
                        let own = if b == 3 { speaker as f32 * 2.0 } else { 0.0 };
                        f16::from_f32(row[b] - 8.0 + own)
                    })
                };
                let mel = values.chunks(MEL as usize).map(frame).collect();
                let key = format!("{speaker}-{recording}");
                keys.push(key.clone());
                features.insert(
                    key,
                    Features {
                        mel,
                        ..Features::default()
                    },
                );
            }
            speakers.push(keys);
        }
        let folder = tempfile::tempdir().unwrap();
        let ask = |from: i64| {
            let look = |mel: &Tensor| mel.narrow(-1, from, 6);
            measure(
                "leak",
                &speakers,
                &features,
                look,
                (folder.path(), None),
                (1, 80),
            )
            .unwrap()
        };
        let (seen, hidden) = (ask(0), ask(40));
        assert_eq!((seen.speakers, seen.crops), (4, 4));
        assert!((seen.times_chance() - 4.0).abs() < 1e-9, "{seen:?}");
        assert!(hidden.times_chance() < 3.5, "{hidden:?}");
        assert_eq!(seen.majority, 0.25);
    }
}
