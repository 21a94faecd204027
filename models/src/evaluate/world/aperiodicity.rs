//! D4C (Morise 2016, "D4C, a band-aperiodicity estimator for high-quality speech synthesis", Speech
//! Communication 84): how much of each band is noise, from how far the group delay of a windowed
//! voice is from what a periodic sound's would be.

use std::f64::consts::{PI, TAU};

use super::spectrum::{Transform, correct_below_pitch, interpolate, smooth, windowed};
use super::{BINS, FFT, RATE};

/// Distance of the bands' centres in Hz.
const BAND_HZ: f64 = 3000.0;
/// Bands under half the sample rate.
const BANDS: usize = 3;
/// Under this pitch, four periods do not fit the transform.
const LOWEST_HZ: f64 = 47.0;

/// The share of each bin's amplitude at sample `at` that is noise, 0 to 1; 1 where unvoiced.
pub fn d4c(transform: &Transform, samples: &[f64], at: f64, f0: f64) -> Vec<f64> {
    if f0 <= 0.0 {
        return vec![1.0 - 1e-12; BINS];
    }
    let f0 = f0.max(LOWEST_HZ);
    let delay = group_delay(transform, samples, at, f0);
    // From −60 dB at 0 Hz over the bands to all noise at half the rate, in dB.
    let mut levels = vec![-60.0];
    levels.extend(coarse(transform, &delay).map(|level| (level + (f0 - 100.0) / 50.0).min(0.0)));
    levels.push(-1e-12);
    (0..BINS)
        .map(|bin| {
            let hz = bin as f64 * RATE / FFT as f64;
            10.0_f64.powf(interpolate(&levels, hz / BAND_HZ) / 20.0)
        })
        .collect()
}

/// The group delay that does not change with the window's place, less its slow part.
fn group_delay(transform: &Transform, samples: &[f64], at: f64, f0: f64) -> Vec<f64> {
    let quarter = 0.25 * RATE / f0;
    let first = centroid(transform, samples, at - quarter, f0);
    let second = centroid(transform, samples, at + quarter, f0);
    let mut both: Vec<f64> = first.iter().zip(&second).map(|(a, b)| a + b).collect();
    correct_below_pitch(&mut both, f0);
    let hann = |periods: f64| 0.5 * (PI * periods / 2.0).cos() + 0.5;
    let (cut, _) = windowed(samples, at, f0, 2.0, hann);
    let spectrum = transform.spectrum(&cut);
    let mut power: Vec<f64> = spectrum.iter().map(|c| c.norm_sqr()).collect();
    correct_below_pitch(&mut power, f0);
    let power = smooth(&power, f0);
    let raw: Vec<f64> = both
        .iter()
        .zip(&power)
        .map(|(c, p)| c / p.max(1e-18))
        .collect();
    let delay = smooth(&raw, f0 / 2.0);
    let slow = smooth(&delay, f0);
    delay.iter().zip(&slow).map(|(d, s)| d - s).collect()
}

/// Power-weighted group delay under a Blackman window of four periods.
fn centroid(transform: &Transform, samples: &[f64], at: f64, f0: f64) -> Vec<f64> {
    let blackman =
        |periods: f64| 0.42 + 0.5 * (PI * periods / 2.0).cos() + 0.08 * (PI * periods).cos();
    let (mut cut, _) = windowed(samples, at, f0, 2.0, blackman);
    let norm = cut.iter().map(|x| x * x).sum::<f64>().sqrt().max(1e-12);
    cut.iter_mut().for_each(|x| *x /= norm);
    let plain = transform.spectrum(&cut);
    cut.iter_mut()
        .enumerate()
        .for_each(|(i, x)| *x *= (i + 1) as f64);
    let ramped = transform.spectrum(&cut);
    let pairs = plain.iter().zip(&ramped);
    pairs.map(|(a, b)| b.re * a.re + a.im * b.im).collect()
}

/// Level of the noise in each band in dB: the share of the group delay's own spectrum that lies
/// outside its strongest part.
fn coarse(transform: &Transform, delay: &[f64]) -> impl Iterator<Item = f64> {
    let half = (BAND_HZ * FFT as f64 / RATE) as usize;
    let length = 2 * half + 1;
    let boundary = (FFT as f64 * 8.0 / length as f64).round() as usize;
    let window = nuttall(length);
    (1..=BANDS).map(move |band| {
        let centre = (BAND_HZ * band as f64 * FFT as f64 / RATE) as usize;
        let cut: Vec<f64> = (0..length)
            .map(|i| delay[(centre + i - half).min(BINS - 1)] * window[i])
            .collect();
        let mut power: Vec<f64> = transform
            .spectrum(&cut)
            .iter()
            .map(|c| c.norm_sqr())
            .collect();
        power.sort_by(f64::total_cmp);
        let all: f64 = power.iter().sum();
        let rest: f64 = power[..BINS - boundary - 1].iter().sum();
        10.0 * (rest.max(1e-18) / all.max(1e-18)).log10()
    })
}

/// The window of Nuttall (1981).
fn nuttall(length: usize) -> Vec<f64> {
    (0..length)
        .map(|i| {
            let t = TAU * i as f64 / (length - 1) as f64;
            0.355_768 - 0.487_396 * t.cos() + 0.144_232 * (2.0 * t).cos()
                - 0.012_604 * (3.0 * t).cos()
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::rngs::StdRng;
    use rand::{RngExt, SeedableRng};

    #[test]
    fn pulses_are_periodic_and_noise_is_not() {
        let transform = Transform::new(FFT);
        let mut rng = StdRng::seed_from_u64(4);
        let noise: Vec<f64> = (0..9600).map(|_| rng.random_range(-0.5..0.5)).collect();
        let pulses: Vec<f64> = (0..9600)
            .map(|n| f64::from(u8::from(n % 160 == 0)))
            .collect();
        let mean = |samples: &[f64]| {
            let frames = 20..60;
            let count = frames.len() as f64;
            frames
                .map(|i| d4c(&transform, samples, f64::from(i) * 120.0, 150.0)[256])
                .sum::<f64>()
                / count
        };
        assert!(mean(&pulses) < 0.2, "{}", mean(&pulses));
        assert!(mean(&noise) > 0.6, "{}", mean(&noise));
    }
}
