use crate::HOP;

/// Samples per second after decimation.
pub(super) const LOW_RATE: f32 = 12_000.0;
/// Decimated samples per hop.
const LOW_HOP: usize = HOP / 2;
/// Taps of the low-pass, at 24 kHz. Odd, so that its delay is a whole number of samples.
const TAPS: usize = 41;
/// What goes past this is an error of the source; it must not spoil the memory of how loud the voice is.
const LOUDEST: f32 = 4.0;
/// Decimated samples between the instant in question and the end of the input, after the delay of the low-pass.
const FUTURE: usize = (super::PitchTracker::LOOKAHEAD_SAMPLES - (TAPS - 1) / 2) / 2;
/// Decimated samples that are correlated: as many before the instant as after it.
pub(super) const SPAN: usize = 2 * FUTURE;
/// Number of blocks of which the power is measured. The future ends soon, the past does not: most lie before the instant.
pub(super) const BLOCKS: usize = 10;
/// How many of them lie after the middle of the one that holds the instant.
const BLOCKS_AFTER: usize = 3;
/// The block that holds the instant.
pub(super) const NOW: usize = BLOCKS - 1 - BLOCKS_AFTER;
/// Length of a block at 12 kHz (5 ms).
const BLOCK: usize = 60;
/// Decimated samples from the first block to the instant.
const PAST: usize = BLOCKS * BLOCK - BLOCKS_AFTER * BLOCK - BLOCK / 2;
/// Decimated samples that are kept.
const LOW: usize = PAST + FUTURE;
/// Samples at 24 kHz that are kept: from the first block to the end of the input.
const FULL: usize = 2 * PAST + super::PitchTracker::LOOKAHEAD_SAMPLES;

/// Keeps the last 50 ms in two versions: whole, and high- and low-passed at half the rate.
pub(super) struct Front {
    taps: [f32; TAPS],
    high_pass: Biquad,
    /// High-passed at 24 kHz; what the low-pass still needs is kept.
    passed: [f32; TAPS - 1 + HOP],
    low: [f32; LOW],
    full: [f32; FULL],
    /// By how many samples the input is held back, and what is held.
    delay: usize,
    held: [f32; HOP],
}

impl Front {
    /// Holds the input back by `delay` samples, at most a hop.
    pub(super) fn new(delay: usize) -> Self {
        Self {
            taps: low_pass(2800.0 / 24_000.0),
            high_pass: Biquad::high_pass(50.0 / 24_000.0),
            passed: [0.0; TAPS - 1 + HOP],
            low: [0.0; LOW],
            full: [0.0; FULL],
            delay: delay.min(HOP),
            held: [0.0; HOP],
        }
    }

    pub(super) fn reset(&mut self) {
        *self = Self {
            taps: self.taps,
            ..Self::new(self.delay)
        };
    }

    pub(super) fn push(&mut self, hop: &[f32; HOP]) {
        self.passed.copy_within(HOP.., 0);
        let incoming = self.held[HOP - self.delay..]
            .iter()
            .chain(&hop[..HOP - self.delay]);
        for (out, &sample) in self.passed[TAPS - 1..].iter_mut().zip(incoming) {
            // One NaN would stay in the recursive filter for ever.
            *out = self.high_pass.step(if sample.is_finite() {
                sample.clamp(-LOUDEST, LOUDEST)
            } else {
                0.0
            });
        }
        self.held = *hop;
        self.full.copy_within(HOP.., 0);
        self.full[FULL - HOP..].copy_from_slice(&self.passed[TAPS - 1..]);
        self.low.copy_within(LOW_HOP.., 0);
        for (i, out) in self.low[LOW - LOW_HOP..].iter_mut().enumerate() {
            let from = 2 * i + 1;
            *out = self.passed[from..from + TAPS]
                .iter()
                .zip(&self.taps)
                .map(|(x, w)| x * w)
                .sum();
        }
    }

    /// The decimated sound; the instant in question lies in the middle.
    pub(super) fn low(&self) -> &[f32] {
        &self.low[LOW - SPAN..]
    }

    /// Power of each block in dB: of the whole sound, and of what lies below the low-pass.
    pub(super) fn levels(&self) -> [[f32; BLOCKS]; 2] {
        let full = &self.full[..2 * BLOCKS * BLOCK];
        let low = &self.low;
        [
            std::array::from_fn(|i| level_db(&full[2 * i * BLOCK..2 * (i + 1) * BLOCK])),
            std::array::from_fn(|i| level_db(&low[i * BLOCK..(i + 1) * BLOCK])),
        ]
    }

    /// Two measures of how high the spectrum lies, over 25 ms around the instant: the share of neighbouring samples
    /// with a change of sign, and the correlation of neighbouring samples.
    pub(super) fn brightness(&self) -> [f32; 2] {
        let near = &self.full[2 * PAST - 5 * BLOCK..2 * PAST + 5 * BLOCK];
        let crossings = near
            .windows(2)
            .filter(|w| (w[0] < 0.0) != (w[1] < 0.0))
            .count();
        let power: f32 = near.iter().map(|x| x * x).sum();
        let product: f32 = near.windows(2).map(|w| w[0] * w[1]).sum();
        [
            crossings as f32 / near.len() as f32,
            product / (power + 1e-9),
        ]
    }
}

/// Mean power in dB, at least -100.
fn level_db(sound: &[f32]) -> f32 {
    10.0 * (sound.iter().map(|x| x * x).sum::<f32>() / sound.len() as f32 + 1e-10).log10()
}

/// Hann-windowed sinc; `cutoff` relative to the sample rate.
fn low_pass(cutoff: f64) -> [f32; TAPS] {
    let middle = (TAPS / 2) as f64;
    let raw: [f64; TAPS] = std::array::from_fn(|i| {
        let t = i as f64 - middle;
        let phase = std::f64::consts::TAU * cutoff * t;
        let sinc = if t == 0.0 { 1.0 } else { phase.sin() / phase };
        sinc * (0.5 + 0.5 * (std::f64::consts::PI * t / (middle + 1.0)).cos())
    });
    let sum: f64 = raw.iter().sum();
    raw.map(|w| (w / sum) as f32)
}

/// Second-order filter, transposed direct form II.
struct Biquad {
    b: [f32; 3],
    a: [f32; 2],
    state: [f32; 2],
}

impl Biquad {
    /// Butterworth high-pass; `cutoff` relative to the sample rate.
    fn high_pass(cutoff: f64) -> Self {
        let k = (std::f64::consts::PI * cutoff).tan();
        let norm = 1.0 / (1.0 + std::f64::consts::SQRT_2 * k + k * k);
        Self {
            b: [norm as f32, (-2.0 * norm) as f32, norm as f32],
            a: [
                (2.0 * (k * k - 1.0) * norm) as f32,
                ((1.0 - std::f64::consts::SQRT_2 * k + k * k) * norm) as f32,
            ],
            state: [0.0; 2],
        }
    }

    fn step(&mut self, x: f32) -> f32 {
        let y = self.b[0] * x + self.state[0];
        self.state[0] = self.b[1] * x - self.a[0] * y + self.state[1];
        self.state[1] = self.b[2] * x - self.a[1] * y;
        y
    }
}
