//! A WORLD-style vocoder (Morise, Yokomori and Ozawa 2016): what pitch and formant shifting without
//! any learning can do. `mien evaluate` shows it beside the converter.
//!
//! Own code, because the one crate that wraps the reference (`rsworld`) saw its last release in
//! 2019 and would bring C++ into the engine library. Pitch comes from the project's tracker in place
//! of DIO or Harvest; the rest follows the papers.

mod aperiodicity;
mod envelope;
mod spectrum;
mod synthesis;

use mien_face::SAMPLE_RATE;

use crate::train::features::pitch_track;
use spectrum::Transform;

/// Samples between frames: 5 ms.
const HOP: usize = 120;
/// Length of the transforms: three periods of 36 Hz fit.
const FFT: usize = 2048;
/// Bins of a one-sided spectrum.
const BINS: usize = FFT / 2 + 1;
/// Pitch in Hz that unvoiced frames are analysed and pulsed with, as in WORLD.
const UNVOICED_HZ: f64 = 500.0;
/// Samples per second.
const RATE: f64 = SAMPLE_RATE as f64;

/// A recording as pitch, spectral envelope and aperiodicity, every 5 ms.
#[derive(Debug)]
pub struct World {
    /// Pitch in Hz, 0 where unvoiced.
    f0: Vec<f64>,
    /// Power spectra, `BINS` a frame.
    envelope: Vec<Vec<f64>>,
    /// Share of each bin's amplitude that is noise, `BINS` a frame.
    aperiodicity: Vec<Vec<f64>>,
    length: usize,
}

impl World {
    /// Analyses sound at 24 kHz.
    pub fn analyse(sound: &[f32]) -> Self {
        let samples: Vec<f64> = sound.iter().map(|&x| f64::from(x)).collect();
        let f0 = frame_pitch(sound);
        let transform = Transform::new(FFT);
        let frame = |(index, &f0): (usize, &f64)| {
            let at = (index * HOP) as f64;
            let envelope = envelope::cheap_trick(&transform, &samples, at, f0);
            let aperiodicity = aperiodicity::d4c(&transform, &samples, at, f0);
            (envelope, aperiodicity)
        };
        let (envelope, aperiodicity) = f0.iter().enumerate().map(frame).unzip();
        Self {
            f0,
            envelope,
            aperiodicity,
            length: sound.len(),
        }
    }

    /// Sound again, as long as what was analysed: pitch times `pitch`, the frequency axis of the
    /// envelope stretched by `formant` (1 leaves either as it was).
    pub fn synthesise(&self, pitch: f64, formant: f64) -> Vec<f32> {
        let f0: Vec<f64> = self.f0.iter().map(|f| f * pitch).collect();
        let warp = |spectra: &[Vec<f64>]| -> Vec<Vec<f64>> {
            spectra.iter().map(|s| stretch(s, formant)).collect()
        };
        let (envelope, aperiodicity) = (warp(&self.envelope), warp(&self.aperiodicity));
        synthesis::synthesise(&f0, &envelope, &aperiodicity, self.length)
    }

    /// Geometric mean pitch in Hz; 0 where nothing is voiced.
    pub fn mean_f0_hz(&self) -> f64 {
        let voiced: Vec<f64> = self
            .f0
            .iter()
            .filter(|f| **f > 0.0)
            .map(|f| f.ln())
            .collect();
        if voiced.is_empty() {
            return 0.0;
        }
        (voiced.iter().sum::<f64>() / voiced.len() as f64).exp()
    }

    /// Moves the recording to a voice of that mean pitch, the way such shifters are used: the tune
    /// as it is, formants by the fourth root of the pitch's ratio (between women and men pitch differs
    /// by about 1.8 and formants by 1.16; Peterson and Barney 1952), at most 25 % either way.
    pub fn shifted_to(&self, mean_f0_hz: f64) -> Vec<f32> {
        let own = self.mean_f0_hz();
        if own <= 0.0 || mean_f0_hz <= 0.0 {
            return self.synthesise(1.0, 1.0);
        }
        let ratio = mean_f0_hz / own;
        self.synthesise(ratio, ratio.powf(0.25).clamp(0.8, 1.25))
    }
}

/// The tracker's pitch at the middle of every 5 ms frame.
fn frame_pitch(sound: &[f32]) -> Vec<f64> {
    let count = sound.len() / HOP + 1;
    let track = pitch_track(sound, count / 2 + 2);
    let at = |index: usize| f64::from(track[index.min(track.len() - 1)][0]);
    // Entry t of the track belongs to sample 240 t − 120: to the odd frames.
    (0..count)
        .map(|frame| {
            let (before, after) = (at(frame / 2), at(frame / 2 + 1));
            if frame % 2 == 1 {
                after
            } else if before > 0.0 && after > 0.0 {
                (before * after).sqrt()
            } else {
                0.0
            }
        })
        .collect()
}

/// Reads each bin from where a stretch of the axis by `ratio` took it.
fn stretch(spectrum: &[f64], ratio: f64) -> Vec<f64> {
    if ratio == 1.0 {
        return spectrum.to_vec();
    }
    (0..spectrum.len())
        .map(|bin| spectrum::interpolate(spectrum, bin as f64 / ratio))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A gliding buzz with two formants and a hissing second half of each half second.
    fn voice() -> Vec<f32> {
        let mut phase = 0.0_f64;
        let mut state = [[0.0_f64; 2]; 2];
        let mut random = 9_u32;
        (0..48_000)
            .map(|n| {
                let hz = 130.0 + 25.0 * (n as f64 / 5000.0).sin();
                phase = (phase + hz / RATE).fract();
                random = random.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                let noise = f64::from(random) / f64::from(u32::MAX) - 0.5;
                let mut x = if n % 12_000 < 9_000 {
                    0.05 * (1.0 - 2.0 * phase) + 0.001 * noise
                } else {
                    0.02 * noise
                };
                for ([a, b], hz) in state.iter_mut().zip([600.0, 1500.0]) {
                    let (r, w) = (0.97, std::f64::consts::TAU * hz / RATE);
                    let y = x + 2.0 * r * w.cos() * *a - r * r * *b;
                    (*b, *a) = (*a, y);
                    x = y * 0.2;
                }
                x as f32
            })
            .collect()
    }

    fn power(sound: &[f32]) -> f64 {
        sound.iter().map(|x| f64::from(x * x)).sum::<f64>() / sound.len() as f64
    }

    #[test]
    fn keeps_the_ratio_of_pitch_and_the_level() {
        let sound = voice();
        let world = World::analyse(&sound);
        for ratio in [0.75, 1.0, 1.5] {
            let out = world.synthesise(ratio, 1.0);
            assert_eq!(out.len(), sound.len());
            let level = 10.0 * (power(&out) / power(&sound)).log10();
            assert!(level.abs() < 1.5, "{ratio}: {level} dB");
            let measured = World::analyse(&out).mean_f0_hz() / world.mean_f0_hz();
            assert!((measured / ratio - 1.0).abs() < 0.02, "{ratio}: {measured}");
        }
    }

    #[test]
    fn a_stretched_axis_moves_the_formants() {
        let world = World::analyse(&voice());
        let peak = |sound: &[f32]| {
            let seen = World::analyse(sound);
            let sum = |bin: usize| seen.envelope.iter().map(|e| e[bin]).sum::<f64>();
            // A formant is higher than what lies on both sides of it; the edge of the range is none.
            let formant = |&bin: &usize| sum(bin) > sum(bin - 3) && sum(bin) > sum(bin + 3);
            let highest = |&a: &usize, &b: &usize| sum(a).total_cmp(&sum(b));
            (20..90).filter(formant).max_by(highest).unwrap()
        };
        let ratio =
            peak(&world.synthesise(1.0, 1.2)) as f64 / peak(&world.synthesise(1.0, 1.0)) as f64;
        assert!((ratio - 1.2).abs() < 0.08, "{ratio}");
    }

    #[test]
    fn silence_and_nothing_stay_so() {
        assert!(World::analyse(&[]).shifted_to(200.0).is_empty());
        let out = World::analyse(&[0.0; 2400]).shifted_to(200.0);
        assert!(out.len() == 2400 && out.iter().all(|x| x.abs() < 1e-4));
    }
}
