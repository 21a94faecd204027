//! The slim CPU libtorch in the user's cache, made once from the package registry's own wheel.
//!
//! `tch` 0.24 wants libtorch 2.11.0. The Linux wheel is the CUDA build and takes 1.5 GB unpacked, of which the CPU part needs
//! 350 MB: that is kept (see [`unpack`]), and the two CUDA libraries it still asks for are replaced by stubs (see [`stubs`]).
//! The Windows and macOS wheels are CPU builds and are only unpacked.

mod stubs;
mod unpack;
mod wheel;

use crate::{command, copy, places::Places, python};
use anyhow::{Context, Result, bail};
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;

/// The version that `tch` in the workspace's `Cargo.toml` is made for.
pub const VERSION: &str = "2.11.0";

/// What `build-version` holds, the file `torch-sys` reads; it is also our sign that a folder is complete.
const BUILD_VERSION: &str = "2.11.0+cpu";

/// Raised when the steps below make a different folder from the same wheel, so that folders of old clones are made anew.
const RECIPE: &str = "1";

/// The folder with libtorch (`lib/`, `include/`), made if it is not there yet: that takes a minute and 530 MB of download.
///
/// `LIBTORCH` names another one.
pub fn ensure(places: &Places) -> Result<PathBuf> {
    if let Some(own) = std::env::var_os("LIBTORCH").filter(|path| !path.is_empty()) {
        let own = PathBuf::from(own);
        check_own(&own)?;
        return Ok(own);
    }
    let folder = places.cache.join(format!("libtorch-{VERSION}-cpu"));
    if is_complete(&folder) {
        return Ok(folder);
    }
    fs::create_dir_all(&places.cache)
        .with_context(|| format!("could not make {}", places.cache.display()))?;
    let _lock = lock(&places.cache.join("libtorch.lock"))?;
    // Another set-up may have made it while this one waited.
    if !is_complete(&folder) {
        make(places, &folder)?;
    }
    Ok(folder)
}

fn make(places: &Places, folder: &Path) -> Result<()> {
    let wheel = wheel::for_system(std::env::consts::OS, std::env::consts::ARCH)?;
    let downloads = places.cache.join("downloads");
    let file = wheel::fetch(wheel, &python::interpreter(places)?, &downloads)?;

    // Made under another name and renamed: a folder with the right name is always whole.
    let partial = beside(folder, "partial");
    copy::remove(&partial)?;
    unpack::unpack(&file, &partial)?;
    if cfg!(target_os = "linux") {
        slim(&partial)?;
    }
    fs::write(partial.join("recipe"), RECIPE)?;
    fs::write(partial.join("build-version"), BUILD_VERSION)?;

    let old = beside(folder, "old");
    copy::remove(&old)?;
    if folder.exists() {
        fs::rename(folder, &old)
            .with_context(|| format!("could not move {} away", folder.display()))?;
    }
    fs::rename(&partial, folder)
        .with_context(|| format!("could not put {} in place", folder.display()))?;
    copy::remove(&old)?;
    // The wheel has done its work; it is larger than what was made of it.
    copy::remove(&file)
}

/// `folder` under another name in the same place, so that a rename is one step on one disk.
fn beside(folder: &Path, state: &str) -> PathBuf {
    let name = folder.file_name().unwrap_or_default().to_string_lossy();
    folder.with_file_name(format!("{name}.{state}"))
}

/// Takes the debug names out, adds the stubs, and checks that the dynamic linker is content.
fn slim(folder: &Path) -> Result<()> {
    let lib = folder.join("lib");
    let large: Vec<_> = unpack::LINUX_LIBRARIES
        .iter()
        .map(|name| lib.join(name))
        .collect();
    println!("Making libtorch small");
    command::output(Command::new("strip").arg("--strip-unneeded").args(&large))
        .context("`strip` comes with gcc (package binutils)")?;
    stubs::build(&lib)?;
    for name in ["libtorch.so", "libtorch_cpu.so"] {
        let linked = command::output(Command::new("ldd").arg("-r").arg(lib.join(name)))?;
        let problems = link_problems(&linked);
        if !problems.is_empty() {
            bail!("{name} would not load:\n{}", problems.join("\n"));
        }
    }
    Ok(())
}

/// The lines of `ldd -r` that tell of a library or a symbol nobody provides.
fn link_problems(ldd: &str) -> Vec<&str> {
    ldd.lines()
        .map(str::trim)
        .filter(|line| line.contains("not found") || line.contains("undefined symbol"))
        .collect()
}

fn is_complete(folder: &Path) -> bool {
    let holds = |name: &str, wanted: &str| {
        fs::read_to_string(folder.join(name)).is_ok_and(|found| found.trim() == wanted)
    };
    holds("build-version", BUILD_VERSION) && holds("recipe", RECIPE)
}

/// A folder the user named must be one `tch` can be built with; told here, it is not a page of C++ errors later.
fn check_own(folder: &Path) -> Result<()> {
    if !folder.join("include").is_dir() || !folder.join("lib").is_dir() {
        bail!(
            "LIBTORCH={} has no include/ and lib/: name libtorch's folder, or unset LIBTORCH to have one made",
            folder.display()
        );
    }
    let file = folder.join("build-version");
    // Python's torch has no such file; torch-sys does not check there either.
    let Ok(version) = fs::read_to_string(&file) else {
        return Ok(());
    };
    if !is_wanted_version(&version) && std::env::var_os("LIBTORCH_BYPASS_VERSION_CHECK").is_none() {
        bail!(
            "LIBTORCH={} holds version {}, but this project is built with {VERSION}: unset LIBTORCH to have that one made",
            folder.display(),
            version.trim()
        );
    }
    Ok(())
}

/// `2.11.0`, `2.11.0+cpu`, `2.11.0+cu130`: what follows the plus names the build, not the version.
fn is_wanted_version(text: &str) -> bool {
    text.trim().split('+').next() == Some(VERSION)
}

/// Holds others off until the file is closed; waits, and says so, while somebody else holds it.
fn lock(path: &Path) -> Result<File> {
    let file = File::create(path).with_context(|| format!("could not write {}", path.display()))?;
    if file.try_lock().is_err() {
        println!("Another set-up is fetching libtorch; waiting for it.");
        file.lock()
            .with_context(|| format!("could not lock {}", path.display()))?;
    }
    Ok(file)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_version_tch_is_made_for_will_do() {
        for good in ["2.11.0", "2.11.0+cpu\n", "2.11.0+cu130"] {
            assert!(is_wanted_version(good), "{good}");
        }
        for bad in ["2.11.1", "2.1", "12.11.0", "", "cpu+2.11.0"] {
            assert!(!is_wanted_version(bad), "{bad}");
        }
    }

    #[test]
    fn a_folder_counts_only_when_it_was_finished_by_this_recipe() {
        let dir = tempfile::tempdir().unwrap();
        assert!(!is_complete(dir.path()));
        fs::write(dir.path().join("build-version"), BUILD_VERSION).unwrap();
        assert!(!is_complete(dir.path()));
        fs::write(dir.path().join("recipe"), RECIPE).unwrap();
        assert!(is_complete(dir.path()));
        fs::write(dir.path().join("build-version"), "2.10.0+cpu").unwrap();
        assert!(!is_complete(dir.path()));
    }

    #[test]
    fn a_wrong_folder_of_the_users_own_is_refused_with_what_to_do() {
        let dir = tempfile::tempdir().unwrap();
        let error = check_own(dir.path()).unwrap_err().to_string();
        assert!(error.contains("unset LIBTORCH"), "{error}");
        fs::create_dir(dir.path().join("lib")).unwrap();
        fs::create_dir(dir.path().join("include")).unwrap();
        check_own(dir.path()).unwrap();
        fs::write(dir.path().join("build-version"), "1.0.0").unwrap();
        assert!(
            check_own(dir.path())
                .unwrap_err()
                .to_string()
                .contains("1.0.0")
        );
    }

    #[test]
    fn what_the_linker_misses_is_seen() {
        let ldd = "\tlibc10.so => /x/libc10.so (0x1)\n\tlibcupti.so.13 => not found\nundefined symbol: cuptiFinalize (./a.so)\n";
        assert_eq!(link_problems(ldd).len(), 2);
        assert!(link_problems("\tlibm.so.6 => /lib/libm.so.6 (0x2)\n").is_empty());
    }

    #[test]
    fn the_lock_is_held_until_it_is_dropped() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("lock");
        let held = lock(&path).unwrap();
        assert!(File::create(&path).unwrap().try_lock().is_err());
        drop(held);
        assert!(File::create(&path).unwrap().try_lock().is_ok());
    }
}
