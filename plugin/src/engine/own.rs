//! The user's own voices: one JSON file each, in `<data folder>/mien/voices/`. An embedding means
//! something only to the pack that made it, so the pack's name is kept with it.

use std::path::PathBuf;

use mien_face::Voice;
use serde::{Deserialize, Serialize};

use super::search::user_data;

#[derive(Serialize, Deserialize)]
struct File {
    pack: String,
    voice: Voice,
}

fn folder() -> Option<PathBuf> {
    user_data().map(|data| data.join("voices"))
}

/// The voices that were made with the pack of this name, by name.
pub fn voices(pack: &str) -> Vec<Voice> {
    let entries = folder().and_then(|folder| std::fs::read_dir(folder).ok());
    let texts = entries
        .into_iter()
        .flatten()
        .flatten()
        .filter_map(|entry| std::fs::read_to_string(entry.path()).ok());
    let mut found: Vec<Voice> = texts
        .filter_map(|text| serde_json::from_str::<File>(&text).ok())
        .filter(|file| file.pack == pack && !file.voice.name.is_empty())
        .map(|file| file.voice)
        .collect();
    found.sort_by(|a, b| a.name.cmp(&b.name));
    found
}

/// Keeps a voice.
///
/// # Errors
/// Text for people.
pub fn save(pack: &str, voice: Voice) -> Result<(), String> {
    let path = path(pack, &voice.name).ok_or("There is no folder for voices: set HOME.")?;
    let write = || -> std::io::Result<()> {
        let pack = pack.to_owned();
        let text = serde_json::to_string(&File { pack, voice })?;
        path.parent().map_or(Ok(()), std::fs::create_dir_all)?;
        std::fs::write(&path, text)
    };
    write().map_err(|error| format!("Cannot write {}: {error}", path.display()))
}

/// Forgets a voice. One that is not there is forgotten already.
pub fn delete(pack: &str, name: &str) {
    if let Some(path) = path(pack, name) {
        let _ = std::fs::remove_file(path);
    }
}

fn path(pack: &str, name: &str) -> Option<PathBuf> {
    // A name may hold what a file name cannot.
    let safe = |c: char| if c.is_alphanumeric() { c } else { '_' };
    let stem: String = format!("{pack} {name}").chars().map(safe).collect();
    folder().map(|folder| folder.join(stem).with_extension("json"))
}
