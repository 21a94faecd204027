//! Which files to read, and where their conversions go.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};

/// Endings of files that are looked for in folders.
const SOUNDS: [&str; 8] = ["wav", "flac", "ogg", "oga", "mp3", "m4a", "aif", "aiff"];

/// One file to convert.
#[derive(Debug, PartialEq)]
pub struct Task {
    /// Where it is.
    pub input: PathBuf,
    /// Where its conversion goes.
    pub output: PathBuf,
}

/// The files that `inputs` name, with their outputs below `output`.
///
/// One file goes to `output` itself when that has an ending, or into it when it is a folder. Several
/// files, and folders, keep their names (and their places within a folder) below the folder
/// `output`, as WAV, or as FLAC where they were that.
pub fn tasks(inputs: &[PathBuf], output: &Path) -> anyhow::Result<Vec<Task>> {
    let mut found = Vec::new();
    for input in inputs {
        if input.is_dir() {
            let mut below = Vec::new();
            walk(input, &mut below)?;
            below.sort();
            for file in below {
                let inside = file.strip_prefix(input).unwrap_or(&file).to_owned();
                found.push((file, inside));
            }
        } else if input.is_file() {
            let name = input.file_name().map(PathBuf::from).unwrap_or_default();
            found.push((input.clone(), name));
        } else {
            bail!("{} is neither a file nor a folder", input.display());
        }
    }
    if found.is_empty() {
        bail!(
            "there is no sound file in what was given; looked for {}",
            SOUNDS.join(", ")
        );
    }
    let single = found.len() == 1 && inputs[0].is_file();
    if single && output.extension().is_some() && !output.is_dir() {
        let kind = extension(output);
        if !matches!(kind.as_str(), "wav" | "flac") {
            bail!("cannot write {}: choose .wav or .flac", output.display());
        }
        let input = found.remove(0).0;
        return Ok(vec![Task {
            input,
            output: output.to_owned(),
        }]);
    }
    if output.is_file() {
        bail!(
            "{} is a file, but several conversions need a folder",
            output.display()
        );
    }
    let tasks: Vec<Task> = found
        .into_iter()
        .map(|(input, inside)| {
            let kind = if extension(&input) == "flac" {
                "flac"
            } else {
                "wav"
            };
            Task {
                input,
                output: output.join(inside).with_extension(kind),
            }
        })
        .collect();
    for (i, task) in tasks.iter().enumerate() {
        if task.output == task.input {
            bail!(
                "{} would be overwritten; choose another folder",
                task.input.display()
            );
        }
        if let Some(other) = tasks[..i].iter().find(|other| other.output == task.output) {
            let (a, b) = (other.input.display(), task.input.display());
            bail!("{a} and {b} would both become {}", task.output.display());
        }
    }
    Ok(tasks)
}

fn walk(folder: &Path, found: &mut Vec<PathBuf>) -> anyhow::Result<()> {
    let entries = std::fs::read_dir(folder)
        .with_context(|| format!("cannot read the folder {}", folder.display()))?;
    for entry in entries {
        let path = entry?.path();
        if path.is_dir() {
            walk(&path, found)?;
        } else if SOUNDS.contains(&extension(&path).as_str()) {
            found.push(path);
        }
    }
    Ok(())
}

/// The ending in small letters.
fn extension(path: &Path) -> String {
    path.extension()
        .and_then(OsStr::to_str)
        .unwrap_or_default()
        .to_ascii_lowercase()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folders_keep_their_shape() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path();
        std::fs::create_dir(root.join("b")).unwrap();
        for name in ["a.WAV", "b/c.flac", "b/notes.txt"] {
            std::fs::write(root.join(name), "").unwrap();
        }
        let out = root.join("out");
        let made = tasks(&[root.to_owned()], &out).unwrap();
        let outputs: Vec<_> = made.iter().map(|task| task.output.clone()).collect();
        assert_eq!(outputs, [out.join("a.wav"), out.join("b/c.flac")]);
        let one = tasks(&[root.join("a.WAV")], &root.join("x.flac")).unwrap();
        assert_eq!(one[0].output, root.join("x.flac"));
        let nothing = tasks(&[root.join("zzz")], &out).unwrap_err().to_string();
        assert!(nothing.contains("zzz"));
        let kind = tasks(&[root.join("a.WAV")], &root.join("x.mp3"))
            .unwrap_err()
            .to_string();
        assert!(kind.contains(".flac"));
    }
}
