use super::candidates::OCTAVE;
use super::front::{BLOCKS, Front};
use super::track::Choice;
use super::weights::VOICED;

/// Number of values that the decision is made from.
pub(super) const CLUES: usize = 8 + 2 * BLOCKS + 9;
/// Above this an unvoiced sound becomes voiced.
const BEGIN: f32 = 0.55;
/// Below this a voiced sound becomes unvoiced.
const END: f32 = 0.45;
/// How fast the remembered loudest level falls, in dB per hop.
const PEAK_FALL: f32 = 0.03;
/// How fast the remembered noise floor rises, in dB per hop.
const FLOOR_RISE: f32 = 0.05;
/// Loudest level at the start, in dB: a quiet voice.
const START_PEAK: f32 = -45.0;

/// Decides between voiced and unvoiced.
pub(super) struct Voicing {
    voiced: bool,
    peak: f32,
    floor: f32,
    /// Strength of the candidate, and its octave, one and two hops before.
    before: [[f32; 2]; 2],
    clues: [f32; CLUES],
}

impl Default for Voicing {
    fn default() -> Self {
        Self {
            voiced: false,
            peak: START_PEAK,
            floor: 0.0,
            before: [[0.0; 2]; 2],
            clues: [0.0; CLUES],
        }
    }
}

impl Voicing {
    /// Confidence and decision. `beside` is the correlation at the chosen period shortly before and after the instant.
    pub(super) fn step(&mut self, front: &Front, choice: &Choice, beside: [f32; 2]) -> (f32, bool) {
        let [full, low] = front.levels();
        let loudest = full.iter().copied().fold(f32::NEG_INFINITY, f32::max);
        let softest = full.iter().copied().fold(f32::INFINITY, f32::min);
        self.peak = (self.peak - PEAK_FALL).max(loudest);
        self.floor = (self.floor + FLOOR_RISE).min(softest);
        let [crossings, neighbours] = front.brightness();
        let candidate = &choice.candidate;
        let octave = candidate.traits[OCTAVE];

        let clues = &mut self.clues;
        clues[..8].copy_from_slice(&[
            choice.trust,
            candidate.strength,
            candidate.traits[0],
            candidate.traits[1],
            beside[0],
            beside[1],
            octave,
            (octave - self.before[0][1]).abs().min(1.0),
        ]);
        for i in 0..BLOCKS {
            clues[8 + i] = (full[i] - self.peak) / 10.0;
            clues[8 + BLOCKS + i] = (low[i] - full[i]) / 10.0;
        }
        clues[8 + 2 * BLOCKS..].copy_from_slice(&[
            (full[BLOCKS / 2] - self.floor) / 10.0,
            (self.peak - self.floor) / 10.0,
            full[BLOCKS / 2] / 10.0,
            crossings,
            neighbours,
            self.before[0][0],
            self.before[1][0],
            candidate.traits[2],
            candidate.traits[6],
        ]);
        self.before = [[candidate.strength, octave], self.before[0]];

        let confidence = 1.0 / (1.0 + (-VOICED.run(&self.clues)).exp());
        self.voiced = confidence > if self.voiced { END } else { BEGIN };
        (confidence, self.voiced)
    }

    /// What the last decision was made from.
    pub(super) fn clues(&self) -> &[f32; CLUES] {
        &self.clues
    }
}
