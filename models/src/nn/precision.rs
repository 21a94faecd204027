//! Mixed precision: the large products of training in bfloat16, everything else in float.
//!
//! Measured on an AMD Zen 4 core, a block's two linear layers forward and backward: 43 ms in
//! float, 22 ms in bfloat16. Weights, their gradients and the optimiser stay in float.

use std::cell::Cell;

use tch::Kind;

thread_local! {
    // Per thread, so that a training in one thread never changes a live converter in another.
    static REDUCED: Cell<bool> = const { Cell::new(false) };
}

/// Turns mixed precision on or off for this thread.
pub fn set_mixed(on: bool) {
    REDUCED.with(|r| r.set(on));
}

/// The reduced kind, where mixed precision is on and gradients can be wanted.
pub(crate) fn reduced() -> Option<Kind> {
    REDUCED.with(Cell::get).then_some(Kind::BFloat16)
}
