//! Where things lie: the workspace, what is built, the user's cache and data, the folders hosts search for plugins.

use anyhow::{Context, Result};
use std::path::{Path, PathBuf};

/// Every folder the tasks read from or write to.
pub struct Places {
    /// The workspace's root, where `Cargo.toml` and `bundler.toml` lie.
    pub root: PathBuf,
    /// Cargo's target folder (`CARGO_TARGET_DIR` or `<root>/target`).
    pub target: PathBuf,
    /// `<user cache>/mien`: downloads that all clones share.
    pub cache: PathBuf,
    /// `<user data>/mien`: the installed engine and the packs.
    pub data: PathBuf,
    /// The user's home folder.
    pub home: PathBuf,
}

impl Places {
    /// The places for this user and this clone.
    pub fn find() -> Result<Self> {
        // This crate lies in <root>/xtask; cargo tells where when it runs us, the build remembers otherwise.
        let manifest = std::env::var_os("CARGO_MANIFEST_DIR")
            .map(PathBuf::from)
            .unwrap_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")));
        let root = manifest
            .parent()
            .context("xtask must lie in a folder of the workspace")?
            .to_owned();
        let user =
            directories::BaseDirs::new().context("this user has no home folder: set HOME")?;
        let target = std::env::var_os("CARGO_TARGET_DIR")
            .map_or_else(|| root.join("target"), |dir| root.join(dir));
        Ok(Self {
            root,
            target,
            cache: user.cache_dir().join("mien"),
            data: user.data_dir().join("mien"),
            home: user.home_dir().to_owned(),
        })
    }

    /// The folder with the standalone, the plugins and the engine.
    pub fn bundled(&self) -> PathBuf {
        self.target.join("bundled")
    }

    /// The packs that this clone ships.
    pub fn voices(&self) -> PathBuf {
        self.root.join("models").join("voices")
    }

    /// The virtual environment for pip and for the Python host of the tests.
    pub fn venv(&self) -> PathBuf {
        self.target.join("venv")
    }
}

/// The file name of the engine library on this system.
pub fn engine_file() -> String {
    format!(
        "{}mien_models{}",
        std::env::consts::DLL_PREFIX,
        std::env::consts::DLL_SUFFIX
    )
}

/// The folder beside the engine library in which libtorch's libraries must lie.
///
/// Elsewhere the engine finds them by its run path. Windows has none: it looks in the engine's own folder.
pub fn torch_beside_engine(engine_dir: &Path) -> PathBuf {
    if cfg!(windows) {
        engine_dir.to_owned()
    } else {
        engine_dir.join("libtorch").join("lib")
    }
}

/// The standalone inside `dir`, as the bundler names it on this system.
pub fn standalone(dir: &Path) -> PathBuf {
    if cfg!(target_os = "macos") {
        dir.join("mien.app/Contents/MacOS/mien")
    } else {
        dir.join(format!("mien{}", std::env::consts::EXE_SUFFIX))
    }
}

/// The entry of `dir` that holds the standalone: the program itself, or on macOS the application bundle around it.
pub fn standalone_bundle(dir: &Path) -> PathBuf {
    if cfg!(target_os = "macos") {
        dir.join("mien.app")
    } else {
        standalone(dir)
    }
}

/// A user's plugin folders: CLAP, then VST3. The formats' own documents name them.
pub fn plugin_folders(home: &Path) -> (PathBuf, PathBuf) {
    if cfg!(target_os = "macos") {
        let plugins = home.join("Library/Audio/Plug-Ins");
        (plugins.join("CLAP"), plugins.join("VST3"))
    } else if cfg!(windows) {
        let local = std::env::var_os("LOCALAPPDATA")
            .map_or_else(|| home.join("AppData/Local"), PathBuf::from);
        let common = local.join("Programs").join("Common");
        (common.join("CLAP"), common.join("VST3"))
    } else {
        (home.join(".clap"), home.join(".vst3"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn target_dir_lies_in_the_workspace_unless_told_otherwise() {
        let places = Places::find().unwrap();
        assert!(
            places.root.join("bundler.toml").is_file(),
            "{}",
            places.root.display()
        );
        assert!(places.bundled().ends_with("bundled"));
        assert!(places.cache.ends_with("mien") && places.data.ends_with("mien"));
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn names_are_the_ones_the_plugin_searches_for() {
        let engine = Path::new("/opt/mien-engine");
        assert_eq!(engine_file(), "libmien_models.so");
        assert_eq!(
            torch_beside_engine(engine),
            Path::new("/opt/mien-engine/libtorch/lib")
        );
        assert_eq!(
            plugin_folders(Path::new("/home/a")),
            ("/home/a/.clap".into(), "/home/a/.vst3".into())
        );
    }
}
