//! A picture of two sounds: their spectrograms, one over the other.

use std::f32::consts::TAU;
use std::path::Path;

use anyhow::{Context, anyhow};
use mien_audio::{Sound, resample};
use plotters::prelude::*;
use plotters::style::{FontStyle, register_font};
use rustfft::FftPlanner;
use rustfft::num_complex::Complex32;

/// Rate at which sounds are drawn: speech has nothing to see above 12 kHz.
const RATE: u32 = 24_000;
/// Window of the transform, in samples: 43 ms, which shows the harmonics of a voice.
const WINDOW: usize = 1024;
/// Range of levels from black to white, in dB below the loudest.
const RANGE_DB: f32 = 80.0;
const WIDTH: u32 = 1200;
const HEIGHT: u32 = 800;

/// Draws the spectrograms of `input` and `output` into the PNG `path`.
pub fn draw(path: &Path, input: &Sound, output: &Sound) -> anyhow::Result<()> {
    // The name is given twice where it fails; the first registration of a process counts.
    let _ = register_font(
        "sans-serif",
        FontStyle::Normal,
        epaint_default_fonts::UBUNTU_LIGHT,
    );
    paint(path, input, output)
        .map_err(|error| anyhow!("{error}"))
        .with_context(|| format!("cannot draw {}", path.display()))
}

fn paint(path: &Path, input: &Sound, output: &Sound) -> Result<(), Box<dyn std::error::Error>> {
    let root = BitMapBackend::new(path, (WIDTH, HEIGHT)).into_drawing_area();
    root.fill(&WHITE)?;
    let (above, below) = root.split_vertically(HEIGHT / 2);
    for (area, title, sound) in [(above, "input", input), (below, "output", output)] {
        let mono = resample(&sound.mono(), sound.rate, RATE);
        let mut chart = ChartBuilder::on(&area)
            .caption(title, ("sans-serif", 20))
            .margin(8)
            .x_label_area_size(30)
            .y_label_area_size(50)
            .build_cartesian_2d(
                0.0..sound.seconds().max(0.01),
                0.0..f64::from(RATE) / 2000.0,
            )?;
        chart
            .configure_mesh()
            .disable_mesh()
            .x_desc("s")
            .y_desc("kHz")
            .label_style(("sans-serif", 14))
            .draw()?;
        let plot = chart.plotting_area().strip_coord_spec();
        let (width, height) = plot.dim_in_pixel();
        let columns = spectrogram(&mono, width as usize);
        for (x, column) in columns.iter().enumerate() {
            for y in 0..height {
                let bin = (height - 1 - y) as usize * (WINDOW / 2) / height as usize;
                plot.draw_pixel((x as i32, y as i32), &colour(column[bin]))?;
            }
        }
    }
    root.present()?;
    Ok(())
}

/// Levels from 0 (quiet) to 1 (the loudest), `count` columns of `WINDOW / 2` bins.
fn spectrogram(samples: &[f32], count: usize) -> Vec<Vec<f32>> {
    let fft = FftPlanner::new().plan_fft_forward(WINDOW);
    let hann = |i: usize| 0.5 - 0.5 * (TAU * i as f32 / WINDOW as f32).cos();
    let column = |x: usize| {
        let centre = (x as f64 + 0.5) * samples.len() as f64 / count as f64;
        let start = centre as isize - (WINDOW / 2) as isize;
        let sample = |i: usize| {
            let at = usize::try_from(start + i as isize).ok();
            at.and_then(|at| samples.get(at))
                .copied()
                .unwrap_or_default()
        };
        let mut buffer: Vec<_> = (0..WINDOW)
            .map(|i| Complex32::from(sample(i) * hann(i)))
            .collect();
        fft.process(&mut buffer);
        buffer[..WINDOW / 2]
            .iter()
            .map(|bin| 10.0 * (bin.norm_sqr() + 1e-12).log10())
            .collect()
    };
    let mut columns: Vec<Vec<f32>> = (0..count).map(column).collect();
    let loudest = columns.iter().flatten().copied().fold(f32::MIN, f32::max);
    for level in columns.iter_mut().flatten() {
        *level = (1.0 + (*level - loudest) / RANGE_DB).clamp(0.0, 1.0);
    }
    columns
}

/// Black, violet, orange, white: brighter is louder, also for the colour-blind.
fn colour(level: f32) -> RGBColor {
    const STOPS: [[f32; 3]; 4] = [
        [2.0, 2.0, 12.0],
        [104.0, 24.0, 110.0],
        [243.0, 120.0, 40.0],
        [252.0, 253.0, 225.0],
    ];
    let at = level * (STOPS.len() - 1) as f32;
    let stop = (at as usize).min(STOPS.len() - 2);
    let part = at - stop as f32;
    let mix = |i: usize| (STOPS[stop][i] + (STOPS[stop + 1][i] - STOPS[stop][i]) * part) as u8;
    RGBColor(mix(0), mix(1), mix(2))
}
