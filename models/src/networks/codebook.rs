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
    /// See [`Codebook::quantise`].
    softness: f64,
}

impl Codebook {
    /// So many random entries below `path`. `softness`: see [`Self::quantise`].
    pub fn new(path: &Path, codes: i64, softness: f64) -> Self {
        // About as large as the content that they are to stand for.
        let spread = Init::Randn {
            mean: 0.0,
            stdev: 1.0,
        };
        Self {
            entries: path.var("entries", &[codes, CONTENT], spread),
            softness,
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

    /// How near each vector is to each entry, `[…, CONTENT]` → `[…, codes]`: minus half the squared distance a value of
    /// content, but for what is the same for all entries. The entries get no gradient.
    pub fn nearness(&self, raw: &Tensor) -> Tensor {
        nearness(&self.entries.detach(), raw) / CONTENT as f64
    }

    /// Log of the entries' shares in the content, from their [`Self::nearness`] `[…, codes]`.
    pub fn log_shares(&self, nearness: &Tensor) -> Tensor {
        (nearness / self.softness).log_softmax(-1, Kind::Float)
    }

    /// The entry nearest to each vector, `[…, CONTENT]`. Its gradient goes to the vector as if it were
    /// that vector itself (straight-through); the entries get none.
    ///
    /// With a softness above 0 the mean of the entries, weighted by the softmax of their nearness, divided by the softness: what
    /// lies between two codes is no longer one of them, and the gradient is the true one.
    pub fn quantise(&self, raw: &Tensor) -> Tensor {
        if self.softness > 0.0 {
            let shares = (self.nearness(raw) / self.softness).softmax(-1, Kind::Float);
            return shares.matmul(&self.entries.detach());
        }
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
    no_grad(|| nearness(entries, vectors).argmax(-1, false))
}

/// Minus half the squared distance, without the vector's own square, which is the same for all entries.
fn nearness(entries: &Tensor, vectors: &Tensor) -> Tensor {
    let squares = entries
        .square()
        .sum_dim_intlist([-1].as_slice(), false, Kind::Float);
    vectors.linear(entries, Some(squares * -0.5))
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::rngs::StdRng;
    use rand::{RngExt, SeedableRng};
    use tch::Device;
    use tch::nn::VarStore;

    /// The same always: libtorch's generator is one for all threads, and tests beside this one draw from it too.
    fn scattered(rows: i64, seed: u64) -> Tensor {
        let mut rng = StdRng::seed_from_u64(seed);
        let mut value = || rng.random_range(-1.7_f32..1.7);
        let values: Vec<f32> = (0..rows * CONTENT).map(|_| value()).collect();
        Tensor::from_slice(&values).reshape([rows, CONTENT])
    }

    fn book(softness: f64) -> (VarStore, Codebook) {
        let store = VarStore::new(Device::Cpu);
        let book = Codebook::new(&store.root(), 9, softness);
        no_grad(|| book.entries().shallow_clone().copy_(&scattered(9, 3)));
        (store, book)
    }

    #[test]
    fn hardly_soft_codes_are_the_nearest_ones() {
        let (_store, hard) = book(0.0);
        let (_store, soft) = book(1e-4);
        // Each plainly nearest to one: half way between two even hardly soft codes are a mean.
        let near = Tensor::arange(60, (Kind::Int64, Device::Cpu)).remainder(9);
        let raw = hard.look_up(&near) + scattered(60, 7) * 0.3;
        let raw = raw.reshape([2, 30, CONTENT]);
        assert!(
            soft.quantise(&raw)
                .allclose(&hard.quantise(&raw), 1e-4, 1e-4, false)
        );
    }

    #[test]
    fn the_softer_the_nearer_to_the_middle_of_all_codes() {
        let raw = scattered(200, 7);
        let apart = |softness| {
            let (_store, book) = book(softness);
            let middle = book.entries().mean_dim([0].as_slice(), false, Kind::Float);
            (book.quantise(&raw) - middle)
                .square()
                .mean(Kind::Float)
                .double_value(&[])
        };
        let apart = [0.0, 0.05, 0.5, 50.0].map(apart);
        assert!(apart.windows(2).all(|pair| pair[1] < pair[0]), "{apart:?}");
        assert!(apart[3] < 1e-3, "{apart:?}");
        // Half way between two codes there is as much of the one as of the other.
        let (_store, book) = book(0.02);
        let between = (book.entries().get(0) + book.entries().get(1)) * 0.5;
        let shares = (book.nearness(&between) / 0.02).softmax(-1, Kind::Float);
        let shares = Vec::<f32>::try_from(&shares).unwrap();
        assert!(
            (shares[0] - shares[1]).abs() < 1e-4 && shares[0] > 0.4,
            "{shares:?}"
        );
    }

    #[test]
    fn soft_codes_hand_gradients_to_the_content_alone() {
        let (_store, book) = book(0.1);
        let raw = scattered(30, 7).set_requires_grad(true);
        book.quantise(&raw).square().sum(Kind::Float).backward();
        assert!(raw.grad().abs().max().double_value(&[]) > 0.0);
        assert!(!book.entries().grad().defined());
    }
}
