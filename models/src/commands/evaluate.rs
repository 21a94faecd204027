//! `mien evaluate`: figures of a pack on speech that its training never saw.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

use anyhow::{Context, Result, bail};
use indicatif::ProgressBar;
use mien_face::{Controls, EMOTIONS, SAMPLE_RATE};
use serde_json::json;

use crate::corpus::{self, Recording};
use crate::evaluate::{Measures, compare, convert, resynthesise};
use crate::pack::LoadedPack;
use crate::streaming::Converter;

/// Converts unseen speakers with a pack and measures the result.
#[derive(Debug, clap::Parser)]
pub struct EvaluateArguments {
    /// The pack.
    #[arg(long)]
    pack: PathBuf,
    /// Speech, in any layout that `mien train` reads.
    #[arg(long, required = true)]
    corpus: Vec<PathBuf>,
    /// Speakers to convert, by their names in the corpus; all by default.
    #[arg(long, value_delimiter = ',')]
    speakers: Vec<String>,
    /// Only recordings of that feeling.
    #[arg(long)]
    only: Option<String>,
    /// Voices to convert to, by name; the first four by default.
    #[arg(long, value_delimiter = ',')]
    voices: Vec<String>,
    /// Recordings of each speaker.
    #[arg(long, default_value_t = 5)]
    clips: usize,
    /// Feelings to ask for, one after another: `neutral`, or names of emotions.
    #[arg(long, value_delimiter = ',', default_value = "neutral")]
    emotions: Vec<String>,
    /// Strength of the feeling, 0 to 100.
    #[arg(long, default_value_t = 100.0)]
    strength: f32,
    /// Recordings of each voice for the judges: a folder in which the pack's training speech lies,
    /// as VOICE=SPEAKER pairs of the same corpora.
    #[arg(long, value_delimiter = ',')]
    targets: Vec<String>,
    /// Where sound, `report.json` and the judges' list go.
    #[arg(long)]
    out: PathBuf,
    /// Python with the judges installed (models/scripts/requirements-judges.txt).
    #[arg(long)]
    judges: Option<PathBuf>,
}

/// One clip of the report.
struct Clip {
    row: &'static str,
    voice: String,
    emotion: String,
    path: PathBuf,
    source: PathBuf,
    text: String,
    measures: Measures,
}

impl EvaluateArguments {
    /// Converts, measures, writes the report and runs the judges.
    ///
    /// # Errors
    /// A pack or speech that cannot be read, a name that is not there, a full disk.
    pub fn run(&self) -> Result<()> {
        tch::set_num_threads(1);
        let pack = LoadedPack::load(&self.pack)?;
        let speech = self.corpus.iter().map(|path| corpus::read(path));
        let speech = speech.collect::<Result<Vec<_>>>()?.concat();
        let recordings = self.recordings(&speech)?;
        let voices = self.voice_indices(&pack)?;
        std::fs::create_dir_all(&self.out)?;
        let mut converter = Converter::new(pack.networks.clone());
        let mut clips = Vec::new();
        let bar = ProgressBar::new(recordings.len() as u64);
        let (mut spoken, mut spent) = (0.0, 0.0);
        for (number, recording) in recordings.iter().enumerate() {
            let sound = mien_audio::decode(&recording.path)?;
            let sound = mien_audio::resample(&sound.mono(), sound.rate, SAMPLE_RATE);
            let source = self.write(&format!("{number:03}_source"), &sound)?;
            let again = resynthesise(&pack, &sound);
            let clip = |row, voice: &str, emotion: &str, path: PathBuf, out: &[f32]| Clip {
                row,
                voice: voice.into(),
                emotion: emotion.into(),
                path,
                source: source.clone(),
                text: recording.text.clone(),
                measures: compare(&sound, out),
            };
            clips.push(clip("source", "", "", source.clone(), &sound));
            let path = self.write(&format!("{number:03}_resynthesis"), &again)?;
            clips.push(clip("resynthesis", "", "", path, &again));
            for &index in &voices {
                let name = &pack.description.voices[index].name;
                for emotion in &self.emotions {
                    let controls = self.controls(index, emotion)?;
                    let start = Instant::now();
                    let out = convert(&mut converter, &sound, &controls);
                    spent += start.elapsed().as_secs_f64();
                    spoken += sound.len() as f64 / f64::from(SAMPLE_RATE);
                    let path = self.write(&format!("{number:03}_{name}_{emotion}"), &out)?;
                    clips.push(clip("converted", name, emotion, path, &out));
                }
            }
            bar.inc(1);
        }
        bar.finish();
        println!(
            "real-time factor of the converter on one core: {:.3}",
            spent / spoken
        );
        self.report(&clips, &speech)
    }

    fn recordings(&self, speech: &[Recording]) -> Result<Vec<Recording>> {
        let mut by_speaker: BTreeMap<String, Vec<Recording>> = BTreeMap::new();
        for r in speech {
            let wanted = self.speakers.is_empty() || self.speakers.contains(&r.speaker);
            if wanted && self.only.as_ref().is_none_or(|only| *only == r.emotion) {
                by_speaker
                    .entry(r.speaker.clone())
                    .or_default()
                    .push(r.clone());
            }
        }
        if by_speaker.is_empty() {
            bail!(
                "none of the speakers {:?} is in the given speech",
                self.speakers
            );
        }
        // Spread over each speaker's recordings, the same ones every time.
        let spread = |mut own: Vec<Recording>| {
            let step = (own.len() / self.clips.max(1)).max(1);
            own.sort_by(|a, b| a.key.cmp(&b.key));
            own.into_iter()
                .step_by(step)
                .take(self.clips)
                .collect::<Vec<_>>()
        };
        Ok(by_speaker.into_values().flat_map(spread).collect())
    }

    fn voice_indices(&self, pack: &LoadedPack) -> Result<Vec<usize>> {
        let voices = &pack.description.voices;
        if self.voices.is_empty() {
            return Ok((0..voices.len().min(4)).collect());
        }
        let find = |name: &String| {
            let names: Vec<&str> = voices.iter().map(|v| v.name.as_str()).collect();
            names.iter().position(|n| n == name).with_context(|| {
                format!("the pack has no voice {name}; it has {}", names.join(", "))
            })
        };
        self.voices.iter().map(find).collect()
    }

    fn controls(&self, voice: usize, emotion: &str) -> Result<Controls> {
        let mut controls = Controls {
            strength: self.strength / 100.0,
            ..Controls::default()
        };
        controls.voices[0].index = voice as u32;
        if emotion != "neutral" {
            let index = EMOTIONS.iter().position(|e| *e == emotion);
            let index = index.with_context(|| {
                format!(
                    "there is no emotion {emotion}; there are {}",
                    EMOTIONS.join(", ")
                )
            })?;
            controls.emotions[index] = 1.0;
        }
        Ok(controls)
    }

    fn write(&self, name: &str, sound: &[f32]) -> Result<PathBuf> {
        let path = self.out.join(format!("{name}.wav"));
        mien_audio::write(
            &path,
            &mien_audio::Sound::from_mono(sound.to_vec(), SAMPLE_RATE),
            mien_audio::Depth::Int24,
        )?;
        Ok(path)
    }

    fn report(&self, clips: &[Clip], speech: &[Recording]) -> Result<()> {
        let rows = ["source", "resynthesis", "converted"];
        println!(
            "{:12} {:>4} {:>8} {:>9} {:>9} {:>9} {:>7}",
            "row", "n", "f0 corr", "f0 rmse", "voicing", "loudness", "MCD dB"
        );
        let mut table = Vec::new();
        for row in rows {
            let own: Vec<&Measures> = clips
                .iter()
                .filter(|c| c.row == row)
                .map(|c| &c.measures)
                .collect();
            let mean = |f: &dyn Fn(&Measures) -> f64| {
                own.iter().map(|m| f(m)).sum::<f64>() / own.len().max(1) as f64
            };
            let line = [
                mean(&|m| m.log_f0_correlation),
                mean(&|m| m.log_f0_rmse_semitones),
                mean(&|m| m.voicing_error),
                mean(&|m| m.loudness_correlation),
                mean(&|m| m.mel_cepstral_distortion_db),
            ];
            println!(
                "{row:12} {:4} {:8.3} {:9.2} {:9.3} {:9.3} {:7.2}",
                own.len(),
                line[0],
                line[1],
                line[2],
                line[3],
                line[4]
            );
            table.push(json!({"row": row, "n": own.len(), "log_f0_correlation": line[0], "log_f0_rmse_semitones": line[1],
                "voicing_error": line[2], "loudness_correlation": line[3], "mel_cepstral_distortion_db": line[4]}));
        }
        let targets = self.target_files(speech)?;
        let list: Vec<_> = clips
            .iter()
            .filter(|c| c.row != "source")
            .map(|c| {
                let text = if c.text.is_empty() { json!(null) } else { json!(c.text) };
                let emotion = if c.emotion.is_empty() { json!(null) } else { json!(c.emotion) };
                json!({"path": absolute(&c.path), "source": absolute(&c.source), "target": targets.get(&c.voice).cloned().unwrap_or_default(),
                    "text": text, "emotion": emotion, "row": c.row, "voice": c.voice, "measures": c.measures})
            })
            .collect();
        std::fs::write(
            self.out.join("report.json"),
            serde_json::to_string_pretty(&json!({"rows": table, "clips": list}))?,
        )?;
        for row in ["resynthesis", "converted"] {
            let own: Vec<_> = list.iter().filter(|c| c["row"] == row).collect();
            let path = self.out.join(format!("judges-{row}.json"));
            std::fs::write(&path, serde_json::to_string_pretty(&own)?)?;
            if let Some(python) = &self.judges {
                self.judge(python, &path, row)?;
            }
        }
        println!("{}", self.out.join("report.json").display());
        Ok(())
    }

    fn judge(&self, python: &Path, list: &Path, row: &str) -> Result<()> {
        let script = ["models/scripts/judge.py", "../models/scripts/judge.py"]
            .iter()
            .map(Path::new)
            .find(|p| p.is_file());
        let script =
            script.context("models/scripts/judge.py is not here: run from the project's folder")?;
        let answer = self.out.join(format!("judged-{row}.json"));
        let status = Command::new(python)
            .arg(script)
            .arg(list)
            .arg(&answer)
            .status();
        let status = status.with_context(|| {
            format!("cannot start {python:?}: install models/scripts/requirements-judges.txt")
        })?;
        if !status.success() {
            bail!("the judges failed on {list:?}");
        }
        let text = std::fs::read_to_string(&answer)?;
        let judged: serde_json::Value = serde_json::from_str(&text)?;
        println!("{row}: {}", serde_json::to_string_pretty(&judged["mean"])?);
        Ok(())
    }

    /// Recordings of the speaker behind each voice, for similarity.
    fn target_files(&self, speech: &[Recording]) -> Result<BTreeMap<String, Vec<PathBuf>>> {
        let mut files = BTreeMap::new();
        for pair in &self.targets {
            let (voice, speaker) = pair
                .split_once('=')
                .with_context(|| format!("{pair:?} is no VOICE=SPEAKER"))?;
            let own = speech
                .iter()
                .filter(|r| r.speaker == speaker)
                .take(12)
                .map(|r| absolute(&r.path));
            files.insert(voice.to_owned(), own.collect());
        }
        Ok(files)
    }
}

fn absolute(path: &Path) -> PathBuf {
    std::path::absolute(path).unwrap_or_else(|_| path.to_owned())
}
