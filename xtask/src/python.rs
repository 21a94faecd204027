//! One virtual environment for pip and for the Python host: a system's own pip is often too old or not to be written to.

use crate::{command, places::Places};
use anyhow::{Context, Result};
use std::path::{Path, PathBuf};
use std::process::Command;

/// A pip that resumes broken downloads (25.1 and later) and prints raw progress (24.1 and later).
const PIP: &str = "pip==26.3";

/// The virtual environment's interpreter; the environment is made on first use.
pub fn interpreter(places: &Places) -> Result<PathBuf> {
    let venv = places.venv();
    let python = interpreter_in(&venv);
    // Written last, so that a half-made environment is made anew.
    let stamp = venv.join("mien-pip");
    if std::fs::read_to_string(&stamp).is_ok_and(|pip| pip == PIP) && python.exists() {
        return Ok(python);
    }
    println!("Making a Python environment in {}", venv.display());
    let system = ["python3", "python"]
        .into_iter()
        .find(|python| command::succeeds(python, &["--version"]))
        .context("Python 3 is needed to fetch libtorch: install python3")?;
    command::run(
        Command::new(system)
            .args(["-m", "venv", "--clear"])
            .arg(&venv),
    )?;
    command::run(Command::new(&python).args([
        "-m",
        "pip",
        "install",
        "-q",
        "--disable-pip-version-check",
        PIP,
    ]))?;
    std::fs::write(&stamp, PIP).with_context(|| format!("could not write {}", stamp.display()))?;
    Ok(python)
}

/// Installs exactly these packages (each `name==version`), from wheels only; does nothing when the last call asked the same.
pub fn install(places: &Places, packages: &[&str]) -> Result<PathBuf> {
    let python = interpreter(places)?;
    let stamp = places.venv().join("mien-packages");
    let wanted = packages.join("\n");
    if std::fs::read_to_string(&stamp).is_ok_and(|installed| installed == wanted) {
        return Ok(python);
    }
    command::run(
        Command::new(&python)
            .args([
                "-m",
                "pip",
                "install",
                "-q",
                "--disable-pip-version-check",
                "--only-binary=:all:",
            ])
            .args(packages),
    )?;
    std::fs::write(&stamp, wanted)
        .with_context(|| format!("could not write {}", stamp.display()))?;
    Ok(python)
}

fn interpreter_in(venv: &Path) -> PathBuf {
    if cfg!(windows) {
        venv.join("Scripts").join("python.exe")
    } else {
        venv.join("bin").join("python")
    }
}
