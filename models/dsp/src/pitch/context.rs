use super::candidates::{Candidate, Correlator, MAP};
use super::front::{BLOCKS, Front, NOW};
use super::net::rectify;
use super::weights::{HIDDEN, STATE, weights};

/// Number of values that are heard per hop: both maps of the correlation and what tells of the level.
pub(super) const HEARD: usize = 2 * MAP + 2 * BLOCKS + 4;
/// How fast the remembered loudest level falls, in dB per hop.
const PEAK_FALL: f32 = 0.03;
/// The remembered loudest level never falls below this, in dB: the noise of an idle input is no voice.
const LEAST_PEAK: f32 = -60.0;
/// Nor does it rise above this, so that a click does not hide the voice after it for long.
const MOST_PEAK: f32 = -6.0;
/// How fast the remembered noise floor rises, in dB per hop.
const FLOOR_RISE: f32 = 0.05;
/// Loudest level at the start, in dB: a quiet voice.
const START_PEAK: f32 = -45.0;

/// Remembers what was heard before the instant in question, and what pitch it lets expect.
pub(super) struct Context {
    peak: f32,
    floor: f32,
    heard: [f32; HEARD],
    state: [f32; STATE],
    /// Per band of the map, by how much a period there is more to be expected: part of a candidate's logit.
    belief: [f32; MAP],
}

impl Default for Context {
    fn default() -> Self {
        Self {
            peak: START_PEAK,
            floor: 0.0,
            heard: [0.0; HEARD],
            state: [0.0; STATE],
            belief: [0.0; MAP],
        }
    }
}

impl Context {
    pub(super) fn step(&mut self, front: &Front, correlator: &Correlator) {
        let [full, low] = front.levels();
        let loudest = full.iter().copied().fold(LEAST_PEAK, f32::max);
        let softest = full.iter().copied().fold(f32::INFINITY, f32::min);
        self.peak = (self.peak - PEAK_FALL).max(loudest).min(MOST_PEAK);
        self.floor = (self.floor + FLOOR_RISE).min(softest);
        let (maps, levels) = self.heard.split_at_mut(2 * MAP);
        correlator.map(maps);
        for i in 0..BLOCKS {
            levels[i] = (full[i] - self.peak) / 10.0;
            levels[BLOCKS + i] = (low[i] - full[i]) / 10.0;
        }
        let [crossings, neighbours] = front.brightness();
        levels[2 * BLOCKS..].copy_from_slice(&[
            (full[NOW] - self.floor) / 10.0,
            (self.peak - self.floor) / 10.0,
            crossings,
            neighbours,
        ]);

        let mut hidden = [0.0; HIDDEN];
        weights().first.run(&self.heard, &mut hidden);
        rectify(&mut hidden);
        weights()
            .memory
            .step::<STATE, { 3 * STATE }>(&hidden, &mut self.state);
        weights().belief.run(&self.state, &mut self.belief);
    }

    /// The belief in a candidate's period, between the two bands next to it.
    pub(super) fn belief(&self, candidate: &Candidate) -> f32 {
        let band = candidate.band().clamp(0.0, (MAP - 1) as f32);
        let below = (band as usize).min(MAP - 2);
        let part = band - below as f32;
        self.belief[below] * (1.0 - part) + self.belief[below + 1] * part
    }

    pub(super) fn state(&self) -> &[f32; STATE] {
        &self.state
    }

    /// What went into the last step.
    pub(super) fn heard(&self) -> &[f32; HEARD] {
        &self.heard
    }
}
