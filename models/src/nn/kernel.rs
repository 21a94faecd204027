//! A matrix-vector product in plain Rust.
//!
//! For one row libtorch calls MKL, which on processors that are not Intel's picks a slower kernel.
//! `cargo bench -p mien-models` prints both: on an AMD Zen 4 core this one is 1.5 to 1.8 times as
//! fast on the trunks' shapes (192 × 576: 6.3 µs against 11.1).
//!
//! Live, every weight is read once a frame and then not for 10 ms, in which other programs take the
//! caches: the time goes into reading. Packs hold their weights in half precision, so they are kept
//! that way and widened in the registers. Half the bytes, the same bits of sound.

use half::f16;

/// Weights of a layer, row by row.
#[derive(Clone, Copy, Debug)]
pub enum Weights<'a> {
    /// As trained.
    Float(&'a [f32]),
    /// As packs hold them.
    Half(&'a [f16]),
}

impl Weights<'_> {
    fn len(&self) -> usize {
        match self {
            Self::Float(w) => w.len(),
            Self::Half(w) => w.len(),
        }
    }
}

/// `output[o] = bias[o] + Σ_i weight[o, i] · input[i]` with `weight` row by row.
///
/// # Panics
/// When the lengths do not fit each other.
pub fn matrix_vector(weight: Weights, bias: &[f32], input: &[f32], output: &mut [f32]) {
    assert_eq!(weight.len(), input.len() * output.len());
    assert_eq!(bias.len(), output.len());
    #[cfg(target_arch = "x86_64")]
    if std::arch::is_x86_feature_detected!("avx2")
        && std::arch::is_x86_feature_detected!("fma")
        && std::arch::is_x86_feature_detected!("f16c")
    {
        // SAFETY: the features were just detected.
        return unsafe {
            match weight {
                Weights::Float(w) => avx2::matrix_vector(w, bias, input, output),
                Weights::Half(w) => avx2::matrix_vector(w, bias, input, output),
            }
        };
    }
    match weight {
        Weights::Float(w) => plain(w, bias, input, output),
        Weights::Half(w) => plain(w, bias, input, output),
    }
}

/// A value that weights are kept in.
trait Value: Copy {
    fn wide(self) -> f32;
}

impl Value for f32 {
    fn wide(self) -> f32 {
        self
    }
}

impl Value for f16 {
    fn wide(self) -> f32 {
        self.to_f32()
    }
}

fn plain<V: Value>(weight: &[V], bias: &[f32], input: &[f32], output: &mut [f32]) {
    let rows = weight.chunks_exact(input.len());
    for ((out, row), bias) in output.iter_mut().zip(rows).zip(bias) {
        *out = bias + dot(row, input);
    }
}

fn dot<V: Value>(a: &[V], b: &[f32]) -> f32 {
    a.iter().zip(b).map(|(a, b)| a.wide() * b).sum()
}

#[cfg(target_arch = "x86_64")]
mod avx2 {
    use super::{Value, dot, plain};
    use half::f16;
    use std::arch::x86_64::{
        __m256, _mm_loadu_si128, _mm256_add_ps, _mm256_cvtph_ps, _mm256_fmadd_ps, _mm256_loadu_ps,
        _mm256_setzero_ps,
    };

    /// Rows that share each load of the input.
    const ROWS: usize = 4;
    /// Values of one vector register.
    const LANES: usize = 8;

    pub trait Load: Value {
        /// Eight values from `at` on.
        ///
        /// # Safety
        /// They must be there, and the processor must have AVX2 and F16C.
        unsafe fn load(at: *const Self) -> __m256;
    }

    impl Load for f32 {
        #[inline]
        #[target_feature(enable = "avx2,fma,f16c")]
        unsafe fn load(at: *const Self) -> __m256 {
            // SAFETY: the caller's.
            unsafe { _mm256_loadu_ps(at) }
        }
    }

    impl Load for f16 {
        #[inline]
        #[target_feature(enable = "avx2,fma,f16c")]
        unsafe fn load(at: *const Self) -> __m256 {
            // SAFETY: the caller's; eight halves are as large as that register.
            unsafe { _mm256_cvtph_ps(_mm_loadu_si128(at.cast())) }
        }
    }

    /// Four rows at a time with two sums each: eight products in flight hide the latency of a fused
    /// multiply-add, which is four cycles at two a cycle.
    #[target_feature(enable = "avx2,fma,f16c")]
    pub fn matrix_vector<V: Load>(weight: &[V], bias: &[f32], input: &[f32], output: &mut [f32]) {
        let width = input.len();
        let whole = width / (2 * LANES) * (2 * LANES);
        let mut outputs = output.chunks_exact_mut(ROWS);
        let mut weights = weight.chunks_exact(ROWS * width);
        let mut biases = bias.chunks_exact(ROWS);
        for ((out, weight), bias) in (&mut outputs).zip(&mut weights).zip(&mut biases) {
            let mut sums = [[_mm256_setzero_ps(); 2]; ROWS];
            for i in (0..whole).step_by(2 * LANES) {
                // SAFETY: `i + 2 · LANES ≤ whole ≤ width`, and each row holds `width` values.
                unsafe {
                    let x = input.as_ptr().add(i);
                    let (x0, x1) = (_mm256_loadu_ps(x), _mm256_loadu_ps(x.add(LANES)));
                    for (row, sum) in sums.iter_mut().enumerate() {
                        let w = weight.as_ptr().add(row * width + i);
                        sum[0] = _mm256_fmadd_ps(V::load(w), x0, sum[0]);
                        sum[1] = _mm256_fmadd_ps(V::load(w.add(LANES)), x1, sum[1]);
                    }
                }
            }
            for (row, sum) in sums.iter().enumerate() {
                let both = _mm256_add_ps(sum[0], sum[1]);
                // SAFETY: a register of eight floats is as large as an array of them.
                let lanes: [f32; LANES] = unsafe { std::mem::transmute(both) };
                let rest = dot(
                    &weight[row * width + whole..(row + 1) * width],
                    &input[whole..],
                );
                out[row] = bias[row] + lanes.iter().sum::<f32>() + rest;
            }
        }
        plain(
            weights.remainder(),
            biases.remainder(),
            input,
            outputs.into_remainder(),
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn agrees_with_the_plain_sum_for_every_shape() {
        for (outputs, inputs) in [(1, 1), (3, 5), (4, 8), (7, 19), (64, 192), (100, 33)] {
            let value = |i: usize| ((i * 7919) % 1000) as f32 / 500.0 - 1.0;
            let weight: Vec<f32> = (0..outputs * inputs).map(value).collect();
            let bias: Vec<f32> = (0..outputs).map(|i| value(i + 3)).collect();
            let input: Vec<f32> = (0..inputs).map(|i| value(i + 11)).collect();
            let mut output = vec![f32::NAN; outputs];
            matrix_vector(Weights::Float(&weight), &bias, &input, &mut output);
            for o in 0..outputs {
                let expected: f64 = (0..inputs)
                    .map(|i| f64::from(weight[o * inputs + i]) * f64::from(input[i]))
                    .sum::<f64>()
                    + f64::from(bias[o]);
                assert!((f64::from(output[o]) - expected).abs() < 1e-4);
            }
        }
    }

    #[test]
    fn halves_give_the_same_bits_as_their_floats() {
        for (outputs, inputs) in [(3, 5), (8, 16), (7, 19), (100, 33)] {
            let value = |i: usize| f16::from_f32(((i * 7919) % 1000) as f32 / 500.0 - 1.0);
            let half: Vec<f16> = (0..outputs * inputs).map(value).collect();
            let float: Vec<f32> = half.iter().map(|v| v.to_f32()).collect();
            let bias = vec![0.25; outputs];
            let input: Vec<f32> = (0..inputs).map(|i| (i as f32 * 0.7).sin()).collect();
            let [mut a, mut b] = [vec![f32::NAN; outputs], vec![f32::NAN; outputs]];
            matrix_vector(Weights::Half(&half), &bias, &input, &mut a);
            matrix_vector(Weights::Float(&float), &bias, &input, &mut b);
            assert_eq!(a, b);
        }
    }
}
