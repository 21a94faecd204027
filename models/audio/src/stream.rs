use crate::resample::greatest_common_divisor;
use rubato::audioadapter_buffers::direct::SequentialSlice;
use rubato::{
    Async, FixedAsync, Resampler, SincInterpolationParameters, SincInterpolationType,
    WindowFunction,
};
use std::fmt;

/// Length of the filter, in samples of the lower of the two rates. Its half is the delay. See the tests for what this
/// length gives: the shortest one that keeps what folds back 80 dB down wherever the pass band reaches.
const TAPS: usize = 32;
/// Where the filter is 6 dB down, relative to the lower Nyquist frequency.
const CUTOFF: f32 = 0.975;
/// Most phases of the filter that are computed beforehand. Rates that would need more (a ratio of large primes) are
/// interpolated between phases.
const MOST_PHASES: usize = 640;
/// Phases to interpolate between.
const CUBIC_PHASES: usize = 256;
/// Rates that are taken, in samples per second.
const RATES: std::ops::RangeInclusive<u32> = 4_000..=768_000;

/// Why a [`StreamResampler`] cannot be made.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("cannot resample a stream from {from} to {to} Hz. Choose rates between 4 and 768 kHz.")]
pub struct StreamResamplerError {
    from: u32,
    to: u32,
}

/// What one call of [`StreamResampler::process`] did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Progress {
    /// Samples taken from the input.
    pub consumed: usize,
    /// Samples written to the output.
    pub produced: usize,
}

/// Changes the sample rate of a running mono stream.
///
/// After n samples of input exactly `floor(n * to / from)` samples have come out, and each of them is the same to the
/// bit however the stream was cut into blocks. Nothing is allocated after construction. At equal rates the samples pass
/// unchanged and without delay.
pub struct StreamResampler {
    from: u32,
    to: u32,
    filter: Option<Filter>,
}

impl fmt::Debug for StreamResampler {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "StreamResampler({} to {} Hz)", self.from, self.to)
    }
}

impl StreamResampler {
    /// A resampler between two rates in Hz.
    ///
    /// # Errors
    /// When a rate is outside of 4 to 768 kHz.
    pub fn new(from: u32, to: u32) -> Result<Self, StreamResamplerError> {
        let error = StreamResamplerError { from, to };
        if !RATES.contains(&from) || !RATES.contains(&to) {
            return Err(error);
        }
        let filter = if from == to {
            None
        } else {
            Some(Filter::new(from, to).ok_or(error)?)
        };
        Ok(Self { from, to, filter })
    }

    /// How much later a sound comes out than it went in, in samples of the output, all included: output sample k is the
    /// input at the time `(k - delay) / to`. In general not a whole number; constant for a pair of rates.
    pub fn delay_samples(&self) -> f64 {
        self.filter.as_ref().map_or(0.0, |filter| filter.delay)
    }

    /// The same delay in seconds.
    pub fn delay_seconds(&self) -> f64 {
        self.delay_samples() / f64::from(self.to)
    }

    /// The most samples that can come out for so many going in, if all that came before was fetched.
    pub fn most_output(&self, input: usize) -> usize {
        (input as u128 * u128::from(self.to)).div_ceil(u128::from(self.from)) as usize
    }

    /// Takes input until there is none left or the output is full, whichever comes first. Call again with the rest.
    pub fn process(&mut self, input: &[f32], output: &mut [f32]) -> Progress {
        match &mut self.filter {
            Some(filter) => filter.process(input, output),
            None => {
                let both = input.len().min(output.len());
                output[..both].copy_from_slice(&input[..both]);
                Progress {
                    consumed: both,
                    produced: both,
                }
            }
        }
    }

    /// Forgets the stream: what comes next is the start of a new one.
    pub fn reset(&mut self) {
        if let Some(filter) = &mut self.filter {
            filter.reset();
        }
    }
}

/// The resampler for rates that differ.
///
/// `rubato` works in chunks of fixed length, so that its arithmetic never depends on the caller's blocks. How many samples
/// come out of a chunk varies; they wait in `ready`, which starts with some zeros, so that the exact number is always there.
struct Filter {
    inner: Async<f32>,
    from: u64,
    to: u64,
    chunk: Vec<f32>,
    filled: usize,
    ready: Vec<f32>,
    /// The part of `ready` that holds samples.
    start: usize,
    end: usize,
    primed: usize,
    /// Input that has not yet come out, in units of 1 / (from * to) seconds.
    owed: u64,
    delay: f64,
}

impl Filter {
    fn new(from: u32, to: u32) -> Option<Self> {
        let (from, to) = (from as usize, to as usize);
        let phases = to / greatest_common_divisor(from, to);
        let (phases, interpolation) = if phases <= MOST_PHASES {
            (phases, SincInterpolationType::Nearest)
        } else {
            (CUBIC_PHASES, SincInterpolationType::Cubic)
        };
        // rubato counts the length in samples of the input and rounds it up to a multiple of 8.
        let len = (TAPS * from).div_ceil(to).max(TAPS).next_multiple_of(8);
        let parameters = SincInterpolationParameters {
            sinc_len: len,
            f_cutoff: Some(CUTOFF),
            oversampling_factor: phases,
            interpolation,
            window: WindowFunction::BlackmanHarris,
        };
        // One sample at common rates, so that a chunk adds nothing to the delay; a few at high ones to save time.
        let chunk = (from / 48_000).max(1);
        let ratio = to as f64 / from as f64;
        let inner = Async::new_sinc(ratio, 1.0, &parameters, chunk, 1, FixedAsync::Input).ok()?;

        // After n samples rubato has given out floor((n - 2) * to / from), where n counts whole chunks. Where the ratio
        // is no power of two its position is rounded, and one sample may come one chunk later.
        let late = chunk + 1;
        let exact = (from % to == 0 && (from / to).is_power_of_two())
            || (to % from == 0 && (to / from).is_power_of_two());
        let primed = if exact {
            (late * to).div_ceil(from)
        } else {
            late * to / from + 1
        };
        // The middle of the filter, and rubato's first position, which lies one step minus one phase after the start.
        let delay = (len as f64 / 2.0 - 1.0 / phases as f64) * ratio - 1.0 + primed as f64;
        let room = primed + 2 * inner.output_frames_max() + 2;
        Some(Self {
            inner,
            from: from as u64,
            to: to as u64,
            chunk: vec![0.0; chunk],
            filled: 0,
            ready: vec![0.0; room],
            start: 0,
            end: primed,
            primed,
            owed: 0,
            delay,
        })
    }

    fn reset(&mut self) {
        self.inner.reset();
        self.filled = 0;
        self.ready.fill(0.0);
        (self.start, self.end) = (0, self.primed);
        self.owed = 0;
    }

    fn process(&mut self, input: &[f32], output: &mut [f32]) -> Progress {
        let mut progress = Progress {
            consumed: 0,
            produced: 0,
        };
        loop {
            while self.owed >= self.from && progress.produced < output.len() {
                self.owed -= self.from;
                output[progress.produced] = self.take();
                progress.produced += 1;
            }
            if self.owed >= self.from || progress.consumed == input.len() {
                return progress;
            }
            self.put(input[progress.consumed]);
            progress.consumed += 1;
            self.owed += self.to;
        }
    }

    fn take(&mut self) -> f32 {
        if self.start == self.end {
            debug_assert!(false, "the zeros at the start always last");
            return 0.0;
        }
        self.start += 1;
        self.ready[self.start - 1]
    }

    fn put(&mut self, sample: f32) {
        self.chunk[self.filled] = sample;
        self.filled += 1;
        if self.filled < self.chunk.len() {
            return;
        }
        self.filled = 0;
        self.ready.copy_within(self.start..self.end, 0);
        (self.start, self.end) = (0, self.end - self.start);
        let room = self.ready.len() - self.end;
        // Fails only for buffers that are too short; `ready` has room for two chunks beyond what ever waits.
        let made = SequentialSlice::new(&self.chunk, 1, self.chunk.len())
            .ok()
            .and_then(|chunk| {
                let mut sink =
                    SequentialSlice::new_mut(&mut self.ready[self.end..], 1, room).ok()?;
                self.inner.process_into_buffer(&chunk, &mut sink, None).ok()
            });
        debug_assert!(made.is_some());
        self.end += made.map_or(0, |(_, produced)| produced);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::f64::consts::TAU;

    const RATES_TO_24: [u32; 9] = [
        22_050, 32_000, 44_100, 48_000, 88_200, 96_000, 176_400, 192_000, 37_123,
    ];

    fn pairs() -> impl Iterator<Item = (u32, u32)> {
        RATES_TO_24
            .into_iter()
            .flat_map(|rate| [(rate, 24_000), (24_000, rate)])
    }

    fn run(
        resampler: &mut StreamResampler,
        input: &[f32],
        mut blocks: impl FnMut() -> usize,
    ) -> Vec<f32> {
        let (mut all, mut at) = (Vec::new(), 0);
        while at < input.len() {
            let end = (at + blocks()).min(input.len());
            let mut out = vec![0.0; resampler.most_output(end - at)];
            let progress = resampler.process(&input[at..end], &mut out);
            assert_eq!(progress.consumed, end - at, "the output has room for all");
            all.extend_from_slice(&out[..progress.produced]);
            at = end;
        }
        all
    }

    fn convert(from: u32, to: u32, input: &[f32]) -> Vec<f32> {
        run(&mut StreamResampler::new(from, to).unwrap(), input, || 512)
    }

    fn sine(hz: f64, rate: u32, len: usize) -> Vec<f32> {
        (0..len)
            .map(|i| (TAU * hz * i as f64 / f64::from(rate)).sin() as f32)
            .collect()
    }

    fn db(ratio: f64) -> f64 {
        20.0 * ratio.max(1e-12).log10()
    }

    /// Complex amplitude at a frequency, over the steady part, with a window that sees only the neighbourhood.
    fn amplitude(x: &[f32], hz: f64, rate: u32) -> (f64, f64) {
        let skip = 400.min(x.len() / 4);
        let x = &x[skip..];
        let (mut re, mut im, mut sum) = (0.0, 0.0, 0.0);
        for (i, &v) in x.iter().enumerate() {
            let w = 0.5 - 0.5 * (TAU * (i as f64 + 0.5) / x.len() as f64).cos();
            let w = w * w;
            let phase = TAU * hz * (i + skip) as f64 / f64::from(rate);
            re += w * f64::from(v) * phase.cos();
            im += w * f64::from(v) * phase.sin();
            sum += w;
        }
        (2.0 * im / sum, 2.0 * re / sum)
    }

    #[test]
    fn chunking_changes_no_bit_and_the_count_is_exact() {
        let mut state = 1_u32;
        let mut random = move |most: usize| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 8) as usize % most
        };
        for (from, to) in pairs() {
            let input: Vec<f32> = (0..20_011)
                .map(|_| random(20_001) as f32 / 10_000.0 - 1.0)
                .collect();
            let mut resampler = StreamResampler::new(from, to).unwrap();
            let whole = run(&mut resampler, &input, || usize::MAX / 2);
            assert_eq!(
                whole.len() as u64,
                input.len() as u64 * u64::from(to) / u64::from(from)
            );
            resampler.reset();
            assert!(
                whole == run(&mut resampler, &input, || 1),
                "{from} to {to}, single samples after a reset"
            );
            for most in [3, 65, 5000] {
                resampler.reset();
                assert!(
                    whole == run(&mut resampler, &input, || 1 + random(most)),
                    "{from} to {to}, blocks up to {most}"
                );
            }
        }
    }

    #[test]
    fn a_short_output_loses_nothing() {
        for (from, to) in [(44_100, 24_000), (24_000, 192_000)] {
            let input = sine(700.0, from, 3000);
            let whole = convert(from, to, &input);
            let mut resampler = StreamResampler::new(from, to).unwrap();
            let (mut got, mut at) = (Vec::new(), 0);
            loop {
                let mut out = [0.0; 7];
                let progress = resampler.process(&input[at..(at + 11).min(input.len())], &mut out);
                got.extend_from_slice(&out[..progress.produced]);
                at += progress.consumed;
                if progress
                    == (Progress {
                        consumed: 0,
                        produced: 0,
                    })
                {
                    break;
                }
            }
            assert!(got == whole);
        }
    }

    #[test]
    fn delay_is_as_told_and_short() {
        for (from, to) in pairs() {
            let delay = StreamResampler::new(from, to).unwrap().delay_samples();
            for hz in [200.0, 3000.0] {
                let out = convert(from, to, &sine(hz, from, from as usize / 4));
                let (re, im) = amplitude(&out, hz, to);
                let phase = (TAU * hz * delay / f64::from(to) + im.atan2(re)).rem_euclid(TAU);
                let off = if phase > TAU / 2.0 {
                    phase - TAU
                } else {
                    phase
                } / TAU
                    / hz
                    * f64::from(to);
                assert!(
                    off.abs() < 2e-3,
                    "{from} to {to}: told {delay:.3}, off by {off:.4} samples"
                );
            }
            let ms = delay / f64::from(to) * 1e3;
            println!("{from} to {to}: {delay:.3} samples, {ms:.3} ms");
            assert!(ms < 1.1, "{from} to {to}: {ms:.3} ms");
        }
    }

    #[test]
    fn an_impulse_peaks_at_the_delay() {
        let mut input = vec![0.0; 4800];
        input[2400] = 1.0;
        for to in [24_000, 44_100] {
            let out = convert(48_000, to, &input);
            let peak = (0..out.len())
                .max_by(|&a, &b| out[a].total_cmp(&out[b]))
                .unwrap() as f64;
            let told = 2400.0 * f64::from(to) / 48_000.0
                + StreamResampler::new(48_000, to).unwrap().delay_samples();
            assert!(
                (peak - told).abs() <= 0.51,
                "{to}: peak at {peak}, told {told}"
            );
        }
    }

    #[test]
    fn pass_band_is_flat() {
        for (from, to) in pairs() {
            let nyquist = f64::from(from.min(to)) / 2.0;
            for part in [0.005, 0.2, 0.4, 0.6, 0.7, 0.8] {
                let hz = nyquist * part;
                let out = convert(from, to, &sine(hz, from, from as usize / 4));
                let (re, im) = amplitude(&out, hz, to);
                let gain = db(re.hypot(im));
                println!("{from} to {to}, {part}: {gain:.3} dB");
                assert!(gain.abs() < 0.2, "{from} to {to}, {hz:.0} Hz: {gain:.3} dB");
            }
        }
    }

    #[test]
    fn what_folds_back_stays_80_db_down() {
        for (from, to) in pairs() {
            let (from_hz, to_hz) = (f64::from(from), f64::from(to));
            // Where a sound would come out in the pass band, 0.8 of the lower Nyquist frequency, although it must not:
            // going down, sounds above the new Nyquist frequency; going up, the mirror images of those below the old one.
            for part in [0.05, 0.3, 0.6, 0.8] {
                let seen = from_hz.min(to_hz) / 2.0 * part;
                let (sent, image) = if from > to {
                    (to_hz - seen, seen)
                } else {
                    (seen, from_hz - seen)
                };
                if sent > from_hz / 2.0 || image > to_hz / 2.0 {
                    continue;
                }
                let out = convert(from, to, &sine(sent, from, from as usize / 2));
                let (re, im) = amplitude(&out, image, to);
                let left = db(re.hypot(im));
                println!("{from} to {to}: {sent:.0} Hz at {image:.0} Hz: {left:.1} dB");
                assert!(
                    left < -80.0,
                    "{from} to {to}: {sent:.0} Hz at {image:.0} Hz: {left:.1} dB"
                );
            }
        }
    }

    #[test]
    fn equal_rates_pass_through() {
        let input = sine(1000.0, 24_000, 1000);
        let mut resampler = StreamResampler::new(24_000, 24_000).unwrap();
        assert_eq!(resampler.delay_samples(), 0.0);
        assert_eq!(run(&mut resampler, &input, || 37), input);
    }

    #[test]
    fn unfit_rates_are_refused() {
        let told = StreamResampler::new(0, 24_000).unwrap_err().to_string();
        assert!(told.contains("4 and 768 kHz"), "{told}");
    }
}
