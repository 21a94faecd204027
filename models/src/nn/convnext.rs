//! The trunk of every frame-rate network: causal ConvNeXt blocks (Liu et al. 2022, as Vocos
//! (Siuzdak 2023) uses them for sound), each with an optional condition by feature-wise
//! modulation (FiLM, Perez et al. 2018).

use tch::Tensor;
use tch::nn::{Init, Path};

use super::Linear;
use super::attention::{AttentionState, LocalAttention};
use super::linear::{floats, floats_mut};

/// Shape of one trunk.
#[derive(Clone, Debug, Default, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct ConvNeXtConfig {
    /// Channels of the trunk.
    pub width: i64,
    /// Channels inside a block, as a multiple of `width`.
    pub expansion: i64,
    /// Taps of each depthwise convolution.
    pub kernel: i64,
    /// Dilation of each block's convolution; its length is the number of blocks.
    pub dilations: Vec<i64>,
    /// Heads of a layer of causal local attention after half of the blocks; 0: there is none.
    #[serde(default)]
    pub attention_heads: i64,
    /// Frames that it hears, the present one included.
    #[serde(default)]
    pub attention_window: i64,
}

/// One block: causal depthwise convolution, layer norm, two linear layers, residual.
#[derive(Debug)]
pub struct ConvNeXt {
    kernel: Tensor,
    kernel_bias: Tensor,
    dilation: i64,
    norm_scale: Tensor,
    norm_shift: Tensor,
    film: Option<Linear>,
    expand: Linear,
    project: Linear,
    layer_scale: Tensor,
}

/// Past inputs of one block's convolution, `[batch, (kernel − 1) · dilation, width]`.
type BlockState = Tensor;

/// Past of a whole trunk, and its condition's modulation, which changes seldom.
#[derive(Debug, Default)]
pub struct TrunkState {
    blocks: Vec<BlockState>,
    attention: Option<AttentionState>,
}

impl ConvNeXt {
    fn new(path: &Path, config: &ConvNeXtConfig, dilation: i64, condition: Option<i64>) -> Self {
        let width = config.width;
        let inner = width * config.expansion;
        let tap = 1.0 / (config.kernel as f64).sqrt();
        Self {
            kernel: path.var(
                "kernel",
                &[config.kernel, width],
                Init::Randn {
                    mean: 0.0,
                    stdev: tap,
                },
            ),
            kernel_bias: path.zeros("kernel_bias", &[width]),
            dilation,
            norm_scale: path.ones("norm_scale", &[width]),
            norm_shift: path.zeros("norm_shift", &[width]),
            // Starts as no modulation, so that a condition can only help.
            film: condition.map(|size| Linear::new(&(path / "film"), size, 2 * width, 0.0)),
            expand: Linear::new(&(path / "expand"), width, inner, std::f64::consts::SQRT_2),
            project: Linear::new(&(path / "project"), inner, width, 1.0),
            // Small residual branches keep a deep stack near the identity at the start.
            layer_scale: path.var("layer_scale", &[width], Init::Const(0.3)),
        }
    }

    fn context(&self) -> i64 {
        (self.kernel.size()[0] - 1) * self.dilation
    }

    /// `[batch, 1, width]` each: scale and shift after the layer norm.
    fn modulation(&self, condition: Option<&Tensor>) -> (Tensor, Tensor) {
        match (&self.film, condition) {
            (Some(film), Some(condition)) => {
                let both = film.forward(condition).unsqueeze(1).chunk(2, -1);
                let scale = (&both[0] + 1.0) * &self.norm_scale;
                let shift = &both[1] + &self.norm_shift;
                (scale, shift)
            }
            _ => (
                self.norm_scale.shallow_clone(),
                self.norm_shift.shallow_clone(),
            ),
        }
    }

    /// The depthwise convolution over `[batch, context + frames, width]`.
    fn convolve(&self, padded: &Tensor, frames: i64) -> Tensor {
        let taps = self.kernel.size()[0];
        if frames == 1 {
            // A product and a sum: conv1d takes ten times as long for one frame.
            let picked = if self.dilation == 1 {
                padded.shallow_clone()
            } else {
                padded.slice(1, None, None, self.dilation)
            };
            return (picked * &self.kernel).sum_dim_intlist(1, true, None) + &self.kernel_bias;
        }
        // As a 2-D convolution oneDNN runs it twice as fast as the 1-D form or a sum of shifts.
        let width = self.kernel.size()[1];
        let image = padded.transpose(1, 2).unsqueeze(2);
        let kernel = self.kernel.tr().reshape([width, 1, 1, taps]);
        let out = image.conv2d(
            &kernel,
            Some(&self.kernel_bias),
            1,
            0,
            [1, self.dilation],
            width,
        );
        out.squeeze_dim(2).transpose(1, 2)
    }

    fn forward(&self, x: &Tensor, condition: &(Tensor, Tensor), state: &mut BlockState) -> Tensor {
        let frames = x.size()[1];
        if x.numel() == self.kernel.size()[1] as usize && self.expand.fits_kernel(x) {
            return self.forward_frame(x, condition, state);
        }
        let padded = Tensor::cat(&[&*state, x], 1);
        *state = padded.narrow(1, frames, self.context());
        let h = self.convolve(&padded, frames);
        let width = h.size()[2];
        let h = h.layer_norm([width], None::<&Tensor>, None::<&Tensor>, 1e-5, true);
        let h = condition.1.addcmul(&h, &condition.0);
        let h = self
            .project
            .forward_mixed(&self.expand.forward_mixed(&h).silu())
            .to_kind(x.kind());
        x.addcmul(&h, &self.layer_scale)
    }

    /// One live frame of one stream without libtorch's dozen small operations: they cost more than
    /// the products do (`cargo bench -p mien-models`). Held equal to the general path by
    /// `models/tests/streaming.rs`.
    fn forward_frame(
        &self,
        x: &Tensor,
        condition: &(Tensor, Tensor),
        state: &mut BlockState,
    ) -> Tensor {
        // The past may be a view into a longer chunk that came before.
        if !state.is_contiguous() {
            *state = state.contiguous();
        }
        let x = x.contiguous();
        let (input, past) = (floats(&x), floats_mut(state));
        let width = input.len();
        let mut h = floats(&self.kernel_bias).to_vec();
        let kernel = floats(&self.kernel);
        for (tap, weights) in kernel.chunks_exact(width).enumerate() {
            let at = tap * self.dilation as usize * width;
            let row = past.get(at..at + width).unwrap_or(input);
            for ((h, x), w) in h.iter_mut().zip(row).zip(weights) {
                *h += x * w;
            }
        }
        if !past.is_empty() {
            past.copy_within(width.., 0);
            let last = past.len() - width;
            past[last..].copy_from_slice(input);
        }
        let mean = h.iter().sum::<f32>() / width as f32;
        let variance = h.iter().map(|v| (v - mean).powi(2)).sum::<f32>() / width as f32;
        let inverse = 1.0 / (variance + 1e-5).sqrt();
        let (scale, shift) = (floats(&condition.0), floats(&condition.1));
        for ((h, scale), shift) in h.iter_mut().zip(scale).zip(shift) {
            *h = (*h - mean) * inverse * scale + shift;
        }
        let mut inner = vec![0.0_f32; self.expand.outputs()];
        self.expand.apply(&h, &mut inner);
        inner.iter_mut().for_each(|v| *v /= 1.0 + (-*v).exp());
        self.project.apply(&inner, &mut h);
        let mut output = x.empty_like();
        let residual = input.iter().zip(&h).zip(floats(&self.layer_scale));
        for (out, ((x, h), scale)) in floats_mut(&mut output).iter_mut().zip(residual) {
            *out = x + h * scale;
        }
        output
    }
}

/// A stack of blocks.
#[derive(Debug)]
pub struct Trunk {
    blocks: Vec<ConvNeXt>,
    attention: Option<LocalAttention>,
    width: i64,
}

/// A condition, turned into each block's scale and shift.
#[derive(Debug)]
pub struct Modulation(Vec<(Tensor, Tensor)>);

impl Trunk {
    /// A trunk whose blocks take a condition of `condition` values each, where given.
    pub fn new(path: &Path, config: &ConvNeXtConfig, condition: Option<i64>) -> Self {
        let block = |(i, &dilation): (usize, &i64)| {
            ConvNeXt::new(&(path / format!("block{i}")), config, dilation, condition)
        };
        Self {
            blocks: config.dilations.iter().enumerate().map(block).collect(),
            attention: (config.attention_heads > 0).then(|| {
                LocalAttention::new(
                    &(path / "attention"),
                    config.width,
                    config.attention_heads,
                    config.attention_window,
                )
            }),
            width: config.width,
        }
    }

    /// Prepares for live frames; see [`Linear::settle`].
    pub fn settle(&mut self) {
        for block in &mut self.blocks {
            block.expand.settle();
            block.project.settle();
        }
        if let Some(attention) = &mut self.attention {
            attention.settle();
        }
    }

    /// Turns a condition `[batch, condition]` into modulations. Live, once per change.
    pub fn modulate(&self, condition: Option<&Tensor>) -> Modulation {
        Modulation(
            self.blocks
                .iter()
                .map(|b| b.modulation(condition))
                .collect(),
        )
    }

    /// An empty past for `batch` streams: silence before the first frame.
    pub fn state(&self, batch: i64, like: &Tensor) -> TrunkState {
        let empty = |block: &ConvNeXt| {
            Tensor::zeros(
                [batch, block.context(), self.width],
                (like.kind(), like.device()),
            )
        };
        TrunkState {
            blocks: self.blocks.iter().map(empty).collect(),
            attention: self
                .attention
                .as_ref()
                .map(|_| LocalAttention::state(batch, self.width, like)),
        }
    }

    /// `x`: `[batch, frames, width]`, any number of frames ≥ 1, going on from `state`.
    pub fn forward(&self, x: &Tensor, modulation: &Modulation, state: &mut TrunkState) -> Tensor {
        let mut h = x.shallow_clone();
        let middle = self.blocks.len() / 2;
        let blocks = self.blocks.iter().zip(&modulation.0).zip(&mut state.blocks);
        for (index, ((block, condition), past)) in blocks.enumerate() {
            h = block.forward(&h, condition, past);
            if let (true, Some(attention), Some(past)) =
                (index + 1 == middle, &self.attention, &mut state.attention)
            {
                h = attention.forward(&h, past);
            }
        }
        h
    }
}
