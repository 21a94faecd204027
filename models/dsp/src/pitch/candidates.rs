use super::front::{LOW_RATE, SPAN};
use super::{MAX_HZ, MIN_HZ};

/// Shortest lag, one less than the period of the highest pitch, so that a peak there has a neighbour.
const MIN_LAG: usize = (LOW_RATE / MAX_HZ) as usize - 1;
/// Longest lag.
const MAX_LAG: usize = (LOW_RATE / MIN_HZ) as usize + 1;
/// Most candidates that are kept.
pub(super) const MOST: usize = 12;
/// Peaks below this are no candidates.
const LEAST_STRENGTH: f32 = 0.2;
/// Power added to the energy of each window, per sample: keeps the noise of an idle input from looking periodic.
const IDLE_POWER: f32 = 1e-9;

/// One guess at the pitch.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(super) struct Candidate {
    pub hz: f32,
    /// Normalised correlation of the sound with itself one period later, up to 1.
    pub strength: f32,
}

/// The guesses at one instant.
#[derive(Default)]
pub(super) struct Candidates {
    list: [Candidate; MOST],
    len: usize,
}

impl Candidates {
    pub(super) fn as_slice(&self) -> &[Candidate] {
        &self.list[..self.len]
    }

    /// Keeps the strongest ones.
    fn add(&mut self, candidate: Candidate) {
        if self.len < MOST {
            self.list[self.len] = candidate;
            self.len += 1;
            return;
        }
        let weakest =
            (0..MOST).min_by(|&a, &b| self.list[a].strength.total_cmp(&self.list[b].strength));
        if let Some(weakest) = weakest
            && self.list[weakest].strength < candidate.strength
        {
            self.list[weakest] = candidate;
        }
    }
}

/// Finds the lags at which the sound resembles itself.
pub(super) struct Correlator {
    correlation: [f32; MAX_LAG + 1],
    /// Energy of all samples before each one.
    energy: [f64; SPAN + 1],
}

impl Correlator {
    pub(super) fn new() -> Self {
        Self {
            correlation: [0.0; MAX_LAG + 1],
            energy: [0.0; SPAN + 1],
        }
    }

    /// Correlates around the middle of `sound`.
    pub(super) fn find(&mut self, sound: &[f32; SPAN], found: &mut Candidates) {
        let mut sum = 0.0;
        for (energy, &sample) in self.energy[1..].iter_mut().zip(sound) {
            sum += f64::from(sample) * f64::from(sample);
            *energy = sum;
        }
        for lag in MIN_LAG..=MAX_LAG {
            self.correlation[lag] = self.at(sound, lag);
        }
        found.len = 0;
        for lag in MIN_LAG + 1..MAX_LAG {
            let [before, here, after] = [
                self.correlation[lag - 1],
                self.correlation[lag],
                self.correlation[lag + 1],
            ];
            if here < LEAST_STRENGTH || here < before || here <= after {
                continue;
            }
            let bend = before - 2.0 * here + after;
            let offset = if bend < 0.0 {
                0.5 * (before - after) / bend
            } else {
                0.0
            };
            let hz = LOW_RATE / (lag as f32 + offset);
            let strength = (here - 0.25 * (before - after) * offset).min(1.0);
            found.add(Candidate {
                hz: hz.clamp(MIN_HZ, MAX_HZ),
                strength,
            });
        }
    }

    /// Two windows, one lag apart, lie symmetrically around the middle. They are about two periods long, so that both
    /// fast changes of a high pitch and the irregular periods of a low one are seen.
    fn at(&self, sound: &[f32; SPAN], lag: usize) -> f32 {
        let len = (2 * lag).clamp(120, SPAN - lag);
        let first = (SPAN - len - lag) / 2;
        let (a, b) = (
            &sound[first..first + len],
            &sound[first + lag..first + lag + len],
        );
        let energy = |from: usize| {
            self.energy[from + len] - self.energy[from] + f64::from(IDLE_POWER) * len as f64
        };
        dot(a, b) / (energy(first) * energy(first + lag)).sqrt() as f32
    }
}

/// Sum of products, in lanes that the compiler can turn into vector instructions.
fn dot(a: &[f32], b: &[f32]) -> f32 {
    let mut lanes = [0.0_f32; 8];
    let (a_chunks, b_chunks) = (a.chunks_exact(8), b.chunks_exact(8));
    let rest: f32 = a_chunks
        .remainder()
        .iter()
        .zip(b_chunks.remainder())
        .map(|(x, y)| x * y)
        .sum();
    for (x, y) in a_chunks.zip(b_chunks) {
        for lane in 0..8 {
            lanes[lane] += x[lane] * y[lane];
        }
    }
    lanes.iter().sum::<f32>() + rest
}
