//! Joins two audio clocks. A microphone and a pair of headphones are usually two devices, and no two
//! crystals agree: within minutes a plain ring between them would run full or empty.
//!
//! The writing side pushes samples into a ring. The reading side resamples them by a ratio that a slow
//! controller bends, by half a percent at most, so that the ring stays filled to a reserve. The reserve
//! starts as short as the two block sizes allow, and grows each time it was too short. A device of
//! another sample rate is the same thing with another ratio to start from.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use ringbuf::traits::{Consumer, Observer, Producer, Split};
use ringbuf::{HeapCons, HeapProd, HeapRb};
use rubato::audioadapter_buffers::direct::SequentialSlice;
use rubato::{
    Adjustable, Async, FixedAsync, Resampler, SincInterpolationParameters, WindowFunction,
};

/// Output samples that are resampled at a time. Short, because what is left of them waits.
const CHUNK: usize = 32;

/// Taps of the resampler: a pass band up to 0.9 of the Nyquist frequency for half a millisecond.
const TAPS: usize = 64;

/// Farthest that the ratio is bent. It is far above what clocks differ by, and below what is heard.
const FARTHEST: f64 = 0.005;

/// How much the ratio is bent per second that the ring is too full, in 1/s: the level is corrected
/// within some ten seconds, so that the sawtooth of the blocks does not reach the pitch.
const PROPORTIONAL: f64 = 0.1;

/// How fast the clocks' lasting difference is learned, in 1/s²; critically damped.
const INTEGRAL: f64 = PROPORTIONAL * PROPORTIONAL / 4.0;

/// Time over which the ring's level is averaged, in s.
const AVERAGED: f64 = 0.5;

/// Reserve for the jitter of two threads, in s.
const JITTER: f64 = 0.002;

/// Longest reserve, in s.
const LONGEST: f64 = 0.25;

/// By how much the reserve grows when it was too short.
const GROWTH: f64 = 1.4;

/// What the ring holds, in s.
const CAPACITY: f64 = 1.0;

/// The two sides of a bridge.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Sides {
    /// Sample rate of the writing side in Hz.
    pub from: u32,
    /// Sample rate of the reading side in Hz.
    pub to: u32,
    /// Usual block of the writing side, in its samples.
    pub from_block: u32,
    /// Usual block of the reading side, in its samples.
    pub to_block: u32,
}

/// The writing end. Mono.
pub struct Writer {
    ring: HeapProd<f32>,
    lost: Arc<AtomicU64>,
}

/// The reading end. Mono.
pub struct Reader {
    ring: HeapCons<f32>,
    resampler: Async<f32>,
    sides: Sides,
    /// What the ring is to hold on average when a block is asked for, in s.
    reserve: f64,
    /// The averaged level in s.
    level: f64,
    /// The clocks' difference as learned so far.
    learned: f64,
    /// Silent until the reserve is there.
    filling: bool,
    input: Vec<f32>,
    ready: [f32; CHUNK],
    read: usize,
    last: f32,
    lost: Arc<AtomicU64>,
}

/// Makes both ends. Allocates.
///
/// # Errors
/// For rates that no resampler can join; text for people.
pub fn bridge(sides: Sides) -> Result<(Writer, Reader), String> {
    let (writer, ring) = ring(sides.from);
    let reader = Reader::new(ring, sides, writer.lost.clone())?;
    Ok((writer, reader))
}

/// The writing end alone, and what a [`Reader`] can be made of when the other side is known.
pub fn ring(rate: u32) -> (Writer, HeapCons<f32>) {
    let (ring, reading) = HeapRb::new((f64::from(rate) * CAPACITY) as usize + 1).split();
    let lost = Arc::default();
    (Writer { ring, lost }, reading)
}

impl Writer {
    /// Counts the samples that were lost, for a [`Reader`] of this writer's ring.
    pub fn lost(&self) -> Arc<AtomicU64> {
        self.lost.clone()
    }

    /// Writes samples. What finds no room is dropped and counted. Real-time safe.
    pub fn write(&mut self, samples: impl ExactSizeIterator<Item = f32>) {
        let wanted = samples.len();
        let written = self.ring.push_iter(samples);
        if written < wanted {
            self.lost
                .fetch_add((wanted - written) as u64, Ordering::Relaxed);
        }
    }
}

impl Reader {
    /// The reading end of a ring made by [`ring()`]. Allocates.
    ///
    /// # Errors
    /// For rates that no resampler can join; text for people.
    pub fn new(ring: HeapCons<f32>, sides: Sides, lost: Arc<AtomicU64>) -> Result<Self, String> {
        let ratio = f64::from(sides.to) / f64::from(sides.from.max(1));
        let resampler = Async::new_sinc(
            ratio,
            1.0 + 2.0 * FARTHEST,
            &SincInterpolationParameters::new(TAPS, WindowFunction::BlackmanHarris2),
            CHUNK,
            1,
            FixedAsync::Output,
        )
        .map_err(|error| {
            format!(
                "{} Hz and {} Hz cannot be joined ({error}).",
                sides.from, sides.to
            )
        })?;
        let blocks = f64::from(sides.from_block) / f64::from(sides.from.max(1))
            + f64::from(sides.to_block) / f64::from(sides.to.max(1));
        let reserve = (blocks + JITTER).min(LONGEST);
        Ok(Self {
            ring,
            input: vec![0.0; resampler.input_frames_max()],
            resampler,
            sides,
            reserve,
            level: reserve,
            learned: 0.0,
            filling: true,
            ready: [0.0; CHUNK],
            read: CHUNK,
            last: 0.0,
            lost,
        })
    }

    /// Reads samples; silence where there are none. Real-time safe.
    pub fn read(&mut self, output: &mut [f32]) {
        self.steer(output.len());
        for sample in output {
            if self.read == CHUNK {
                self.refill();
                self.read = 0;
            }
            *sample = self.ready[self.read];
            self.read += 1;
        }
    }

    /// Seconds of sound in the ring.
    fn held(&self) -> f64 {
        let waiting = (CHUNK - self.read) as f64 / f64::from(self.sides.to);
        self.ring.occupied_len() as f64 / f64::from(self.sides.from) + waiting
    }

    /// Bends the ratio, once per block of the reading side.
    fn steer(&mut self, samples: usize) {
        let held = self.held();
        if self.filling {
            if held < self.reserve {
                return;
            }
            self.filling = false;
            self.level = self.reserve;
            self.drop_beyond(self.reserve);
        } else if held > 2.0 * LONGEST + self.reserve {
            // The reader stood still; what piled up would stay as a delay for minutes.
            self.drop_beyond(self.reserve);
            self.level = self.reserve;
        }
        let time = samples as f64 / f64::from(self.sides.to);
        self.level += (self.held() - self.level) * (time / (AVERAGED + time));
        let error = self.level - self.reserve;
        self.learned =
            (self.learned + INTEGRAL * error * time).clamp(-FARTHEST / 2.0, FARTHEST / 2.0);
        let bend = (PROPORTIONAL * error + self.learned).clamp(-FARTHEST, FARTHEST);
        // It fails only outside of the range that the resampler was made for.
        let _ = self
            .resampler
            .set_resample_ratio_relative(1.0 / (1.0 + bend), true);
    }

    fn drop_beyond(&mut self, seconds: f64) {
        let keep = (seconds * f64::from(self.sides.from)) as usize;
        let held = self.ring.occupied_len();
        if held > keep {
            self.ring.skip(held - keep);
        }
    }

    fn refill(&mut self) {
        let needed = self.resampler.input_frames_next();
        if self.filling || self.ring.occupied_len() < needed {
            if !self.filling {
                self.filling = true;
                self.reserve = (self.reserve * GROWTH).min(LONGEST);
                self.lost.fetch_add(CHUNK as u64, Ordering::Relaxed);
            }
            // A hole begins with a short fall, not with a step.
            for (i, sample) in self.ready.iter_mut().enumerate() {
                *sample = self.last * (1.0 - (i + 1) as f32 / CHUNK as f32);
            }
            self.last = 0.0;
            return;
        }
        let input = &mut self.input[..needed];
        self.ring.pop_slice(input);
        let made = SequentialSlice::new(&*input, 1, needed)
            .ok()
            .zip(SequentialSlice::new_mut(&mut self.ready, 1, CHUNK).ok())
            .and_then(|(from, mut to)| {
                self.resampler
                    .process_into_buffer(&from, &mut to, None)
                    .ok()
            });
        if made.is_none() {
            self.ready.fill(0.0);
        }
        self.last = self.ready[CHUNK - 1];
    }

    /// Samples that were missing or found no room, on either side, since the bridge was made.
    #[cfg(test)]
    fn lost(&self) -> u64 {
        self.lost.load(Ordering::Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::f64::consts::TAU;

    /// Runs both sides for `seconds` by simulated clocks. Gives what was read.
    fn run(sides: Sides, drift: f64, seconds: f64) -> (Vec<f32>, Reader) {
        let (mut writer, mut reader) = bridge(sides).unwrap();
        let from = f64::from(sides.from) * (1.0 + drift);
        let write_every = f64::from(sides.from_block) / from;
        let read_every = f64::from(sides.to_block) / f64::from(sides.to);
        let (mut next_write, mut next_read) = (write_every, read_every * 1.37);
        let (mut written, mut heard) = (0_u64, Vec::new());
        let mut block = vec![0.0; sides.to_block as usize];
        while next_read < seconds {
            if next_write <= next_read {
                let sine = |n: u64| (TAU * 440.0 * n as f64 / from).sin() as f32 * 0.5;
                let samples = (0..u64::from(sides.from_block)).map(|i| sine(written + i));
                writer.write(samples.collect::<Vec<_>>().into_iter());
                written += u64::from(sides.from_block);
                next_write += write_every;
            } else {
                reader.read(&mut block);
                heard.extend_from_slice(&block);
                next_read += read_every;
            }
        }
        (heard, reader)
    }

    #[test]
    fn clocks_that_drift_apart_lose_nothing_and_do_not_click() {
        for drift in [3e-4, -3e-4] {
            let sides = Sides {
                from: 48_000,
                to: 48_000,
                from_block: 480,
                to_block: 128,
            };
            let (heard, reader) = run(sides, drift, 120.0);
            assert_eq!(reader.lost(), 0, "{drift}");
            // The last ten seconds: a whole sine, whose steps are as small as a sine's.
            let end = &heard[heard.len() - 480_000..];
            let steepest = 0.5 * (TAU * 440.0 / 48_000.0) as f32 * 1.05;
            let step = |pair: &[f32]| (pair[1] - pair[0]).abs();
            let worst = end.windows(2).map(step).fold(0.0, f32::max);
            assert!(worst < steepest, "{drift}: {worst}");
            let power: f32 = end.iter().map(|x| x * x).sum::<f32>() / end.len() as f32;
            assert!((power - 0.125).abs() < 0.002, "{drift}: {power}");
            assert!(
                (reader.learned - drift).abs() < 5e-5,
                "{drift}: {}",
                reader.learned
            );
            // The delay is the reserve, not what drifted together.
            assert!((reader.level - reader.reserve).abs() < 0.003);
        }
    }

    #[test]
    fn other_rates_are_joined() {
        for (from, to) in [(44_100, 48_000), (48_000, 44_100), (16_000, 48_000)] {
            let sides = Sides {
                from,
                to,
                from_block: 256,
                to_block: 512,
            };
            let (heard, reader) = run(sides, 1e-4, 20.0);
            assert_eq!(reader.lost(), 0, "{from} to {to}");
            let end = &heard[heard.len() - to as usize..];
            let risen = end
                .windows(2)
                .filter(|pair| pair[0] < 0.0 && pair[1] >= 0.0);
            let periods = risen.count();
            assert!((439..=441).contains(&periods), "{from} to {to}: {periods}");
        }
    }

    #[test]
    fn a_reserve_that_was_too_short_grows_and_a_hole_has_no_step() {
        let sides = Sides {
            from: 48_000,
            to: 48_000,
            from_block: 64,
            to_block: 64,
        };
        let (mut writer, mut reader) = bridge(sides).unwrap();
        let before = reader.reserve;
        let mut block = [0.0; 64];
        let mut heard = Vec::new();
        for turn in 0..200 {
            // The microphone pauses for a while.
            if !(100..120).contains(&turn) {
                writer.write([0.5; 64].into_iter());
            }
            reader.read(&mut block);
            heard.extend_from_slice(&block);
        }
        assert!(reader.lost() > 0 && reader.reserve > before);
        let hole = heard.iter().rposition(|&x| x.abs() < 1e-6).unwrap();
        let falls = heard[..hole].windows(2).map(|pair| pair[0] - pair[1]);
        assert!(falls.fold(0.0, f32::max) < 0.1);
        assert!((heard.last().unwrap() - 0.5).abs() < 0.01);
    }

    #[test]
    fn what_piled_up_while_nobody_read_is_dropped() {
        let sides = Sides {
            from: 48_000,
            to: 48_000,
            from_block: 512,
            to_block: 512,
        };
        let (mut writer, mut reader) = bridge(sides).unwrap();
        for _ in 0..90 {
            writer.write([0.1; 512].into_iter());
        }
        reader.read(&mut [0.0; 512]);
        assert!(reader.held() <= reader.reserve);
    }
}
