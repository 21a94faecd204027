use super::front::{LOW_RATE, SPAN};
use super::net::dot;
use super::{MAX_HZ, MIN_HZ};

/// Shortest lag, one less than the period of the highest pitch, so that a peak there has a neighbour.
const MIN_LAG: usize = (LOW_RATE / MAX_HZ) as usize - 1;
/// Longest lag.
const MAX_LAG: usize = (LOW_RATE / MIN_HZ) as usize + 1;
/// Most candidates that there are at one instant.
pub const MOST: usize = 12;
/// Peaks below this are no candidates.
const LEAST_STRENGTH: f32 = 0.15;
/// How much stronger a candidate at the lowest pitch must be than one at the highest to be kept in its place.
const LONG_COST: f32 = 0.15;
/// Power added to the energy of each window, per sample: keeps the noise of an idle input from looking periodic.
const IDLE_POWER: f32 = 1e-9;
/// How far before and after the instant the correlation is looked at, in samples at 12 kHz (6 ms).
const BESIDE: isize = 72;

/// Bands of the map of the correlation: 24 an octave over the whole range.
pub(super) const MAP: usize = 97;

/// Number of values that describe a candidate.
pub(super) const TRAITS: usize = 18;
/// One guess at the pitch.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(super) struct Candidate {
    pub hz: f32,
    /// Normalised correlation of the sound with itself one period later, up to 1.
    pub strength: f32,
    /// What tells the true period from its multiples and parts.
    pub traits: [f32; TRAITS],
}

impl Candidate {
    /// Where its period lies on the map, in bands; a whole number is the middle of a band.
    pub(super) fn band(&self) -> f32 {
        (MAX_HZ / self.hz.clamp(MIN_HZ, MAX_HZ)).ln() / (MAX_HZ / MIN_HZ).ln() * MAP as f32 - 0.5
    }
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

    /// Keeps the best ones. All multiples of a short period are as strong as itself, and there can be more of them than
    /// there is room, so a higher pitch goes before an equally strong lower one.
    fn add(&mut self, candidate: Candidate) {
        let worth = |c: &Candidate| c.strength - LONG_COST * MIN_HZ / c.hz;
        if self.len < MOST {
            self.list[self.len] = candidate;
            self.len += 1;
            return;
        }
        let least =
            (0..MOST).min_by(|&a, &b| worth(&self.list[a]).total_cmp(&worth(&self.list[b])));
        if let Some(least) = least
            && worth(&self.list[least]) < worth(&candidate)
        {
            self.list[least] = candidate;
        }
    }
}

/// Finds the lags at which the sound resembles itself.
pub(super) struct Correlator {
    /// Over about one and a half periods: follows fast changes.
    short: [f32; MAX_LAG + 1],
    /// Over about three periods: sees through noise.
    long: [f32; MAX_LAG + 1],
    /// The mean of both.
    mean: [f32; MAX_LAG + 1],
    /// Energy of all samples before each one.
    energy: [f64; SPAN + 1],
    /// Lags where the bands of the map begin, and where the last one ends.
    edges: [f32; MAP + 1],
}

impl Correlator {
    pub(super) fn new() -> Self {
        Self {
            short: [0.0; MAX_LAG + 1],
            long: [0.0; MAX_LAG + 1],
            mean: [0.0; MAX_LAG + 1],
            energy: [0.0; SPAN + 1],
            edges: std::array::from_fn(|i| {
                (LOW_RATE / MAX_HZ) * (MAX_HZ / MIN_HZ).powf(i as f32 / MAP as f32)
            }),
        }
    }

    /// Correlates around the middle of `sound`.
    pub(super) fn find(&mut self, sound: &[f32], found: &mut Candidates) {
        let mut sum = 0.0;
        for (energy, &sample) in self.energy[1..].iter_mut().zip(sound) {
            sum += f64::from(sample) * f64::from(sample);
            *energy = sum;
        }
        for lag in MIN_LAG..=MAX_LAG {
            self.short[lag] = self.correlate(sound, lag, (3 * lag / 2).max(120), 0);
            self.long[lag] = self.correlate(sound, lag, (3 * lag).max(240), 0);
            self.mean[lag] = 0.5 * (self.short[lag] + self.long[lag]);
        }
        found.len = 0;
        for lag in MIN_LAG + 1..MAX_LAG {
            let [before, here, after] = [self.mean[lag - 1], self.mean[lag], self.mean[lag + 1]];
            if here < LEAST_STRENGTH || here < before || here <= after {
                continue;
            }
            let bend = before - 2.0 * here + after;
            let offset = if bend < 0.0 {
                0.5 * (before - after) / bend
            } else {
                0.0
            };
            let period = lag as f32 + offset;
            let strength = (here - 0.25 * (before - after) * offset).min(1.0);
            let hz = (LOW_RATE / period).clamp(MIN_HZ, MAX_HZ);
            found.add(Candidate {
                hz,
                strength,
                traits: [0.0; TRAITS],
            });
        }
        for candidate in &mut found.list[..found.len] {
            candidate.traits = self.describe(sound, candidate);
        }
    }

    fn describe(&self, sound: &[f32], candidate: &Candidate) -> [f32; TRAITS] {
        let lag = LOW_RATE / candidate.hz;
        let [before, after] = self.beside(sound, lag);
        let best = |from: f32, to: f32| {
            let from = (from.ceil() as usize).clamp(MIN_LAG, MAX_LAG);
            let to = (to as usize).clamp(MIN_LAG, MAX_LAG);
            if from >= to {
                0.0
            } else {
                self.mean[from..=to].iter().fold(0.0_f32, |a, &b| a.max(b))
            }
        };
        [
            at(&self.short, lag),
            at(&self.long, lag),
            at(&self.short, lag / 2.0),
            at(&self.long, lag / 2.0),
            at(&self.short, lag / 3.0),
            at(&self.long, lag / 3.0),
            at(&self.short, lag * 2.0),
            at(&self.long, lag * 2.0),
            at(&self.mean, lag * 3.0),
            at(&self.mean, lag * 1.5),
            at(&self.mean, lag * 2.0 / 3.0),
            at(&self.mean, lag * 0.75),
            best(MIN_LAG as f32 * 1.4, lag * 0.8),
            best(lag * 1.25, MAX_LAG as f32),
            (candidate.hz / MIN_HZ).log2(),
            if lag * 2.0 > MAX_LAG as f32 { 1.0 } else { 0.0 },
            before,
            after,
        ]
    }

    /// The correlation at one period, a little before and a little after the instant.
    fn beside(&self, sound: &[f32], lag: f32) -> [f32; 2] {
        let lag = (lag.round() as usize).clamp(MIN_LAG, MAX_LAG);
        let len = (3 * lag / 2).clamp(96, SPAN - 2 * BESIDE as usize - lag);
        [-BESIDE, BESIDE].map(|shift| self.correlate(sound, lag, len, shift))
    }

    /// The strongest correlation in each band of lags, shortest first, over short windows and over long ones.
    pub(super) fn map(&self, out: &mut [f32]) {
        let (short, long) = out.split_at_mut(MAP);
        for (out, from) in [(short, &self.short), (long, &self.long)] {
            for (out, edge) in out.iter_mut().zip(self.edges.windows(2)) {
                let inside = edge[0].ceil() as usize..=(edge[1] as usize).min(MAX_LAG);
                let middle = at(from, 0.5 * (edge[0] + edge[1]));
                *out = inside.fold(middle, |most, lag| most.max(from[lag]));
            }
        }
    }

    /// Two windows, one lag apart, lie symmetrically around the middle, or `shift` samples after it.
    fn correlate(&self, sound: &[f32], lag: usize, len: usize, shift: isize) -> f32 {
        let len = len.min(SPAN - lag);
        let first = ((SPAN - len - lag) / 2).saturating_add_signed(shift);
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

/// A correlation between two whole lags; 0 outside of what was computed.
fn at(correlation: &[f32; MAX_LAG + 1], lag: f32) -> f32 {
    let below = lag as usize;
    if !(MIN_LAG..MAX_LAG).contains(&below) {
        return 0.0;
    }
    let part = lag - below as f32;
    correlation[below] * (1.0 - part) + correlation[below + 1] * part
}
