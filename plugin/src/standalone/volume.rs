//! The level at which one listens to oneself. The panel sets it, an audio thread follows without
//! clicks.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use mien::realtime::ramp::Ramp;

/// How long a change takes, in ms.
const SMOOTH_MS: f32 = 30.0;

/// A linear gain that both sides see; 0 is silence.
#[derive(Clone, Default)]
pub struct Volume(Arc<AtomicU32>);

impl Volume {
    /// Sets it: a level in dB, or `None` for silence.
    pub fn set(&self, db: Option<f32>) {
        let gain = db.map_or(0.0, |db| 10_f32.powf(db / 20.0));
        self.0.store(gain.to_bits(), Ordering::Relaxed);
    }

    /// For the audio thread of a stream at this rate.
    pub fn fader(&self, rate: u32) -> Fader {
        Fader {
            volume: self.clone(),
            ramp: Ramp::new(0.0, SMOOTH_MS, rate),
        }
    }
}

/// The audio thread's end.
pub struct Fader {
    volume: Volume,
    ramp: Ramp,
}

impl Fader {
    /// Brings samples to the level. Real-time safe.
    pub fn apply(&mut self, samples: &mut [f32]) {
        let gain = f32::from_bits(self.volume.0.load(Ordering::Relaxed));
        self.ramp.set(gain);
        for sample in samples {
            *sample *= self.ramp.advance();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_level_is_reached_without_a_step() {
        let volume = Volume::default();
        let mut fader = volume.fader(1000);
        volume.set(Some(-6.0206));
        let mut samples = [1.0; 40];
        fader.apply(&mut samples);
        assert!(samples[0] < 0.05 && (samples[39] - 0.5).abs() < 1e-3);
        volume.set(None);
        let mut samples = [1.0; 40];
        fader.apply(&mut samples);
        assert_eq!(samples[39], 0.0);
    }
}
