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
use tch::nn::{Init, VarStore};
use tch::{Device, Kind, Reduction, Tensor, no_grad};

use super::adversarial::{accuracy, discriminator_loss, generator_loss};
use super::batches::Shape;
use super::checkpoint;
use super::config::{EmotionGameConfig, TrainConfig};
use super::delivery::cosines;
use super::learner::Learner;
use super::losses::masked_mean;
use super::optimizer::AdamW;
use super::rehearsal::{Performed, RehearsalBatch, Rehearsals, STRENGTHS};
use super::session::Session;
use crate::networks::{
    ActedContent, CONTENT, ContentEncoder, EmotionAdapter, EmotionClassifier, Generator,
    InstantVoice, LOOK_AHEAD, MelDiscriminator,
};
use crate::pack;

/// Name of the checkpoint in a run's folder.
pub const CHECKPOINT: &str = "emotion-game.safetensors";
/// Cosine coefficients that the adversaries see: formants and tilt, without the ripple of the harmonics.
const ENVELOPE: i64 = 30;
/// Coefficients that a random equaliser bends, without the level, and how far (about 2 dB).
const BENT: i64 = 6;
const BEND: f64 = 0.8;
/// Noise on what the adversaries see.
const NOISE: f64 = 0.05;

/// What a pack begins with and what learns.
#[derive(Debug)]
pub struct GameNetworks {
    /// Adapter and acting as they learn.
    learning: VarStore,
    performer: Performer,
    /// The same as they began.
    start: Performer,
    encoder: ContentEncoder,
    generator: Generator,
    instant: InstantVoice,
    /// `[voices, voice]`, the speaker's own last.
    voices: Tensor,
    /// Hold what stands still.
    _frozen: [VarStore; 2],
}

/// What makes a feeling heard beside prosody and colour.
#[derive(Debug)]
struct Performer {
    adapter: EmotionAdapter,
    acting: ActedContent,
}

impl Performer {
    /// Below `store`'s root, as a pack names its weights.
    fn new(store: &VarStore, config: &crate::networks::NetworkConfig) -> Result<Self> {
        let root = store.root();
        let adapter = EmotionAdapter::new(&(&root / "emotion"), config);
        let emotions = EMOTIONS.len() as i64;
        let part = |name: &str, size: &[i64]| (&root / "acting").var(name, size, Init::Const(0.0));
        let shift = part("shift", &[emotions, CONTENT]);
        let middle = part("middle", &[emotions, CONTENT]);
        let slope = part("slope", &[emotions, CONTENT, CONTENT]);
        Ok(Self {
            adapter,
            acting: ActedContent::new(shift, middle, slope)?,
        })
    }
}

impl GameNetworks {
    /// Those of the voice pack `path` and of the emotion pack beside it.
    ///
    /// # Errors
    /// When either cannot be read, or lacks acting or the speaker encoder.
    pub fn of_pack(path: &Path, device: Device) -> Result<Self> {
        let (card, voices) = pack::read(path)?;
        let beside = pack::emotion_path(path);
        let (_, feelings) = pack::read(&beside)
            .with_context(|| format!("the game begins with the emotion pack {beside:?}"))?;
        let mut base = VarStore::new(device);
        let root = base.root();
        let networks = &card.networks;
        let encoder = ContentEncoder::new(&(&root / "content"), &networks.content, networks.codes);
        let generator = Generator::new(&(&root / "generator"), &card.networks);
        let instant = InstantVoice::new(&root, &card.networks);
        pack::fill(&mut base, &voices).with_context(|| format!("the pack {path:?}"))?;
        let performer = |store: &mut VarStore| {
            let performer = Performer::new(store, &card.networks)?;
            pack::fill(store, &feelings).with_context(|| format!("the emotion pack {beside:?}"))?;
            Ok::<_, anyhow::Error>(performer)
        };
        let mut frozen = VarStore::new(device);
        let start = performer(&mut frozen)?;
        let mut learning = VarStore::new(device);
        let performer = performer(&mut learning)?;
        learning.unfreeze();
        let table = voices.get("voices").context("the pack has no voices")?;
        let own = table.mean_dim([0].as_slice(), true, None);
        Ok(Self {
            learning,
            performer,
            start,
            encoder,
            generator,
            instant,
            voices: Tensor::cat(&[table, &own], 0).to_device(device),
            _frozen: [base, frozen],
        })
    }

    /// What learns, by the names of a pack.
    fn learning(&self, acting: bool) -> Vec<(String, Tensor)> {
        let learns = |name: &str| match name.strip_prefix("acting.") {
            // Where a map is fixed to is no more than its shift says.
            Some(part) => acting && part != "middle",
            None => true,
        };
        checkpoint::named(&self.learning)
            .into_iter()
            .filter(|(name, _)| learns(name))
            .collect()
    }

    /// Content of each frame of a mel `[batch, frames + LOOK_AHEAD, MEL]`.
    fn content(&self, mel: &Tensor) -> Tensor {
        let frames = mel.size()[1] - LOOK_AHEAD;
        self.encoder.encode(mel).narrow(1, LOOK_AHEAD, frames)
    }

    /// What the generator leaves out of what a mel's own speaker says, `[batch, frames, MEL]`.
    fn left_out(&self, mel: &Tensor, content: &Tensor, as_heard: &Tensor) -> Tensor {
        let count = mel.size()[0];
        let own = self.voices.narrow(0, self.voices.size()[0] - 1, 1);
        let own = own.expand([count, -1], false);
        let (again, _) = self.generator.generate(content, as_heard, &own);
        mel.narrow(1, 0, again.size()[1]) - again
    }

    /// The acted takes as they are to be: in the voice, or as they are.
    fn real(&self, batch: &RehearsalBatch, spoken: &Spoken) -> Tensor {
        let content = self.content(&batch.acted_mel);
        let left_out = self.left_out(&batch.acted_mel, &content, &batch.acted_as_heard);
        let (mel, _) = self
            .generator
            .generate(&content, &batch.acted_prosody, &spoken.voices);
        let mel = mel + &left_out * &batch.own;
        batch.acted_tints.shape(&mel) + spoken.of_acting(&left_out, &batch.own)
    }
}

/// A neutral crop on its way to be performed.
struct Spoken {
    voices: Tensor,
    content: Tensor,
    /// What the generator leaves out of the speaker, `[batch, frames, MEL]`, and the mean of that over speech, `[batch, 1, MEL]`.
    left_out: Tensor,
    mean_left_out: Tensor,
}

impl Spoken {
    /// Of what the generator leaves out that which is not always left out of this speaker: acting, for the most part. Nothing in the own
    /// voice, which keeps all. The generator loses happiness and anger (docs/emotion.md, "Where it is lost"), so takes that it says are
    /// real only with it; and neutral takes are looked at with it, too, since nobody shall go by that.
    fn of_acting(&self, left_out: &Tensor, own: &Tensor) -> Tensor {
        (left_out - &self.mean_left_out) * (1.0 - own)
    }
}

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
        let mut adversaries = self.adversaries(networks.voices.size()[0], c);
        if let Some(saved) = learner.resume()? {
            adversaries.restore(&saved, learner.step());
        }
        let shape = Shape {
            batch: c.batch,
            frames: c.frames,
        };
        let draw = self.config.data.draw(700 + learner.step());
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

    fn adversaries(&self, voices: i64, c: &EmotionGameConfig) -> Adversaries {
        let store = VarStore::new(self.device);
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
        Adversaries {
            store,
            discriminator,
            classifier,
            adam,
        }
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

impl GameNetworks {
    fn hear(&self, batch: &RehearsalBatch) -> Spoken {
        let voices = self.voices.index_select(0, &batch.voice);
        let content = self.content(&batch.mel);
        let left_out = self.left_out(&batch.mel, &content, &batch.as_heard);
        let over = |x: &Tensor| x.sum_dim_intlist([1].as_slice(), true, Kind::Float);
        let mean_left_out = over(&(&left_out * &batch.speech)) / (over(&batch.speech) + 1.0);
        Spoken {
            voices,
            content,
            left_out,
            mean_left_out,
        }
    }

    /// The mel of a neutral crop performed at that index of [`STRENGTHS`], as the live path makes it, but for its articulation,
    /// which real takes have no more.
    fn say(
        &self,
        performer: &Performer,
        batch: &RehearsalBatch,
        spoken: &Spoken,
        strength: usize,
    ) -> Tensor {
        let performed: &Performed = &batch.performed[strength];
        let strength = STRENGTHS[strength];
        let feels = strength > 0.0;
        let content = match feels {
            true => performer.acting.act_each(
                &spoken.content,
                &(&batch.emotion - 1),
                &(&batch.acting * f64::from(strength)),
                &performed.acted,
            ),
            false => spoken.content.shallow_clone(),
        };
        let (mel, hidden) = self
            .generator
            .generate(&content, &performed.meant, &spoken.voices);
        let mut mel = mel + &spoken.left_out * &batch.own - &performed.effort;
        if feels {
            let weights = batch.weights(strength);
            let change = performer
                .adapter
                .change(&hidden, &mel, &performed.prosody, &weights);
            mel += change * &performed.timbre;
        }
        performed.tints.shape(&mel)
    }

    /// How far the content that is heard in a mel lies from `content`, for each row, `[batch]`.
    fn words_lost(&self, mel: &Tensor, content: &Tensor, speech: &Tensor) -> Tensor {
        let heard = self.content(mel);
        let frames = heard.size()[1];
        let speech = speech.narrow(1, 0, frames);
        let far = (heard - content.narrow(1, 0, frames)).abs().mean_dim(
            [2].as_slice(),
            true,
            Kind::Float,
        );
        let over = |x: &Tensor| x.sum_dim_intlist([1, 2].as_slice(), false, Kind::Float);
        over(&(far * &speech)) / (over(&speech) + 1.0)
    }
}

impl Adversaries {
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
        let mut all = checkpoint::prefixed("adversary", checkpoint::named(&self.store));
        all.extend(checkpoint::prefixed("adversary", self.adam.state()));
        all
    }

    fn restore(&mut self, saved: &checkpoint::Tensors, step: u64) {
        checkpoint::load_into(&self.store, saved, "adversary");
        self.adam
            .restore(&checkpoint::below_prefix("adversary", saved), step);
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

/// The pack's tensors of feelings after a game, and what it has been: as far as the recipe wants from those that it began with.
///
/// # Errors
/// When the checkpoint or the emotion pack beside `start` cannot be read, or the recipe names an emotion that there is not.
pub fn played(
    run: &Path,
    start: &Path,
    c: &EmotionGameConfig,
) -> Result<(HashMap<String, Tensor>, String)> {
    let mut acting = [0.0_f32; EMOTIONS.len()];
    for (name, share) in &c.acting_share {
        let index = EMOTIONS.iter().position(|e| e == name);
        let index = index.with_context(|| {
            format!(
                "[emotion.game.acting_share] {name}: the emotions are {}",
                EMOTIONS.join(", ")
            )
        })?;
        acting[index] = *share as f32;
    }
    let acting = Tensor::from_slice(&acting);
    let saved =
        checkpoint::read(&run.join(CHECKPOINT)).context("train --stage emotion-game first")?;
    let (_, mut tensors) = pack::read(&pack::emotion_path(start))?;
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
    Ok((tensors, step))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::networks::MEL;

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
        let (mixed, step) = played(folder.path(), &start, &c).unwrap();
        assert_eq!(step, "adversarial emotion 12");
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
