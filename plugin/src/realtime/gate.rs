//! A noise gate before the converter: a converter turns room noise into breaths.

use super::ramp::Ramp;
use crate::params::GATE_OFF_DB;

/// How long the gate stays open after the last loud moment: shorter clips the ends of words.
const HOLD_MS: f32 = 120.0;
/// Closing within the hold's tail; opening must not cut a plosive.
const OPEN_MS: f32 = 2.0;
/// The gate closes at a level this much below the one where it opens, so that it does not flutter.
const HYSTERESIS_DB: f32 = 4.0;

/// The gate of one mono stream.
pub struct Gate {
    gain: Ramp,
    /// Decaying peak of the input.
    envelope: f32,
    decay: f32,
    hold: u32,
    hold_samples: u32,
}

impl Gate {
    /// A gate for a stream of `rate` Hz.
    pub fn new(rate: u32) -> Self {
        Self {
            gain: Ramp::new(1.0, OPEN_MS, rate),
            envelope: 0.0,
            // Falls by 60 dB in 200 ms: faster than speech fades, slower than a pitch period.
            decay: 10_f32.powf(-60.0 / 20.0 / (0.2 * rate as f32)),
            hold: 0,
            hold_samples: (HOLD_MS * 1e-3 * rate as f32) as u32,
        }
    }

    /// Opens the gate and forgets the past.
    pub fn reset(&mut self) {
        self.gain.jump(1.0);
        self.envelope = 0.0;
        self.hold = self.hold_samples;
    }

    /// Gates a block at `threshold_db`, in place.
    pub fn process(&mut self, samples: &mut [f32], threshold_db: f32) {
        if threshold_db <= GATE_OFF_DB && self.gain.value() == 1.0 {
            return;
        }
        let open = 10_f32.powf(threshold_db / 20.0);
        let close = open * 10_f32.powf(-HYSTERESIS_DB / 20.0);
        for sample in samples {
            self.envelope = sample.abs().max(self.envelope * self.decay);
            let was_open = self.hold > 0;
            if threshold_db <= GATE_OFF_DB || self.envelope > if was_open { close } else { open } {
                self.hold = self.hold_samples.max(1);
            } else {
                self.hold = self.hold.saturating_sub(1);
            }
            self.gain.set(if self.hold > 0 { 1.0 } else { 0.0 });
            *sample *= self.gain.advance();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn silences_noise_passes_speech_and_is_transparent_when_off() {
        let rate = 48_000;
        let noise: Vec<f32> = (0..rate)
            .map(|i| if i % 2 == 0 { 1e-3 } else { -1e-3 })
            .collect();
        let mut gate = Gate::new(rate);
        gate.reset();
        let mut block = noise.clone();
        gate.process(&mut block, -40.0);
        assert_eq!(*block.last().unwrap(), 0.0);
        let mut loud: Vec<f32> = noise.iter().map(|x| x * 200.0).collect();
        gate.process(&mut loud, -40.0);
        assert!(loud.last().unwrap().abs() > 0.19);
        let mut off = noise.clone();
        let mut gate = Gate::new(rate);
        gate.process(&mut off, GATE_OFF_DB);
        assert_eq!(off, noise);
    }
}
