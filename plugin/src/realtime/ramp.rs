//! A value that moves to its target in a straight line, sample by sample, so that no control
//! clicks, and the result does not depend on the host's block size.

/// The ramp. A step of the target is followed within a fixed time.
#[derive(Clone, Copy, Debug)]
pub struct Ramp {
    value: f32,
    target: f32,
    step: f32,
    /// Samples for a full move.
    length: f32,
}

impl Ramp {
    /// Starts at `value`; each move takes `milliseconds` at `rate` Hz.
    pub fn new(value: f32, milliseconds: f32, rate: u32) -> Self {
        let length = (milliseconds * 1e-3 * rate as f32).max(1.0);
        Self {
            value,
            target: value,
            step: 0.0,
            length,
        }
    }

    /// Where to go from here.
    pub fn set(&mut self, target: f32) {
        if target != self.target {
            self.target = target;
            self.step = (target - self.value) / self.length;
        }
    }

    /// Goes there at once.
    pub fn jump(&mut self, target: f32) {
        (self.value, self.target, self.step) = (target, target, 0.0);
    }

    /// The value of the next sample.
    pub fn advance(&mut self) -> f32 {
        if self.value != self.target {
            self.value += self.step;
            let passed = (self.value - self.target) * self.step >= 0.0;
            if passed {
                self.value = self.target;
            }
        }
        self.value
    }

    /// The value of the last sample.
    pub fn value(&self) -> f32 {
        self.value
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reaches_its_target_exactly_and_in_time() {
        let mut ramp = Ramp::new(0.0, 10.0, 1000);
        ramp.set(1.0);
        let values: Vec<f32> = (0..11).map(|_| ramp.advance()).collect();
        assert!(values.windows(2).all(|pair| pair[0] <= pair[1]));
        assert!((values[4] - 0.5).abs() < 1e-5);
        assert_eq!(values[10], 1.0);
        ramp.set(0.25);
        (0..11).for_each(|_| _ = ramp.advance());
        assert_eq!(ramp.value(), 0.25);
    }
}
