//! Places between mel bands.

/// Where a frequency lies among rising band centres: the band below, the band above, and the share
/// of the one above, 0 to 1. Beyond either end both are the outermost band.
pub fn place(centres_hz: &[f32], hz: f32) -> (usize, usize, f32) {
    let above = centres_hz.partition_point(|&c| c < hz);
    if above == 0 {
        (0, 0, 0.0)
    } else if above == centres_hz.len() {
        (above - 1, above - 1, 0.0)
    } else {
        let (a, b) = (centres_hz[above - 1], centres_hz[above]);
        (above - 1, above, (hz - a) / (b - a))
    }
}
