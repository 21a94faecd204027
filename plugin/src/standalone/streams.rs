//! Streams of sound devices. The output's callback drives the chain; the input's only fills a bridge.
//!
//! Nothing in the callbacks allocates, locks, waits or calls the system. What goes wrong is told by the
//! system on other threads, through [`Trouble`].

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use cpal::traits::{DeviceTrait, StreamTrait};
use cpal::{
    BufferSize, Device, ErrorKind, FromSample, I24, Sample, SampleFormat, SizedSample, Stream,
    StreamConfig, SupportedBufferSize, SupportedStreamConfigRange,
};
use ringbuf::HeapCons;

use super::bridge::{Reader, Sides, Writer, bridge};
use super::chain::Chain;
use super::volume::Fader;

/// Formats in the order in which they are taken.
const FORMATS: [SampleFormat; 4] = [
    SampleFormat::F32,
    SampleFormat::I32,
    SampleFormat::I24,
    SampleFormat::I16,
];

/// Told when a stream broke off: what the system says.
pub type Trouble = Arc<dyn Fn(String) + Send + Sync>;

/// How a stream is opened.
struct Shape {
    config: StreamConfig,
    format: SampleFormat,
}

impl Shape {
    /// The best shape at this rate, with a buffer as near to the wanted one as the device can.
    fn choose(
        ranges: impl Iterator<Item = SupportedStreamConfigRange>,
        rate: u32,
        channels: u16,
        buffer: u32,
    ) -> Option<Self> {
        let able = ranges.filter(|range| range.contains_rate(rate));
        let rank = |range: &SupportedStreamConfigRange| {
            let format = FORMATS
                .iter()
                .position(|&format| format == range.sample_format());
            // Too few channels lose more than too many.
            let count = range.channels();
            Some((count < channels, count.abs_diff(channels), format?))
        };
        let best = able
            .filter_map(|range| Some((rank(&range)?, range)))
            .min_by_key(|&(rank, _)| rank)?
            .1;
        let buffer = match best.buffer_size() {
            SupportedBufferSize::Range { min, max } if min <= max => buffer.clamp(*min, *max),
            _ => buffer,
        };
        Some(Self {
            config: StreamConfig {
                channels: best.channels(),
                sample_rate: rate,
                buffer_size: BufferSize::Fixed(buffer),
            },
            format: best.sample_format(),
        })
    }
}

/// Whether a stream goes on after this.
fn goes_on(error: &cpal::Error) -> bool {
    matches!(
        error.kind(),
        ErrorKind::Xrun | ErrorKind::DeviceChanged | ErrorKind::RealtimeDenied
    )
}

fn report(trouble: Trouble) -> impl FnMut(cpal::Error) + Send + 'static {
    move |error| {
        if !goes_on(&error) {
            trouble(error.to_string());
        }
    }
}

/// Starts a stream; one that only lacks priority is started.
fn play(stream: Stream) -> Result<Stream, String> {
    match stream.play() {
        Err(error) if !goes_on(&error) => Err(error.to_string()),
        _ => Ok(stream),
    }
}

/// Calls a generic function for the type of a sample format.
macro_rules! for_format {
    ($format:expr, $function:ident($($argument:expr),*)) => {
        match $format {
            SampleFormat::I32 => $function::<i32>($($argument),*),
            SampleFormat::I24 => $function::<I24>($($argument),*),
            SampleFormat::I16 => $function::<i16>($($argument),*),
            _ => $function::<f32>($($argument),*),
        }
    };
}

/// Opens a microphone for a chain that runs at `rate`. `beats` counts its blocks.
///
/// # Errors
/// What the system says.
pub fn input(
    device: &Device,
    rate: u32,
    buffer: u32,
    beats: Arc<AtomicU64>,
    trouble: Trouble,
) -> Result<(Stream, Reader), String> {
    let usual = device.default_input_config().ok();
    // A microphone is mono, unless its device says how many it has.
    let channels = usual.as_ref().map_or(1, |usual| usual.channels().min(2));
    let shape = |rate: u32| {
        let ranges = device.supported_input_configs().ok()?;
        Shape::choose(ranges, rate, channels, buffer)
    };
    let shape = shape(rate)
        .or_else(|| shape(usual?.sample_rate()))
        .ok_or("it has no format that Mien knows")?;
    let (writer, reader) = bridge(Sides {
        from: shape.config.sample_rate,
        to: rate,
        from_block: buffer,
        to_block: buffer,
    })?;
    let stream = for_format!(
        shape.format,
        open_input(device, shape.config, writer, beats, trouble)
    )?;
    Ok((play(stream)?, reader))
}

fn open_input<T: SizedSample>(
    device: &Device,
    config: StreamConfig,
    mut writer: Writer,
    beats: Arc<AtomicU64>,
    trouble: Trouble,
) -> Result<Stream, String>
where
    f32: FromSample<T>,
{
    let channels = usize::from(config.channels.max(1));
    let share = 1.0 / channels as f32;
    let mut first = true;
    let heard = move |data: &[T], _: &cpal::InputCallbackInfo| {
        raise_once(&mut first);
        nice_assert_no_alloc::assert_no_alloc(|| {
            beats.fetch_add(1, Ordering::Relaxed);
            let frames = data.chunks_exact(channels);
            writer.write(frames.map(|frame| {
                let sum: f32 = frame.iter().map(|&sample| f32::from_sample(sample)).sum();
                sum * share
            }));
        });
    };
    device
        .build_input_stream(config, heard, report(trouble), None)
        .map_err(|error| error.to_string())
}

/// Opens an output that drives the chain at `rate`.
///
/// # Errors
/// What the system says.
pub fn output(
    device: &Device,
    rate: u32,
    buffer: u32,
    chain: Chain,
    trouble: Trouble,
) -> Result<Stream, String> {
    let ranges = device
        .supported_output_configs()
        .map_err(|error| error.to_string())?;
    let shape = Shape::choose(ranges, rate, 2, buffer)
        .ok_or_else(|| format!("it cannot play at {rate} Hz"))?;
    let source = Source::Chain(Box::new(chain));
    let stream = for_format!(
        shape.format,
        open_output(device, shape.config, buffer, source, trouble)
    )?;
    play(stream)
}

/// Opens the headphones: another output, with a clock of its own, for what the chain writes into
/// `ring` at `from` Hz.
///
/// # Errors
/// What the system says.
pub fn monitor(
    device: &Device,
    from: u32,
    buffer: u32,
    (ring, lost): (HeapCons<f32>, Arc<AtomicU64>),
    fader: impl FnOnce(u32) -> Fader,
    trouble: Trouble,
) -> Result<Stream, String> {
    let shape = |rate: u32| {
        let ranges = device.supported_output_configs().ok()?;
        Shape::choose(ranges, rate, 2, buffer)
    };
    let usual = || Some(device.default_output_config().ok()?.sample_rate());
    let shape = shape(from)
        .or_else(|| shape(usual()?))
        .ok_or("it has no format that Mien knows")?;
    let to = shape.config.sample_rate;
    let sides = Sides {
        from,
        to,
        from_block: buffer,
        to_block: buffer,
    };
    let source = Source::Monitor(Box::new(Reader::new(ring, sides, lost)?), fader(to));
    let stream = for_format!(
        shape.format,
        open_output(device, shape.config, buffer, source, trouble)
    )?;
    play(stream)
}

/// What an output plays.
enum Source {
    Chain(Box<Chain>),
    Monitor(Box<Reader>, Fader),
}

impl Source {
    fn render(&mut self, output: &mut [f32]) {
        match self {
            Self::Chain(chain) => chain.process(None, output),
            Self::Monitor(reader, fader) => nice_assert_no_alloc::assert_no_alloc(|| {
                reader.read(output);
                fader.apply(output);
            }),
        }
    }
}

/// Gives a device's thread priority in its first call: not every audio system does.
fn raise_once(first: &mut bool) {
    if std::mem::take(first) {
        mien::priority::raise();
    }
}

fn open_output<T: SizedSample + FromSample<f32>>(
    device: &Device,
    config: StreamConfig,
    buffer: u32,
    mut source: Source,
    trouble: Trouble,
) -> Result<Stream, String> {
    let channels = usize::from(config.channels.max(1));
    let mut mono = vec![0.0_f32; buffer.max(1) as usize];
    let mut first = true;
    let wanted = move |data: &mut [T], _: &cpal::OutputCallbackInfo| {
        raise_once(&mut first);
        for part in data.chunks_mut(mono.len() * channels) {
            let mono = &mut mono[..part.len() / channels];
            source.render(mono);
            for (frame, &sample) in part.chunks_mut(channels).zip(&*mono) {
                // The voice goes to the first two channels; the others of a large card stay free.
                for (channel, slot) in frame.iter_mut().enumerate() {
                    *slot = if channel < 2 {
                        T::from_sample(sample)
                    } else {
                        T::EQUILIBRIUM
                    };
                }
            }
        }
    };
    device
        .build_output_stream(config, wanted, report(trouble), None)
        .map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn range(
        channels: u16,
        format: SampleFormat,
        low: u32,
        high: u32,
    ) -> SupportedStreamConfigRange {
        let buffer = SupportedBufferSize::Range {
            min: 128,
            max: 4096,
        };
        SupportedStreamConfigRange::new(channels, low, high, buffer, format)
    }

    #[test]
    fn the_shape_is_the_nearest_that_the_device_has() {
        let ranges = [
            range(1, SampleFormat::F32, 48_000, 48_000),
            range(8, SampleFormat::F32, 44_100, 96_000),
            range(2, SampleFormat::I16, 44_100, 96_000),
            range(2, SampleFormat::I32, 44_100, 96_000),
            range(2, SampleFormat::U8, 8000, 96_000),
        ];
        let choose = |rate, channels| {
            let shape = Shape::choose(ranges.into_iter(), rate, channels, 64)?;
            Some((shape.config.channels, shape.format))
        };
        assert_eq!(choose(48_000, 2), Some((2, SampleFormat::I32)));
        assert_eq!(choose(48_000, 1), Some((1, SampleFormat::F32)));
        assert_eq!(choose(44_100, 1), Some((2, SampleFormat::I32)));
        assert_eq!(choose(8000, 2), None);
        let shape = Shape::choose(ranges.into_iter(), 48_000, 2, 64).unwrap();
        assert_eq!(shape.config.buffer_size, BufferSize::Fixed(128));
    }
}
