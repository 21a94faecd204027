//! Learning curves as a picture.

use std::path::Path;

use anyhow::{Result, anyhow, bail};
use plotters::prelude::*;

/// Draws every column of a stage's log over its steps, each scaled to its own first value.
///
/// # Errors
/// When the log has fewer than two lines or the picture cannot be written.
pub fn draw(csv: &Path, picture: &Path) -> Result<()> {
    let mut reader = csv::Reader::from_path(csv)?;
    let names: Vec<String> = reader.headers()?.iter().map(str::to_owned).collect();
    let mut rows: Vec<Vec<f64>> = Vec::new();
    for record in reader.records() {
        rows.push(
            record?
                .iter()
                .map(|v| v.parse().unwrap_or(f64::NAN))
                .collect(),
        );
    }
    if rows.len() < 2 {
        bail!("the log {csv:?} is still too short to draw");
    }
    let last = rows[rows.len() - 1][0];
    // The first registration counts; a second picture in one process is refused, which is fine.
    let _ = plotters::style::register_font(
        "sans-serif",
        FontStyle::Normal,
        epaint_default_fonts::UBUNTU_LIGHT,
    );
    let root = BitMapBackend::new(picture, (1000, 600)).into_drawing_area();
    let broken = |e: DrawingAreaErrorKind<_>| anyhow!("cannot draw {picture:?}: {e}");
    root.fill(&WHITE).map_err(broken)?;
    let columns: Vec<usize> = (3..names.len()).collect();
    let top = columns
        .iter()
        .flat_map(|&c| rows.iter().map(move |r| r[c]))
        .filter(|v| v.is_finite())
        .fold(0.1_f64, f64::max);
    let mut chart = ChartBuilder::on(&root)
        .margin(12)
        .x_label_area_size(28)
        .y_label_area_size(56)
        .build_cartesian_2d(0.0..last.max(1.0), (1e-3_f64..top).log_scale())
        .map_err(broken)?;
    chart
        .configure_mesh()
        .light_line_style(WHITE)
        .draw()
        .map_err(broken)?;
    for (i, &column) in columns.iter().enumerate() {
        let colour = Palette99::pick(i).to_rgba();
        let points = rows.iter().map(|r| (r[0], r[column].max(1e-3)));
        chart
            .draw_series(LineSeries::new(points, colour.stroke_width(2)))
            .map_err(broken)?
            .label(names[column].clone())
            .legend(move |(x, y)| PathElement::new([(x, y), (x + 16, y)], colour.stroke_width(2)));
    }
    chart
        .configure_series_labels()
        // Losses fall: what matters ends on the right, and the corner under the curves is free.
        .position(SeriesLabelPosition::LowerLeft)
        .background_style(WHITE.mix(0.8))
        .draw()
        .map_err(broken)?;
    root.present().map_err(broken)?;
    Ok(())
}
