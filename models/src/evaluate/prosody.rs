//! How something is said: what the prosody of performed and of natural acted speech is compared by.

use mien_dsp::mel::filterbank;

use crate::networks::loudness;
use crate::train::features::Features;

/// Number of statistics.
pub const COUNT: usize = 7;

/// Name and unit of each statistic.
pub const NAMES: [(&str, &str); COUNT] = [
    ("pitch mean", "st"),
    ("pitch range", "st"),
    ("energy", "dB"),
    ("energy range", "dB"),
    ("tilt", "dB"),
    ("pitch rate", "st/s"),
    ("energy rate", "dB/s"),
];

/// Voiced frames a recording must have to say anything.
const LEAST: usize = 30;

/// Nepers of power as decibels.
const DECIBEL: f64 = 10.0 / std::f64::consts::LN_10;

/// The statistics of one recording, in the order of [`NAMES`]; `None` where too little is voiced.
///
/// Over voiced frames: mean of pitch in semitones over 1 Hz and its standard deviation; mean
/// loudness and its standard deviation; level of 1 to 5 kHz over that of 50 Hz to 1 kHz (the alpha
/// ratio of eGeMAPS, Eyben et al. 2016, upside down: more is brighter); mean absolute change of pitch
/// and of loudness in a second.
pub fn statistics(features: &Features) -> Option<[f64; COUNT]> {
    let centres = &filterbank().centres;
    let split = centres.partition_point(|&c| c < 1000.0);
    let (first, end) = (
        centres.partition_point(|&c| c < 50.0),
        centres.partition_point(|&c| c < 5000.0),
    );
    let (mut pitch, mut loud, mut low, mut high) = (Vec::new(), Vec::new(), 0.0, 0.0);
    let (mut pitch_steps, mut loud_steps) = (Vec::new(), Vec::new());
    let mut before: Option<(f64, f64)> = None;
    for (frame, &[f0, _]) in features.mel.iter().zip(&features.pitch) {
        if f0 <= 0.0 {
            before = None;
            continue;
        }
        let bands: Vec<f32> = frame.iter().map(|v| v.to_f32()).collect();
        let here = (
            12.0 * f64::from(f0).log2(),
            DECIBEL * f64::from(loudness(&bands)),
        );
        if let Some(last) = before {
            pitch_steps.push((here.0 - last.0).abs() * 100.0);
            loud_steps.push((here.1 - last.1).abs() * 100.0);
        }
        before = Some(here);
        pitch.push(here.0);
        loud.push(here.1);
        let power = |range: std::ops::Range<usize>| -> f64 {
            bands[range].iter().map(|v| f64::from(v.exp())).sum()
        };
        low += power(first..split);
        high += power(split..end);
    }
    if pitch.len() < LEAST || pitch_steps.is_empty() {
        return None;
    }
    let (pitch, loud) = (moments(&pitch), moments(&loud));
    let tilt = 10.0 * (high.max(1e-12) / low.max(1e-12)).log10();
    let (pitch_rate, loud_rate) = (moments(&pitch_steps).0, moments(&loud_steps).0);
    Some([
        pitch.0, pitch.1, loud.0, loud.1, tilt, pitch_rate, loud_rate,
    ])
}

/// Mean and standard deviation.
pub fn moments(values: &[f64]) -> (f64, f64) {
    let count = values.len().max(1) as f64;
    let mean = values.iter().sum::<f64>() / count;
    let variance = values.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / count;
    (mean, variance.sqrt())
}

/// Mean of each statistic over recordings; `None` for none.
pub fn mean(all: &[[f64; COUNT]]) -> Option<[f64; COUNT]> {
    let column = |i: usize| all.iter().map(|s| s[i]).sum::<f64>() / all.len() as f64;
    (!all.is_empty()).then(|| std::array::from_fn(column))
}

/// The change from one to the other.
pub fn difference(from: &[f64; COUNT], to: &[f64; COUNT]) -> [f64; COUNT] {
    std::array::from_fn(|i| to[i] - from[i])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn buzz(hz: f32, swing: f32, gain: f32) -> Features {
        let mut phase = 0.0_f32;
        let sound: Vec<f32> = (0..36_000)
            .map(|n| {
                let t = n as f32 / 24_000.0;
                let pitch = hz * (swing * (12.0 * t).sin()).exp2();
                phase = (phase + pitch / 24_000.0).fract();
                gain * (1.0 - 2.0 * phase)
            })
            .collect();
        Features::analyse(&sound)
    }

    #[test]
    fn an_octave_a_level_and_a_livelier_tune_are_seen() {
        let calm = statistics(&buzz(110.0, 0.05, 0.1)).unwrap();
        let lively = statistics(&buzz(220.0, 0.25, 0.2)).unwrap();
        let change = difference(&calm, &lively);
        assert!((change[0] - 12.0).abs() < 0.4, "{change:?}");
        assert!(change[1] > 1.0 && change[5] > 5.0, "{change:?}");
        assert!((change[2] - 6.0).abs() < 1.0, "{change:?}");
        assert!(statistics(&Features::analyse(&[0.0; 24_000])).is_none());
    }
}
