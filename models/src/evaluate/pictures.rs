//! The report's pictures: mel spectrograms as PNG, pitch curves as SVG.

use std::fmt::Write;

use anyhow::Result;
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use image::codecs::png::{CompressionType, FilterType, PngEncoder};
use image::{ExtendedColorType, ImageEncoder};

use crate::networks::BANDS;
use crate::train::features::Features;

/// Most columns of a spectrogram; longer recordings are averaged down.
const WIDEST: usize = 600;
/// Range of levels from white to black, in nepers of power (78 dB).
const RANGE: f32 = 18.0;
/// Steps of grey: fewer make smaller files, and no more are seen.
const GREYS: f32 = 47.0;
/// Size of the pitch curves' box.
const WIDTH: f32 = 600.0;
const HEIGHT: f32 = 96.0;
/// Ends of the pitch axis in Hz.
const LOW_HZ: f32 = 60.0;
const HIGH_HZ: f32 = 600.0;
/// Lines of the pitch axis in Hz.
const LINES_HZ: [f32; 3] = [100.0, 200.0, 400.0];

/// A spectrogram as a `data:` address: time to the right, 0 to 12 kHz upwards on the mel scale, loud
/// is dark.
///
/// # Errors
/// When the picture cannot be encoded.
pub fn spectrogram(features: &Features) -> Result<String> {
    let frames = features.mel.len().max(1);
    let width = frames.min(WIDEST);
    let values = features.mel.iter().flatten().map(|v| v.to_f32());
    let loudest = values.fold(-12.0, f32::max);
    let mut grey = vec![255_u8; width * BANDS];
    for x in 0..width.min(features.mel.len()) {
        let (from, to) = (x * frames / width, ((x + 1) * frames / width).min(frames));
        let columns = &features.mel[from..to.max(from + 1)];
        for band in 0..BANDS {
            let sum: f32 = columns.iter().map(|f| f[band].to_f32()).sum();
            let level = 1.0 - (loudest - sum / columns.len() as f32) / RANGE;
            let step = (level.clamp(0.0, 1.0) * GREYS).round() / GREYS;
            grey[(BANDS - 1 - band) * width + x] = 255 - (step * 255.0) as u8;
        }
    }
    let mut png = Vec::new();
    PngEncoder::new_with_quality(&mut png, CompressionType::Best, FilterType::Adaptive)
        .write_image(&grey, width as u32, BANDS as u32, ExtendedColorType::L8)?;
    Ok(format!(
        "data:image/png;base64,{}",
        BASE64_STANDARD.encode(png)
    ))
}

/// Pitch over time as an SVG element: the source's in the background, the clip's over it.
pub fn pitch_curves(source: &Features, clip: Option<&Features>) -> String {
    let mut svg = format!(
        "<svg class=\"pitch\" viewBox=\"0 0 {WIDTH} {HEIGHT}\" preserveAspectRatio=\"none\" role=\"img\" \
         aria-label=\"pitch over time\">"
    );
    for hz in LINES_HZ {
        let y = height(hz);
        let _ = write!(
            svg,
            "<line class=\"axis\" x1=\"0\" x2=\"{WIDTH}\" y1=\"{y:.1}\" y2=\"{y:.1}\"/>\
             <text x=\"3\" y=\"{:.1}\">{hz:.0} Hz</text>",
            y - 2.0
        );
    }
    let frames = source.pitch.len();
    svg.push_str(&curve(source, frames, "before"));
    if let Some(clip) = clip {
        svg.push_str(&curve(clip, frames, "after"));
    }
    svg.push_str("</svg>");
    svg
}

fn height(hz: f32) -> f32 {
    let share = (hz / LOW_HZ).ln() / (HIGH_HZ / LOW_HZ).ln();
    HEIGHT * (1.0 - share.clamp(0.0, 1.0))
}

/// One path, broken where the voice rests.
fn curve(features: &Features, frames: usize, class: &str) -> String {
    let mut path = String::new();
    let mut down = false;
    for (index, &[f0, _]) in features.pitch.iter().enumerate() {
        if f0 > 0.0 {
            let x = index as f32 * WIDTH / frames.max(1) as f32;
            let _ = write!(
                path,
                "{}{x:.1} {:.1}",
                if down { "L" } else { "M" },
                height(f0)
            );
        }
        down = f0 > 0.0;
    }
    format!("<path class=\"{class}\" d=\"{path}\"/>")
}

#[cfg(test)]
mod tests {
    use super::*;
    use half::f16;

    #[test]
    fn a_picture_holds_the_loudest_band_where_it_is() {
        let mut features = Features {
            mel: vec![[f16::from_f32(-20.0); BANDS]; 1300],
            ..Default::default()
        };
        features
            .mel
            .iter_mut()
            .for_each(|f| f[70] = f16::from_f32(-2.0));
        let address = spectrogram(&features).unwrap();
        let bytes = address.strip_prefix("data:image/png;base64,").unwrap();
        let png = BASE64_STANDARD.decode(bytes).unwrap();
        let picture = image::load_from_memory(&png).unwrap().to_luma8();
        assert_eq!(picture.dimensions(), (WIDEST as u32, BANDS as u32));
        let at = |band: u32| picture.get_pixel(300, BANDS as u32 - 1 - band).0[0];
        assert!(at(70) < 8 && at(30) > 245, "{} {}", at(70), at(30));
        assert!(spectrogram(&Features::default()).is_ok());
    }

    #[test]
    fn curves_break_where_nothing_is_voiced() {
        let pitch = [200.0, 200.0, 0.0, 100.0].map(|hz| [hz, 1.0]).to_vec();
        let features = Features {
            pitch,
            ..Default::default()
        };
        let path = curve(&features, 4, "after");
        assert_eq!(path.matches('M').count(), 2, "{path}");
        assert_eq!(path.matches('L').count(), 1, "{path}");
    }
}
