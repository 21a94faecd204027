//! Sound files over the public face: what is written is read back, and damage is borne or told.

use mien_audio::{AudioError, Depth, Sound, decode, write};
use std::path::PathBuf;

fn chord(channels: usize, rate: u32, frames: usize) -> Sound {
    let channel = |c: usize| {
        (0..frames)
            .map(|i| {
                let t = i as f64 / f64::from(rate) * std::f64::consts::TAU;
                ((t * 220.0 * (c + 1) as f64).sin() * 0.5 + (t * 3501.0).sin() * 0.3) as f32
            })
            .collect()
    };
    Sound {
        samples: (0..channels).map(channel).collect(),
        rate,
    }
}

fn furthest(a: &Sound, b: &Sound) -> f32 {
    assert_eq!(
        (a.rate, a.channels(), a.frames()),
        (b.rate, b.channels(), b.frames())
    );
    let pairs = a.samples.iter().flatten().zip(b.samples.iter().flatten());
    pairs.map(|(x, y)| (x - y).abs()).fold(0.0, f32::max)
}

struct Folder(tempfile::TempDir);

impl Folder {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }
}

#[test]
fn written_sound_is_read_back() {
    let folder = Folder::new();
    for (name, depth, bound) in [
        ("a.wav", Depth::Int24, 2.0_f32.powi(-23)),
        ("a.WAV", Depth::Float32, 0.0),
        ("a.flac", Depth::Int24, 2.0_f32.powi(-23)),
    ] {
        for (channels, rate, frames) in [(1, 24_000, 5000), (2, 44_100, 4096), (2, 48_000, 1)] {
            let sound = chord(channels, rate, frames);
            write(folder.path(name), &sound, depth).unwrap();
            let far = furthest(&decode(folder.path(name)).unwrap(), &sound);
            assert!(
                far <= bound,
                "{name}, {channels} channels, {frames} frames: {far}"
            );
        }
    }
}

#[test]
fn bad_samples_are_made_good() {
    let folder = Folder::new();
    let sound = Sound::from_mono(vec![f32::NAN, f32::INFINITY, 3.0, -3.0, 0.25], 48_000);
    write(folder.path("a.wav"), &sound, Depth::Int24).unwrap();
    write(folder.path("a.flac"), &sound, Depth::Int24).unwrap();
    let read = decode(folder.path("a.wav")).unwrap();
    assert!(
        furthest(
            &read,
            &Sound::from_mono(vec![0.0, 0.0, 1.0, -1.0, 0.25], 48_000)
        ) < 1e-6
    );
    assert_eq!(read, decode(folder.path("a.flac")).unwrap());
    write(folder.path("b.wav"), &sound, Depth::Float32).unwrap();
    assert_eq!(
        decode(folder.path("b.wav")).unwrap().samples[0],
        [0.0, 0.0, 3.0, -3.0, 0.25]
    );
    // A file from elsewhere may hold NaN.
    let spec = hound::WavSpec {
        channels: 1,
        sample_rate: 8000,
        bits_per_sample: 32,
        sample_format: hound::SampleFormat::Float,
    };
    let mut writer = hound::WavWriter::create(folder.path("c.wav"), spec).unwrap();
    for sample in [f32::NAN, 0.5, f32::NEG_INFINITY] {
        writer.write_sample(sample).unwrap();
    }
    writer.finalize().unwrap();
    assert_eq!(
        decode(folder.path("c.wav")).unwrap().samples[0],
        [0.0, 0.5, 0.0]
    );
}

#[test]
fn damage_within_a_file_costs_only_what_is_damaged() {
    let folder = Folder::new();
    let sound = chord(1, 24_000, 48_000);
    let path = folder.path("a.flac");
    write(&path, &sound, Depth::Int24).unwrap();
    let mut bytes = std::fs::read(&path).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle..middle + 40].fill(0x5a);
    std::fs::write(&path, &bytes).unwrap();
    let read = decode(&path).unwrap();
    assert!(
        read.frames() > 36_000,
        "{} of 48000 frames left",
        read.frames()
    );
    let start = |s: &Sound| Sound::from_mono(s.samples[0][..8000].to_vec(), s.rate);
    assert!(furthest(&start(&read), &start(&sound)) < 1e-6);
}

#[test]
fn a_file_cut_short_gives_what_is_there() {
    let folder = Folder::new();
    for name in ["a.wav", "a.flac"] {
        let path = folder.path(name);
        write(&path, &chord(1, 24_000, 48_000), Depth::Int24).unwrap();
        let bytes = std::fs::read(&path).unwrap();
        std::fs::write(&path, &bytes[..bytes.len() / 2]).unwrap();
        let frames = decode(&path).unwrap().frames();
        assert!((16_000..=26_000).contains(&frames), "{name}: {frames}");
    }
}

#[test]
fn errors_name_the_file_and_what_to_do() {
    let folder = Folder::new();
    let sound = chord(1, 24_000, 100);
    let told = |error: AudioError, name: &str, hint: &str| {
        let told = error.to_string();
        assert!(told.contains(name) && told.contains(hint), "{told}");
    };
    told(
        decode(folder.path("missing.wav")).unwrap_err(),
        "missing.wav",
        "Check the path",
    );
    told(
        decode(folder.0.path()).unwrap_err(),
        "folder",
        "Check the path",
    );
    std::fs::write(folder.path("note.wav"), "This is no sound. ".repeat(300)).unwrap();
    told(
        decode(folder.path("note.wav")).unwrap_err(),
        "note.wav",
        "Convert it",
    );
    std::fs::write(folder.path("empty.mp3"), "").unwrap();
    told(
        decode(folder.path("empty.mp3")).unwrap_err(),
        "empty.mp3",
        "Convert it",
    );
    write(
        folder.path("none.wav"),
        &Sound::from_mono(Vec::new(), 24_000),
        Depth::Int24,
    )
    .unwrap();
    told(
        decode(folder.path("none.wav")).unwrap_err(),
        "none.wav",
        "no sound",
    );
    told(
        write(folder.path("a.mp3"), &sound, Depth::Int24).unwrap_err(),
        "a.mp3",
        ".wav and .flac",
    );
    told(
        write(folder.path("a.flac"), &sound, Depth::Float32).unwrap_err(),
        "a.flac",
        "Write a .wav",
    );
    told(
        write(folder.path("a.flac"), &chord(1, 192_000, 9), Depth::Int24).unwrap_err(),
        "a.flac",
        "Write a .wav",
    );
    told(
        write(folder.path("a.wav"), &Sound::default(), Depth::Int24).unwrap_err(),
        "a.wav",
        "no channel",
    );
    told(
        write(folder.path("no/a.wav"), &sound, Depth::Int24).unwrap_err(),
        "a.wav",
        "folder exists",
    );
    let uneven = Sound {
        samples: vec![vec![0.0; 3], vec![0.0; 4]],
        rate: 8000,
    };
    told(
        write(folder.path("a.wav"), &uneven, Depth::Int24).unwrap_err(),
        "a.wav",
        "equally long",
    );
}
