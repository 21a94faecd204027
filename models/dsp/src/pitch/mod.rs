//! Pitch and voicing of a voice, causally.
//!
//! Three stages, one file each: [`front`](self) brings the sound to 12 kHz and below 2 kHz; a normalised
//! cross-correlation around the instant in question finds candidates (after Talkin, "A robust algorithm for pitch
//! tracking (RAPT)", 1995, but with windows that lie symmetrically around the instant and grow with the period); a
//! dynamic program over the candidates picks the one that fits both the sound and the past.

mod candidates;
mod front;
mod net;
mod track;
mod voicing;
mod weights;

/// dev
pub const DEFAULTS: [f32; 10] = [6.0, 10.0, 0.9, 0.0, 0.0, 2800.0, 0.0, 9.0, 0.0, 0.0];
static PARAMS: std::sync::RwLock<[f32; 10]> = std::sync::RwLock::new(DEFAULTS);
/// dev
pub fn set_params(p: &[f32]) {
    PARAMS.write().unwrap().copy_from_slice(p);
}
pub(crate) fn p(i: usize) -> f32 {
    PARAMS.read().unwrap()[i]
}

use crate::HOP;
use candidates::{Candidates, Correlator};
use front::Front;
use track::Tracker;
use voicing::Voicing;

/// Lowest pitch that is looked for.
pub const MIN_HZ: f32 = 60.0;
/// Highest pitch that is looked for.
pub const MAX_HZ: f32 = 1000.0;

/// The pitch at one instant.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct PitchFrame {
    /// Fundamental frequency in Hz; 0 where the sound is unvoiced.
    pub f0_hz: f32,
    /// How sure it is that the sound is voiced, 0 to 1. `f0_hz` is set from about 0.5 on, with some hysteresis.
    pub voicing: f32,
    /// The best guess in Hz whether voiced or not; in silence the last one. 0 only before there ever was a sound.
    pub candidate_hz: f32,
}

/// Follows the pitch of a running stream at 24 kHz.
pub struct PitchTracker {
    front: Front,
    correlator: Correlator,
    candidates: Candidates,
    tracker: Tracker,
    voicing: Voicing,
}

impl Default for PitchTracker {
    fn default() -> Self {
        Self::new()
    }
}

impl PitchTracker {
    /// How far the instant of an estimate lies before the end of the input that made it, in samples at 24 kHz (25 ms):
    /// what hop n (counted from 0) gives is the pitch at sample `(n + 1) * HOP - LOOKAHEAD_SAMPLES`.
    pub const LOOKAHEAD_SAMPLES: usize = 600;

    /// Makes a tracker. The only place that allocates.
    pub fn new() -> Self {
        Self {
            front: Front::new(),
            correlator: Correlator::new(),
            candidates: Candidates::default(),
            tracker: Tracker::default(),
            voicing: Voicing::default(),
        }
    }

    /// dev: candidates with traits
    pub fn dump(&self, out: &mut Vec<f32>) {
        for i in 0..candidates::MOST {
            let c = self.candidates.as_slice().get(i).copied().unwrap_or_default();
            out.push(c.hz);
            out.push(c.strength);
            out.extend(c.traits);
        }
        out.extend(self.voicing.clues());
    }

    /// Forgets the stream: the next hop is the first one.
    pub fn reset(&mut self) {
        self.front.reset();
        self.tracker = Tracker::default();
        self.voicing = Voicing::default();
    }

    /// Takes the next hop and gives the pitch [`Self::LOOKAHEAD_SAMPLES`] before its end.
    pub fn process(&mut self, hop: &[f32; HOP]) -> PitchFrame {
        self.front.push(hop);
        self.correlator.find(self.front.low(), &mut self.candidates);
        let best = self.tracker.step(&self.candidates);
        let beside = self.correlator.beside(self.front.low(), best.hz);
        let (voicing, voiced) = self.voicing.step(&self.front, &best, beside);
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
