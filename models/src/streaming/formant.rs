//! Formant shift: a stretch of the band axis of a log mel.

use crate::networks::{BANDS, place};

/// Moves a normalised log mel along the frequency axis by `semitones` (positive: up, a smaller
/// head). Bands beyond the top take the top band's value.
pub fn shift(mel: &mut [f32], semitones: f32) {
    let centres = &mien_dsp::mel::filterbank().centres;
    let factor = (semitones / 12.0).exp2();
    let before: [f32; BANDS] = std::array::from_fn(|b| mel[b]);
    for (band, value) in mel.iter_mut().enumerate() {
        let (below, above, share) = place(centres, centres[band] / factor);
        *value = before[below] + share * (before[above] - before[below]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_peak_moves_by_the_interval() {
        let centres = &mien_dsp::mel::filterbank().centres;
        let start = centres.partition_point(|&c| c < 1500.0);
        let mut mel = [-2.0_f32; BANDS];
        mel[start] = 1.0;
        shift(&mut mel, 4.0);
        let peak = (0..BANDS)
            .max_by(|&a, &b| mel[a].total_cmp(&mel[b]))
            .unwrap();
        let ratio = centres[peak] / centres[start];
        assert!((ratio - 2.0_f32.powf(4.0 / 12.0)).abs() < 0.04, "{ratio}");
    }

    #[test]
    fn no_shift_changes_nothing() {
        let mel: [f32; BANDS] = std::array::from_fn(|b| (b as f32 * 0.7).sin());
        let mut moved = mel;
        shift(&mut moved, 0.0);
        assert!(mel.iter().zip(moved).all(|(a, b)| (a - b).abs() < 1e-3));
    }
}
