//! A few vectors, one of which stands for each frame of content.

use tch::nn::{Init, Path};
use tch::{Kind, Tensor, no_grad};

use super::CONTENT;

/// The entries of a vector quantiser (van den Oord et al. 2017, "Neural Discrete Representation
/// Learning").
#[derive(Debug)]
pub struct Codebook {
    /// `[codes, CONTENT]`.
    entries: Tensor,
}

impl Codebook {
    /// So many random entries below `path`.
    pub fn new(path: &Path, codes: i64) -> Self {
        // About as large as the content that they are to stand for.
        let spread = Init::Randn {
            mean: 0.0,
            stdev: 1.0,
        };
        Self {
            entries: path.var("entries", &[codes, CONTENT], spread),
        }
    }

    /// All entries, `[codes, CONTENT]`.
    pub fn entries(&self) -> &Tensor {
        &self.entries
    }

    /// Which entry is nearest to each vector by squared distance: `[…, CONTENT]` → `[…]`.
    pub fn nearest(&self, raw: &Tensor) -> Tensor {
        nearest(&self.entries, raw)
    }

    /// The entries of these codes, `[…]` → `[…, CONTENT]`. Gradients reach the entries.
    pub fn look_up(&self, codes: &Tensor) -> Tensor {
        Tensor::embedding(&self.entries, codes, -1, false, false)
    }

    /// The entry nearest to each vector, `[…, CONTENT]`. Its gradient goes to the vector as if it were
    /// that vector itself (straight-through); the entries get none.
    pub fn quantise(&self, raw: &Tensor) -> Tensor {
        let entry = self.look_up(&self.nearest(raw)).detach();
        if raw.requires_grad() {
            // The difference is zero and carries the gradient; in this order the sum is the entry to the bit.
            entry + (raw - raw.detach())
        } else {
            entry
        }
    }
}

/// Row of `entries` `[codes, values]` nearest to each vector, `[…, values]` → `[…]`.
pub(crate) fn nearest(entries: &Tensor, vectors: &Tensor) -> Tensor {
    no_grad(|| {
        // The squared distance without the vector's own square, which is the same for all entries.
        let squares = entries
            .square()
            .sum_dim_intlist([-1].as_slice(), false, Kind::Float);
        vectors
            .linear(entries, Some(squares * -0.5))
            .argmax(-1, false)
    })
}
