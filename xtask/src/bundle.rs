//! `cargo xtask bundle`: the standalone, the CLAP, the VST3 and the engine beside them, all from one release build.
//!
//! ```text
//! target/bundled/
//!   mien                       the standalone and the command line
//!   mien.clap  mien.vst3       the plugins: they open the engine on first use
//!   mien-engine/
//!     libmien_models.so        the engine library
//!     libtorch/lib/*           links to the shared libtorch of the user's cache
//!     packs/*.mien             links to models/voices
//! ```

use crate::{command, copy, libtorch, places, places::Places, system};
use anyhow::{Context, Result};
use std::path::{Path, PathBuf};

/// The folder beside the plugins in which they look for the engine.
pub const ENGINE_DIR: &str = "mien-engine";

/// What a bundle is made of.
pub struct Bundled {
    /// `target/bundled`.
    pub dir: PathBuf,
    /// The libtorch it was built with.
    pub torch: PathBuf,
}

impl Bundled {
    /// The standalone program, which is the command line too.
    pub fn program(&self) -> PathBuf {
        places::standalone(&self.dir)
    }

    /// The engine's folder.
    pub fn engine_dir(&self) -> PathBuf {
        self.dir.join(ENGINE_DIR)
    }

    /// Prints where everything lies.
    pub fn describe(&self) {
        println!("Standalone  {}", self.program().display());
        println!("CLAP        {}", self.dir.join("mien.clap").display());
        println!("VST3        {}", self.dir.join("mien.vst3").display());
        println!("Engine      {}", self.engine_dir().display());
    }
}

/// Builds (nothing, when nothing changed) and lays everything out.
pub fn bundle(places: &Places) -> Result<Bundled> {
    system::ensure(system::Need::Build)?;
    let torch = libtorch::ensure(places)?;
    build(places, &torch)?;
    lay_out(places, torch)
}

fn build(places: &Places, torch: &Path) -> Result<()> {
    // In one command, so that the dependencies both share are built once, with one set of features.
    // No `target-cpu`: the bundles run on every x86-64; faster code is chosen at run time.
    command::run(
        command::cargo(&places.root)
            .args([
                "build",
                "--release",
                "--package",
                "mien",
                "--package",
                "mien-models",
            ])
            .env("LIBTORCH", torch),
    )
}

fn lay_out(places: &Places, torch: PathBuf) -> Result<Bundled> {
    // The bundler reads bundler.toml from the current folder.
    let here = std::env::current_dir()?;
    std::env::set_current_dir(&places.root)?;
    let result = nice_plug_xtask::bundle(&places.target, "mien", &["--release".to_owned()], false);
    std::env::set_current_dir(here)?;
    result.context("could not make the plugin bundles")?;

    let bundled = Bundled {
        dir: places.bundled(),
        torch,
    };
    let engine = bundled.engine_dir();
    copy::file(
        &places.target.join("release").join(places::engine_file()),
        &engine.join(places::engine_file()),
    )
    .context("the build left no engine library")?;
    link_torch(&bundled.torch, &engine)?;
    link_packs(&places.voices(), &engine.join("packs"))?;
    Ok(bundled)
}

/// Libtorch is 350 MB: links, no copies. `install` and `dist` make their own.
fn link_torch(torch: &Path, engine: &Path) -> Result<()> {
    let to = places::torch_beside_engine(engine);
    if cfg!(windows) {
        torch_libraries(torch)?
            .iter()
            .try_for_each(|file| copy::share(file, &to.join(file.file_name().unwrap_or_default())))
    } else {
        copy::link(&torch.join("lib"), &to)
    }
}

/// The libraries that are needed to run (on Windows also the import libraries lie there).
pub fn torch_libraries(torch: &Path) -> Result<Vec<PathBuf>> {
    let mut files = copy::entries(&torch.join("lib"))?;
    files.retain(|path| path.extension().is_none_or(|ending| ending != "lib"));
    Ok(files)
}

/// Links, so that a pack trained anew is the one that is heard. Those of packs that are gone go too.
fn link_packs(voices: &Path, to: &Path) -> Result<()> {
    copy::remove(to)?;
    std::fs::create_dir_all(to).with_context(|| format!("could not make {}", to.display()))?;
    for pack in copy::files_ending(voices, &["mien"]) {
        copy::link(&pack, &to.join(pack.file_name().unwrap_or_default()))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    #[test]
    fn packs_follow_the_source_tree() {
        let dir = tempfile::tempdir().unwrap();
        let (voices, to) = (dir.path().join("voices"), dir.path().join("packs"));
        fs::create_dir(&voices).unwrap();
        fs::write(voices.join("one.mien"), "1").unwrap();
        fs::write(voices.join("one.md"), "card").unwrap();
        link_packs(&voices, &to).unwrap();
        assert_eq!(copy::entries(&to).unwrap(), [to.join("one.mien")]);

        fs::rename(voices.join("one.mien"), voices.join("two.mien")).unwrap();
        link_packs(&voices, &to).unwrap();
        assert_eq!(copy::entries(&to).unwrap(), [to.join("two.mien")]);
        link_packs(&dir.path().join("none"), &to).unwrap();
        assert!(copy::entries(&to).unwrap().is_empty());
    }

    #[test]
    #[cfg(unix)]
    fn libtorch_lies_where_the_engines_run_path_points() {
        let dir = tempfile::tempdir().unwrap();
        let torch = dir.path().join("libtorch-2.11.0-cpu");
        let engine = dir.path().join(ENGINE_DIR);
        fs::create_dir_all(torch.join("lib")).unwrap();
        fs::write(torch.join("lib/libc10.so"), "").unwrap();
        fs::write(torch.join("lib/c10.lib"), "").unwrap();
        link_torch(&torch, &engine).unwrap();
        // A second start, or another libtorch, must not fail on what the first one left.
        link_torch(&torch, &engine).unwrap();
        assert!(engine.join("libtorch/lib/libc10.so").exists());
        assert_eq!(
            torch_libraries(&torch).unwrap(),
            [torch.join("lib/libc10.so")]
        );
    }
}
