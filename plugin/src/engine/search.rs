//! Where the engine library and the packs are looked for.
//!
//! Engine library, first match wins:
//! 1. `$MIEN_ENGINE`, a path to the library itself
//! 2. the one that the user chose in the settings
//! 3. beside the plugin's bundle or the program, and in `mien-engine/` there
//! 4. the user's install: `<data folder>/mien/engine/`
//! 5. `/usr/lib/mien/`
//!
//! Packs (`*.mien`), all of them, earlier folders first:
//! 1. `$MIEN_PACKS`, a folder
//! 2. the folder that the user chose in the settings
//! 3. `packs/` beside the engine library
//! 4. the user's: `<data folder>/mien/packs/`
//! 5. `/usr/share/mien/packs/`
//! 6. `models/voices/` of the source tree, where the program was built in one

use std::ffi::OsStr;
use std::io::Read;
use std::path::{Path, PathBuf};

use mien_face::PackDescription;

use super::chosen::chosen;

/// File name of the engine library on this system.
pub fn library_name() -> String {
    libloading_name("mien_models")
}

fn libloading_name(stem: &str) -> String {
    format!(
        "{}{stem}{}",
        std::env::consts::DLL_PREFIX,
        std::env::consts::DLL_SUFFIX
    )
}

/// Every place where the engine library may lie, in order.
pub fn engine_candidates() -> Vec<PathBuf> {
    let name = library_name();
    let mut found: Vec<PathBuf> = environment("MIEN_ENGINE").into_iter().collect();
    found.extend(chosen().engine);
    for folder in homes() {
        found.push(folder.join(&name));
        found.push(folder.join("mien-engine").join(&name));
    }
    found.extend(user_data().map(|data| data.join("engine").join(&name)));
    found.push(Path::new("/usr/lib/mien").join(&name));
    found
}

/// The engine library to open.
///
/// # Errors
/// Text for people: where it was looked for, and what to do.
pub fn find_engine() -> Result<PathBuf, String> {
    if let Some(path) = environment("MIEN_ENGINE")
        && !path.is_file()
    {
        return Err(format!(
            "MIEN_ENGINE names {}, which is no file. Correct it or unset it.",
            path.display()
        ));
    }
    engine_candidates()
        .into_iter()
        .find(|path| path.is_file())
        .ok_or_else(|| {
            "The voice engine is not installed, so your own voice passes through. \
         Run `cargo xtask install`, or set MIEN_ENGINE to the path of the engine library."
                .into()
        })
}

/// The folders that may hold packs, in order.
pub fn pack_folders(engine: Option<&Path>) -> Vec<PathBuf> {
    let mut folders: Vec<PathBuf> = environment("MIEN_PACKS").into_iter().collect();
    folders.extend(chosen().packs);
    folders.extend(
        engine
            .and_then(Path::parent)
            .map(|beside| beside.join("packs")),
    );
    folders.extend(
        homes()
            .into_iter()
            .map(|home| home.join("mien-engine").join("packs")),
    );
    folders.extend(user_data().map(|data| data.join("packs")));
    folders.push("/usr/share/mien/packs".into());
    for home in homes() {
        let tree = home
            .ancestors()
            .find(|folder| folder.join("models/voices").is_dir());
        folders.extend(tree.map(|tree| tree.join("models/voices")));
    }
    folders
}

/// An installed pack.
#[derive(Clone, Debug, PartialEq)]
pub struct PackFile {
    /// Where it lies.
    pub path: PathBuf,
    /// Its card, without the embeddings' worth of trust: the engine checks the file when it loads it.
    pub card: PackDescription,
}

/// The installed packs. Of two with one name the earlier folder's is taken; what cannot be read as
/// a pack is left out.
pub fn packs(engine: Option<&Path>) -> Vec<PackFile> {
    let mut found: Vec<PackFile> = Vec::new();
    for folder in pack_folders(engine) {
        let Ok(entries) = std::fs::read_dir(folder) else {
            continue;
        };
        let mut paths: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).collect();
        paths.retain(|path| path.extension() == Some(OsStr::new("mien")));
        paths.sort();
        for path in paths {
            if let Some(card) = read_card(&path)
                && found.iter().all(|pack| pack.card.name != card.name)
            {
                found.push(PackFile { path, card });
            }
        }
    }
    found
}

/// Longest header that is read: a card with the embeddings of a thousand voices is far below it.
const LONGEST_HEADER: u64 = 64 << 20;

/// Name of the card among the metadata of a pack's header.
const CARD: &str = "mien.card";

/// What is read of a card.
#[derive(serde::Deserialize)]
struct Card {
    /// `"voices"`; other packs hold weights for one of these.
    kind: String,
    description: PackDescription,
}

/// Reads the card of a voice pack from its header (safetensors: the header's length, then JSON).
/// Nothing else of the file is read. `None` for anything that is no voice pack.
pub fn read_card(path: &Path) -> Option<PackDescription> {
    let mut file = std::fs::File::open(path).ok()?;
    let mut length = [0; 8];
    file.read_exact(&mut length).ok()?;
    let length = u64::from_le_bytes(length);
    if length > LONGEST_HEADER || length > file.metadata().ok()?.len() {
        return None;
    }
    let mut header = Vec::new();
    file.take(length).read_to_end(&mut header).ok()?;
    let header: serde_json::Value = serde_json::from_slice(&header).ok()?;
    let text = header.get("__metadata__")?.get(CARD)?.as_str()?;
    let card: Card = serde_json::from_str(text).ok()?;
    (card.kind == "voices").then_some(card.description)
}

/// The folders that hold this program or plugin: the file's own, and for a bundle the one it lies in.
fn homes() -> Vec<PathBuf> {
    let mut homes = Vec::new();
    for file in [
        process_path::get_dylib_path(),
        process_path::get_executable_path(),
    ] {
        let Some(file) = file else { continue };
        let file = file.canonicalize().unwrap_or(file);
        let bundle = file.ancestors().skip(1).find(|folder| {
            let kind = folder.extension().and_then(OsStr::to_str);
            matches!(kind, Some("vst3" | "clap" | "app"))
        });
        for inside in [file.parent(), bundle.and_then(Path::parent)]
            .into_iter()
            .flatten()
        {
            if !homes.iter().any(|home| home == inside) {
                homes.push(inside.to_owned());
            }
        }
    }
    homes
}

/// The folder of packs that the panel names: the one that was chosen, or the user's own.
pub fn packs_folder() -> PathBuf {
    environment("MIEN_PACKS")
        .or_else(|| chosen().packs)
        .or_else(|| user_data().map(|data| data.join("packs")))
        .unwrap_or_default()
}

/// Copies a pack into the user's own folder, where every instance finds it, and gives its name.
///
/// # Errors
/// Text for people.
pub fn install_pack(path: &Path) -> Result<String, String> {
    let card = read_card(path).ok_or_else(|| format!("{} is no voice pack.", path.display()))?;
    let folder = user_data().ok_or("There is no folder for packs: set HOME.")?;
    let folder = folder.join("packs");
    let to = folder.join(path.file_name().unwrap_or_default());
    let is_there = to.canonicalize().ok();
    if is_there.is_none() || is_there != path.canonicalize().ok() {
        // A half copied pack must not be found as one.
        let beside = to.with_extension("part");
        let copy = std::fs::create_dir_all(&folder)
            .and_then(|()| std::fs::copy(path, &beside))
            .and_then(|_| std::fs::rename(&beside, &to));
        copy.map_err(|e| format!("Cannot copy {} to {}: {e}", path.display(), to.display()))?;
    }
    Ok(card.name)
}

/// The user's own folder for Mien.
pub fn user_data() -> Option<PathBuf> {
    directories::BaseDirs::new().map(|dirs| dirs.data_dir().join("mien"))
}

fn environment(name: &str) -> Option<PathBuf> {
    std::env::var_os(name)
        .filter(|value| !value.is_empty())
        .map(PathBuf::from)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn write_pack(path: &Path, name: &str) {
        let card = serde_json::json!({
            "format": 1,
            "kind": "voices",
            "description": {"name": name, "voices": [{"name": "Ada"}]},
        })
        .to_string();
        let header = serde_json::json!({"__metadata__": {CARD: card}}).to_string();
        let mut bytes = (header.len() as u64).to_le_bytes().to_vec();
        bytes.extend(header.as_bytes());
        std::fs::write(path, bytes).unwrap();
    }

    #[test]
    fn reads_a_card_and_survives_rubbish() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.mien");
        write_pack(&path, "First");
        assert_eq!(read_card(&path).unwrap().name, "First");
        for rubbish in [
            &b""[..],
            b"1234",
            b"\xff\xff\xff\xff\xff\xff\xff\xff{}",
            b"\x02\0\0\0\0\0\0\0{}",
        ] {
            std::fs::write(&path, rubbish).unwrap();
            assert_eq!(read_card(&path), None);
        }
    }

    #[test]
    fn knows_where_it_is() {
        assert!(!homes().is_empty());
        assert!(
            engine_candidates()
                .iter()
                .all(|path| path.file_name().is_some())
        );
    }
}
