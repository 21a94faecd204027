//! The input, kept for exactly the reported latency: what bypass and mix are made of.

/// Most channels that the plugin handles.
pub const MAX_CHANNELS: usize = 2;

/// A delay line per channel.
pub struct DryDelay {
    lines: [Vec<f32>; MAX_CHANNELS],
    position: usize,
}

impl DryDelay {
    /// A delay of `latency` samples for [`MAX_CHANNELS`] channels. Allocates.
    pub fn new(latency: usize) -> Self {
        Self {
            lines: std::array::from_fn(|_| vec![0.0; latency]),
            position: 0,
        }
    }

    /// Forgets everything.
    pub fn reset(&mut self) {
        self.lines.iter_mut().for_each(|line| line.fill(0.0));
        self.position = 0;
    }

    /// Takes one sample per channel and gives back the one from a latency ago.
    pub fn swap(&mut self, frame: &mut [f32; MAX_CHANNELS]) {
        for (line, sample) in self.lines.iter_mut().zip(frame) {
            if let Some(slot) = line.get_mut(self.position) {
                std::mem::swap(slot, sample);
            }
        }
        self.position += 1;
        if self.position >= self.lines[0].len() {
            self.position = 0;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn delays_by_its_length_and_by_nothing_more() {
        for latency in [0, 1, 7] {
            let mut delay = DryDelay::new(latency);
            let out: Vec<f32> = (1..20)
                .map(|i| {
                    let mut frame = [i as f32, -(i as f32)];
                    delay.swap(&mut frame);
                    assert_eq!(frame[0], -frame[1]);
                    frame[0]
                })
                .collect();
            let wanted: Vec<f32> = (1..20)
                .map(|i| (i - latency as i32).max(0) as f32)
                .collect();
            assert_eq!(out, wanted);
        }
    }
}
