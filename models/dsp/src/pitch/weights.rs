use std::sync::LazyLock;

use super::candidates::{MAP, TRAITS};
use super::context::HEARD;
use super::net::{Dense, Gru, Net, Numbers};
use super::voicing::CLUES;

/// Units between what is heard and the memory.
pub(super) const HIDDEN: usize = 96;
/// Size of the memory.
pub(super) const STATE: usize = 128;
/// Hidden units of the networks with one output.
const UNITS: usize = 32;

/// All networks of the tracker.
pub(super) struct Weights {
    pub first: Dense,
    pub memory: Gru,
    pub belief: Dense,
    /// A logit from a candidate's traits; the belief is added.
    pub candidate: Net,
    pub voicing: Net,
}

/// The file of all weights.
pub(super) const BYTES: &[u8] = include_bytes!("weights.bin");

/// Written by `training/train_pitch.py`; see there on what they were trained. The first call reads them and allocates.
pub(super) fn weights() -> &'static Weights {
    static WEIGHTS: LazyLock<Weights> = LazyLock::new(|| {
        let mut numbers = Numbers(BYTES);
        let weights = Weights {
            first: Dense::read(&mut numbers, HEARD, HIDDEN),
            memory: Gru::read(&mut numbers, HIDDEN, STATE),
            belief: Dense::read(&mut numbers, STATE, MAP),
            candidate: Net::read(&mut numbers, TRAITS, UNITS),
            voicing: Net::read(&mut numbers, CLUES, UNITS),
        };
        assert!(numbers.0.is_empty(), "weights.bin is of another size");
        weights
    });
    &WEIGHTS
}
