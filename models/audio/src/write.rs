use crate::{AudioError, Sound};
use flacenc::bitsink::ByteSink;
use flacenc::component::BitRepr;
use flacenc::error::Verify;
use flacenc::source::MemSource;
use std::path::Path;

/// How samples are stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Depth {
    /// 24-bit whole numbers, for WAV and FLAC. What goes past full scale is clipped.
    #[default]
    Int24,
    /// 32-bit floating point, for WAV only. Every finite sample is kept as it is.
    Float32,
}

/// Largest 24-bit value.
const FULL_SCALE: f64 = 8_388_607.0;
/// Most channels that FLAC knows.
const FLAC_CHANNELS: usize = 8;
/// Highest rate that the encoder takes.
const FLAC_RATE: u32 = 96_000;

/// Writes a sound as WAV or FLAC, as the ending of the path says. NaN and infinite samples become 0.
///
/// # Errors
/// When the ending is neither `.wav` nor `.flac`, the format cannot hold the sound, or the file cannot be written.
pub fn write(path: impl AsRef<Path>, sound: &Sound, depth: Depth) -> Result<(), AudioError> {
    let path = path.as_ref();
    let ending = path
        .extension()
        .and_then(|e| e.to_str())
        .unwrap_or_default()
        .to_ascii_lowercase();
    if !["wav", "flac"].contains(&ending.as_str()) {
        return Err(AudioError::Extension { path: path.into() });
    }
    let unstorable = |reason: &str| AudioError::Unstorable {
        path: path.into(),
        reason: reason.into(),
    };
    if sound.channels() == 0 || sound.rate == 0 {
        return Err(unstorable(
            "the sound has no channel or no sample rate. Give it both.",
        ));
    }
    if sound
        .samples
        .iter()
        .any(|channel| channel.len() != sound.frames())
    {
        return Err(unstorable(
            "its channels differ in length. Make them equally long.",
        ));
    }
    match (ending.as_str(), depth) {
        ("wav", depth) => write_wav(path, sound, depth),
        (_, Depth::Float32) => Err(unstorable(
            "FLAC holds whole numbers only. Write a .wav file, or choose 24 bit.",
        )),
        _ => write_flac(path, sound),
    }
}

fn write_wav(path: &Path, sound: &Sound, depth: Depth) -> Result<(), AudioError> {
    let failed = |error: hound::Error| match error {
        hound::Error::IoError(source) => AudioError::Write {
            path: path.into(),
            source,
        },
        other => AudioError::Unstorable {
            path: path.into(),
            reason: format!("{other}. A WAV file holds at most 4 GB: write less at once."),
        },
    };
    let channels = u16::try_from(sound.channels()).map_err(|_| AudioError::Unstorable {
        path: path.into(),
        reason: "a WAV file holds at most 65535 channels. Write fewer.".into(),
    })?;
    let (bits_per_sample, sample_format) = match depth {
        Depth::Int24 => (24, hound::SampleFormat::Int),
        Depth::Float32 => (32, hound::SampleFormat::Float),
    };
    let spec = hound::WavSpec {
        channels,
        sample_rate: sound.rate,
        bits_per_sample,
        sample_format,
    };
    let mut writer = hound::WavWriter::create(path, spec).map_err(failed)?;
    for frame in 0..sound.frames() {
        for channel in &sound.samples {
            match depth {
                Depth::Int24 => writer.write_sample(whole(channel[frame])),
                Depth::Float32 => writer.write_sample(finite(channel[frame])),
            }
            .map_err(failed)?;
        }
    }
    writer.finalize().map_err(failed)
}

fn write_flac(path: &Path, sound: &Sound) -> Result<(), AudioError> {
    let unstorable = |reason: String| AudioError::Unstorable {
        path: path.into(),
        reason,
    };
    if sound.channels() > FLAC_CHANNELS {
        return Err(unstorable(format!(
            "FLAC holds at most {FLAC_CHANNELS} channels. Write a .wav file."
        )));
    }
    if sound.rate > FLAC_RATE {
        return Err(unstorable(format!(
            "FLAC is written up to {FLAC_RATE} Hz only. Write a .wav file."
        )));
    }
    if sound.frames() == 0 {
        return Err(unstorable(
            "a FLAC file cannot be empty. Write at least one sample.".into(),
        ));
    }
    let interleaved: Vec<i32> = (0..sound.frames())
        .flat_map(|frame| {
            sound
                .samples
                .iter()
                .map(move |channel| whole(channel[frame]))
        })
        .collect();
    let source = MemSource::from_samples(&interleaved, sound.channels(), 24, sound.rate as usize);
    let config = flacenc::config::Encoder::default()
        .into_verified()
        .map_err(|(_, error)| {
            unstorable(format!(
                "the FLAC encoder refuses its settings: {error}. Write a .wav file."
            ))
        })?;
    let failed = |error: &dyn std::fmt::Display| {
        unstorable(format!(
            "the FLAC encoder failed: {error}. Write a .wav file."
        ))
    };
    let mut stream = flacenc::encode_with_fixed_block_size(&config, source, config.block_size)
        .map_err(|e| failed(&e))?;
    // RFC 9639 leaves the last, shorter block out of the least block size; the encoder counts it in, and strict readers
    // then take the file for one with blocks of varying size and find no frame in it.
    stream
        .stream_info_mut()
        .set_block_sizes(config.block_size, config.block_size)
        .map_err(|e| failed(&e))?;
    let mut bytes = ByteSink::new();
    stream.write(&mut bytes).map_err(|e| failed(&e))?;
    std::fs::write(path, bytes.as_slice()).map_err(|source| AudioError::Write {
        path: path.into(),
        source,
    })
}

fn finite(sample: f32) -> f32 {
    if sample.is_finite() { sample } else { 0.0 }
}

fn whole(sample: f32) -> i32 {
    (f64::from(finite(sample)).clamp(-1.0, 1.0) * FULL_SCALE).round() as i32
}
