//! Transforms and the smoothing that CheapTrick and D4C share.

use std::sync::Arc;

use realfft::num_complex::Complex64;
use realfft::{ComplexToReal, RealFftPlanner, RealToComplex};

use super::{BINS, FFT, RATE};

/// A planned real transform and its inverse.
pub struct Transform {
    forward: Arc<dyn RealToComplex<f64>>,
    inverse: Arc<dyn ComplexToReal<f64>>,
    size: usize,
}

impl Transform {
    /// Plans a transform of `size` samples (even).
    pub fn new(size: usize) -> Self {
        let mut planner = RealFftPlanner::new();
        Self {
            forward: planner.plan_fft_forward(size),
            inverse: planner.plan_fft_inverse(size),
            size,
        }
    }

    /// Spectrum of at most `size` samples, padded with zeros.
    pub fn spectrum(&self, samples: &[f64]) -> Vec<Complex64> {
        let mut input = self.forward.make_input_vec();
        let count = samples.len().min(self.size);
        input[..count].copy_from_slice(&samples[..count]);
        let mut output = self.forward.make_output_vec();
        // Fails only for buffers of a wrong length, and these come from the plan.
        let done = self.forward.process(&mut input, &mut output);
        debug_assert!(done.is_ok());
        output
    }

    /// The samples of a one-sided spectrum.
    pub fn samples(&self, mut spectrum: Vec<Complex64>) -> Vec<f64> {
        // Both ends of a real signal's spectrum are real; rounding must not say otherwise.
        spectrum[0].im = 0.0;
        if let Some(last) = spectrum.last_mut() {
            last.im = 0.0;
        }
        let mut output = self.inverse.make_output_vec();
        let done = self.inverse.process(&mut spectrum, &mut output);
        debug_assert!(done.is_ok());
        let scale = 1.0 / self.size as f64;
        output.iter_mut().for_each(|x| *x *= scale);
        output
    }

    /// Cepstrum (`size` values, symmetric) of a one-sided log spectrum.
    pub fn cepstrum(&self, log: &[f64]) -> Vec<f64> {
        self.samples(log.iter().map(|&v| Complex64::new(v, 0.0)).collect())
    }
}

/// The value between bins; the last one beyond the end.
pub fn interpolate(values: &[f64], at: f64) -> f64 {
    let low = (at.max(0.0) as usize).min(values.len() - 1);
    let high = (low + 1).min(values.len() - 1);
    let share = (at - low as f64).clamp(0.0, 1.0);
    values[low] + share * (values[high] - values[low])
}

/// The samples around `centre` times a window, without their mean (Morise 2015, section 3.1).
/// `window` is told the distance from the centre in periods; it reaches to `half_periods`.
pub fn windowed(
    samples: &[f64],
    centre: f64,
    f0: f64,
    half_periods: f64,
    window: impl Fn(f64) -> f64,
) -> (Vec<f64>, Vec<f64>) {
    let half = (half_periods * RATE / f0).round() as isize;
    let middle = centre.round() as isize;
    let last = samples.len().saturating_sub(1) as isize;
    let weights: Vec<f64> = (-half..=half)
        .map(|i| window(i as f64 * f0 / RATE))
        .collect();
    let mut cut: Vec<f64> = (-half..=half)
        .zip(&weights)
        .map(|(i, w)| {
            samples
                .get((middle + i).clamp(0, last) as usize)
                .unwrap_or(&0.0)
                * w
        })
        .collect();
    let mean = cut.iter().sum::<f64>() / weights.iter().sum::<f64>();
    cut.iter_mut()
        .zip(&weights)
        .for_each(|(x, w)| *x -= w * mean);
    (cut, weights)
}

/// Folds what lies under the pitch back up, where a voice has nothing (both papers' DC correction).
pub fn correct_below_pitch(power: &mut [f64], f0: f64) {
    let pitch_bin = f0 * FFT as f64 / RATE;
    let original = power[..(pitch_bin as usize + 3).min(power.len())].to_vec();
    for (bin, value) in power.iter_mut().enumerate().take(pitch_bin as usize + 1) {
        *value += interpolate(&original, pitch_bin - bin as f64);
    }
}

/// Running mean over `width_hz`, mirrored at both ends.
pub fn smooth(values: &[f64], width_hz: f64) -> Vec<f64> {
    let bin = RATE / FFT as f64;
    let edge = (width_hz / bin) as usize + 2;
    let mirrored = |i: isize| {
        let last = BINS as isize - 1;
        let i = i.abs();
        values[(if i > last { 2 * last - i } else { i }).clamp(0, last) as usize]
    };
    // The sum up to the upper edge of each bin, beginning `edge` bins before the first.
    let mut sum = 0.0;
    let sums: Vec<f64> = (-(edge as isize)..(BINS + edge) as isize)
        .map(|i| {
            sum += mirrored(i);
            sum
        })
        .collect();
    let half = 0.5 * width_hz / bin;
    let origin = edge as f64 - 0.5;
    (0..BINS)
        .map(|k| {
            let at = |x: f64| interpolate(&sums, x + origin);
            (at(k as f64 + half) - at(k as f64 - half)) / (2.0 * half)
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn smoothing_keeps_a_line_and_spreads_a_peak() {
        let line: Vec<f64> = (0..BINS).map(|k| 5.0 + k as f64).collect();
        let out = smooth(&line, 200.0);
        assert!((100..900).all(|k| (out[k] - line[k]).abs() < 1e-6));
        let mut peak = vec![0.0; BINS];
        peak[300] = 1.0;
        let out = smooth(&peak, 117.1875);
        assert!((out.iter().sum::<f64>() - 1.0).abs() < 1e-9);
        assert!(
            (out[300] - 0.1).abs() < 1e-9 && out[310] == 0.0,
            "{}",
            out[300]
        );
    }
}
