//! From checkpoints to packs.

use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use mien_face::{PackDescription, Voice};
use tch::Tensor;

use super::checkpoint::{self, Tensors};
use super::config::TrainConfig;
use crate::networks::ActedContent;
use crate::pack::{self, Card};
use crate::streaming::{DELAY_SAMPLES, Feelings};

/// What is known of a shipped voice's speech.
#[derive(Clone, Debug, Default)]
pub struct VoiceFacts {
    /// Row of the speaker table.
    pub row: usize,
    /// Voiced pitches, log₂ of Hz, sorted.
    pub pitch: Vec<f32>,
    /// Minutes of speech.
    pub minutes: f32,
}

/// Writes the voice pack; returns its path. `instant`: the weights of an instant voice, if it gets one.
///
/// # Errors
/// When the acoustic or the vocoder checkpoint is missing, or the file cannot be written.
pub fn voices(
    config: &TrainConfig,
    run: &Path,
    out: &Path,
    facts: &[VoiceFacts],
    corpora: &[String],
    instant: Vec<(String, Tensor)>,
) -> Result<PathBuf> {
    let acoustic = read(run, "acoustic", "--stage acoustic")?;
    let converted = checkpoint::read(&run.join("convert.safetensors")).ok();
    let vocoder = read(run, "vocoder", "--stage vocoder")?;
    let mut tensors: BTreeMap<String, Tensor> =
        below(&acoustic, &["content", "generator", "voices"]);
    if let Some(converted) = &converted {
        for (name, after) in below(converted, &["generator", "voices"]) {
            let mixed = match tensors.get(&name) {
                Some(before) => before + (after - before) * config.pack.adversarial_share,
                None => after,
            };
            tensors.insert(name, mixed);
        }
    }
    tensors.extend(below(&vocoder, &["vocoder"]));
    tensors.extend(instant);
    let table = tensors
        .remove("voices")
        .context("the acoustic checkpoint has no voices")?;
    let rows: Vec<i64> = facts.iter().map(|f| f.row as i64).collect();
    let middle = table.mean_dim([0].as_slice(), true, None);
    let chosen = table.index_select(0, &Tensor::from_slice(&rows));
    tensors.insert(
        "voices".into(),
        &middle + (chosen - &middle) * config.pack.emphasis,
    );
    let voice = |(c, f): (&super::config::VoiceConfig, &VoiceFacts)| {
        let percentile = |p: f32| {
            let at = (f.pitch.len().saturating_sub(1)) as f32 * p;
            f.pitch.get(at as usize).copied().unwrap_or(7.0).exp2()
        };
        let mean = f.pitch.iter().sum::<f32>() / f.pitch.len().max(1) as f32;
        Voice {
            name: c.name.clone(),
            description: c.description.clone(),
            gender: c.gender.clone(),
            f0_low_hz: percentile(0.05),
            f0_mean_hz: mean.exp2(),
            f0_high_hz: percentile(0.95),
            trained_minutes: f.minutes,
            embedding: Vec::new(),
        }
    };
    let mut steps = vec![
        format!("acoustic {}", checkpoint::step(&acoustic)),
        format!("vocoder {}", checkpoint::step(&vocoder)),
    ];
    if let Some(converted) = &converted {
        steps.push(format!(
            "adversarial conversion {}",
            checkpoint::step(converted)
        ));
    }
    let description = PackDescription {
        name: config.pack.name.clone(),
        description: config.pack.description.clone(),
        licence: config.pack.licence.clone(),
        non_commercial: false,
        version: config.pack.version.clone(),
        trained_on: corpora.to_vec(),
        steps,
        figures: config.pack.figures.clone(),
        delay_samples: DELAY_SAMPLES as u32,
        voices: config.pack.voices.iter().zip(facts).map(voice).collect(),
        emotions: Vec::new(),
    };
    let card = Card {
        kind: "voices".into(),
        description,
        networks: config.networks.clone(),
        colour: config.pack.colour,
        ..Card::default()
    };
    let path = out.join(format!(
        "{}.{}",
        file_stem(&config.pack.name),
        pack::EXTENSION
    ));
    std::fs::create_dir_all(out)?;
    pack::write(&path, card, &tensors.into_iter().collect::<Vec<_>>())?;
    Ok(path)
}

/// The emotion adapter as an emotion pack holds it.
#[derive(Debug)]
pub struct Adapter {
    tensors: BTreeMap<String, Tensor>,
    steps: Vec<String>,
    acting: Option<ActedContent>,
}

impl Adapter {
    /// The last one of a run.
    ///
    /// # Errors
    /// When the emotion checkpoint is missing.
    pub fn of_run(run: &Path) -> Result<Self> {
        let saved = read(run, "emotion", "--stage emotion")?;
        Ok(Self {
            tensors: below(&saved, &["emotion"]),
            steps: vec![format!("emotion {}", checkpoint::step(&saved))],
            acting: None,
        })
    }

    /// That of the emotion pack beside a voice pack, with what it knows of acting.
    ///
    /// # Errors
    /// When there is none.
    pub fn of_pack(voices: &Path) -> Result<Self> {
        let (card, tensors) = pack::read(&pack::emotion_path(voices))?;
        Self::of_tensors(card, tensors)
    }

    /// That of an emotion pack's card and tensors.
    ///
    /// # Errors
    /// When it has only a part of what acting needs.
    pub fn of_tensors(card: Card, tensors: HashMap<String, Tensor>) -> Result<Self> {
        let acting = ActedContent::of_pack(&tensors)?;
        let adapter = tensors
            .into_iter()
            .filter(|(name, _)| name.starts_with("emotion."));
        Ok(Self {
            tensors: adapter.collect(),
            steps: card.description.steps,
            acting,
        })
    }

    /// Takes out what it knows of acting, if anything.
    pub fn acting(&mut self) -> Option<ActedContent> {
        self.acting.take()
    }
}

/// Writes the emotion pack beside the voice pack; returns its path.
///
/// # Errors
/// When the file cannot be written.
pub fn emotion(
    config: &TrainConfig,
    adapter: Adapter,
    acting: &ActedContent,
    voices: &Path,
    feelings: &Feelings,
    corpora: &[String],
) -> Result<PathBuf> {
    let description = PackDescription {
        name: format!("{} emotion", config.pack.name),
        description: "What feelings do to these voices".into(),
        licence: config.pack.emotion_licence.clone(),
        non_commercial: true,
        version: config.pack.version.clone(),
        trained_on: corpora.to_vec(),
        steps: adapter.steps,
        figures: config.pack.emotion_figures.clone(),
        delay_samples: DELAY_SAMPLES as u32,
        ..PackDescription::default()
    };
    let card = Card {
        kind: "emotion".into(),
        description,
        networks: config.networks.clone(),
        prosody: feelings.high.to_vec(),
        low_prosody: feelings.low.to_vec(),
        own_prosody: feelings.own.to_vec(),
        ..Card::default()
    };
    let path = pack::emotion_path(voices);
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder)?;
    }
    let mut tensors: Vec<(String, Tensor)> = adapter.tensors.into_iter().collect();
    tensors.extend(acting.tensors());
    pack::write(&path, card, &tensors)?;
    Ok(path)
}

/// The voice of every training speaker, `[speakers, voice]`, as the last stage left it.
///
/// # Errors
/// When there is no acoustic checkpoint.
pub fn voice_table(run: &Path) -> Result<Tensor> {
    let acoustic = read(run, "acoustic", "--stage acoustic")?;
    let converted = checkpoint::read(&run.join("convert.safetensors")).ok();
    let last = converted.as_ref().and_then(|c| c.get("ema/voices"));
    last.or(acoustic.get("ema/voices"))
        .map(Tensor::shallow_clone)
        .context("the acoustic checkpoint has no voices")
}

fn read(run: &Path, name: &str, how: &str) -> Result<Tensors> {
    let path = run.join(format!("{name}.safetensors"));
    checkpoint::read(&path).with_context(|| format!("train that part first ({how})"))
}

/// Running means of the variables below `parts`, by their names without `ema/`.
fn below(tensors: &Tensors, parts: &[&str]) -> BTreeMap<String, Tensor> {
    tensors
        .iter()
        .filter_map(|(name, tensor)| {
            let name = name.strip_prefix("ema/")?;
            // tch joins the parts of a name with dots.
            let part = name.split('.').next()?;
            parts
                .contains(&part)
                .then(|| (name.to_owned(), tensor.shallow_clone()))
        })
        .collect()
}

fn file_stem(name: &str) -> String {
    let plain = |c: char| {
        if c.is_ascii_alphanumeric() {
            c.to_ascii_lowercase()
        } else {
            '-'
        }
    };
    name.chars().map(plain).collect()
}
