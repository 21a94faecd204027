//! An emotion classifier on its own: trained on natural acted speech only, never on converted sound,
//! so that `mien evaluate` has a judge that no generator was trained to please. It stays in the run's
//! folder and goes into no pack.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;

use anyhow::{Context, Result};
use half::f16;
use mien_face::EMOTIONS;
use rand::RngExt;
use rand::rngs::StdRng;
use tch::nn::VarStore;
use tch::{Device, Kind, Reduction, Tensor, no_grad};

use super::augment::Strength;
use super::batches::{FrameBatch, Item, Pool, Shape, frame_batches};
use super::checkpoint::{self, Tensors};
use super::config::TrainConfig;
use super::features::Features;
use super::learner::Learner;
use super::session::Session;
use crate::evaluate::prosody;
use crate::networks::{BANDS, CONTENT_MEL, EmotionClassifier, FLOOR, MEL, normalise_value};

/// Name of the file in a run's folder.
pub const FILE: &str = "classifier.safetensors";
/// Names in that file of what the unseen actors' recordings are, `[recordings]`, and of each class's share, `[recordings, CLASSES]`.
const NATURAL_CLASSES: &str = "natural_classes";
const NATURAL_SHARES: &str = "natural_shares";
/// Neutral and the emotions.
pub const CLASSES: usize = EMOTIONS.len() + 1;

/// Names of the classes in the order of the network's outputs.
pub fn class_names() -> [&'static str; CLASSES] {
    std::array::from_fn(|i| if i == 0 { "neutral" } else { EMOTIONS[i - 1] })
}

/// The network with its variables.
#[derive(Debug)]
pub struct ClassifierNetwork {
    /// Holds every variable.
    pub store: VarStore,
    classifier: EmotionClassifier,
}

impl ClassifierNetwork {
    /// A fresh one with that many channels in its first layer.
    pub fn new(width: i64, device: Device) -> Self {
        let store = VarStore::new(device);
        Self {
            classifier: EmotionClassifier::new(&(store.root() / "classifier"), width),
            store,
        }
    }

    /// What the network makes of a recording: a probability for each of [`class_names`].
    pub fn probabilities(&self, features: &Features) -> [f64; CLASSES] {
        let mut all = [0.0; CLASSES];
        if features.mel.is_empty() {
            return all;
        }
        let logits = no_grad(|| self.classifier.logits(&input(&features.mel)));
        let shares = logits.softmax(-1, Kind::Double).view([-1]);
        shares.copy_data(&mut all, CLASSES);
        all
    }

    /// What the network makes of each of a pool's recordings.
    fn hear(&self, pool: &Pool) -> Vec<Heard> {
        let heard = |item: &Item| Heard {
            acted: item.emotion as usize,
            shares: self.probabilities(&pool.features[&item.key]),
        };
        pool.items.iter().map(heard).collect()
    }
}

/// What was acted, or asked for, in a recording, and how probable each class is heard.
#[derive(Clone, Copy, Debug)]
pub struct Heard {
    /// Index among [`class_names`].
    pub acted: usize,
    /// Sums to 1.
    pub shares: [f64; CLASSES],
}

impl Heard {
    /// The same where nothing but `classes` can be the answer; all of them alike where nothing is heard of any.
    pub fn among(mut self, classes: &[usize]) -> Self {
        let all: f64 = classes.iter().map(|&class| self.shares[class]).sum();
        for (class, share) in self.shares.iter_mut().enumerate() {
            *share = match (classes.contains(&class), all > 0.0) {
                (false, _) => 0.0,
                (true, true) => *share / all,
                (true, false) => 1.0 / classes.len() as f64,
            };
        }
        self
    }
}

/// Rows are what was acted, columns what is most probable.
pub fn confusion(heard: impl IntoIterator<Item = Heard>) -> [[f64; CLASSES]; CLASSES] {
    let mut counts = [[0.0; CLASSES]; CLASSES];
    for one in heard {
        counts[one.acted][loudest(&one.shares)] += 1.0;
    }
    counts
}

/// What a file of [`ClassifierRun::train`] keeps of the actors that the training did not see; `None` where it keeps nothing.
fn natural(saved: &Tensors) -> Option<Vec<Heard>> {
    let acted = Vec::<i64>::try_from(saved.get(NATURAL_CLASSES)?).ok()?;
    let shares = saved.get(NATURAL_SHARES)?.to_kind(Kind::Double);
    if shares.size() != [acted.len() as i64, CLASSES as i64] {
        return None;
    }
    let shares = Vec::<f64>::try_from(shares.flatten(0, -1)).ok()?;
    acted
        .iter()
        .zip(shares.chunks_exact(CLASSES))
        .map(|(&acted, shares)| {
            Some(Heard {
                acted: usize::try_from(acted).ok().filter(|&a| a < CLASSES)?,
                shares: shares.try_into().ok()?,
            })
        })
        .collect()
}

/// Index of the largest value.
pub fn loudest(values: &[f64]) -> usize {
    let order = |a: &usize, b: &usize| values[*a].total_cmp(&values[*b]);
    (0..values.len()).max_by(order).unwrap_or(0)
}

/// Share named rightly of each class, averaged over the classes that occur: a class of many
/// recordings counts no more than one of few.
pub fn balanced_accuracy(confusion: &[[f64; CLASSES]; CLASSES]) -> f64 {
    let rows = confusion.iter().enumerate();
    let shares = rows.filter_map(|(i, row)| {
        let all: f64 = row.iter().sum();
        (all > 0.0).then(|| row[i] / all)
    });
    crate::evaluate::mean(shares).unwrap_or(0.0)
}

/// A recording as the network reads it, `[1, frames, MEL]`: the bands above those that every corpus
/// has are blank, since they would tell the corpus and with it the feeling.
fn input(mel: &[[f16; BANDS]]) -> Tensor {
    let known = CONTENT_MEL as usize;
    let value =
        |(band, v): (usize, &f16)| normalise_value(if band < known { v.to_f32() } else { FLOOR });
    let frames = mel
        .iter()
        .flat_map(|frame| frame.iter().enumerate().map(value));
    let values: Vec<f32> = frames.collect();
    Tensor::from_slice(&values).reshape([1, mel.len() as i64, MEL])
}

/// What a run needs besides its network.
pub struct ClassifierRun<'a> {
    /// The recipe.
    pub config: &'a TrainConfig,
    /// Acted speech of the training's actors; `Item::speaker` is the actor's row.
    pub acted: Arc<Pool>,
    /// Acted speech of actors that the training does not see.
    pub unseen: Arc<Pool>,
    /// The run's folder.
    pub folder: PathBuf,
    /// When to stop.
    pub deadline: Option<Instant>,
    /// Where to compute.
    pub device: Device,
}

impl ClassifierRun<'_> {
    /// Trains and, when all steps are done, measures on the unseen actors. Returns whether they are.
    pub fn train(&self) -> Result<bool> {
        let c = &self.config.classifier;
        let network = ClassifierNetwork::new(c.width, self.device);
        let all = || checkpoint::named(&network.store);
        let path = self.folder.join(FILE);
        let mut learner = Learner::new(path, all(), all(), (&c.optimizer, c.steps), c.ema);
        learner.resume()?;
        let width = || vec![("width".to_string(), Tensor::from(c.width))];
        let shape = Shape {
            batch: c.batch,
            frames: c.frames,
        };
        let draw = self.config.data.draw(900).after(learner.step());
        let strength = Strength {
            tract: c.tract,
            ..Strength::default()
        };
        let batches = frame_batches(self.acted.clone(), shape, strength, draw);
        let chance = self.config.data.draw(901);
        let mut session = Session::new(
            &self.folder,
            "classifier",
            &["entropy", "wrong"],
            (learner.step(), c.steps),
            self.deadline,
        )?;
        while !learner.done() && !session.over() {
            let batch = batches.recv()?.to_device(self.device);
            let logits = network
                .classifier
                .logits(&self.disturbed(&batch, &mut chance.rng(learner.step())));
            let loss = logits.cross_entropy_loss::<Tensor>(
                &batch.emotion,
                None,
                Reduction::Mean,
                -100,
                c.label_smoothing,
            );
            let wrong = logits.argmax(-1, false).ne_tensor(&batch.emotion);
            let values = [
                loss.double_value(&[]),
                wrong
                    .to_kind(Kind::Float)
                    .mean(Kind::Float)
                    .double_value(&[]),
            ];
            let (rate, norm) = learner.learn(&loss);
            session.record(learner.step(), rate, norm, &values)?;
            if session.due() {
                learner.save(width())?;
            }
        }
        learner.save(width())?;
        session.finish();
        if learner.done() {
            self.measure(c.width)?;
        }
        Ok(learner.done())
    }

    /// What the network hears: the disturbed bands, blank above them, with a stretch of time masked
    /// (SpecAugment, Park et al. 2019).
    fn disturbed(&self, batch: &FrameBatch, rng: &mut StdRng) -> Tensor {
        let size = batch.heard.size();
        let blank = f64::from(normalise_value(FLOOR));
        let above = Tensor::full(
            [size[0], size[1], MEL - CONTENT_MEL],
            blank,
            (Kind::Float, self.device),
        );
        let heard = Tensor::cat(&[&batch.heard, &above], -1);
        let longest = (size[1] / 4).max(2);
        for row in 0..size[0] {
            let length = rng.random_range(1..longest);
            let from = rng.random_range(0..=size[1] - length);
            let fill = heard.get(row).mean(Kind::Float);
            let _ = heard.get(row).narrow(0, from, length).fill_tensor_(&fill);
        }
        heard
    }

    /// Tells the accuracy on the unseen actors, and keeps it in the file beside the weights with what
    /// natural acting does to prosody.
    fn measure(&self, width: i64) -> Result<()> {
        let path = self.folder.join(FILE);
        let mut saved = checkpoint::read(&path)?;
        let network = ClassifierNetwork::new(width, Device::Cpu);
        checkpoint::load_into(&network.store, &saved, "ema");
        let heard = network.hear(&self.unseen);
        let confusion = confusion(heard.iter().copied());
        println!(
            "classifier on unseen actors: {:.1} % of {} recordings, balanced over the classes (chance {:.1} %)",
            100.0 * balanced_accuracy(&confusion),
            self.unseen.items.len(),
            100.0
                / confusion
                    .iter()
                    .filter(|row| row.iter().sum::<f64>() > 0.0)
                    .count()
                    .max(1) as f64
        );
        for (name, (i, row)) in class_names().iter().zip(confusion.iter().enumerate()) {
            let all: f64 = row.iter().sum();
            if all > 0.0 {
                println!("  {name:10} {:5.1} % of {all:.0}", 100.0 * row[i] / all);
            }
        }
        let acted: Vec<i64> = heard.iter().map(|h| h.acted as i64).collect();
        let shares: Vec<f64> = heard.iter().flat_map(|h| h.shares).collect();
        saved.insert(NATURAL_CLASSES.into(), Tensor::from_slice(&acted));
        saved.insert(
            NATURAL_SHARES.into(),
            Tensor::from_slice(&shares).reshape([-1, CLASSES as i64]),
        );
        saved.insert("prosody".into(), natural_prosody(&self.acted));
        let kept: Vec<(String, Tensor)> = saved.into_iter().collect();
        checkpoint::write(&path, &kept)
    }
}

/// What each feeling does to the prosody of natural acted speech, `[emotions, statistics, 2]`: mean
/// and standard deviation over actors of each actor's change from the own neutral delivery; NaN where
/// fewer than three actors show it.
fn natural_prosody(pool: &Pool) -> Tensor {
    let actors = pool.items.iter().map(|i| i.speaker + 1).max().unwrap_or(0);
    let mut changes: Vec<Vec<[f64; prosody::COUNT]>> = vec![Vec::new(); EMOTIONS.len()];
    for actor in 0..actors {
        let delivery = |emotion: i64| {
            let own = pool
                .items
                .iter()
                .filter(|i| i.speaker == actor && i.emotion == emotion);
            let all: Vec<_> = own
                .filter_map(|i| prosody::statistics(&pool.features[&i.key]))
                .collect();
            prosody::mean(&all)
        };
        let Some(neutral) = delivery(0) else { continue };
        for (emotion, changes) in changes.iter_mut().enumerate() {
            if let Some(acted) = delivery(emotion as i64 + 1) {
                changes.push(prosody::difference(&neutral, &acted));
            }
        }
    }
    let mut values = Vec::with_capacity(EMOTIONS.len() * prosody::COUNT * 2);
    for changes in &changes {
        for statistic in 0..prosody::COUNT {
            let column: Vec<f64> = changes.iter().map(|c| c[statistic]).collect();
            let (mean, spread) = prosody::moments(&column);
            let known = column.len() >= 3;
            values.extend(if known { [mean, spread] } else { [f64::NAN; 2] });
        }
    }
    let shape = [EMOTIONS.len() as i64, prosody::COUNT as i64, 2];
    Tensor::from_slice(&values).reshape(shape)
}

/// Reads a file of [`ClassifierRun::train`]: the network, what it hears of actors that it does not know, and everything that was kept with it.
///
/// # Errors
/// When the file cannot be read, is no classifier's, or its training is not finished.
pub fn load(path: &std::path::Path) -> Result<(ClassifierNetwork, Vec<Heard>, Tensors)> {
    let advice = || {
        format!("{path:?} is no finished classifier: make one with `mien train --stage classifier`")
    };
    let saved = checkpoint::read(path).with_context(advice)?;
    let width = saved.get("width").with_context(advice)?.int64_value(&[]);
    anyhow::ensure!((1..=1024).contains(&width), advice());
    let network = ClassifierNetwork::new(width, Device::Cpu);
    let misfits = checkpoint::load_into(&network.store, &saved, "ema");
    anyhow::ensure!(misfits == 0, advice());
    let natural = natural(&saved).with_context(advice)?;
    Ok((network, natural, saved))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accuracy_is_balanced_over_classes() {
        let mut confusion = [[0.0; CLASSES]; CLASSES];
        confusion[0][0] = 90.0;
        confusion[1][0] = 10.0;
        assert_eq!(balanced_accuracy(&confusion), 0.5);
        assert_eq!(balanced_accuracy(&[[0.0; CLASSES]; CLASSES]), 0.0);
    }

    #[test]
    fn what_cannot_be_the_answer_is_not_heard() {
        let mut shares = [0.0; CLASSES];
        (shares[1], shares[2], shares[7]) = (0.3, 0.1, 0.6);
        let heard = Heard { acted: 1, shares };
        assert_eq!(confusion([heard])[1][7], 1.0);
        let among = heard.among(&[0, 1, 2]);
        assert!((among.shares[1] - 0.75).abs() < 1e-9 && among.shares[7] == 0.0);
        assert_eq!(confusion([among])[1][1], 1.0);
        assert_eq!(heard.among(&[3, 4]).shares[4], 0.5);
    }

    #[test]
    fn what_unseen_actors_were_heard_as_is_kept() {
        let classes = Tensor::from_slice(&[2_i64, 0]);
        let shares = Tensor::from_slice(&[0.125_f64; 2 * CLASSES]).reshape([2, CLASSES as i64]);
        let mut saved = Tensors::new();
        assert!(natural(&saved).is_none());
        saved.insert(NATURAL_CLASSES.into(), classes);
        saved.insert(NATURAL_SHARES.into(), shares);
        let kept = natural(&saved).unwrap();
        assert_eq!(kept.iter().map(|h| h.acted).collect::<Vec<_>>(), [2, 0]);
        saved.insert(NATURAL_CLASSES.into(), Tensor::from_slice(&[99_i64, 0]));
        assert!(natural(&saved).is_none(), "there is no such class");
    }

    #[test]
    fn what_is_no_classifier_is_told() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x.safetensors");
        checkpoint::write(&path, &[("live/other".into(), Tensor::from(1.0))]).unwrap();
        let error = format!("{:#}", load(&path).map(drop).expect_err("it loaded"));
        assert!(error.contains("--stage classifier"), "{error}");
        let error = format!(
            "{:#}",
            load(&folder.path().join("none"))
                .map(drop)
                .expect_err("it loaded")
        );
        assert!(error.contains("--stage classifier"), "{error}");
    }
}
