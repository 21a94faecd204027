//! The converted voice as it comes out of the ring: each sample at its time, or silence.

use std::sync::atomic::Ordering;

use ringbuf::traits::{Consumer, Observer};

use super::fader::Fader;
use super::rings::AudioEnd;

/// Reads the engine's output in step with the host.
pub struct WetReader {
    prefill: i64,
    /// Number of the epoch that was asked for last.
    epoch: u32,
    /// Whether the engine is known to have reached it.
    synced: bool,
    /// Output sample of the epoch that is wanted next; negative in the prefill.
    want: i64,
    /// Output sample of the epoch that comes out of the ring next.
    head: i64,
    /// Samples taken from the ring since it was made.
    popped: u64,
    fader: Fader,
    missing_before: bool,
}

/// What one block was like.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Read {
    /// Samples that were not there in time.
    pub missing: usize,
    /// True for the first block of a dropout.
    pub dropout: bool,
}

impl WetReader {
    /// A reader that starts with `prefill` samples of silence.
    pub fn new(prefill: u32, rate: u32) -> Self {
        Self {
            prefill: i64::from(prefill),
            epoch: 0,
            synced: true,
            want: -i64::from(prefill),
            head: 0,
            popped: 0,
            fader: Fader::new(rate),
            missing_before: false,
        }
    }

    /// Starts a new epoch at input sample `pushed`, as if nothing had been heard. Real-time safe.
    pub fn reset(&mut self, end: &AudioEnd, pushed: u64) {
        self.fader.reset();
        self.start_epoch(end, pushed, 0);
    }

    /// Starts a new epoch at input sample `pushed` in the middle of a sound. The host's next `lost`
    /// samples have no input in it, and are silent before the prefill. Real-time safe.
    pub fn resync(&mut self, end: &AudioEnd, pushed: u64, lost: usize) {
        self.fader.cut();
        self.start_epoch(end, pushed, lost);
    }

    fn start_epoch(&mut self, end: &AudioEnd, pushed: u64, lost: usize) {
        self.epoch = self.epoch.wrapping_add(1);
        self.synced = false;
        self.want = -self.prefill - lost as i64;
        self.head = 0;
        self.missing_before = false;
        end.clocks.want.store(self.want, Ordering::Relaxed);
        end.clocks.reset_at.store(pushed, Ordering::Relaxed);
        end.clocks.epoch.store(self.epoch, Ordering::Release);
    }

    /// Output sample of the epoch that is wanted next.
    pub fn want(&self) -> i64 {
        self.want
    }

    /// Whether the engine is known to work on the present epoch.
    pub fn synced(&self) -> bool {
        self.synced
    }

    /// How many samples of a block of `length` would be missing now.
    pub fn lacking(&mut self, end: &mut AudioEnd, length: usize) -> usize {
        let needed = (self.want + length as i64).max(0);
        if !self.sync(end) {
            return needed.min(length as i64) as usize;
        }
        let reached = self.head + end.output.occupied_len() as i64;
        (needed - reached).clamp(0, length as i64) as usize
    }

    /// Whether the engine has reached the present epoch; throws away the former one's rest.
    fn sync(&mut self, end: &mut AudioEnd) -> bool {
        if !self.synced && end.clocks.epoch_reached.load(Ordering::Acquire) == self.epoch {
            let start = end.clocks.out_start.load(Ordering::Relaxed);
            self.popped += end.output.skip((start - self.popped) as usize) as u64;
            self.synced = true;
        }
        self.synced
    }

    /// Fills a block. Late samples are dropped, missing ones become silence; both with fades.
    pub fn read(&mut self, end: &mut AudioEnd, block: &mut [f32]) -> Read {
        let synced = self.sync(end);
        // Counted before the gaps are looked at: each sample that is visible here has its gap visible.
        let mut visible = if synced { end.output.occupied_len() } else { 0 };
        let mut filled = 0;
        let mut missing = 0;
        while filled < block.len() {
            let at = self.want + filled as i64;
            let rest = &mut block[filled..];
            if at < 0 {
                let silent = rest.len().min(-at as usize);
                self.fader.rest(&mut rest[..silent]);
                filled += silent;
                continue;
            }
            let next_gap = if synced {
                self.pass_gaps(end)
            } else {
                u64::MAX
            };
            let here = visible.min(usize::try_from(next_gap).unwrap_or(usize::MAX));
            let taken = if self.head > at {
                let silent = rest.len().min((self.head - at) as usize);
                self.fader.silence(&mut rest[..silent]);
                missing += silent;
                silent
            } else if self.head < at && here > 0 {
                let late = here.min((at - self.head) as usize);
                self.take(end.output.skip(late), &mut visible);
                0
            } else if self.head == at && here > 0 {
                let length = rest.len().min(here);
                let taken = end.output.pop_slice(&mut rest[..length]);
                self.take(taken, &mut visible);
                self.fader.sound(&mut rest[..taken]);
                taken
            } else {
                self.fader.silence(rest);
                missing += rest.len();
                rest.len()
            };
            filled += taken;
        }
        self.want += block.len() as i64;
        end.clocks.want.store(self.want, Ordering::Relaxed);
        let dropout = missing > 0 && !self.missing_before;
        self.missing_before = missing > 0;
        Read { missing, dropout }
    }

    fn take(&mut self, samples: usize, visible: &mut usize) {
        *visible -= samples;
        self.head += samples as i64;
        self.popped += samples as u64;
    }

    /// Steps over the gaps at the head; returns the number of samples before the next one.
    fn pass_gaps(&mut self, end: &mut AudioEnd) -> u64 {
        while let Some(&gap) = end.gaps.try_peek() {
            if gap.epoch == self.epoch {
                if gap.at > self.popped {
                    return gap.at - self.popped;
                }
                self.head += gap.samples as i64;
            }
            end.gaps.try_pop();
        }
        u64::MAX
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::params::DelayMode;
    use crate::realtime::latency::{PipelineShape, Plan};
    use crate::realtime::rings::{EngineEnd, Gap, connect};
    use ringbuf::traits::Producer;

    const RATE: u32 = 48_000;

    fn ends() -> (WetReader, AudioEnd, EngineEnd) {
        let shape = PipelineShape {
            delay: 0,
            hold_back: 2,
            converter: 0,
        };
        let mut plan = Plan::new(RATE, 1, DelayMode::Low, shape);
        plan.inference = 3;
        let (audio, engine) = connect(plan, 100);
        (WetReader::new(plan.prefill(), RATE), audio, engine)
    }

    /// The output sample of number `n`: its own number, and never 0.
    fn numbers(range: std::ops::Range<usize>) -> Vec<f32> {
        range.map(|n| (n + 1) as f32).collect()
    }

    #[test]
    fn starts_with_the_prefill_then_each_sample_at_its_time() {
        let (mut reader, mut audio, mut engine) = ends();
        engine.output.push_slice(&numbers(0..20));
        let mut block = [9.0; 10];
        assert_eq!(reader.read(&mut audio, &mut block), Read::default());
        assert_eq!(block, [0.0, 0.0, 0.0, 0.0, 0.0, 1.0, 2.0, 3.0, 4.0, 5.0]);
    }

    #[test]
    fn late_samples_are_dropped_so_the_delay_stays() {
        let (mut reader, mut audio, mut engine) = ends();
        engine.output.push_slice(&numbers(0..10));
        let mut block = vec![0.0; 5 + 10 + 40];
        let read = reader.read(&mut audio, &mut block);
        assert_eq!(
            read,
            Read {
                missing: 40,
                dropout: true
            }
        );
        assert!(
            block[15] > 0.5 * block[14] && block[54] < block[15],
            "it fades: {block:?}"
        );
        engine.output.push_slice(&numbers(10..1000));
        let mut block = vec![0.0; 500];
        assert_eq!(reader.read(&mut audio, &mut block), Read::default());
        assert!(block[0] < 5.0, "it fades in: {}", block[0]);
        assert_eq!(block[300..], numbers(350..550));
    }

    #[test]
    fn a_gap_is_silence_of_its_length() {
        let (mut reader, mut audio, mut engine) = ends();
        engine.output.push_slice(&numbers(0..10));
        engine
            .gaps
            .try_push(Gap {
                epoch: 0,
                at: 10,
                samples: 1000,
            })
            .unwrap();
        engine.output.push_slice(&numbers(1010..2000));
        let mut block = vec![0.0; 5 + 10];
        reader.read(&mut audio, &mut block);
        let mut block = vec![0.0; 1000];
        assert_eq!(reader.read(&mut audio, &mut block).missing, 1000);
        assert_eq!(block[999], 0.0);
        let mut block = vec![0.0; 400];
        assert_eq!(reader.read(&mut audio, &mut block), Read::default());
        assert_eq!(block[300..], numbers(1310..1410));
    }

    #[test]
    fn a_hole_shorter_than_its_fade_does_not_click() {
        for hole in 1..300 {
            let (mut reader, mut audio, mut engine) = ends();
            engine.output.push_slice(&[1.0; 1000]);
            let gap = Gap {
                epoch: 0,
                at: 1000,
                samples: hole,
            };
            engine.gaps.try_push(gap).unwrap();
            engine.output.push_slice(&[1.0; 1000]);
            let mut block = vec![0.0; 2000];
            let read = reader.read(&mut audio, &mut block);
            assert_eq!(read.missing, hole as usize);
            let steepest = crate::realtime::fader::steepest(&block[5..]);
            assert!(steepest < 0.1, "{steepest} at a hole of {hole}");
        }
    }

    #[test]
    fn a_reset_throws_the_former_epoch_away() {
        let (mut reader, mut audio, mut engine) = ends();
        engine.output.push_slice(&numbers(0..10));
        reader.reset(&audio, 0);
        let mut block = vec![0.0; 8];
        assert_eq!(reader.read(&mut audio, &mut block).missing, 3);
        engine.clocks.out_start.store(10, Ordering::Relaxed);
        engine.clocks.epoch_reached.store(1, Ordering::Release);
        engine.output.push_slice(&numbers(0..2000));
        let mut block = vec![0.0; 400];
        assert_eq!(reader.lacking(&mut audio, 400), 0);
        assert_eq!(reader.read(&mut audio, &mut block), Read::default());
        assert_eq!(block[300..], numbers(303..403));
    }
}
