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
    /// See [`Codebook::without_bias`].
    bias_prior: f64,
}

/// Frames over which [`BiasState`] forgets all but 1/e: 10 s, a few sentences.
const MEMORY: f64 = 1000.0;
/// Frames that are handled at once; more of them cost more for each.
const BLOCK: i64 = 200;

/// What [`Codebook::without_bias`] remembers of one stream.
#[derive(Debug)]
pub struct BiasState {
    /// Sum of the residuals by code, `[batch, codes, CONTENT]`.
    residuals: Tensor,
    /// Frames of each code, `[batch, codes, 1]`.
    frames: Tensor,
}

impl Codebook {
    /// So many random entries below `path`. `softness`: see [`Self::quantise`]; `bias_prior`: see [`Self::without_bias`].
    pub fn new(path: &Path, codes: i64, softness: f64, bias_prior: f64) -> Self {
        // About as large as the content that they are to stand for.
        let spread = Init::Randn {
            mean: 0.0,
            stdev: 1.0,
        };
        Self {
            entries: path.var("entries", &[codes, CONTENT], spread),
            softness,
            bias_prior,
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

    /// The entries' shares in the content, `[…, CONTENT]` → `[…, codes]`.
    fn shares(&self, raw: &Tensor) -> Tensor {
        (self.nearness(raw) / self.softness).softmax(-1, Kind::Float)
    }

    /// The entry nearest to each vector, `[…, CONTENT]`. Its gradient goes to the vector as if it were
    /// that vector itself (straight-through); the entries get none.
    ///
    /// With a softness above 0 the mean of the entries, weighted by the softmax of their nearness, divided by the softness: what
    /// lies between two codes is no longer one of them, and the gradient is the true one.
    pub fn quantise(&self, raw: &Tensor) -> Tensor {
        if self.softness > 0.0 {
            return self.shares(raw).matmul(&self.entries.detach());
        }
        let entry = self.look_up(&self.nearest(raw)).detach();
        if raw.requires_grad() {
            // The difference is zero and carries the gradient; in this order the sum is the entry to the bit.
            entry + (raw - raw.detach())
        } else {
            entry
        }
    }

    /// An empty past for [`Self::without_bias`]; None where no bias is taken away.
    pub fn bias_state(&self, batch: i64, like: &Tensor) -> Option<BiasState> {
        (self.bias_prior > 0.0).then(|| {
            let (options, codes) = ((like.kind(), like.device()), self.entries.size()[0]);
            BiasState {
                residuals: Tensor::zeros([batch, codes, CONTENT], options),
                frames: Tensor::zeros([batch, codes, 1], options),
            }
        })
    }

    /// `raw` `[batch, frames, CONTENT]` without what it has had apart from its codes for a while: a speaker and a
    /// microphone shift all frames of a sound alike (signal bias removal, Rahim & Juang 1996, "Signal Bias Removal by
    /// Maximum Likelihood Estimation for Robust Telephone Speech Recognition").
    ///
    /// The bias of a frame is the mean of the residuals (what a frame is more than the mean of its near codes) of the
    /// stream's frames so far, this one among them, weighted by the product of their shares of the codes and by their
    /// age: kernel regression (Nadaraya 1964; Watson 1964), causal. A frame between many codes has small products, so
    /// that `bias_prior` frames of no residual keep it where it is, as they keep a stream's first ones. No gradient goes
    /// through the bias.
    pub fn without_bias(&self, raw: &Tensor, state: &mut BiasState) -> Tensor {
        let frames = raw.size()[1];
        let unbiased = |from: i64| {
            let block = raw.narrow(1, from, BLOCK.min(frames - from));
            &block - no_grad(|| self.bias(&block.detach(), state))
        };
        let blocks: Vec<Tensor> = (0..frames).step_by(BLOCK as usize).map(unbiased).collect();
        Tensor::cat(&blocks, 1)
    }

    /// Bias of the frames of one block, `[batch, frames, CONTENT]` as `raw`.
    fn bias(&self, raw: &Tensor, state: &mut BiasState) -> Tensor {
        let frames = raw.size()[1];
        let shares = self.shares(raw);
        let residual = raw - shares.matmul(&self.entries);
        let forget = |age: Tensor| (age * (-1.0 / MEMORY)).exp();
        let time = Tensor::arange(frames, (raw.kind(), raw.device()));
        let age = time.unsqueeze(1) - &time;
        // [frames, frames]: what has been is remembered, what comes is not known.
        let remembered = forget(age.clamp_min(0.0)) * age.ge(0.0);
        let kernel = shares.matmul(&shares.transpose(1, 2)) * remembered;
        let since = forget(&time + 1.0).unsqueeze(1);
        let earlier = &shares * since;
        let sum = kernel.matmul(&residual) + earlier.matmul(&state.residuals);
        let weight = kernel.sum_dim_intlist([-1].as_slice(), true, Kind::Float)
            + earlier.matmul(&state.frames);
        let until = &shares * forget((time * -1.0) + (frames - 1) as f64).unsqueeze(1);
        let kept = (-(frames as f64) / MEMORY).exp();
        state.residuals = &state.residuals * kept + until.transpose(1, 2).matmul(&residual);
        state.frames = &state.frames * kept
            + until
                .sum_dim_intlist([1].as_slice(), false, Kind::Float)
                .unsqueeze(-1);
        sum / (weight + self.bias_prior)
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
        let book = Codebook::new(&store.root(), 9, softness, 0.0);
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

    /// A stream of so many frames near codes of the book, one after another in no order, all shifted alike by so much.
    fn shifted(book: &Codebook, frames: i64, shift: &Tensor) -> Tensor {
        let (mut rng, codes) = (StdRng::seed_from_u64(4), book.entries().size()[0]);
        let said: Vec<i64> = (0..frames).map(|_| rng.random_range(0..codes)).collect();
        let said = book.look_up(&Tensor::from_slice(&said)).unsqueeze(0);
        said + scattered(frames, 5).unsqueeze(0) * 0.1 + shift
    }

    fn size(x: &Tensor) -> f64 {
        x.square().mean(Kind::Float).double_value(&[]).sqrt()
    }

    #[test]
    fn what_all_frames_have_in_common_is_taken_away() {
        let (_store, mut book) = book(0.05);
        book.bias_prior = 1.0;
        let shift = scattered(1, 8) * 0.4;
        let (plain, raw) = (
            shifted(&book, 600, &(&shift * 0.0)),
            shifted(&book, 600, &shift),
        );
        let left = |book: &Codebook, from, length| {
            let mut state = book.bias_state(1, &raw).unwrap();
            let unbiased = book.without_bias(&raw, &mut state);
            size(&(unbiased - &plain).narrow(1, from, length)) / size(&shift)
        };
        let (early, late) = (left(&book, 0, 20), left(&book, 400, 200));
        assert!(late < 0.3 && early > late, "{early} {late}");
        // What has no bias stays where it is.
        let mut state = book.bias_state(1, &plain).unwrap();
        let moved = size(&(book.without_bias(&plain, &mut state) - &plain));
        assert!(moved < 0.1 * size(&plain), "{moved}");
        // A prior of many frames takes nothing away, and none has no past to keep.
        book.bias_prior = 1e6;
        assert!(left(&book, 400, 200) > 0.99);
        book.bias_prior = 0.0;
        assert!(book.bias_state(1, &raw).is_none());
    }

    #[test]
    fn a_bias_is_forgotten_and_hands_no_gradient_on() {
        let (_store, mut book) = book(0.05);
        book.bias_prior = 1.0;
        let shift = scattered(1, 8) * 0.4;
        let plain = shifted(&book, 2000, &(&shift * 0.0));
        let mut state = book.bias_state(1, &plain).unwrap();
        let _ = book.without_bias(&shifted(&book, 400, &shift), &mut state);
        let moved = book.without_bias(&plain, &mut state) - &plain;
        let (first, last) = (
            size(&moved.narrow(1, 0, 50)),
            size(&moved.narrow(1, 1950, 50)),
        );
        assert!(last < 0.4 * first, "{first} {last}");
        let raw = plain.narrow(1, 0, 300).detach().set_requires_grad(true);
        let mut state = book.bias_state(1, &plain).unwrap();
        book.without_bias(&raw, &mut state)
            .sum(Kind::Float)
            .backward();
        assert!(raw.grad().equal(&raw.ones_like()));
    }
}
