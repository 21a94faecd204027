//! The toy engine and its packs.

use std::path::{Path, PathBuf};

use tempfile::TempDir;

/// Delay of the toy pack's converter in samples at 24 kHz.
pub const DELAY: u32 = 300;

/// Where cargo put a library that this package depends on: beside the test program.
pub fn built_library(stem: &str) -> PathBuf {
    use std::env::consts::{DLL_PREFIX, DLL_SUFFIX};
    let program = std::env::current_exe().expect("the path of the test program");
    let folder = program.parent().expect("the folder of the test program");
    let path = folder.join(format!("{DLL_PREFIX}{stem}{DLL_SUFFIX}"));
    assert!(path.is_file(), "{} was not built", path.display());
    path
}

/// The `mien` program in `$MIEN_BUNDLED`, where `cargo xtask test` puts it.
pub fn bundled_program() -> Option<PathBuf> {
    let folder = std::env::var_os("MIEN_BUNDLED").map(PathBuf::from)?;
    let path = folder.join(format!("mien{}", std::env::consts::EXE_SUFFIX));
    path.is_file().then_some(path)
}

/// The toy engine's library.
pub fn engine() -> PathBuf {
    built_library("mien_toy_engine")
}

/// Writes a toy pack with these voices, in this order.
pub fn write_pack(folder: &Path, name: &str, voices: &[&str]) -> PathBuf {
    let voices: Vec<_> = voices
        .iter()
        .map(|name| serde_json::json!({"name": name, "description": "a test voice"}))
        .collect();
    let card = serde_json::json!({
        "format": 1,
        "kind": "voices",
        "description": {
            "name": name,
            "description": "made for tests",
            "licence": "MIT OR Apache-2.0",
            "delay_samples": DELAY,
            "voices": voices,
            "emotions": [{"name": "happy"}, {"name": "sad"}],
        },
    });
    let header = serde_json::json!({"__metadata__": {"mien.card": card.to_string()}}).to_string();
    let mut bytes = (header.len() as u64).to_le_bytes().to_vec();
    bytes.extend(header.as_bytes());
    let path = folder.join(format!("{name}.mien"));
    std::fs::write(&path, bytes).expect("write the pack");
    path
}

/// Points this process at the toy engine and a folder with one pack of the voices `Through` and
/// `Ring`. Call it first in a test program; the folder lives as long as what is returned.
pub fn install() -> TempDir {
    let folder = tempfile::tempdir().expect("a temporary folder");
    write_pack(folder.path(), "Toy", &["Through", "Ring"]);
    point_at(&engine(), folder.path());
    folder
}

/// Sets where engine and packs are looked for.
pub fn point_at(engine: &Path, packs: &Path) {
    // SAFETY: called before the test starts any thread that reads the environment.
    unsafe {
        std::env::set_var("MIEN_ENGINE", engine);
        std::env::set_var("MIEN_PACKS", packs);
    }
}

/// The toy's own switches.
pub struct Switches(libloading::Library);

impl Switches {
    /// The switches of the library that the plugin uses, too.
    pub fn new() -> Self {
        // SAFETY: the toy's initialisers do nothing.
        Self(unsafe { libloading::Library::new(engine()) }.expect("open the toy engine"))
    }

    /// Makes each step take at least this long.
    pub fn slow(&self, microseconds: u64) {
        // SAFETY: the function has this type.
        unsafe {
            let set: libloading::Symbol<unsafe extern "C" fn(u64)> =
                self.0.get(b"mien_toy_slow").expect("the switch");
            set(microseconds);
        }
    }

    /// Makes each step fail, or work again.
    pub fn fail(&self, fail: bool) {
        // SAFETY: the function has this type.
        unsafe {
            let set: libloading::Symbol<unsafe extern "C" fn(bool)> =
                self.0.get(b"mien_toy_fail").expect("the switch");
            set(fail);
        }
    }
}

impl Default for Switches {
    fn default() -> Self {
        Self::new()
    }
}
