//! What runs at one time: a driver of the chain, a microphone, headphones; and whether they still do.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use ringbuf::HeapCons;

use super::clock::Clock;
use super::jack::Jack;

/// A device that brings nothing for this long has fallen asleep or is gone.
const SLEEP: Duration = Duration::from_secs(3);

/// What calls the chain. It is only kept: dropping it stops the sound.
pub enum Driver {
    /// Nothing yet.
    Idle,
    /// An output device.
    Output {
        /// Its stream.
        _stream: cpal::Stream,
    },
    /// JACK's graph.
    Jack(Jack),
    /// A thread.
    Clock {
        /// It.
        _clock: Clock,
    },
}

/// The way to the headphones.
pub enum Headphones {
    /// Nobody listens; this is what the chain writes into.
    Idle(HeapCons<f32>, Arc<AtomicU64>),
    /// Somebody does.
    Open {
        /// The stream, which is only kept.
        _stream: cpal::Stream,
    },
    /// They could not be opened, and the ring went with them.
    Spent,
    /// The driver has its own.
    Own,
}

/// Everything that was opened together.
pub struct Running {
    /// Calls the chain.
    pub driver: Driver,
    /// The microphone's stream, which is only kept.
    pub microphone: Option<cpal::Stream>,
    /// The way to the headphones.
    pub headphones: Headphones,
    /// Sample rate in Hz.
    pub rate: u32,
    /// Buffer in samples.
    pub buffer: u32,
    /// How late the output is, in samples.
    pub latency: u32,
    /// The converter's part of it, in samples at 24 kHz.
    pub converter: u32,
    /// Blocks of the chain.
    pub blocks: Pulse,
    /// Blocks of the microphone.
    pub heard: Pulse,
}

impl Running {
    /// JACK's client, where that is the driver.
    pub fn jack(&self) -> Option<&Jack> {
        match &self.driver {
            Driver::Jack(jack) => Some(jack),
            _ => None,
        }
    }

    /// What fell asleep, in words; `None` while all is well.
    pub fn asleep(&mut self, now: Instant) -> Option<&'static str> {
        let output = matches!(self.driver, Driver::Output { .. });
        if self.blocks.stands_still(now) && output {
            Some("The output device has stopped.")
        } else if self.heard.stands_still(now) && self.microphone.is_some() {
            Some("The input device has stopped.")
        } else {
            None
        }
    }
}

/// Counts what an audio thread does, and notices when it stops.
pub struct Pulse {
    count: Arc<AtomicU64>,
    seen: u64,
    seen_at: Instant,
}

impl Pulse {
    /// Nothing was counted yet.
    pub fn new() -> Self {
        Self {
            count: Arc::default(),
            seen: 0,
            seen_at: Instant::now(),
        }
    }

    /// For the audio thread.
    pub fn counter(&self) -> Arc<AtomicU64> {
        self.count.clone()
    }

    /// How much was counted.
    pub fn count(&self) -> u64 {
        self.count.load(Ordering::Relaxed)
    }

    fn stands_still(&mut self, now: Instant) -> bool {
        let count = self.count();
        if count != self.seen {
            (self.seen, self.seen_at) = (count, now);
        }
        now.duration_since(self.seen_at) > SLEEP
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pulse_that_stops_is_noticed_and_one_that_goes_on_is_not() {
        let mut pulse = Pulse::new();
        let start = pulse.seen_at;
        assert!(!pulse.stands_still(start + SLEEP / 2));
        pulse.counter().fetch_add(1, Ordering::Relaxed);
        assert!(!pulse.stands_still(start + SLEEP * 2));
        assert!(pulse.stands_still(start + SLEEP * 4));
        pulse.counter().fetch_add(1, Ordering::Relaxed);
        assert!(!pulse.stands_still(start + SLEEP * 5));
    }
}
