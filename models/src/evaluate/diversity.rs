//! Whether different target voices come out different.

use serde::Serialize;

use crate::networks::{BANDS, loudness};
use crate::train::features::Features;

/// How far apart voices lie, as they were made and as they are.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Diversity {
    /// Mean distance in dB between the conversions of one source to two voices.
    pub converted_db: f64,
    /// Mean distance in dB between the voices' own recordings, where there are any.
    pub natural_db: Option<f64>,
    /// The first over the second: 1 when the conversions differ as much as the voices do.
    pub share: Option<f64>,
}

/// Long-term average spectrum of several recordings: mean log mel in dB over audible frames, each
/// without its level. `None` where there is nothing to hear.
pub fn average_spectrum(recordings: &[&Features]) -> Option<[f64; BANDS]> {
    let mut sum = [0.0_f64; BANDS];
    let mut count = 0.0;
    for features in recordings {
        let levels: Vec<f32> = features
            .mel
            .iter()
            .map(|frame| loudness(&frame.map(|v| v.to_f32())))
            .collect();
        let loudest = levels.iter().fold(f32::MIN, |a, &b| a.max(b));
        for (frame, &level) in features.mel.iter().zip(&levels) {
            if level > loudest - 7.0 {
                let decibel = 10.0 / std::f64::consts::LN_10;
                sum.iter_mut()
                    .zip(frame)
                    .for_each(|(s, v)| *s += decibel * f64::from(v.to_f32() - level));
                count += 1.0;
            }
        }
    }
    (count > 0.0).then(|| sum.map(|s| s / count))
}

/// Mean distance over all pairs: root mean square over the bands that every corpus has.
pub fn mean_pairwise(spectra: &[[f64; BANDS]]) -> Option<f64> {
    let bands = crate::networks::CONTENT_MEL as usize;
    let mut distances = Vec::new();
    for (i, a) in spectra.iter().enumerate() {
        for b in &spectra[i + 1..] {
            let pairs = a.iter().zip(b).take(bands);
            let squares: f64 = pairs.map(|(x, y)| (x - y).powi(2)).sum();
            distances.push((squares / bands as f64).sqrt());
        }
    }
    (!distances.is_empty()).then(|| distances.iter().sum::<f64>() / distances.len() as f64)
}

/// `converted`: for each source its conversions, one a voice; `natural`: for each voice its own
/// recordings. `None` with fewer than two voices.
pub fn diversity(converted: &[Vec<&Features>], natural: &[Vec<&Features>]) -> Option<Diversity> {
    let spread = |one: &Vec<&Features>| {
        let spectra: Vec<_> = one.iter().filter_map(|f| average_spectrum(&[f])).collect();
        mean_pairwise(&spectra)
    };
    let distances: Vec<f64> = converted.iter().filter_map(spread).collect();
    if distances.is_empty() {
        return None;
    }
    let converted_db = distances.iter().sum::<f64>() / distances.len() as f64;
    let voices: Vec<_> = natural
        .iter()
        .filter_map(|own| average_spectrum(own))
        .collect();
    let natural_db = mean_pairwise(&voices);
    Some(Diversity {
        converted_db,
        natural_db,
        share: natural_db.map(|n| converted_db / n),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use half::f16;

    fn flat(tilt: f32, level: f32) -> Features {
        let frame = std::array::from_fn(|b| f16::from_f32(level + tilt * b as f32 / 100.0));
        Features {
            mel: vec![frame; 50],
            ..Default::default()
        }
    }

    #[test]
    fn level_is_no_voice_and_colour_is() {
        let (a, quiet, b) = (flat(-3.0, -4.0), flat(-3.0, -8.0), flat(3.0, -4.0));
        let same = diversity(&[vec![&a, &quiet]], &[]).unwrap();
        assert!(same.converted_db < 0.1, "{same:?}");
        let other = diversity(&[vec![&a, &b]], &[vec![&a], vec![&b]]).unwrap();
        assert!(other.converted_db > 5.0, "{other:?}");
        assert!((other.share.unwrap() - 1.0).abs() < 1e-9);
        assert_eq!(diversity(&[vec![&a]], &[]), None);
    }
}
