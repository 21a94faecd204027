//! A linear layer that is fast for one frame as well.

use half::f16;
use tch::nn::{Init, Path};
use tch::{Device, Kind, Tensor};

use super::kernel::{Weights, matrix_vector};
use super::precision;

/// `y = x Wᵀ + b` on the last dimension.
#[derive(Debug)]
pub struct Linear {
    weight: Tensor,
    bias: Tensor,
    /// The same weights in half precision, where nothing is lost by it.
    half: Option<Vec<f16>>,
}

impl Linear {
    /// Orthogonal weights scaled by `gain` (Saxe et al. 2014), zero bias.
    pub fn new(path: &Path, inputs: i64, outputs: i64, gain: f64) -> Self {
        let weight = if gain == 0.0 {
            path.zeros("weight", &[outputs, inputs])
        } else {
            path.var("weight", &[outputs, inputs], Init::Orthogonal { gain })
        };
        let bias = path.zeros("bias", &[outputs]);
        Self {
            weight,
            bias,
            half: None,
        }
    }

    /// Prepares for live frames: call it when the weights are final, as a pack's are. They are read
    /// in half precision then, if they hold nothing that it cannot.
    pub fn settle(&mut self) {
        let weight = self.weight.detach().contiguous();
        let half: Vec<f16> = floats(&weight).iter().map(|&v| f16::from_f32(v)).collect();
        let lossless = half
            .iter()
            .zip(floats(&weight))
            .all(|(h, v)| h.to_f32() == *v);
        self.half = lossless.then_some(half);
    }

    /// `x`: `[…, inputs]` → `[…, outputs]`.
    pub fn forward(&self, x: &Tensor) -> Tensor {
        let inputs = self.weight.size()[1] as usize;
        let one_row = x.numel() == inputs;
        if one_row && self.fits_kernel(x) {
            return self.forward_row(x);
        }
        x.linear(&self.weight, Some(&self.bias))
    }

    /// As [`Self::forward`], in half precision where the training runs mixed. The result is half
    /// then; the caller brings it back to float after the pair of layers inside a block.
    pub fn forward_mixed(&self, x: &Tensor) -> Tensor {
        match precision::reduced() {
            Some(kind) => x
                .to_kind(kind)
                .linear(&self.weight.to_kind(kind), Some(self.bias.to_kind(kind))),
            None => self.forward(x),
        }
    }

    /// The plain kernel knows no gradients, no half precision and no other device.
    pub(super) fn fits_kernel(&self, x: &Tensor) -> bool {
        let gradient = x.requires_grad() || self.weight.requires_grad();
        let plain = |t: &Tensor| t.kind() == Kind::Float && t.device() == Device::Cpu;
        !gradient && plain(x) && plain(&self.weight)
    }

    fn forward_row(&self, x: &Tensor) -> Tensor {
        let mut size = x.size();
        if let Some(last) = size.last_mut() {
            *last = self.weight.size()[0];
        }
        let mut output = Tensor::empty(&size, (Kind::Float, Device::Cpu));
        self.apply(floats(&x.contiguous()), floats_mut(&mut output));
        output
    }

    /// One row through the plain kernel; see [`Self::fits_kernel`].
    pub(super) fn apply(&self, input: &[f32], output: &mut [f32]) {
        let weight = match &self.half {
            Some(half) => Weights::Half(half),
            None => Weights::Float(floats(&self.weight)),
        };
        matrix_vector(weight, floats(&self.bias), input, output);
    }

    /// Length of an output row.
    pub(super) fn outputs(&self) -> usize {
        self.weight.size()[0] as usize
    }
}

/// The values of a dense float tensor in main memory.
///
/// # Panics
/// For any other tensor.
pub(super) fn floats(tensor: &Tensor) -> &[f32] {
    assert!(
        tensor.kind() == Kind::Float && tensor.device() == Device::Cpu && tensor.is_contiguous()
    );
    // SAFETY: checked above; the tensor is borrowed for as long as the slice lives.
    unsafe { std::slice::from_raw_parts(tensor.data_ptr() as *const f32, tensor.numel()) }
}

/// As [`floats`], to write. The storage must not be shared with a tensor that is in use.
pub(super) fn floats_mut(tensor: &mut Tensor) -> &mut [f32] {
    assert!(
        tensor.kind() == Kind::Float && tensor.device() == Device::Cpu && tensor.is_contiguous()
    );
    // SAFETY: checked above; the tensor is borrowed mutably for as long as the slice lives.
    unsafe { std::slice::from_raw_parts_mut(tensor.data_ptr() as *mut f32, tensor.numel()) }
}
