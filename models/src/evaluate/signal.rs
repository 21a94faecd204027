//! Measures between two waveforms.

use tch::{Kind, Tensor, no_grad};

use crate::networks::log_magnitude;
use mien_face::SAMPLE_RATE;

/// Farthest shift that counts as alignment, in samples: 20 ms.
const FARTHEST: usize = SAMPLE_RATE as usize / 50;
/// Length of a piece that is aligned on its own, in samples: 40 ms.
const PIECE: usize = SAMPLE_RATE as usize / 25;
/// Lengths of the spectral distance's transforms.
const RESOLUTIONS: [i64; 3] = [512, 1024, 2048];
/// Power under the loudest frame at which a frame counts as silence, in dB.
const SILENCE_DB: f64 = 40.0;

/// How alike two waveforms are once they are laid over one another.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct WaveformMatch {
    /// Largest normalised cross-correlation within ±20 ms.
    pub correlation: f64,
    /// The shift of the output against the source it was found at, in ms; positive: the output is late.
    pub lag_ms: f64,
    /// The same for pieces of 40 ms, each with its best shift within ±5 ms of the whole's, weighted
    /// by energy: a vocoder's pulses may drift against the voice's own without being heard.
    pub local_correlation: f64,
}

/// Aligns two recordings at 24 kHz and correlates them.
pub fn waveform_match(source: &[f32], output: &[f32]) -> WaveformMatch {
    let length = source.len().min(output.len());
    let (source, output) = (&source[..length], &output[..length]);
    let lags = -(FARTHEST as isize)..=FARTHEST as isize;
    let (lag, correlation) = best(source, output, 0, length, lags);
    let near = (FARTHEST / 4) as isize;
    let (mut sum, mut weight) = (0.0, 0.0);
    for from in (0..length.saturating_sub(PIECE)).step_by(PIECE) {
        let energy: f64 = source[from..from + PIECE]
            .iter()
            .map(|x| f64::from(x * x))
            .sum();
        let (_, here) = best(source, output, from, PIECE, lag - near..=lag + near);
        sum += energy * here;
        weight += energy;
    }
    WaveformMatch {
        correlation,
        lag_ms: lag as f64 * 1000.0 / f64::from(SAMPLE_RATE),
        local_correlation: if weight > 0.0 { sum / weight } else { 0.0 },
    }
}

/// The lag at which the piece correlates most, and how much.
fn best(
    source: &[f32],
    output: &[f32],
    from: usize,
    length: usize,
    lags: std::ops::RangeInclusive<isize>,
) -> (isize, f64) {
    let mut found = (0, 0.0);
    for lag in lags {
        // Of the piece only what has a partner.
        let start = from.max((-lag).max(0) as usize);
        let end = (from + length)
            .min((output.len() as isize - lag).clamp(0, output.len() as isize) as usize);
        if end <= start {
            continue;
        }
        let own = &source[start..end];
        let other = &output[(start as isize + lag) as usize..(end as isize + lag) as usize];
        let mut sums = [0.0_f32; 3];
        let (mut both, mut a, mut b) = (0.0_f64, 0.0_f64, 0.0_f64);
        // Short runs in single precision: the loop is the whole cost of the measure.
        for (x, y) in own.chunks(256).zip(other.chunks(256)) {
            sums.fill(0.0);
            for (x, y) in x.iter().zip(y) {
                sums[0] += x * y;
                sums[1] += x * x;
                sums[2] += y * y;
            }
            both += f64::from(sums[0]);
            a += f64::from(sums[1]);
            b += f64::from(sums[2]);
        }
        let value = both / (a * b).sqrt().max(1e-12);
        if value > found.1 {
            found = (lag, value);
        }
    }
    found
}

/// Multi-resolution log-spectral distance in dB: the root mean square difference of the log
/// magnitudes over the bins, averaged over the source's audible frames and over transforms of 512,
/// 1024 and 2048 samples (the log-spectral distance of Gray and Markel 1976 at the resolutions of
/// Yamamoto et al. 2020). The recordings line up and are of one level.
pub fn spectral_distance(source: &[f32], output: &[f32]) -> f64 {
    let length = source.len().min(output.len());
    if length < 2048 {
        return 0.0;
    }
    let tensor = |x: &[f32]| Tensor::from_slice(&x[..length]).reshape([1, -1]);
    let (source, output) = (tensor(source), tensor(output));
    let distance = |&size: &i64| {
        let (a, b) = (log_magnitude(&source, size), log_magnitude(&output, size));
        let decibel = 20.0 / std::f64::consts::LN_10;
        let frames = ((&a - &b) * decibel)
            .square()
            .mean_dim([2].as_slice(), false, Kind::Float)
            .sqrt();
        let level = (&a * 2.0).logsumexp([2].as_slice(), false) * (decibel / 2.0);
        let audible = level
            .gt_tensor(&(level.max() - SILENCE_DB))
            .to_kind(Kind::Float);
        let sum = (&frames * &audible).sum(Kind::Float).double_value(&[]);
        sum / audible.sum(Kind::Float).double_value(&[]).max(1.0)
    };
    no_grad(|| RESOLUTIONS.iter().map(distance).sum::<f64>() / RESOLUTIONS.len() as f64)
}

/// Largest difference of two waveforms, sample by sample.
pub fn largest_difference(a: &[f32], b: &[f32]) -> f64 {
    let pairs = a.iter().zip(b);
    pairs.fold(0.0, |most, (x, y)| f64::from((x - y).abs()).max(most))
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::rngs::StdRng;
    use rand::{RngExt, SeedableRng};

    fn noise(seed: u64, length: usize) -> Vec<f32> {
        let mut rng = StdRng::seed_from_u64(seed);
        (0..length).map(|_| rng.random_range(-0.5..0.5)).collect()
    }

    #[test]
    fn a_delayed_copy_correlates_where_it_was_moved_to() {
        let sound = noise(1, 6000);
        let mut late = vec![0.0; 120];
        late.extend(&sound[..5880]);
        let quiet: Vec<f32> = late.iter().map(|x| x * 0.25).collect();
        let found = waveform_match(&sound, &quiet);
        assert!(found.correlation > 0.999, "{found:?}");
        assert!((found.lag_ms - 5.0).abs() < 1e-9, "{found:?}");
        assert!(found.local_correlation > 0.95, "{found:?}");
    }

    #[test]
    fn other_noise_does_not_correlate() {
        let found = waveform_match(&noise(1, 6000), &noise(2, 6000));
        assert!(found.correlation < 0.1, "{found:?}");
        assert_eq!(waveform_match(&[], &[]), WaveformMatch::default());
    }

    #[test]
    fn a_gain_is_its_decibels_away() {
        let sound = noise(3, 24_000);
        let louder: Vec<f32> = sound.iter().map(|x| x * 2.0).collect();
        assert_eq!(spectral_distance(&sound, &sound), 0.0);
        let distance = spectral_distance(&sound, &louder);
        assert!((distance - 6.02).abs() < 0.05, "{distance}");
    }
}
