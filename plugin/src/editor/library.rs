//! Files of the user's: presets, and what the panel remembers between sessions.
//!
//! A preset is never lost: one that is replaced or deleted moves to a folder beside the others.

use std::path::{Path, PathBuf};

use mien_panel::{Memory, PresetFile, Sound};

use crate::engine::search::user_data;
use crate::files;

/// Ending of preset files.
pub const ENDING: &str = "mienpreset";
/// Folder, inside that of the presets, for those that were deleted or replaced.
const FORMER: &str = "former";

/// The folder of the user's presets.
pub fn folder() -> Option<PathBuf> {
    user_data().map(|data| data.join("presets"))
}

/// The user's presets, by name.
pub fn presets() -> Vec<PresetFile> {
    folder().map_or_else(Vec::new, |folder| presets_in(&folder))
}

fn presets_in(folder: &Path) -> Vec<PresetFile> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let mut found: Vec<PresetFile> = entries
        .map(|entry| entry.path())
        .filter(|path| path.extension().is_some_and(|ending| ending == ENDING))
        .filter_map(|path| {
            let name = path.file_stem()?.to_str()?.to_owned();
            Some(PresetFile { name, path })
        })
        .collect();
    found.sort_by_key(|preset| preset.name.to_lowercase());
    found
}

/// The name of a file for something of this name, which may hold what a file name cannot.
pub fn file_name(name: &str) -> String {
    let safe = |c: char| {
        if c.is_alphanumeric() || " -_().".contains(c) {
            c
        } else {
            '_'
        }
    };
    name.trim().chars().map(safe).collect()
}

/// Keeps a preset among the user's. One of the same name moves to the former ones.
///
/// # Errors
/// Text for people.
pub fn save(name: &str, sound: &Sound) -> Result<PathBuf, String> {
    let folder = folder().ok_or("There is no folder for presets: set HOME.")?;
    save_in(&folder, name, sound)
}

fn save_in(folder: &Path, name: &str, sound: &Sound) -> Result<PathBuf, String> {
    let name = file_name(name);
    if name.trim_matches(['.', ' ', '_']).is_empty() {
        return Err("The preset needs a name.".into());
    }
    let path = folder.join(format!("{name}.{ENDING}"));
    if path.exists() {
        retire(&path)?;
    }
    export(&path, sound)?;
    Ok(path)
}

/// Reads a preset.
///
/// # Errors
/// Text for people.
pub fn load(path: &Path) -> Result<Sound, String> {
    let text = std::fs::read_to_string(path)
        .map_err(|e| format!("Cannot read {}: {e}", path.display()))?;
    let sound: Sound =
        serde_json::from_str(&text).map_err(|e| format!("{} is no preset: {e}", path.display()))?;
    if sound == Sound::default() {
        return Err(format!("{} is no preset: it is empty.", path.display()));
    }
    Ok(sound)
}

/// Reads a preset from anywhere and keeps it among the user's, under a name that is still free.
///
/// # Errors
/// Text for people.
pub fn import(path: &Path) -> Result<(String, Sound), String> {
    let folder = folder().ok_or("There is no folder for presets: set HOME.")?;
    import_into(&folder, &expanded(path))
}

fn import_into(folder: &Path, path: &Path) -> Result<(String, Sound), String> {
    let sound = load(path)?;
    let stem = path.file_stem().map(|stem| stem.to_string_lossy());
    let stem = file_name(&stem.unwrap_or_default());
    if path.parent() == Some(folder) {
        return Ok((stem, sound));
    }
    let taken = |name: &str| folder.join(format!("{name}.{ENDING}")).exists();
    let numbered = (2..).map(|number| format!("{stem} ({number})"));
    let name = std::iter::once(stem.clone())
        .chain(numbered)
        .find(|name| !taken(name))
        .unwrap_or(stem);
    save_in(folder, &name, &sound)?;
    Ok((name, sound))
}

/// Writes a preset wherever it is wanted.
///
/// # Errors
/// Text for people.
pub fn export(path: &Path, sound: &Sound) -> Result<(), String> {
    let text = serde_json::to_string_pretty(sound).map_err(|e| e.to_string())?;
    files::write(path, &text)
}

/// Takes a preset from the list; its file moves to the former ones.
///
/// # Errors
/// Text for people.
pub fn delete(path: &Path) -> Result<PathBuf, String> {
    retire(path)
}

/// Moves a preset to the former ones, under a name that is still free there.
fn retire(path: &Path) -> Result<PathBuf, String> {
    let refused = |e: std::io::Error| format!("Cannot move {}: {e}", path.display());
    let folder = path.parent().unwrap_or(Path::new(".")).join(FORMER);
    std::fs::create_dir_all(&folder).map_err(refused)?;
    let stem = path.file_stem().unwrap_or_default().to_string_lossy();
    let free = (1..)
        .map(|number| folder.join(format!("{stem} {number}.{ENDING}")))
        .find(|path| !path.exists())
        .unwrap_or_default();
    std::fs::rename(path, &free).map_err(refused)?;
    Ok(free)
}

/// A path as a person types it: with quotes, or `~` for the home folder.
pub fn expanded(path: &Path) -> PathBuf {
    let text = path.to_string_lossy();
    let text = text.trim().trim_matches(['"', '\'']);
    let home = directories::BaseDirs::new();
    match (text.strip_prefix("~/"), home) {
        (Some(rest), Some(home)) => home.home_dir().join(rest),
        _ => PathBuf::from(text),
    }
}

/// What the panel remembered last.
pub fn memory() -> Memory {
    memory_file().map_or_else(Memory::default, |path| memory_in(&path))
}

fn memory_in(path: &Path) -> Memory {
    let text = std::fs::read_to_string(path).ok();
    text.and_then(|text| serde_json::from_str(&text).ok())
        .unwrap_or_default()
}

/// Keeps what changed between two memories. The rest is left as another instance may have written
/// it meanwhile. Where nothing can be written the panel simply forgets.
pub fn remember(before: &Memory, after: &Memory) {
    if let Some(path) = memory_file() {
        remember_in(&path, before, after);
    }
}

fn remember_in(path: &Path, before: &Memory, after: &Memory) {
    let mut kept = memory_in(path);
    if after.dark != before.dark {
        kept.dark = after.dark;
    }
    if (after.zoom, after.window) != (before.zoom, before.window) {
        (kept.zoom, kept.window) = (after.zoom, after.window);
    }
    kept.welcomed |= after.welcomed;
    kept.favourites
        .retain(|name| after.favourites.contains(name) || !before.favourites.contains(name));
    for name in &after.favourites {
        if !kept.favourites.contains(name) {
            kept.favourites.push(name.clone());
        }
    }
    if let Ok(text) = serde_json::to_string_pretty(&kept) {
        let _ = files::write(path, &text);
    }
}

fn memory_file() -> Option<PathBuf> {
    user_data().map(|data| data.join("panel.json"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sound(value: f32) -> Sound {
        Sound {
            values: [("emo_happy".to_owned(), value)].into(),
            voices: vec![("Ada".into(), 1.0)],
        }
    }

    fn names(folder: &Path) -> Vec<String> {
        let presets = presets_in(folder).into_iter();
        presets.map(|preset| preset.name).collect()
    }

    #[test]
    fn presets_are_kept_replaced_and_deleted_without_loss() {
        let root = tempfile::tempdir().unwrap();
        let folder = root.path().join("presets");
        let path = save_in(&folder, " Evening / calm ", &sound(0.2)).unwrap();
        assert_eq!(names(&folder), ["Evening _ calm"]);
        assert_eq!(load(&path).unwrap(), sound(0.2));
        save_in(&folder, "Evening _ calm", &sound(0.7)).unwrap();
        assert_eq!(load(&path).unwrap(), sound(0.7));
        let former = folder.join(FORMER);
        assert_eq!(names(&former), ["Evening _ calm 1"], "the replaced one");
        delete(&path).unwrap();
        assert_eq!(names(&folder), [""; 0]);
        assert_eq!(names(&former).len(), 2, "and the deleted one");
        assert!(save_in(&folder, " . ", &sound(0.1)).is_err());
    }

    #[test]
    fn presets_go_out_and_come_back() {
        let root = tempfile::tempdir().unwrap();
        let folder = root.path().join("presets");
        let outside = root.path().join("from a friend.mienpreset");
        export(&outside, &sound(0.4)).unwrap();
        for expected in ["from a friend", "from a friend (2)"] {
            let (name, read) = import_into(&folder, &outside).unwrap();
            assert_eq!((name.as_str(), read), (expected, sound(0.4)));
        }
        assert_eq!(names(&folder), ["from a friend", "from a friend (2)"]);
        let inside = folder.join("from a friend.mienpreset");
        assert_eq!(import_into(&folder, &inside).unwrap().0, "from a friend");
        assert_eq!(names(&folder).len(), 2, "one that is there is not doubled");
        std::fs::write(&outside, "{}").unwrap();
        assert!(import_into(&folder, &outside).is_err());
        assert!(import_into(&folder, &root.path().join("nothing")).is_err());
    }

    #[test]
    fn two_instances_do_not_forget_for_each_other() {
        let root = tempfile::tempdir().unwrap();
        let path = root.path().join("panel.json");
        let start = Memory::default();
        let starred = Memory {
            favourites: vec!["Ada".into()],
            welcomed: true,
            ..start.clone()
        };
        remember_in(&path, &start, &starred);
        // Another instance knows nothing of that, and changes the theme and the size.
        let light = Memory {
            dark: false,
            window: Some([1200.0, 700.0]),
            ..start.clone()
        };
        remember_in(&path, &start, &light);
        let kept = memory_in(&path);
        assert!(!kept.dark && kept.welcomed);
        assert_eq!(kept.favourites, ["Ada"]);
        assert_eq!(kept.window, Some([1200.0, 700.0]));
        remember_in(&path, &starred, &start);
        assert_eq!(memory_in(&path).favourites, [""; 0]);
    }

    #[test]
    fn typed_paths_are_read_as_people_mean_them() {
        assert_eq!(expanded(Path::new(" \"/a b/c\" ")), Path::new("/a b/c"));
        let home = directories::BaseDirs::new().unwrap();
        assert_eq!(expanded(Path::new("~/x")), home.home_dir().join("x"));
    }
}
