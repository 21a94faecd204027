//! Runs the pitch tracker over sound files, for training and evaluating it.
//!
//! `pitch_dump LIST ROOT OUT [--clues] [--speed FACTOR] [--noise DB]`: LIST is a text file with one path per line below
//! ROOT. For each a file of little-endian f32 is put into OUT: per hop the pitch, the voicing and the candidate, and with
//! `--clues` what the networks decide from. `--speed` plays the sound faster, pitch and all; `--noise` adds noise of
//! random colour, at a random ratio from so many dB to 25 dB more, and changes the level. The same call gives the same.

use mien_dsp::pitch::PitchTracker;
use mien_dsp::{HOP, RATE};
use std::error::Error;
use std::path::Path;
use std::time::{Duration, Instant};

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [list, root, out, options @ ..] = arguments.as_slice() else {
        return Err(
            "usage: pitch_dump LIST ROOT OUT [--clues] [--speed FACTOR] [--noise DB]".into(),
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
    let (clues, speed, noise) = (
        option("--clues").is_some(),
        value("--speed")?.unwrap_or(1.0),
        value("--noise")?,
    );

    let mut random = Random(1);
    let (mut hops, mut busy) = (0, Duration::ZERO);
    for name in std::fs::read_to_string(list)?.lines() {
        let sound = mien_audio::decode(Path::new(root).join(name))?;
        let mut samples =
            mien_audio::resample(&sound.mono(), (sound.rate as f32 * speed) as u32, RATE);
        if let Some(least) = noise {
            disturb(&mut samples, least, &mut random);
        }
        // Silence behind, so that the last instants come out too.
        samples.resize(samples.len() + 4 * HOP, 0.0);
        let mut tracker = PitchTracker::new();
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

fn disturb(samples: &mut [f32], least_db: f32, random: &mut Random) {
    let peak = samples.iter().fold(1e-6_f32, |peak, v| peak.max(v.abs()));
    let gain = 10_f32.powf(-1.5 * random.next()) * 0.9 / peak;
    let power = samples.iter().map(|v| v * v).sum::<f32>() / samples.len().max(1) as f32;
    // Uniform values have a third of the power of their bound.
    let bound = (3.0 * power).sqrt() * 10_f32.powf(-(least_db + 25.0 * random.next()) / 20.0);
    let pole = 0.95 * random.next();
    let mut colour = 0.0;
    for sample in samples {
        colour = pole * colour + (1.0 - pole * pole).sqrt() * (2.0 * random.next() - 1.0);
        *sample = (*sample + bound * colour) * gain;
    }
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
