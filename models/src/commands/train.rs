//! `mien train`: from speech on disk to a pack.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use tch::Device;

use crate::corpus::{self, Recording, emotion_index, held_out_speakers, sentence};
use crate::networks::{ActedContent, ContentEncoder};
use crate::nn::set_mixed;
use crate::pack::LoadedPack;
use crate::train::acoustic::{AcousticNetworks, AcousticRun};
use crate::train::batches::{Item, Pool};
use crate::train::classifier::ClassifierRun;
use crate::train::config::{TrainConfig, VoiceConfig};
use crate::train::emotion::{EmotionNetworks, EmotionRun, performed_of, prosody_of};
use crate::train::emotion_game::{EmotionGame, played};
use crate::train::export::{self, Adapter, VoiceFacts};
use crate::train::features::{FeatureSet, Teacher, load_or_make, rated_key};
use crate::train::parallel::Take;
use crate::train::performer::GameNetworks;
use crate::train::phones::{Phones, load_or_align};
use crate::train::rehearsal::Rehearsals;
use crate::train::vocoder::{VocoderNetworks, VocoderRun};
use crate::train::{acting, checkpoint, codes, emotion};

/// Trains the networks and makes a pack. Every stage goes on from its last checkpoint.
#[derive(Debug, clap::Parser)]
pub struct TrainArguments {
    /// Recipe with every hyperparameter (TOML); see models/recipes.
    #[arg(long)]
    config: PathBuf,
    /// Speech: a manifest.csv, a LibriSpeech/VCTK/ESD/RAVDESS folder, or a folder per speaker.
    /// May be given several times.
    #[arg(long, required = true)]
    corpus: Vec<PathBuf>,
    /// Folder of the run: checkpoints, logs, curves.
    #[arg(long)]
    run: PathBuf,
    /// Folder of cached features.
    #[arg(long)]
    cache: PathBuf,
    /// Folder of a recogniser's features (models/scripts/teacher.py); without it that loss is off.
    #[arg(long)]
    teacher: Option<PathBuf>,
    /// A pack whose networks the acoustic and the vocoder stage begin with; blocks it lacks start anew.
    /// The emotion stage alone takes it as its base, and writes the emotion pack that goes with it.
    #[arg(long)]
    start: Option<PathBuf>,
    /// Which part to train.
    #[arg(long, value_enum, default_value_t = Stage::All)]
    stage: Stage,
    /// Stop after that many minutes, with a checkpoint to go on from.
    #[arg(long)]
    minutes: Option<f64>,
    /// Threads of each operation; the default is all cores.
    #[arg(long)]
    threads: Option<i32>,
    /// Where to write the packs; the run's folder by default.
    #[arg(long)]
    out: Option<PathBuf>,
}

/// Parts of the training, in their order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Stage {
    /// Only make the cached features.
    Features,
    /// Content encoder and generator by reconstruction.
    Acoustic,
    /// Tell the phone error rate on unseen speakers, read greedily and with a grammar of phones: fresh readers
    /// are trained on the content of the acoustic stage's checkpoint, or of `--start`'s pack.
    Phones,
    /// Generator by conversion with adversaries.
    Convert,
    /// Vocoder.
    Vocoder,
    /// Emotion adapter, prosody, and what acting does to the content.
    Emotion,
    /// The last two alone: writes `--start`'s emotion pack with the recipe's prosody and with the content's maps fitted
    /// anew; not among all.
    Acting,
    /// Adapter and acting of `--start`'s emotion pack learn on against adversaries; writes the emotion pack again. Not among all: it begins
    /// with numbers of a performance that are searched for after the stages before.
    EmotionGame,
    /// Writes `--start`'s emotion pack again with the recipe's prosody, networks as they are; not among all.
    Perform,
    /// Emotion classifier for `mien evaluate`; not among all, since no pack needs it.
    Classifier,
    /// Speaker encoder, for `mien evaluate --verifier` and for instant voices; not among all.
    Speaker,
    /// Tell how often a fresh classifier names the speaker from the content of the acoustic stage's
    /// checkpoint, or of `--start`'s pack: unseen speakers first, then those of the training.
    SpeakerLeak,
    /// Tell how well instant voices of `--start`'s pack fit unseen speakers, and convert to them.
    InstantVoices,
    /// Write the packs from the checkpoints.
    Export,
    /// All that a pack needs.
    All,
}

/// Speech, split and featured.
pub struct Speech {
    /// Recordings of all corpora.
    pub recordings: Vec<Recording>,
    /// Their features.
    pub features: Arc<FeatureSet>,
    /// Speakers kept away from training.
    pub held_out: Vec<String>,
    /// Training speakers; the index is the row of the speaker table.
    pub speakers: Vec<String>,
    /// The recogniser's features.
    pub teacher: Option<Arc<Teacher>>,
    /// Phones of the transcribed recordings, where there is a teacher to align them by.
    pub phones: Option<Arc<Phones>>,
}

impl TrainArguments {
    /// Runs the stages.
    ///
    /// # Errors
    /// Bad recipe, unreadable speech, full disk, losses that stay infinite.
    pub fn run(&self) -> Result<()> {
        let text = std::fs::read_to_string(&self.config)
            .with_context(|| format!("cannot read the recipe {:?}", self.config))?;
        let config: TrainConfig =
            toml::from_str(&text).with_context(|| format!("{:?}", self.config))?;
        codes::check(&config)?;
        if let Some(threads) = self.threads {
            tch::set_num_threads(threads);
        }
        // Called before each stage's networks: they begin alike whether the stages before ran in this process or in another.
        let begin = || tch::manual_seed(config.data.seed as i64);
        begin();
        set_mixed(config.data.mixed_precision);
        let device = if tch::Cuda::is_available() {
            Device::Cuda(0)
        } else {
            Device::Cpu
        };
        let deadline = self
            .minutes
            .map(|m| Instant::now() + Duration::from_secs_f64(m * 60.0));
        let speech = self.speech(&config)?;
        if self.stage == Stage::Features {
            return Ok(());
        }
        let wants = |stage| self.stage == stage || self.stage == Stage::All;
        if wants(Stage::Acoustic) || wants(Stage::Convert) {
            let networks = speech.acoustic_networks(&config, device);
            let mut run = speech.acoustic_run(&config, &self.run, deadline, device)?;
            run.start = self
                .start
                .clone()
                .map(|pack| (pack, speech.shipped(&config)));
            if wants(Stage::Acoustic) && !run.reconstruct(&networks)? {
                return stopped();
            }
            if wants(Stage::Convert) && !run.convert(&networks)? {
                return stopped();
            }
        }
        if self.stage == Stage::Phones {
            let networks = speech.acoustic_networks(&config, device);
            match &self.start {
                Some(pack) => speech.load_pack(&config, &networks, pack)?,
                None => load_base(&networks, &self.run)?,
            }
            speech.tell_phones(&config, &networks, &self.run, deadline)?;
            return Ok(());
        }
        if wants(Stage::Vocoder) {
            begin();
            let networks = VocoderNetworks::new(&config, device);
            let pool = speech.pool(&config, |item, r| {
                let share = if item.wide { 3.0 } else { 1.0 };
                config
                    .data
                    .free_corpora
                    .contains(&r.corpus)
                    .then_some(share)
            });
            let run = VocoderRun {
                config: &config,
                pool: Arc::new(pool),
                folder: self.run.clone(),
                start: self.start.clone(),
                deadline,
                device,
            };
            if !run.train(&networks)? {
                return stopped();
            }
        }
        if wants(Stage::Emotion) {
            begin();
            let networks = EmotionNetworks::new(&config, device);
            let base = speech.acoustic_networks(&config, device);
            let run = speech.emotion_run(&config, &self.run, deadline, device)?;
            // With all stages, a pack to start from is where the acoustic stage began.
            let pack = self.start.as_ref().filter(|_| self.stage == Stage::Emotion);
            match pack {
                Some(pack) => {
                    speech.load_pack(&config, &base, pack)?;
                    freeze(&base);
                }
                None => load_base(&base, &self.run)?,
            }
            if !run.train(&networks, &base)? {
                return stopped();
            }
            if let Some(pack) = pack {
                self.export_beside(&config, &speech, Adapter::of_run(&self.run)?, pack)?;
            }
        }
        if self.stage == Stage::Acting {
            let pack = self.start.as_ref().context("acting needs --start PACK")?;
            self.export_beside(&config, &speech, Adapter::of_pack(pack)?, pack)?;
        }
        if self.stage == Stage::EmotionGame {
            let pack = self.start.as_ref().context("the game needs --start PACK")?;
            let networks = GameNetworks::of_pack(pack, config.emotion.game.frames, device)?;
            let run = speech.emotion_game(&config, pack, &self.run, deadline, device)?;
            if !run.train(&networks)? {
                return stopped();
            }
            let (card, tensors) = played(&self.run, pack, &config.emotion.game)?;
            let adapter = Adapter::of_tensors(card, tensors)?;
            self.export_again(&config, &speech, adapter, pack)?;
        }
        if self.stage == Stage::Perform {
            let pack = self.start.as_ref().context("this needs --start PACK")?;
            self.export_again(&config, &speech, Adapter::of_pack(pack)?, pack)?;
        }
        if self.stage == Stage::Classifier {
            let run = ClassifierRun {
                config: &config,
                acted: Arc::new(speech.acted(&config, false)),
                unseen: Arc::new(speech.acted(&config, true)),
                folder: self.run.clone(),
                deadline,
                device,
            };
            if run.acted.items.is_empty() || run.unseen.items.is_empty() {
                bail!(
                    "the classifier needs speech of the emotion_corpora of [data], of actors to learn from and of \
                     others named in held_out_speakers"
                );
            }
            if !run.train()? {
                return stopped();
            }
        }
        if self.stage == Stage::Speaker {
            let run = speech.speaker_run(&config, &self.run, deadline, device)?;
            if !run.train()? {
                return stopped();
            }
        }
        if self.stage == Stage::SpeakerLeak {
            if let Some(pack) = &self.start {
                let pack = LoadedPack::load(pack)?;
                speech.tell_leak(&config, &pack.networks.encoder, &self.run, deadline)?;
            } else {
                let networks = speech.acoustic_networks(&config, Device::Cpu);
                load_base(&networks, &self.run)?;
                speech.tell_leak(&config, &networks.encoder, &self.run, deadline)?;
            }
        }
        if self.stage == Stage::InstantVoices {
            let pack = self
                .start
                .as_ref()
                .context("instant voices need --start PACK")?;
            speech.tell_instant_voices(&LoadedPack::load(pack)?, &self.run)?;
        }
        if wants(Stage::Export) {
            self.export(&config, &speech)?;
        }
        Ok(())
    }

    fn export(&self, config: &TrainConfig, speech: &Speech) -> Result<()> {
        let out = self.out.as_ref().unwrap_or(&self.run);
        let mut corpora = config.data.free_corpora.clone();
        corpora.extend(config.data.unlabelled_corpora.clone());
        let facts = speech.voice_facts(config)?;
        let instant = speech.instant_voice(config, &self.run)?;
        let corpora = speech.licences(&corpora);
        let voices = export::voices(config, &self.run, out, &facts, &corpora, instant)?;
        println!("{}", voices.display());
        if self.run.join(emotion::CHECKPOINT).is_file() {
            let base = speech.acoustic_networks(config, Device::Cpu);
            load_base(&base, &self.run)?;
            let adapter = Adapter::of_run(&self.run)?;
            export_emotion(config, speech, adapter, &base.encoder, &voices)?;
        }
        Ok(())
    }

    /// Writes the emotion pack that goes with the voice pack `start`, where that pack would lie among the output.
    fn export_beside(
        &self,
        config: &TrainConfig,
        speech: &Speech,
        adapter: Adapter,
        start: &Path,
    ) -> Result<()> {
        let pack = LoadedPack::load(start)?;
        let voices = self.beside(start)?;
        export_emotion(config, speech, adapter, &pack.networks.encoder, &voices)
    }

    /// Writes it with what the adapter's pack knows of acting.
    fn export_again(
        &self,
        config: &TrainConfig,
        speech: &Speech,
        mut adapter: Adapter,
        start: &Path,
    ) -> Result<()> {
        let acting = adapter.acting().context(
            "the emotion pack beside --start knows nothing of acting: --stage acting first",
        )?;
        let voices = self.beside(start)?;
        write_emotion(config, speech, adapter, &acting, &voices)
    }

    /// Where the voice pack `start` would lie among the output.
    fn beside(&self, start: &Path) -> Result<PathBuf> {
        let name = start.file_name().context("--start is no file")?;
        Ok(self.out.as_ref().unwrap_or(&self.run).join(name))
    }

    fn speech(&self, config: &TrainConfig) -> Result<Speech> {
        let mut recordings = Vec::new();
        for path in &self.corpus {
            recordings.extend(corpus::read(path)?);
        }
        let c = &config.data;
        let used = |r: &Recording| {
            [&c.free_corpora, &c.emotion_corpora, &c.unlabelled_corpora]
                .iter()
                .any(|list| list.contains(&r.corpus))
        };
        recordings.retain(used);
        if recordings.is_empty() {
            bail!(
                "none of the corpora named in [data] of {:?} is in the given folders",
                self.config
            );
        }
        let mut features = load_or_make(&recordings, &c.rates, &self.cache)?;
        if matches!(self.stage, Stage::Speaker | Stage::SpeakerLeak) {
            // They hear mels only; the sound itself is two thirds of the memory.
            features.values_mut().for_each(|f| f.sound = Vec::new());
        }
        let held_out = held_out_speakers(&recordings, c.held_out, &c.held_out_speakers);
        let read = |folder| Teacher::read(folder, config.acoustic.teacher_values);
        let teacher = self.teacher.as_deref().map(read).transpose()?.map(Arc::new);
        let mut speech = Speech {
            recordings,
            features: Arc::new(features),
            held_out,
            speakers: Vec::new(),
            teacher,
            phones: None,
        };
        if let Some(teacher) = &speech.teacher {
            // The alignment shapes the free weights, so it learns from free speech alone.
            let free = |r: &&Recording| c.free_corpora.contains(&r.corpus);
            let free: Vec<Recording> = speech.recordings.iter().filter(free).cloned().collect();
            let phones = load_or_align(&free, &speech.features, teacher, &self.cache)?;
            speech.phones = Some(Arc::new(phones));
        }
        speech.speakers = speech.training_speakers(config);
        tracing::info!(
            "{} recordings, {} speakers to train on, {} kept for validation",
            speech.recordings.len(),
            speech.speakers.len(),
            speech.held_out.len()
        );
        Ok(speech)
    }
}

/// Writes the emotion pack that belongs beside the voice pack `voices`, with maps of what `encoder` hears.
fn export_emotion(
    config: &TrainConfig,
    speech: &Speech,
    adapter: Adapter,
    encoder: &ContentEncoder,
    voices: &Path,
) -> Result<()> {
    let acting = acting::fit(&speech.takes(config), &speech.features, encoder)?;
    write_emotion(config, speech, adapter, &acting, voices)
}

/// The same with acting that is known.
fn write_emotion(
    config: &TrainConfig,
    speech: &Speech,
    adapter: Adapter,
    acting: &ActedContent,
    voices: &Path,
) -> Result<()> {
    let takes = speech.takes(config);
    let feelings = performed_of(&config.emotion, &takes, &speech.features)?;
    let corpora = speech.licences(&config.data.emotion_corpora);
    let path = export::emotion(config, adapter, acting, voices, &feelings, &corpora)?;
    println!("{}", path.display());
    Ok(())
}

/// The trained encoder, generator and voices, for stages that build on them.
fn load_base(base: &AcousticNetworks, run: &Path) -> Result<()> {
    let acoustic = checkpoint::read(&run.join("acoustic.safetensors"))
        .context("train --stage acoustic first")?;
    checkpoint::load_into(&base.store, &acoustic, "ema");
    if let Ok(converted) = checkpoint::read(&run.join("convert.safetensors")) {
        checkpoint::load_into(&base.store, &converted, "ema");
    }
    freeze(base);
    Ok(())
}

/// Lets no gradient reach the networks that a stage builds on.
fn freeze(base: &AcousticNetworks) {
    let mut store = base.store.variables();
    store.values_mut().for_each(|v| {
        let _ = v.requires_grad_(false);
    });
}

fn stopped() -> Result<()> {
    eprintln!("stopped at the time limit; the same command goes on from the checkpoint");
    Ok(())
}

impl Speech {
    fn training_speakers(&self, config: &TrainConfig) -> Vec<String> {
        let mut names: Vec<String> = Vec::new();
        for &rate in &config.data.rates {
            let free = self.free(config, false);
            names.extend(free.map(|r| rated_key(&r.speaker, rate)));
        }
        names.sort();
        names.dedup();
        names
    }

    /// Whether a recording's speaker is known and not kept from training.
    pub(super) fn trains(&self, recording: &Recording) -> bool {
        !recording.speaker.is_empty() && !self.held_out.contains(&recording.speaker)
    }

    /// Recordings of the free corpora whose speaker is known: those that train, or those that no training hears.
    pub(super) fn free(
        &self,
        config: &TrainConfig,
        unseen: bool,
    ) -> impl Iterator<Item = &Recording> {
        let known = self.recordings.iter().filter(|r| !r.speaker.is_empty());
        known.filter(move |r| {
            config.data.free_corpora.contains(&r.corpus) && self.trains(r) != unseen
        })
    }

    /// Items for which `weight` tells a share, at every rate.
    pub fn pool(
        &self,
        config: &TrainConfig,
        weight: impl Fn(&Item, &Recording) -> Option<f64>,
    ) -> Pool {
        let mut items = Vec::new();
        let wide = ["kokoro", "ravdess", "savee", "nemo"];
        for &rate in &config.data.rates {
            for r in self
                .recordings
                .iter()
                .filter(|r| !self.held_out.contains(&r.speaker))
            {
                let name = rated_key(&r.speaker, rate);
                let row = |name: &String| self.speakers.binary_search(name).ok();
                let speaker = row(&name).map_or(-1, |i| i as i64);
                let mut item = Item {
                    key: rated_key(&r.key, rate),
                    teacher_key: r.key.clone(),
                    rate,
                    speaker,
                    person: row(&r.speaker).map_or(speaker, |i| i as i64),
                    corpus: config.data.corpus_index(&r.corpus),
                    emotion: emotion_index(&r.emotion),
                    wide: wide.contains(&r.corpus.as_str()),
                    weight: 0.0,
                };
                if let Some(share) = weight(&item, r) {
                    let frames = self.features.get(&item.key).map_or(0, |f| f.mel.len());
                    item.weight = share * frames as f64;
                    items.push(item);
                }
            }
        }
        Pool::new(items, self.features.clone(), self.teacher.clone())
            .with_phones(self.phones.clone())
    }

    /// Networks of the acoustic stages, fresh.
    pub fn acoustic_networks(&self, config: &TrainConfig, device: Device) -> AcousticNetworks {
        let teacher = self.teacher.as_ref().map_or(0, |t| t.size);
        AcousticNetworks::new(config, self.speakers.len(), teacher, device)
    }

    fn acoustic_run<'a>(
        &self,
        config: &'a TrainConfig,
        folder: &Path,
        deadline: Option<Instant>,
        device: Device,
    ) -> Result<AcousticRun<'a>> {
        let d = &config.data;
        let heard = self.pool(config, |_, r| {
            let free = d.free_corpora.contains(&r.corpus);
            // Synthetic voices are few and clean; they are drawn more, because they are shipped.
            let share = if r.corpus == "kokoro" { 2.0 } else { 1.0 };
            (free || d.unlabelled_corpora.contains(&r.corpus)).then_some(share)
        });
        let shipped: Vec<&str> = config
            .pack
            .voices
            .iter()
            .map(|v| v.speaker.as_str())
            .collect();
        let voices = self.pool(config, |item, r| {
            (item.rate == 1.0 && shipped.contains(&r.speaker.as_str())).then_some(1.0)
        });
        if voices.items.is_empty() {
            bail!("none of the speakers named in [[pack.voices]] is in the given speech");
        }
        let mut held_out = Vec::new();
        for r in self
            .recordings
            .iter()
            .filter(|r| self.held_out.contains(&r.speaker))
        {
            if d.free_corpora.contains(&r.corpus) {
                let weight = self.features.get(&r.key).map_or(0, |f| f.mel.len()) as f64;
                held_out.push(Item {
                    key: r.key.clone(),
                    teacher_key: r.key.clone(),
                    rate: 1.0,
                    speaker: -1,
                    person: -1,
                    corpus: d.corpus_index(&r.corpus),
                    emotion: 0,
                    wide: false,
                    weight,
                });
            }
        }
        let held_out = Pool::new(held_out, self.features.clone(), self.teacher.clone())
            .with_phones(self.phones.clone());
        if held_out.items.is_empty() {
            bail!("no speaker is kept for validation: name some in held_out_speakers of [data]");
        }
        Ok(AcousticRun {
            config,
            pool: Arc::new(heard),
            voices: Arc::new(voices),
            held_out: Arc::new(held_out),
            mean_pitch: self.mean_pitch(config),
            folder: folder.to_owned(),
            start: None,
            deadline,
            device,
        })
    }

    /// A pack's encoder, generator and voices, for stages that do not train them.
    fn load_pack(&self, config: &TrainConfig, base: &AcousticNetworks, pack: &Path) -> Result<()> {
        let fits = base.start_from(pack, &self.shipped(config), config.pack.emphasis)?;
        ensure!(
            fits,
            "the content of {pack:?} has not {} codes, as [networks] of the recipe says",
            config.networks.codes
        );
        Ok(())
    }

    /// Rows of the shipped voices in the speaker table.
    fn shipped(&self, config: &TrainConfig) -> Vec<i64> {
        let row = |v: &VoiceConfig| {
            self.speakers
                .binary_search(&v.speaker)
                .ok()
                .map(|i| i as i64)
        };
        config.pack.voices.iter().filter_map(row).collect()
    }

    /// Actors of the acted corpora.
    pub fn actors(&self, config: &TrainConfig) -> Vec<String> {
        let acted =
            |r: &&Recording| config.data.emotion_corpora.contains(&r.corpus) && self.trains(r);
        let mut names: Vec<String> = self
            .recordings
            .iter()
            .filter(acted)
            .map(|r| r.speaker.clone())
            .collect();
        names.sort();
        names.dedup();
        names
    }

    /// Acted speech with the actors' rows, each emotion drawn about equally often; with `held_out`
    /// that of the actors kept away from training.
    pub fn acted(&self, config: &TrainConfig, held_out: bool) -> Pool {
        let actors = self.actors(config);
        let used = |r: &&Recording| {
            config.data.emotion_corpora.contains(&r.corpus)
                && !r.emotion.is_empty()
                && self.held_out.contains(&r.speaker) == held_out
        };
        let mut frames = [0.0_f64; mien_face::EMOTIONS.len() + 1];
        let length = |r: &Recording| self.features.get(&r.key).map_or(0, |f| f.mel.len()) as f64;
        for r in self.recordings.iter().filter(used) {
            frames[emotion_index(&r.emotion) as usize] += length(r);
        }
        let item = |r: &Recording| {
            let actor = actors.binary_search(&r.speaker).map_or(-1, |i| i as i64);
            Item {
                key: r.key.clone(),
                teacher_key: r.key.clone(),
                rate: 1.0,
                speaker: actor,
                person: actor,
                corpus: config.data.corpus_index(&r.corpus),
                emotion: emotion_index(&r.emotion),
                wide: r.corpus != "emodb",
                // Class balancing by sampling (the article's option).
                weight: length(r) / frames[emotion_index(&r.emotion) as usize].max(1.0),
            }
        };
        let items = self.recordings.iter().filter(used).map(item).collect();
        Pool::new(items, self.features.clone(), None)
    }

    fn emotion_run<'a>(
        &self,
        config: &'a TrainConfig,
        folder: &Path,
        deadline: Option<Instant>,
        device: Device,
    ) -> Result<EmotionRun<'a>> {
        let takes = self.takes(config);
        if takes.is_empty() {
            bail!("none of the emotion_corpora of [data] is in the given speech");
        }
        let prosody = prosody_of(&config.emotion, &takes, &self.features)?;
        for (name, p) in mien_face::EMOTIONS.iter().zip(&prosody) {
            tracing::info!("{name}: {p:?}");
        }
        Ok(EmotionRun {
            config,
            takes,
            features: self.features.clone(),
            shipped: self.shipped(config),
            mean_pitch: self.mean_pitch(config),
            prosody,
            folder: folder.to_owned(),
            deadline,
            device,
        })
    }

    fn emotion_game<'a>(
        &self,
        config: &'a TrainConfig,
        pack: &Path,
        folder: &Path,
        deadline: Option<Instant>,
        device: Device,
    ) -> Result<EmotionGame<'a>> {
        let networks = LoadedPack::load(pack)?.networks;
        let takes = self.takes(config);
        // As the recipe performs, whatever the pack does.
        let feelings = performed_of(&config.emotion, &takes, &self.features)?;
        let share = config.emotion.game.own_share;
        let rehearsals = Rehearsals::new(&takes, &self.features, &networks, feelings, share);
        Ok(EmotionGame {
            config,
            rehearsals: Arc::new(rehearsals),
            folder: folder.to_owned(),
            deadline,
            device,
        })
    }

    /// All takes of the training actors.
    fn takes(&self, config: &TrainConfig) -> Vec<Take> {
        let actors = self.actors(config);
        let used = |r: &&Recording| {
            config.data.emotion_corpora.contains(&r.corpus)
                && !r.emotion.is_empty()
                && self.trains(r)
        };
        let take = |r: &Recording| Take {
            key: r.key.clone(),
            actor: actors.binary_search(&r.speaker).map_or(-1, |i| i as i64),
            emotion: emotion_index(&r.emotion),
            sentence: sentence(r),
            intensity: r.intensity.clone(),
            wide: r.corpus != "emodb",
        };
        self.recordings.iter().filter(used).map(take).collect()
    }

    fn licences(&self, names: &[String]) -> Vec<String> {
        names.iter().map(|n| self.corpus_line(n)).collect()
    }

    /// What the cards say of each shipped voice.
    fn voice_facts(&self, config: &TrainConfig) -> Result<Vec<VoiceFacts>> {
        let pitch = self.pitch_values(config);
        let facts = |voice: &VoiceConfig| {
            let row = self.speakers.binary_search(&voice.speaker).map_err(|_| {
                anyhow::anyhow!(
                    "the speaker {} of voice {} is not in the given speech",
                    voice.speaker,
                    voice.name
                )
            })?;
            let mut values: Vec<f32> = pitch[row].iter().map(|v| v + 180.0_f32.log2()).collect();
            values.sort_by(f32::total_cmp);
            let own = self
                .recordings
                .iter()
                .filter(|r| r.speaker == voice.speaker);
            let frames: usize = own
                .filter_map(|r| self.features.get(&r.key))
                .map(|f| f.mel.len())
                .sum();
            Ok(VoiceFacts {
                row,
                pitch: values,
                minutes: frames as f32 / 6000.0,
            })
        };
        config.pack.voices.iter().map(facts).collect()
    }

    /// A corpus with its hours and licence, for the card.
    fn corpus_line(&self, corpus: &str) -> String {
        let own: Vec<&Recording> = self
            .recordings
            .iter()
            .filter(|r| r.corpus == corpus)
            .collect();
        let frames: usize = own
            .iter()
            .filter_map(|r| self.features.get(&r.key))
            .map(|f| f.mel.len())
            .sum();
        let mut licences: Vec<&str> = own
            .iter()
            .map(|r| r.licence.as_str())
            .filter(|l| !l.is_empty())
            .collect();
        licences.sort_unstable();
        licences.dedup();
        format!(
            "{corpus} ({:.1} h; {})",
            frames as f64 / 360_000.0,
            licences.join(", ")
        )
    }

    /// Mean pitch of each speaker as the networks read it (log₂ of Hz over 180).
    pub fn mean_pitch(&self, config: &TrainConfig) -> Vec<f32> {
        self.pitch_values(config).iter().map(|v| mean(v)).collect()
    }

    /// All voiced pitches (log₂ of Hz over 180) of each training speaker.
    pub fn pitch_values(&self, config: &TrainConfig) -> Vec<Vec<f32>> {
        let mut values: BTreeMap<usize, Vec<f32>> = BTreeMap::new();
        for &rate in &config.data.rates {
            for r in &self.recordings {
                let Ok(row) = self.speakers.binary_search(&rated_key(&r.speaker, rate)) else {
                    continue;
                };
                let Some(features) = self.features.get(&rated_key(&r.key, rate)) else {
                    continue;
                };
                let voiced = features
                    .pitch
                    .iter()
                    .filter(|p| p[0] > 0.0)
                    .map(|p| (p[0] / 180.0).log2());
                values.entry(row).or_default().extend(voiced);
            }
        }
        (0..self.speakers.len())
            .map(|row| values.remove(&row).unwrap_or_default())
            .collect()
    }
}

fn mean(values: &[f32]) -> f32 {
    if values.is_empty() {
        0.0
    } else {
        values.iter().sum::<f32>() / values.len() as f32
    }
}
