//! Training of the content encoder and the generator.
//!
//! Stage 1 reconstructs: the encoder hears a disturbed voice, the generator must give back the
//! clean one from content, prosody and the voice's embedding. A recogniser's features teach the
//! content what is said, an adversarial head takes out who says it.
//! Stage 2 converts: the encoder stands still, other speakers' content is given a shipped voice,
//! and a discriminator that knows the voice judges it, while the encoder checks that the words
//! are still heard.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;

use anyhow::{Context, Result, ensure};
use rand::RngExt;
use rand::rngs::StdRng;
use tch::nn::{Init, VarStore};
use tch::{Device, Kind, Tensor, no_grad};

use super::adversarial::{
    accuracy, discriminator_loss, feature_matching, generator_loss, r1_penalty,
};
use super::augment::Strength;
use super::batches::{
    Batches, Draw, FrameBatch, NARROW_BANDS, Pool, Shape, UNLABELLED, frame_batches,
};
use super::checkpoint;
use super::codes::{self, CodeTerms, Upkeep};
use super::config::{AcousticConfig, Initialisation, TrainConfig};
use super::learner::{Learner, Named};
use super::listener::Listener;
use super::losses::{masked_mean, mel_losses};
use super::optimizer::AdamW;
use super::phone_reader::PhoneReader;
use super::phones::LABELS;
use super::session::Session;
use super::speaker_adversary::{Classes, SpeakerAdversary};
use crate::networks::{
    CONTENT, Codebook, ContentEncoder, Generator, LOOK_AHEAD, MelClassifier, MelDiscriminator,
};
use crate::nn::Linear;
use crate::pack;

/// The networks of this part with their training-only heads.
#[derive(Debug)]
pub struct AcousticNetworks {
    /// Holds every variable.
    pub store: VarStore,
    /// Content encoder.
    pub encoder: ContentEncoder,
    /// Generator.
    pub generator: Generator,
    /// Embedding of every training speaker, `[speakers, voice]`.
    pub voices: Tensor,
    teacher_head: Linear,
    phone_hidden: Linear,
    phone_head: Linear,
    reader: PhoneReader,
}

impl AcousticNetworks {
    /// Fresh networks for that many speakers and teacher values.
    pub fn new(config: &TrainConfig, speakers: usize, teacher: usize, device: Device) -> Self {
        let store = VarStore::new(device);
        let root = store.root();
        let networks = &config.networks;
        let table = Init::Randn {
            mean: 0.0,
            stdev: 0.3,
        };
        let fresh = Self {
            encoder: ContentEncoder::new(&(&root / "content"), networks),
            generator: Generator::new(&(&root / "generator"), networks),
            voices: root.var("voices", &[speakers as i64, networks.voice], table),
            teacher_head: Linear::new(
                &(&root / "head" / "teacher"),
                CONTENT,
                teacher.max(1) as i64,
                1.0,
            ),
            phone_hidden: Linear::new(&(&root / "head" / "phone_hidden"), CONTENT, 192, 1.4),
            phone_head: Linear::new(&(&root / "head" / "phone"), 192, LABELS, 0.5),
            reader: PhoneReader::new(&(&root / "head" / "reader"), 128, &[1, 2]),
            store,
        };
        if config.acoustic.initialisation == Initialisation::He {
            draw_gaussian(&fresh.store);
        }
        fresh
    }

    /// Content that belongs to the frames of a batch: the encoder's output comes later by its
    /// look-ahead. `heard`: `[batch, frames + LOOK_AHEAD, bands]`.
    pub fn content(&self, heard: &Tensor) -> Tensor {
        self.encoder.coded(&self.raw_content(heard))
    }

    /// The same before the codebook; without one it is the content itself.
    pub fn raw_content(&self, heard: &Tensor) -> Tensor {
        let frames = heard.size()[1] - LOOK_AHEAD;
        self.encoder.encode_raw(heard).narrow(1, LOOK_AHEAD, frames)
    }

    /// Begins with a pack's encoder, generator and voices instead of chance. `shipped` are the rows of
    /// the pack's voices in the speaker table, `emphasis` what they were exported with. Returns whether the
    /// pack's content has as many codes (none among them) as these networks' has.
    ///
    /// # Errors
    /// When the pack cannot be read, or holds networks of other widths.
    pub fn start_from(
        &self,
        path: &std::path::Path,
        shipped: &[i64],
        emphasis: f64,
    ) -> Result<bool> {
        let (card, tensors) = pack::read(path)?;
        let table = tensors
            .get("voices")
            .with_context(|| format!("{path:?} has no voices"))?;
        ensure!(
            table.size() == [shipped.len() as i64, self.voices.size()[1]],
            "{path:?} has voices {:?}, the recipe names {}",
            table.size(),
            shipped.len()
        );
        no_grad(|| {
            for (name, mut variable) in self.store.variables() {
                match tensors.get(&name) {
                    Some(saved) if name != "voices" && saved.size() == variable.size() => {
                        variable.copy_(saved);
                    }
                    // Blocks that the pack does not have begin as next to nothing.
                    _ if name.ends_with("layer_scale") && !name.starts_with("head") => {
                        let _ = variable.fill_(0.03);
                    }
                    _ => {}
                }
            }
            let middle = table.mean_dim([0].as_slice(), true, None);
            let voices = &middle + (table - &middle) / emphasis;
            let mut all = self.voices.shallow_clone();
            let middle = middle.to_device(all.device());
            let voices = voices.to_device(all.device());
            all.copy_(&(middle.expand_as(&all) + all.randn_like() * 0.05));
            let rows = Tensor::from_slice(shipped).to_device(all.device());
            let _ = all.index_copy_(0, &rows, &voices);
        });
        let own = self.encoder.codebook().map_or(0, |c| c.entries().size()[0]);
        Ok(card.networks.codes == own)
    }

    /// Mean squared distance of the teacher's values told from the content; 0 where there are none or no weight is on it.
    fn teacher_loss(&self, content: &Tensor, batch: &FrameBatch, c: &AcousticConfig) -> Tensor {
        if c.teacher_weight > 0.0 && batch.teacher.size()[2] > 0 {
            let error = (self.teacher_head.forward(content) - &batch.teacher).square();
            masked_mean(&error, &batch.teacher_mask.expand_as(&error))
        } else {
            Tensor::zeros([], (Kind::Float, content.device()))
        }
    }

    /// Cross-entropy of each frame's phone, and of the crops' sequences a phone.
    fn phone_losses(&self, content: &Tensor, batch: &FrameBatch) -> (Tensor, Tensor) {
        let zero = Tensor::zeros([], (Kind::Float, content.device()));
        let rows: Vec<i64> = (0..batch.sequences.len())
            .filter(|&row| !batch.sequences[row].is_empty())
            .map(|row| row as i64)
            .collect();
        if rows.is_empty() {
            return (zero.shallow_clone(), zero);
        }
        let index = Tensor::from_slice(&rows).to_device(content.device());
        let content = content.index_select(0, &index);
        let hidden = self.phone_hidden.forward(&content).relu();
        let logits = self.phone_head.forward(&hidden).reshape([-1, LABELS]);
        let frame = logits.cross_entropy_loss(
            &batch.phones.index_select(0, &index).reshape([-1]),
            None::<&Tensor>,
            tch::Reduction::Mean,
            UNLABELLED,
            0.0,
        );
        let said: Vec<&[i64]> = rows
            .iter()
            .map(|&r| batch.sequences[r as usize].as_slice())
            .collect();
        let sequence = self.reader.loss(&content, &said);
        (frame, sequence)
    }

    /// Phones read wrongly (inserted, left out, mistaken) and phones said, in crops `heard`
    /// (`[batch, frames + LOOK_AHEAD, bands]`) with known sequences.
    pub fn phone_errors(&self, heard: &Tensor, sequences: &[Vec<i64>]) -> (usize, usize) {
        let content = no_grad(|| self.content(heard));
        self.reader.errors(&content, sequences)
    }
}

/// Draws the matrices anew as Gaussian noise (He et al. 2015) of the spread that they have; those that
/// begin as nothing stay so.
fn draw_gaussian(store: &VarStore) {
    no_grad(|| {
        for (name, mut weight) in store.variables() {
            if name.ends_with("weight") && weight.dim() == 2 {
                let spread = weight.square().mean(Kind::Float).sqrt();
                weight.copy_(&(weight.randn_like() * spread));
            }
        }
    });
}

/// What a run needs besides its networks.
pub struct AcousticRun<'a> {
    /// The recipe.
    pub config: &'a TrainConfig,
    /// Free and unlabelled speech.
    pub pool: Arc<Pool>,
    /// The shipped voices' speech.
    pub voices: Arc<Pool>,
    /// Speech of speakers that training does not see, for the teacher's validation loss.
    pub held_out: Arc<Pool>,
    /// Mean log₂ pitch of each speaker; 0 where unknown.
    pub mean_pitch: Vec<f32>,
    /// The run's folder.
    pub folder: PathBuf,
    /// A pack to begin stage 1 from, with the rows of its voices in the speaker table.
    pub start: Option<(PathBuf, Vec<i64>)>,
    /// When to stop.
    pub deadline: Option<Instant>,
    /// Where to compute.
    pub device: Device,
}

const STAGE1: &str = "acoustic.safetensors";
const STAGE2: &str = "convert.safetensors";
/// The codebook's variable.
const CODES: &str = "content.codes.entries";
/// Batches in whose content the codes are first sought: ten minutes of speech with 64 crops of 2.4 s.
const SEED_BATCHES: usize = 4;

impl AcousticRun<'_> {
    /// Stage 1. Goes on from the run folder's checkpoint. Returns whether all steps are done.
    pub fn reconstruct(&self, networks: &AcousticNetworks) -> Result<bool> {
        let c = &self.config.acoustic;
        let all = || checkpoint::named(&networks.store);
        let path = self.folder.join(STAGE1);
        let mut learner = Learner::new(path, all(), all(), (&c.optimizer, c.steps), c.ema);
        let classes = Classes {
            speakers: networks.voices.size()[0],
            spoken: self.pool.speakers(c.reversal.across_rates),
            corpora: self.pool.corpus_shares(),
        };
        let mut adversary = SpeakerAdversary::new(&classes, c.steps, c, self.device);
        let mut listener = self.listener();
        let mut without_codes = networks.encoder.codebook().is_some();
        let heads_first = self.start.as_ref().map_or(0, |_| c.heads_first);
        let saved = learner.resume()?;
        if let Some(saved) = &saved {
            let learned = learner.step() + heads_first;
            adversary.restore(saved, learned);
            listener.iter_mut().for_each(|l| l.restore(saved, learned));
            without_codes = false;
        } else if let Some((start, shipped)) = &self.start {
            without_codes &= !networks.start_from(start, shipped, self.config.pack.emphasis)?;
            learner.begin_mean();
        }
        let shape = Shape {
            batch: c.batch,
            frames: c.frames,
        };
        let drawn = |draw| frame_batches(self.pool.clone(), shape, c.disturbance.clone(), draw);
        let chance = self.config.data.draw(0);
        let batches = drawn(chance.after(learner.step()));
        let draw = Draw {
            seed: 7,
            first: 0,
            workers: 1,
        };
        let held_out = frame_batches(self.held_out.clone(), shape, Strength::default(), draw);
        if without_codes {
            self.seek_codes(networks, &drawn(self.config.data.draw(10)))?;
            learner.begin_mean();
        }
        if learner.step() == 0 && heads_first > 0 {
            let batches = drawn(self.config.data.draw(11));
            if !self.teach_heads(networks, &mut adversary, listener.as_mut(), &batches)? {
                tracing::warn!("stopped while the heads learned: the next start begins them anew");
                return Ok(false);
            }
            learner.begin_mean();
        }
        let codebook = networks.encoder.codebook();
        let mut upkeep =
            codebook.map(|book| (book, Upkeep::new(book, c.batch * c.frames, c.phonetic())));
        if let (Some((_, upkeep)), Some(saved)) = (&mut upkeep, &saved) {
            upkeep.restore(saved);
        }
        let mut names = vec!["mel", "change", "teacher", "phone", "sequence"];
        names.extend(SpeakerAdversary::CURVES);
        names.extend([
            "listener",
            "heard_by_listener",
            "held_out_teacher",
            "held_out_phone",
            "held_out_phone_errors",
            "codes_in_use",
            "commitment",
            "phone_of_code",
        ]);
        let mut session = Session::new(
            &self.folder,
            "acoustic",
            &names,
            (learner.step(), c.steps),
            self.deadline,
        )?;
        let mut unseen = [f64::NAN; 3];
        while !learner.done() && !session.over() {
            chance.seed_torch(learner.step());
            let batch = batches.recv()?.to_device(self.device);
            let mut terms = self.reconstruction(networks, &adversary, &batch, c);
            let heard = misheard(listener.as_ref(), &batch, &terms.mel);
            terms.total += &heard * c.listener_weight;
            let (rate, norm) = learner.learn(&terms.total);
            if let (Some((book, upkeep)), Some(codes)) = (&mut upkeep, &terms.codes)
                && let Some(rows) = upkeep.learn(book, codes, learner.step(), c.steps)
            {
                learner.begin_mean_of(CODES, &rows);
            }
            let listened = listener.as_mut().map_or(0.0, |l| l.learn(&batch));
            let told = adversary.learn(&terms.content, &batch);
            if unseen[0].is_nan() || learner.step().is_multiple_of(100) {
                let batch = held_out.recv()?.to_device(self.device);
                let terms = no_grad(|| self.reconstruction(networks, &adversary, &batch, c));
                let (wrong, said) = networks.phone_errors(&batch.clean, &batch.sequences);
                let share = wrong as f64 / (said as f64).max(1.0);
                unseen = [terms.values[2], terms.values[3], share];
            }
            let mut values = terms.values.to_vec();
            values.extend(told);
            values.extend([listened, heard.double_value(&[])]);
            values.extend(unseen);
            values.extend(terms.codes.as_ref().map_or([0.0; 3], CodeTerms::told));
            session.record(learner.step(), rate, norm, &values)?;
            if session.due() {
                learner.save(beside(&adversary, &listener, &upkeep))?;
            }
        }
        learner.save(beside(&adversary, &listener, &upkeep))?;
        session.finish();
        Ok(learner.done())
    }

    /// Teaches what a pack does not hold and training needs (heads on the content, the classifier of speakers, the
    /// listener) while the pack's networks stand still. Returns whether all steps are done; no checkpoint holds fewer.
    fn teach_heads(
        &self,
        networks: &AcousticNetworks,
        adversary: &mut SpeakerAdversary,
        mut listener: Option<&mut Listener>,
        batches: &Batches<FrameBatch>,
    ) -> Result<bool> {
        let c = &self.config.acoustic;
        let heads = checkpoint::named_below(&networks.store, &["head"]);
        let mut adam = AdamW::new(&c.optimizer, heads, c.heads_first);
        let mut names = vec!["teacher", "phone", "sequence"];
        names.extend(SpeakerAdversary::CURVES);
        names.push("listener");
        let span = (0, c.heads_first);
        let mut session = Session::new(&self.folder, "heads", &names, span, self.deadline)?;
        for step in 1..=c.heads_first {
            if session.over() {
                return Ok(false);
            }
            let batch = batches.recv()?.to_device(self.device);
            let content = no_grad(|| networks.content(&batch.heard));
            let teacher = networks.teacher_loss(&content, &batch, c);
            let (phone, sequence) = networks.phone_losses(&content, &batch);
            let terms = [&teacher, &phone, &sequence].map(|t| t.double_value(&[]));
            let (rate, total) = (adam.learning_rate(), teacher + phone + sequence);
            // Without transcripts and a teacher the content has no heads to teach.
            let norm = match total.requires_grad() {
                true => adam.backward_step(&total),
                false => 0.0,
            };
            let mut values = terms.to_vec();
            values.extend(adversary.learn(&content, &batch));
            values.push(listener.as_mut().map_or(0.0, |l| l.learn(&batch)));
            session.record(step, rate, norm, &values)?;
        }
        session.finish();
        Ok(true)
    }

    /// Fills the codebook with centres of the content that the encoder gives now.
    fn seek_codes(&self, networks: &AcousticNetworks, batches: &Batches<FrameBatch>) -> Result<()> {
        let Some(book) = networks.encoder.codebook() else {
            return Ok(());
        };
        let (mut raw, mut phones) = (Vec::new(), Vec::new());
        for _ in 0..SEED_BATCHES {
            let batch = batches.recv()?.to_device(self.device);
            let heard = no_grad(|| networks.encoder.encode_biased(&batch.heard));
            let heard = heard.narrow(1, LOOK_AHEAD, heard.size()[1] - LOOK_AHEAD);
            raw.push(heard.reshape([-1, CONTENT]));
            phones.push(batch.phones.reshape([-1]));
        }
        let (raw, phones) = (Tensor::cat(&raw, 0), Tensor::cat(&phones, 0));
        codes::seed(book, &raw, &phones, self.config.acoustic.phonetic())
    }

    /// The recipe's listener, if it wants one and there is something to teach it by.
    fn listener(&self) -> Option<Listener> {
        let c = &self.config.acoustic;
        let teacher = self.pool.teacher.as_ref()?.size as i64;
        (c.listener_weight > 0.0 && self.pool.phones.is_some())
            .then(|| Listener::new(teacher, c.steps, &c.listener_optimizer, self.device))
    }

    fn reconstruction(
        &self,
        networks: &AcousticNetworks,
        adversary: &SpeakerAdversary,
        batch: &FrameBatch,
        c: &AcousticConfig,
    ) -> Terms {
        let raw = networks.raw_content(&batch.heard);
        let content = networks.encoder.coded(&raw);
        let codes = networks.encoder.codebook();
        let codes = codes.map(|book| {
            let phones = c.phonetic().then_some(&batch.phones);
            CodeTerms::of(book, &raw, phones)
        });
        let noisy = match codes {
            Some(_) => content.shallow_clone(),
            None => &content + content.randn_like() * c.content_noise,
        };
        let voices = networks.voices.index_select(0, &batch.speaker);
        let (mel, _) = networks.generator.generate(&noisy, &batch.prosody, &voices);
        let (level, change) = mel_losses(&mel, &batch.mel, &batch.mask);
        let teacher = networks.teacher_loss(&content, batch, c);
        let (phone, sequence) = networks.phone_losses(&noisy, batch);
        let [speaker, corpus] = adversary.told(&content, batch);
        let values = [&level, &change, &teacher, &phone, &sequence].map(|t| t.double_value(&[]));
        let mut total = level * c.mel_weight
            + change * c.delta_weight
            + teacher * c.teacher_weight
            + phone * c.phone_weight
            + sequence * c.phone_sequence_weight
            + speaker * c.speaker_reversal
            + corpus * c.reversal.corpus;
        if let Some(codes) = &codes {
            total += codes.commitment() * c.commitment + codes.phone() * c.code_phones;
        }
        Terms {
            total,
            values,
            content: content.detach(),
            mel,
            codes,
        }
    }

    /// Stage 2, from stage 1's running means. Returns whether all steps are done.
    pub fn convert(&self, networks: &AcousticNetworks) -> Result<bool> {
        let c = &self.config.acoustic;
        // What the adversaries begin as must not depend on how stage 1 came to its end.
        self.config.data.draw(97).seed_torch(0);
        let adversary_store = VarStore::new(self.device);
        let root = adversary_store.root();
        let adversary = MelDiscriminator::new(
            &root,
            networks.voices.size()[0],
            8,
            c.discriminator_width,
            c.discriminator_norm,
        );
        let classifier = MelClassifier::new(&(&root / "speaker"), 24, networks.voices.size()[0]);
        let stage1 = checkpoint::read(&self.folder.join(STAGE1))?;
        let mut listener = self.listener();
        listener
            .iter_mut()
            .for_each(|l| l.restore(&stage1, c.steps));
        let judges = Judges {
            adversary,
            classifier,
            listener,
        };
        checkpoint::load_into(&networks.store, &stage1, "ema");
        let named = checkpoint::named(&adversary_store);
        let mut adversary_adam = AdamW::new(&c.discriminator_optimizer, named, c.adversarial_steps);
        let mut learner = Learner::new(
            self.folder.join(STAGE2),
            checkpoint::named(&networks.store),
            checkpoint::named_below(&networks.store, &["generator", "voices"]),
            (&c.generator_optimizer, c.adversarial_steps),
            c.ema,
        );
        if let Some(saved) = learner.resume()? {
            checkpoint::load_into(&adversary_store, &saved, "adversary");
            adversary_adam.restore(&saved, learner.step());
        }
        let others = |adam: &AdamW| {
            let mut all = checkpoint::prefixed("adversary", checkpoint::named(&adversary_store));
            all.extend(adam.state());
            all
        };
        let shape = Shape {
            batch: c.batch / 2,
            frames: c.frames,
        };
        let draw = |stream| self.config.data.draw(stream).after(learner.step());
        let reals = frame_batches(self.voices.clone(), shape, c.disturbance.clone(), draw(99));
        let sources = frame_batches(self.pool.clone(), shape, c.disturbance.clone(), draw(100));
        let chance = self.config.data.draw(98);
        let names = [
            "mel",
            "change",
            "generator",
            "features",
            "content",
            "speaker",
            "heard_by_listener",
            "adversary",
            "classifier",
            "real_found",
            "taken_for_real",
        ];
        let mut session = Session::new(
            &self.folder,
            "convert",
            &names,
            (learner.step(), c.adversarial_steps),
            self.deadline,
        )?;
        while !learner.done() && !session.over() {
            chance.seed_torch(learner.step());
            let mut rng = chance.rng(learner.step());
            let real = reals.recv()?.to_device(self.device);
            let source = sources.recv()?.to_device(self.device);
            let (loss, mut values, fake) =
                self.conversion(networks, &judges, &real, &source, c, &mut rng);
            let (rate, norm) = learner.learn(&loss);
            let (verdict, right, accepted) = self.judge(&judges.adversary, &real, &fake, c);
            let named = self.name_speakers(&judges.classifier, &real, &source, &fake);
            values.extend([&verdict, &named].map(|t| t.double_value(&[])));
            values.extend([right, accepted]);
            adversary_adam.backward_step(&(verdict + named));
            session.record(learner.step(), rate, norm, &values)?;
            if session.due() {
                learner.save(others(&adversary_adam))?;
            }
        }
        learner.save(others(&adversary_adam))?;
        session.finish();
        Ok(learner.done())
    }

    /// The generator's loss on both halves: a shipped voice given back, and others converted.
    fn conversion(
        &self,
        networks: &AcousticNetworks,
        judges: &Judges,
        real: &FrameBatch,
        source: &FrameBatch,
        c: &AcousticConfig,
        rng: &mut StdRng,
    ) -> (Tensor, Vec<f64>, Fake) {
        let (real_content, source_raw) = no_grad(|| {
            // The shipped voices are heard disturbed, so that their own clean content is no crutch.
            (
                networks.content(&real.heard),
                networks.raw_content(&source.clean),
            )
        });
        let source_content = networks.encoder.coded(&source_raw);
        let voices = networks.voices.index_select(0, &real.speaker);
        let (same, _) = networks
            .generator
            .generate(&real_content, &real.prosody, &voices);
        let (level, change) = mel_losses(&same, &real.mel, &real.mask);
        let target = self.random_voices(source.speaker.size()[0], rng);
        let prosody = self.move_pitch(source, &target);
        let embedding = networks.voices.index_select(0, &target);
        let (converted, _) = networks
            .generator
            .generate(&source_content, &prosody, &embedding);
        let neutral = target.zeros_like();
        let adversary = &judges.adversary;
        let verdict_same = adversary.judge(&same, &real.speaker, &real.emotion.zeros_like());
        let verdict_converted = adversary.judge(&converted, &target, &neutral);
        let verdict_real =
            no_grad(|| adversary.judge(&real.mel, &real.speaker, &real.emotion.zeros_like()));
        let features = feature_matching(&verdict_real, &verdict_same);
        let formula = c.adversarial_loss;
        let adversarial = generator_loss(formula, &verdict_same.scores) * 0.5
            + generator_loss(formula, &verdict_converted.scores);
        // Before the codebook, whose steps have no slope that would say how to come nearer.
        let heard = networks.raw_content(&converted);
        let frames = heard.size()[1];
        let consistency = (heard - source_raw.narrow(1, 0, frames))
            .abs()
            .mean(Kind::Float);
        let speaker = judges.speaker_loss(&disturbed(&converted), &target);
        let listener = judges.listener.as_ref();
        let misheard = misheard(listener, real, &same) + misheard(listener, source, &converted);
        let values = [
            &level,
            &change,
            &adversarial,
            &features,
            &consistency,
            &speaker,
            &misheard,
        ]
        .map(|t| t.double_value(&[]));
        let total = level * c.mel_weight
            + change * c.delta_weight
            + adversarial * c.adversarial_weight
            + features * c.feature_weight
            + consistency * c.consistency_weight
            + speaker * c.speaker_weight
            + misheard * c.listener_weight;
        let fake = Fake {
            same: same.detach(),
            converted: converted.detach(),
            target,
        };
        (total, values.to_vec(), fake)
    }

    /// The discriminator's loss; the shares of real and of converted patches that it takes for real.
    fn judge(
        &self,
        adversary: &MelDiscriminator,
        real: &FrameBatch,
        fake: &Fake,
        c: &AcousticConfig,
    ) -> (Tensor, f64, f64) {
        let neutral = real.emotion.zeros_like();
        let input = if c.r1_weight > 0.0 {
            real.mel.detach().set_requires_grad(true)
        } else {
            real.mel.shallow_clone()
        };
        let verdict = adversary.judge(&input, &real.speaker, &neutral);
        let same = adversary.judge(&fake.same, &real.speaker, &neutral);
        let converted = adversary.judge(&fake.converted, &fake.target, &fake.target.zeros_like());
        let formula = c.adversarial_loss;
        let mut loss = discriminator_loss(formula, &verdict.scores, &same.scores) * 0.5
            + discriminator_loss(formula, &verdict.scores, &converted.scores);
        if c.r1_weight > 0.0 {
            loss += r1_penalty(&verdict.scores, &input) * (c.r1_weight / 2.0);
        }
        let (right, accepted) = accuracy(formula, &verdict.scores, &converted.scores);
        (loss, right, accepted)
    }

    /// The classifier's loss: it names the speakers of real sound, and in converted sound the source.
    fn name_speakers(
        &self,
        classifier: &MelClassifier,
        real: &FrameBatch,
        source: &FrameBatch,
        fake: &Fake,
    ) -> Tensor {
        let loss = |mel: &Tensor, who: &Tensor, known: &Tensor| {
            let logits = classifier.logits(&disturbed(mel));
            let none = None::<&Tensor>;
            let each = logits.cross_entropy_loss(who, none, tch::Reduction::None, -100, 0.05);
            masked_mean(&each, known)
        };
        loss(&real.mel, &real.speaker, &real.known)
            + loss(&source.mel, &source.speaker, &source.known)
            + loss(&fake.converted, &source.speaker, &source.known) * 0.5
    }

    fn random_voices(&self, count: i64, rng: &mut StdRng) -> Tensor {
        let mut speakers: Vec<i64> = self.voices.items.iter().map(|i| i.speaker).collect();
        speakers.sort_unstable();
        speakers.dedup();
        let pick: Vec<i64> = (0..count)
            .map(|_| speakers[rng.random_range(0..speakers.len())])
            .collect();
        Tensor::from_slice(&pick).to_device(self.device)
    }

    /// Moves the source's pitch from its speaker's mean to the target's.
    fn move_pitch(&self, source: &FrameBatch, target: &Tensor) -> Tensor {
        let means = Tensor::from_slice(&self.mean_pitch).to_device(self.device);
        let voiced = source.prosody.narrow(2, 0, 1);
        let pitch = source.prosody.narrow(2, 1, 1);
        let heard = (&pitch * &voiced).sum_dim_intlist([1].as_slice(), true, None)
            / (voiced.sum_dim_intlist([1].as_slice(), true, None) + 1e-3);
        let from = means.index_select(0, &source.speaker).reshape([-1, 1, 1]);
        // Speakers without a mean (and rare ones) are taken as they sound in this crop.
        let known = source.known.reshape([-1, 1, 1]);
        let from = &from * &known + heard * (1.0 - known);
        let to = means.index_select(0, target).reshape([-1, 1, 1]);
        let moved = (pitch + (to - from)) * &voiced;
        Tensor::cat(&[&voiced, &moved, &source.prosody.narrow(2, 2, 2)], 2)
    }
}

/// The networks that the generator plays against in stage 2.
struct Judges {
    adversary: MelDiscriminator,
    classifier: MelClassifier,
    listener: Option<Listener>,
}

impl Judges {
    fn speaker_loss(&self, mel: &Tensor, who: &Tensor) -> Tensor {
        self.classifier.logits(mel).cross_entropy_for_logits(who)
    }
}

/// Level, noise and a lost stretch of time change at random, so that a classifier of speakers cannot
/// hold on to what no listener hears. Bands above 8 kHz, which half of the corpora lack, are left out.
fn disturbed(mel: &Tensor) -> Tensor {
    let size = mel.size();
    let gain = Tensor::randn([size[0], 1, 1], (Kind::Float, mel.device())) * 0.2;
    let noisy = mel + gain + mel.randn_like() * 0.08;
    let heard = Tensor::ones_like(mel);
    let filled = NARROW_BANDS as i64;
    let _ = heard.narrow(2, filled, size[2] - filled).fill_(0.0);
    noisy * heard
}

struct Terms {
    total: Tensor,
    values: [f64; 5],
    content: Tensor,
    mel: Tensor,
    codes: Option<CodeTerms>,
}

/// How differently the listener hears what was said than the clean batch; nothing without one.
fn misheard(listener: Option<&Listener>, batch: &FrameBatch, said: &Tensor) -> Tensor {
    match listener {
        Some(listener) => {
            let clean = batch.clean.narrow(1, 0, batch.mel.size()[1]);
            listener.misheard(&clean, said)
        }
        None => Tensor::zeros([], (Kind::Float, said.device())),
    }
}

/// What stage 1's checkpoint holds besides the learner's own.
fn beside(
    adversary: &SpeakerAdversary,
    listener: &Option<Listener>,
    upkeep: &Option<(&Codebook, Upkeep)>,
) -> Named {
    let mut all = adversary.state();
    all.extend(listener.iter().flat_map(Listener::state));
    all.extend(upkeep.iter().flat_map(|(_, upkeep)| upkeep.state()));
    all
}

struct Fake {
    same: Tensor,
    converted: Tensor,
    target: Tensor,
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::small;

    /// Values of all variables whose names begin so, or do not.
    fn values(networks: &AcousticNetworks, head: bool) -> BTreeMap<String, Tensor> {
        let all = networks.store.variables().into_iter();
        let wanted = all.filter(|(name, _)| name.starts_with("head") == head);
        wanted.map(|(name, value)| (name, value.copy())).collect()
    }

    #[test]
    fn heads_learn_first_while_a_packs_networks_stand_still() {
        tch::manual_seed(2);
        let folder = tempfile::tempdir().unwrap();
        let mut config = small::config();
        config.acoustic.heads_first = 40;
        let networks = AcousticNetworks::new(&config, 1, 0, Device::Cpu);
        let pool = small::pool();
        let run = small::run(&config, &pool, folder.path());
        let c = &config.acoustic;
        let classes = Classes {
            speakers: 1,
            spoken: 1,
            corpora: vec![1.0],
        };
        let mut adversary = SpeakerAdversary::new(&classes, 40, c, Device::Cpu);
        let shape = Shape {
            batch: c.batch,
            frames: c.frames,
        };
        let draw = config.data.draw(0);
        let batches = frame_batches(pool, shape, c.disturbance.clone(), draw);
        let batch = batches.recv().unwrap();
        let told = || {
            let content = networks.content(&batch.heard);
            let (phone, _) = no_grad(|| networks.phone_losses(&content, &batch));
            phone.double_value(&[])
        };
        let (before, pack) = (told(), values(&networks, false));
        let heads = values(&networks, true);
        let done = run.teach_heads(&networks, &mut adversary, None, &batches);
        assert!(done.unwrap());
        assert!(told() < before / 2.0, "{} of {before}", told());
        let same = |old: BTreeMap<String, Tensor>, head| {
            let new = values(&networks, head);
            old.iter().all(|(name, value)| value.equal(&new[name]))
        };
        assert!(same(pack, false));
        assert!(!same(heads, true));
    }
}
