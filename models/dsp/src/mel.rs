//! Mel spectrum and loudness.
//!
//! Power is scaled so that the one-sided spectrum of a full-scale sine adds up to 1, which is 0 dB. As the bands overlap
//! to a flat sum, the bands of such a sine also add up to about 1, and white noise of variance v to 2 v.

use crate::{HOP, RATE};
use realfft::num_complex::Complex32;
use realfft::{RealFftPlanner, RealToComplex};
use std::sync::{Arc, LazyLock};

/// Number of bands.
pub const BANDS: usize = 100;
/// Length of the analysis window in samples (30 ms).
pub const WINDOW: usize = 720;
/// Length of the transform; the window is padded with zeros.
pub const FFT: usize = 1024;
/// Bins of the one-sided spectrum.
pub const BINS: usize = FFT / 2 + 1;
/// Least band power before the logarithm, -100 dB.
pub const POWER_FLOOR: f32 = 1e-10;

/// What one step gives.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct MelFrame {
    /// `ln(max(power, POWER_FLOOR))` of each band.
    pub bands: [f32; BANDS],
    /// K-weighted level (ITU-R BS.1770-5) of the window in dB. A full-scale sine of 1 kHz has 0 dB, silence -100 dB.
    pub loudness_db: f32,
}

/// The mel filterbank: triangles of height 1 on the HTK mel scale from 0 to 12 kHz, each reaching from the centre of the
/// band below to that of the band above.
pub struct Filterbank {
    /// Centre of each band in Hz.
    pub centres: [f32; BANDS],
    /// `BANDS` rows of `BINS` weights: band power = row · power spectrum.
    pub weights: Vec<f32>,
    /// First bin and one past the last bin of each band that has a weight.
    ranges: [(usize, usize); BANDS],
}

/// The one filterbank of the project.
pub fn filterbank() -> &'static Filterbank {
    static BANK: LazyLock<Filterbank> = LazyLock::new(Filterbank::new);
    &BANK
}

/// HTK's mel scale.
fn hz_to_mel(hz: f64) -> f64 {
    2595.0 * (1.0 + hz / 700.0).log10()
}

fn mel_to_hz(mel: f64) -> f64 {
    700.0 * (10_f64.powf(mel / 2595.0) - 1.0)
}

fn bin_hz(bin: usize) -> f64 {
    bin as f64 * f64::from(RATE) / FFT as f64
}

impl Filterbank {
    fn new() -> Self {
        let top = hz_to_mel(f64::from(RATE) / 2.0);
        let edge = |i: usize| mel_to_hz(top * i as f64 / (BANDS + 1) as f64);
        let mut bank = Self {
            centres: [0.0; BANDS],
            weights: vec![0.0; BANDS * BINS],
            ranges: [(0, 0); BANDS],
        };
        for band in 0..BANDS {
            let (low, centre, high) = (edge(band), edge(band + 1), edge(band + 2));
            bank.centres[band] = centre as f32;
            let row = &mut bank.weights[band * BINS..(band + 1) * BINS];
            for (bin, weight) in row.iter_mut().enumerate() {
                let hz = bin_hz(bin);
                *weight = ((hz - low) / (centre - low))
                    .min((high - hz) / (high - centre))
                    .max(0.0) as f32;
            }
            let first = row.iter().position(|&w| w > 0.0).unwrap_or(0);
            let last = row.iter().rposition(|&w| w > 0.0).map_or(0, |i| i + 1);
            bank.ranges[band] = (first, last);
        }
        bank
    }

    /// The weights of one band, one per bin.
    pub fn row(&self, band: usize) -> &[f32] {
        &self.weights[band * BINS..(band + 1) * BINS]
    }

    /// The logarithmic band powers of a one-sided power spectrum.
    pub fn apply(&self, power: &[f32; BINS]) -> [f32; BANDS] {
        std::array::from_fn(|band| {
            let (first, end) = self.ranges[band];
            let sum: f32 = self.row(band)[first..end]
                .iter()
                .zip(&power[first..end])
                .map(|(w, p)| w * p)
                .sum();
            sum.max(POWER_FLOOR).ln()
        })
    }
}

/// Makes a mel frame of every hop of a running stream.
///
/// The frame that comes back for hop n belongs to the window whose last sample is the last one of hop n, so its centre
/// lies [`MelAnalyser::LOOKAHEAD_SAMPLES`] before the end of the input. Before the start of the stream there is silence.
pub struct MelAnalyser {
    transform: Arc<dyn RealToComplex<f32>>,
    history: [f32; WINDOW],
    window: [f32; WINDOW],
    loudness_weights: [f32; BINS],
    power: [f32; BINS],
    input: Vec<f32>,
    spectrum: Vec<Complex32>,
    scratch: Vec<Complex32>,
}

impl Default for MelAnalyser {
    fn default() -> Self {
        Self::new()
    }
}

impl MelAnalyser {
    /// How far the centre of a frame lies before the end of the input that made it.
    pub const LOOKAHEAD_SAMPLES: usize = WINDOW / 2;

    /// Plans the transform. The only place that allocates.
    pub fn new() -> Self {
        let transform = RealFftPlanner::<f32>::new().plan_fft_forward(FFT);
        let hann: [f64; WINDOW] = std::array::from_fn(|i| {
            0.5 - 0.5 * (std::f64::consts::TAU * i as f64 / WINDOW as f64).cos()
        });
        // A sine of amplitude 1 puts FFT * sum(hann²) / 4 into the one-sided power spectrum.
        let scale = (4.0 / (FFT as f64 * hann.iter().map(|w| w * w).sum::<f64>())).sqrt();
        filterbank();
        Self {
            input: transform.make_input_vec(),
            spectrum: transform.make_output_vec(),
            scratch: transform.make_scratch_vec(),
            transform,
            history: [0.0; WINDOW],
            window: hann.map(|w| (w * scale) as f32),
            loudness_weights: std::array::from_fn(|bin| {
                (k_weight(bin_hz(bin)) / k_weight(1000.0)) as f32
            }),
            power: [0.0; BINS],
        }
    }

    /// Forgets the stream: the next hop is the first one.
    pub fn reset(&mut self) {
        self.history = [0.0; WINDOW];
        self.power = [0.0; BINS];
    }

    /// Takes the next hop and gives the frame of the window that ends with it.
    pub fn process(&mut self, hop: &[f32; HOP]) -> MelFrame {
        self.history.copy_within(HOP.., 0);
        self.history[WINDOW - HOP..].copy_from_slice(hop);
        for ((padded, sample), weight) in self.input.iter_mut().zip(&self.history).zip(&self.window)
        {
            *padded = sample * weight;
        }
        // The transform also writes to its input.
        self.input[WINDOW..].fill(0.0);
        // Fails only for buffers of a wrong length, and these come from the plan.
        let done = self.transform.process_with_scratch(
            &mut self.input,
            &mut self.spectrum,
            &mut self.scratch,
        );
        debug_assert!(done.is_ok());
        for (power, bin) in self.power.iter_mut().zip(&self.spectrum) {
            *power = bin.norm_sqr();
        }
        let level: f32 = self
            .power
            .iter()
            .zip(&self.loudness_weights)
            .map(|(p, w)| p * w)
            .sum();
        MelFrame {
            bands: filterbank().apply(&self.power),
            loudness_db: 10.0 * level.max(POWER_FLOOR).log10(),
        }
    }

    /// The one-sided power spectrum of the last window.
    pub fn power(&self) -> &[f32; BINS] {
        &self.power
    }
}

/// Power response of the two filters of BS.1770-5 (a shelf for the head, a high-pass), at 48 kHz, where its tables are.
fn k_weight(hz: f64) -> f64 {
    let angle = std::f64::consts::TAU * hz / 48_000.0;
    let power = |[c0, c1, c2]: [f64; 3]| {
        let real = c0 + c1 * angle.cos() + c2 * (2.0 * angle).cos();
        let imaginary = c1 * angle.sin() + c2 * (2.0 * angle).sin();
        real * real + imaginary * imaginary
    };
    let shelf = power([
        1.535_124_859_586_97,
        -2.691_696_189_406_38,
        1.198_392_810_852_85,
    ]) / power([1.0, -1.690_659_293_182_41, 0.732_480_774_215_85]);
    let high_pass =
        power([1.0, -2.0, 1.0]) / power([1.0, -1.990_047_454_833_98, 0.990_072_250_366_21]);
    shelf * high_pass
}

/// The mel spectrum of a whole clip, by the same code as the stream. Frame n is what [`MelAnalyser::process`] gives for
/// hop n; a last hop that is not full is filled with silence.
pub fn mel_spectrogram(samples: &[f32]) -> Vec<[f32; BANDS]> {
    let mut analyser = MelAnalyser::new();
    hops(samples)
        .map(|hop| analyser.process(&hop).bands)
        .collect()
}

/// Cuts a clip into hops; the last one is filled with silence.
pub fn hops(samples: &[f32]) -> impl Iterator<Item = [f32; HOP]> + '_ {
    samples.chunks(HOP).map(|chunk| {
        let mut hop = [0.0; HOP];
        hop[..chunk.len()].copy_from_slice(chunk);
        hop
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::f64::consts::TAU;

    fn sine(hz: f64, len: usize) -> Vec<f32> {
        (0..len)
            .map(|i| (TAU * hz * i as f64 / f64::from(RATE)).sin() as f32)
            .collect()
    }

    fn band_sum(frame: &[f32; BANDS]) -> f64 {
        frame.iter().map(|&v| f64::from(v).exp()).sum()
    }

    #[test]
    fn full_scale_sine_has_0_db_and_lies_in_its_band() {
        for hz in [100.0, 440.0, 1000.0, 3000.0, 8000.0] {
            let frame = *mel_spectrogram(&sine(hz, 2400)).last().unwrap();
            let db = 10.0 * band_sum(&frame).log10();
            assert!(db.abs() < 0.2, "{hz} Hz: {db:.2} dB");
            let loudest = (0..BANDS)
                .max_by(|&a, &b| frame[a].total_cmp(&frame[b]))
                .unwrap();
            let nearest = (0..BANDS)
                .min_by(|&a, &b| {
                    let distance = |i: usize| (f64::from(filterbank().centres[i]) - hz).abs();
                    distance(a).total_cmp(&distance(b))
                })
                .unwrap();
            assert!(
                loudest.abs_diff(nearest) <= 1,
                "{hz} Hz: band {loudest}, not {nearest}"
            );
        }
    }

    #[test]
    fn bank_has_the_stated_shape() {
        let bank = filterbank();
        assert!(bank.centres.windows(2).all(|w| w[0] < w[1]));
        assert!(
            (hz_to_mel(1000.0) - 999.99).abs() < 0.05,
            "HTK's scale has 1000 mel at 1000 Hz"
        );
        // Between the first and the last centre the triangles add up to 1.
        for bin in 0..BINS {
            let hz = bin_hz(bin) as f32;
            if hz >= bank.centres[0] && hz <= bank.centres[BANDS - 1] {
                let sum: f32 = (0..BANDS).map(|band| bank.row(band)[bin]).sum();
                assert!((sum - 1.0).abs() < 1e-4, "bin {bin}: {sum}");
            }
        }
        // The narrowest bands are less than two bins wide: none may be empty.
        for band in 0..BANDS {
            assert!(bank.row(band).iter().sum::<f32>() > 0.4, "band {band}");
        }
    }

    #[test]
    fn silence_is_the_floor_and_stays_finite() {
        let mut analyser = MelAnalyser::new();
        let frame = analyser.process(&[0.0; HOP]);
        assert!(
            frame
                .bands
                .iter()
                .all(|&v| (v - POWER_FLOOR.ln()).abs() < 1e-6)
        );
        assert!((frame.loudness_db + 100.0).abs() < 1e-4);
    }

    #[test]
    fn loudness_follows_the_k_weighting() {
        let loudness = |hz: f64| {
            let mut analyser = MelAnalyser::new();
            hops(&sine(hz, 2400))
                .map(|hop| analyser.process(&hop).loudness_db)
                .last()
                .unwrap()
        };
        // Relative to 1 kHz, from the curve in the recommendation.
        for (hz, db) in [(1000.0, 0.0), (100.0, -1.7), (4000.0, 3.1), (8000.0, 3.3)] {
            assert!(
                (loudness(hz) - db).abs() < 0.4,
                "{hz} Hz: {:.2} dB",
                loudness(hz)
            );
        }
    }

    #[test]
    fn centre_of_a_frame_is_360_samples_before_its_end() {
        let click_at = 10 * HOP + 7;
        let mut clip = vec![0.0; 20 * HOP];
        clip[click_at] = 1.0;
        let frames = mel_spectrogram(&clip);
        let loudest = (0..frames.len())
            .max_by(|&a, &b| band_sum(&frames[a]).total_cmp(&band_sum(&frames[b])))
            .unwrap();
        let centre = (loudest + 1) * HOP - MelAnalyser::LOOKAHEAD_SAMPLES;
        assert!(
            centre.abs_diff(click_at) <= HOP / 2,
            "click at {click_at}, frame centred at {centre}"
        );
    }

    #[test]
    fn reset_starts_anew() {
        let clip = sine(333.0, 1000);
        let mut analyser = MelAnalyser::new();
        let first: Vec<_> = hops(&clip).map(|hop| analyser.process(&hop)).collect();
        analyser.reset();
        let second: Vec<_> = hops(&clip).map(|hop| analyser.process(&hop)).collect();
        assert_eq!(first, second);
        assert_eq!(first.len(), 5);
        assert_eq!(
            first.iter().map(|f| f.bands).collect::<Vec<_>>(),
            mel_spectrogram(&clip)
        );
    }
}
