use super::MIN_HZ;
use super::candidates::{Candidate, Candidates, MOST};
use super::context::Context;
use super::weights::weights;

/// Share of its memory that the tracker keeps per hop.
const MEMORY: f32 = 0.9;
/// Cost of a change of pitch by one octave within a hop, where the sound is wholly periodic.
const JUMP_COST: f32 = 10.0;
/// Most that a candidate costs by itself, so that no single instant can outweigh all others.
const MOST_COST: f32 = 6.0;

/// Picks one candidate per hop, so that the path so far is the best one.
#[derive(Default)]
pub(super) struct Tracker {
    paths: [Path; MOST],
    len: usize,
    last: Choice,
}

/// The pitch at the end of the best path.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(super) struct Choice {
    pub hz: f32,
    /// What the candidate was chosen by; strength 0 where there was none.
    pub candidate: Candidate,
    /// How likely it is the right one of all candidates, 0 to 1.
    pub trust: f32,
}

#[derive(Clone, Copy, Default)]
struct Path {
    octave: f32,
    strength: f32,
    cost: f32,
}

impl Tracker {
    /// Without any candidate the last pitch, at strength 0.
    pub(super) fn step(&mut self, candidates: &Candidates, context: &Context) -> Choice {
        let list = candidates.as_slice();
        if list.is_empty() {
            // Silence: forget slowly, so that a short gap does not lose the path.
            for path in &mut self.paths[..self.len] {
                path.strength *= MEMORY;
            }
            self.last = Choice {
                hz: self.last.hz,
                ..Choice::default()
            };
            return self.last;
        }
        let mut likely = [0.0_f32; MOST];
        for (likely, candidate) in likely.iter_mut().zip(list) {
            *likely = weights().candidate.run(&candidate.traits) + context.belief(candidate);
        }
        let likely = &mut likely[..list.len()];
        let top = likely.iter().copied().fold(f32::NEG_INFINITY, f32::max);
        let sum: f32 = likely.iter().map(|z| (z - top).exp()).sum();

        let mut next = [Path::default(); MOST];
        for ((path, candidate), logit) in next.iter_mut().zip(list).zip(likely.iter()) {
            let octave = (candidate.hz / MIN_HZ).log2();
            let own = (top - logit + sum.ln()).min(MOST_COST);
            // A jump costs as much as both sides are sure to have a pitch.
            let reached = self.paths[..self.len]
                .iter()
                .map(|from| {
                    let sure = from.strength.min(candidate.strength).max(0.0);
                    MEMORY * from.cost + JUMP_COST * sure * (octave - from.octave).abs()
                })
                .reduce(f32::min)
                .unwrap_or(0.0);
            *path = Path {
                octave,
                strength: candidate.strength,
                cost: own + reached,
            };
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
        self.last = Choice {
            hz: list[best].hz,
            candidate: list[best],
            trust: (likely[best] - top).exp() / sum,
        };
        self.last
    }
}
