//! Small files of the user's: written whole or not at all.

use std::path::Path;

/// Writes a file by way of another beside it, so that a crash or a full disk leaves the old one.
/// Its folder is made where it is missing.
///
/// # Errors
/// Text for people.
pub fn write(path: &Path, text: &str) -> Result<(), String> {
    let work = || -> std::io::Result<()> {
        path.parent().map_or(Ok(()), std::fs::create_dir_all)?;
        let mut beside = path.as_os_str().to_owned();
        beside.push(format!(".{}", std::process::id()));
        std::fs::write(&beside, text)?;
        std::fs::rename(&beside, path)
    };
    work().map_err(|error| format!("Cannot write {}: {error}", path.display()))
}
