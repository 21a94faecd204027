//! Training of what a feeling does: to prosody, by statistics of acted speech relative to each
//! actor's neutral delivery; to the sound, by the emotion adapter beside the frozen generator.
//!
//! The adapter first learns to give acted speech back (an actor's embedding comes from the same
//! steps, and neutral speech passes without the adapter, so that only the feeling is left for
//! it). Then neutral speech is performed with a random feeling: by actors in their own voices, and
//! by any speaker in shipped voices. Classifiers that hear natural acted speech must recognise the
//! feeling, while the content encoder must still hear the words.
//!
//! A classifier that knows natural speech only is fooled by changes that nobody hears. So there are
//! two of different size, they hear sound disturbed at random, and they also learn to hear actors'
//! performances as the neutral speech they were made from (the source classifier of StarGANv2-VC,
//! Li et al. 2021); a projection discriminator compares performances with natural acted speech of the
//! same actors. What a feeling does to pitch and loudness starts as measured and learns beside the
//! adapter, since the generator is differentiable in what it is to sing.

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
use super::adversarial::{discriminator_loss, generator_loss};
use super::augment::Strength;
use super::batches::{FrameBatch, Pool, Shape, frame_batches};
use super::checkpoint;
use super::config::TrainConfig;
use super::features::loudness;
use super::losses::mel_losses;
use super::optimizer::{AdamW, WeightMean};
use super::session::Session;
use crate::networks::{EmotionAdapter, MEL_SCALE, MelClassifier, MelDiscriminator, WeightNorm};
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
    /// Pitch shift and range, loudness shift and range of each emotion, as [`EmotionProsody`] tells.
    pub prosody: Tensor,
    actors: Tensor,
    classifiers: Vec<MelClassifier>,
    adversary: MelDiscriminator,
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
        let emotions = EMOTIONS.len() as i64;
        let classifier =
            |(name, width)| MelClassifier::new(&(&root / "judges" / name), width, emotions + 1);
        Self {
            adapter: EmotionAdapter::new(&(&root / "emotion"), &config.networks),
            prosody: root.zeros("prosody", &[emotions, MAPPED]),
            actors: root.var("actors", &[actors as i64, config.networks.voice], table),
            classifiers: [("classifier0", 24), ("classifier1", 16)]
                .map(classifier)
                .into(),
            adversary: MelDiscriminator::new(
                &(&root / "judges" / "adversary"),
                actors as i64,
                emotions + 1,
                16,
                WeightNorm::None,
            ),
            store,
        }
    }

    /// Cross-entropy of all classifiers on sound disturbed at random. `smoothing` as in Szegedy et
    /// al. (2016).
    fn named(&self, mel: &Tensor, emotion: &Tensor, smoothing: f64) -> Tensor {
        let loss = |c: &MelClassifier| {
            let logits = c.logits(&disturbed(mel));
            let none = None::<&Tensor>;
            logits.cross_entropy_loss(emotion, none, tch::Reduction::Mean, -100, smoothing)
        };
        let total = self.classifiers.iter().map(loss);
        total.reduce(|a, b| a + b).expect("classifiers") / self.classifiers.len() as f64
    }
}

/// Values of an emotion's prosody that the classifiers may move.
const MAPPED: i64 = 4;
/// How far each may go from neutral: octaves, log factor, nepers, log factor.
const FARTHEST: [f64; MAPPED as usize] = [0.6, 0.8, 3.0, 0.5];

/// The learned prosody of a checkpoint's tensor, with the rest as measured.
pub fn learned_prosody(
    table: &Tensor,
    measured: &[EmotionProsody; EMOTIONS.len()],
) -> [EmotionProsody; EMOTIONS.len()] {
    std::array::from_fn(|i| {
        let value = |column: usize| {
            let limit = FARTHEST[column];
            let value = table.double_value(&[i as i64, column as i64]);
            value.clamp(-limit, limit) as f32
        };
        EmotionProsody {
            pitch_shift: value(0),
            pitch_range: value(1),
            loudness_shift: value(2),
            loudness_range: value(3),
            ..measured[i]
        }
    })
}

/// Level, tilt, noise and bands change at random, so that no classifier can hold on to what no
/// listener hears.
fn disturbed(mel: &Tensor) -> Tensor {
    let size = mel.size();
    let like = (Kind::Float, mel.device());
    // A feeling is heard in level too, within a recording's own gain.
    let gain = Tensor::randn([size[0], 1, 1], like) * 0.15;
    let axis = Tensor::linspace(-0.5, 0.5, size[2], like).reshape([1, 1, -1]);
    let tilt = Tensor::randn([size[0], 1, 1], like) * 0.25;
    let kept = Tensor::rand([size[0], 1, size[2]], like)
        .gt(0.06)
        .to_kind(Kind::Float);
    (mel + gain + axis * tilt + mel.randn_like() * 0.1) * kept
}

/// What a run needs besides its networks.
pub struct EmotionRun<'a> {
    /// The recipe.
    pub config: &'a TrainConfig,
    /// Acted speech; `Item::speaker` is the actor's row.
    pub acted: Arc<Pool>,
    /// Neutral speech of any speaker.
    pub neutral: Arc<Pool>,
    /// The actors' neutral speech.
    pub calm: Arc<Pool>,
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
        let measured: Vec<f32> = self
            .prosody
            .iter()
            .flat_map(|e| {
                [
                    e.pitch_shift,
                    e.pitch_range,
                    e.loudness_shift,
                    e.loudness_range,
                ]
            })
            .collect();
        let measured = Tensor::from_slice(&measured)
            .reshape([-1, MAPPED])
            .to_device(self.device);
        no_grad(|| networks.prosody.shallow_clone().copy_(&measured));
        let learning =
            || checkpoint::named_below(&networks.store, &["emotion", "actors", "prosody"]);
        let mut adam = AdamW::new(&c.optimizer, learning(), total);
        let judging = checkpoint::named_below(&networks.store, &["judges"]);
        let mut judges_adam = AdamW::new(&c.judges_optimizer, judging, total);
        let mut mean = WeightMean::new(c.ema, learning());
        let path = self.folder.join(CHECKPOINT);
        let mut step = 0;
        if path.is_file() {
            let saved = checkpoint::read(&path)?;
            step = checkpoint::step(&saved);
            checkpoint::load_into(&networks.store, &saved, "live");
            adam.restore(&saved, step);
            judges_adam.restore(&saved, step);
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
        let calm = frame_batches(self.calm.clone(), half, Strength::default(), seed + 2);
        let names = [
            "mel",
            "change",
            "classifiers",
            "recognised_own",
            "recognised_shipped",
            "content",
            "adversary",
        ];
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
            let mut judged = networks.named(&batch.mel, &batch.emotion, 0.1);
            values.push(judged.double_value(&[]));
            if step >= c.steps {
                let anyone = neutral.recv()?.to_device(self.device);
                let actors = calm.recv()?.to_device(self.device);
                let draw = |rng: &mut StdRng, count: i64| -> Vec<i64> {
                    let one = |_| rng.random_range(1..=EMOTIONS.len() as i64);
                    (0..count).map(one).collect()
                };
                let feelings = draw(&mut rng, actors.speaker.size()[0]);
                let voices = networks.actors.index_select(0, &actors.speaker);
                let own = self.perform(networks, base, &actors, &feelings, &voices, None);
                let feelings = draw(&mut rng, anyone.speaker.size()[0]);
                let rows: Vec<i64> = feelings
                    .iter()
                    .map(|_| self.shipped[rng.random_range(0..self.shipped.len())])
                    .collect();
                let index = Tensor::from_slice(&rows).to_device(self.device);
                let voices = base.voices.index_select(0, &index);
                let shipped =
                    self.perform(networks, base, &anyone, &feelings, &voices, Some(&rows));
                let passes = networks
                    .adversary
                    .judge(&own.mel, &actors.speaker, &own.emotion);
                let fooled = generator_loss(c.adversarial_loss, &passes.scores);
                let far = (&networks.prosody - &measured).square().mean(Kind::Float);
                loss = loss
                    + (&own.recognised + &shipped.recognised) * (c.classifier_weight * 0.5)
                    + (&own.content + &shipped.content) * (c.consistency_weight * 0.5)
                    + (&own.size + &shipped.size) * (c.change_weight * 0.5)
                    + fooled * c.adversarial_weight
                    + far * c.prosody_weight;
                // The judges' turn: performances are neutral speech, whatever they pretend.
                let truth = networks
                    .adversary
                    .judge(&batch.mel, &batch.speaker, &batch.emotion);
                let fake = own.mel.detach();
                let lie = networks
                    .adversary
                    .judge(&fake, &actors.speaker, &own.emotion);
                let adversary = discriminator_loss(c.adversarial_loss, &truth.scores, &lie.scores);
                values.extend(
                    [
                        &own.recognised,
                        &shipped.recognised,
                        &own.content,
                        &adversary,
                    ]
                    .map(|t| t.double_value(&[])),
                );
                let neutral = own.emotion.zeros_like();
                judged =
                    judged + networks.named(&fake, &neutral, 0.1) * c.source_weight + adversary;
            } else {
                values.extend([0.0; 4]);
            }
            let rate = adam.learning_rate();
            let norm = adam.backward_step(&loss);
            judges_adam.backward_step(&judged);
            mean.update();
            step += 1;
            session.record(step, rate, norm, &values)?;
            if session.due() || step == total || session.over() {
                let mut all = checkpoint::prefixed("live", checkpoint::named(&networks.store));
                all.extend(checkpoint::prefixed("ema", mean.named()));
                all.extend(adam.state());
                all.extend(judges_adam.state());
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

    /// Neutral speech with a feeling each, in the given voices (`[batch, voice]`). Pitch moves to the
    /// means of `rows` of the speaker table, or stays around the crop's own.
    fn perform(
        &self,
        networks: &EmotionNetworks,
        base: &AcousticNetworks,
        batch: &FrameBatch,
        feelings: &[i64],
        voices: &Tensor,
        rows: Option<&[i64]>,
    ) -> Performance {
        let emotion = Tensor::from_slice(feelings).to_device(self.device);
        let prosody = self.act(networks, batch, &emotion, rows);
        let content = no_grad(|| base.content(&batch.clean));
        let voices = voices.detach();
        let (mel, hidden) = base.generator.generate(&content, &prosody, &voices);
        let change = networks
            .adapter
            .change(&hidden, &mel, &prosody, &one_hot(&emotion));
        let mel = mel + &change;
        let heard = base.content(&mel);
        let frames = heard.size()[1];
        Performance {
            recognised: networks.named(&mel, &emotion, 0.0),
            content: (heard - content.narrow(1, 0, frames))
                .abs()
                .mean(Kind::Float),
            size: change.abs().mean(Kind::Float),
            mel,
            emotion,
        }
    }

    /// The prosody mapper's work on a batch, with the crop's own means.
    fn act(
        &self,
        networks: &EmotionNetworks,
        batch: &FrameBatch,
        emotion: &Tensor,
        rows: Option<&[i64]>,
    ) -> Tensor {
        let limit = Tensor::from_slice(&FARTHEST)
            .to_kind(Kind::Float)
            .to_device(self.device);
        let table = networks
            .prosody
            .clamp_tensor(Some(&limit.neg()), Some(&limit));
        let effect = table.index_select(0, &(emotion - 1));
        let column = |i: i64| effect.narrow(1, i, 1).unsqueeze(-1);
        let voiced = batch.prosody.narrow(2, 0, 1);
        let pitch = batch.prosody.narrow(2, 1, 1);
        let loud = batch.prosody.narrow(2, 3, 1);
        let mean_of = |x: &Tensor| {
            let sum = (x * &voiced).sum_dim_intlist([1].as_slice(), true, None);
            sum / (voiced.sum_dim_intlist([1].as_slice(), true, None) + 1e-3)
        };
        let (pitch_mean, loud_mean) = (mean_of(&pitch), mean_of(&loud));
        let target = match rows {
            Some(rows) => {
                let means: Vec<f32> = rows.iter().map(|&v| self.mean_pitch[v as usize]).collect();
                Tensor::from_slice(&means)
                    .reshape([-1, 1, 1])
                    .to_device(self.device)
            }
            None => pitch_mean.shallow_clone(),
        };
        let spread = (pitch - &pitch_mean) * column(1).exp();
        let moved = (spread + target + column(0)) * &voiced;
        // As in the live mapper, silence stays silence.
        let scale = MEL_SCALE;
        let away = &loud - &loud_mean;
        let presence = ((&away / scale + 7.0) / 3.0).clamp(0.0, 1.0);
        let change =
            column(2) * scale + away.clamp(-5.0 * scale, 3.0 * scale) * (column(3).exp() - 1.0);
        let louder = loud + presence * change;
        Tensor::cat(
            &[&voiced, &moved, &batch.prosody.narrow(2, 2, 1), &louder],
            2,
        )
    }
}

/// Neutral speech performed with a feeling.
struct Performance {
    mel: Tensor,
    emotion: Tensor,
    /// Cross-entropy of the classifiers.
    recognised: Tensor,
    /// Distance of the content that is heard in it.
    content: Tensor,
    /// Mean size of the adapter's change.
    size: Tensor,
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
    let mut statistics: Vec<Vec<Option<[f32; 5]>>> = vec![vec![None; classes]; actors as usize];
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
        let differences: Vec<[f32; 5]> = statistics
            .iter()
            .filter_map(|actor| {
                let (neutral, acted) = (actor[0]?, actor[emotion + 1]?);
                Some([
                    acted[0] - neutral[0],
                    (acted[1] / neutral[1]).ln(),
                    acted[2] - neutral[2],
                    (acted[3] / neutral[3]).ln(),
                    (acted[4].powi(2) - neutral[4].powi(2)).max(0.0).sqrt(),
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
            jitter: median(4, 0.02),
        }
    })
}

/// Mean and spread of pitch (octaves) and of loudness (nepers) over the voiced frames, and the pitch's
/// random change from frame to frame (octaves).
fn describe(pool: &Pool, items: &[&super::batches::Item]) -> Option<[f32; 5]> {
    let (mut pitch, mut loud) = (Vec::new(), Vec::new());
    let (mut bends, mut bent) = (0.0_f32, 0.0_f32);
    for item in items {
        let features = &pool.features[&item.key];
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
    // The second difference of white noise has six times its variance.
    let jitter = (bent / (6.0 * bends.max(1.0))).sqrt();
    Some([p.0, p.1, l.0, l.1, jitter])
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
            let best = networks.classifiers[0]
                .logits(&mel)
                .argmax(1, false)
                .int64_value(&[0]);
            right += f64::from(u8::from(best == item.emotion));
            all += 1.0;
        }
    });
    right / f64::max(all, 1.0)
}
