//! CheapTrick (Morise 2015, "CheapTrick, a spectral envelope estimator for high-quality speech
//! synthesis", Speech Communication 67): a power spectrum that neither the place of the window within
//! a period nor the harmonics shake.

use std::f64::consts::PI;

use super::spectrum::{Transform, correct_below_pitch, smooth, windowed};
use super::{FFT, RATE, UNVOICED_HZ};

/// The paper's compensation of what smoothing takes away.
const Q1: f64 = -0.15;
/// Least power, under the quietest 24-bit sound.
const LEAST: f64 = 1e-16;

/// The envelope at sample `at`, power in each bin; white noise of variance 1 has 1 everywhere.
pub fn cheap_trick(transform: &Transform, samples: &[f64], at: f64, f0: f64) -> Vec<f64> {
    let f0 = if f0 > 0.0 { f0 } else { UNVOICED_HZ };
    // Three periods of a Hann window: the power of the windowed sound stands still over a period.
    let hann = |periods: f64| 0.5 * (PI * periods / 1.5).cos() + 0.5;
    let (cut, weights) = windowed(samples, at, f0, 1.5, hann);
    let energy: f64 = weights.iter().map(|w| w * w).sum();
    let spectrum = transform.spectrum(&cut);
    let mut power: Vec<f64> = spectrum.iter().map(|c| c.norm_sqr() / energy).collect();
    correct_below_pitch(&mut power, f0);
    let log: Vec<f64> = smooth(&power, f0 * 2.0 / 3.0)
        .iter()
        .map(|p| p.max(LEAST).ln())
        .collect();
    let mut cepstrum = transform.cepstrum(&log);
    for (n, value) in cepstrum.iter_mut().enumerate().skip(1) {
        let quefrency = n.min(FFT - n) as f64 / RATE;
        let smoothing = (PI * f0 * quefrency).sin() / (PI * f0 * quefrency);
        let compensation = (1.0 - 2.0 * Q1) + 2.0 * Q1 * (2.0 * PI * quefrency * f0).cos();
        *value *= smoothing * compensation;
    }
    let smoothed = transform.spectrum(&cepstrum);
    smoothed.iter().map(|c| c.re.exp()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::rngs::StdRng;
    use rand::{RngExt, SeedableRng};

    #[test]
    fn white_noise_is_flat_and_of_its_power() {
        let mut rng = StdRng::seed_from_u64(2);
        let noise: Vec<f64> = (0..24_000)
            .map(|_| rng.random_range(-1.0..1.0_f64) * 3.0_f64.sqrt())
            .collect();
        let transform = Transform::new(FFT);
        let spectra: Vec<Vec<f64>> = (2..180)
            .map(|i| cheap_trick(&transform, &noise, f64::from(i) * 120.0, 0.0))
            .collect();
        for bins in [100..300, 700..1000] {
            let mean: f64 = spectra
                .iter()
                .flat_map(|s| &s[bins.clone()])
                .map(|p| p.ln())
                .sum::<f64>()
                / (spectra.len() * bins.len()) as f64;
            // The log of the mean lies above the mean of the logs of a noise.
            assert!((-0.9..0.1).contains(&mean), "{mean}");
        }
    }
}
