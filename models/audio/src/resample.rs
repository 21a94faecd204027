use rubato::audioadapter_buffers::direct::SequentialSlice;
use rubato::{Fft, FixedSync, Resampler, WindowFunction};

/// Least samples per transform, counted at the lower of the two rates. Longer is sharper: with 1024 the pass band
/// reaches to 0.95 of the lower Nyquist frequency.
const CHUNK: usize = 1024;

/// Changes the sample rate of a whole clip.
///
/// The result is aligned with the input (no delay) and is exactly `round(len * to / from)` samples long. For equal
/// rates it is the input. A rate of 0 gives an empty result, for there is no time in it.
pub fn resample(samples: &[f32], from: u32, to: u32) -> Vec<f32> {
    if from == to {
        return samples.to_vec();
    }
    if samples.is_empty() || from == 0 || to == 0 {
        return Vec::new();
    }
    let wanted = resampled_len(samples.len(), from, to);
    // Fails only for rates of 0 and buffers too short, both excluded here; silence of the right length is then the
    // answer that harms least.
    transform(samples, from, to, wanted).unwrap_or_else(|_| vec![0.0; wanted])
}

/// `round(len * to / from)`, without overflow.
fn resampled_len(len: usize, from: u32, to: u32) -> usize {
    let (len, from, to) = (len as u128, u128::from(from), u128::from(to));
    ((2 * len * to + from) / (2 * from)) as usize
}

fn transform(
    samples: &[f32],
    from: u32,
    to: u32,
    wanted: usize,
) -> Result<Vec<f32>, Box<dyn std::error::Error>> {
    let mut resampler = Fft::<f32>::new_custom(
        from as usize,
        to as usize,
        transform_len(from as usize, to as usize),
        1,
        1,
        WindowFunction::BlackmanHarris2,
        FixedSync::Both,
    )?;
    let input = SequentialSlice::new(samples, 1, samples.len())?;
    let room = resampler.process_all_needed_output_len(samples.len());
    let mut output = vec![0.0; room];
    let mut sink = SequentialSlice::new_mut(&mut output, 1, room)?;
    resampler.process_all_into_buffer(&input, &mut sink, samples.len(), None)?;
    output.resize(wanted, 0.0);
    Ok(output)
}

/// Input samples per transform: a multiple of the smallest block that is whole at both rates. An even multiple, because
/// the delay is half a block and only a whole number of samples of it can be taken away again.
fn transform_len(from: usize, to: usize) -> usize {
    let block = from / greatest_common_divisor(from, to);
    let wanted = CHUNK * from.div_ceil(to);
    block * wanted.div_ceil(block).next_multiple_of(2)
}

pub(crate) fn greatest_common_divisor(a: usize, b: usize) -> usize {
    if b == 0 {
        a
    } else {
        greatest_common_divisor(b, a % b)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::f64::consts::TAU;

    fn sine(hz: f64, rate: u32, len: usize) -> Vec<f32> {
        (0..len)
            .map(|i| (TAU * hz * i as f64 / f64::from(rate)).sin() as f32)
            .collect()
    }

    fn db(ratio: f64) -> f64 {
        20.0 * ratio.max(1e-12).log10()
    }

    /// Root mean square of a stretch away from the ends, where the clip starts and stops abruptly.
    fn middle_rms(x: &[f32]) -> f64 {
        let middle = &x[x.len() / 4..x.len() * 3 / 4];
        (middle.iter().map(|&v| f64::from(v).powi(2)).sum::<f64>() / middle.len() as f64).sqrt()
    }

    #[test]
    fn length_is_exact_for_every_rate() {
        for rate in [
            8000, 11_025, 16_000, 22_050, 32_000, 37_123, 44_100, 48_000, 88_200, 96_000, 176_400,
            192_000,
        ] {
            for len in [1_usize, 2, 999, 1000, 4801] {
                let wanted = (len as f64 * 24_000.0 / f64::from(rate)).round() as usize;
                assert_eq!(
                    resample(&vec![0.1; len], rate, 24_000).len(),
                    wanted,
                    "{rate}, {len}"
                );
            }
        }
        assert!(resample(&[], 48_000, 24_000).is_empty());
        assert!(resample(&[1.0], 0, 24_000).is_empty());
    }

    #[test]
    fn a_sine_comes_out_as_the_same_sine() {
        for (from, to) in [
            (16_000, 24_000),
            (22_050, 24_000),
            (44_100, 24_000),
            (48_000, 24_000),
            (192_000, 24_000),
            (24_000, 44_100),
            (37_123, 24_000),
        ] {
            let lower = f64::from(from.min(to)) / 2.0;
            for part in [0.01, 0.3, 0.9] {
                let hz = lower * part;
                let got = resample(&sine(hz, from, from as usize), from, to);
                let want = sine(hz, to, to as usize);
                let error: Vec<f32> = got.iter().zip(&want).map(|(a, b)| a - b).collect();
                let snr = db(middle_rms(&want) / middle_rms(&error));
                assert!(snr > 90.0, "{from} to {to}, {hz} Hz: {snr:.1} dB");
            }
        }
    }

    #[test]
    fn what_cannot_be_kept_is_dropped() {
        for from in [44_100, 48_000, 96_000, 192_000] {
            for hz in [13_000.0, 18_000.0, 21_000.0] {
                let got = resample(&sine(hz, from, from as usize), from, 24_000);
                let left = db(middle_rms(&got) * 2_f64.sqrt());
                assert!(left < -110.0, "{hz} Hz at {from}: {left:.1} dB left");
            }
        }
    }

    #[test]
    fn there_and_back_is_the_same() {
        // Below the edge of the pass band, so that both ways keep all of it.
        let clip: Vec<f32> = (0..24_000)
            .map(|i| {
                (1..20)
                    .map(|k| (TAU * f64::from(k) * 523.0 * f64::from(i) / 24_000.0).sin())
                    .sum::<f64>() as f32
                    / 20.0
            })
            .collect();
        for rate in [44_100, 48_000, 88_200, 192_000] {
            let back = resample(&resample(&clip, 24_000, rate), rate, 24_000);
            assert_eq!(back.len(), clip.len());
            let error: Vec<f32> = back.iter().zip(&clip).map(|(a, b)| a - b).collect();
            let snr = db(middle_rms(&clip) / middle_rms(&error));
            assert!(snr > 90.0, "{rate}: {snr:.1} dB");
        }
        assert_eq!(resample(&clip, 24_000, 24_000), clip);
    }
}
