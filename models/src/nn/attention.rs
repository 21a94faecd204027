//! Causal local attention: what a convolution of fixed taps cannot, weighing the last second by what it
//! holds.

use tch::nn::{Init, Path};
use tch::{Kind, Tensor};

use super::Linear;

/// One layer of multi-head attention (Vaswani et al. 2017) of each frame to itself and the
/// `window − 1` frames before it, with a learnt bias for each distance, as a residual branch. Looks at
/// nothing that comes later, so it adds no delay.
#[derive(Debug)]
pub struct LocalAttention {
    heads: i64,
    window: i64,
    query_key_value: Linear,
    output: Linear,
    /// `[heads, window]`: added to the scores by distance, nearest first.
    distance: Tensor,
    layer_scale: Tensor,
}

/// Keys and values of the last frames, `[batch, at most window − 1, 2 · width]`.
pub type AttentionState = Tensor;

impl LocalAttention {
    /// A layer below `path` for `width` channels, which `heads` must divide.
    pub fn new(path: &Path, width: i64, heads: i64, window: i64) -> Self {
        assert!(
            heads > 0 && width % heads == 0 && window > 0,
            "attention_heads ({heads}) must divide the width ({width}), and attention_window ({window}) be positive"
        );
        Self {
            heads,
            window,
            query_key_value: Linear::new(&(path / "query_key_value"), width, 3 * width, 1.0),
            output: Linear::new(&(path / "output"), width, width, 1.0),
            distance: path.zeros("distance", &[heads, window]),
            // Starts as next to nothing, so that adding it to trained blocks harms none.
            layer_scale: path.var("layer_scale", &[width], Init::Const(0.03)),
        }
    }

    /// Prepares for live frames; see [`Linear::settle`].
    pub fn settle(&mut self) {
        self.query_key_value.settle();
        self.output.settle();
    }

    /// An empty past for `batch` streams of `width` channels.
    pub fn state(batch: i64, width: i64, like: &Tensor) -> AttentionState {
        Tensor::zeros([batch, 0, 2 * width], (like.kind(), like.device()))
    }

    /// `x`: `[batch, frames, width]`, going on from `state`.
    pub fn forward(&self, x: &Tensor, state: &mut AttentionState) -> Tensor {
        let size = x.size();
        let (batch, frames, width) = (size[0], size[1], size[2]);
        let h = x.layer_norm([width], None::<&Tensor>, None::<&Tensor>, 1e-5, true);
        let all = self.query_key_value.forward(&h);
        let query = self.split(&all.narrow(2, 0, width));
        let past = state.size()[1];
        let heard = Tensor::cat(&[&*state, &all.narrow(2, width, 2 * width)], 1);
        let kept = (past + frames).min(self.window - 1);
        *state = heard.narrow(1, past + frames - kept, kept).contiguous();
        let key = self.split(&heard.narrow(2, 0, width));
        let value = self.split(&heard.narrow(2, width, width));
        let depth = (width / self.heads) as f64;
        let scores = query.matmul(&key.transpose(2, 3)) / depth.sqrt();
        // Distance of each frame (row) from each heard one (column): 0 is the frame itself.
        let axis = |from: i64, to: i64| Tensor::arange_start(from, to, (Kind::Int64, x.device()));
        let apart = axis(past, past + frames).unsqueeze(1) - axis(0, past + frames).unsqueeze(0);
        let near = apart.clamp(0, self.window - 1);
        let bias = self.distance.index_select(1, &near.reshape([-1])).reshape([
            1,
            self.heads,
            frames,
            past + frames,
        ]);
        let outside = apart.lt(0).logical_or(&apart.ge(self.window));
        let shares = (scores + bias)
            .masked_fill(&outside, f64::NEG_INFINITY)
            .softmax(-1, x.kind());
        let mixed = shares
            .matmul(&value)
            .transpose(1, 2)
            .reshape([batch, frames, width]);
        x.addcmul(&self.output.forward(&mixed), &self.layer_scale)
    }

    /// `[batch, frames, width]` → `[batch, heads, frames, width / heads]`.
    fn split(&self, x: &Tensor) -> Tensor {
        let size = x.size();
        x.reshape([size[0], size[1], self.heads, size[2] / self.heads])
            .transpose(1, 2)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tch::nn::VarStore;
    use tch::{Device, no_grad};

    #[test]
    fn frame_by_frame_is_the_same_as_at_once() {
        tch::manual_seed(5);
        let store = VarStore::new(Device::Cpu);
        let layer = LocalAttention::new(&store.root(), 12, 3, 5);
        no_grad(|| {
            for (_, mut variable) in store.variables() {
                let _ = variable.normal_(0.0, 0.5);
            }
        });
        let x = Tensor::randn([2, 17, 12], (Kind::Float, Device::Cpu));
        let whole = layer.forward(&x, &mut LocalAttention::state(2, 12, &x));
        let mut state = LocalAttention::state(2, 12, &x);
        let mut at = 0;
        for length in [1, 3, 1, 7, 1, 4] {
            let part = layer.forward(&x.narrow(1, at, length), &mut state);
            let error = (part - whole.narrow(1, at, length)).abs().max();
            assert!(error.double_value(&[]) < 1e-5);
            at += length;
        }
        assert_eq!(state.size(), [2, 4, 24]);
    }

    #[test]
    fn nothing_later_and_nothing_beyond_the_window_is_heard() {
        let store = VarStore::new(Device::Cpu);
        let layer = LocalAttention::new(&store.root(), 8, 2, 4);
        let x = Tensor::randn([1, 12, 8], (Kind::Float, Device::Cpu));
        let before = layer.forward(&x, &mut LocalAttention::state(1, 8, &x));
        let _ = x.narrow(1, 5, 1).fill_(3.0);
        let after = layer.forward(&x, &mut LocalAttention::state(1, 8, &x));
        let moved = (after - before).abs().amax([0_i64, 2].as_slice(), false);
        for frame in 0..12 {
            let heard = (5..9).contains(&frame);
            assert_eq!(moved.double_value(&[frame]) > 0.0, heard, "frame {frame}");
        }
    }
}
