use super::MIN_HZ;
use super::candidates::{Candidate, Candidates, MOST};

/// How much weaker a candidate may be for each octave that it lies higher: a sound of period T also repeats after 2 T.
const OCTAVE_COST: f32 = 0.03;
/// Cost of a change of pitch by one octave within a hop.
const JUMP_COST: f32 = 0.5;
/// Share of its memory that the tracker keeps per hop at most.
const MEMORY: f32 = 0.9;

/// Picks one candidate per hop, so that the path so far is the best one.
#[derive(Default)]
pub(super) struct Tracker {
    paths: [Path; MOST],
    len: usize,
    last: Candidate,
}

#[derive(Clone, Copy, Default)]
struct Path {
    octave: f32,
    strength: f32,
    cost: f32,
}

impl Tracker {
    /// The candidate at the end of the best path. Without any the last pitch, at strength 0.
    pub(super) fn step(&mut self, candidates: &Candidates) -> Candidate {
        let list = candidates.as_slice();
        let mut next = [Path::default(); MOST];
        for (path, candidate) in next.iter_mut().zip(list) {
            let octave = (candidate.hz / MIN_HZ).log2();
            let own = 1.0 - candidate.strength - super::p(0) * octave;
            // A jump costs as much as both sides are sure of their pitch.
            let reached = self.paths[..self.len]
                .iter()
                .map(|from| {
                    let trust = from.strength.min(candidate.strength);
                    super::p(2) * from.cost + super::p(1) * trust * (octave - from.octave).abs()
                })
                .reduce(f32::min)
                .unwrap_or(0.0);
            *path = Path {
                octave,
                strength: candidate.strength,
                cost: own + reached,
            };
        }
        if list.is_empty() {
            // Silence: forget slowly, so that a short gap does not lose the path.
            for path in &mut self.paths[..self.len] {
                path.strength *= MEMORY;
            }
            self.last.strength = 0.0;
            return self.last;
        }
        let mut best = 0;
        for i in 1..list.len() {
            if next[i].cost < next[best].cost {
                best = i;
            }
        }
        let least = next[best].cost;
        for path in &mut next[..list.len()] {
            path.cost -= least;
        }
        self.paths = next;
        self.len = list.len();
        self.last = list[best];
        self.last
    }
}
