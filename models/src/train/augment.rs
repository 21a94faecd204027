//! Disturbances of what the content encoder hears. The target stays clean, so the encoder must
//! look through them (information perturbation, Choi et al. 2021).
//!
//! All work on log mels, where they cost next to nothing: a vocal tract's length is a stretch of
//! the band axis, an equaliser an added curve, noise a sum of powers, a room a decay over time.

use rand::RngExt;
use serde::{Deserialize, Serialize};

use crate::networks::{CONTENT_MEL, place};

const BANDS: usize = CONTENT_MEL as usize;

/// How far each disturbance may go.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Strength {
    /// Chance that a crop is left as it is, so that a classifier that looks for the speaker in the content
    /// also hears him undisturbed, as he is heard live.
    pub undisturbed: f64,
    /// Largest stretch of the frequency axis, as a natural log.
    pub tract: f32,
    /// Largest swing of the equaliser in nepers of power.
    pub equaliser: f32,
    /// Chance of added noise.
    pub noise: f64,
    /// Chance of a room.
    pub room: f64,
    /// Chance of a low-passed telephone band.
    pub band_limit: f64,
    /// Chance of a masked stretch.
    pub mask: f64,
}

impl Default for Strength {
    fn default() -> Self {
        Self {
            undisturbed: 0.0,
            tract: 0.24,
            equaliser: 1.4,
            noise: 0.5,
            room: 0.2,
            band_limit: 0.2,
            mask: 0.2,
        }
    }
}

/// Disturbs a crop of log mel frames in place (the lowest [`CONTENT_MEL`] bands of each).
/// `centres_hz` are the bands' centres. Returns whether it did, and not left the crop as it was.
pub fn disturb(
    frames: &mut [[f32; BANDS]],
    centres_hz: &[f32],
    strength: &Strength,
    rng: &mut impl rand::Rng,
) -> bool {
    // Where it cannot be, no number is drawn: recipes without it draw what they drew before it was there.
    if strength.undisturbed > 0.0 && rng.random_bool(strength.undisturbed) {
        return false;
    }
    let stretch = rng.random_range(-strength.tract..=strength.tract).exp();
    let map = band_map(centres_hz, stretch);
    let curve = equaliser(strength.equaliser, rng);
    for frame in frames.iter_mut() {
        let warped: [f32; BANDS] = std::array::from_fn(|b| {
            let (low, high, share) = map[b];
            frame[low] + share * (frame[high] - frame[low])
        });
        *frame = std::array::from_fn(|b| warped[b] + curve[b]);
    }
    if rng.random_bool(strength.room) {
        room(frames, rng);
    }
    if rng.random_bool(strength.noise) {
        add_noise(frames, rng);
    }
    if rng.random_bool(strength.band_limit) {
        let hz = rng.random_range(3000.0..6400.0);
        let from = centres_hz.partition_point(|&c| c < hz).min(BANDS);
        let floor = rng.random_range(-22.0..-14.0);
        for frame in frames.iter_mut() {
            frame[from..].fill(floor);
        }
    }
    if rng.random_bool(strength.mask) && frames.len() > 20 {
        mask(frames, rng);
    }
    true
}

/// Where each band reads from after a stretch of the frequency axis: (band below, band above, share of the one above).
fn band_map(centres_hz: &[f32], stretch: f32) -> Vec<(usize, usize, f32)> {
    let centres = &centres_hz[..BANDS];
    centres
        .iter()
        .map(|hz| place(centres, hz / stretch))
        .collect()
}

/// A smooth random curve: a tilt and three slow waves.
fn equaliser(swing: f32, rng: &mut impl rand::Rng) -> [f32; BANDS] {
    let tilt = rng.random_range(-swing..=swing);
    let waves: [(f32, f32, f32); 3] = std::array::from_fn(|i| {
        let cycles = rng.random_range(0.5..1.5) * (i as f32 + 1.0);
        (
            rng.random_range(-0.5..0.5) * swing,
            cycles,
            rng.random_range(0.0..std::f32::consts::TAU),
        )
    });
    std::array::from_fn(|b| {
        let x = b as f32 / BANDS as f32;
        let wave: f32 = waves
            .iter()
            .map(|(a, c, p)| a * (std::f32::consts::TAU * c * x + p).cos())
            .sum();
        tilt * (x - 0.5) + wave
    })
}

/// Noise of a random colour, 10 to 40 dB below the crop's loudest parts, with the spread that
/// band powers of real noise have.
fn add_noise(frames: &mut [[f32; BANDS]], rng: &mut impl rand::Rng) {
    let peak = frames.iter().flatten().fold(f32::MIN, |a, &b| a.max(b));
    // Peak bands stand some 10 dB above the mean power of speech.
    let level = peak - rng.random_range(20.0..50.0_f32) * std::f32::consts::LN_10 / 10.0;
    let colour = equaliser(3.0, rng);
    for frame in frames.iter_mut() {
        for (value, colour) in frame.iter_mut().zip(colour) {
            let spread = (rng.random_range(0.05_f32..1.0).ln() * -0.8).max(0.1).ln();
            let noise = level + colour + spread;
            let (high, low) = if *value > noise {
                (*value, noise)
            } else {
                (noise, *value)
            };
            *value = high + (low - high).exp().ln_1p();
        }
    }
}

/// Late sound of a room: each band's power decays by 60 dB in 0.15 to 0.6 s.
fn room(frames: &mut [[f32; BANDS]], rng: &mut impl rand::Rng) {
    let decay = -6.0 * std::f32::consts::LN_10 / (rng.random_range(0.15_f32..0.6) * 100.0);
    let share = rng.random_range(-4.0_f32..-1.5);
    let mut tail = [-23.0_f32; BANDS];
    for frame in frames.iter_mut() {
        for (value, tail) in frame.iter_mut().zip(&mut tail) {
            let dry = *value;
            let late = *tail + decay;
            let wet = late + share;
            *value = dry.max(wet) + (-(dry - wet).abs()).exp().ln_1p();
            *tail = late.max(dry);
        }
    }
}

/// Blanks a short stretch of time or of bands (SpecAugment, Park et al. 2019).
fn mask(frames: &mut [[f32; BANDS]], rng: &mut impl rand::Rng) {
    if rng.random_bool(0.5) {
        let length = rng.random_range(1..6);
        let from = rng.random_range(0..frames.len() - length);
        let fill = frames[from];
        frames[from..from + length].fill(fill);
    } else {
        let width = rng.random_range(2..8);
        let from = rng.random_range(0..BANDS - width);
        for frame in frames.iter_mut() {
            let fill = frame[from];
            frame[from..from + width].fill(fill);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::SeedableRng;

    fn centres() -> Vec<f32> {
        (0..BANDS).map(|b| 50.0 + 80.0 * b as f32).collect()
    }

    #[test]
    fn a_longer_tract_moves_a_peak_down() {
        let centres: Vec<f32> = (0..BANDS).map(|b| 100.0 + 60.0 * b as f32).collect();
        let map = band_map(&centres, 0.8);
        // The band at 800 Hz now reads what was at 1000 Hz.
        let band = centres.iter().position(|&c| c >= 800.0).unwrap();
        let (low, _, share) = map[band];
        let source = centres[low] + share * 60.0;
        assert!((source - centres[band] / 0.8).abs() < 1.0);
    }

    #[test]
    fn as_many_crops_stay_as_they_are_as_the_settings_say() {
        let centres = centres();
        let strength = Strength {
            undisturbed: 0.3,
            ..Strength::default()
        };
        let mut rng = rand::rngs::StdRng::seed_from_u64(2);
        let before = vec![[-5.0_f32; BANDS]; 30];
        let mut same = 0;
        for _ in 0..400 {
            let mut frames = before.clone();
            disturb(&mut frames, &centres, &strength, &mut rng);
            same += usize::from(frames == before);
        }
        assert!((90..150).contains(&same), "{same}");
    }

    #[test]
    fn stays_finite_and_is_repeatable() {
        let centres = centres();
        for seed in 0..50 {
            let run = || {
                let mut frames = vec![[-5.0_f32; BANDS]; 60];
                frames[10] = [-23.0; BANDS];
                let mut rng = rand::rngs::StdRng::seed_from_u64(seed);
                disturb(&mut frames, &centres, &Strength::default(), &mut rng);
                frames
            };
            assert!(
                run()
                    .iter()
                    .flatten()
                    .all(|v| v.is_finite() && *v < 10.0 && *v > -40.0)
            );
            assert_eq!(run(), run());
        }
    }
}
