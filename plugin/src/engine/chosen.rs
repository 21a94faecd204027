//! Places that the user chose in the settings: a folder of packs, and an engine library. They are
//! kept in `<data folder>/mien/places.json`, for all instances and programs.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::search::user_data;

/// What was chosen; `None` where the usual places do.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Chosen {
    /// A folder that packs are looked for in.
    pub packs: Option<PathBuf>,
    /// The engine library.
    pub engine: Option<PathBuf>,
}

fn file() -> Option<PathBuf> {
    user_data().map(|data| data.join("places.json"))
}

/// What was chosen last.
pub fn chosen() -> Chosen {
    let text = file().and_then(|path| std::fs::read_to_string(path).ok());
    text.and_then(|text| serde_json::from_str(&text).ok())
        .unwrap_or_default()
}

/// Keeps a choice.
///
/// # Errors
/// Text for people.
pub fn choose(change: impl FnOnce(&mut Chosen)) -> Result<(), String> {
    let path = file().ok_or("There is no folder for settings: set HOME.")?;
    let mut chosen = chosen();
    change(&mut chosen);
    let text = serde_json::to_string_pretty(&chosen).map_err(|error| error.to_string())?;
    crate::files::write(&path, &text)
}
