//! Tells a host that renders faster than real time, although it says that it does not.
//!
//! Some hosts (dawdreamer, a freewheeling JACK, a DAW's render-ahead) ask for sound as fast as it
//! comes, while they say Realtime; and in VST3 the first offline render of nice-plug 0.4.2 still
//! shows the previous mode. A converter on another thread cannot keep up by itself there, and half
//! of the sound would be lost.
//!
//! [`Pace`] counts how far the host is ahead of the clock on the wall. A device that plays in real
//! time takes a second of sound per second, so a host that is ahead by `lead` has that much sound
//! in hand, and a call that waits shorter than that cannot make anything late. So the rule is
//! one-sided: in real time the lead is about zero and nothing ever waits; far ahead of real time
//! waiting is what makes the sound complete.

use std::time::{Duration, Instant};

/// Lead that is never used for waiting: a host's own buffering and the jitter of its thread.
const MARGIN: Duration = Duration::from_millis(12);

/// Longest wait of one call, so that a stuck engine cannot freeze a host.
const LONGEST: Duration = Duration::from_millis(500);

/// The count. Reading the clock is no system call on the supported systems (vDSO, commpage, QPC).
pub struct Pace {
    last: Option<Instant>,
    lead: f64,
}

impl Pace {
    /// Starts without a lead.
    pub fn new() -> Self {
        Self {
            last: None,
            lead: 0.0,
        }
    }

    /// Forgets the lead.
    pub fn reset(&mut self) {
        *self = Self::new();
    }

    /// Call at the start of a block of `samples`: how long this block may wait for the engine.
    pub fn allowance(&mut self, now: Instant, samples: usize, rate: u32) -> Duration {
        if let Some(last) = self.last {
            let passed = now.saturating_duration_since(last).as_secs_f64();
            // A late call starts the count anew: what was missed is not owed.
            self.lead = (self.lead - passed).max(0.0);
        }
        self.last = Some(now);
        let lead = Duration::from_secs_f64(self.lead);
        self.lead += samples as f64 / f64::from(rate);
        lead.saturating_sub(MARGIN).min(LONGEST)
    }
}

impl Default for Pace {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_for_nobody_in_real_time_and_for_a_fast_renderer() {
        let start = Instant::now();
        let mut pace = Pace::new();
        for block in 0..1000_u32 {
            // Real time at block 480 of 48 kHz, with 5 ms of jitter.
            let jitter = if block % 3 == 0 { 5 } else { 0 };
            let now = start + Duration::from_millis(u64::from(block * 10 + jitter));
            assert_eq!(pace.allowance(now, 480, 48_000), Duration::ZERO);
        }
        let mut pace = Pace::new();
        let waits: Vec<_> = (0..10)
            .map(|block| pace.allowance(start + Duration::from_micros(block), 480, 48_000))
            .collect();
        assert_eq!(waits[1], Duration::ZERO);
        assert!(waits[9] > Duration::from_millis(70));
    }
}
