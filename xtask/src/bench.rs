//! `cargo xtask bench`: what a host's scan costs, how fast files are converted, and every benchmark of the workspace.

use crate::{bundle, bundle::Bundled, command, copy, places::Places, run, test};
use anyhow::{Context, Result, bail};
use clap_sys::entry::clap_plugin_entry;
use clap_sys::factory::plugin_factory::{CLAP_PLUGIN_FACTORY_ID, clap_plugin_factory};
use std::ffi::CString;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

/// Scans are repeated in new processes, because only the first in a process loads anything.
const SCANS: usize = 21;

/// Measures, prints a table.
pub fn bench(places: &Places) -> Result<()> {
    let bundled = bundle::bundle(places)?;
    let scan = scans(&bundled)?;
    let (speed, seconds) = conversion(places, &bundled)?;
    println!("\n| what | figure |\n| --- | --- |");
    println!(
        "| plugin scan: dlopen, factory, descriptor; median and worst of {SCANS} | {:.2} ms, {:.2} ms |",
        milliseconds(median(&scan)),
        milliseconds(scan.iter().copied().max().unwrap_or_default()),
    );
    println!(
        "| `mien convert`, {seconds:.1} s of speech, start and engine included: time per second of sound | {speed:.3} s |"
    );
    let names = benchmarks(&places.root);
    if names.is_empty() {
        return Ok(());
    }
    // By name: `--benches` alone would also build every library's tests once more.
    let mut command = command::cargo(&places.root);
    command.args(["bench", "--workspace"]);
    for name in &names {
        command.args(["--bench", name]);
    }
    command.env("LIBTORCH", &bundled.torch);
    command::run(test::for_tests(&mut command, &bundled.torch))
}

/// The benchmarks of the workspace: `benches/NAME.rs` in a member, at most two folders deep.
fn benchmarks(root: &Path) -> Vec<String> {
    let outer = copy::entries(root).unwrap_or_default();
    let inner = outer
        .iter()
        .filter(|path| path.join("Cargo.toml").is_file());
    let inner: Vec<PathBuf> = inner
        .flat_map(|path| copy::entries(path).unwrap_or_default())
        .collect();
    let mut names: Vec<String> = outer
        .iter()
        .chain(&inner)
        .filter(|path| path.join("Cargo.toml").is_file())
        .flat_map(|path| copy::files_ending(&path.join("benches"), &["rs"]))
        .filter_map(|file| Some(file.file_stem()?.to_string_lossy().into_owned()))
        .collect();
    names.sort();
    names
}

/// The time of a scan, in as many processes.
fn scans(bundled: &Bundled) -> Result<Vec<Duration>> {
    let own = std::env::current_exe()?;
    let plugin = bundled.dir.join("mien.clap");
    (0..SCANS)
        .map(|_| {
            let micros = command::output(Command::new(&own).arg("scan").arg(&plugin))?;
            let micros = micros
                .trim()
                .parse()
                .with_context(|| format!("a scan said {micros:?}"))?;
            Ok(Duration::from_micros(micros))
        })
        .collect()
}

/// What a host does with a CLAP it has not seen: load it, ask the factory, read the descriptors. Prints microseconds.
///
/// # Errors
/// When the file is no CLAP, or one without plugins.
pub fn scan(plugin: &Path) -> Result<()> {
    let plugin = if cfg!(target_os = "macos") {
        plugin.join("Contents/MacOS/mien")
    } else {
        plugin.to_owned()
    };
    let path = CString::new(plugin.as_os_str().as_encoded_bytes())?;
    let start = Instant::now();
    // SAFETY: a library runs code when it is loaded; this one was built a moment ago, from this clone.
    let library = unsafe { libloading::Library::new(&plugin) }?;
    // SAFETY: the symbol of that name is, by the CLAP interface, an entry of that type. It, the factory and the
    // descriptors live as long as the library, which is not closed before the end; the calls come in the order CLAP asks for.
    let found = unsafe {
        let entry = library
            .get::<*const clap_plugin_entry>(b"clap_entry")
            .with_context(|| format!("{} is no CLAP: it has no clap_entry", plugin.display()))?;
        let entry = &**entry;
        let (Some(init), Some(get_factory)) = (entry.init, entry.get_factory) else {
            bail!("{} has an incomplete entry", plugin.display());
        };
        if !init(path.as_ptr()) {
            bail!("{} refuses to start", plugin.display());
        }
        let factory = get_factory(CLAP_PLUGIN_FACTORY_ID.as_ptr()).cast::<clap_plugin_factory>();
        if factory.is_null() {
            bail!("{} has no plugin factory", plugin.display());
        }
        let (Some(count), Some(descriptor)) = (
            (*factory).get_plugin_count,
            (*factory).get_plugin_descriptor,
        ) else {
            bail!("{} has an incomplete factory", plugin.display());
        };
        (0..count(factory))
            .filter(|&index| !descriptor(factory, index).is_null())
            .count()
    };
    let took = start.elapsed();
    if found == 0 {
        bail!("{} describes no plugin", plugin.display());
    }
    println!("{}", took.as_micros());
    Ok(())
}

/// Seconds of computing per second of sound, and the length of the sound in seconds.
fn conversion(places: &Places, bundled: &Bundled) -> Result<(f64, f64)> {
    let out = places.target.join("bench.wav");
    let start = Instant::now();
    command::run(
        Command::new(bundled.program())
            .arg("convert")
            .arg(run::sample(&places.root)?)
            .arg("-o")
            .arg(&out)
            .env("OMP_WAIT_POLICY", "PASSIVE"),
    )?;
    let took = start.elapsed();
    let sound = hound::WavReader::open(&out)
        .with_context(|| format!("could not read {}", out.display()))?;
    let seconds = f64::from(sound.duration()) / f64::from(sound.spec().sample_rate);
    Ok((took.as_secs_f64() / seconds, seconds))
}

fn median(times: &[Duration]) -> Duration {
    let mut sorted = times.to_vec();
    sorted.sort();
    sorted.get(sorted.len() / 2).copied().unwrap_or_default()
}

fn milliseconds(time: Duration) -> f64 {
    time.as_secs_f64() * 1000.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_is_not_moved_by_one_slow_start() {
        let times = [3, 1, 90].map(Duration::from_millis);
        assert_eq!(median(&times), Duration::from_millis(3));
        assert_eq!(median(&[]), Duration::ZERO);
    }

    #[test]
    fn benchmarks_are_found_in_the_members_only() {
        let dir = tempfile::tempdir().unwrap();
        for (member, bench) in [
            ("models", "frame"),
            ("models/face", "call"),
            ("elsewhere", "none"),
        ] {
            let folder = dir.path().join(member);
            std::fs::create_dir_all(folder.join("benches")).unwrap();
            std::fs::write(folder.join("benches").join(format!("{bench}.rs")), "").unwrap();
            if member != "elsewhere" {
                std::fs::write(folder.join("Cargo.toml"), "").unwrap();
            }
        }
        assert_eq!(benchmarks(dir.path()), ["call", "frame"]);
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn a_library_that_is_no_plugin_is_called_so() {
        let error = scan(Path::new("libm.so.6")).unwrap_err().to_string();
        assert!(error.contains("clap_entry"), "{error}");
        assert!(scan(Path::new("/nonexistent.clap")).is_err());
    }
}
