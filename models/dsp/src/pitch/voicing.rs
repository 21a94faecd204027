use super::candidates::TRAITS;
use super::context::Context;
use super::net::sigmoid;
use super::track::Choice;
use super::weights::{STATE, weights};

/// Number of values that the decision is made from.
pub(super) const CLUES: usize = STATE + TRAITS + 2;
/// Above this an unvoiced sound becomes voiced.
const BEGIN: f32 = 0.55;
/// Below this a voiced sound becomes unvoiced.
const END: f32 = 0.45;

/// Decides between voiced and unvoiced.
#[derive(Default)]
pub(super) struct Voicing {
    voiced: bool,
}

impl Voicing {
    /// Confidence and decision.
    pub(super) fn step(&mut self, context: &Context, choice: &Choice) -> (f32, bool) {
        let mut clues = [0.0; CLUES];
        clues[..STATE].copy_from_slice(context.state());
        clues[STATE..STATE + TRAITS].copy_from_slice(&choice.candidate.traits);
        clues[STATE + TRAITS..].copy_from_slice(&[choice.candidate.strength, choice.trust]);
        let confidence = sigmoid(weights().voicing.run(&clues));
        self.voiced = confidence > if self.voiced { END } else { BEGIN };
        (confidence, self.voiced)
    }
}
