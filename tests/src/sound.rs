//! Test signals, and what is measured of them.

/// Noise that is the same in each run, within ±0.5.
pub fn noise(length: usize) -> Vec<f32> {
    let mut state = 1_u32;
    let next = |_| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 8) as f32 / (1 << 24) as f32 - 0.5
    };
    (0..length).map(next).collect()
}

/// A soft click of about 1 ms around sample `centre`, well inside the band of every rate.
pub fn click(rate: u32, centre: usize, length: usize) -> Vec<f32> {
    let width = rate as f32 * 0.0005;
    let shape = |i: usize| 0.8 * (-((i as f32 - centre as f32) / width).powi(2)).exp();
    (0..length).map(shape).collect()
}

/// The centre of mass of a sound that is a single click.
pub fn centre(sound: &[f32]) -> f64 {
    let mass: f64 = sound.iter().map(|&x| f64::from(x).powi(2)).sum();
    let sum: f64 = sound
        .iter()
        .enumerate()
        .map(|(i, &x)| i as f64 * f64::from(x).powi(2))
        .sum();
    sum / mass
}

/// Root mean square.
pub fn rms(sound: &[f32]) -> f64 {
    (sound.iter().map(|&x| f64::from(x).powi(2)).sum::<f64>() / sound.len().max(1) as f64).sqrt()
}

/// A sine of level 0.5.
pub fn sine(rate: u32, hz: f32, length: usize) -> Vec<f32> {
    let step = std::f64::consts::TAU * f64::from(hz) / f64::from(rate);
    (0..length)
        .map(|i| 0.5 * (step * i as f64).sin() as f32)
        .collect()
}
