//! Training of what a feeling does: to prosody, by statistics of acted speech relative to each
//! actor's neutral delivery; to the sound, by the emotion adapter beside the frozen generator.
//!
//! The adapter learns from parallel takes (`parallel.rs`): a neutral take is spoken by a voice of the
//! pack, once plainly and once with the feeling's prosody, and the adapter has to add to the second
//! what is missing until it differs from the first as the actor's acted take differs from the
//! neutral one. What is learned is a difference, so it fits any voice; in a part of the crops it is laid on
//! the actor's own mel instead of a generated one, as it is live when the speaker keeps the own voice.
//! On top, statistics of the whole crop have to move as far as in natural acting (`delivery.rs`), and
//! the content encoder must still hear the words.
//!
//! docs/emotion.md tells what was tried before: classifiers to please were pleased by what nobody hears.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;

use anyhow::{Context, Result, ensure};
use mien_face::EMOTIONS;
use rand::RngExt;
use rand::rngs::StdRng;
use tch::nn::VarStore;
use tch::{Device, Kind, Tensor, no_grad};

use super::acoustic::AcousticNetworks;
use super::batches::Shape;
use super::checkpoint;
use super::config::{EmotionConfig, TrainConfig};
use super::delivery::{Delivery, describe};
use super::features::{FeatureSet, Features};
use super::learner::Learner;
use super::losses::masked_mean;
use super::parallel::{Pair, PairBatch, SPEECH, Take, means, pair_batches, pairs};
use super::session::Session;
use crate::networks::{EmotionAdapter, MEL, MEL_SCALE, loudness, normalise_mel};
use crate::streaming::{EmotionProsody, Feelings, PROSODY_DEFAULTS};

/// Name of the checkpoint in a run's folder.
pub const CHECKPOINT: &str = "emotion.safetensors";

/// The adapter as it is trained.
#[derive(Debug)]
pub struct EmotionNetworks {
    /// Holds every variable.
    pub store: VarStore,
    /// The adapter.
    pub adapter: EmotionAdapter,
}

impl EmotionNetworks {
    /// A fresh adapter.
    pub fn new(config: &TrainConfig, device: Device) -> Self {
        let store = VarStore::new(device);
        Self {
            adapter: EmotionAdapter::new(&(store.root() / "emotion"), &config.networks),
            store,
        }
    }
}

/// What a run needs besides its networks.
pub struct EmotionRun<'a> {
    /// The recipe.
    pub config: &'a TrainConfig,
    /// Acted speech and the actors' neutral speech.
    pub takes: Vec<Take>,
    /// Features of all recordings.
    pub features: Arc<FeatureSet>,
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
    /// Trains the adapter. `base` holds the trained encoder, generator and voices, which stand still.
    /// Returns whether all steps are done.
    ///
    /// # Errors
    /// When the takes hold no parallel sentences, or a checkpoint cannot be written.
    pub fn train(&self, networks: &EmotionNetworks, base: &AcousticNetworks) -> Result<bool> {
        let c = &self.config.emotion;
        let pairs = pairs(&self.takes, &self.features, base);
        ensure!(
            !pairs.is_empty(),
            "no actor says the same sentence neutrally and with a feeling: the emotion adapter learns from such pairs"
        );
        tracing::info!("{} pairs of neutral and acted takes", pairs.len());
        let delivery = self.delivery(&pairs);
        let all = || checkpoint::named(&networks.store);
        let path = self.folder.join(CHECKPOINT);
        let mut learner = Learner::new(path, all(), all(), (&c.optimizer, c.steps), c.ema);
        learner.resume()?;
        let shape = Shape {
            batch: c.batch,
            frames: c.frames,
        };
        let draw = self.config.data.draw(500).after(learner.step());
        let batches = pair_batches(Arc::new(pairs), self.features.clone(), shape, draw);
        let mut session = Session::new(
            &self.folder,
            "emotion",
            &["mel", "delivery", "content", "change"],
            (learner.step(), c.steps),
            self.deadline,
        )?;
        let chance = self.config.data.draw(501);
        while !learner.done() && !session.over() {
            let batch = batches.recv()?.to_device(self.device);
            let step = learner.step();
            let mut rng = chance.rng(step);
            let (loss, values) =
                self.losses(networks, base, &batch, delivery.as_ref(), step, &mut rng);
            let (rate, norm) = learner.learn(&loss);
            session.record(learner.step(), rate, norm, &values)?;
            if session.due() {
                learner.save(Vec::new())?;
            }
        }
        learner.save(Vec::new())?;
        session.finish();
        Ok(learner.done())
    }

    /// What natural acting does to the delivery, by the stronger takes where they are marked.
    fn delivery(&self, pairs: &[Pair]) -> Option<Delivery> {
        let strongest = pairs.iter().map(|p| p.acted.weight()).fold(0.0, f64::max);
        let of = |take: &Take| {
            let features = &self.features[&take.key];
            let (mel, speech) = whole(features);
            describe(&mel, &speech).squeeze_dim(0)
        };
        let changes: Vec<(i64, Tensor)> = pairs
            .iter()
            // A narrow band ends within the coefficients' reach.
            .filter(|p| p.acted.wide && p.acted.weight() >= strongest)
            .map(|p| {
                let change = of(&p.acted) - of(&p.neutral);
                (p.acted.emotion, change.to_device(self.device))
            })
            .collect();
        Delivery::new(&changes)
    }

    fn losses(
        &self,
        networks: &EmotionNetworks,
        base: &AcousticNetworks,
        batch: &PairBatch,
        delivery: Option<&Delivery>,
        step: u64,
        rng: &mut StdRng,
    ) -> (Tensor, Vec<f64>) {
        let c = &self.config.emotion;
        let count = batch.emotion.size()[0];
        // Weaker points of the same way, so that the strength grows evenly.
        let strength: Vec<f32> = (0..count)
            .map(|_| match rng.random_bool(c.weaker_share) {
                true => rng.random_range(0.25..1.0),
                false => 1.0,
            })
            .collect();
        let strength = Tensor::from_slice(&strength)
            .reshape([-1, 1])
            .to_device(self.device);
        let (voices, target, own) = self.voices(base, batch, rng);
        let plain = self.sing(batch, &target, None);
        let acted = self.sing(batch, &target, Some(&strength));
        let weights = one_hot(&batch.emotion) * &strength;
        let all = strength.unsqueeze(-1);
        let louder = self.effect(&batch.emotion, 2).unsqueeze(-1) * MEL_SCALE;
        let (content, before, mel, hidden, wanted) = no_grad(|| {
            let content = base.content(&batch.heard);
            let (plainly, _) = base.generator.generate(&content, &plain, &voices);
            let (mel, hidden) = base.generator.generate(&content, &acted, &voices);
            let kept = (&batch.mel - &plainly) * &own;
            let (before, mel) = (plainly + &kept, mel + &kept);
            let wanted = &before - &mel + (&batch.change * c.exaggeration + louder) * &all;
            (content, before, mel, hidden, wanted)
        });
        let change = networks.adapter.change(&hidden, &mel, &acted, &weights);
        let level = masked_mean(&(&change - wanted).abs(), &batch.weight);
        let made = &mel + &change;
        let heard = base.content(&made);
        let frames = heard.size()[1];
        let words = (heard - content.narrow(1, 0, frames))
            .abs()
            .mean(Kind::Float);
        let mut values = vec![level.double_value(&[]), 0.0, words.double_value(&[])];
        values.push(change.abs().mean(Kind::Float).double_value(&[]));
        let mut loss = level + words * c.consistency_weight;
        // The means come first: statistics of a change that is still nothing pull anywhere.
        if let Some(delivery) = delivery.filter(|_| step >= c.steps / 8) {
            let moved = describe(&made, &batch.speech) - describe(&before, &batch.speech);
            let scale = &strength * c.exaggeration;
            let far = delivery.distance(&moved, &batch.emotion, &scale);
            values[1] = far.double_value(&[]);
            loss += far * c.delivery_weight;
        }
        (loss, values)
    }

    /// Voices of the pack, as it is shipped, points between two of them, and the speakers' own:
    /// embeddings `[count, voice]`, mean pitches and whether it is the own voice, `[count, 1, 1]` each.
    fn voices(
        &self,
        base: &AcousticNetworks,
        batch: &PairBatch,
        rng: &mut StdRng,
    ) -> (Tensor, Tensor, Tensor) {
        let count = batch.emotion.size()[0];
        let mut draw = || -> Vec<i64> {
            let one = |_| self.shipped[rng.random_range(0..self.shipped.len())];
            (0..count).map(one).collect()
        };
        let (first, second) = (draw(), draw());
        let share: Vec<f32> = (0..count)
            .map(|_| match rng.random_bool(0.3) {
                true => rng.random_range(0.0..1.0),
                false => 0.0,
            })
            .collect();
        let mixed: Vec<f32> = first
            .iter()
            .zip(&second)
            .zip(&share)
            .map(|((&a, &b), s)| {
                let of = |row: i64| self.mean_pitch[row as usize];
                of(a) + s * (of(b) - of(a))
            })
            .collect();
        let rows = |rows: &[i64]| {
            let index = Tensor::from_slice(rows).to_device(self.device);
            base.voices.index_select(0, &index)
        };
        let share = Tensor::from_slice(&share)
            .reshape([-1, 1])
            .to_device(self.device);
        let (a, b) = (rows(&first), rows(&second));
        let middle = base.voices.mean_dim([0].as_slice(), true, None);
        let between = &a + (b - &a) * share;
        let voices = &middle + (between - &middle) * self.config.pack.emphasis;
        let column = |values: &[f32]| {
            Tensor::from_slice(values)
                .reshape([-1, 1, 1])
                .to_device(self.device)
        };
        let shares = (0..count).map(|_| rng.random_bool(self.config.emotion.own_share));
        let own: Vec<f32> = shares.map(|own| if own { 1.0 } else { 0.0 }).collect();
        let own = column(&own);
        // As in a loaded pack, the own voice stands in the middle of the shipped ones.
        let all = base.voices.mean_dim([0].as_slice(), true, None);
        let shipped = rows(&self.shipped).mean_dim([0].as_slice(), true, None);
        let stand_in = &all + (shipped - &all) * self.config.pack.emphasis;
        let is_own = own.squeeze_dim(2);
        let others: Tensor = 1.0 - &is_own;
        let voices: Tensor = voices * others + stand_in * is_own;
        let target = column(&mixed) * (1.0 - &own) + &batch.means.0 * &own;
        (voices.detach(), target, own)
    }

    /// One value of each emotion's prosody, `[batch, 1]`: pitch shift, pitch range, loudness shift,
    /// loudness range.
    fn effect(&self, emotion: &Tensor, value: usize) -> Tensor {
        let table: Vec<f32> = self
            .prosody
            .iter()
            .map(|e| {
                [
                    e.pitch_shift,
                    e.pitch_range,
                    e.loudness_shift,
                    e.loudness_range,
                ][value]
            })
            .collect();
        let table = Tensor::from_slice(&table).to_device(self.device);
        table.index_select(0, &(emotion - 1)).unsqueeze(-1)
    }

    /// [`sing`] on a batch, to voices of mean pitch `target`.
    fn sing(&self, batch: &PairBatch, target: &Tensor, strength: Option<&Tensor>) -> Tensor {
        let effects = strength.map(|strength| {
            [0, 1, 2, 3].map(|value| (self.effect(&batch.emotion, value) * strength).unsqueeze(-1))
        });
        sing(&batch.prosody, &batch.means, target, effects.as_ref())
    }
}

/// The live prosody mapper's work on whole crops, around the recordings' own means; a test holds both equal.
///
/// `prosody`: `[batch, frames, PROSODY]`; `means`: of pitch and loudness as in it, `target`: mean pitch of the
/// voice, `effects`: pitch shift, pitch range, loudness shift and loudness range of the feeling, `[batch, 1, 1]`
/// each. Without effects only the pitch moves to the voice's mean.
fn sing(
    prosody: &Tensor,
    means: &(Tensor, Tensor),
    target: &Tensor,
    effects: Option<&[Tensor; 4]>,
) -> Tensor {
    let part = |i: i64| prosody.narrow(2, i, 1);
    let (voiced, pitch, loud) = (part(0), part(1), part(3));
    let spread = pitch - &means.0;
    let Some([pitch_shift, pitch_range, loudness_shift, loudness_range]) = effects else {
        let moved = (spread + target) * &voiced;
        return Tensor::cat(&[voiced, moved, part(2), loud], 2);
    };
    // The live mapper sings nothing above 1 kHz.
    let highest = (1000.0_f64 / 180.0).log2();
    let moved = (spread * pitch_range.exp() + target + pitch_shift).clamp_max(highest) * &voiced;
    // As in the live mapper, silence stays silence.
    let scale = MEL_SCALE;
    let away = &loud - &means.1;
    let presence = ((&away / scale + 7.0) / 3.0).clamp(0.0, 1.0);
    let change = loudness_shift * scale
        + away.clamp(-5.0 * scale, 3.0 * scale) * (loudness_range.exp() - 1.0);
    let louder = loud + presence * change;
    Tensor::cat(&[voiced, moved, part(2), louder], 2)
}

/// A recording's normalised mel `[1, frames, MEL]` and where somebody speaks, `[1, frames, 1]`.
fn whole(features: &Features) -> (Tensor, Tensor) {
    let frames = features.mel.len() as i64;
    let values: Vec<f32> = features.mel.iter().flatten().map(|v| v.to_f32()).collect();
    let (_, mean) = means(features);
    let speech: Vec<f32> = features
        .mel
        .iter()
        .map(|frame| {
            let loud = loudness(&frame.map(|v| v.to_f32()));
            if loud > mean - SPEECH { 1.0 } else { 0.0 }
        })
        .collect();
    (
        normalise_mel(&Tensor::from_slice(&values).reshape([1, frames, MEL])),
        Tensor::from_slice(&speech).reshape([1, frames, 1]),
    )
}

/// Slider weights `[batch, emotions]` of emotion indices, where 0 is neutral.
pub(super) fn one_hot(emotion: &Tensor) -> Tensor {
    let all = emotion
        .one_hot(EMOTIONS.len() as i64 + 1)
        .to_kind(Kind::Float);
    all.narrow(1, 1, EMOTIONS.len() as i64)
}

/// Farthest that a feeling moves pitch (octaves), loudness (nepers; strong anger is 23 dB louder than
/// calm speech, which no mix would bear), and the logs of their ranges.
const FARTHEST: [f32; 4] = [0.9, 1.4, 0.5, 0.4];

/// Measures what each emotion does to prosody: differences of each actor's emotional speech from
/// the same actor's neutral speech, the median over actors. Full strength is a performer's, so where
/// takes are marked strong, an actor's strong ones count twice and unmarked actors not at all. An
/// emotion without enough speech keeps its published default.
pub fn measure_prosody(takes: &[Take], features: &FeatureSet) -> [EmotionProsody; EMOTIONS.len()] {
    let actors = takes.iter().map(|t| t.actor).max().map_or(0, |m| m + 1);
    let of = |actor: i64, emotion: i64, strong: bool| -> Option<[f32; 5]> {
        let own: Vec<&Features> = takes
            .iter()
            .filter(|t| t.actor == actor && t.emotion == emotion)
            .filter(|t| !strong || t.intensity == "strong")
            .filter_map(|t| features.get(&t.key))
            .collect();
        moments_of(&own)
    };
    std::array::from_fn(|emotion| {
        let class = emotion as i64 + 1;
        let published = PROSODY_DEFAULTS[emotion];
        let changes = |strong: bool| -> Vec<[f32; 5]> {
            let one = |actor| {
                let (neutral, acted) = (of(actor, 0, false)?, of(actor, class, strong)?);
                Some([
                    acted[0] - neutral[0],
                    (acted[1] / neutral[1]).ln(),
                    acted[2] - neutral[2],
                    (acted[3] / neutral[3]).ln(),
                    (acted[4].powi(2) - neutral[4].powi(2)).max(0.0).sqrt(),
                ])
            };
            (0..actors).filter_map(one).collect()
        };
        let (all, strong) = (changes(false), changes(true));
        if all.len() < 3 {
            return published;
        }
        let median = |changes: &[[f32; 5]], column: usize| {
            let mut values: Vec<f32> = changes.iter().map(|d| d[column]).collect();
            values.sort_by(f32::total_cmp);
            values[values.len() / 2]
        };
        let value = |column: usize, limit: f32| {
            let wide = median(&all, column);
            let value = match strong.len() {
                0..3 => wide,
                _ => (2.0 * median(&strong, column) + wide) / 3.0,
            };
            value.clamp(-limit, limit)
        };
        let [pitch, loud, pitch_range, loudness_range] = FARTHEST;
        EmotionProsody {
            pitch_shift: value(0, pitch),
            pitch_range: value(1, pitch_range),
            loudness_shift: value(2, loud),
            loudness_range: value(3, loudness_range),
            tremor: published.tremor,
            jitter: value(4, 0.02),
            // As it was fitted.
            acting: 1.0,
            acting_slope: 1.0,
            ..EmotionProsody::default()
        }
    })
}

/// What each emotion does to prosody: as measured on actors, but for those that the recipe sets.
///
/// # Errors
/// When the recipe names an emotion that there is not.
pub fn prosody_of(
    config: &EmotionConfig,
    takes: &[Take],
    features: &FeatureSet,
) -> Result<[EmotionProsody; EMOTIONS.len()]> {
    let mut all = measure_prosody(takes, features);
    set(&mut all, &config.prosody, "prosody")?;
    Ok(all)
}

/// As [`prosody_of`], for the pack: with what was found after the adapter had learned.
///
/// # Errors
/// When the recipe names an emotion that there is not.
pub fn performed_of(
    config: &EmotionConfig,
    takes: &[Take],
    features: &FeatureSet,
) -> Result<Feelings> {
    let mut all = prosody_of(config, takes, features)?;
    set(&mut all, &config.performed, "performed")?;
    let mut feelings = Feelings::from(all);
    set(&mut feelings.low, &config.performed_low, "performed_low")?;
    set(&mut feelings.own, &config.performed_own, "performed_own")?;
    Ok(feelings)
}

fn set(
    all: &mut [EmotionProsody; EMOTIONS.len()],
    table: &BTreeMap<String, EmotionProsody>,
    key: &str,
) -> Result<()> {
    for (name, set) in table {
        all[index_of(name, key)?] = *set;
    }
    Ok(())
}

/// Index of the emotion that `[emotion.KEY.NAME]` of a recipe names.
pub(super) fn index_of(name: &str, key: &str) -> Result<usize> {
    let index = EMOTIONS.iter().position(|e| *e == name);
    index.with_context(|| {
        format!(
            "[emotion.{key}.{name}]: the emotions are {}",
            EMOTIONS.join(", ")
        )
    })
}

/// Mean and spread of pitch (octaves) and of loudness (nepers) over the voiced frames, and the pitch's
/// random change from frame to frame (octaves).
fn moments_of(recordings: &[&Features]) -> Option<[f32; 5]> {
    let (mut pitch, mut loud) = (Vec::new(), Vec::new());
    let (mut bends, mut bent) = (0.0_f32, 0.0_f32);
    for features in recordings {
        for three in features
            .pitch
            .windows(3)
            .filter(|w| w.iter().all(|p| p[0] > 0.0))
        {
            let [a, b, c] = [0, 1, 2].map(|i: usize| three[i][0].log2());
            let bend = a - 2.0 * b + c;
            // What is larger is a slip of the tracker, or a new phrase.
            if bend.abs() < 0.2 {
                bends += 1.0;
                bent += bend * bend;
            }
        }
        for (frame, p) in features
            .mel
            .iter()
            .zip(&features.pitch)
            .filter(|(_, p)| p[0] > 0.0)
        {
            pitch.push(p[0].log2());
            loud.push(loudness(&frame.map(|v| v.to_f32())));
        }
    }
    let moments = |values: &[f32]| {
        let mean = values.iter().sum::<f32>() / values.len() as f32;
        let variance = values.iter().map(|v| (v - mean).powi(2)).sum::<f32>() / values.len() as f32;
        (mean, variance.sqrt().max(1e-3))
    };
    if pitch.len() < 150 {
        return None;
    }
    let (p, l) = (moments(&pitch), moments(&loud));
    // The second difference of white noise has six times its variance.
    let jitter = (bent / (6.0 * bends.max(1.0))).sqrt();
    Some([p.0, p.1, l.0, l.1, jitter])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::networks::{PROSODY, prosody_features};
    use crate::streaming::{PitchTarget, ProsodyMapper};
    use mien_face::Controls;

    #[test]
    fn training_sings_as_the_live_mapper_does() {
        let feeling = EmotionProsody {
            pitch_shift: 0.3,
            pitch_range: 0.4,
            loudness_shift: -0.8,
            loudness_range: 0.2,
            ..EmotionProsody::default()
        };
        let mut emotions = [0.0; EMOTIONS.len()];
        emotions[0] = 1.0;
        let mut mapper = ProsodyMapper::new([feeling; EMOTIONS.len()]);
        let target = PitchTarget::of_voice(210.0);
        // The mapper learns its means from what it hears; these swing evenly around theirs.
        let frame = |t: usize| {
            let swing = if t.is_multiple_of(2) { 0.3 } else { -0.3 };
            // Every seventh pair is without a voice and faint, and no part of the means.
            let voiced = !(t / 2).is_multiple_of(7);
            let hz = if voiced {
                150.0 * 2.0_f32.powf(swing)
            } else {
                0.0
            };
            (hz, if voiced { -5.0 + 2.0 * swing } else { -11.0 })
        };
        let (mut plain, mut live) = (Vec::new(), Vec::new());
        for t in 0..2400 {
            let (hz, loud) = frame(t);
            let sung = mapper.map(hz, loud, target, &emotions, &Controls::default());
            if t >= 2300 {
                plain.extend(prosody_features(hz, 1.0, loud));
                live.extend(prosody_features(sung.f0_hz, 1.0, sung.loudness));
            }
        }
        let tensor = |values: &[f32]| Tensor::from_slice(values).reshape([1, -1, PROSODY]);
        let one = |value: f32| Tensor::from_slice(&[value]).reshape([1, 1, 1]);
        let [_, mean, _, loud] = prosody_features(150.0, 1.0, -5.0);
        let [_, goal, _, _] = prosody_features(target.mean_hz, 1.0, 0.0);
        let effects = [
            feeling.pitch_shift,
            feeling.pitch_range,
            feeling.loudness_shift,
            feeling.loudness_range,
        ];
        let sung = sing(
            &tensor(&plain),
            &(one(mean), one(loud)),
            &one(goal),
            Some(&effects.map(one)),
        );
        let apart = (sung - tensor(&live)).abs().max().double_value(&[]);
        assert!(apart < 0.02, "{apart}");
    }
}
