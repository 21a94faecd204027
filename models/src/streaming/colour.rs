//! What a pack does to its voices' colour, and a feeling to that of the sound: tilt, formants, how sharp both are, breath. Few numbers, each
//! with a meaning, which act on the mel of each frame; what cannot be said so is left to the emotion adapter. In one's own voice they leave a
//! frame's power alone: there its level is the performer's.

use std::sync::LazyLock;

use serde::{Deserialize, Serialize};

use super::formant;
use crate::networks::{BANDS, MEL_SCALE};

/// A change of colour: what a pack does to its voices at all times, or an emotion at full strength.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct EmotionColour {
    /// Change of the spectral tilt around 1 kHz, in nepers of power an octave; pressed voices have less fall, so more than 0.
    pub tilt: f32,
    /// Further tilt for each neper that a syllable is stressed: tension that comes and goes.
    pub tilt_follow: f32,
    /// Shift of the formants in semitones; a smile shortens the tract, so more than 0.
    pub formants: f32,
    /// Natural log of the factor on formants over valleys: above 0 clearer, below 0 muffled.
    pub contrast: f32,
    /// Share of what changes within 50 ms that is added again: above 0 crisper, below 0 slurred.
    pub sharpness: f32,
    /// Natural log of the factor on the noise in voiced sounds.
    pub breath: f32,
}

impl EmotionColour {
    /// No change.
    pub const NONE: Self = Self {
        tilt: 0.0,
        tilt_follow: 0.0,
        formants: 0.0,
        contrast: 0.0,
        sharpness: 0.0,
        breath: 0.0,
    };

    /// This colour of a pack's voices, of which the speaker's own share has none, and the feeling's beside it.
    pub fn with_feeling(mut self, own: f32, feeling: &Self) -> Self {
        self.each(feeling, |mine, its| *mine = *mine * (1.0 - own) + its);
        self
    }

    pub(super) fn each(&mut self, other: &Self, mut change: impl FnMut(&mut f32, f32)) {
        for (mine, its) in [
            (&mut self.tilt, other.tilt),
            (&mut self.tilt_follow, other.tilt_follow),
            (&mut self.formants, other.formants),
            (&mut self.contrast, other.contrast),
            (&mut self.sharpness, other.sharpness),
            (&mut self.breath, other.breath),
        ] {
            change(mine, its);
        }
    }
}

/// Octaves of each band from 1 kHz; what is far below or above is not tilted any further.
pub(crate) static OCTAVES: LazyLock<[f32; BANDS]> = LazyLock::new(|| {
    let centres = &mien_dsp::mel::filterbank().centres;
    std::array::from_fn(|b| (centres[b].max(1.0) / 1000.0).log2().clamp(-2.5, 2.5))
});
/// Bands to either side that a formant is measured against: about an octave at 1 kHz, without the harmonics' ripple.
pub(crate) const AROUND: usize = 9;
/// Share of the way that the slow mel follows each frame (50 ms).
pub(crate) const SLOW: f32 = 0.2;
/// Most that all together change a band, in nepers of power.
pub(crate) const MOST: f32 = 3.5;

/// Most that sharpness lifts a band, in nepers of power (4 dB): a word after silence is all change, and would burst.
pub(crate) const MOST_SHARP: f32 = 1.0;

/// One stream's past.
#[derive(Clone, Debug, Default)]
pub struct Colour {
    slow: Option<[f32; BANDS]>,
}

impl Colour {
    /// Colours a frame's normalised log mel. `stress`: see [`super::ProsodyMapper::stress`]; `own`: share of the speaker's own voice,
    /// 0 to 1, by which the frame's power stays what it was.
    pub fn shape(&mut self, mel: &mut [f32; BANDS], colour: &EmotionColour, stress: f32, own: f32) {
        let slow = self.slow.get_or_insert(*mel);
        slow.iter_mut()
            .zip(mel.iter())
            .for_each(|(s, m)| *s += (m - *s) * SLOW);
        let around = averaged(mel);
        let octave = (colour.tilt + colour.tilt_follow * stress) * MEL_SCALE as f32;
        let clearer = colour.contrast.exp() - 1.0;
        let most = MOST * MEL_SCALE as f32;
        let most_sharp = MOST_SHARP * MEL_SCALE as f32;
        let before = *mel;
        for (b, value) in mel.iter_mut().enumerate() {
            let change = octave * OCTAVES[b]
                + clearer * (before[b] - around[b])
                + (colour.sharpness * (before[b] - slow[b])).min(most_sharp);
            *value += change.clamp(-most, most);
        }
        if colour.formants.abs() > 1e-3 {
            formant::shift(mel, colour.formants);
        }
        if own > 0.0 {
            let lost = (loudness_of(&before) - loudness_of(mel)) * MEL_SCALE as f32 * own;
            mel.iter_mut().for_each(|v| *v += lost);
        }
    }
}

/// Natural log of the power of a whole normalised log mel, but for a constant; [`crate::networks::loudness`] is that of what is below 8 kHz.
fn loudness_of(mel: &[f32; BANDS]) -> f32 {
    let power: f32 = mel.iter().map(|v| (v / MEL_SCALE as f32).exp()).sum();
    power.ln()
}

/// Each band's mean with those around it.
fn averaged(mel: &[f32; BANDS]) -> [f32; BANDS] {
    let mut sums = [0.0_f32; BANDS + 1];
    for b in 0..BANDS {
        sums[b + 1] = sums[b] + mel[b];
    }
    std::array::from_fn(|b| {
        let (from, to) = (b.saturating_sub(AROUND), (b + AROUND + 1).min(BANDS));
        (sums[to] - sums[from]) / (to - from) as f32
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The last of `frames` in a voice of the pack.
    fn shaped(colour: EmotionColour, stress: f32, frames: &[[f32; BANDS]]) -> [f32; BANDS] {
        shaped_in(0.0, colour, stress, frames)
    }

    fn shaped_in(
        own: f32,
        colour: EmotionColour,
        stress: f32,
        frames: &[[f32; BANDS]],
    ) -> [f32; BANDS] {
        let mut state = Colour::default();
        let mut last = [0.0; BANDS];
        for frame in frames {
            last = *frame;
            state.shape(&mut last, &colour, stress, own);
        }
        last
    }

    #[test]
    fn no_colour_changes_nothing() {
        let frame = std::array::from_fn(|b| (b as f32 * 0.3).sin());
        assert_eq!(shaped(EmotionColour::NONE, 2.0, &[frame; 3]), frame);
    }

    #[test]
    fn tilt_turns_around_a_kilohertz_and_follows_stress() {
        let low = OCTAVES.iter().position(|&o| o > -1.0).unwrap();
        let high = OCTAVES.iter().position(|&o| o > 1.0).unwrap();
        let colour = EmotionColour {
            tilt: 0.4,
            tilt_follow: 0.2,
            ..EmotionColour::NONE
        };
        let of = |stress| shaped(colour, stress, &[[0.0; BANDS]; 2]);
        let nepers = |value: f32| value / MEL_SCALE as f32;
        assert!((nepers(of(0.0)[high] - of(0.0)[low]) - 0.8).abs() < 0.1);
        assert!((nepers(of(1.0)[high] - of(1.0)[low]) - 1.2).abs() < 0.1);
    }

    #[test]
    fn contrast_lifts_peaks_and_sharpness_lifts_onsets() {
        let mut peak = [0.0; BANDS];
        peak[40] = 1.0;
        let clear = EmotionColour {
            contrast: 0.5,
            ..EmotionColour::NONE
        };
        let seen = shaped(clear, 0.0, &[peak; 2]);
        assert!(
            seen[40] > 1.4 && seen[42] < 0.0,
            "{} {}",
            seen[40],
            seen[42]
        );
        let crisp = EmotionColour {
            sharpness: 1.0,
            ..EmotionColour::NONE
        };
        let burst = shaped(crisp, 0.0, &[[-4.0; BANDS], [0.5; BANDS]]);
        assert!(
            burst[10] <= 0.5 + MOST_SHARP * MEL_SCALE as f32,
            "{}",
            burst[10]
        );
        let onset = shaped(crisp, 0.0, &[[0.3; BANDS], [0.5; BANDS]]);
        let steady = shaped(crisp, 0.0, &[[0.5; BANDS]; 60]);
        assert!(onset[10] > 0.65 && (steady[10] - 0.5).abs() < 1e-3);
    }

    #[test]
    fn in_ones_own_voice_no_colour_changes_the_power_of_a_frame() {
        let frame =
            |t: usize| std::array::from_fn(|b| ((b + 9 * t) as f32 * 0.21).sin() - b as f32 * 0.01);
        let colour = EmotionColour {
            tilt: -0.3,
            tilt_follow: 0.1,
            formants: 1.0,
            contrast: -0.3,
            sharpness: -0.4,
            breath: 0.2,
        };
        let frames: [_; 5] = std::array::from_fn(frame);
        let (said, meant) = (shaped_in(1.0, colour, 1.0, &frames), frames[4]);
        assert_ne!(said, meant);
        assert!((loudness_of(&said) - loudness_of(&meant)).abs() < 1e-3);
    }
}
