//! The stages of `mien train` about who speaks: the speaker encoder, how much of the speaker is left in
//! the content, and instant voices.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Instant;

use anyhow::{Result, bail, ensure};
use mien_face::{Controls, FRAME, SAMPLE_RATE};
use tch::{Device, Kind, Tensor, no_grad};

use super::train::Speech;
use crate::corpus::{Recording, held_out_speakers};
use crate::evaluate::convert;
use crate::evaluate::verification::{Length, Side, Trials};
use crate::evaluate::verifier::{SpeakerVerifier, config_of, embed_mel};
use crate::networks::ContentEncoder;
use crate::pack::LoadedPack;
use crate::speaker::Spoken;
use crate::streaming::Converter;
use crate::train::batches::{clean_content_input, label_frames};
use crate::train::config::TrainConfig;
use crate::train::features::Features;
use crate::train::phones::{LABELS, Phone};
use crate::train::speaker::{self, Speaker, SpeakerRun, mel_of};
use crate::train::speaker_leak::{self, Course, Leak};
use crate::train::{checkpoint, export, voice_map};

/// Speakers with less than that, in frames, are not learned from.
const LEAST: usize = 1000;

impl Speech {
    /// The run of the speaker stage: who trains it, and the trials of those who do not.
    ///
    /// # Errors
    /// When there is nobody to learn from or to validate with.
    pub fn speaker_run<'a>(
        &self,
        config: &'a TrainConfig,
        folder: &Path,
        deadline: Option<Instant>,
        device: Device,
    ) -> Result<SpeakerRun<'a>> {
        let c = &config.speaker;
        let labelled = |r: &&Recording| {
            let corpora = [&config.data.free_corpora, &config.data.emotion_corpora];
            !r.speaker.is_empty() && corpora.iter().any(|list| list.contains(&r.corpus))
        };
        let labelled: Vec<&Recording> = self.recordings.iter().filter(labelled).collect();
        let unseen = self.unseen(&labelled, c.held_out);
        let free = |r: &&&Recording| config.data.free_corpora.contains(&r.corpus);
        let mut speakers: BTreeMap<&str, Vec<&Recording>> = BTreeMap::new();
        for r in &labelled {
            if !unseen.contains(&r.speaker) && (c.acted || free(&r)) && self.frames(r) > 30 {
                speakers.entry(&r.speaker).or_default().push(r);
            }
        }
        let speaker = |own: Vec<&Recording>| {
            let frames: usize = own.iter().map(|r| self.frames(r)).sum();
            (frames >= LEAST).then(|| Speaker {
                keys: own.iter().map(|r| r.key.clone()).collect(),
                weight: (frames as f64 / 6000.0).powf(c.balance),
            })
        };
        let speakers: Vec<Speaker> = speakers.into_values().filter_map(speaker).collect();
        let held: Vec<&Recording> = labelled
            .iter()
            .copied()
            .filter(|r| unseen.contains(&r.speaker))
            .collect();
        let (free, acted): (Vec<&Recording>, Vec<&Recording>) = held.iter().partition(|r| free(r));
        let frames = |r: &Recording| self.frames(r);
        let mut trials = Vec::new();
        for (kind, recordings) in [("free", &free), ("acted", &acted)] {
            for (name, length) in [
                ("4 s", Length::Segment(400)),
                ("whole", Length::Whole),
                ("15 s", Length::Joined(1500)),
            ] {
                let name = format!("{kind}, {name}");
                trials.push(Trials::new(&name, recordings, frames, length));
            }
        }
        ensure!(
            speakers.len() >= 4,
            "a speaker encoder needs at least four speakers with 10 s each, best hundreds; there are {}",
            speakers.len()
        );
        if trials
            .iter()
            .all(|t| t.targets.is_empty() || t.impostors.is_empty())
        {
            bail!(
                "no two speakers of one corpus are kept for validation: raise held_out of [speaker]"
            );
        }
        tracing::info!(
            "{} speakers to learn from, {} unseen",
            speakers.len(),
            unseen.len()
        );
        Ok(SpeakerRun {
            config,
            speakers,
            features: self.features.clone(),
            trials,
            folder: folder.to_owned(),
            deadline,
            device,
        })
    }

    /// Speakers that the speaker encoder does not see: those that `[data]` keeps, and a share more.
    pub fn unseen(&self, labelled: &[&Recording], share: f64) -> Vec<String> {
        let others: Vec<Recording> = labelled
            .iter()
            .filter(|r| !self.held_out.contains(&r.speaker))
            .map(|r| (*r).clone())
            .collect();
        let mut unseen = held_out_speakers(&others, share, &[]);
        unseen.extend(self.held_out.iter().cloned());
        unseen.sort();
        unseen
    }

    fn frames(&self, recording: &Recording) -> usize {
        self.features.get(&recording.key).map_or(0, |f| f.mel.len())
    }

    /// Prints how often a fresh classifier names the speakers, from the content and from what the encoder hears;
    /// and from transcribed recordings' content and phones, the least that content can tell. First those that no
    /// training heard, among themselves, then the training speakers.
    ///
    /// # Errors
    /// Too little speech, a full disk.
    pub fn tell_leak(
        &self,
        config: &TrainConfig,
        encoder: &ContentEncoder,
        folder: &Path,
        deadline: Option<Instant>,
    ) -> Result<()> {
        let said = |key: &str| self.phones.as_ref().and_then(|p| p.get(key));
        let mel = |key: &str| {
            let mel = clean_content_input(self.features.get(key)?);
            Some(mel.squeeze_dim(0))
        };
        let content = |key: &str| Some(encoder.encode(&mel(key)?.unsqueeze(0)).squeeze_dim(0));
        let phones = |key: &str| {
            let frames = self.features.get(key)?.mel.len();
            Some(one_hot_phones(said(key)?, frames))
        };
        type Look<'a> = &'a dyn Fn(&str) -> Option<Tensor>;
        let course = Course {
            seed: config.data.seed,
            ..Course::default()
        };
        // Of few speakers all that is there is asked about, every recording in its turn, or a handful of crops would tell little.
        let few = Course {
            ask: usize::MAX,
            turns: speaker_leak::SPLIT,
            ..course
        };
        let groups = [
            ("speakers that no training heard", "-unseen", true, few),
            ("training speakers", "", false, course),
        ];
        for (whose, suffix, unseen, course) in groups {
            let speakers = self.free_speakers(config, unseen);
            let mut transcribed = speakers.clone();
            for speaker in &mut transcribed {
                speaker.recordings.retain(|key| said(key).is_some());
            }
            println!("{whose} ({}):", speakers.len());
            let rows: [(&str, &str, &[speaker_leak::Speaker], Look); 4] = [
                ("content", "content", &speakers, &content),
                ("log mel, for comparison", "mel", &speakers, &mel),
                (
                    "phones with their times, transcribed",
                    "phones",
                    &transcribed,
                    &phones,
                ),
                (
                    "content, transcribed",
                    "transcribed",
                    &transcribed,
                    &content,
                ),
            ];
            for (what, name, speakers, look) in rows {
                let there = speakers.iter().filter(|s| !s.recordings.is_empty());
                if there.count() < 2 {
                    println!(
                        "{what}: needs two speakers, and transcripts and --teacher if transcribed"
                    );
                    continue;
                }
                let name = format!("leak-{name}{suffix}");
                let leak =
                    speaker_leak::measure(&name, speakers, look, (folder, deadline), course)?;
                tell(what, &leak);
            }
        }
        Ok(())
    }

    /// The speakers of the free corpora: those that training hears, or those that it does not.
    fn free_speakers(&self, config: &TrainConfig, unseen: bool) -> Vec<speaker_leak::Speaker> {
        let mut speakers: BTreeMap<&str, speaker_leak::Speaker> = BTreeMap::new();
        for r in self.free(config, unseen) {
            let own = speakers.entry(&r.speaker).or_default();
            own.name.clone_from(&r.speaker);
            own.corpus.clone_from(&r.corpus);
            own.recordings.push(r.key.clone());
        }
        speakers.into_values().collect()
    }

    /// The weights of an instant voice for the pack of a run; none where the run has no speaker encoder
    /// that may go into it.
    ///
    /// # Errors
    /// When the speaker encoder's file is broken or of other sizes than the recipe's.
    pub fn instant_voice(&self, config: &TrainConfig, run: &Path) -> Result<Vec<(String, Tensor)>> {
        let path = run.join(speaker::FILE);
        if !path.is_file() {
            return Ok(Vec::new());
        }
        let saved = checkpoint::read(&path)?;
        if saved.get("acted").is_none_or(|t| t.int64_value(&[]) != 0) {
            tracing::warn!(
                "{path:?} learned from acted speech: left out, as its licences would bind the pack"
            );
            return Ok(Vec::new());
        }
        let verifier = SpeakerVerifier::load(&path)?;
        let sizes = saved.get("sizes").and_then(config_of);
        ensure!(
            sizes.as_ref() == Some(&config.networks.speaker),
            "{path:?} has the sizes {sizes:?}, [networks.speaker] of the recipe says otherwise"
        );
        let (mut directions, mut rows) = (Vec::new(), Vec::new());
        for (row, name) in self.speakers.iter().enumerate() {
            for mel in self.stretches(name) {
                directions.extend(embed_mel(verifier.encoder(), &mel));
                rows.push(row as i64);
            }
        }
        let directions = Tensor::from_slice(&directions)
            .reshape([rows.len() as i64, config.networks.speaker.embedding]);
        let Some(map) = voice_map::fit(&directions, &rows, &export::voice_table(run)?) else {
            return Ok(Vec::new());
        };
        println!(
            "instant voices: {:.0} % of what sets voices apart is told of speakers left out, from 5 s ({} speakers)",
            100.0 * map.told,
            self.speakers.len()
        );
        let weights = saved.into_iter().filter_map(|(name, tensor)| {
            let name = name.strip_prefix("ema/speaker.")?;
            Some((format!("speaker.{name}"), tensor.to_kind(Kind::Float)))
        });
        let mut tensors: Vec<(String, Tensor)> = weights.collect();
        tensors.push(("instant.weight".into(), map.weight));
        tensors.push(("instant.bias".into(), map.bias));
        Ok(tensors)
    }

    /// Up to eight stretches of about 5 s of a speaker, as the speaker encoder reads them.
    fn stretches(&self, speaker: &str) -> Vec<Vec<f32>> {
        let own: Vec<&Recording> = self
            .recordings
            .iter()
            .filter(|r| r.speaker == speaker)
            .collect();
        let trials = Trials::new("", &own, |r| self.frames(r), Length::Joined(500));
        let side = |side: &Side| mel_of(side, &self.features);
        trials.sides.iter().take(8).map(side).collect()
    }

    /// Prints the loss of instant voices of unseen speakers on speech they were not fitted to, by seconds
    /// of recording, beginning and steps of fitting; converts other unseen speakers to them, and writes
    /// the list for models/scripts/judge.py to the run's folder.
    ///
    /// # Errors
    /// A full disk.
    pub fn tell_instant_voices(&self, pack: &LoadedPack, folder: &Path) -> Result<()> {
        let mut speakers: BTreeMap<&str, Vec<&Recording>> = BTreeMap::new();
        for r in self
            .recordings
            .iter()
            .filter(|r| self.held_out.contains(&r.speaker))
        {
            if matches!(r.emotion.as_str(), "" | "neutral" | "calm") && self.frames(r) > 100 {
                speakers.entry(&r.speaker).or_default().push(r);
            }
        }
        let long = |own: &Vec<&Recording>| own.iter().map(|r| self.frames(r)).sum::<usize>() > 4500;
        speakers.retain(|_, own| long(own));
        ensure!(
            speakers.len() > 1,
            "instant voices need two unseen speakers with 45 s of neutral speech each"
        );
        let all: Vec<&Vec<&Recording>> = speakers.values().collect();
        let mut table: BTreeMap<(usize, &str, u64), Vec<f64>> = BTreeMap::new();
        let mut questions = Vec::new();
        std::fs::create_dir_all(folder)?;
        for (number, own) in all.iter().enumerate() {
            // The last recordings are for asking, the first ones are what a user would give.
            let asked: Vec<&Recording> = own.iter().rev().take(4).copied().collect();
            let ask = self.sound(&asked, 1500);
            let ask = Spoken::new(pack, &Features::analyse(&ask));
            let other = all[(number + 1) % all.len()];
            let source = self.sound(&other[..2.min(other.len())], 600);
            let source_path = write_sound(folder, &format!("{number}_source"), &source)?;
            for seconds in [5, 10, 30] {
                let sound = self.sound(&own[..own.len() - asked.len()], 100 * seconds);
                let features = Features::analyse(&sound);
                let given = Spoken::new(pack, &features);
                let f0 = mean_f0(&features);
                let mut begin = vec![("middle", crate::speaker::middle(pack))];
                begin.extend(given.encoded(pack).map(|voice| ("encoder", voice)));
                for (name, start) in begin {
                    for steps in [0, 10, 30, 80] {
                        let voice = given.fit(pack, &start, steps);
                        let level = no_grad(|| ask.losses(pack, &voice).0.double_value(&[]));
                        table.entry((seconds, name, steps)).or_default().push(level);
                        // `embed_voice` takes the last; the others tell what the encoder and the fitting bring.
                        let wanted = [("middle", 80), ("encoder", 0), ("encoder", 80)];
                        if !wanted.contains(&(name, steps)) {
                            continue;
                        }
                        let mut converter = Converter::new(pack.networks.clone());
                        let values = Vec::<f32>::try_from(&voice.view([-1]))?;
                        let index = converter.add_voice(&values, f0)?;
                        let mut controls = Controls::default();
                        controls.voices[0].index = index as u32;
                        let out = convert(&mut converter, &source, &controls);
                        let clip = format!("{number}_{seconds}s_{name}_{steps}");
                        questions.push(serde_json::json!({
                            "path": write_sound(folder, &clip, &out)?,
                            "source": source_path,
                            "target": asked.iter().map(|r| &r.path).collect::<Vec<_>>(),
                            "text": null,
                        }));
                    }
                }
            }
        }
        println!(
            "mel distance of {} unseen speakers on speech that was not fitted to",
            all.len()
        );
        for ((seconds, name, steps), levels) in &table {
            let mean = levels.iter().sum::<f64>() / levels.len() as f64;
            println!("{seconds:3} s, from {name:8} {steps:3} steps: {mean:.4}");
        }
        let list = folder.join("instant-voices.json");
        std::fs::write(&list, serde_json::to_string_pretty(&questions)?)?;
        println!("{}", list.display());
        Ok(())
    }

    /// Recordings one after another at 24 kHz, that many frames at most.
    fn sound(&self, recordings: &[&Recording], frames: usize) -> Vec<f32> {
        let most = frames * FRAME;
        let mut sound = Vec::with_capacity(most);
        for features in recordings.iter().filter_map(|r| self.features.get(&r.key)) {
            sound.extend(features.sound.iter().map(|&v| f32::from(v) / 32768.0));
            if sound.len() >= most {
                break;
            }
        }
        sound.truncate(most);
        sound
    }
}

/// Most speakers of whom it is told as whom each is named.
const TOLD_EACH: usize = 12;

fn tell(what: &str, leak: &Leak) {
    println!(
        "{what}: {:.1} % of {} crops of 2.5 s named rightly, {:.1} % averaged over {} speakers ({} more \
         have too little speech) = {:.1} times chance ({:.2} %); always naming the most frequent one: {:.2} %; the corpus is right in {:.1} %; among the speakers \
         of the right corpus {:.1} % = {:.1} times chance ({:.2} %)",
        100.0 * leak.right,
        leak.crops,
        100.0 * leak.balanced,
        leak.speakers,
        leak.left_out,
        leak.times_chance(),
        100.0 / leak.speakers as f64,
        100.0 * leak.majority,
        100.0 * leak.corpus,
        100.0 * leak.within,
        leak.times_chance_within(),
        100.0 * leak.within_chance
    );
    if leak.speakers > TOLD_EACH {
        return;
    }
    for (name, named) in leak.names.iter().zip(&leak.named) {
        let as_whom = leak.names.iter().zip(named);
        let as_whom = as_whom.map(|(whom, share)| format!("{whom} {:.0} %", 100.0 * share));
        println!(
            "  {name} is named {}",
            as_whom.collect::<Vec<_>>().join(", ")
        );
    }
}

/// The label of each frame as one of [`LABELS`] values: `[frames, LABELS]`.
fn one_hot_phones(said: &[Phone], frames: usize) -> Tensor {
    let mut labels = vec![0; frames];
    label_frames(said, 1.0, 0, &mut labels);
    Tensor::from_slice(&labels).one_hot(LABELS)
}

fn write_sound(folder: &Path, name: &str, sound: &[f32]) -> Result<PathBuf> {
    let path = std::path::absolute(folder.join(format!("{name}.wav")))?;
    let sound = mien_audio::Sound::from_mono(sound.to_vec(), SAMPLE_RATE);
    mien_audio::write(&path, &sound, mien_audio::Depth::Int24)?;
    Ok(path)
}

/// Geometric mean of the pitch in Hz; 150 where nothing is voiced.
fn mean_f0(features: &Features) -> f32 {
    let voiced = features.pitch.iter().map(|p| p[0]).filter(|&f| f > 0.0);
    let logs: Vec<f64> = voiced.map(|f| f64::from(f).ln()).collect();
    crate::evaluate::mean(logs.into_iter()).map_or(150.0, |m| m.exp() as f32)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn phones_without_sound_tell_what_is_said_and_when() {
        let phone = |label, start, end| Phone { label, start, end };
        let shown = one_hot_phones(&[phone(3, 0.1, 0.2), phone(7, 0.2, 0.25)], 40);
        assert_eq!(shown.size(), [40, LABELS]);
        let labels = Vec::<i64>::try_from(shown.argmax(-1, false)).unwrap();
        // Frame 10 has its middle at 95 ms.
        assert_eq!(labels[9..12], [0, 0, 3]);
        assert_eq!(labels[20..23], [3, 7, 7]);
        assert_eq!(labels[30], 0);
        assert_eq!(shown.sum(Kind::Int64).int64_value(&[]), 40);
    }
}
