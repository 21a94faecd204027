//! WORLD's synthesis: a minimum-phase response of the envelope at every pulse, and noise between.

use std::f64::consts::{PI, TAU};

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use realfft::num_complex::Complex64;

use super::spectrum::Transform;
use super::{BINS, FFT, HOP, RATE, UNVOICED_HZ};

/// Least power of a filter, so that its logarithm is finite.
const LEAST: f64 = 1e-14;

/// One excitation.
struct Pulse {
    /// Sample it falls on, and how much later it really is (0 to 1).
    sample: usize,
    late: f64,
    voiced: bool,
    /// Samples to the next one.
    period: usize,
}

/// `length` samples from frames of pitch, power spectra and aperiodicity, every [`HOP`].
pub fn synthesise(
    f0: &[f64],
    envelope: &[Vec<f64>],
    aperiodicity: &[Vec<f64>],
    length: usize,
) -> Vec<f32> {
    let transform = Transform::new(FFT);
    let mut rng = StdRng::seed_from_u64(1);
    // Room on both sides for responses that reach over the ends.
    let mut out = vec![0.0_f64; length + 2 * FFT];
    let fade = dc_shape();
    for pulse in pulses(f0, length) {
        let at = (pulse.sample as f64 + pulse.late) / HOP as f64;
        let (power, noise) = between(envelope, aperiodicity, at);
        let excitation = noise_burst(pulse.period, &mut rng);
        let share = |noisy: bool| -> Vec<f64> {
            let parts = power.iter().zip(&noise);
            parts
                .map(|(p, a)| p * if noisy { a * a } else { 1.0 - a * a })
                .collect()
        };
        let filter = if pulse.voiced {
            share(true)
        } else {
            power.clone()
        };
        let mut spectrum = minimum_phase(&transform, &filter);
        let burst = transform.spectrum(&excitation);
        spectrum.iter_mut().zip(&burst).for_each(|(s, b)| *s *= b);
        let mut response = transform.samples(spectrum);
        if pulse.voiced {
            let mut spectrum = minimum_phase(&transform, &share(false));
            for (bin, value) in spectrum.iter_mut().enumerate() {
                let turn = -TAU * pulse.late * bin as f64 / FFT as f64;
                *value *= Complex64::from_polar((pulse.period as f64).sqrt(), turn);
            }
            let mut periodic = transform.samples(spectrum);
            // A pulse has a mean, a voice has none.
            let mean: f64 = periodic[..FFT / 2].iter().sum();
            periodic
                .iter_mut()
                .zip(&fade)
                .for_each(|(x, f)| *x -= mean * f);
            response
                .iter_mut()
                .zip(&periodic)
                .for_each(|(x, p)| *x += p);
        }
        // The second half of a circular response is what comes before the pulse.
        for (i, value) in response.iter().enumerate() {
            let place = FFT + pulse.sample + i - if i < FFT / 2 { 0 } else { FFT };
            out[place] += value;
        }
    }
    out[FFT..FFT + length].iter().map(|&x| x as f32).collect()
}

/// Where the phase of the pitch comes round.
fn pulses(f0: &[f64], length: usize) -> Vec<Pulse> {
    let mut found: Vec<Pulse> = Vec::new();
    let mut phase = 0.0;
    for sample in 0..length {
        let at = sample as f64 / HOP as f64;
        let (low, high) = (at as usize, (at as usize + 1).min(f0.len() - 1));
        let nearest = if at - (low as f64) < 0.5 { low } else { high };
        let voiced = f0[nearest] > 0.0;
        let hz = if f0[low] > 0.0 && f0[high] > 0.0 {
            let share = at - low as f64;
            f0[low] * (f0[high] / f0[low]).powf(share)
        } else if voiced {
            f0[nearest]
        } else {
            UNVOICED_HZ
        };
        let step = hz / RATE;
        if phase + step >= 1.0 {
            if let Some(last) = found.last_mut() {
                last.period = sample - last.sample;
            }
            found.push(Pulse {
                sample,
                late: ((1.0 - phase) / step).clamp(0.0, 1.0),
                voiced,
                period: ((1.0 / step) as usize).max(1),
            });
        }
        phase = (phase + step).fract();
    }
    found
}

/// Envelope and aperiodicity at a place between frames.
fn between(envelope: &[Vec<f64>], aperiodicity: &[Vec<f64>], at: f64) -> (Vec<f64>, Vec<f64>) {
    let low = (at as usize).min(envelope.len() - 1);
    let high = (low + 1).min(envelope.len() - 1);
    let share = (at - low as f64).clamp(0.0, 1.0);
    let mix = |frames: &[Vec<f64>]| -> Vec<f64> {
        let pairs = frames[low].iter().zip(&frames[high]);
        pairs.map(|(a, b)| a + share * (b - a)).collect()
    };
    (mix(envelope), mix(aperiodicity))
}

/// Normal noise without a mean.
fn noise_burst(length: usize, rng: &mut StdRng) -> Vec<f64> {
    let mut gaussian = || {
        let (u, v): (f64, f64) = (rng.random_range(1e-12..1.0), rng.random_range(0.0..1.0));
        (-2.0 * u.ln()).sqrt() * (TAU * v).cos()
    };
    let mut burst: Vec<f64> = (0..length.clamp(1, FFT / 2)).map(|_| gaussian()).collect();
    let mean = burst.iter().sum::<f64>() / burst.len() as f64;
    burst.iter_mut().for_each(|x| *x -= mean);
    burst
}

/// The causal response of least delay with that power, by folding the cepstrum (Oppenheim and
/// Schafer 1975).
fn minimum_phase(transform: &Transform, power: &[f64]) -> Vec<Complex64> {
    let log: Vec<f64> = power.iter().map(|p| 0.5 * (p + LEAST).ln()).collect();
    let mut cepstrum = transform.cepstrum(&log);
    cepstrum[1..FFT / 2].iter_mut().for_each(|c| *c *= 2.0);
    cepstrum[FFT / 2 + 1..].fill(0.0);
    let mut spectrum = transform.spectrum(&cepstrum);
    debug_assert_eq!(spectrum.len(), BINS);
    spectrum.iter_mut().for_each(|c| *c = c.exp());
    spectrum
}

/// A smooth bump of sum 1 around the pulse that carries its mean away.
fn dc_shape() -> Vec<f64> {
    let bump = |i: usize| {
        let distance = i.min(FFT - i) as f64 / (FFT / 2) as f64;
        0.5 + 0.5 * (PI * distance).cos()
    };
    let shape: Vec<f64> = (0..FFT).map(bump).collect();
    let sum: f64 = shape.iter().sum();
    shape.iter().map(|v| v / sum).collect()
}
