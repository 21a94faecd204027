//! Measures of one converted recording against its source.

use serde::Serialize;

use super::signal::{spectral_distance, waveform_match};
use crate::networks::loudness;
use crate::train::features::Features;

/// What was measured of one recording.
#[derive(Clone, Copy, Debug, Default, Serialize)]
pub struct Measures {
    /// Correlation of log pitch over frames that are voiced in both, −1 to 1.
    pub log_f0_correlation: f64,
    /// Root mean square difference of log pitch in semitones, after the means are taken out.
    pub log_f0_rmse_semitones: f64,
    /// Share of frames whose voicing differs.
    pub voicing_error: f64,
    /// Correlation of loudness over time.
    pub loudness_correlation: f64,
    /// Mel-cepstral distortion in dB over the first 24 coefficients without the level, frame by
    /// frame (both are aligned already). Meaningful for resynthesis.
    pub mel_cepstral_distortion_db: f64,
    /// Multi-resolution log-spectral distance in dB. Meaningful for resynthesis.
    pub spectral_distance_db: f64,
    /// Largest normalised correlation of the waveforms within ±20 ms. Meaningful for resynthesis.
    pub waveform_correlation: f64,
    /// The same in pieces of 40 ms, each aligned on its own.
    pub local_waveform_correlation: f64,
    /// The shift at which the waveforms correlate most, in ms; positive: the output is late.
    pub lag_ms: f64,
    /// Geometric mean pitch of the output in Hz over frames that are voiced in both; 0 where none is.
    pub mean_f0_hz: f64,
}

impl Measures {
    /// Mean of each measure; that of pitch over the clips that have one.
    pub fn mean<'a>(all: impl Iterator<Item = &'a Self> + Clone) -> Self {
        let count = all.clone().count().max(1) as f64;
        let mean = |value: &dyn Fn(&Self) -> f64| all.clone().map(value).sum::<f64>() / count;
        let voiced = all.clone().filter(|m| m.mean_f0_hz > 0.0).count().max(1) as f64;
        Self {
            log_f0_correlation: mean(&|m| m.log_f0_correlation),
            log_f0_rmse_semitones: mean(&|m| m.log_f0_rmse_semitones),
            voicing_error: mean(&|m| m.voicing_error),
            loudness_correlation: mean(&|m| m.loudness_correlation),
            mel_cepstral_distortion_db: mean(&|m| m.mel_cepstral_distortion_db),
            spectral_distance_db: mean(&|m| m.spectral_distance_db),
            waveform_correlation: mean(&|m| m.waveform_correlation),
            local_waveform_correlation: mean(&|m| m.local_waveform_correlation),
            lag_ms: mean(&|m| m.lag_ms),
            mean_f0_hz: mean(&|m| m.mean_f0_hz) * count / voiced,
        }
    }
}

/// Compares two recordings at 24 kHz that line up, with their features. Waveforms are compared only
/// where `waveforms` says so: it takes time, and says nothing of another voice.
pub fn compare(
    (source, a): (&[f32], &Features),
    (output, b): (&[f32], &Features),
    waveforms: bool,
) -> Measures {
    let frames = a.mel.len().min(b.mel.len());
    let level = |f: &Features, t: usize| {
        let bands: Vec<f32> = f.mel[t].iter().map(|v| v.to_f32()).collect();
        f64::from(loudness(&bands))
    };
    let voiced: Vec<(f64, f64)> = (0..frames)
        .filter(|&t| a.pitch[t][0] > 0.0 && b.pitch[t][0] > 0.0)
        .map(|t| {
            (
                f64::from(a.pitch[t][0]).log2() * 12.0,
                f64::from(b.pitch[t][0]).log2() * 12.0,
            )
        })
        .collect();
    // Voicing counts where there is something to hear.
    let loudest = (0..frames).map(|t| level(a, t)).fold(f64::MIN, f64::max);
    let audible: Vec<usize> = (0..frames)
        .filter(|&t| level(a, t) > loudest - 9.0)
        .collect();
    let differing = audible
        .iter()
        .filter(|&&t| (a.pitch[t][0] > 0.0) != (b.pitch[t][0] > 0.0))
        .count();
    let levels: Vec<(f64, f64)> = (0..frames).map(|t| (level(a, t), level(b, t))).collect();
    let (mean_a, mean_b) = means(&voiced);
    let squares: f64 = voiced
        .iter()
        .map(|(x, y)| ((x - mean_a) - (y - mean_b)).powi(2))
        .sum();
    let distortion: f64 = audible.iter().map(|&t| cepstral_distance(a, b, t)).sum();
    let waveform = if waveforms {
        waveform_match(source, output)
    } else {
        Default::default()
    };
    Measures {
        log_f0_correlation: correlation(&voiced),
        log_f0_rmse_semitones: (squares / voiced.len().max(1) as f64).sqrt(),
        voicing_error: differing as f64 / audible.len().max(1) as f64,
        loudness_correlation: correlation(&levels),
        mel_cepstral_distortion_db: distortion / audible.len().max(1) as f64,
        spectral_distance_db: spectral_distance(source, output),
        waveform_correlation: waveform.correlation,
        local_waveform_correlation: waveform.local_correlation,
        lag_ms: waveform.lag_ms,
        mean_f0_hz: if voiced.is_empty() {
            0.0
        } else {
            (mean_b / 12.0).exp2()
        },
    }
}

/// Kubichek (1993): `10 / ln 10 · √(2 Σ Δc²)` with cepstra of log amplitudes.
fn cepstral_distance(a: &Features, b: &Features, frame: usize) -> f64 {
    let bands = a.mel[frame].len();
    let difference: Vec<f64> = (0..bands)
        .map(|i| 0.5 * f64::from(a.mel[frame][i].to_f32() - b.mel[frame][i].to_f32()))
        .collect();
    let sum: f64 = (1..=24)
        .map(|k| {
            let turn = std::f64::consts::PI * f64::from(k) / bands as f64;
            let c: f64 = difference
                .iter()
                .enumerate()
                .map(|(i, d)| d * (turn * (i as f64 + 0.5)).cos())
                .sum();
            (c / bands as f64 * 2.0).powi(2)
        })
        .sum();
    10.0 / std::f64::consts::LN_10 * (2.0 * sum).sqrt()
}

fn means(pairs: &[(f64, f64)]) -> (f64, f64) {
    let n = pairs.len().max(1) as f64;
    (
        pairs.iter().map(|p| p.0).sum::<f64>() / n,
        pairs.iter().map(|p| p.1).sum::<f64>() / n,
    )
}

fn correlation(pairs: &[(f64, f64)]) -> f64 {
    let (a, b) = means(pairs);
    let product = |f: &dyn Fn(&(f64, f64)) -> f64| pairs.iter().map(f).sum::<f64>();
    let both = product(&|p| (p.0 - a) * (p.1 - b));
    let spread = (product(&|p| (p.0 - a).powi(2)) * product(&|p| (p.1 - b).powi(2))).sqrt();
    if spread > 0.0 { both / spread } else { 0.0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tone(hz: impl Fn(f32) -> f32) -> Vec<f32> {
        let mut phase = 0.0_f32;
        (0..48_000)
            .map(|n| {
                phase = (phase + hz(n as f32 / 24_000.0) / 24_000.0).fract();
                // A sawtooth is heard as a voice.
                0.3 * (1.0 - 2.0 * phase)
            })
            .collect()
    }

    fn compare(a: &[f32], b: &[f32]) -> Measures {
        super::compare((a, &Features::analyse(a)), (b, &Features::analyse(b)), true)
    }

    #[test]
    fn the_same_recording_is_no_distance_away() {
        let sound = tone(|t| 150.0 + 30.0 * (4.0 * t).sin());
        let m = compare(&sound, &sound);
        assert!(
            m.log_f0_correlation > 0.999
                && m.voicing_error == 0.0
                && m.mel_cepstral_distortion_db == 0.0
                && m.spectral_distance_db == 0.0
                && m.waveform_correlation > 0.999
        );
        assert!((m.mean_f0_hz - 150.0).abs() < 8.0, "{}", m.mean_f0_hz);
    }

    #[test]
    fn an_octave_up_keeps_the_tune() {
        let low = tone(|t| 120.0 + 25.0 * (5.0 * t).sin());
        let high = tone(|t| 240.0 + 50.0 * (5.0 * t).sin());
        let m = compare(&low, &high);
        assert!(
            m.log_f0_correlation > 0.95 && m.log_f0_rmse_semitones < 0.5,
            "{m:?}"
        );
        assert!(m.mel_cepstral_distortion_db > 1.0);
    }
}
