//! Training of what a feeling does: to prosody, by statistics of acted speech relative to each
//! actor's neutral delivery; to the sound, by the emotion adapter beside the frozen generator.
//!
//! The adapter first learns to give acted speech back (an actor's embedding comes from the same
//! steps, and neutral speech passes without the adapter, so that only the feeling is left for
//! it). Then neutral speech of any speaker is converted to shipped voices with a random feeling,
//! and a classifier that hears natural acted speech beside it must recognise the feeling, while
//! the content encoder must still hear the words.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;

use anyhow::Result;
use mien_face::EMOTIONS;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use tch::nn::{Init, VarStore};
use tch::{Device, Kind, Tensor, no_grad};

use super::acoustic::AcousticNetworks;
use super::augment::Strength;
use super::batches::{FrameBatch, Pool, Shape, frame_batches};
use super::checkpoint;
use super::config::TrainConfig;
use super::features::loudness;
use super::losses::mel_losses;
use super::optimizer::{AdamW, WeightMean};
use super::session::Session;
use crate::networks::{EmotionAdapter, EmotionClassifier, MEL_SCALE};
use crate::streaming::EmotionProsody;

/// Name of the checkpoint in a run's folder.
pub const CHECKPOINT: &str = "emotion.safetensors";

/// The adapter with its training-only parts.
#[derive(Debug)]
pub struct EmotionNetworks {
    /// Holds every variable.
    pub store: VarStore,
    /// The adapter.
    pub adapter: EmotionAdapter,
    actors: Tensor,
    classifier: EmotionClassifier,
}

impl EmotionNetworks {
    /// Fresh networks for that many actors.
    pub fn new(config: &TrainConfig, actors: usize, device: Device) -> Self {
        let store = VarStore::new(device);
        let root = store.root();
        let table = Init::Randn {
            mean: 0.0,
            stdev: 0.1,
        };
        Self {
            adapter: EmotionAdapter::new(&(&root / "emotion"), &config.networks),
            actors: root.var("actors", &[actors as i64, config.networks.voice], table),
            classifier: EmotionClassifier::new(&(&root / "classifier"), 24),
            store,
        }
    }
}

/// What a run needs besides its networks.
pub struct EmotionRun<'a> {
    /// The recipe.
    pub config: &'a TrainConfig,
    /// Acted speech; `Item::speaker` is the actor's row.
    pub acted: Arc<Pool>,
    /// Neutral speech of any speaker.
    pub neutral: Arc<Pool>,
    /// Rows of the shipped voices in the speaker table.
    pub shipped: Vec<i64>,
    /// Mean log₂ pitch of each training speaker, as the networks read it.
    pub mean_pitch: Vec<f32>,
    /// What each emotion does to prosody.
    pub prosody: [EmotionProsody; EMOTIONS.len()],
    /// The run's folder.
    pub folder: PathBuf,
    /// When to stop.
    pub deadline: Option<Instant>,
    /// Where to compute.
    pub device: Device,
}

impl EmotionRun<'_> {
    /// Both stages. `base` holds the trained encoder, generator and voices, which stand still.
    /// Returns whether all steps are done.
    pub fn train(&self, networks: &EmotionNetworks, base: &AcousticNetworks) -> Result<bool> {
        let c = &self.config.emotion;
        let total = c.steps + c.adversarial_steps;
        // The actors start from the middle of the known voices.
        let middle = base.voices.detach().mean_dim([0].as_slice(), true, None);
        no_grad(|| {
            let mut actors = networks.actors.shallow_clone();
            let _ = actors.g_add_(&middle);
        });
        let learning = || checkpoint::named_below(&networks.store, &["emotion", "actors"]);
        let mut adam = AdamW::new(&c.optimizer, learning(), total);
        let judging = checkpoint::named_below(&networks.store, &["classifier"]);
        let mut classifier_adam = AdamW::new(&c.optimizer, judging, total);
        let mut mean = WeightMean::new(c.ema, learning());
        let path = self.folder.join(CHECKPOINT);
        let mut step = 0;
        if path.is_file() {
            let saved = checkpoint::read(&path)?;
            step = checkpoint::step(&saved);
            checkpoint::load_into(&networks.store, &saved, "live");
            adam.restore(&saved, step);
            classifier_adam.restore(&saved, step);
            mean.restore(&saved, step);
        }
        let shape = Shape {
            batch: c.batch,
            frames: c.frames,
        };
        let seed = self.config.data.seed.wrapping_add(500 + step);
        let acted = frame_batches(self.acted.clone(), shape, Strength::default(), seed);
        let half = Shape {
            batch: c.batch / 2,
            ..shape
        };
        let neutral = frame_batches(self.neutral.clone(), half, Strength::default(), seed + 1);
        let names = ["mel", "change", "classifier", "recognised", "content"];
        let mut session = Session::new(
            &self.folder,
            "emotion",
            &names,
            (step, total),
            self.deadline,
        )?;
        let mut rng = StdRng::seed_from_u64(seed);
        while step < total && !session.over() {
            let batch = acted.recv()?.to_device(self.device);
            let (mut loss, mut values) = self.give_back(networks, base, &batch);
            let told = networks.classifier.logits(&batch.mel);
            let judged = told.cross_entropy_for_logits(&batch.emotion);
            values.push(judged.double_value(&[]));
            classifier_adam.backward_step(&judged);
            if step >= c.steps {
                let batch = neutral.recv()?.to_device(self.device);
                let (more, recognised, content) = self.perform(networks, base, &batch, &mut rng);
                loss += more;
                values.extend([recognised, content]);
            } else {
                values.extend([0.0, 0.0]);
            }
            let rate = adam.learning_rate();
            let norm = adam.backward_step(&loss);
            mean.update();
            step += 1;
            session.record(step, rate, norm, &values)?;
            if session.due() || step == total || session.over() {
                let mut all = checkpoint::prefixed("live", checkpoint::named(&networks.store));
                all.extend(checkpoint::prefixed("ema", mean.named()));
                all.extend(adam.state());
                all.extend(classifier_adam.state());
                all.push(("step".into(), Tensor::from(step as i64)));
                checkpoint::write(&path, &all)?;
            }
        }
        session.finish();
        Ok(step >= total)
    }

    /// Acted speech is to be given back.
    fn give_back(
        &self,
        networks: &EmotionNetworks,
        base: &AcousticNetworks,
        batch: &FrameBatch,
    ) -> (Tensor, Vec<f64>) {
        let c = &self.config.emotion;
        let content = no_grad(|| base.content(&batch.clean));
        let actors = networks.actors.index_select(0, &batch.speaker);
        let (mel, hidden) = base.generator.generate(&content, &batch.prosody, &actors);
        let weights = one_hot(&batch.emotion);
        // The actor's embedding must not explain the feeling, so it learns from neutral speech.
        let feeling = batch.emotion.gt(0).to_kind(Kind::Float).reshape([-1, 1, 1]);
        let plain = &mel * (1.0 - &feeling) + mel.detach() * &feeling;
        let change =
            networks
                .adapter
                .change(&hidden.detach(), &mel.detach(), &batch.prosody, &weights)
                * &feeling;
        let (level, edges) = mel_losses(&(plain + &change), &batch.mel, &batch.mask);
        let values = vec![level.double_value(&[]), edges.double_value(&[])];
        let loss = level * 4.0 + edges * 2.0 + change.abs().mean(Kind::Float) * c.change_weight;
        (loss, values)
    }

    /// Neutral speech is to be heard with a feeling, in a shipped voice.
    fn perform(
        &self,
        networks: &EmotionNetworks,
        base: &AcousticNetworks,
        batch: &FrameBatch,
        rng: &mut StdRng,
    ) -> (Tensor, f64, f64) {
        let c = &self.config.emotion;
        let count = batch.speaker.size()[0];
        let draw: Vec<i64> = (0..count)
            .map(|_| rng.random_range(1..=EMOTIONS.len() as i64))
            .collect();
        let emotion = Tensor::from_slice(&draw).to_device(self.device);
        let voices: Vec<i64> = (0..count)
            .map(|_| self.shipped[rng.random_range(0..self.shipped.len())])
            .collect();
        let prosody = self.act(batch, &draw, &voices);
        let voices = base
            .voices
            .index_select(0, &Tensor::from_slice(&voices).to_device(self.device));
        let (mel, hidden, content) = no_grad(|| {
            let content = base.content(&batch.clean);
            let (mel, hidden) = base.generator.generate(&content, &prosody, &voices);
            (mel, hidden, content)
        });
        let change = networks
            .adapter
            .change(&hidden, &mel, &prosody, &one_hot(&emotion));
        let acted = mel + &change;
        let recognised = networks
            .classifier
            .logits(&acted)
            .cross_entropy_for_logits(&emotion);
        let heard = base.content(&acted);
        let frames = heard.size()[1];
        let consistency = (heard - content.narrow(1, 0, frames))
            .abs()
            .mean(Kind::Float);
        let values = (recognised.double_value(&[]), consistency.double_value(&[]));
        let loss = recognised * c.classifier_weight
            + consistency * c.consistency_weight
            + change.abs().mean(Kind::Float) * c.change_weight;
        (loss, values.0, values.1)
    }

    /// The prosody mapper's work on a batch, with the crop's own means.
    fn act(&self, batch: &FrameBatch, emotions: &[i64], voices: &[i64]) -> Tensor {
        let column = |value: &dyn Fn(&EmotionProsody) -> f32| {
            let values: Vec<f32> = emotions
                .iter()
                .map(|&e| value(&self.prosody[e as usize - 1]))
                .collect();
            Tensor::from_slice(&values)
                .reshape([-1, 1, 1])
                .to_device(self.device)
        };
        let voiced = batch.prosody.narrow(2, 0, 1);
        let pitch = batch.prosody.narrow(2, 1, 1);
        let loud = batch.prosody.narrow(2, 3, 1);
        let mean_of = |x: &Tensor| {
            let sum = (x * &voiced).sum_dim_intlist([1].as_slice(), true, None);
            sum / (voiced.sum_dim_intlist([1].as_slice(), true, None) + 1e-3)
        };
        let (pitch_mean, loud_mean) = (mean_of(&pitch), mean_of(&loud));
        let target: Vec<f32> = voices
            .iter()
            .map(|&v| self.mean_pitch[v as usize])
            .collect();
        let target = Tensor::from_slice(&target)
            .reshape([-1, 1, 1])
            .to_device(self.device);
        let spread = (pitch - &pitch_mean) * column(&|e| e.pitch_range.exp());
        let moved = (spread + target + column(&|e| e.pitch_shift)) * &voiced;
        let louder = &loud
            + column(&|e| e.loudness_shift * MEL_SCALE as f32)
            + (&loud - &loud_mean) * column(&|e| e.loudness_range.exp() - 1.0);
        Tensor::cat(
            &[&voiced, &moved, &batch.prosody.narrow(2, 2, 1), &louder],
            2,
        )
    }
}

/// Slider weights `[batch, emotions]` of emotion indices, where 0 is neutral.
fn one_hot(emotion: &Tensor) -> Tensor {
    let all = emotion
        .one_hot(EMOTIONS.len() as i64 + 1)
        .to_kind(Kind::Float);
    all.narrow(1, 1, EMOTIONS.len() as i64)
}

/// Measures what each emotion does to prosody: differences of each actor's emotional speech from
/// the same actor's neutral speech, averaged over actors. An emotion without enough speech keeps
/// its published default.
pub fn measure_prosody(pool: &Pool) -> [EmotionProsody; EMOTIONS.len()] {
    let actors = pool
        .items
        .iter()
        .map(|i| i.speaker)
        .max()
        .map_or(0, |m| m + 1);
    let classes = EMOTIONS.len() + 1;
    let mut statistics: Vec<Vec<Option<[f32; 4]>>> = vec![vec![None; classes]; actors as usize];
    for (actor, row) in statistics.iter_mut().enumerate() {
        for (emotion, place) in row.iter_mut().enumerate() {
            let of_both = |i: &&super::batches::Item| {
                i.speaker == actor as i64 && i.emotion == emotion as i64
            };
            let items: Vec<_> = pool.items.iter().filter(of_both).collect();
            *place = describe(pool, &items);
        }
    }
    std::array::from_fn(|emotion| {
        let differences: Vec<[f32; 4]> = statistics
            .iter()
            .filter_map(|actor| {
                let (neutral, acted) = (actor[0]?, actor[emotion + 1]?);
                Some([
                    acted[0] - neutral[0],
                    (acted[1] / neutral[1]).ln(),
                    acted[2] - neutral[2],
                    (acted[3] / neutral[3]).ln(),
                ])
            })
            .collect();
        let published = crate::streaming::PROSODY_DEFAULTS[emotion];
        if differences.len() < 3 {
            return published;
        }
        let median = |column: usize, limit: f32| {
            let mut values: Vec<f32> = differences.iter().map(|d| d[column]).collect();
            values.sort_by(f32::total_cmp);
            values[values.len() / 2].clamp(-limit, limit)
        };
        EmotionProsody {
            pitch_shift: median(0, 0.8),
            pitch_range: median(1, 0.7),
            loudness_shift: median(2, 2.5),
            loudness_range: median(3, 0.4),
            tremor: published.tremor,
        }
    })
}

/// Mean and spread of pitch (octaves) and of loudness (nepers) over the voiced frames.
fn describe(pool: &Pool, items: &[&super::batches::Item]) -> Option<[f32; 4]> {
    let (mut pitch, mut loud) = (Vec::new(), Vec::new());
    for item in items {
        let features = &pool.features[&item.key];
        for (frame, p) in features
            .mel
            .iter()
            .zip(&features.pitch)
            .filter(|(_, p)| p[0] > 0.0)
        {
            let bands: Vec<f32> = frame.iter().map(|v| v.to_f32()).collect();
            pitch.push(p[0].log2());
            loud.push(loudness(&bands));
        }
    }
    let moments = |values: &[f32]| {
        let mean = values.iter().sum::<f32>() / values.len() as f32;
        let variance = values.iter().map(|v| (v - mean).powi(2)).sum::<f32>() / values.len() as f32;
        (mean, variance.sqrt().max(1e-3))
    };
    if pitch.len() < 300 {
        return None;
    }
    let (p, l) = (moments(&pitch), moments(&loud));
    Some([p.0, p.1, l.0, l.1])
}

/// Share of natural recordings of a pool that the classifier names rightly.
pub fn classifier_accuracy(networks: &EmotionNetworks, pool: &Pool) -> f64 {
    let mut right = 0.0;
    let mut all = 0.0;
    no_grad(|| {
        for item in &pool.items {
            let features = &pool.features[&item.key];
            let values: Vec<f32> = features.mel.iter().flatten().map(|v| v.to_f32()).collect();
            let frames = features.mel.len() as i64;
            let mel = crate::networks::normalise_mel(
                &Tensor::from_slice(&values).reshape([1, frames, -1]),
            );
            let best = networks
                .classifier
                .logits(&mel)
                .argmax(1, false)
                .int64_value(&[0]);
            right += f64::from(u8::from(best == item.emotion));
            all += 1.0;
        }
    });
    right / f64::max(all, 1.0)
}
