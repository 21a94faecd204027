//! The noise floor beneath a voice, causally.
//!
//! Minimum statistics (after Martin, "Noise power spectral density estimation based on optimal smoothing and minimum
//! statistics", 2001, in a plain form): a voice pauses in each part of the spectrum every second or so, so the least smoothed
//! power of the last 1.6 s is the noise. Mel bands are taken together by tens, which makes the minimum steady enough for one
//! fixed correction of its bias.
//!
//! Meant for telling breath from noise: both are unvoiced, but a breath stands out of the floor. An unvoiced frame
//! ([`crate::pitch::PitchFrame::voicing`] below 0.45) with [`NoiseFrame::snr`] above about 1.4 (6 dB) is breath or a consonant
//! and should be spoken; one below about 0.7 (3 dB) is the room and can be faded out by a gate or left out by the generator.
//! Between the two, fade. The floor needs about 1.6 s with a pause to be right after a start; a sound that stays even for
//! longer, such as a held note, is taken for noise slowly, at [`MOST_RISE`].

use crate::HOP;
use crate::mel::{BANDS, POWER_FLOOR, WINDOW};

/// Parts of the spectrum whose floors are followed.
pub const GROUPS: usize = 10;
/// Mel bands in one of them.
const GROUP: usize = BANDS / GROUPS;
/// Hops that the power is averaged over (80 ms). A mean and no decay, because a decay from a voice to a quiet room outlasts
/// the pauses between words.
const MEAN: usize = 8;
/// The minimum is taken over so many stretches …
const STRETCHES: usize = 8;
/// … of so many hops: 1.6 s in all.
const STRETCH: usize = 20;
/// By how much the minimum lies below the mean of a steady noise, natural log of power. Measured on white and pink noise.
const BIAS: f32 = 0.2;
/// Most that a floor rises per hop, natural log of power: 6 dB a second.
pub const MOST_RISE: f32 = 0.0138;
/// Powers below this are a muted input, every band at [`POWER_FLOOR`], not a quiet room: nothing is learned from them.
const MUTED: f32 = -18.2;
/// Hops after a start or a mute that are left out, as the analysis window still holds silence.
const SETTLING: usize = WINDOW / HOP;
/// Floor before anything was heard: a quiet room, -80 dB in all.
const START: f32 = -18.4;

/// The noise beneath one frame.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct NoiseFrame {
    /// Floor of the whole spectrum: natural log of power, on the scale of the mel bands' sum (full-scale sine = 0).
    pub floor: f32,
    /// Power of the frame over the floor, natural log of the ratio: 0 for noise alone, 1 for 4.3 dB above it.
    pub snr: f32,
}

/// Follows the noise floor of a running stream, frame by frame.
pub struct NoiseFloor {
    /// The powers that the mean is made of, newest last.
    recent: [[f32; GROUPS]; MEAN],
    /// How many of them there are.
    filled: usize,
    /// Least of the running stretch, and of those before it, oldest overwritten first.
    least: [f32; GROUPS],
    past: [[f32; GROUPS]; STRETCHES - 1],
    floors: [f32; GROUPS],
    oldest: usize,
    /// Hops in the running stretch.
    hops: usize,
    /// Hops still to be left out.
    settling: usize,
    heard: bool,
}

impl Default for NoiseFloor {
    fn default() -> Self {
        Self::new()
    }
}

impl NoiseFloor {
    /// A follower that has heard nothing.
    pub fn new() -> Self {
        Self {
            recent: [[0.0; GROUPS]; MEAN],
            filled: 0,
            least: [f32::INFINITY; GROUPS],
            past: [[f32::INFINITY; GROUPS]; STRETCHES - 1],
            floors: [START - (GROUPS as f32).ln(); GROUPS],
            oldest: 0,
            hops: 0,
            settling: SETTLING,
            heard: false,
        }
    }

    /// Forgets the stream: the next frame is the first one.
    pub fn reset(&mut self) {
        *self = Self::new();
    }

    /// The floor of each part of the spectrum, lowest first: natural log of the power of ten mel bands together.
    pub fn floors(&self) -> &[f32; GROUPS] {
        &self.floors
    }

    /// Takes the next frame's logarithmic band powers, [`crate::mel::MelFrame::bands`]. Looks at no later frame.
    pub fn process(&mut self, bands: &[f32; BANDS]) -> NoiseFrame {
        let powers: [f32; GROUPS] = std::array::from_fn(|group| {
            let bands = &bands[group * GROUP..(group + 1) * GROUP];
            bands.iter().map(|v| clean(*v).exp()).sum()
        });
        let power = powers.iter().sum::<f32>().ln();
        if power < MUTED {
            self.settling = SETTLING;
            self.filled = 0;
        } else if self.settling > 0 {
            self.settling -= 1;
        } else {
            self.learn(&powers);
        }
        let floor = self.floors.iter().map(|f| f.exp()).sum::<f32>().ln();
        NoiseFrame {
            floor,
            snr: power - floor,
        }
    }

    fn learn(&mut self, powers: &[f32; GROUPS]) {
        self.recent.copy_within(1.., 0);
        self.recent[MEAN - 1] = *powers;
        self.filled = (self.filled + 1).min(MEAN);
        if self.filled < MEAN {
            return;
        }
        for group in 0..GROUPS {
            let mean = self.recent.iter().map(|r| r[group]).sum::<f32>() / MEAN as f32;
            self.least[group] = self.least[group].min(mean);
            let least = self
                .past
                .iter()
                .fold(self.least[group], |least, past| least.min(past[group]));
            let found = least.ln() + BIAS;
            let floor = &mut self.floors[group];
            // The first mean says more than a guess at the room.
            *floor = if self.heard {
                found.min(*floor + MOST_RISE)
            } else {
                found
            };
        }
        self.heard = true;
        self.hops += 1;
        if self.hops == STRETCH {
            self.hops = 0;
            self.past[self.oldest] = self.least;
            self.oldest = (self.oldest + 1) % self.past.len();
            self.least = [f32::INFINITY; GROUPS];
        }
    }
}

/// A band within what the analyser can give, whatever was handed in.
fn clean(band: f32) -> f32 {
    let least = POWER_FLOOR.ln();
    if band.is_finite() {
        band.clamp(least, 10.0)
    } else {
        least
    }
}

/// The noise floor of a whole clip's mel spectrum, by the same code as the stream.
pub fn noise_floor(frames: &[[f32; BANDS]]) -> Vec<NoiseFrame> {
    let mut floor = NoiseFloor::new();
    frames.iter().map(|bands| floor.process(bands)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::RATE;
    use crate::mel::{MelAnalyser, mel_spectrogram};
    use rand::rngs::StdRng;
    use rand::{RngExt, SeedableRng};

    /// White (pole 0) or darker noise with a standard deviation of 1.
    fn noise(seconds: f32, pole: f32, seed: u64) -> Vec<f32> {
        let mut random = StdRng::seed_from_u64(seed);
        let mut colour = 0.0;
        (0..(seconds * RATE as f32) as usize)
            .map(|_| {
                let white: f32 = random.random_range(-1.732..1.732);
                colour = pole * colour + (1.0 - pole * pole).sqrt() * white;
                colour
            })
            .collect()
    }

    /// Syllables: 250 ms of a voice at 140 Hz, 150 ms of pause.
    fn syllables(seconds: f32) -> Vec<f32> {
        (0..(seconds * RATE as f32) as usize)
            .map(|i| {
                let t = i as f32 / RATE as f32;
                let turn = std::f32::consts::TAU * 140.0 * t;
                let voice: f32 = (1..30).map(|k| (k as f32 * turn).sin() / k as f32).sum();
                if t % 0.4 < 0.25 { 0.2 * voice } else { 0.0 }
            })
            .collect()
    }

    fn add(a: &[f32], b: &[f32], gain: f32) -> Vec<f32> {
        a.iter().zip(b).map(|(a, b)| a + gain * b).collect()
    }

    fn mean(values: impl Iterator<Item = f32>) -> f32 {
        let values: Vec<f32> = values.collect();
        values.iter().sum::<f32>() / values.len() as f32
    }

    #[test]
    fn steady_noise_is_its_own_floor() {
        for (pole, level) in [(0.0, 1e-3), (0.0, 0.1), (0.9, 1e-3), (0.97, 0.03)] {
            let sound: Vec<f32> = noise(6.0, pole, 1).iter().map(|v| v * level).collect();
            let frames = noise_floor(&mel_spectrogram(&sound));
            let snr = mean(frames[200..].iter().map(|f| f.snr));
            assert!(snr.abs() < 0.35, "pole {pole}, level {level}: {snr}");
            if pole == 0.0 {
                // White noise of variance v has a power of 2 v on this scale.
                let truth = (2.0 * level * level).ln();
                let floor = mean(frames[200..].iter().map(|f| f.floor));
                assert!((floor - truth).abs() < 0.4, "{floor} for {truth}");
            }
        }
    }

    #[test]
    fn a_voice_does_not_lift_the_floor() {
        for level in [1e-4, 1e-3, 1e-2] {
            let room = noise(8.0, 0.0, 2);
            let sound = add(&vec![0.0; room.len()], &room, level);
            let spoken = add(&syllables(8.0), &room, level);
            let alone = noise_floor(&mel_spectrogram(&sound));
            let under = noise_floor(&mel_spectrogram(&spoken));
            let lift = mean((250..780).map(|n| under[n].floor - alone[n].floor));
            assert!(lift.abs() < 1.2, "level {level}: {lift}");
            let loud = mean((250..780).filter(|n| n % 40 == 14).map(|n| under[n].snr));
            assert!(loud > 3.0, "level {level}: a syllable's snr is {loud}");
        }
    }

    #[test]
    fn breath_stands_out_of_noise() {
        let room = noise(6.0, 0.3, 3);
        let breath = noise(6.0, 0.6, 4);
        // From 4.0 to 4.4 s a breath 15 dB above the room.
        let sound: Vec<f32> = (0..room.len())
            .map(|i| {
                let inside = (4.0..4.4).contains(&(i as f32 / RATE as f32));
                0.002 * (room[i] + if inside { 5.6 * breath[i] } else { 0.0 })
            })
            .collect();
        let frames = noise_floor(&mel_spectrogram(&sound));
        assert!(frames[405..438].iter().all(|f| f.snr > 1.4));
        let before = frames[250..395].iter().filter(|f| f.snr > 0.7).count();
        assert!(before <= 2, "{before} frames of the room taken for breath");
    }

    #[test]
    fn the_floor_follows_a_change_of_the_room() {
        let room = noise(12.0, 0.0, 5);
        let sound: Vec<f32> = room
            .iter()
            .enumerate()
            .map(|(i, v)| v * if i < 6 * RATE as usize { 0.001 } else { 0.003 })
            .collect();
        let frames = noise_floor(&mel_spectrogram(&sound));
        assert!(mean(frames[620..640].iter().map(|f| f.snr)) > 1.5);
        assert!(mean(frames[1000..].iter().map(|f| f.snr)).abs() < 0.35);
        let steps = frames[10..].windows(2).map(|w| w[1].floor - w[0].floor);
        assert!(steps.fold(f32::MIN, f32::max) <= MOST_RISE * 1.01);
    }

    #[test]
    fn a_mute_teaches_nothing() {
        let mut sound: Vec<f32> = noise(8.0, 0.0, 6).iter().map(|v| v * 0.003).collect();
        sound[3 * RATE as usize..5 * RATE as usize].fill(0.0);
        let frames = noise_floor(&mel_spectrogram(&sound));
        let (before, after) = (frames[290].floor, frames[510].floor);
        assert!(
            (before - after).abs() < 0.5,
            "{before} before, {after} after"
        );
        assert!(frames[400].snr < -5.0);
    }

    #[test]
    fn odd_input_does_no_harm() {
        let mut floor = NoiseFloor::new();
        for bad in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY, 1e30, -1e30] {
            let frame = floor.process(&[bad; BANDS]);
            assert!(frame.floor.is_finite() && frame.snr.is_finite(), "{bad}");
        }
    }

    #[test]
    fn streaming_is_offline_for_any_chunking_and_after_a_reset() {
        let sound = add(&syllables(3.0), &noise(3.0, 0.5, 7), 0.01);
        let whole = noise_floor(&mel_spectrogram(&sound));
        let mut random = StdRng::seed_from_u64(8);
        let (mut analyser, mut floor) = (MelAnalyser::new(), NoiseFloor::new());
        for _ in 0..20 {
            analyser.reset();
            floor.reset();
            let mut streamed = Vec::new();
            let mut pending = Vec::new();
            let mut at = 0;
            while at < sound.len() {
                let end = (at + random.random_range(1..2000)).min(sound.len());
                pending.extend_from_slice(&sound[at..end]);
                at = end;
                while pending.len() >= HOP {
                    let hop: Vec<f32> = pending.drain(..HOP).collect();
                    let hop: &[f32; HOP] = hop.as_slice().try_into().unwrap();
                    streamed.push(floor.process(&analyser.process(hop).bands));
                }
            }
            assert_eq!(streamed, whole);
        }
    }
}
