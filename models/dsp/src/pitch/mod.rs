//! Pitch and voicing of a voice, causally.
//!
//! Five stages, one file each:
//! 1. `front` takes away what lies below 50 Hz, and makes a second version at 12 kHz with what lies below 2.8 kHz.
//! 2. `candidates` correlates that version with itself around the instant in question (after Talkin, "A robust algorithm
//!    for pitch tracking (RAPT)", 1995, but with windows that lie symmetrically around the instant and grow with the
//!    period); the peaks are candidates, described by what the correlation is at the multiples and parts of their periods.
//! 3. `context`, a small recurrent network, hears the whole correlation and the course of the level, remembers the voice
//!    so far, and tells which periods are to be expected. That settles octaves which one instant leaves open: in creak,
//!    noise, or with music beneath.
//! 4. `track` finds the best path through the candidates so far by traits and context; jumps cost. It looks back only, so
//!    it adds no delay.
//! 5. `voicing` decides between voiced and unvoiced, from the memory and the chosen candidate. What has a pitch that is too
//!    doubtful to be told counts as unvoiced: a jump by an octave is worse.
//!
//! The networks are trained together by `training/train_pitch.py` on what outside estimators agree on, and judged by
//! `training/judge_pitch.py` on speakers that no training heard.

mod candidates;
mod context;
mod front;
mod net;
mod track;
mod voicing;
mod weights;

use crate::HOP;
pub use candidates::MOST as CANDIDATES;
use candidates::{Candidates, Correlator};
use context::Context;
use front::Front;
use track::Tracker;
use voicing::Voicing;

/// Lowest pitch that is looked for.
pub const MIN_HZ: f32 = 60.0;
/// Highest pitch that is looked for.
pub const MAX_HZ: f32 = 1000.0;

/// To be counted up when the tracker gives something else though its weights are the same.
const CODE: u64 = 2;

/// The pitch at one instant.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct PitchFrame {
    /// Fundamental frequency in Hz; 0 where the sound is unvoiced.
    pub f0_hz: f32,
    /// How sure it is that the sound is voiced and `candidate_hz` its pitch, 0 to 1: low also where the octave is in doubt.
    /// `f0_hz` is set from 0.55 on, down to 0.45.
    pub voicing: f32,
    /// The best guess in Hz whether voiced or not; in silence the last one. 0 only before there ever was a sound.
    pub candidate_hz: f32,
}

/// Follows the pitch of a running stream at 24 kHz.
pub struct PitchTracker {
    front: Front,
    correlator: Correlator,
    candidates: Candidates,
    context: Context,
    tracker: Tracker,
    voicing: Voicing,
}

impl Default for PitchTracker {
    fn default() -> Self {
        Self::new()
    }
}

impl PitchTracker {
    /// How far the instant of an estimate lies before the last sample that it needs, in samples at 24 kHz (20 ms): what
    /// hop n (counted from 0) gives is the pitch at sample `(n + 1) * HOP - LOOKAHEAD_SAMPLES`.
    pub const LOOKAHEAD_SAMPLES: usize = 480;

    /// Tells this tracker from every other one, for caches of what it found: 16 hexadecimal digits that change with its
    /// weights and, by `CODE`, with what is done with them.
    pub fn version() -> String {
        let sum = weights::BYTES.iter().fold(CODE, |sum, &byte| {
            (sum ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
        });
        format!("{sum:016x}")
    }

    /// Makes a tracker. This and [`Self::delayed`] are the only places that allocate.
    pub fn new() -> Self {
        Self::delayed(0)
    }

    /// A tracker that holds its input back by so many samples, at most a hop, so that its instants meet those of another
    /// analyser: hop n gives the pitch at sample `(n + 1) * HOP - LOOKAHEAD_SAMPLES - samples`.
    pub fn delayed(samples: usize) -> Self {
        weights::weights();
        Self {
            front: Front::new(samples),
            correlator: Correlator::new(),
            candidates: Candidates::default(),
            context: Context::default(),
            tracker: Tracker::default(),
            voicing: Voicing::default(),
        }
    }

    /// Appends what the networks decided from in the last step: for each of [`CANDIDATES`] candidates its frequency, its
    /// strength and 18 traits (0 where there are fewer candidates), then what was heard: the map of the correlation and
    /// the levels. The networks are trained on this, see `training/train_pitch.py`.
    pub fn append_clues(&self, to: &mut Vec<f32>) {
        for i in 0..CANDIDATES {
            let candidate = self
                .candidates
                .as_slice()
                .get(i)
                .copied()
                .unwrap_or_default();
            to.extend([candidate.hz, candidate.strength]);
            to.extend(candidate.traits);
        }
        to.extend(self.context.heard());
    }

    /// Forgets the stream: the next hop is the first one.
    pub fn reset(&mut self) {
        self.front.reset();
        self.context = Context::default();
        self.tracker = Tracker::default();
        self.voicing = Voicing::default();
    }

    /// Takes the next hop and gives the pitch [`Self::LOOKAHEAD_SAMPLES`] before its end.
    pub fn process(&mut self, hop: &[f32; HOP]) -> PitchFrame {
        self.front.push(hop);
        self.correlator.find(self.front.low(), &mut self.candidates);
        self.context.step(&self.front, &self.correlator);
        let best = self.tracker.step(&self.candidates, &self.context);
        let (voicing, voiced) = self.voicing.step(&self.context, &best);
        PitchFrame {
            f0_hz: if voiced { best.hz } else { 0.0 },
            voicing,
            candidate_hz: best.hz,
        }
    }
}

/// The pitch of a whole clip, by the same code as the stream: frame n is what hop n gives. A last hop that is not full is
/// filled with silence.
pub fn track(samples: &[f32]) -> Vec<PitchFrame> {
    let mut tracker = PitchTracker::new();
    crate::mel::hops(samples)
        .map(|hop| tracker.process(&hop))
        .collect()
}

#[cfg(test)]
mod tests;
