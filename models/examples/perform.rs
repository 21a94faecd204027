//! Says recordings with feelings that others than the pack's own make, for `models/scripts/search_feelings.py`.
//!
//! `perform PACK SOUND…` hears the sounds (`FILE`, or `FILE:FILE`, a list as that of `PATH`, where the speaker said the former ones before
//! the last), then reads jobs from its input, one JSON object a line:
//! `{"sound": 0, "voice": "Ardith", "emotion": "happy", "strength": 1, "prosody": {"pitch_shift": 0.2, …}}`. For each it
//! writes to its output the number of samples as a little-endian u32 and the samples at 24 kHz as f32. Without `prosody` it is
//! the pack's own, without `emotion` the plain conversion. It runs on one thread.

use std::io::{BufRead, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use mien_face::{Controls, EMOTIONS};
use mien_models::evaluate::{Offline, decode};
use mien_models::pack::LoadedPack;
use mien_models::streaming::{DELAY_SAMPLES, EmotionProsody};

#[derive(serde::Deserialize)]
struct Job {
    sound: usize,
    voice: String,
    emotion: Option<String>,
    #[serde(default = "full")]
    strength: f32,
    prosody: Option<EmotionProsody>,
}

fn full() -> f32 {
    1.0
}

fn main() -> Result<()> {
    tch::set_num_threads(1);
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let (pack, sounds) = arguments
        .split_first()
        .context("usage: perform PACK SOUND… < jobs")?;
    let pack = LoadedPack::load(Path::new(pack))?;
    let heard = sounds
        .iter()
        .map(|paths| {
            let paths: Vec<PathBuf> = std::env::split_paths(paths).collect();
            let (last, before) = paths.split_last().context("a sound")?;
            let before = before.iter().map(|path| decode(path));
            let before = before.collect::<Result<Vec<_>>>()?.concat();
            let samples = decode(last)?;
            Ok((Offline::after(&pack, &before, &samples), samples.len()))
        })
        .collect::<Result<Vec<_>>>()?;
    let mut out = std::io::stdout().lock();
    for line in std::io::stdin().lock().lines() {
        let job: Job = serde_json::from_str(&line?).context("a job")?;
        let (heard, samples) = heard.get(job.sound).context("there is no such sound")?;
        let voices = &pack.description.voices;
        let voice = voices.iter().position(|v| v.name == job.voice);
        let mut controls = Controls::default();
        controls.voices[0].index = voice.context("there is no such voice")? as u32;
        let mut feelings = pack.networks.feelings;
        if let Some(name) = &job.emotion {
            let index = EMOTIONS.iter().position(|e| e == name);
            let index = index.context("there is no such emotion")?;
            controls.emotions[index] = 1.0;
            controls.strength = job.strength;
            if let Some(prosody) = job.prosody {
                let all = [&mut feelings.low, &mut feelings.high, &mut feelings.own];
                all.into_iter().for_each(|does| does[index] = prosody);
            }
        }
        let mut said = heard.say(&controls, &feelings);
        said.drain(..DELAY_SAMPLES.min(said.len()));
        said.resize(*samples, 0.0);
        out.write_all(&(said.len() as u32).to_le_bytes())?;
        let bytes: Vec<u8> = said.iter().flat_map(|x| x.to_le_bytes()).collect();
        out.write_all(&bytes)?;
        out.flush()?;
    }
    Ok(())
}
