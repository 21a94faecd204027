//! Spectra of what comes in and what goes out, made on the editor's thread.

use std::f32::consts::TAU;
use std::sync::Arc;

use mien_panel::{LIVE_BANDS, LIVE_COLUMNS, LIVE_FLOOR_DB, LIVE_HIGH_HZ, LIVE_LOW_HZ, LiveColumn};
use rustfft::num_complex::Complex32;
use rustfft::{Fft, FftPlanner};

use crate::shared::Scope;

/// Time between columns in ms: two frames of the engine, so two pitch reports each.
pub const COLUMN_MS: f32 = 20.0;
/// Least length of the window in seconds: long enough to part the harmonics of a low voice.
const WINDOW_S: f32 = 0.04;

/// Makes columns from the scope.
pub struct Spectrum {
    rate: u32,
    fft: Arc<dyn Fft<f32>>,
    window: Vec<f32>,
    hop: usize,
    input: Side,
    output: Side,
}

/// One of the two sounds.
#[derive(Default)]
struct Side {
    position: u64,
    samples: Vec<f32>,
}

impl Spectrum {
    /// For sound of `rate` Hz.
    pub fn new(rate: u32) -> Self {
        let length = ((rate as f32 * WINDOW_S) as usize)
            .next_power_of_two()
            .max(64);
        let hann = |i: usize| 0.5 - 0.5 * (TAU * i as f32 / length as f32).cos();
        Self {
            rate,
            fft: FftPlanner::new().plan_fft_forward(length),
            window: (0..length).map(hann).collect(),
            hop: ((rate as f32 * COLUMN_MS * 1e-3) as usize).max(1),
            input: Side::default(),
            output: Side::default(),
        }
    }

    /// The rate that it is for.
    pub fn rate(&self) -> u32 {
        self.rate
    }

    /// The columns that became complete since the last call; their pitches are left at 0.
    pub fn columns(&mut self, scope: &Scope) -> Vec<LiveColumn> {
        scope.read_input(&mut self.input.position, &mut self.input.samples);
        scope.read_output(&mut self.output.position, &mut self.output.samples);
        let length = self.window.len();
        let mut columns = Vec::new();
        loop {
            let ready = self.input.samples.len().min(self.output.samples.len());
            if ready < length || columns.len() >= LIVE_COLUMNS {
                return columns;
            }
            columns.push(LiveColumn {
                input: self.bands(&self.input.samples[..length]),
                output: self.bands(&self.output.samples[..length]),
                input_f0_hz: 0.0,
                output_f0_hz: 0.0,
            });
            for side in [&mut self.input, &mut self.output] {
                side.samples.drain(..self.hop.min(side.samples.len()));
            }
        }
    }

    /// Levels of the bands, each the loudest bin in it.
    fn bands(&self, samples: &[f32]) -> [u8; LIVE_BANDS] {
        let mut bins: Vec<Complex32> = samples
            .iter()
            .zip(&self.window)
            .map(|(x, w)| Complex32::from(x * w))
            .collect();
        self.fft.process(&mut bins);
        let hz_per_bin = self.rate as f32 / bins.len() as f32;
        let last = bins.len() / 2 - 1;
        let edge = |band: usize| {
            let octaves = (LIVE_HIGH_HZ / LIVE_LOW_HZ).log2() * band as f32 / LIVE_BANDS as f32;
            LIVE_LOW_HZ * octaves.exp2() / hz_per_bin
        };
        // A full-scale sine has this magnitude under a Hann window.
        let full = bins.len() as f32 / 4.0;
        std::array::from_fn(|band| {
            let low = (edge(band).round() as usize).min(last);
            let high = (edge(band + 1).round() as usize).clamp(low + 1, last + 1);
            let loudest = bins[low..high]
                .iter()
                .map(|bin| bin.norm_sqr())
                .fold(0.0, f32::max);
            let db = 10.0 * (loudest / (full * full)).max(1e-12).log10();
            (255.0 * (1.0 - db / LIVE_FLOOR_DB)).clamp(0.0, 255.0) as u8
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::{Duration, Instant};

    #[test]
    fn a_sine_is_bright_in_its_band_and_dark_elsewhere() {
        let rate = 48_000;
        let scope = Scope::default();
        scope.watch_until(Instant::now() + Duration::from_secs(9));
        let sine: Vec<f32> = (0..6000)
            .map(|i| (TAU * 1000.0 * i as f32 / rate as f32).sin())
            .collect();
        scope.input(&sine);
        scope.output(&vec![0.0; 6000]);
        let columns = Spectrum::new(rate).columns(&scope);
        assert_eq!(columns.len(), 5);
        let octaves = (1000.0 / LIVE_LOW_HZ).log2() / (LIVE_HIGH_HZ / LIVE_LOW_HZ).log2();
        let band = (octaves * LIVE_BANDS as f32) as usize;
        let near = columns[0].input[band - 1..=band + 1].iter().max().unwrap();
        assert!(*near > 245, "{near}");
        assert!(columns[0].input[band / 2] < 80);
        assert!(columns[0].output.iter().all(|&level| level == 0));
    }
}
