//! `cargo xtask run`: from a fresh clone to something to hear, in one command.

use crate::{bundle, bundle::Bundled, command, copy, places::Places, system};
use anyhow::{Context, Result, bail};
use clap::Args;
use std::path::{Path, PathBuf};
use std::process::Command;

/// What to show.
#[derive(Debug, Args)]
pub struct Options {
    /// A sound file (WAV, FLAC, OGG, MP3), or a folder of them, to convert.
    #[arg(long, value_name = "FILE")]
    file: Option<PathBuf>,
    /// Where the converted sound goes (WAV or FLAC). Without it: beside FILE, or in target/converted for the sample.
    #[arg(long, short, value_name = "FILE")]
    out: Option<PathBuf>,
    /// The voice, by name; `target/bundled/mien voices` lists them. Without it: the first of the pack.
    #[arg(long, value_name = "NAME")]
    voice: Option<String>,
    /// Emotions and their weights from 0 to 1, like happy=0.8,surprised=0.2.
    #[arg(long, value_name = "NAME=WEIGHT,…")]
    emotion: Option<String>,
    /// Convert the sample even where there is a display.
    #[arg(long)]
    sample: bool,
    /// More options for `mien convert`, or for the standalone, after `--`.
    #[arg(last = true)]
    more: Vec<String>,
}

/// What `run` does, from what was asked and what the machine has.
#[derive(Debug, PartialEq, Eq)]
enum Show {
    Window,
    File(PathBuf),
    Sample,
}

fn choose(options: &Options, has_display: bool) -> Show {
    match &options.file {
        Some(file) => Show::File(file.clone()),
        None if has_display && !options.sample => Show::Window,
        None => Show::Sample,
    }
}

/// Sets up, builds, and shows.
pub fn run(places: &Places, options: Options) -> Result<()> {
    let show = choose(&options, has_display());
    // Said before minutes of building, not after.
    if let Show::File(file) = &show
        && !file.exists()
    {
        bail!("there is no file {}", file.display());
    }
    if show == Show::Window {
        system::ensure(system::Need::Gui)?;
    }
    let bundled = bundle::bundle(places)?;
    match show {
        Show::Window => {
            println!("Opening Mien. Close the window to come back.");
            command::run(Command::new(bundled.program()).args(&options.more))
        }
        Show::File(file) => {
            let out = options.out.clone().unwrap_or_else(|| beside(&file));
            convert(&bundled, &file, &out, &options)
        }
        Show::Sample => {
            let sample = sample(&places.root)?;
            let out = options.out.clone().unwrap_or_else(|| {
                let stem = sample
                    .file_stem()
                    .unwrap_or_default()
                    .to_string_lossy()
                    .into_owned();
                places
                    .target
                    .join("converted")
                    .join(format!("{stem}-mien.wav"))
            });
            convert(&bundled, &sample, &out, &options)
        }
    }
}

fn convert(bundled: &Bundled, file: &Path, out: &Path, options: &Options) -> Result<()> {
    if let Some(folder) = out.parent().filter(|folder| !folder.as_os_str().is_empty()) {
        std::fs::create_dir_all(folder)
            .with_context(|| format!("could not make {}", folder.display()))?;
    }
    // A picture shows one file; of a folder only the sounds are made.
    let picture = (!file.is_dir()).then(|| out.with_extension("png"));
    let mut command = Command::new(bundled.program());
    command.arg("convert").arg(file).arg("-o").arg(out);
    if let Some(picture) = &picture {
        command.arg("--spectrogram").arg(picture);
    }
    if let Some(voice) = &options.voice {
        command.args(["--voice", voice]);
    }
    if let Some(emotion) = &options.emotion {
        command.args(["--emotion", emotion]);
    }
    command::run(command.args(&options.more))?;
    println!("\nFrom        {}", file.display());
    println!("Sound       {}", out.display());
    if let Some(picture) = picture {
        println!("Picture     {}", picture.display());
    }
    bundled.describe();
    Ok(())
}

/// The speech that this project ships for its tests; the first by name.
pub fn sample(root: &Path) -> Result<PathBuf> {
    let folder = root.join("tests").join("speech");
    copy::files_ending(&folder, &["flac", "wav"])
        .into_iter()
        .next()
        .with_context(|| {
            format!(
                "no sample speech in {}: name a file with --file",
                folder.display()
            )
        })
}

/// `talk.mp3` becomes `talk-mien.wav` in the same folder, and the folder `takes` becomes `takes-mien`.
fn beside(file: &Path) -> PathBuf {
    if file.is_dir() {
        let name = file.file_name().unwrap_or_default().to_string_lossy();
        return file.with_file_name(format!("{name}-mien"));
    }
    let stem = file.file_stem().unwrap_or_default().to_string_lossy();
    file.with_file_name(format!("{stem}-mien.wav"))
}

/// Windows and macOS always have one; on Linux the session says so.
fn has_display() -> bool {
    let set = |name| std::env::var_os(name).is_some_and(|value| !value.is_empty());
    !cfg!(target_os = "linux") || set("DISPLAY") || set("WAYLAND_DISPLAY")
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        options: Options,
    }

    fn asked(line: &[&str]) -> Options {
        Line::parse_from(std::iter::once("run").chain(line.iter().copied())).options
    }

    #[test]
    fn a_file_wins_over_the_window_and_the_window_over_the_sample() {
        let file = asked(&["--file", "a.mp3"]);
        assert_eq!(choose(&file, true), Show::File("a.mp3".into()));
        assert_eq!(choose(&asked(&[]), true), Show::Window);
        assert_eq!(choose(&asked(&[]), false), Show::Sample);
        assert_eq!(choose(&asked(&["--sample"]), true), Show::Sample);
    }

    #[test]
    fn options_after_the_dashes_are_passed_on() {
        let options = asked(&["--voice", "Ada", "--", "--pitch", "-3"]);
        assert_eq!(options.voice.as_deref(), Some("Ada"));
        assert_eq!(options.more, ["--pitch", "-3"]);
    }

    #[test]
    fn the_result_lies_beside_the_file_and_never_on_it() {
        assert_eq!(
            beside(Path::new("x/talk.mp3")),
            Path::new("x/talk-mien.wav")
        );
        assert_eq!(beside(Path::new("talk.wav")), Path::new("talk-mien.wav"));
        let dir = tempfile::tempdir().unwrap();
        let takes = dir.path().join("takes 1.5");
        std::fs::create_dir(&takes).unwrap();
        assert_eq!(beside(&takes), dir.path().join("takes 1.5-mien"));
    }

    #[test]
    fn the_sample_is_the_first_sound_by_name() {
        let dir = tempfile::tempdir().unwrap();
        assert!(
            sample(dir.path())
                .unwrap_err()
                .to_string()
                .contains("--file")
        );
        let speech = dir.path().join("tests/speech");
        std::fs::create_dir_all(&speech).unwrap();
        for name in ["b.wav", "a.flac", "README.md"] {
            std::fs::write(speech.join(name), "").unwrap();
        }
        assert_eq!(sample(dir.path()).unwrap(), speech.join("a.flac"));
    }
}
