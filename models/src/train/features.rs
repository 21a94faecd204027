//! Features of recordings, made once and kept on disk.

use std::collections::{BTreeMap, HashMap};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};

use anyhow::{Context, Result};
use half::f16;
use indicatif::{ProgressBar, ProgressStyle};
use mien_dsp::mel::mel_spectrogram;
use mien_dsp::pitch::PitchTracker;
use mien_face::{FRAME, SAMPLE_RATE};
use rayon::prelude::*;
use safetensors::SafeTensors;
use safetensors::tensor::{Dtype, TensorView};

use crate::corpus::Recording;
use crate::networks::{BANDS, CENTRE, FLOOR, PITCH_HELD};
use crate::streaming::AutoLevel;

/// Under this a cache file tells which version of the tracker made its pitch.
const TRACKER: &str = "pitch_tracker";

/// Features of one recording (at one rate of playing).
#[derive(Clone, Debug, Default)]
pub struct Features {
    /// Log mel, frame by frame.
    pub mel: Vec<[f16; BANDS]>,
    /// Pitch in Hz (0 where unvoiced) and voicing of the same frames.
    pub pitch: Vec<[f32; 2]>,
    /// The sound at 24 kHz, 16 bit, for the vocoder.
    pub sound: Vec<i16>,
}

impl Features {
    /// Analyses sound at 24 kHz.
    pub fn analyse(sound: &[f32]) -> Self {
        let mel: Vec<[f16; BANDS]> = mel_spectrogram(sound)
            .iter()
            .map(|frame| std::array::from_fn(|b| f16::from_f32(frame[b].max(FLOOR))))
            .collect();
        let quantise = |x: &f32| (x.clamp(-1.0, 1.0) * 32767.0).round() as i16;
        let mut features = Self {
            pitch: Vec::new(),
            mel,
            sound: sound.iter().map(quantise).collect(),
        };
        features.follow_pitch();
        features
    }

    /// Makes the pitch from the sound that is kept: the same whether the recording is read now or was long ago.
    fn follow_pitch(&mut self) {
        self.pitch = pitch_track(&self.samples(), self.mel.len());
    }

    /// The sound at 24 kHz.
    fn samples(&self) -> Vec<f32> {
        self.sound.iter().map(|&v| f32::from(v) / 32767.0).collect()
    }

    /// Log mel of the recording at the level at which the live path hears it, as it comes.
    pub fn levelled_mel(&self) -> Vec<[f32; BANDS]> {
        let (levelled, _) = AutoLevel::whole(&self.samples());
        mel_spectrogram(&levelled)
    }
}

/// Pitch of each mel frame. With [`PITCH_HELD`] it comes one hop after the mel does.
pub fn pitch_track(sound: &[f32], frames: usize) -> Vec<[f32; 2]> {
    let mut tracker = PitchTracker::delayed(PITCH_HELD);
    let mut pitch = Vec::with_capacity(frames);
    let mut hop = [0.0; FRAME];
    for index in 0..=frames {
        let from = (index * FRAME).min(sound.len());
        let chunk = &sound[from..(from + FRAME).min(sound.len())];
        hop.fill(0.0);
        hop[..chunk.len()].copy_from_slice(chunk);
        let frame = tracker.process(&hop);
        if index > 0 {
            pitch.push([frame.f0_hz, frame.voicing]);
        }
    }
    pitch
}

/// Features by recording key; a copy at another rate has `key@rate`.
pub type FeatureSet = HashMap<String, Features>;

/// Key of a recording's copy played at `rate`.
pub fn rated_key(key: &str, rate: f64) -> String {
    if rate == 1.0 {
        key.to_owned()
    } else {
        format!("{key}@{rate:.3}")
    }
}

/// Reads the features of all recordings from `cache`, making what is missing, and the pitch anew where another tracker made it.
///
/// # Errors
/// When the cache cannot be written. A recording that cannot be decoded is told and left out.
pub fn load_or_make(recordings: &[Recording], rates: &[f64], cache: &Path) -> Result<FeatureSet> {
    fs::create_dir_all(cache)
        .with_context(|| format!("cannot make the feature cache {cache:?}"))?;
    let mut corpora: BTreeMap<&str, Vec<&Recording>> = BTreeMap::new();
    for recording in recordings {
        corpora
            .entry(&recording.corpus)
            .or_default()
            .push(recording);
    }
    let mut all = FeatureSet::new();
    for (corpus, members) in corpora {
        for &rate in rates {
            let name = rated_key(&corpus.replace('/', "_"), rate);
            let path = cache.join(format!("{name}.safetensors"));
            let (mut known, current) = if path.is_file() {
                read(&path).unwrap_or_default()
            } else {
                Default::default()
            };
            if !known.is_empty() && !current {
                tracing::info!("another pitch tracker made {path:?}: following the pitch anew");
                known.par_iter_mut().for_each(|(_, f)| f.follow_pitch());
                write(&known, &path)?;
            }
            let missing: Vec<&Recording> = members
                .iter()
                .copied()
                .filter(|r| !known.contains_key(&rated_key(&r.key, rate)))
                .collect();
            if !missing.is_empty() {
                known.extend(make(&missing, rate, &name));
                write(&known, &path)?;
            }
            let wanted = members.iter().map(|r| rated_key(&r.key, rate));
            all.extend(wanted.filter_map(|key| known.remove_entry(&key)));
        }
    }
    Ok(all)
}

fn make(recordings: &[&Recording], rate: f64, name: &str) -> FeatureSet {
    let style = ProgressStyle::with_template("{prefix:24} {wide_bar} {pos}/{len} {eta} left");
    let bar = ProgressBar::new(recordings.len() as u64)
        .with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()))
        .with_prefix(format!("features {name}"));
    let failed = AtomicUsize::new(0);
    let features = recordings
        .par_iter()
        .filter_map(|recording| {
            let made = make_one(&recording.path, rate);
            bar.inc(1);
            match made {
                Ok(features) if !features.mel.is_empty() => {
                    Some((rated_key(&recording.key, rate), features))
                }
                Ok(_) => None,
                Err(error) => {
                    failed.fetch_add(1, Ordering::Relaxed);
                    bar.suspend(|| tracing::warn!("left out {:?}: {error:#}", recording.path));
                    None
                }
            }
        })
        .collect();
    bar.finish();
    features
}

fn make_one(path: &PathBuf, rate: f64) -> Result<Features> {
    let sound = mien_audio::decode(path)?;
    // Playing at another rate moves pitch, tract and tempo together: a new speaker for nothing.
    let from = (f64::from(sound.rate) * rate).round() as u32;
    let samples = mien_audio::resample(&sound.mono(), from, SAMPLE_RATE);
    Ok(Features::analyse(&samples))
}

fn write(features: &FeatureSet, path: &Path) -> Result<()> {
    let bytes: Vec<(String, Dtype, Vec<usize>, Vec<u8>)> = features
        .iter()
        .flat_map(|(key, f)| {
            let pitch: Vec<u8> = f
                .pitch
                .iter()
                .flatten()
                .flat_map(|v| v.to_le_bytes())
                .collect();
            let mel: Vec<u8> = f
                .mel
                .iter()
                .flatten()
                .flat_map(|v| v.to_le_bytes())
                .collect();
            let sound: Vec<u8> = f.sound.iter().flat_map(|v| v.to_le_bytes()).collect();
            [
                (
                    format!("{key}#mel"),
                    Dtype::F16,
                    vec![f.mel.len(), BANDS],
                    mel,
                ),
                (
                    format!("{key}#pitch"),
                    Dtype::F32,
                    vec![f.pitch.len(), 2],
                    pitch,
                ),
                (
                    format!("{key}#sound"),
                    Dtype::I16,
                    vec![f.sound.len()],
                    sound,
                ),
            ]
        })
        .collect();
    let views = bytes
        .iter()
        .map(|(name, dtype, shape, data)| {
            Ok((name.as_str(), TensorView::new(*dtype, shape.clone(), data)?))
        })
        .collect::<Result<Vec<_>>>()?;
    let partial = path.with_extension("partial");
    let facts = HashMap::from([(TRACKER.to_owned(), PitchTracker::version())]);
    safetensors::serialize_to_file(views, Some(facts), &partial)
        .with_context(|| format!("cannot write the feature cache {path:?}: is the disk full?"))?;
    fs::rename(&partial, path)?;
    Ok(())
}

/// A file's features, and whether this tracker made their pitch.
fn read(path: &Path) -> Result<(FeatureSet, bool)> {
    let bytes = fs::read(path)?;
    let (_, header) = SafeTensors::read_metadata(&bytes)?;
    let made_by = header.metadata().as_ref().and_then(|m| m.get(TRACKER));
    let current = made_by.is_some_and(|made_by| *made_by == PitchTracker::version());
    let tensors = SafeTensors::deserialize(&bytes)?;
    let mut features = FeatureSet::new();
    for name in tensors.names() {
        let Some(key) = name.strip_suffix("#mel") else {
            continue;
        };
        let mel = tensors.tensor(name)?;
        let pitch = tensors.tensor(&format!("{key}#pitch"))?;
        let sound = tensors.tensor(&format!("{key}#sound"))?;
        let halves = |b: &[u8]| f16::from_le_bytes([b[0], b[1]]);
        let float = |b: &[u8]| f32::from_le_bytes([b[0], b[1], b[2], b[3]]);
        features.insert(
            key.to_owned(),
            Features {
                mel: mel
                    .data()
                    .chunks_exact(2 * BANDS)
                    .map(|row| std::array::from_fn(|b| halves(&row[2 * b..])))
                    .collect(),
                pitch: pitch
                    .data()
                    .chunks_exact(8)
                    .map(|row| [float(row), float(&row[4..])])
                    .collect(),
                sound: sound
                    .data()
                    .chunks_exact(2)
                    .map(|b| i16::from_le_bytes([b[0], b[1]]))
                    .collect(),
            },
        );
    }
    Ok((features, current))
}

/// Features of a recogniser, by recording key, made by `models/scripts/teacher.py`.
#[derive(Debug, Default)]
pub struct Teacher {
    rate_hz: f64,
    offset_s: f64,
    /// Values of one frame that are used: the first ones, which hold the most variance.
    pub size: usize,
    stored: usize,
    frames: HashMap<String, Vec<f16>>,
}

impl Teacher {
    /// Reads every `.safetensors` of a folder; `most` values of each frame are used.
    ///
    /// # Errors
    /// When a file is broken or does not tell its `rate_hz` and `offset_s`.
    pub fn read(folder: &Path, most: usize) -> Result<Self> {
        let mut teacher = Self::default();
        for entry in fs::read_dir(folder)
            .with_context(|| format!("cannot read the teacher's folder {folder:?}"))?
        {
            let path = entry?.path();
            // Beside the features lies the projection they were made with.
            let projection = path.file_stem().is_some_and(|name| name == "pca");
            if path.extension().is_some_and(|e| e == "safetensors") && !projection {
                teacher
                    .read_file(&path)
                    .with_context(|| format!("{path:?} is no teacher file"))?;
            }
        }
        teacher.size = teacher.stored.min(most);
        Ok(teacher)
    }

    fn read_file(&mut self, path: &Path) -> Result<()> {
        let bytes = fs::read(path)?;
        let (_, header) = SafeTensors::read_metadata(&bytes)?;
        let metadata = header.metadata().clone().unwrap_or_default();
        let number = |key: &str| -> Result<f64> {
            metadata
                .get(key)
                .with_context(|| format!("no {key} in its metadata"))?
                .parse()
                .context("not a number")
        };
        (self.rate_hz, self.offset_s) = (number("rate_hz")?, number("offset_s")?);
        let tensors = SafeTensors::deserialize(&bytes)?;
        for name in tensors.names() {
            let view = tensors.tensor(name)?;
            self.stored = view.shape()[1];
            let values = view
                .data()
                .chunks_exact(2)
                .map(|b| f16::from_le_bytes([b[0], b[1]]))
                .collect();
            self.frames.insert(name.to_string(), values);
        }
        Ok(())
    }

    /// All frames of a recording on the teacher's own clock, the first `N` values of each.
    pub fn values<const N: usize>(&self, key: &str) -> Option<Vec<[f32; N]>> {
        let values = self.frames.get(key)?;
        let first = |row: &[f16]| std::array::from_fn(|i| row.get(i).map_or(0.0, |v| v.to_f32()));
        Some(values.chunks_exact(self.stored).map(first).collect())
    }

    /// Time of a (fractional) frame on the teacher's own clock.
    pub fn seconds(&self, frame: f64) -> f64 {
        (frame / self.rate_hz + self.offset_s).max(0.0)
    }

    /// The teacher's values at a mel frame of a recording played at `rate`, by interpolation;
    /// `false` where it has none.
    pub fn at(&self, key: &str, rate: f64, frame: usize, out: &mut [f32]) -> bool {
        let Some(values) = self.frames.get(key) else {
            return false;
        };
        let seconds = ((frame + 1) * FRAME) as f64 - CENTRE as f64;
        let seconds = seconds / f64::from(SAMPLE_RATE) * rate;
        let position = ((seconds - self.offset_s) * self.rate_hz).max(0.0);
        let last = values.len() / self.stored - 1;
        let low = (position as usize).min(last);
        let high = (low + 1).min(last);
        let share = (position - low as f64).min(1.0) as f32;
        for (i, out) in out.iter_mut().enumerate() {
            let a = values[low * self.stored + i].to_f32();
            let b = values[high * self.stored + i].to_f32();
            *out = a + share * (b - a);
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tone() -> Vec<f32> {
        let turn = std::f32::consts::TAU * 150.0 / SAMPLE_RATE as f32;
        let wave = |i: usize| {
            let harmonic = |k: i32| (k as f32 * turn * i as f32).sin() / k as f32;
            0.2 * (1..20).map(harmonic).sum::<f32>()
        };
        (0..SAMPLE_RATE as usize / 2).map(wave).collect()
    }

    #[test]
    fn a_cache_keeps_what_was_made_and_tells_its_tracker() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("cache.safetensors");
        let made = Features::analyse(&tone());
        assert!(made.pitch[20][0] > 149.0 && made.pitch[20][0] < 151.0);
        write(&FeatureSet::from([("a".into(), made.clone())]), &path).unwrap();
        let (known, current) = read(&path).unwrap();
        assert!(current);
        assert_eq!(known["a"].pitch, made.pitch);
        assert_eq!(known["a"].sound, made.sound);
    }

    #[test]
    fn pitch_of_another_tracker_is_made_anew() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("corpus.safetensors");
        let made = Features::analyse(&tone());
        let mut old = made.clone();
        old.pitch.fill([77.0, 0.5]);
        write(&FeatureSet::from([("a".into(), old)]), &path).unwrap();
        // As a file of before, or of another version, is: the version is another one of the same length.
        let bytes = fs::read(&path).unwrap();
        let version = PitchTracker::version();
        let at = bytes
            .windows(version.len())
            .position(|w| w == version.as_bytes());
        let mut changed = bytes.clone();
        changed[at.unwrap()..][..version.len()].fill(b'x');
        fs::write(&path, changed).unwrap();
        assert!(!read(&path).unwrap().1);
        let recording = Recording {
            key: "a".into(),
            corpus: "corpus".into(),
            ..Default::default()
        };
        let all = load_or_make(&[recording], &[1.0], folder.path()).unwrap();
        assert_eq!(all["a"].pitch, made.pitch);
        let (known, current) = read(&path).unwrap();
        assert!(current);
        assert_eq!(known["a"].pitch, made.pitch);
    }
}
