//! Debian packages: what a build and what a window needs, installed where that is allowed, named where it is not.

use crate::command;
use anyhow::{Result, bail};
use std::collections::HashSet;
use std::process::Command;

/// What the task is going to do; each level includes the ones before it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Need {
    /// Compile everything, and make a Python environment.
    Build,
    /// Open windows and take pictures of them, and make sound, with or without a screen and a sound card.
    Gui,
}

const BUILD: &[&str] = &[
    "g++",
    "libasound2-dev",
    "libjack-jackd2-dev",
    "pkg-config",
    "python3-pip",
    "python3-venv",
];

// X11 and EGL are opened at run time, so a build does not notice that they are missing; a window does. The portal and Zenity are
// the two ways to a file dialog.
const GUI: &[&str] = &[
    "dbus-daemon",
    "jackd2",
    "libegl-mesa0",
    "libegl1",
    "libgl1-mesa-dri",
    "libx11-xcb1",
    "libxcb-dri2-0",
    "libxkbcommon-x11-0",
    "xdg-desktop-portal",
    "xdg-desktop-portal-gtk",
    "xvfb",
    "zenity",
];

impl Need {
    fn packages(self) -> Vec<&'static str> {
        let mut packages = BUILD.to_vec();
        if self >= Need::Gui {
            packages.extend(GUI);
        }
        packages
    }
}

/// Sees to it that the system packages are there. Fast when they are: one `dpkg-query`.
///
/// # Errors
/// When packages are missing and this user may not install them: the message is the line to run.
pub fn ensure(need: Need) -> Result<()> {
    if !cfg!(target_os = "linux") {
        return Ok(());
    }
    ensure_packages(&need.packages())
}

/// The same for a list of packages.
pub fn ensure_packages(packages: &[&str]) -> Result<()> {
    // dpkg-query fails when one of the names is unknown to it, but still answers for the others.
    let Ok(answer) = Command::new("dpkg-query")
        .args(["-W", "-f=${Package} ${db:Status-Status}\n"])
        .args(packages)
        .output()
    else {
        println!(
            "This is no Debian: install what stands for these packages if the build misses something: {}",
            packages.join(" ")
        );
        return Ok(());
    };
    let missing = missing(packages, &String::from_utf8_lossy(&answer.stdout));
    if missing.is_empty() {
        return Ok(());
    }
    println!("Installing system packages: {}", missing.join(" "));
    let Some(prefix) = administrator() else {
        bail!(
            "system packages are missing, and neither root nor a passwordless sudo is at hand. Run this, then start again:\n\n    {}\n",
            install_line(&missing)
        );
    };
    apt(prefix, &["update", "-qq"])?;
    let mut install = vec!["install", "-y", "-qq", "--no-install-recommends"];
    install.extend(&missing);
    apt(prefix, &install)
}

/// What must stand before `apt-get` so that it may install: nothing for root, `sudo` where it asks no password.
fn administrator() -> Option<&'static [&'static str]> {
    if command::output(Command::new("id").arg("-u")).is_ok_and(|id| id.trim() == "0") {
        Some(&[])
    } else if command::succeeds("sudo", &["-n", "true"]) {
        Some(&["sudo", "-n"])
    } else {
        None
    }
}

fn apt(prefix: &[&str], args: &[&str]) -> Result<()> {
    let words: Vec<&str> = prefix
        .iter()
        .copied()
        // sudo drops our environment, so the setting goes on its command line.
        .chain(["env", "DEBIAN_FRONTEND=noninteractive", "apt-get"])
        .chain(args.iter().copied())
        .collect();
    command::run(Command::new(words[0]).args(&words[1..]))
}

fn install_line(packages: &[&str]) -> String {
    format!(
        "sudo apt-get update && sudo apt-get install -y --no-install-recommends {}",
        packages.join(" ")
    )
}

/// The packages that `dpkg-query`'s answer ("name status" a line) does not call installed.
fn missing<'a>(wanted: &[&'a str], answer: &str) -> Vec<&'a str> {
    let installed: HashSet<&str> = answer
        .lines()
        .filter_map(|line| line.strip_suffix(" installed"))
        .collect();
    wanted
        .iter()
        .copied()
        .filter(|name| !installed.contains(name))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn removed_and_unknown_packages_are_missing() {
        let answer = "g++ installed\nxvfb config-files\nlibegl1 not-installed\n";
        assert_eq!(
            missing(&["g++", "xvfb", "libegl1", "pkg-config"], answer),
            ["xvfb", "libegl1", "pkg-config"]
        );
        assert!(missing(&["g++"], answer).is_empty());
    }

    #[test]
    fn a_window_needs_all_that_a_build_needs() {
        let gui = Need::Gui.packages();
        assert!(
            Need::Build
                .packages()
                .iter()
                .all(|package| gui.contains(package))
        );
        assert!(gui.contains(&"libegl1") && !Need::Build.packages().contains(&"libegl1"));
    }

    #[test]
    fn the_line_to_paste_names_only_what_is_missing() {
        assert!(install_line(&["xvfb"]).ends_with("--no-install-recommends xvfb"));
    }
}
