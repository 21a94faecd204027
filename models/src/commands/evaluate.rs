//! `mien evaluate`: figures of a pack on speech that its training never saw.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Instant;

use anyhow::{Context, Result, bail, ensure};
use indicatif::ProgressBar;
use mien_face::{Controls, EMOTIONS, FRAME, SAMPLE_RATE};

use crate::corpus::{self, Recording};
use crate::evaluate::discriminator::{Discrimination, discriminate};
use crate::evaluate::diversity::{Diversity, diversity};
use crate::evaluate::emotion::EmotionJudge;
use crate::evaluate::judges::{self, EmotionCorpus, Question};
use crate::evaluate::performances;
use crate::evaluate::report::Report;
use crate::evaluate::rows::{self, Clip, Row, Source};
use crate::evaluate::verifier::{SpeakerVerifier, Verifier, centroid, similarity};
use crate::evaluate::world::World;
use crate::evaluate::{compare, convert, decode, resynthesise, streaming_error};
use crate::pack::LoadedPack;
use crate::streaming::Converter;
use crate::train::features::Features;

/// Recordings of each voice's own that are listened to.
const OWN_RECORDINGS: usize = 12;
/// Of these, how many are analysed for diversity and for the discriminator.
const ANALYSED: usize = 8;
/// Most samples of a recording that streaming and offline are compared on: 6 s.
const STREAMED: usize = 6 * SAMPLE_RATE as usize;

/// Converts unseen speakers with a pack and measures the result.
///
/// Writes sound, `report.json` and `report.html` to the folder --out. Rows: the untouched source, the
/// vocoder alone (resynthesis), a WORLD-style pitch and formant shift to the voice (world), the
/// conversion, and with --emotions its performances. The discriminator of the table is no part of the
/// pack: a small one is trained afresh, by cross-validation, on real speech (the voices' own with
/// --targets, else the sources) and on the row's; its accuracy and false-accept rate are those on
/// recordings it has not seen. docs/evaluation.md tells what every figure means.
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
    /// Seconds that each speaker has spoken before a recording, at least, where there are as many: others of his recordings, which
    /// are not judged. A converter that is in use knows where its speaker's pitch and level lie.
    #[arg(long, value_name = "SECONDS", default_value_t = 0.0)]
    spoken_before: f32,
    /// Feelings to ask for, one after another: names of emotions. Neutral conversions are always made.
    #[arg(long, value_delimiter = ',')]
    emotions: Vec<String>,
    /// Strengths of the feelings, 0 to 100.
    #[arg(long, alias = "strength", value_delimiter = ',', default_value = "100")]
    strengths: Vec<f32>,
    /// Whose speech each voice was trained on, as VOICE=SPEAKER pairs of the given corpora: what
    /// conversions are compared with.
    #[arg(long, value_delimiter = ',')]
    targets: Vec<String>,
    /// Emotion classifier of `mien train --stage classifier`: tells whether feelings are heard.
    #[arg(long, value_name = "FILE")]
    classifier: Option<PathBuf>,
    /// Speaker encoder of `mien train --stage speaker`: tells how near each clip is to the voice.
    #[arg(long, value_name = "FILE")]
    verifier: Option<PathBuf>,
    /// Where sound, `report.json`, `report.html` and the judges' list go.
    #[arg(long)]
    out: PathBuf,
    /// Also asks outside judges (recogniser, Resemblyzer, DNSMOS): a folder in which they are
    /// installed on first use (Python 3.11, about 1.5 GB), or a Python that has them.
    #[arg(long, value_name = "FOLDER")]
    judges: Option<PathBuf>,
    /// With --judges: also an openSMILE judge of feelings that learns from this manifest.csv of acted
    /// speech, without the speakers that are converted.
    #[arg(long, value_name = "MANIFEST", requires = "judges")]
    emotion_judge: Option<PathBuf>,
}

/// A voice that is converted to.
struct Target {
    index: usize,
    /// Whether it is the speaker's own voice: then the source is what conversions are compared with.
    speakers_own: bool,
    name: String,
    mean_f0_hz: f64,
    /// Files of its own speech.
    files: Vec<PathBuf>,
    /// The first of them, analysed.
    own: Vec<Features>,
    /// Its place for our verifier.
    embedding: Option<Vec<f32>>,
}

/// A recording that is converted.
struct Asked {
    recording: Recording,
    /// The others of its speaker.
    others: Vec<PathBuf>,
}

/// One way of saying something.
struct Manner {
    emotion: String,
    strength: f32,
}

impl Manner {
    fn neutral(&self) -> bool {
        self.strength == 0.0
    }
}

/// What was rendered so far.
#[derive(Default)]
struct Rendered {
    sources: Vec<Source>,
    clips: Vec<Clip>,
    streaming_error: f64,
    /// Seconds of sound converted, and seconds that took.
    spoken: f64,
    spent: f64,
}

impl EvaluateArguments {
    /// Converts, measures, asks the judges and writes the report.
    ///
    /// # Errors
    /// A pack or speech that cannot be read, a name that is not there, a full disk.
    pub fn run(&self) -> Result<()> {
        tch::set_num_threads(1);
        let manners = self.manners()?;
        let classifier = self
            .classifier
            .as_deref()
            .map(EmotionJudge::load)
            .transpose()?;
        let pack = LoadedPack::load(&self.pack)?;
        let speech = self.corpus.iter().map(|path| corpus::read(path));
        let speech = speech.collect::<Result<Vec<_>>>()?.concat();
        let recordings = self.recordings(&speech)?;
        let load = |path: &PathBuf| -> Result<Box<dyn Verifier>> {
            Ok(Box::new(SpeakerVerifier::load(path)?))
        };
        let verifier = self.verifier.as_ref().map(load).transpose()?;
        std::fs::create_dir_all(&self.out)
            .with_context(|| format!("cannot make the folder {:?}", self.out))?;
        let mut own_sound = BTreeMap::new();
        let voices = self.targets(&pack, &speech, verifier.as_deref(), &mut own_sound)?;
        let mut rendered = Rendered::default();
        let bar = ProgressBar::new(recordings.len() as u64);
        for recording in &recordings {
            self.render(
                &pack,
                recording,
                &voices,
                &manners,
                verifier.as_deref(),
                &mut rendered,
            )?;
            bar.inc(1);
        }
        bar.finish();
        if let Some(judges) = &self.judges {
            self.judge(judges, &voices, &mut rendered)?;
        }
        let Rendered { sources, clips, .. } = &rendered;
        let mut rows = rows::summarise(clips);
        for row in &mut rows {
            row.discrimination = discrimination(row.row, &rendered, &voices);
        }
        let of_row = |row| Some((row, spread(row, clips, &voices)?));
        let report = Report {
            pack: format!("{} {}", pack.description.name, pack.description.version),
            rows,
            streaming_error: (rendered.streaming_error, sources.len()),
            real_time_factor: rendered.spent / rendered.spoken.max(1e-9),
            diversity: [Row::World, Row::Converted]
                .into_iter()
                .filter_map(of_row)
                .collect(),
            emotion: classifier.and_then(|judge| judge.report(clips)),
            sources,
            clips,
            voices: &own_sound,
        };
        print(&report);
        report.write(&self.out)?;
        draw_performances(&rendered.clips, &self.out)?;
        println!("\n{}", self.out.join("report.html").display());
        Ok(())
    }

    /// Neutral, then every feeling at every strength.
    fn manners(&self) -> Result<Vec<Manner>> {
        let mut manners = vec![Manner {
            emotion: "neutral".into(),
            strength: 0.0,
        }];
        for &strength in &self.strengths {
            ensure!(
                (0.0..=100.0).contains(&strength),
                "a strength of {strength} was asked for; give 0 to 100"
            );
        }
        for emotion in self.emotions.iter().filter(|e| *e != "neutral") {
            ensure!(
                EMOTIONS.contains(&emotion.as_str()),
                "there is no emotion {emotion}; there are {}",
                EMOTIONS.join(", ")
            );
            for &strength in self.strengths.iter().filter(|s| **s > 0.0) {
                manners.push(Manner {
                    emotion: emotion.clone(),
                    strength,
                });
            }
        }
        Ok(manners)
    }

    fn recordings(&self, speech: &[Recording]) -> Result<Vec<Asked>> {
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
            let asked = own.iter().step_by(step).take(self.clips);
            let asked = asked.map(|recording| Asked {
                recording: recording.clone(),
                others: own
                    .iter()
                    // Recordings of unknown speakers are not of one speaker.
                    .filter(|other| !other.speaker.is_empty() && other.key != recording.key)
                    .map(|other| other.path.clone())
                    .collect(),
            });
            asked.collect::<Vec<_>>()
        };
        Ok(by_speaker.into_values().flat_map(spread).collect())
    }

    /// What the speaker says before a recording, in whole frames, so that the recording begins with one of its own.
    fn said_before(&self, asked: &Asked) -> Result<Vec<f32>> {
        let wanted = (self.spoken_before * SAMPLE_RATE as f32) as usize;
        let mut sound = Vec::new();
        for path in &asked.others {
            if sound.len() >= wanted {
                break;
            }
            sound.extend(decode(path)?);
        }
        sound.resize(sound.len().next_multiple_of(FRAME), 0.0);
        Ok(sound)
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

    /// The voices, with their own speech where --targets names it.
    fn targets(
        &self,
        pack: &LoadedPack,
        speech: &[Recording],
        verifier: Option<&dyn Verifier>,
        own_sound: &mut BTreeMap<String, (PathBuf, Features)>,
    ) -> Result<Vec<Target>> {
        let pairs = self.pairs(pack)?;
        let mut targets = Vec::new();
        for index in self.voice_indices(pack)? {
            let name = pack.description.voices[index].name.clone();
            let mut files = Vec::new();
            if let Some(speaker) = pairs.get(name.as_str()) {
                let own = speech.iter().filter(|r| r.speaker == *speaker);
                files.extend(own.take(OWN_RECORDINGS).map(|r| absolute(&r.path)));
                ensure!(
                    !files.is_empty(),
                    "--targets names the speaker {speaker}, who is not in the given speech"
                );
            }
            let mut own = Vec::new();
            let mut embeddings = Vec::new();
            for (number, file) in files.iter().take(ANALYSED).enumerate() {
                let sound = decode(file)?;
                let features = Features::analyse(&sound);
                if number == 0 {
                    let path = self.write(&format!("own_{name}"), &sound)?;
                    own_sound.insert(name.clone(), (path, features.clone()));
                }
                own.push(features);
                embeddings.extend(verifier.map(|v| v.embed(&sound)));
            }
            targets.push(Target {
                index,
                speakers_own: index == pack.networks.own_voice,
                mean_f0_hz: f64::from(pack.networks.voice_f0_hz[index]),
                name,
                files,
                own,
                embedding: centroid(&embeddings),
            });
        }
        Ok(targets)
    }

    /// --targets, by voice.
    fn pairs(&self, pack: &LoadedPack) -> Result<BTreeMap<&str, &str>> {
        let mut pairs = BTreeMap::new();
        for pair in &self.targets {
            let (voice, speaker) = pair
                .split_once('=')
                .with_context(|| format!("--targets {pair:?} is no VOICE=SPEAKER"))?;
            let known = pack.description.voices.iter().any(|v| v.name == voice);
            ensure!(
                known,
                "--targets names the voice {voice}, which the pack does not have"
            );
            pairs.insert(voice, speaker);
        }
        Ok(pairs)
    }

    /// All rows of one recording.
    fn render(
        &self,
        pack: &LoadedPack,
        asked: &Asked,
        voices: &[Target],
        manners: &[Manner],
        verifier: Option<&dyn Verifier>,
        all: &mut Rendered,
    ) -> Result<()> {
        let number = all.sources.len();
        let recording = &asked.recording;
        let sound = decode(&recording.path)?;
        let before = self.said_before(asked)?;
        let spoken = [before.as_slice(), &sound].concat();
        let features = Features::analyse(&sound);
        ensure!(!features.mel.is_empty(), "{:?} is empty", recording.path);
        let embed = |sound: &[f32]| verifier.map(|v| v.embed(sound));
        let own = embed(&sound);
        let mut add =
            |row: Row, target: Option<&Target>, manner: &Manner, out: &[f32]| -> Result<()> {
                let heard = Features::analyse(out);
                let wanted = match target {
                    Some(target) if !target.speakers_own => target.embedding.as_ref(),
                    _ => own.as_ref(),
                };
                let name = match (target, row) {
                    (None, _) => row.name().to_owned(),
                    (Some(t), Row::Performed) => {
                        format!("{}_{}_{:.0}", t.name, manner.emotion, manner.strength)
                    }
                    (Some(t), _) => format!("{}_{}", t.name, row.name()),
                };
                all.clips.push(Clip {
                    row,
                    source: number,
                    voice: target.map(|t| t.name.clone()).unwrap_or_default(),
                    emotion: manner.emotion.clone(),
                    strength: manner.strength,
                    path: self.write(&format!("{number:03}_{name}"), out)?,
                    measures: compare((&sound, &features), (out, &heard), row.gives_back()),
                    features: heard,
                    similarity: embed(out).zip(wanted).map(|(a, b)| similarity(&a, b)),
                    judged: None,
                });
                Ok(())
            };
        add(Row::Source, None, &manners[0], &sound)?;
        add(
            Row::Resynthesis,
            None,
            &manners[0],
            &resynthesise(pack, &sound),
        )?;
        let world = World::analyse(&sound);
        let mut converter = Converter::new(pack.networks.clone());
        for target in voices {
            if !target.speakers_own {
                let shifted = world.shifted_to(target.mean_f0_hz);
                add(Row::World, Some(target), &manners[0], &shifted)?;
            }
            for manner in manners {
                let start = Instant::now();
                let mut out = convert(&mut converter, &spoken, &controls(target.index, manner));
                all.spent += start.elapsed().as_secs_f64();
                all.spoken += spoken.len() as f64 / f64::from(SAMPLE_RATE);
                out.drain(..before.len());
                let row = if manner.neutral() {
                    Row::Converted
                } else {
                    Row::Performed
                };
                add(row, Some(target), manner, &out)?;
            }
        }
        if let Some(first) = voices.first() {
            let piece = &sound[..sound.len().min(STREAMED)];
            let error = streaming_error(pack, piece, first.index, number as u64);
            all.streaming_error = all.streaming_error.max(error);
        }
        all.sources.push(Source {
            path: self.out.join(format!("{number:03}_source.wav")),
            speaker: recording.speaker.clone(),
            text: recording.text.clone(),
            features,
        });
        Ok(())
    }

    /// Asks the outside judges about every clip but the sources, which they judge beside.
    fn judge(&self, judges: &Path, voices: &[Target], all: &mut Rendered) -> Result<()> {
        let Rendered { sources, clips, .. } = all;
        let asked: Vec<usize> = (0..clips.len())
            .filter(|&i| clips[i].row != Row::Source)
            .collect();
        let question = |&i: &usize| {
            let (clip, source) = (&clips[i], &sources[clips[i].source]);
            let own = voices.iter().find(|v| v.name == clip.voice);
            let judged = self.emotion_judge.is_some() && clip.row >= Row::Converted;
            let target = match own {
                Some(voice) if voice.speakers_own => vec![absolute(&source.path)],
                Some(voice) => voice.files.clone(),
                None => Vec::new(),
            };
            Question {
                path: absolute(&clip.path),
                source: absolute(&source.path),
                target,
                text: (!source.text.is_empty()).then(|| source.text.clone()),
                emotion: judged.then(|| clip.emotion.clone()),
            }
        };
        let questions: Vec<Question> = asked.iter().map(question).collect();
        let corpus = self.emotion_judge.as_ref().map(|manifest| EmotionCorpus {
            manifest: absolute(manifest),
            leave_out: sources.iter().map(|s| s.speaker.clone()).collect(),
        });
        let answers = judges::ask(judges, &questions, &self.out, corpus.as_ref())?;
        for (i, answer) in asked.into_iter().zip(answers) {
            let source = clips[i].source;
            let untouched = clips
                .iter_mut()
                .find(|c| c.row == Row::Source && c.source == source);
            if let Some(clip) = untouched.filter(|c| c.judged.is_none()) {
                clip.judged = Some(answer.of_source());
            }
            clips[i].judged = Some(answer);
        }
        Ok(())
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
}

fn controls(voice: usize, manner: &Manner) -> Controls {
    let mut controls = Controls {
        strength: manner.strength / 100.0,
        ..Controls::default()
    };
    controls.voices[0].index = voice as u32;
    if let Some(index) = EMOTIONS.iter().position(|e| *e == manner.emotion) {
        controls.emotions[index] = 1.0;
    }
    controls
}

/// Asks a fresh discriminator about a row: against the sources where these should come back, else
/// against the voices' own speech, or again the sources where none is given.
fn discrimination(row: Row, all: &Rendered, voices: &[Target]) -> Option<Discrimination> {
    let made: Vec<(usize, &Features)> = all
        .clips
        .iter()
        .filter(|c| c.row == row)
        .map(|c| (c.source, &c.features))
        .collect();
    let own = voices.iter().flat_map(|v| &v.own);
    let mut real: Vec<(usize, &Features)> = own.enumerate().collect();
    if row == Row::Source {
        return None;
    }
    if row == Row::Resynthesis || real.is_empty() {
        real = all
            .sources
            .iter()
            .map(|s| &s.features)
            .enumerate()
            .collect();
    }
    discriminate(&real, &made)
}

/// Pictures the feelings of the first recording at their greatest strength, for each voice: `performed_VOICE.png`.
fn draw_performances(clips: &[Clip], out: &Path) -> Result<()> {
    let first = |row: Row| clips.iter().filter(move |c| c.row == row && c.source == 0);
    for neutral in first(Row::Converted) {
        let own = || first(Row::Performed).filter(|c| c.voice == neutral.voice);
        let strongest = own().map(|c| c.strength).fold(0.0, f32::max);
        let performed: Vec<(&str, &Features)> = own()
            .filter(|c| c.strength == strongest)
            .map(|c| (c.emotion.as_str(), &c.features))
            .collect();
        if !performed.is_empty() {
            let picture = out.join(format!("performed_{}.png", neutral.voice));
            performances::draw(&neutral.features, &performed, &picture)?;
        }
    }
    Ok(())
}

/// How different the voices come out in a row.
fn spread(row: Row, clips: &[Clip], voices: &[Target]) -> Option<Diversity> {
    let mut by_source: BTreeMap<usize, Vec<&Features>> = BTreeMap::new();
    for clip in clips.iter().filter(|c| c.row == row) {
        by_source
            .entry(clip.source)
            .or_default()
            .push(&clip.features);
    }
    let converted: Vec<_> = by_source.into_values().collect();
    let natural: Vec<Vec<&Features>> = voices
        .iter()
        .filter(|v| !v.own.is_empty())
        .map(|v| v.own.iter().collect())
        .collect();
    diversity(&converted, &natural)
}

fn print(report: &Report) {
    println!("{}", rows::table(&report.rows));
    println!(
        "streaming against offline: at most {:.1e} apart over {} recordings; real-time factor on one core: {:.3}",
        report.streaming_error.0, report.streaming_error.1, report.real_time_factor
    );
    for (row, d) in &report.diversity {
        let natural = match (d.natural_db, d.share) {
            (Some(natural), Some(share)) => {
                format!(
                    ", {:.0} % of the {natural:.2} dB between the voices' own recordings",
                    share * 100.0
                )
            }
            _ => String::new(),
        };
        println!(
            "diversity, {}: {:.2} dB{natural}",
            row.name(),
            d.converted_db
        );
    }
    if let Some(emotion) = &report.emotion {
        println!("\n{}", emotion.text());
    }
}

fn absolute(path: &Path) -> PathBuf {
    std::path::absolute(path).unwrap_or_else(|_| path.to_owned())
}
