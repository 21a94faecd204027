//! Brings a voice to one level before the networks hear it, and the sound back to its own after them.
//!
//! How loud a recording is says how near the microphone was and how far the gain was turned up; how loud the
//! training's voices are says with what effort they speak. A converter that takes one for the other says what a quiet microphone hears in
//! a soft and frightened voice (docs/emotion.md has figures). The level is that of the loud tenth of speech, followed as a quantile
//! (Robbins and Monro 1951), so that pauses do not count.

use mien_dsp::mel;
use mien_face::FRAME;

use super::DELAY_SAMPLES;

/// Where the training's corpora lie, in dB of power re full scale, and how far from it a voice stays as it is: those corpora
/// differ as much, and a gain that moves for nothing costs words.
const TARGET: f32 = -16.0;
const SLACK: f32 = 6.0;
/// Least and most gain in dB.
const GAIN: (f32, f32) = (-24.0, 30.0);
/// Share of speech that is below the level.
const QUANTILE: f32 = 0.9;
/// Step of the quantile, in dB: the first, which halves after so many frames of speech, and the last.
const FIRST_STEP: f32 = 6.0;
const HALVES_AFTER: f32 = 8.0;
const LAST_STEP: f32 = 0.3;
/// Over its first frame speech rises by about so much, in dB.
const ONSET: f32 = 10.0;
/// dB over the noise floor from which on a frame counts as speech, and what is too quiet for any.
const OVER_NOISE: f32 = 15.0;
const LEAST: f32 = -70.0;
/// Noise floor in dB before any was heard: a gated voice begins at once, and shall count as one.
const NOISE_AT_FIRST: f32 = -60.0;
/// Rise of the noise floor in dB a frame.
const NOISE_RISE: f32 = 0.05;
/// Farthest that a frame is expected over the level, in dB. What is louder, speech after a breath, pulls the level up at once,
/// or the first word would be overdriven.
const HEADROOM: f32 = 6.0;
/// Share of the way that it pulls, and that the gain falls each frame: 90 % in 40 ms.
const DUCK: f32 = 0.5;
/// Share of the way to what the level wants that the gain rises each frame once it is settled: 90 % in 0.8 s.
const GLIDE: f32 = 0.03;

/// One stream's level.
#[derive(Clone, Debug)]
pub struct AutoLevel {
    /// That of the loud tenth of speech, dB.
    level: f32,
    /// Frames of speech so far.
    spoken: f32,
    noise: f32,
    /// Gain at the end of the last frame, dB.
    gain: f32,
    /// Gain of each sample that is on its way through the converter, as a factor.
    under_way: [f32; DELAY_SAMPLES + FRAME],
}

impl Default for AutoLevel {
    fn default() -> Self {
        Self {
            // Nothing is wanted before speech was heard.
            level: TARGET,
            spoken: 0.0,
            noise: NOISE_AT_FIRST,
            gain: 0.0,
            under_way: [1.0; DELAY_SAMPLES + FRAME],
        }
    }
}

impl AutoLevel {
    /// The frame at the networks' level.
    pub fn apply(&mut self, input: &[f32; FRAME]) -> [f32; FRAME] {
        self.listen(input);
        let before = factor(self.gain);
        let off = TARGET - self.level;
        let wanted = (off - off.clamp(-SLACK, SLACK)).clamp(GAIN.0, GAIN.1);
        let share = match wanted < self.gain {
            true => DUCK,
            false => GLIDE.max(1.0 / self.spoken.max(1.0)),
        };
        self.gain += (wanted - self.gain) * share;
        let after = factor(self.gain);
        self.under_way.copy_within(FRAME.., 0);
        let mut levelled = [0.0; FRAME];
        for (i, (out, x)) in levelled.iter_mut().zip(input).enumerate() {
            let gain = before + (after - before) * (i + 1) as f32 / FRAME as f32;
            self.under_way[DELAY_SAMPLES + i] = gain;
            *out = x * gain;
        }
        levelled
    }

    /// Gain of each sample of the output's frame, which lies [`DELAY_SAMPLES`] behind the input's.
    pub fn gains(&self) -> &[f32] {
        &self.under_way[..FRAME]
    }

    /// Takes the gain back from a frame of output.
    pub fn restore(&self, output: &mut [f32; FRAME]) {
        for (x, gain) in output.iter_mut().zip(self.gains()) {
            *x /= gain;
        }
    }

    /// A whole sound at the networks' level, filled up to whole frames, and the gain of each sample that the converter
    /// says meanwhile.
    pub fn whole(sound: &[f32]) -> (Vec<f32>, Vec<f32>) {
        Self::default().follow(sound)
    }

    /// The same of a sound that comes after others.
    pub fn follow(&mut self, sound: &[f32]) -> (Vec<f32>, Vec<f32>) {
        let (mut levelled, mut gains) = (Vec::new(), Vec::new());
        for hop in mel::hops(sound) {
            levelled.extend(self.apply(&hop));
            gains.extend(self.gains());
        }
        (levelled, gains)
    }

    fn listen(&mut self, input: &[f32; FRAME]) {
        let power = input.iter().map(|x| x * x).sum::<f32>() / FRAME as f32;
        let now = 10.0 * (power + 1e-12).log10();
        if now < LEAST - OVER_NOISE {
            // A muted track tells nothing of the room.
            return;
        }
        self.noise = (self.noise + NOISE_RISE).min(now);
        if now < LEAST.max(self.noise + OVER_NOISE) {
            return;
        }
        if self.spoken == 0.0 {
            self.level = now + ONSET;
        }
        let step = (FIRST_STEP * HALVES_AFTER / (HALVES_AFTER + self.spoken)).max(LAST_STEP);
        self.level += match now > self.level {
            true => step * QUANTILE,
            false => -step * (1.0 - QUANTILE),
        };
        self.level += DUCK * (now - HEADROOM - self.level).max(0.0);
        self.spoken += 1.0;
    }
}

fn factor(decibels: f32) -> f32 {
    10.0_f32.powf(decibels / 20.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Syllables of a fifth of a second whose loud frames have that level, over noise 60 dB below them.
    fn speech(decibels: f32, frames: usize) -> Vec<[f32; FRAME]> {
        let frame = |t: usize| {
            let swell = (t as f32 / 20.0 * std::f32::consts::PI).sin().powi(2);
            let amplitude = 2.0_f32.sqrt() * factor(decibels) * swell.max(1e-3);
            std::array::from_fn(|i| {
                let n = (t * FRAME + i) as f32;
                amplitude * (n * 0.05).sin()
            })
        };
        (0..frames).map(frame).collect()
    }

    fn loudest(frames: &[[f32; FRAME]]) -> f32 {
        let power = |f: &[f32; FRAME]| f.iter().map(|x| x * x).sum::<f32>() / FRAME as f32;
        10.0 * frames.iter().map(power).fold(1e-12, f32::max).log10()
    }

    #[test]
    fn quiet_and_loud_voices_come_to_one_level_within_a_second() {
        for decibels in [-38.0, -20.0, -3.0] {
            let mut level = AutoLevel::default();
            let levelled: Vec<_> = speech(decibels, 300)
                .iter()
                .map(|f| level.apply(f))
                .collect();
            let (early, late) = (loudest(&levelled[80..120]), loudest(&levelled[260..]));
            let near = |level: f32, most: f32| (level - TARGET).abs() < SLACK + most;
            assert!(near(early, 4.0), "{decibels}: {early}");
            assert!(near(late, 3.0), "{decibels}: {late}");
        }
    }

    /// A breath is heard first and taken for the voice; the first word may not be overdriven for long.
    #[test]
    fn speech_after_a_breath_is_ducked_at_once() {
        let mut level = AutoLevel::default();
        for frame in speech(-75.0, 40).iter().chain(&speech(-50.0, 80)) {
            level.apply(frame);
        }
        assert!(level.gain > 10.0, "{}", level.gain);
        let word: Vec<_> = speech(-15.0, 30).iter().map(|f| level.apply(f)).collect();
        let late = loudest(&word[15..]);
        assert!(late < TARGET + SLACK + 8.0, "{late}");
        let highest = word.iter().flatten().fold(0.0_f32, |a, x| a.max(x.abs()));
        assert!(highest < 3.0, "{highest}");
    }

    #[test]
    fn a_usual_level_stays_as_it_is() {
        let mut level = AutoLevel::default();
        for frame in speech(-17.0, 300).iter().skip(5) {
            level.apply(frame);
        }
        assert!(level.gain.abs() < 0.5, "{}", level.gain);
    }

    #[test]
    fn what_was_taken_is_given_back_to_the_sample() {
        let mut level = AutoLevel::default();
        let input = speech(-33.0, 100);
        let mut line = vec![0.0; DELAY_SAMPLES];
        let mut worst = 0.0_f32;
        for (t, frame) in input.iter().enumerate() {
            line.extend(level.apply(frame));
            let mut out: [f32; FRAME] = std::array::from_fn(|i| line[t * FRAME + i]);
            level.restore(&mut out);
            for (i, x) in out.iter().enumerate() {
                let n = t * FRAME + i;
                if n >= DELAY_SAMPLES {
                    let at = n - DELAY_SAMPLES;
                    worst = worst.max((x - input[at / FRAME][at % FRAME]).abs());
                }
            }
        }
        assert!(worst < 1e-7, "{worst}");
    }

    #[test]
    fn silence_noise_and_pauses_move_nothing() {
        let mut level = AutoLevel::default();
        let mut seed = 1_u32;
        let mut noise = || {
            seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (seed >> 8) as f32 / (1 << 23) as f32 - 1.0
        };
        let hiss: Vec<[f32; FRAME]> = (0..300)
            .map(|_| std::array::from_fn(|_| 0.003 * noise()))
            .collect();
        for frame in [[0.0; FRAME]; 50].iter().chain(&hiss) {
            level.apply(frame);
        }
        assert_eq!(level.gain, 0.0, "noise is no speech");
        for frame in speech(-33.0, 300) {
            level.apply(&frame);
        }
        for _ in 0..200 {
            level.apply(&[0.0; FRAME]);
        }
        let settled = level.gain;
        for _ in 0..500 {
            level.apply(&[0.0; FRAME]);
        }
        assert!(
            (level.gain - settled).abs() < 0.1,
            "{} {settled}",
            level.gain
        );
    }
}
