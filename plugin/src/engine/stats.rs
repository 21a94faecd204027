//! How long the converter's steps take.

use std::time::Duration;

/// Steps that are looked back at: 10 s.
const WINDOW: usize = 1000;
/// A new summary each this many steps: four a second.
const EVERY: usize = 25;

/// Times of the steps in the last 10 s, in microseconds. A step has 10 000 of them.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct StepStats {
    /// Mean.
    pub mean_us: f32,
    /// 99th percentile.
    pub p99_us: f32,
    /// Longest.
    pub max_us: f32,
}

impl StepStats {
    /// Share of the available time that the mean step takes; 1 is all of it.
    pub fn load(&self) -> f32 {
        self.mean_us / 10_000.0
    }
}

/// Collects the times.
pub struct StepTimes {
    times: Vec<f32>,
    next: usize,
    sorted: Vec<f32>,
}

impl Default for StepTimes {
    fn default() -> Self {
        Self {
            times: Vec::with_capacity(WINDOW),
            next: 0,
            sorted: Vec::with_capacity(WINDOW),
        }
    }
}

impl StepTimes {
    /// Adds a step; gives a summary now and then.
    pub fn add(&mut self, took: Duration) -> Option<StepStats> {
        let took = took.as_secs_f32() * 1e6;
        if self.times.len() < WINDOW {
            self.times.push(took);
        } else {
            self.times[self.next % WINDOW] = took;
        }
        self.next += 1;
        self.next.is_multiple_of(EVERY).then(|| self.summary())
    }

    fn summary(&mut self) -> StepStats {
        self.sorted.clear();
        self.sorted.extend_from_slice(&self.times);
        self.sorted.sort_unstable_by(f32::total_cmp);
        let count = self.sorted.len();
        StepStats {
            mean_us: self.sorted.iter().sum::<f32>() / count as f32,
            p99_us: self.sorted[(count * 99 / 100).min(count - 1)],
            max_us: self.sorted[count - 1],
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn summarises_the_window() {
        let mut times = StepTimes::default();
        let mut last = None;
        for step in 0..1000_u64 {
            let took = if step == 500 { 9000 } else { 1000 };
            last = times.add(Duration::from_micros(took)).or(last);
        }
        let stats = last.unwrap();
        assert!((stats.mean_us - 1008.0).abs() < 1.0);
        assert!((stats.p99_us - 1000.0).abs() < 1.0);
        assert!((stats.max_us - 9000.0).abs() < 1.0);
        assert!((stats.load() - 0.1008).abs() < 1e-3);
    }
}
