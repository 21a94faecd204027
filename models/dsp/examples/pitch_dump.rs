//! Runs the pitch tracker over sound files, for training and evaluating it.
//!
//! `pitch_dump LIST ROOT OUT [--clues] [--speed FACTOR] [--noise DB] [--music DB]`: LIST is a text file with one path per line below
//! ROOT. For each a file of little-endian f32 is put into OUT: per hop the pitch, the voicing and the candidate, and with
//! `--clues` what the networks decide from. `--speed` plays the sound faster, pitch and all; `--noise` adds noise of
//! random colour, at a random ratio from so many dB to 25 dB more, `--music` adds tones of random pitch and timbre
//! likewise; both change the level. The same call gives the same.

use mien_dsp::pitch::PitchTracker;
use mien_dsp::{HOP, RATE};
use std::error::Error;
use std::path::Path;
use std::time::{Duration, Instant};

/// Samples that the tracker's input is held back.
const HELD: usize = 600 - PitchTracker::LOOKAHEAD_SAMPLES;

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [list, root, out, options @ ..] = arguments.as_slice() else {
        return Err(
            "usage: pitch_dump LIST ROOT OUT [--clues] [--speed FACTOR] [--noise DB] [--music DB]"
                .into(),
        );
    };
    let option = |name: &str| options.iter().position(|o| o == name);
    let value = |name: &str| -> Result<Option<f32>, Box<dyn Error>> {
        let Some(at) = option(name) else {
            return Ok(None);
        };
        Ok(Some(
            options
                .get(at + 1)
                .ok_or(format!("{name} needs a number"))?
                .parse()?,
        ))
    };
    let (clues, speed, noise, music) = (
        option("--clues").is_some(),
        value("--speed")?.unwrap_or(1.0),
        value("--noise")?,
        value("--music")?,
    );

    let mut random = Random(1);
    let (mut hops, mut busy) = (0, Duration::ZERO);
    for name in std::fs::read_to_string(list)?.lines() {
        let sound = mien_audio::decode(Path::new(root).join(name))?;
        let mut samples =
            mien_audio::resample(&sound.mono(), (sound.rate as f32 * speed) as u32, RATE);
        if let Some(least) = noise {
            let beneath = noise_of(samples.len(), &mut random);
            disturb(&mut samples, &beneath, least, &mut random);
        }
        if let Some(least) = music {
            let beneath = music_of(samples.len(), &mut random);
            disturb(&mut samples, &beneath, least, &mut random);
        }
        // Silence behind, so that the last instants come out too.
        samples.resize(samples.len() + 4 * HOP, 0.0);
        // The instants are then those of the mel frames, and 5, 15, 25 … ms from the third hop on.
        let mut tracker = PitchTracker::delayed(HELD);
        let mut values = Vec::new();
        for hop in samples.as_chunks::<HOP>().0 {
            let start = Instant::now();
            let frame = tracker.process(hop);
            busy += start.elapsed();
            hops += 1;
            values.extend([frame.f0_hz, frame.voicing, frame.candidate_hz]);
            if clues {
                tracker.append_clues(&mut values);
            }
        }
        let bytes: Vec<u8> = values.iter().flat_map(|v| v.to_le_bytes()).collect();
        std::fs::write(Path::new(out).join(name.replace('/', "_") + ".f32"), bytes)?;
    }
    println!(
        "{hops} hops, {:.4} ms each",
        busy.as_secs_f64() * 1e3 / f64::from(hops.max(1))
    );
    Ok(())
}

/// Adds sound `least_db` to `least_db` + 25 dB below the samples, and changes the level of all.
fn disturb(samples: &mut [f32], beneath: &[f32], least_db: f32, random: &mut Random) {
    let peak = samples.iter().fold(1e-6_f32, |peak, v| peak.max(v.abs()));
    let gain = 10_f32.powf(-1.5 * random.next()) * 0.9 / peak;
    let power = |sound: &[f32]| sound.iter().map(|v| v * v).sum::<f32>();
    let ratio = (power(samples) / power(beneath).max(1e-9)).sqrt();
    let share = ratio * 10_f32.powf(-(least_db + 25.0 * random.next()) / 20.0);
    for (sample, beneath) in samples.iter_mut().zip(beneath) {
        *sample = (*sample + share * beneath) * gain;
    }
}

fn noise_of(len: usize, random: &mut Random) -> Vec<f32> {
    let pole = 0.97 * random.next();
    let mut colour = 0.0;
    let mut step = || {
        colour = pole * colour + 2.0 * random.next() - 1.0;
        colour
    };
    (0..len).map(|_| step()).collect()
}

/// Four parts that each play notes of random length on a scale, some of them struck, some held.
fn music_of(len: usize, random: &mut Random) -> Vec<f32> {
    let mut sound = vec![0.0; len];
    for part in 0..4 {
        let tilt = 0.7 + 1.5 * random.next();
        let decay = if random.next() < 0.5 { 6.0 } else { 0.5 };
        let gain = 0.2 + random.next();
        let mut from = 0;
        while from < len {
            let until = (from + (RATE as f32 * (0.1 + 0.7 * random.next())) as usize).min(len);
            let step = (random.next() * 14.0).floor();
            let hz = 55.0 * [1.0, 2.0, 3.0, 4.0][part] * 2_f32.powf(step / 7.0);
            for k in 1..=12 {
                let turn = std::f32::consts::TAU * hz * k as f32 / RATE as f32;
                let loud = gain / (k as f32).powf(tilt);
                let start = std::f32::consts::TAU * random.next();
                if turn < 2.5 {
                    for (i, sample) in sound[from..until].iter_mut().enumerate() {
                        let seconds = i as f32 / RATE as f32;
                        let rise = (seconds * 100.0).min(1.0);
                        *sample += loud
                            * rise
                            * (-decay * seconds).exp()
                            * (turn * i as f32 + start).sin();
                    }
                }
            }
            from = until;
        }
    }
    sound
}

/// Knuth's 64-bit generator: no more is needed, and it never changes.
struct Random(u64);

impl Random {
    /// From 0 to 1.
    fn next(&mut self) -> f32 {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 40) as f32 / (1_u32 << 24) as f32
    }
}
