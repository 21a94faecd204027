//! `cargo xtask test`: every check, in the order in which a mistake is cheapest to hear of.
//!
//! Most of the time goes into building, so nothing is built twice that need not be: the bundles that users and real hosts get
//! are `release`, and lints, docs and tests are, too, but for Mien's own code, which has debug assertions and the allocation
//! guard there (see [`CHECKED`]). Every command names the whole workspace, so that the features of the dependencies are the
//! same in each; only xtask is tested as it runs, since its dependencies are there already.

use crate::{
    bundle, bundle::Bundled, command, libtorch, places::Places, python, steps::Steps, system,
};
use anyhow::{Result, bail};
use clap::Args;
use std::env;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Which checks to make.
#[derive(Debug, Args)]
pub struct Options {
    /// Only format, lints and the tests inside the crates: no bundles, no hosts, no docs.
    #[arg(long)]
    quick: bool,
}

/// How everything but the bundles is built; the file says why.
const CHECKED: [&str; 3] = ["--release", "--config", CHECKED_FILE];
const CHECKED_FILE: &str = ".cargo/checked.toml";
/// The program that runs this is built by `cargo xtask` itself.
const WITHOUT_XTASK: [&str; 3] = ["--workspace", "--exclude", "xtask"];

/// The Python host and what it needs, pinned: a new host is a change to be looked at, not a surprise.
const HOST_PACKAGES: &[&str] = &["numpy==2.4.6", "pedalboard==0.9.26"];

/// Runs the checks; stops at the first that fails.
pub fn test(places: &Places, options: Options) -> Result<()> {
    let mut steps = Steps::default();
    let torch = steps.step("set-up", || {
        system::ensure(if options.quick {
            system::Need::Build
        } else {
            system::Need::Gui
        })?;
        rust_components()?;
        libtorch::ensure(places)
    })?;
    let cargo = |task: &str| {
        let mut cargo = command::cargo(&places.root);
        cargo.arg(task).env("LIBTORCH", &torch);
        cargo
    };
    let checked = |task: &str| {
        let mut cargo = cargo(task);
        cargo.args(CHECKED);
        cargo
    };

    steps.step("format", || {
        command::run(cargo("fmt").args(["--all", "--check"]))
    })?;
    steps.step("tests of xtask", || {
        command::run(cargo("test").args(["--package", "xtask"]))
    })?;
    steps.step("lints", || {
        command::run(checked("clippy").args([
            "--workspace",
            "--all-targets",
            "--",
            "-D",
            "warnings",
        ]))
    })?;
    if options.quick {
        steps.step("tests in the crates", || {
            let mut command = checked("test");
            command.args(WITHOUT_XTASK);
            command.args(["--exclude", "mien-tests", "--exclude", "mien-window"]);
            command::run(for_tests(&mut command, &torch))
        })?;
        println!("\n{}", steps.table());
        return Ok(());
    }
    steps.step("docs", || {
        let mut command = checked("doc");
        command.args(["--workspace", "--no-deps"]);
        command::run(command.env("RUSTDOCFLAGS", "-D warnings"))
    })?;
    let bundled = steps.step("bundles", || bundle::bundle(places))?;
    let test = || {
        let mut command = checked("test");
        command.args(WITHOUT_XTASK);
        with_bundles(for_tests(&mut command, &torch), &bundled);
        command
    };
    steps.step("tests", || command::run(&mut test()))?;
    realtime_sanitizer(&mut steps, places, test)?;
    python_host(&mut steps, places, &bundled)?;
    println!("\n{}", steps.table());
    Ok(())
}

/// The tests of the audio thread once more, under RealtimeSanitizer: it stops at an allocation, a lock that waits, a system call.
fn realtime_sanitizer(
    steps: &mut Steps,
    places: &Places,
    test: impl Fn() -> Command,
) -> Result<()> {
    const NAME: &str = "realtime sanitizer";
    if !places.root.join("tests/tests/rtsan.rs").exists() {
        steps.skip(NAME, "there is no tests/tests/rtsan.rs");
        return Ok(());
    }
    let library = sanitizer_library()?;
    if !library.exists() {
        steps.skip(NAME, format!("this toolchain has no {}", library.display()));
        return Ok(());
    }
    steps.step(NAME, || {
        let mut command = test();
        command.args(["--test", "rtsan"]);
        command
            .env("RTSAN_ENABLE", "1")
            .env("RTSAN_LIB_PATH", &library);
        command::run(&mut command)
    })
}

/// Rust's stable toolchain brings the sanitizer's library along on Linux.
fn sanitizer_library() -> Result<PathBuf> {
    let libraries = command::output(Command::new("rustc").args(["--print", "target-libdir"]))?;
    Ok(Path::new(libraries.trim()).join("librustc-stable_rt.rtsan.a"))
}

/// The VST3 in a host that others wrote.
fn python_host(steps: &mut Steps, places: &Places, bundled: &Bundled) -> Result<()> {
    const NAME: &str = "VST3 in pedalboard";
    let script = places.root.join("tests/python/pedalboard_host.py");
    if !script.exists() {
        steps.skip(NAME, "there is no tests/python/pedalboard_host.py");
        return Ok(());
    }
    steps.step(NAME, || {
        let python = python::install(places, HOST_PACKAGES)?;
        let mut command = Command::new(python);
        command
            .arg(&script)
            .arg(&bundled.dir)
            .current_dir(&places.root);
        command::run(with_bundles(quiet_threads(&mut command), bundled))
    })
}

/// rustup's minimal profile comes without the formatter and the linter.
fn rust_components() -> Result<()> {
    let missing: Vec<&str> = [("clippy", "cargo-clippy"), ("rustfmt", "cargo-fmt")]
        .into_iter()
        .filter(|(_, program)| !command::succeeds(program, &["--version"]))
        .map(|(component, _)| component)
        .collect();
    if missing.is_empty() {
        return Ok(());
    }
    if !command::succeeds("rustup", &["--version"]) {
        bail!(
            "{} not found, and no rustup to install it with",
            missing.join(" and ")
        );
    }
    command::run(
        Command::new("rustup")
            .args(["component", "add"])
            .args(&missing),
    )
}

/// Test programs that link libtorch are told where it lies: only the bundles have it beside them.
pub fn for_tests<'a>(command: &'a mut Command, torch: &Path) -> &'a mut Command {
    let (variable, folders) = library_path(&torch.join("lib"));
    quiet_threads(command).env(variable, folders)
}

/// Tells the tests over public faces where the things are that users get. Those find engine and packs beside
/// themselves, as they must for users: what this user's own variables name is not what is to be tested.
fn with_bundles<'a>(command: &'a mut Command, bundled: &Bundled) -> &'a mut Command {
    command
        .env("MIEN_BUNDLED", &bundled.dir)
        .env_remove("MIEN_ENGINE")
        .env_remove("MIEN_PACKS")
}

/// OpenMP's waiting threads spin by default: beside parallel tests that makes everything several times slower.
fn quiet_threads(command: &mut Command) -> &mut Command {
    command.env("OMP_WAIT_POLICY", "PASSIVE")
}

/// The loader's search path with this folder in front.
fn library_path(folder: &Path) -> (&'static str, OsString) {
    let variable = if cfg!(windows) {
        "PATH"
    } else if cfg!(target_os = "macos") {
        "DYLD_LIBRARY_PATH"
    } else {
        "LD_LIBRARY_PATH"
    };
    let before = env::var_os(variable).unwrap_or_default();
    let folders = std::iter::once(folder.to_owned())
        .chain(env::split_paths(&before).filter(|p| !p.as_os_str().is_empty()));
    // A folder with the separator in its name cannot be passed on this way; then libtorch's own is what matters.
    let joined = env::join_paths(folders).unwrap_or_else(|_| folder.into());
    (variable, joined)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn libtorch_comes_first_in_the_search_path() {
        let (_, folders) = library_path(Path::new("/cache/libtorch/lib"));
        assert_eq!(
            env::split_paths(&folders).next().unwrap(),
            Path::new("/cache/libtorch/lib")
        );
    }

    #[test]
    fn tests_get_the_bundles_and_not_what_the_user_has_set() {
        let bundled = Bundled {
            dir: "/t/bundled".into(),
            torch: "/t/torch".into(),
        };
        let mut command = Command::new("true");
        command.env("MIEN_ENGINE", "/home/me/engine.so");
        with_bundles(&mut command, &bundled);
        let set = |name: &str| {
            command
                .get_envs()
                .find(|(key, _)| *key == name)
                .and_then(|(_, value)| value)
        };
        assert_eq!(set("MIEN_BUNDLED"), Some("/t/bundled".as_ref()));
        assert_eq!(set("MIEN_ENGINE"), None);
    }

    /// A new package would be tested without debug assertions, and nobody would notice.
    #[test]
    fn all_packages_of_the_workspace_are_checked() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
        let checked = std::fs::read_to_string(root.join(CHECKED_FILE)).unwrap();
        let metadata = command::cargo(root)
            .args(["metadata", "--no-deps", "--format-version", "1"])
            .output()
            .unwrap();
        let metadata: serde_json::Value = serde_json::from_slice(&metadata.stdout).unwrap();
        let packages = metadata["packages"].as_array().unwrap();
        assert!(packages.len() > 9, "{packages:?}");
        for package in packages {
            let name = package["name"].as_str().unwrap();
            let section = format!("[profile.release.package.{name}]\n");
            let own = checked.split(&section).nth(1).unwrap_or_default();
            let own = own.split('[').next().unwrap();
            assert!(own.contains("debug-assertions = true"), "{name}");
        }
    }

    #[test]
    fn host_packages_are_pinned() {
        assert!(HOST_PACKAGES.iter().all(|package| package.contains("==")));
    }
}
