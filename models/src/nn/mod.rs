//! Building blocks of the networks. All work on `[batch, frames, channels]`, so that a linear
//! layer acts on rows, and all run the same code for a whole recording and for one live frame.

mod attention;
mod convnext;
mod kernel;
mod linear;
mod precision;

pub use attention::{AttentionState, LocalAttention};
pub use convnext::{ConvNeXtConfig, Modulation, Trunk, TrunkState};
pub use linear::Linear;
pub(crate) use precision::reduced;
pub use precision::set_mixed;
