//! The `mien` program with the toy engine.

use std::path::Path;
use std::process::{Command, Output};

use mien_audio::{Depth, Sound, decode, write};
use mien_tests::program::program;
use mien_tests::sound::{centre, click, rms, sine};
use mien_tests::toy;

/// Runs the program with the toy engine.
fn mien(packs: &Path, words: &[&str]) -> Output {
    Command::new(program())
        .args(words)
        .env("MIEN_ENGINE", toy::engine())
        .env("MIEN_PACKS", packs)
        .output()
        .expect("run the program")
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// A folder with the toy pack and a sound: a stereo click.
fn workplace() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    toy::write_pack(folder.path(), "Toy", &["Through", "Ring"]);
    let left = click(44_100, 20_000, 44_100);
    let sound = Sound {
        samples: vec![left.clone(), left],
        rate: 44_100,
    };
    write(folder.path().join("click.wav"), &sound, Depth::Float32).unwrap();
    folder
}

#[test]
fn converts_a_file_in_line_with_its_input() {
    let folder = workplace();
    let path = |name: &str| folder.path().join(name).to_string_lossy().into_owned();
    let (input, output, picture) = (path("click.wav"), path("out.flac"), path("out.png"));
    let words = [
        "convert",
        &input,
        "-o",
        &output,
        "--voice",
        "through",
        "--emotion",
        "sad=1",
    ];
    let done = mien(
        folder.path(),
        &[&words[..], &["--spectrogram", &picture]].concat(),
    );
    assert!(done.status.success(), "{}", text(&done.stderr));
    assert!(text(&done.stdout).contains("real time"));
    let (before, after) = (decode(&input).unwrap(), decode(&output).unwrap());
    assert_eq!(
        (after.rate, after.channels(), after.frames()),
        (44_100, 2, 44_100)
    );
    assert!((centre(&after.samples[0]) - centre(&before.samples[0])).abs() < 0.6);
    assert!((rms(&after.samples[1]) / rms(&before.samples[1]) - 0.5).abs() < 0.02);
    assert!(std::fs::read(&picture).unwrap().starts_with(b"\x89PNG"));
}

#[test]
fn converts_folders_and_changes_the_rate() {
    let folder = workplace();
    let inputs = folder.path().join("in");
    std::fs::create_dir_all(inputs.join("deep")).unwrap();
    for (name, rate) in [("a.wav", 16_000), ("deep/b.flac", 48_000)] {
        let sound = Sound::from_mono(sine(rate, 300.0, rate as usize), rate);
        write(inputs.join(name), &sound, Depth::Int24).unwrap();
    }
    let (input, output) = (inputs.to_string_lossy(), folder.path().join("out"));
    let words = [
        "convert",
        &input,
        "-o",
        &output.to_string_lossy(),
        "--rate",
        "24000",
        "--mix",
        "50",
    ];
    let done = mien(folder.path(), &words);
    assert!(done.status.success(), "{}", text(&done.stderr));
    for name in ["a.wav", "deep/b.flac"] {
        let sound = decode(output.join(name)).unwrap();
        assert_eq!((sound.rate, sound.frames()), (24_000, 24_000));
        // The toy's first voice is the input, so half of each is the input.
        assert!(
            (rms(&sound.samples[0]) - 0.3535).abs() < 0.01,
            "{}",
            rms(&sound.samples[0])
        );
    }
}

#[test]
fn lists_voices_for_people_and_programs() {
    let folder = workplace();
    let listed = mien(folder.path(), &["voices"]);
    assert!(
        text(&listed.stdout).contains("Through"),
        "{}",
        text(&listed.stderr)
    );
    let json = mien(folder.path(), &["voices", "--json"]);
    let packs: serde_json::Value = serde_json::from_slice(&json.stdout).unwrap();
    let toy = packs
        .as_array()
        .unwrap()
        .iter()
        .find(|pack| pack["name"] == "Toy")
        .unwrap();
    assert_eq!(toy["voices"][1]["name"], "Ring");
    assert_eq!(toy["emotions"][1]["name"], "sad");
}

#[test]
fn says_what_is_wrong_and_what_to_do() {
    let folder = workplace();
    let input = folder
        .path()
        .join("click.wav")
        .to_string_lossy()
        .into_owned();
    for (words, hint) in [
        (
            vec!["convert", &input, "-o", "x.wav", "--voice", "Nobody"],
            "Through, Ring",
        ),
        (
            vec!["convert", &input, "-o", "x.wav", "--emotion", "bored=1"],
            "happy",
        ),
        (vec!["convert", &input, "-o", "x.mp3"], ".flac"),
        (
            vec!["convert", "/nowhere.wav", "-o", "x.wav"],
            "/nowhere.wav",
        ),
        (
            vec!["convert", &input, "-o", "x.wav", "--pack", "Other"],
            "Toy",
        ),
    ] {
        let failed = mien(folder.path(), &words);
        assert!(!failed.status.success());
        assert!(
            text(&failed.stderr).contains(hint),
            "{}",
            text(&failed.stderr)
        );
    }
    let no_engine = Command::new(program())
        .args(["convert", &input, "-o", "x.wav"])
        .env("MIEN_ENGINE", "/nowhere.so")
        .env("MIEN_PACKS", folder.path())
        .output()
        .unwrap();
    assert!(
        text(&no_engine.stderr).contains("MIEN_ENGINE"),
        "{}",
        text(&no_engine.stderr)
    );
}

#[test]
fn hands_slow_commands_to_the_engine() {
    let folder = workplace();
    let done = mien(folder.path(), &["evaluate", "--fast"]);
    assert_eq!(
        text(&done.stdout).trim(),
        "toy engine command: mien evaluate --fast"
    );
    let done = mien(folder.path(), &["engine", "voices"]);
    assert_eq!(text(&done.stdout).trim(), "toy engine command: mien voices");
}
