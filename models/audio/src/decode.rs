use crate::{AudioError, Sound};
use std::fs::File;
use std::path::Path;
use symphonia::core::codecs::audio::{AudioDecoder, AudioDecoderOptions};
use symphonia::core::errors::Error;
use symphonia::core::formats::probe::Hint;
use symphonia::core::formats::{FormatOptions, FormatReader, Track, TrackType};
use symphonia::core::io::{MediaSourceStream, MediaSourceStreamOptions};
use symphonia::core::meta::MetadataOptions;

/// Reads a sound file whole: the default audio track with all its channels, at its own rate.
///
/// Encoder delay and padding are trimmed where the format tells of them. A packet that cannot be decoded becomes
/// silence of its length, so that what follows keeps its place in time; NaN and infinite samples become 0.
///
/// # Errors
/// When the file cannot be opened, is of no known format, holds no sound, or more than half of it is damaged.
pub fn decode(path: impl AsRef<Path>) -> Result<Sound, AudioError> {
    let path = path.as_ref();
    let file = File::open(path)
        .and_then(|file| {
            // Opening a folder succeeds on Unix; the reason read from it later would not tell what is wrong.
            if file.metadata()?.is_dir() {
                Err(std::io::Error::other("it is a folder"))
            } else {
                Ok(file)
            }
        })
        .map_err(|source| AudioError::Open {
            path: path.into(),
            source,
        })?;
    let unreadable = |reason: String| AudioError::Unreadable {
        path: path.into(),
        reason,
    };

    let mut hint = Hint::new();
    if let Some(extension) = path.extension().and_then(|e| e.to_str()) {
        hint.with_extension(extension);
    }
    let stream = MediaSourceStream::new(Box::new(file), MediaSourceStreamOptions::default());
    let mut format = symphonia::default::get_probe()
        .probe(
            &hint,
            stream,
            FormatOptions::default(),
            MetadataOptions::default(),
        )
        .map_err(|e| unreadable(e.to_string()))?;

    let mut reading = Reading::default();
    let ended = reading
        .read_all(format.as_mut())
        .map_err(|e| unreadable(e.to_string()))?;
    reading.finish(path, ended)
}

/// What has been read so far.
#[derive(Default)]
struct Reading {
    samples: Vec<Vec<f32>>,
    rate: u32,
    good_packets: usize,
    bad_packets: usize,
    /// Length of the last good packet: how long a bad one is taken to be if it does not tell.
    packet_frames: usize,
    chunk: Vec<Vec<f32>>,
}

impl Reading {
    /// Reads packets to the end. Gives back the reason if the stream broke off before.
    fn read_all(&mut self, format: &mut dyn FormatReader) -> Result<Option<Error>, Error> {
        let (mut track, mut decoder) = open_track(format)?;
        loop {
            let packet = match format.next_packet() {
                Ok(Some(packet)) => packet,
                Ok(None) => return Ok(None),
                // A chained Ogg file starts anew with other tracks.
                Err(Error::ResetRequired) => match open_track(format) {
                    Ok(next) => {
                        (track, decoder) = next;
                        continue;
                    }
                    Err(reason) => return Ok(Some(reason)),
                },
                // A file that was cut short ends this way: what came before is kept.
                Err(reason) => return Ok(Some(reason)),
            };
            if packet.track_id != track {
                continue;
            }
            match decoder.decode(&packet) {
                Ok(buffer) => {
                    let rate = buffer.spec().rate();
                    if self.rate == 0 {
                        self.rate = rate;
                    }
                    if rate != self.rate {
                        return Ok(Some(Error::Unsupported(
                            "the sample rate changes within the file",
                        )));
                    }
                    buffer.copy_to_vecs_planar(&mut self.chunk);
                    self.append();
                }
                Err(Error::DecodeError(_) | Error::IoError(_)) => {
                    self.bad_packets += 1;
                    self.append_silence();
                }
                Err(reason) => return Ok(Some(reason)),
            }
        }
    }

    fn append(&mut self) {
        self.good_packets += 1;
        let frames = self.chunk.first().map_or(0, Vec::len);
        if frames == 0 {
            return;
        }
        self.packet_frames = frames;
        if self.samples.len() < self.chunk.len() {
            // Channels that only start here were silent before.
            let before = self.samples.first().map_or(0, Vec::len);
            self.samples.resize(self.chunk.len(), vec![0.0; before]);
        }
        for (i, channel) in self.samples.iter_mut().enumerate() {
            match self.chunk.get(i) {
                Some(new) => {
                    channel.extend(new.iter().map(|&v| if v.is_finite() { v } else { 0.0 }))
                }
                None => channel.resize(channel.len() + frames, 0.0),
            }
        }
    }

    fn append_silence(&mut self) {
        for channel in &mut self.samples {
            channel.resize(channel.len() + self.packet_frames, 0.0);
        }
    }

    fn finish(self, path: &Path, ended: Option<Error>) -> Result<Sound, AudioError> {
        if self.samples.first().is_none_or(Vec::is_empty) {
            return Err(match ended {
                Some(reason) => AudioError::Damaged {
                    path: path.into(),
                    reason: reason.to_string(),
                },
                None if self.bad_packets > 0 => AudioError::Damaged {
                    path: path.into(),
                    reason: "no packet of it could be decoded".into(),
                },
                None => AudioError::Empty { path: path.into() },
            });
        }
        if self.bad_packets > self.good_packets {
            let reason = format!(
                "{} of {} packets could not be decoded",
                self.bad_packets,
                self.bad_packets + self.good_packets
            );
            return Err(AudioError::Damaged {
                path: path.into(),
                reason,
            });
        }
        Ok(Sound {
            samples: self.samples,
            rate: self.rate,
        })
    }
}

/// The number of the track to play, and a fresh decoder for it.
fn open_track(format: &dyn FormatReader) -> Result<(u32, Box<dyn AudioDecoder>), Error> {
    let track: &Track = format
        .default_track(TrackType::Audio)
        .ok_or(Error::Unsupported("no audio track in it"))?;
    let parameters = track
        .codec_params
        .as_ref()
        .and_then(|parameters| parameters.audio())
        .ok_or(Error::Unsupported("its audio track tells no codec"))?;
    let decoder = symphonia::default::get_codecs()
        .make_audio_decoder(parameters, &AudioDecoderOptions::default())?;
    Ok((track.id, decoder))
}
