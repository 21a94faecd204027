//! Evaluation on speakers that training never saw: what comes out, measured and listed for
//! outside judges.

mod measures;
mod render;

pub use measures::{Measures, compare};
pub use render::{convert, resynthesise};
