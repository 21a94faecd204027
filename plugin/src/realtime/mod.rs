//! The audio thread's side. Nothing here allocates, locks, waits, logs or calls the system, except
//! where the host renders offline or faster than real time, which [`pace`] tells.
//!
//! ```text
//! host block → input gain → gate → [`rings`] → … engine thread … → [`wet`] ─┐
//!      └────────→ [`dry`] (delayed by the reported latency) ────────────────┴→ mix, bypass, gain → host
//! ```

pub mod dry;
pub mod fader;
pub mod gate;
pub mod latency;
pub mod meters;
pub mod pace;
pub mod processor;
pub mod ramp;
pub mod rings;
pub mod wet;

pub use latency::Plan;
pub use processor::Processor;
