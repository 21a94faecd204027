//! Levels for the panel: peaks that the audio thread raises and the editor takes.

use std::sync::atomic::{AtomicU32, Ordering};

/// Peak levels since the editor last looked, linear, full scale 1.
#[derive(Default)]
pub struct Meters {
    input: AtomicU32,
    output: AtomicU32,
}

impl Meters {
    /// Raises the input's peak. Real-time safe.
    pub fn input(&self, peak: f32) {
        raise(&self.input, peak);
    }

    /// Raises the output's peak. Real-time safe.
    pub fn output(&self, peak: f32) {
        raise(&self.output, peak);
    }

    /// The peaks of input and output since the last call.
    pub fn take(&self) -> [f32; 2] {
        [&self.input, &self.output].map(|cell| f32::from_bits(cell.swap(0, Ordering::Relaxed)))
    }
}

/// The bits of non-negative floats are ordered like the floats.
fn raise(cell: &AtomicU32, peak: f32) {
    cell.fetch_max(peak.abs().to_bits(), Ordering::Relaxed);
}

/// Highest absolute sample.
pub fn peak(samples: &[f32]) -> f32 {
    samples
        .iter()
        .fold(0.0, |peak, sample| sample.abs().max(peak))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn holds_the_highest_until_taken() {
        let meters = Meters::default();
        meters.input(peak(&[0.1, -0.7, 0.2]));
        meters.input(0.3);
        meters.output(0.5);
        assert_eq!(meters.take(), [0.7, 0.5]);
        assert_eq!(meters.take(), [0.0, 0.0]);
    }
}
