//! Chance that is the same in every run.

/// Even noise (xorshift, Marsaglia 2003). Cheap, and without a lock or a call of the system.
#[derive(Clone, Debug)]
pub(super) struct EvenNoise(u32);

impl Default for EvenNoise {
    fn default() -> Self {
        // Any but zero, where it would stay.
        Self(0x9e37_79b9)
    }
}

impl EvenNoise {
    /// A value between −1 and 1; the standard deviation of many is 1/√3.
    pub(super) fn next(&mut self) -> f64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 17;
        self.0 ^= self.0 << 5;
        f64::from(self.0) / f64::from(u32::MAX) * 2.0 - 1.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_even_and_follows_nothing() {
        let mut noise = EvenNoise::default();
        let values: Vec<f64> = (0..20_000).map(|_| noise.next()).collect();
        let mean = |f: &dyn Fn(usize) -> f64| (1..values.len()).map(f).sum::<f64>() / 2e4;
        assert!(values.iter().all(|v| v.abs() <= 1.0));
        assert!(mean(&|i| values[i]).abs() < 0.02);
        assert!((mean(&|i| values[i].powi(2)) - 1.0 / 3.0).abs() < 0.01);
        assert!(mean(&|i| values[i] * values[i - 1]).abs() < 0.01);
    }
}
