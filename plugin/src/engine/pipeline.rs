//! From the host's rate through the converter and back: the one path that the plugin, an offline
//! bounce and `mien convert` share.
//!
//! ```text
//! host rate → resampler → frames of 240 at 24 kHz → converter → padding → resampler → host rate
//! ```
//!
//! Its output depends on the input alone, not on how it was cut into pieces. Output sample `n`
//! belongs to input sample `n - delay`, and there are as many outputs as inputs, less what is held
//! back until a frame is full.

use std::time::{Duration, Instant};

use mien_audio::{StreamResampler, StreamResamplerError};
use mien_face::{Controls, Converter, FRAME, SAMPLE_RATE, StepReport};

use crate::realtime::fader::Fader;
use crate::realtime::latency::PipelineShape;

/// Samples that are resampled at once.
const BITE: usize = 256;
/// Frames over which a live exchange of converters is spread.
const CROSSFADE_FRAMES: usize = 3;

/// Something that converts frames: a [`Converter`], or a stand-in in tests.
pub trait Convert: Send {
    /// By how many samples at 24 kHz the output lies behind the input.
    fn delay(&self) -> usize;
    /// Forgets everything that was heard.
    fn reset(&mut self);
    /// Converts one frame.
    ///
    /// # Errors
    /// Text for people; the output is silence then.
    fn step(
        &mut self,
        input: &[f32; FRAME],
        output: &mut [f32; FRAME],
        controls: &Controls,
    ) -> Result<StepReport, String>;
}

impl Convert for Converter {
    fn delay(&self) -> usize {
        self.info().delay_samples as usize
    }

    fn reset(&mut self) {
        Converter::reset(self);
    }

    fn step(
        &mut self,
        input: &[f32; FRAME],
        output: &mut [f32; FRAME],
        controls: &Controls,
    ) -> Result<StepReport, String> {
        Converter::step(self, input, output, controls).map_err(|error| error.to_string())
    }
}

/// What a pipeline asks of, and tells to, the one who runs it.
pub trait Port {
    /// The controls for the next frame.
    fn controls(&mut self) -> Controls;
    /// Takes finished samples at the host's rate.
    fn emit(&mut self, samples: &[f32]);
    /// Hears about a step of the converter.
    fn stepped(&mut self, took: Duration, report: StepReport);
}

/// The path from input to output of one stream.
pub struct Pipeline {
    rate: u32,
    /// Joins the input where some of it is left out.
    joint: Fader,
    to_model: StreamResampler,
    from_model: StreamResampler,
    converter: Option<Box<dyn Convert>>,
    /// The converter that goes, and how many frames it still plays.
    former: Option<(Box<dyn Convert>, usize)>,
    /// Delay in samples at 24 kHz that converter and padding have together.
    delay: usize,
    padding: Padding,
    frame: [f32; FRAME],
    filled: usize,
    model_rate: Vec<f32>,
    host_rate: Vec<f32>,
}

impl Pipeline {
    /// A pipeline for a host of `rate` Hz, whose converters have a delay of at most `delay`
    /// samples at 24 kHz; shorter ones are padded, so that the whole delay does not depend on them.
    ///
    /// # Errors
    /// When the rate is outside of 4 to 768 kHz.
    pub fn new(rate: u32, delay: usize) -> Result<Self, StreamResamplerError> {
        let to_model = StreamResampler::new(rate, SAMPLE_RATE)?;
        let from_model = StreamResampler::new(SAMPLE_RATE, rate)?;
        Ok(Self {
            rate,
            joint: Fader::new(rate),
            model_rate: vec![0.0; to_model.most_output(BITE)],
            host_rate: vec![0.0; from_model.most_output(FRAME)],
            to_model,
            from_model,
            converter: None,
            former: None,
            delay,
            padding: Padding::default(),
            frame: [0.0; FRAME],
            filled: 0,
        })
    }

    /// What a pipeline for this rate and converter delay does to time.
    ///
    /// # Errors
    /// When the rate is outside of 4 to 768 kHz.
    pub fn shape(rate: u32, delay: usize) -> Result<PipelineShape, StreamResamplerError> {
        let pipeline = Self::new(rate, delay)?;
        Ok(PipelineShape {
            delay: pipeline.delay(),
            hold_back: hold_back(rate),
            converter: delay as u32,
        })
    }

    /// The whole delay in samples at the host's rate, rounded to a whole one.
    pub fn delay(&self) -> u32 {
        let converter = self.delay as f64 / f64::from(SAMPLE_RATE);
        let seconds = self.to_model.delay_seconds() + converter + self.from_model.delay_seconds();
        (seconds * f64::from(self.rate)).round() as u32
    }

    /// Puts a converter in, its state cleared, or none. What was in the pipeline is forgotten.
    pub fn set(&mut self, converter: Option<Box<dyn Convert>>) {
        self.converter = converter;
        self.reset();
    }

    /// Takes the converter out. What was in the pipeline is forgotten.
    pub fn take(&mut self) -> Option<Box<dyn Convert>> {
        self.former = None;
        let converter = self.converter.take();
        self.reset();
        converter
    }

    /// Whether there is a converter.
    pub fn is_live(&self) -> bool {
        self.converter.is_some()
    }

    /// Exchanges the converter. Both run until the new one has heard enough to speak, then a few
    /// frames more, over which the sound moves from one to the other.
    pub fn crossfade(&mut self, mut converter: Box<dyn Convert>) {
        converter.reset();
        let warm_up = converter.delay().div_ceil(FRAME) + 1;
        let former = self.converter.replace(converter);
        self.former = former.map(|former| (former, warm_up + CROSSFADE_FRAMES));
        self.fit_padding();
    }

    /// Whether an exchange is under way.
    pub fn is_crossfading(&self) -> bool {
        self.former.as_ref().is_some_and(|(_, left)| *left > 0)
    }

    /// Ends an exchange and gives the former converter back.
    pub fn end_crossfade(&mut self) -> Option<Box<dyn Convert>> {
        self.former.take().map(|(former, _)| former)
    }

    /// Forgets everything that was heard: after it the same input gives the same bits.
    pub fn reset(&mut self) {
        self.joint.reset();
        self.to_model.reset();
        self.from_model.reset();
        for converter in self
            .converter
            .iter_mut()
            .chain(self.former.iter_mut().map(|f| &mut f.0))
        {
            converter.reset();
        }
        self.fit_padding();
        self.padding.reset();
        self.filled = 0;
    }

    /// The next input does not go on where the latest one ended. What is in the pipeline still comes
    /// out, and what comes in is faded over it: otherwise the seam would be heard a delay later, when
    /// whoever left the input out has long faded the output in again.
    pub fn cut(&mut self) {
        self.joint.cut();
    }

    fn fit_padding(&mut self) {
        let own = self
            .converter
            .as_ref()
            .map_or(self.delay, |converter| converter.delay());
        self.padding.set(self.delay.saturating_sub(own));
    }

    /// Takes input samples and emits what is finished. Allocates nothing.
    ///
    /// # Errors
    /// The converter's own words. Silence was emitted in place of the frame.
    pub fn push(&mut self, input: &[f32], port: &mut dyn Port) -> Result<(), String> {
        let mut result = Ok(());
        let mut joined = [0.0; BITE];
        for bite in input.chunks(BITE) {
            let joined = &mut joined[..bite.len()];
            joined.copy_from_slice(bite);
            self.joint.sound(joined);
            let made = self.to_model.process(joined, &mut self.model_rate).produced;
            for at in 0..made {
                self.frame[self.filled] = self.model_rate[at];
                self.filled += 1;
                if self.filled == FRAME {
                    self.filled = 0;
                    result = result.and(self.step(port));
                }
            }
        }
        result
    }

    fn step(&mut self, port: &mut dyn Port) -> Result<(), String> {
        let mut output = [0.0; FRAME];
        let controls = port.controls();
        let started = Instant::now();
        let result = match &mut self.converter {
            Some(converter) => converter.step(&self.frame, &mut output, &controls),
            None => Ok(StepReport::default()),
        };
        if let Some((former, left)) = &mut self.former
            && *left > 0
        {
            let mut fading = [0.0; FRAME];
            // Its failure matters no more.
            let _ = former.step(&self.frame, &mut fading, &controls);
            let done = CROSSFADE_FRAMES as isize - *left as isize;
            for (i, (new, old)) in output.iter_mut().zip(&fading).enumerate() {
                let part = (done * FRAME as isize + i as isize) as f32;
                let part = (part / (CROSSFADE_FRAMES * FRAME) as f32).max(0.0);
                *new = *old + (*new - *old) * part;
            }
            *left -= 1;
        }
        let report = *result.as_ref().unwrap_or(&StepReport::default());
        port.stepped(started.elapsed(), report);
        for sample in &mut output {
            *sample = self
                .padding
                .swap(if sample.is_finite() { *sample } else { 0.0 });
        }
        let made = self
            .from_model
            .process(&output, &mut self.host_rate)
            .produced;
        port.emit(&self.host_rate[..made]);
        result.map(|_| ())
    }
}

/// Most samples at the host's rate by which the number of outputs is behind that of inputs, found by
/// counting through all phases that rate and frame can have to each other.
fn hold_back(rate: u32) -> u32 {
    let (rate, model) = (u64::from(rate), u64::from(SAMPLE_RATE));
    let behind = |pushed: u64| {
        // The resamplers give out exactly floor(n * to / from) samples for n.
        let frames = pushed * model / rate / FRAME as u64;
        pushed - frames * FRAME as u64 * rate / model
    };
    // At most a second: then as many samples as frames are whole.
    (1..=rate).map(behind).max().unwrap_or_default() as u32
}

/// A delay line.
#[derive(Default)]
struct Padding {
    line: Vec<f32>,
    position: usize,
}

impl Padding {
    fn set(&mut self, length: usize) {
        if length != self.line.len() {
            self.line.clear();
            self.line.resize(length, 0.0);
            self.position = 0;
        }
    }

    fn reset(&mut self) {
        self.line.fill(0.0);
        self.position = 0;
    }

    fn swap(&mut self, sample: f32) -> f32 {
        let length = self.line.len();
        let Some(slot) = self.line.get_mut(self.position) else {
            return sample;
        };
        self.position = (self.position + 1) % length;
        std::mem::replace(slot, sample)
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// Delays by a fixed number of samples.
    pub(in crate::engine) struct Delay(Padding);

    impl Delay {
        pub(in crate::engine) fn boxed(length: usize) -> Option<Box<dyn Convert>> {
            let mut line = Padding::default();
            line.set(length);
            Some(Box::new(Self(line)))
        }
    }

    impl Convert for Delay {
        fn delay(&self) -> usize {
            self.0.line.len()
        }
        fn reset(&mut self) {
            self.0.reset();
        }
        fn step(
            &mut self,
            input: &[f32; FRAME],
            output: &mut [f32; FRAME],
            _: &Controls,
        ) -> Result<StepReport, String> {
            for (x, y) in input.iter().zip(output) {
                *y = self.0.swap(*x);
            }
            Ok(StepReport::default())
        }
    }

    #[derive(Default)]
    struct Collect(Vec<f32>);

    impl Port for Collect {
        fn controls(&mut self) -> Controls {
            Controls::default()
        }
        fn emit(&mut self, samples: &[f32]) {
            self.0.extend_from_slice(samples);
        }
        fn stepped(&mut self, _: Duration, _: StepReport) {}
    }

    const RATES: [u32; 7] = [22_050, 24_000, 44_100, 47_999, 48_000, 96_000, 192_000];

    /// A smooth bump of 4 ms around `centre`, well inside the band of every rate.
    fn bump(rate: u32, centre: usize, length: usize) -> Vec<f32> {
        let width = rate as f32 * 0.001;
        let shape = |i: usize| (-((i as f32 - centre as f32) / width).powi(2)).exp();
        (0..length).map(shape).collect()
    }

    /// Where the bump's centre of mass lies.
    fn centre(sound: &[f32]) -> f64 {
        let weigh = |i: usize, x: f32| (i as f64 * f64::from(x), f64::from(x));
        let (sum, mass) = sound
            .iter()
            .enumerate()
            .map(|(i, &x)| weigh(i, x))
            .fold((0.0, 0.0), |a, b| (a.0 + b.0, a.1 + b.1));
        sum / mass
    }

    #[test]
    fn the_delay_is_what_it_says_at_every_rate() {
        for rate in RATES {
            for (most, own) in [(0, 0), (480, 480), (480, 123)] {
                let mut pipeline = Pipeline::new(rate, most).unwrap();
                pipeline.set(Delay::boxed(own));
                let input = bump(rate, rate as usize / 10, rate as usize / 2);
                let mut out = Collect::default();
                pipeline.push(&input, &mut out).unwrap();
                let late = centre(&out.0) - centre(&input);
                assert!(
                    (late - f64::from(pipeline.delay())).abs() < 0.51,
                    "{rate} Hz, {most}: {late} instead of {}",
                    pipeline.delay()
                );
            }
        }
    }

    #[test]
    fn any_chunking_gives_the_same_bits_and_a_reset_repeats_them() {
        for rate in RATES {
            let noise = |i: usize| ((i * 7919) % 1000) as f32 / 500.0 - 1.0;
            let input: Vec<f32> = (0..rate as usize / 3).map(noise).collect();
            let mut pipeline = Pipeline::new(rate, 100).unwrap();
            pipeline.set(Delay::boxed(100));
            let mut whole = Collect::default();
            pipeline.push(&input, &mut whole).unwrap();
            for chunk in [1, 64, 441, 1000] {
                pipeline.reset();
                let mut parts = Collect::default();
                for part in input.chunks(chunk) {
                    pipeline.push(part, &mut parts).unwrap();
                }
                assert_eq!(parts.0, whole.0, "{rate} Hz in chunks of {chunk}");
            }
        }
    }

    #[test]
    fn holds_back_what_it_says() {
        for rate in RATES {
            let shape = Pipeline::shape(rate, 0).unwrap();
            let mut pipeline = Pipeline::new(rate, 0).unwrap();
            pipeline.set(Delay::boxed(0));
            let mut out = Collect::default();
            let mut most = 0;
            for pushed in 1..=rate as usize {
                pipeline.push(&[0.0], &mut out).unwrap();
                most = most.max(pushed.saturating_sub(out.0.len()));
            }
            assert_eq!(most, shape.hold_back as usize, "{rate}");
        }
    }

    #[test]
    fn an_exchange_of_converters_is_smooth() {
        let rate = 24_000;
        let mut pipeline = Pipeline::new(rate, 200).unwrap();
        pipeline.set(Delay::boxed(200));
        let input = |i: usize| (i as f32 * 0.02).sin();
        let part = |range: std::ops::Range<usize>| range.map(input).collect::<Vec<_>>();
        let mut out = Collect::default();
        pipeline.push(&part(0..4800), &mut out).unwrap();
        pipeline.crossfade(Delay::boxed(200).unwrap());
        assert!(pipeline.is_crossfading());
        pipeline.push(&part(4800..9600), &mut out).unwrap();
        assert!(!pipeline.is_crossfading());
        assert!(pipeline.end_crossfade().is_some());
        let jump = out
            .0
            .windows(2)
            .map(|pair| (pair[1] - pair[0]).abs())
            .fold(0.0, f32::max);
        assert!(jump < 0.05, "{jump}");
    }
}
