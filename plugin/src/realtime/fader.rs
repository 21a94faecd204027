//! Takes the edges off a stretch of sound that is missing, wherever it is left out.

/// A missing voice fades out within this time, in ms: shorter clicks, longer smears.
const FADE_OUT_MS: f32 = 3.0;
/// And comes back within this one.
const FADE_IN_MS: f32 = 5.0;

/// The fade of one stream. What was heard last dies away while what comes next rises, so the joint
/// is smooth however short the hole is, and if there is none at all. Real-time safe.
pub struct Fader {
    /// Gain of the sound that comes.
    gain: f32,
    rise: f32,
    /// What is left of the sound that ended.
    tail: f32,
    fall: f32,
    /// The latest sample that went out.
    last: f32,
}

impl Fader {
    /// A fader for a stream of `rate` Hz whose first sound does not fade in.
    pub fn new(rate: u32) -> Self {
        Self {
            gain: 1.0,
            rise: 1000.0 / (FADE_IN_MS * rate as f32),
            tail: 0.0,
            // Down by 60 dB within the time.
            fall: 10_f32.powf(-3.0 * 1000.0 / (FADE_OUT_MS * rate as f32)),
            last: 0.0,
        }
    }

    /// Forgets everything: the next sound does not fade in.
    pub fn reset(&mut self) {
        (self.gain, self.tail, self.last) = (1.0, 0.0, 0.0);
    }

    /// The next sound does not go on where the latest one ended.
    pub fn cut(&mut self) {
        (self.gain, self.tail) = (0.0, self.last);
    }

    /// The next sound follows a silence, whatever the latest one was.
    pub fn cut_to_silence(&mut self) {
        (self.gain, self.tail, self.last) = (0.0, 0.0, 0.0);
    }

    /// Fills a block in which there is no sound.
    pub fn silence(&mut self, block: &mut [f32]) {
        self.cut();
        self.rest(block);
    }

    /// Fills a block before the first sound: what was cut before it dies away, and nothing else
    /// changes.
    pub fn rest(&mut self, block: &mut [f32]) {
        for sample in block {
            *sample = self.decay();
        }
        self.last = self.tail;
    }

    /// Passes a block of sound; without a cut shortly before it, as it is.
    pub fn sound(&mut self, block: &mut [f32]) {
        for sample in block.iter_mut() {
            if self.gain >= 1.0 {
                break;
            }
            self.gain = (self.gain + self.rise).min(1.0);
            *sample = *sample * self.gain + self.decay();
        }
        if let Some(&last) = block.last() {
            self.last = last;
        }
    }

    /// The next sample of the tail: what would have come is not known, so it is the last one's decay.
    fn decay(&mut self) -> f32 {
        self.tail *= self.fall;
        // Far below hearing, and far above the slow denormal numbers.
        if self.tail.abs() < 1e-9 {
            self.tail = 0.0;
        }
        self.tail
    }
}

/// Steepest step from one sample to the next, by which tests find clicks.
#[cfg(test)]
pub(crate) fn steepest(sound: &[f32]) -> f32 {
    sound
        .windows(2)
        .map(|pair| (pair[1] - pair[0]).abs())
        .fold(0.0, f32::max)
}

#[cfg(test)]
mod tests {
    use super::*;

    const RATE: u32 = 48_000;

    #[test]
    fn sound_without_a_cut_passes_bit_by_bit() {
        let mut fader = Fader::new(RATE);
        let mut sound = [0.3, -0.7, 0.1];
        fader.sound(&mut sound);
        assert_eq!(sound, [0.3, -0.7, 0.1]);
        fader.cut();
        fader.sound(&mut [0.5; 300]);
        let mut sound = [0.3, -0.7, 0.1];
        fader.sound(&mut sound);
        assert_eq!(sound, [0.3, -0.7, 0.1]);
    }

    #[test]
    fn a_joint_is_smooth_wherever_the_next_one_comes() {
        // A hole of each length, in the middle of a fade-in of each progress; all ends are far apart.
        for hole in 0..200 {
            for progress in [0, 1, 2, 10, 100, 239, 240, 300] {
                let mut fader = Fader::new(RATE);
                let mut sound = vec![1.0; 100 + progress + hole + 500];
                let (first, rest) = sound.split_at_mut(100);
                let (second, rest) = rest.split_at_mut(progress);
                let (silent, third) = rest.split_at_mut(hole);
                second.fill(-1.0);
                fader.sound(first);
                fader.cut();
                fader.sound(second);
                fader.cut();
                fader.silence(silent);
                fader.sound(third);
                let steepest = steepest(&sound);
                assert!(steepest < 0.06, "{steepest} at {progress}, {hole}");
                assert_eq!(sound.last(), Some(&1.0));
            }
        }
    }

    #[test]
    fn silence_gets_exact() {
        let mut fader = Fader::new(RATE);
        fader.sound(&mut [1.0]);
        let mut silent = [9.0; 1000];
        fader.silence(&mut silent[..300]);
        fader.silence(&mut silent[300..]);
        assert!(silent.windows(2).all(|pair| pair[1] <= pair[0]));
        assert!(silent[144] < 1.1e-3);
        assert_eq!(silent[999], 0.0);
    }
}
