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

/// `frames` frames of a log mel that is played `rate` times as fast, the lowest `N` bands of each: frequencies go up by `rate`,
/// and time runs that much faster. `value` tells the mel by frame and band.
pub fn stretched<const N: usize>(
    frames: usize,
    rate: f32,
    centres_hz: &[f32],
    value: impl Fn(usize, usize) -> f32,
) -> Vec<[f32; N]> {
    let map: Vec<(usize, usize, f32)> = centres_hz[..N]
        .iter()
        .map(|hz| place(centres_hz, hz / rate))
        .collect();
    let between = |t: f32, band: usize| {
        let at = t as usize;
        let (a, b) = (value(at, band), value(at + 1, band));
        a + (t - at as f32) * (b - a)
    };
    let frame = |t: usize| {
        let t = t as f32 * rate;
        std::array::from_fn(|b| {
            let (low, high, share) = map[b];
            let a = between(t, low);
            a + share * (between(t, high) - a)
        })
    };
    (0..frames).map(frame).collect()
}
