//! The adversarial game of feelings: emotion adapter and acting go on learning while they are performed, against adversaries that
//! know natural acting.
//!
//! There is no recording of a neutral take as the actor would have acted it, so nothing here is regression. What is real is an acted
//! take said by the same frozen generator in the same voice (or, in the speaker's own voice, as it is): it differs from a performed
//! neutral take by the acting alone, so that no adversary can go by traces of processing. What the generator leaves out of acting is laid
//! on it again. The adversaries see spectral envelopes
//! (low cosine coefficients) at one level, unequal in colour and with noise: what a feeling does to a voice, not what marks a recording.
//!
//! - A projection discriminator (Miyato and Koyama 2018) knows voice and feeling: multi-task, as in StarGANv2-VC (Li et al. 2021).
//! - A classifier names the feeling of real sound, and learns to call what is performed neutral, as it was said (its source classifier);
//!   the performer has to make it name the feeling. An ear that stood still would be pleased by what nobody hears (docs/emotion.md).
//! - Ranking: half the strength is to be named more than none, the whole more than half.
//! - Words (content consistency) and likeness to the voice (the pack's speaker encoder) may not be lost beyond what the start loses.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

use anyhow::{Context, Result, ensure};
use mien_face::EMOTIONS;
use tch::nn::VarStore;
use tch::{Device, Kind, Reduction, Tensor, no_grad};

use super::adversarial::{accuracy, discriminator_loss, generator_loss};
use super::batches::Shape;
use super::checkpoint;
use super::config::{EmotionGameConfig, TrainConfig};
use super::delivery::cosines;
use super::emotion::index_of;
use super::learner::{Learner, restore_beside, state_beside};
use super::losses::masked_mean;
use super::optimizer::AdamW;
use super::performer::GameNetworks;
use super::rehearsal::{RehearsalBatch, Rehearsals, STRENGTHS};
use super::session::Session;
use crate::networks::{EmotionClassifier, MelDiscriminator};
use crate::pack::{self, Card};

/// Name of the checkpoint in a run's folder.
pub const CHECKPOINT: &str = "emotion-game.safetensors";
/// Cosine coefficients that the adversaries see: formants and tilt, without the ripple of the harmonics.
const ENVELOPE: i64 = 30;
/// Coefficients that a random equaliser bends, without the level, and how far (about 2 dB).
const BENT: i64 = 6;
const BEND: f64 = 0.8;
/// Noise on what the adversaries see.
const NOISE: f64 = 0.05;

/// The adversaries.
struct Adversaries {
    store: VarStore,
    discriminator: MelDiscriminator,
    classifier: EmotionClassifier,
    adam: AdamW,
}

/// What the adversaries look at.
struct Seen {
    /// Performed at each of [`STRENGTHS`].
    performed: [Tensor; STRENGTHS.len()],
    real: Tensor,
}

/// What a run needs besides its networks.
pub struct EmotionGame<'a> {
    /// The recipe.
    pub config: &'a TrainConfig,
    /// Neutral and acted takes.
    pub rehearsals: Arc<Rehearsals>,
    /// The run's folder.
    pub folder: PathBuf,
    /// When to stop.
    pub deadline: Option<Instant>,
    /// Where to compute.
    pub device: Device,
}

impl EmotionGame<'_> {
    /// Plays. Goes on from the run folder's checkpoint. Returns whether all steps are done.
    ///
    /// # Errors
    /// When nobody acts, a checkpoint cannot be written, or losses stay infinite.
    pub fn train(&self, networks: &GameNetworks) -> Result<bool> {
        let c = &self.config.emotion.game;
        ensure!(
            !self.rehearsals.is_empty(),
            "no actor speaks both neutrally and with a feeling: the game of feelings needs both"
        );
        let learning = || networks.learning(c.acting);
        let path = self.folder.join(CHECKPOINT);
        let mut learner =
            Learner::new(path, learning(), learning(), (&c.optimizer, c.steps), c.ema);
        let mut adversaries = Adversaries::new(networks.voices.size()[0], c, self.device);
        if let Some(saved) = learner.resume()? {
            adversaries.restore(&saved, learner.step());
        }
        let shape = Shape {
            batch: c.batch,
            frames: c.frames,
        };
        let draw = self.config.data.draw(700).after(learner.step());
        let batches = self.rehearsals.clone().batches(shape, draw);
        let names = [
            "adversarial",
            "named",
            "ranking",
            "words_lost",
            "likeness_lost",
            "change",
            "discriminator",
            "classifier",
            "real_found",
            "taken_for_real",
            "real_named",
            "both_steps",
        ];
        let mut session = Session::new(
            &self.folder,
            "emotion-game",
            &names,
            (learner.step(), c.steps),
            self.deadline,
        )?;
        while !learner.done() && !session.over() {
            draw.seed_torch(learner.step());
            let batch = batches.recv()?.to_device(self.device);
            let (loss, mut values, seen) = self.perform(networks, &adversaries, &batch);
            let (rate, norm) = learner.learn(&loss);
            values.extend(adversaries.learn(&batch, &seen, c));
            session.record(learner.step(), rate, norm, &values)?;
            if session.due() {
                learner.save(adversaries.state())?;
            }
        }
        learner.save(adversaries.state())?;
        session.finish();
        Ok(learner.done())
    }

    /// The performer's loss, its parts, and what the adversaries shall look at.
    fn perform(
        &self,
        networks: &GameNetworks,
        adversaries: &Adversaries,
        batch: &RehearsalBatch,
    ) -> (Tensor, Vec<f64>, Seen) {
        let c = &self.config.emotion.game;
        let (spoken, real, plain, before) = no_grad(|| {
            let spoken = networks.hear(batch);
            let real = networks.real(batch, &spoken);
            let plain = networks.say(&networks.start, batch, &spoken, 0);
            let before = networks.say(&networks.start, batch, &spoken, 2);
            (spoken, real, plain, before)
        });
        let half = networks.say(&networks.performer, batch, &spoken, 1);
        let whole = networks.say(&networks.performer, batch, &spoken, 2);
        let kept = spoken.of_acting(&spoken.left_out, &batch.own);
        let seen = Seen {
            performed: [&plain, &half, &whole].map(|mel| envelope(&(mel + &kept), &batch.speech)),
            real: envelope(&real, &batch.acted_speech),
        };
        let named = seen
            .performed
            .each_ref()
            .map(|mel| adversaries.named(mel, &batch.emotion));
        let scores = adversaries
            .discriminator
            .judge(&disturbed(&seen.performed[2]), &batch.voice, &batch.emotion)
            .scores;
        let adversarial = generator_loss(c.adversarial_loss, &scores);
        let [none, some, all] = &named;
        let step = |lower: &Tensor, upper: &Tensor| (lower - upper + c.ranking_margin).relu();
        let ranking = (step(none, some) + step(some, all)).mean(Kind::Float);
        let pleased = -all.mean(Kind::Float);
        let lost = |mel: &Tensor| networks.words_lost(mel, &spoken.content, &batch.speech);
        let words = (lost(&whole) - no_grad(|| lost(&before)))
            .relu()
            .mean(Kind::Float);
        let same = no_grad(|| networks.instant.direction(&plain));
        let like = |mel: &Tensor| {
            (networks.instant.direction(mel) * &same).sum_dim_intlist(
                [1].as_slice(),
                false,
                Kind::Float,
            )
        };
        let likeness = (no_grad(|| like(&before)) - like(&whole))
            .relu()
            .mean(Kind::Float);
        let change = masked_mean(&(&whole - &before).abs(), &batch.speech.expand_as(&whole));
        let values = [&adversarial, &pleased, &ranking, &words, &likeness, &change]
            .map(|t| t.double_value(&[]));
        let total = adversarial * c.adversarial_weight
            + pleased * c.classifier_weight
            + ranking * c.ranking_weight
            + words * c.consistency_weight
            + likeness * c.speaker_weight
            + change * c.anchor_weight;
        let seen = Seen {
            performed: seen.performed.map(|mel| mel.detach()),
            real: seen.real,
        };
        (total, values.to_vec(), seen)
    }
}

impl Adversaries {
    /// Fresh ones for a pack of so many voices.
    fn new(voices: i64, c: &EmotionGameConfig, device: Device) -> Self {
        let store = VarStore::new(device);
        let root = store.root();
        let classes = EMOTIONS.len() as i64 + 1;
        let width = c.discriminator_width;
        let discriminator = MelDiscriminator::new(
            &(&root / "discriminator"),
            voices,
            classes,
            width,
            c.discriminator_norm,
        );
        let classifier = EmotionClassifier::new(&(&root / "classifier"), width);
        let adam = AdamW::new(
            &c.discriminator_optimizer,
            checkpoint::named(&store),
            c.steps,
        );
        Self {
            store,
            discriminator,
            classifier,
            adam,
        }
    }

    /// Log probability of a class, `[batch]`.
    fn named(&self, seen: &Tensor, class: &Tensor) -> Tensor {
        let logits = self.classifier.logits(&disturbed(seen));
        let all = logits.log_softmax(-1, Kind::Float);
        all.gather(1, &class.unsqueeze(1), false).squeeze_dim(1)
    }

    /// One step of both; losses, shares of real and of performed patches that are taken for real, share of real takes whose feeling is
    /// named, and share of performed ones in which both steps of strength are heard.
    fn learn(&mut self, batch: &RehearsalBatch, seen: &Seen, c: &EmotionGameConfig) -> [f64; 6] {
        let judge = |mel: &Tensor| {
            let verdict = self
                .discriminator
                .judge(&disturbed(mel), &batch.voice, &batch.emotion);
            verdict.scores
        };
        let (real, fake) = (judge(&seen.real), judge(&seen.performed[2]));
        let discriminator = discriminator_loss(c.adversarial_loss, &real, &fake);
        let (found, accepted) = accuracy(c.adversarial_loss, &real, &fake);
        let neutral = batch.emotion.zeros_like();
        let entropy = |mel: &Tensor, class: &Tensor| {
            let logits = self.classifier.logits(&disturbed(mel));
            let none = None::<&Tensor>;
            let loss = logits.cross_entropy_loss(class, none, Reduction::Mean, -100, 0.05);
            (loss, logits)
        };
        let (named, logits) = entropy(&seen.real, &batch.emotion);
        let (plain, _) = entropy(&seen.performed[0], &neutral);
        let (source, _) = entropy(&seen.performed[2], &neutral);
        let classifier = named + plain * 0.5 + source * 0.5;
        let share = |right: Tensor| {
            right
                .to_kind(Kind::Float)
                .mean(Kind::Float)
                .double_value(&[])
        };
        let right = share(logits.argmax(-1, false).eq_tensor(&batch.emotion));
        let steps = no_grad(|| {
            let heard = |i: usize| self.named(&seen.performed[i], &batch.emotion);
            let (none, some, all) = (heard(0), heard(1), heard(2));
            share(some.gt_tensor(&none).logical_and(&all.gt_tensor(&some)))
        });
        let values = [&discriminator, &classifier].map(|t| t.double_value(&[]));
        self.adam.backward_step(&(discriminator + classifier));
        [values[0], values[1], found, accepted, right, steps]
    }

    fn state(&self) -> Vec<(String, Tensor)> {
        state_beside("adversary", &self.store, &self.adam)
    }

    fn restore(&mut self, saved: &checkpoint::Tensors, step: u64) {
        restore_beside("adversary", &self.store, &mut self.adam, saved, step);
    }
}

/// Envelope of a mel at one level, nothing where nobody speaks.
fn envelope(mel: &Tensor, speech: &Tensor) -> Tensor {
    let cosines = cosines(ENVELOPE, mel.device());
    let smooth = mel.matmul(&cosines).matmul(&cosines.tr());
    let over = |x: &Tensor| x.sum_dim_intlist([1].as_slice(), true, Kind::Float);
    let bands = smooth.mean_dim([2].as_slice(), true, Kind::Float);
    let level = over(&(bands * speech)) / (over(speech) + 1e-3);
    (smooth - level) * speech
}

/// An envelope through a random equaliser, with noise.
fn disturbed(seen: &Tensor) -> Tensor {
    let (device, batch) = (seen.device(), seen.size()[0]);
    let shapes = cosines(BENT + 1, device).narrow(1, 1, BENT);
    let bend = Tensor::randn([batch, 1, BENT], (Kind::Float, device)) * BEND;
    seen + bend.matmul(&shapes.tr()) + seen.randn_like() * NOISE
}

/// The emotion pack after a game, its card and tensors: as far as the recipe wants from what it began with.
///
/// # Errors
/// When the checkpoint or the emotion pack beside `start` cannot be read, or the recipe names an emotion that there is not.
pub fn played(
    run: &Path,
    start: &Path,
    c: &EmotionGameConfig,
) -> Result<(Card, HashMap<String, Tensor>)> {
    let mut acting = [0.0_f32; EMOTIONS.len()];
    for (name, share) in &c.acting_share {
        acting[index_of(name, "game.acting_share")?] = *share as f32;
    }
    let acting = Tensor::from_slice(&acting);
    let saved =
        checkpoint::read(&run.join(CHECKPOINT)).context("train --stage emotion-game first")?;
    let (mut card, mut tensors) = pack::read(&pack::emotion_path(start))?;
    for (name, value) in checkpoint::below_prefix("ema", &saved) {
        let before = tensors
            .get(&name)
            .with_context(|| format!("the game's checkpoint knows {name}, the pack does not"))?;
        let change = value.to_device(Device::Cpu) - before;
        let change = match name.starts_with("acting.") {
            // Emotions come first in all tensors of acting.
            true => {
                let mut rows = vec![1; change.dim()];
                rows[0] = EMOTIONS.len() as i64;
                change * acting.reshape(rows)
            }
            false => change * c.share,
        };
        let mixed = before + change;
        tensors.insert(name, mixed);
    }
    let step = format!("adversarial emotion {}", checkpoint::step(&saved));
    card.description.steps.push(step);
    Ok((card, tensors))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::networks::{CONTENT, MEL};

    #[test]
    fn a_pack_goes_as_far_as_the_recipe_wants() {
        let folder = tempfile::tempdir().unwrap();
        let start = folder.path().join("some.mien");
        let emotions = EMOTIONS.len() as i64;
        let like = (Kind::Float, Device::Cpu);
        let tensors = |value: f64| {
            let full = |size: &[i64]| Tensor::full(size, value, like);
            vec![
                ("acting.shift".to_string(), full(&[emotions, CONTENT])),
                ("emotion.weight".to_string(), full(&[3, 2])),
            ]
        };
        let card = pack::Card {
            kind: "emotion".into(),
            ..pack::Card::default()
        };
        pack::write(&pack::emotion_path(&start), card, &tensors(1.0)).unwrap();
        let mut saved = checkpoint::prefixed("ema", tensors(2.0));
        saved.push(("step".into(), Tensor::from(12_i64)));
        checkpoint::write(&folder.path().join(CHECKPOINT), &saved).unwrap();
        let mut c = EmotionGameConfig {
            share: 0.25,
            acting_share: [("angry".to_string(), 0.5)].into(),
            ..EmotionGameConfig::default()
        };
        let (card, mixed) = played(folder.path(), &start, &c).unwrap();
        assert_eq!(card.description.steps, ["adversarial emotion 12"]);
        assert!((mixed["emotion.weight"].double_value(&[2, 1]) - 1.25).abs() < 1e-3);
        let acting = |emotion: i64| mixed["acting.shift"].double_value(&[emotion, 7]);
        assert_eq!([acting(1), acting(2), acting(3)], [1.0, 1.5, 1.0]);
        c.acting_share.insert("cheerful".into(), 1.0);
        let error = played(folder.path(), &start, &c).unwrap_err().to_string();
        assert!(
            error.contains("cheerful") && error.contains("happy"),
            "{error}"
        );
    }

    #[test]
    fn an_envelope_has_no_level_no_ripple_and_no_pauses() {
        let like = (Kind::Float, Device::Cpu);
        let mel = Tensor::randn([2, 30, 1], like) + Tensor::zeros([1, 1, MEL], like);
        let ripple = Tensor::arange(MEL, like).remainder(2.0) - 0.5;
        let speech = Tensor::ones([2, 30, 1], like);
        let _ = speech.narrow(1, 20, 10).fill_(0.0);
        let plain = envelope(&mel, &speech);
        let off = |a: &Tensor, b: &Tensor| (a - b).abs().max().double_value(&[]);
        assert!(off(&plain, &envelope(&(&mel + 3.0), &speech)) < 3e-3);
        let rippled = off(&plain, &envelope(&(&mel + ripple * 0.5), &speech));
        assert!(rippled < 0.1, "{rippled}");
        assert_eq!(plain.narrow(1, 20, 10).abs().max().double_value(&[]), 0.0);
        assert!(plain.abs().max().double_value(&[]) > 0.1);
    }
}
