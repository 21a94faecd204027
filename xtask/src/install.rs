//! `cargo xtask install`: the plugins where hosts look for them, the engine and the packs where the plugins look for it.

use crate::{bundle, bundle::Bundled, copy, places, places::Places};
use anyhow::{Context, Result};
use clap::Args;
use std::path::{Path, PathBuf};

/// Install, or undo it.
#[derive(Debug, Args)]
pub struct Options {
    /// Take the installed plugins, standalone and engine away again. Packs of your own stay.
    #[arg(long)]
    remove: bool,
}

/// The places an installation writes to.
struct Installed {
    clap: PathBuf,
    vst3: PathBuf,
    /// None where users have no folder for programs (Windows).
    standalone: Option<PathBuf>,
    engine: PathBuf,
    /// Packs the user made or fetched: never written to, never removed.
    own_packs: PathBuf,
}

impl Installed {
    fn for_user(home: &Path, data: &Path) -> Self {
        let (clap, vst3) = places::plugin_folders(home);
        Self {
            clap: clap.join("mien.clap"),
            vst3: vst3.join("mien.vst3"),
            standalone: match std::env::consts::OS {
                "linux" => Some(home.join(".local/bin/mien")),
                "macos" => Some(home.join("Applications/mien.app")),
                _ => None,
            },
            engine: data.join("engine"),
            own_packs: data.join("packs"),
        }
    }

    /// Everything that `remove` takes away.
    fn all(&self) -> impl Iterator<Item = &PathBuf> {
        [&self.clap, &self.vst3, &self.engine]
            .into_iter()
            .chain(&self.standalone)
    }
}

/// Installs for this user, or removes.
pub fn install(places: &Places, options: Options) -> Result<()> {
    let to = Installed::for_user(&places.home, &places.data);
    if options.remove {
        for path in to.all() {
            copy::remove(path)?;
            println!("Removed     {}", path.display());
        }
        return Ok(());
    }
    let bundled = bundle::bundle(places)?;
    put(&bundled, &places.voices(), &to)?;
    println!("\nCLAP        {}", to.clap.display());
    println!("VST3        {}", to.vst3.display());
    if let Some(standalone) = &to.standalone {
        println!("Standalone  {}", standalone.display());
    }
    println!("Engine      {}", to.engine.display());
    println!(
        "Own packs   {} (put your .mien files there)",
        to.own_packs.display()
    );
    println!("Let your host scan for new plugins, then look for \"Mien\".");
    Ok(())
}

fn put(bundled: &Bundled, voices: &Path, to: &Installed) -> Result<()> {
    // The engine first: a host that scans meanwhile must not meet a plugin without one.
    engine(bundled, voices, &to.engine)?;
    copy::any(&bundled.dir.join("mien.clap"), &to.clap)?;
    copy::any(&bundled.dir.join("mien.vst3"), &to.vst3)?;
    if let Some(standalone) = &to.standalone {
        copy::any(&places::standalone_bundle(&bundled.dir), standalone)?;
    }
    std::fs::create_dir_all(&to.own_packs)
        .with_context(|| format!("could not make {}", to.own_packs.display()))
}

/// The engine folder, standing on its own: library, libtorch, packs with their cards.
pub fn engine(bundled: &Bundled, voices: &Path, to: &Path) -> Result<()> {
    let name = places::engine_file();
    copy::file(&bundled.engine_dir().join(&name), &to.join(&name))?;
    let torch = places::torch_beside_engine(to);
    for file in bundle::torch_libraries(&bundled.torch)? {
        copy::share(&file, &torch.join(file.file_name().unwrap_or_default()))?;
    }
    // Libtorch's licence asks to be passed on with it. A libtorch of the user's own may lie elsewhere without it.
    for name in ["LICENSE", "NOTICE"] {
        let licence = bundled.torch.join(name);
        if licence.exists() {
            copy::file(&licence, &to.join("libtorch").join(name))?;
        }
    }
    let packs = to.join("packs");
    copy::remove(&packs)?;
    for file in copy::files_ending(voices, &["mien", "md"]) {
        copy::file(&file, &packs.join(file.file_name().unwrap_or_default()))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    fn write(path: &Path) {
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, path.file_name().unwrap().as_encoded_bytes()).unwrap();
    }

    #[test]
    fn an_installation_stands_alone_and_goes_without_the_users_packs() {
        let dir = tempfile::tempdir().unwrap();
        let bundled = Bundled {
            dir: dir.path().join("bundled"),
            torch: dir.path().join("torch"),
        };
        let voices = dir.path().join("voices");
        write(&bundled.dir.join("mien.clap"));
        write(&bundled.dir.join("mien.vst3/Contents/x86_64-linux/mien.so"));
        write(&places::standalone(&bundled.dir));
        write(&bundled.engine_dir().join(places::engine_file()));
        write(&bundled.torch.join("lib/libc10.so"));
        write(&bundled.torch.join("LICENSE"));
        write(&voices.join("first.mien"));
        write(&voices.join("first.md"));

        let home = dir.path().join("home");
        let to = Installed::for_user(&home, &home.join("data"));
        put(&bundled, &voices, &to).unwrap();
        // Twice: an update must not stumble over the first.
        put(&bundled, &voices, &to).unwrap();
        for gone in [&bundled.dir, &bundled.torch, &voices] {
            fs::remove_dir_all(gone).unwrap();
        }
        assert!(to.clap.exists() && to.vst3.join("Contents/x86_64-linux/mien.so").exists());
        assert!(to.engine.join(places::engine_file()).exists());
        assert!(
            places::torch_beside_engine(&to.engine)
                .join("libc10.so")
                .exists()
        );
        assert!(
            to.engine.join("packs/first.mien").exists()
                && to.engine.join("packs/first.md").exists()
        );
        assert!(to.engine.join("libtorch/LICENSE").exists());

        write(&to.own_packs.join("mine.mien"));
        for path in to.all() {
            copy::remove(path).unwrap();
        }
        assert!(!to.engine.exists() && !to.clap.exists());
        assert!(to.own_packs.join("mine.mien").exists());
    }
}
