//! The target voice: a mix of embeddings that glides when it changes, and the share of the speaker's own.

use mien_face::{Controls, MORPH_SLOTS};
use tch::Tensor;

use super::prosody::PitchTarget;

/// Share of the way to a new voice each frame: 90 % in 50 ms, too fast to hear as a morph and too
/// slow to click.
const GLIDE: f64 = 0.35;

/// The voices of a pack and the one that sounds now.
#[derive(Debug)]
pub struct VoiceMix {
    /// `[1, voice]` of each voice.
    embeddings: Vec<Tensor>,
    mean_pitch: Vec<f32>,
    /// Index of the speaker's own voice; its embedding is the middle of the others.
    own: usize,
    own_share: f32,
    own_goal: f32,
    register: f32,
    weights: [(usize, f32); MORPH_SLOTS],
    now: Option<Tensor>,
    goal: Tensor,
    mean_f0_hz: f32,
    settled: bool,
}

impl VoiceMix {
    /// From each voice's embedding `[1, voice]` and mean pitch in Hz; at least one. `own`: which of them
    /// is the speaker's own.
    pub fn new(embeddings: Vec<Tensor>, mean_f0_hz: Vec<f32>, own: usize) -> Self {
        let goal = embeddings[0].shallow_clone();
        let first = mean_f0_hz[0];
        Self {
            embeddings,
            mean_pitch: mean_f0_hz.iter().map(|hz| hz.max(30.0).log2()).collect(),
            own,
            own_share: 0.0,
            own_goal: 0.0,
            register: PitchTarget::register_of(first),
            weights: [(0, 0.0); MORPH_SLOTS],
            now: None,
            goal,
            mean_f0_hz: first,
            settled: false,
        }
    }

    /// Number of voices.
    pub fn len(&self) -> usize {
        self.embeddings.len()
    }

    /// Always false: there is at least one voice.
    pub fn is_empty(&self) -> bool {
        self.embeddings.is_empty()
    }

    /// Adds a voice and returns its index.
    pub fn push(&mut self, embedding: Tensor, mean_f0_hz: f32) -> usize {
        self.embeddings.push(embedding);
        self.mean_pitch.push(mean_f0_hz.max(30.0).log2());
        self.embeddings.len() - 1
    }

    /// Forgets the voice that sounded, so that the next one does not glide in.
    pub fn reset(&mut self) {
        self.now = None;
        self.settled = false;
    }

    /// Where the pitch of the last frame of [`Self::next`] is to lie. Its mean is the wanted voice's at once, the speaker's own
    /// share left out; the rest glides.
    pub fn pitch(&self) -> PitchTarget {
        PitchTarget {
            mean_hz: self.mean_f0_hz,
            register: self.register,
            own: self.own_share,
        }
    }

    /// The embedding for the next frame, or `None` where it is the last frame's.
    pub fn next(&mut self, controls: &Controls) -> Option<Tensor> {
        let wanted = self.normalised(controls);
        if wanted != self.weights || self.now.is_none() {
            self.weights = wanted;
            self.settled = false;
            self.aim(&wanted);
        }
        let glides = self.now.is_some();
        let glided = |now: f32, goal: f32| match glides && (goal - now).abs() > 1e-3 {
            true => now + (goal - now) * GLIDE as f32,
            false => goal,
        };
        self.own_share = glided(self.own_share, self.own_goal);
        self.register = glided(self.register, PitchTarget::register_of(self.mean_f0_hz));
        if self.settled {
            return None;
        }
        let next = match &self.now {
            None => self.goal.shallow_clone(),
            Some(now) => {
                let distance = (&self.goal - now).abs().max().double_value(&[]);
                if distance < 1e-3 {
                    self.goal.shallow_clone()
                } else {
                    now + (&self.goal - now) * GLIDE
                }
            }
        };
        let arrived = (&self.goal - &next).abs().max().double_value(&[]) == 0.0;
        self.settled = arrived;
        self.now = Some(next.shallow_clone());
        Some(next)
    }

    /// Sets the goals. The speaker's own voice has no place among the embeddings: the others share all of it.
    fn aim(&mut self, wanted: &[(usize, f32); MORPH_SLOTS]) {
        let own: f32 = wanted
            .iter()
            .filter(|(i, _)| *i == self.own)
            .map(|(_, w)| w)
            .sum();
        let others = || wanted.iter().filter(|(i, w)| *w > 0.0 && *i != self.own);
        let all: f32 = others().map(|(_, weight)| weight).sum();
        self.own_goal = own;
        if all <= 0.0 {
            self.goal = self.embeddings[self.own].shallow_clone();
            self.mean_f0_hz = self.mean_pitch[self.own].exp2();
            return;
        }
        // Weights without the own voice add up to one already; dividing would only round them.
        let whole = if own > 0.0 { all } else { 1.0 };
        let mut goal = self.embeddings[0].zeros_like();
        let mut pitch = 0.0;
        for &(index, weight) in others() {
            goal += &self.embeddings[index] * f64::from(weight / whole);
            pitch += weight / whole * self.mean_pitch[index];
        }
        self.goal = goal;
        self.mean_f0_hz = pitch.exp2();
    }

    fn normalised(&self, controls: &Controls) -> [(usize, f32); MORPH_SLOTS] {
        let mut weights = controls.voices.map(|slot| {
            let index = slot.index as usize;
            let usable =
                index < self.embeddings.len() && slot.weight.is_finite() && slot.weight > 0.0;
            if usable {
                (index, slot.weight)
            } else {
                (0, 0.0)
            }
        });
        let sum: f32 = weights.iter().map(|w| w.1).sum();
        if sum > 0.0 {
            weights.iter_mut().for_each(|w| w.1 /= sum);
        } else {
            weights[0] = (0, 1.0);
        }
        weights
    }
}
