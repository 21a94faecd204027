//! Records what comes in and what goes out as two WAV files.
//!
//! The audio thread puts both, sample by sample, into a ring; a thread of its own writes them. The
//! output is late by the converter's delay, so the writer starts it that much later: sample `n` of one
//! file belongs to sample `n` of the other, and both are of one length.

use std::collections::VecDeque;
use std::fs::File;
use std::io::{BufWriter, Seek, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use hound::{SampleFormat, WavSpec, WavWriter};
use ringbuf::traits::{Consumer, Observer, Producer, Split};
use ringbuf::{HeapCons, HeapProd, HeapRb};

/// What the ring holds, in s: a disk that is slow for longer than this loses sound.
const CAPACITY: usize = 5;
/// How often the writer looks.
const PAUSE: Duration = Duration::from_millis(20);
/// The files' headers are brought up to date after this many samples, so that a crash costs little.
const FLUSH: u64 = 96_000;
/// Samples that fit into a WAV file of 32-bit samples, whose length is a 32-bit number of bytes.
const LONGEST: u64 = (u32::MAX as u64 - 4096) / 4;

/// What both threads see.
#[derive(Default)]
struct Gauge {
    active: AtomicBool,
    /// Samples that were written.
    written: AtomicU64,
    /// Samples that found no room.
    lost: AtomicU64,
}

/// The audio thread's end.
pub struct Tap {
    ring: HeapProd<f32>,
    gauge: Arc<Gauge>,
}

impl Tap {
    /// Takes a block of input and output of one length. Real-time safe.
    pub fn take(&mut self, input: &[f32], output: &[f32]) {
        if !self.gauge.active.load(Ordering::Acquire) {
            return;
        }
        let room = (self.ring.vacant_len() / 2).min(input.len());
        let both = input.iter().zip(output).take(room);
        self.ring.push_iter(both.flat_map(|(&a, &b)| [a, b]));
        if room < input.len() {
            let lost = (input.len() - room) as u64;
            self.gauge.lost.fetch_add(lost, Ordering::Relaxed);
        }
    }
}

/// The host's end.
pub struct Recorder {
    folder: PathBuf,
    gauge: Arc<Gauge>,
    stream: Option<Stream>,
    job: Option<Job>,
}

/// What the audio thread of the present stream brings.
struct Stream {
    ring: HeapCons<f32>,
    rate: u32,
    latency: u32,
}

/// A recording under way.
struct Job {
    rate: u32,
    thread: JoinHandle<(Stream, Result<(), String>)>,
    paths: [PathBuf; 2],
}

impl Recorder {
    /// A recorder that makes its files in this folder.
    pub fn new(folder: PathBuf) -> Self {
        Self {
            folder,
            gauge: Arc::default(),
            stream: None,
            job: None,
        }
    }

    /// The folder.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// The end for the audio thread of a new stream, whose output is `latency` samples late. A
    /// recording under way must be stopped before.
    pub fn tap(&mut self, rate: u32, latency: u32) -> Tap {
        let (ring, reading) = HeapRb::new(rate as usize * 2 * CAPACITY).split();
        self.stream = Some(Stream {
            ring: reading,
            rate,
            latency,
        });
        Tap {
            ring,
            gauge: self.gauge.clone(),
        }
    }

    /// Starts to record. Nothing happens while a recording is under way.
    ///
    /// # Errors
    /// Text for people, where the files cannot be made.
    pub fn start(&mut self) -> Result<(), String> {
        if self.job.is_some() {
            return Ok(());
        }
        let Some(mut stream) = self.stream.take() else {
            return Err("There is nothing to record before the sound runs.".into());
        };
        stream.ring.clear();
        let made = create(&self.folder, stream.rate);
        let (paths, writers) = match made {
            Ok(made) => made,
            Err(text) => {
                self.stream = Some(stream);
                return Err(text);
            }
        };
        self.gauge.written.store(0, Ordering::Relaxed);
        self.gauge.lost.store(0, Ordering::Relaxed);
        self.gauge.active.store(true, Ordering::Release);
        let (gauge, rate) = (self.gauge.clone(), stream.rate);
        let thread = std::thread::spawn(move || {
            let mut stream = stream;
            let result = write(&mut stream, writers, &gauge);
            // After an error the audio thread need not bring more.
            gauge.active.store(false, Ordering::Release);
            (stream, result)
        });
        self.job = Some(Job {
            rate,
            thread,
            paths,
        });
        Ok(())
    }

    /// Stops, and tells what became of it; `None` where nothing was recorded.
    pub fn stop(&mut self) -> Option<String> {
        let job = self.job.take()?;
        self.gauge.active.store(false, Ordering::Release);
        let Ok((stream, result)) = job.thread.join() else {
            return Some("The recording failed.".into());
        };
        self.stream = Some(stream);
        let name = |path: &PathBuf| {
            path.file_name()
                .map(|name| name.to_string_lossy().into_owned())
        };
        let names: Vec<String> = job.paths.iter().filter_map(name).collect();
        let lost = self.gauge.lost.load(Ordering::Relaxed);
        Some(match result {
            Err(text) => text,
            Ok(()) if lost > 0 => format!(
                "Saved {}, but the disk was too slow for {:.1} s of it.",
                names.join(" and "),
                lost as f32 / job.rate as f32
            ),
            Ok(()) => format!(
                "Saved {} in {}.",
                names.join(" and "),
                self.folder.display()
            ),
        })
    }

    /// Ends a recording whose writer gave up; tells why. Call it now and then.
    pub fn poll(&mut self) -> Option<String> {
        let failed = self.job.as_ref()?.thread.is_finished();
        failed.then(|| self.stop()).flatten()
    }

    /// Seconds recorded so far, while recording.
    pub fn seconds(&self) -> Option<f32> {
        let job = self.job.as_ref()?;
        Some(self.gauge.written.load(Ordering::Relaxed) as f32 / job.rate as f32)
    }
}

type Writers<W> = [WavWriter<W>; 2];

/// Makes the two files of the next take.
fn create(folder: &Path, rate: u32) -> Result<([PathBuf; 2], Writers<BufWriter<File>>), String> {
    std::fs::create_dir_all(folder).map_err(|error| {
        format!(
            "Cannot make the folder {} ({error}). Make it, or free some room.",
            folder.display()
        )
    })?;
    let paths = |take: u32| {
        ["in", "out"].map(|side| folder.join(format!("Mien take {take:03} {side}.wav")))
    };
    let free = (1..=9999).find(|&take| paths(take).iter().all(|path| !path.exists()));
    let paths = paths(free.ok_or("The folder is full of takes: move some away.")?);
    let spec = WavSpec {
        channels: 1,
        sample_rate: rate,
        bits_per_sample: 32,
        sample_format: SampleFormat::Float,
    };
    let open = |path: &PathBuf| {
        WavWriter::create(path, spec).map_err(|error| {
            format!(
                "Cannot write {} ({error}). Check the folder, and that the disk has room.",
                path.display()
            )
        })
    };
    let writers = [open(&paths[0])?, open(&paths[1])?];
    Ok((paths, writers))
}

/// Writes until the recording is no longer active and the ring is empty.
fn write<W: Write + Seek>(
    stream: &mut Stream,
    [mut input, mut output]: Writers<W>,
    gauge: &Gauge,
) -> Result<(), String> {
    let failed = |error: hound::Error| {
        format!("Recording stopped: the disk is full or cannot be written ({error}).")
    };
    let mut waiting = VecDeque::with_capacity(stream.latency as usize + 1);
    let (mut pairs, mut flushed) = (0_u64, 0);
    loop {
        let active = gauge.active.load(Ordering::Acquire);
        while stream.ring.occupied_len() >= 2 {
            let [before, after] = [0; 2].map(|_| stream.ring.try_pop().unwrap_or_default());
            waiting.push_back(before);
            pairs += 1;
            if pairs > u64::from(stream.latency) {
                let before = waiting.pop_front().unwrap_or_default();
                input.write_sample(before).map_err(failed)?;
                output.write_sample(after).map_err(failed)?;
                gauge.written.fetch_add(1, Ordering::Relaxed);
            }
        }
        let written = gauge.written.load(Ordering::Relaxed);
        if written >= flushed + FLUSH {
            input.flush().map_err(failed)?;
            output.flush().map_err(failed)?;
            flushed = written;
        }
        if !active {
            break;
        }
        if written >= LONGEST {
            input.finalize().map_err(failed)?;
            output.finalize().map_err(failed)?;
            return Err("Recording stopped: a WAV file cannot be longer. It is saved.".into());
        }
        std::thread::sleep(PAUSE);
    }
    input.finalize().map_err(failed)?;
    output.finalize().map_err(failed)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Cursor;

    fn samples(path: &Path) -> Vec<f32> {
        let reader = hound::WavReader::open(path).unwrap();
        assert_eq!(reader.spec().sample_rate, 1000);
        reader.into_samples().map(Result::unwrap).collect()
    }

    #[test]
    fn the_two_files_are_in_time_with_each_other() {
        let folder = tempfile::tempdir().unwrap();
        let mut recorder = Recorder::new(folder.path().join("takes"));
        let mut tap = recorder.tap(1000, 3);
        // Not recording yet: this must not be in the files.
        tap.take(&[9.0; 4], &[9.0; 4]);
        recorder.start().unwrap();
        let sound: Vec<f32> = (0..100).map(|i| i as f32).collect();
        for (i, block) in sound.chunks(7).enumerate() {
            let late: Vec<f32> = (0..block.len()).map(|k| (i * 7 + k) as f32 - 3.0).collect();
            tap.take(block, &late);
        }
        assert!(recorder.seconds().is_some());
        let said = recorder.stop().unwrap();
        assert!(
            said.contains("Mien take 001 in.wav and Mien take 001 out.wav"),
            "{said}"
        );
        let file = |name: &str| samples(&folder.path().join("takes").join(name));
        let (input, output) = (file("Mien take 001 in.wav"), file("Mien take 001 out.wav"));
        assert_eq!(input, output);
        assert_eq!(input, sound[..97]);
        // The next take gets the next number.
        recorder.start().unwrap();
        assert!(recorder.stop().unwrap().contains("002"));
        assert_eq!(recorder.seconds(), None);
    }

    /// A disk with room for `left` bytes.
    struct SmallDisk(Cursor<Vec<u8>>, usize);

    impl Write for SmallDisk {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            if self.0.get_ref().len() + bytes.len() > self.1 {
                return Err(std::io::ErrorKind::StorageFull.into());
            }
            self.0.write(bytes)
        }
        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    impl Seek for SmallDisk {
        fn seek(&mut self, to: std::io::SeekFrom) -> std::io::Result<u64> {
            self.0.seek(to)
        }
    }

    #[test]
    fn a_full_disk_ends_the_recording_with_words() {
        let spec = WavSpec {
            channels: 1,
            sample_rate: 1000,
            bits_per_sample: 32,
            sample_format: SampleFormat::Float,
        };
        let disk = || WavWriter::new(SmallDisk(Cursor::default(), 400), spec).unwrap();
        let (ring, reading) = HeapRb::new(2000).split();
        let gauge = Arc::new(Gauge::default());
        gauge.active.store(true, Ordering::Release);
        let mut tap = Tap {
            ring,
            gauge: gauge.clone(),
        };
        tap.take(&[0.1; 500], &[0.1; 500]);
        let mut stream = Stream {
            ring: reading,
            rate: 1000,
            latency: 0,
        };
        let error = write(&mut stream, [disk(), disk()], &gauge).unwrap_err();
        assert!(error.contains("full"), "{error}");
    }

    #[test]
    fn a_folder_that_cannot_be_made_is_told_and_tried_again() {
        let folder = tempfile::tempdir().unwrap();
        let blocked = folder.path().join("file");
        std::fs::write(&blocked, "").unwrap();
        let mut recorder = Recorder::new(blocked.join("takes"));
        assert!(recorder.start().is_err());
        let _tap = recorder.tap(1000, 0);
        assert!(recorder.start().unwrap_err().contains("takes"));
        std::fs::remove_file(&blocked).unwrap();
        recorder.start().unwrap();
        assert!(recorder.stop().unwrap().starts_with("Saved"));
    }

    #[test]
    fn a_ring_without_room_is_counted() {
        let mut recorder = Recorder::new(PathBuf::from("nowhere"));
        let mut tap = recorder.tap(10, 0);
        recorder.gauge.active.store(true, Ordering::Release);
        tap.take(&[0.0; 80], &[0.0; 80]);
        assert_eq!(recorder.gauge.lost.load(Ordering::Relaxed), 30);
    }
}
