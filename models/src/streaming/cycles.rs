//! What differs between one cycle of a voice and the next, where a feeling wants it. Periods and strengths that differ at random are the
//! jitter and shimmer of an excited or trembling voice. And the folds of a pressed or screaming voice swing in groups of cycles of unlike
//! strength: subharmonics and a fluttering of 50 to 100 Hz, which is heard as roughness (Arnal et al. 2015). Made as ANGUS (Gentilucci et
//! al. 2018) makes it on recorded voices, but on the excitation, where cycles are known.

use std::f64::consts::TAU;

use mien_face::SAMPLE_RATE;

use super::random::EvenNoise;

/// Deviation of the cycles' strengths for that of their lengths: actors' neutral takes have 1 % of jitter and 4 % of shimmer (Praat's relative average
/// perturbation and three-point quotient).
const SHIMMER: f64 = 3.0;
/// Farthest from its mean that a cycle's length or strength is, in deviations: a pulse train reaches close to half the sample rate.
const MOST_DEVIATIONS: f64 = 2.0;
/// Rate of the fluttering in Hz that the number of cycles in a group is chosen for: roughness is strongest there (Fastl and
/// Zwicker 2007, chapter 11).
const FLUTTER_HZ: f64 = 70.0;
/// Fewest and most cycles of a group.
const GROUP: (u32, u32) = (2, 6);
/// How much of the roughness is a random difference between cycles: no voice is rough evenly.
const UNEVEN: f64 = 0.35;

/// How unlike a voice's cycles are.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Unevenness {
    /// Standard deviation of their lengths, as a share.
    pub perturbation: f32,
    /// Depth of the fluttering, 0 to 1.
    pub roughness: f32,
}

/// One stream's present cycle.
#[derive(Clone, Debug)]
pub(super) struct Cycles {
    phase: f64,
    rate: f64,
    gain: f64,
    /// Place in the group, and its length.
    cycle: u32,
    group: u32,
    noise: EvenNoise,
}

impl Default for Cycles {
    fn default() -> Self {
        Self {
            phase: 0.0,
            rate: 1.0,
            gain: 1.0,
            cycle: 0,
            group: GROUP.0,
            noise: EvenNoise::default(),
        }
    }
}

impl Cycles {
    /// Moves on by a sample. Returns the phase of the cycle, 0 to 1 with the pulse at 0, and the factor on it, whose power is 1 on average;
    /// it changes half-way between two pulses, where there is next to nothing to be cut.
    pub(super) fn next(&mut self, f0_hz: f64, unevenness: Unevenness) -> (f64, f64) {
        let perturbation = f64::from(unevenness.perturbation);
        let before = self.phase;
        let moved = before + f0_hz / f64::from(SAMPLE_RATE) * self.rate;
        self.phase = moved.fract();
        if moved >= 1.0 {
            self.rate = 1.0 + self.deviation(perturbation);
        }
        if before < 0.5 && moved >= 0.5 {
            self.gain = (1.0 + SHIMMER * self.deviation(perturbation))
                * self.rough(f0_hz, f64::from(unevenness.roughness));
        }
        (self.phase, self.gain)
    }

    fn rough(&mut self, f0_hz: f64, depth: f64) -> f64 {
        if depth < 1e-3 {
            return 1.0;
        }
        self.cycle += 1;
        if self.cycle >= self.group {
            self.cycle = 0;
            let group = (f0_hz / FLUTTER_HZ).round();
            self.group = (group as u32).clamp(GROUP.0, GROUP.1);
        }
        let even = (TAU * f64::from(self.cycle) / f64::from(self.group)).cos();
        let uneven = UNEVEN * self.noise.next();
        // A group of two is one and minus one, a longer one a cosine.
        let power = if self.group == 2 { 1.0 } else { 0.5 } + UNEVEN * UNEVEN / 3.0;
        (1.0 + depth * (even + uneven)) / (1.0 + depth * depth * power).sqrt()
    }

    /// Noise of that standard deviation, near enough to normal: the sum of three even values has a deviation of one.
    fn deviation(&mut self, standard: f64) -> f64 {
        if standard < 1e-5 {
            return 0.0;
        }
        let sum: f64 = (0..3).map(|_| self.noise.next()).sum();
        standard * sum.clamp(-MOST_DEVIATIONS, MOST_DEVIATIONS)
    }
}
