//! What the content encoder misses of how something is said, taken from the speaker's own mel.
//!
//! The generator says twice what it is told: as it shall sound, and, in the same voice, at the pitch and the loudness
//! that were heard. How the speaker's mel differs from the second is the speaker's colour, which is steady, and
//! articulation that the narrow content lost, which is not. So the running mean of that difference is left out, and a
//! part of the rest is added to what shall sound. Without a mean to take away, and with the whole of it, the sum is the speaker's own
//! voice: both are one mechanism.

use crate::networks::{BANDS, FLOOR, MEL_SCALE, normalise_value};

/// Share of the articulation that is kept in unvoiced frames. In voiced ones, where most of the speaker's voice lies
/// too, none is. docs/training.md has the figures that decided.
const UNVOICED: f32 = 0.7;
/// Most that it changes a band, in nepers of power.
const MOST: f32 = 2.4;
/// Frames of speech that the mean is taken over at most: 8 s.
const MEMORY: f32 = 800.0;
/// Frames of speech until the mean is believed.
const SETTLED: f32 = 100.0;
/// Signal over the noise floor, natural log of power, from which on a frame is speech, and how far above it is so for
/// sure: what is no speech is the room, and stays out.
const NOISE: f32 = 0.7;
const SPEECH: f32 = 0.7;
/// Nepers over the least that a band can hold under which it is beyond what a narrow recording has, and stays as the
/// generator makes it.
const EMPTY: f32 = 2.0;

/// Running mean of one stream.
#[derive(Clone, Debug)]
pub struct Articulation {
    /// Mean difference in normalised log mel.
    mean: [f32; BANDS],
    frames: f32,
}

impl Default for Articulation {
    fn default() -> Self {
        Self {
            mean: [0.0; BANDS],
            frames: 0.0,
        }
    }
}

impl Articulation {
    /// What to add to a frame's normalised log mel. `heard`: that of the speaker; `difference`: of it from what the
    /// generator makes of it; `voicing`: 0 to 1; `snr`: of the frame over the noise floor, natural log.
    pub fn keep(
        &mut self,
        heard: &[f32; BANDS],
        difference: &[f32; BANDS],
        voicing: f32,
        snr: f32,
    ) -> [f32; BANDS] {
        let speech = ((snr - NOISE) / SPEECH).clamp(0.0, 1.0);
        if speech >= 1.0 {
            self.frames = (self.frames + 1.0).min(MEMORY);
            for (mean, d) in self.mean.iter_mut().zip(difference) {
                *mean += (d - *mean) / self.frames;
            }
        }
        let share = UNVOICED * (1.0 - voicing) * speech * (self.frames / SETTLED).min(1.0);
        let most = MOST * MEL_SCALE as f32;
        let empty = normalise_value(FLOOR + EMPTY);
        std::array::from_fn(|b| match heard[b] < empty {
            true => 0.0,
            false => share * (difference[b] - self.mean[b]).clamp(-most, most),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_steady_is_left_out_and_what_moves_is_kept() {
        let mut articulation = Articulation::default();
        let colour: [f32; BANDS] = std::array::from_fn(|b| (b as f32 * 0.2).sin() * 0.3);
        for _ in 0..500 {
            articulation.keep(&[0.5; BANDS], &colour, 1.0, 5.0);
        }
        let plain = articulation.keep(&[0.5; BANDS], &colour, 0.0, 5.0);
        assert!(plain.iter().all(|v| v.abs() < 1e-3));
        let mut burst = colour;
        burst[60] += 0.4;
        let kept = articulation.keep(&[0.5; BANDS], &burst, 0.0, 5.0);
        assert!((kept[60] - 0.4 * UNVOICED).abs() < 0.01, "{}", kept[60]);
        assert_eq!(
            articulation.keep(&[0.5; BANDS], &burst, 1.0, 5.0),
            [0.0; BANDS],
            "a vowel's colour stays out"
        );
        assert_eq!(
            articulation.keep(&[0.5; BANDS], &burst, 0.0, 0.5),
            [0.0; BANDS],
            "the room stays out"
        );
        let lacking = [normalise_value(FLOOR); BANDS];
        let narrow = articulation.keep(&lacking, &burst, 0.0, 5.0);
        assert_eq!(
            narrow, [0.0; BANDS],
            "what a recording lacks is no articulation"
        );
    }

    #[test]
    fn nothing_is_kept_before_the_speaker_is_known_and_never_too_much() {
        let mut articulation = Articulation::default();
        let first = articulation.keep(&[0.5; BANDS], &[0.5; BANDS], 0.0, 5.0);
        assert!(first.iter().all(|v| v.abs() < 0.01));
        let mut last = [0.0; BANDS];
        for t in 0..300 {
            let d = if t % 2 == 0 { 50.0 } else { -50.0 };
            last = articulation.keep(&[0.5; BANDS], &[d; BANDS], 0.0, 5.0);
        }
        let most = MOST * MEL_SCALE as f32;
        assert!(last.iter().all(|v| v.abs() <= most), "{last:?}");
    }
}
