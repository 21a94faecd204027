//! Files of the user's: presets, and what the panel remembers between sessions.

use std::path::{Path, PathBuf};

use mien_panel::{Memory, PresetFile, Sound};

use crate::engine::search::user_data;

/// Ending of preset files.
const ENDING: &str = "mienpreset";

fn folder() -> Option<PathBuf> {
    user_data().map(|data| data.join("presets"))
}

/// The user's presets, by name.
pub fn presets() -> Vec<PresetFile> {
    let entries = folder().and_then(|folder| std::fs::read_dir(folder).ok());
    let paths = entries
        .into_iter()
        .flatten()
        .flatten()
        .map(|entry| entry.path());
    let mut found: Vec<PresetFile> = paths
        .filter(|path| path.extension().is_some_and(|ending| ending == ENDING))
        .filter_map(|path| {
            let name = path.file_stem()?.to_str()?.to_owned();
            Some(PresetFile { name, path })
        })
        .collect();
    found.sort_by(|a, b| a.name.cmp(&b.name));
    found
}

/// Writes a preset.
///
/// # Errors
/// Text for people.
pub fn save(name: &str, sound: &Sound) -> Result<(), String> {
    let folder = folder().ok_or("There is no folder for presets: set HOME.")?;
    std::fs::create_dir_all(&folder)
        .map_err(|e| format!("Cannot make {}: {e}", folder.display()))?;
    // A name may hold what a file name cannot.
    let safe = |c: char| {
        if c.is_alphanumeric() || " -_().".contains(c) {
            c
        } else {
            '_'
        }
    };
    let name: String = name.trim().chars().map(safe).collect();
    if name.trim_matches('.').is_empty() {
        return Err("The preset needs a name.".into());
    }
    let path = folder.join(format!("{name}.{ENDING}"));
    let text = serde_json::to_string_pretty(sound).map_err(|e| e.to_string())?;
    std::fs::write(&path, text).map_err(|e| format!("Cannot write {}: {e}", path.display()))
}

/// Reads a preset.
///
/// # Errors
/// Text for people.
pub fn load(path: &Path) -> Result<Sound, String> {
    let text = std::fs::read_to_string(path)
        .map_err(|e| format!("Cannot read {}: {e}", path.display()))?;
    serde_json::from_str(&text).map_err(|e| format!("{} is no preset: {e}", path.display()))
}

/// Deletes a preset.
///
/// # Errors
/// Text for people.
pub fn delete(path: &Path) -> Result<(), String> {
    std::fs::remove_file(path).map_err(|e| format!("Cannot delete {}: {e}", path.display()))
}

/// What the panel remembered last.
pub fn memory() -> Memory {
    let text = memory_file().and_then(|path| std::fs::read_to_string(path).ok());
    text.and_then(|text| serde_json::from_str(&text).ok())
        .unwrap_or_default()
}

/// Keeps what the panel remembers. Where that is not possible it simply forgets.
pub fn remember(memory: &Memory) {
    if let (Some(path), Ok(text)) = (memory_file(), serde_json::to_string_pretty(memory)) {
        let _ = path.parent().map(std::fs::create_dir_all);
        let _ = std::fs::write(path, text);
    }
}

fn memory_file() -> Option<PathBuf> {
    user_data().map(|data| data.join("panel.json"))
}
