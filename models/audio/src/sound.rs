/// A piece of sound in memory.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Sound {
    /// One vector of samples per channel, all of the same length. Full scale is ±1; decoded lossy files may go past it.
    pub samples: Vec<Vec<f32>>,
    /// Samples per second.
    pub rate: u32,
}

impl Sound {
    /// A sound of one channel.
    pub fn from_mono(samples: Vec<f32>, rate: u32) -> Self {
        Self {
            samples: vec![samples],
            rate,
        }
    }

    /// How many channels there are.
    pub fn channels(&self) -> usize {
        self.samples.len()
    }

    /// The length in samples per channel.
    pub fn frames(&self) -> usize {
        self.samples.first().map_or(0, Vec::len)
    }

    /// The length in seconds.
    pub fn seconds(&self) -> f64 {
        if self.rate == 0 {
            0.0
        } else {
            self.frames() as f64 / f64::from(self.rate)
        }
    }

    /// The mean of all channels, so that a sound that is the same on each keeps its level.
    pub fn mono(&self) -> Vec<f32> {
        match self.samples.as_slice() {
            [] => Vec::new(),
            [only] => only.clone(),
            [first, rest @ ..] => {
                let scale = 1.0 / self.samples.len() as f32;
                let mut mixed = first.clone();
                for channel in rest {
                    for (sum, value) in mixed.iter_mut().zip(channel) {
                        *sum += value;
                    }
                }
                for value in &mut mixed {
                    *value *= scale;
                }
                mixed
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mono_is_the_mean() {
        let sound = Sound {
            samples: vec![vec![1.0, 0.0, -0.5], vec![0.0, 0.5, -0.5]],
            rate: 8000,
        };
        assert_eq!(sound.mono(), vec![0.5, 0.25, -0.5]);
        assert_eq!(Sound::default().mono(), Vec::<f32>::new());
        assert_eq!((sound.channels(), sound.frames()), (2, 3));
    }
}
