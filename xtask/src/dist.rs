//! `cargo xtask dist`: one archive for machines without Rust. Unpack it anywhere: everything finds its engine beside it.

use crate::{bundle, command, copy, install, places, places::Places, system};
use anyhow::{Context, Result};
use clap::{Args, ValueEnum};
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;
use zip::write::{SimpleFileOptions, ZipWriter};

/// What kind of archive.
#[derive(Debug, Args)]
pub struct Options {
    /// The archive's format; without it, tar.zst on Linux and zip elsewhere.
    #[arg(long, value_enum)]
    format: Option<Format>,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
enum Format {
    /// Smaller, and what Linux unpacks with `tar -xf`.
    #[value(name = "tar.zst")]
    TarZst,
    /// What Windows and macOS open with a click.
    Zip,
}

const PAGES: &[&str] = &["README.md", "CHANGELOG.md", "LICENSE-MIT", "LICENSE-APACHE"];

/// Builds, gathers and packs.
pub fn dist(places: &Places, options: Options) -> Result<()> {
    let format = options.format.unwrap_or(if cfg!(target_os = "linux") {
        Format::TarZst
    } else {
        Format::Zip
    });
    if format == Format::TarZst && cfg!(target_os = "linux") {
        system::ensure_packages(&["zstd"])?;
    }
    let bundled = bundle::bundle(places)?;

    let name = archive_name(
        env!("CARGO_PKG_VERSION"),
        std::env::consts::OS,
        std::env::consts::ARCH,
    );
    let parent = places.target.join("dist");
    let folder = parent.join(&name);
    copy::remove(&folder)?;
    let standalone = places::standalone_bundle(&bundled.dir);
    for item in [
        standalone,
        bundled.dir.join("mien.clap"),
        bundled.dir.join("mien.vst3"),
    ] {
        copy::any(&item, &folder.join(item.file_name().unwrap_or_default()))?;
    }
    install::engine(&bundled, &places.voices(), &folder.join(bundle::ENGINE_DIR))?;
    for page in PAGES {
        copy::file(&places.root.join(page), &folder.join(page))?;
    }

    let archive = match format {
        Format::TarZst => tar_zst(&parent, &name)?,
        Format::Zip => zip(&folder, &name)?,
    };
    let size = archive.metadata()?.len();
    println!(
        "Archive     {} ({} MB)",
        archive.display(),
        size / 1_000_000
    );
    Ok(())
}

fn archive_name(version: &str, os: &str, arch: &str) -> String {
    format!("mien-{version}-{os}-{arch}")
}

/// Through the system's tar: owner and order of the entries do not depend on who packs.
fn tar_zst(parent: &Path, name: &str) -> Result<PathBuf> {
    let archive = parent.join(format!("{name}.tar.zst"));
    command::run(
        Command::new("tar")
            .args(["--sort=name", "--owner=0", "--group=0", "--numeric-owner"])
            .args(["--use-compress-program=zstd -15 -T0", "-cf"])
            .arg(&archive)
            .arg("-C")
            .arg(parent)
            .arg(name),
    )
    .context("tar or zstd is missing or failed: `--format zip` needs neither")?;
    Ok(archive)
}

fn zip(folder: &Path, name: &str) -> Result<PathBuf> {
    let archive = folder.with_file_name(format!("{name}.zip"));
    let mut zip = ZipWriter::new(File::create(&archive)?);
    add(&mut zip, folder, name)?;
    zip.finish()?;
    Ok(archive)
}

fn add(zip: &mut ZipWriter<File>, path: &Path, name: &str) -> Result<()> {
    if path.is_dir() {
        for entry in copy::entries(path)? {
            let inside = format!(
                "{name}/{}",
                entry.file_name().unwrap_or_default().to_string_lossy()
            );
            add(zip, &entry, &inside)?;
        }
        return Ok(());
    }
    let options = SimpleFileOptions::default()
        .unix_permissions(permissions(path)?)
        .large_file(path.metadata()?.len() > u64::from(u32::MAX));
    zip.start_file(name, options)?;
    io::copy(&mut File::open(path)?, zip)
        .with_context(|| format!("could not pack {}", path.display()))?;
    Ok(())
}

#[cfg(unix)]
fn permissions(path: &Path) -> Result<u32> {
    use std::os::unix::fs::PermissionsExt;
    Ok(path.metadata()?.permissions().mode() & 0o777)
}

#[cfg(not(unix))]
fn permissions(_path: &Path) -> Result<u32> {
    Ok(0o755)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_says_what_it_runs_on() {
        assert_eq!(
            archive_name("0.1.0", "linux", "x86_64"),
            "mien-0.1.0-linux-x86_64"
        );
    }

    #[test]
    #[cfg(unix)]
    fn a_zip_holds_one_folder_and_programs_stay_programs() {
        use std::os::unix::fs::PermissionsExt;
        let dir = tempfile::tempdir().unwrap();
        let folder = dir.path().join("mien-x");
        std::fs::create_dir_all(folder.join("mien-engine")).unwrap();
        std::fs::write(folder.join("mien"), "program").unwrap();
        std::fs::set_permissions(folder.join("mien"), std::fs::Permissions::from_mode(0o755))
            .unwrap();
        std::fs::write(folder.join("mien-engine/pack.mien"), "pack").unwrap();
        let archive = zip(&folder, "mien-x").unwrap();

        let mut read = zip::ZipArchive::new(File::open(archive).unwrap()).unwrap();
        assert_eq!(read.len(), 2);
        assert_eq!(
            read.by_name("mien-x/mien").unwrap().unix_mode().unwrap() & 0o777,
            0o755
        );
        assert!(read.by_name("mien-x/mien-engine/pack.mien").is_ok());
    }
}
