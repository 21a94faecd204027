//! A picture of what feelings do to one recording: pitch and level over time, each beside the neutral conversion.

use std::path::Path;

use anyhow::{Result, anyhow};
use plotters::prelude::*;

use crate::networks::loudness;
use crate::train::features::Features;

/// Ends of the pitch axis in Hz and of the level axis in dB.
const PITCH: (f64, f64) = (60.0, 700.0);
const LEVEL: (f64, f64) = (-70.0, 0.0);
/// Size of one feeling's row in pixels.
const ROW: (u32, u32) = (1100, 170);

/// Draws a row for each of `performed`, by name: the pitch on the left, the level on the right, over time; what was said
/// neutrally in grey behind.
///
/// # Errors
/// When the picture cannot be written.
pub fn draw(neutral: &Features, performed: &[(&str, &Features)], picture: &Path) -> Result<()> {
    // The first registration counts; a second picture in one process is refused, which is fine.
    let _ = plotters::style::register_font(
        "sans-serif",
        FontStyle::Normal,
        epaint_default_fonts::UBUNTU_LIGHT,
    );
    let size = (ROW.0, ROW.1 * performed.len().max(1) as u32);
    let root = BitMapBackend::new(picture, size).into_drawing_area();
    let broken = |e: DrawingAreaErrorKind<_>| anyhow!("cannot draw {picture:?}: {e}");
    root.fill(&WHITE).map_err(broken)?;
    let areas = root.split_evenly((performed.len().max(1), 2));
    for (index, (name, features)) in performed.iter().enumerate() {
        let colour = Palette99::pick(index).to_rgba();
        let curves: [(&str, (f64, f64), Contour); 2] =
            [("pitch, Hz", PITCH, pitch), ("level, dB", LEVEL, level)];
        for (column, (unit, (low, high), contour)) in curves.into_iter().enumerate() {
            let seconds = neutral.mel.len().max(2) as f64 / 100.0;
            let mut chart = ChartBuilder::on(&areas[2 * index + column])
                .caption(format!("{name}: {unit}"), ("sans-serif", 15))
                .margin(6)
                .x_label_area_size(18)
                .y_label_area_size(40)
                .build_cartesian_2d(0.0..seconds, low..high)
                .map_err(broken)?;
            chart
                .configure_mesh()
                .light_line_style(WHITE)
                .x_labels(8)
                .y_labels(4)
                .draw()
                .map_err(broken)?;
            for (features, style) in [
                (neutral, RGBColor(150, 150, 150).to_rgba().stroke_width(2)),
                (*features, colour.stroke_width(2)),
            ] {
                for piece in pieces(&contour(features)) {
                    chart
                        .draw_series(LineSeries::new(piece, style))
                        .map_err(broken)?;
                }
            }
        }
    }
    root.present().map_err(broken)?;
    Ok(())
}

/// A value of each frame, or none.
type Contour = fn(&Features) -> Vec<Option<f64>>;

fn pitch(features: &Features) -> Vec<Option<f64>> {
    let value = |p: &[f32; 2]| (p[0] > 0.0).then_some(f64::from(p[0]));
    features.pitch.iter().map(value).collect()
}

fn level(features: &Features) -> Vec<Option<f64>> {
    let decibel = 10.0 / std::f64::consts::LN_10;
    let value = |frame: &[half::f16; crate::networks::BANDS]| {
        let level = f64::from(loudness(&frame.map(|v| v.to_f32()))) * decibel;
        (level > LEVEL.0).then_some(level)
    };
    features.mel.iter().map(value).collect()
}

/// The stretches without a gap, as points over seconds.
fn pieces(values: &[Option<f64>]) -> Vec<Vec<(f64, f64)>> {
    let mut pieces = vec![Vec::new()];
    for (frame, value) in values.iter().enumerate() {
        match value {
            Some(value) => {
                let last = pieces.len() - 1;
                pieces[last].push((frame as f64 / 100.0, *value));
            }
            None => pieces.push(Vec::new()),
        }
    }
    pieces.retain(|piece| piece.len() > 1);
    pieces
}

#[cfg(test)]
mod tests {
    use super::*;
    use half::f16;

    #[test]
    fn a_raised_pitch_is_drawn_above_the_neutral_one() {
        let said = |hz: f32| Features {
            mel: vec![[f16::from_f32(-9.0); crate::networks::BANDS]; 200],
            pitch: vec![[hz, 1.0]; 200],
            ..Features::default()
        };
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("happy.png");
        draw(&said(120.0), &[("happy", &said(400.0))], &path).unwrap();
        let picture = image::open(&path).unwrap().to_rgb8();
        assert_eq!(picture.dimensions(), ROW);
        // In the middle of the pitch's half, the first coloured line from above, and the grey one.
        let column = |wanted: fn([u8; 3]) -> bool| {
            (30..ROW.1 - 30).find(|&y| wanted(picture.get_pixel(300, y).0))
        };
        let coloured = column(|p| p.iter().max().unwrap() - p.iter().min().unwrap() > 60);
        let grey = column(|p| p == [150, 150, 150]);
        let (coloured, grey) = (coloured.unwrap(), grey.unwrap());
        assert!(coloured + 20 < grey, "{coloured} {grey}");
    }

    #[test]
    fn a_gap_parts_a_line() {
        let values = [
            Some(1.0),
            Some(2.0),
            None,
            Some(3.0),
            Some(4.0),
            None,
            Some(5.0),
        ];
        assert_eq!(pieces(&values).len(), 2);
    }
}
