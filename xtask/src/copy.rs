//! Putting files elsewhere: by a link where the place only points here, by a hard link or a copy where it must stand alone.

use anyhow::{Context, Result};
use std::fs;
use std::path::{Path, PathBuf};

/// Makes `to` a symbolic link to `from`, or a copy where the system has no such links. What lay at `to` goes away.
pub fn link(from: &Path, to: &Path) -> Result<()> {
    #[cfg(unix)]
    {
        if fs::read_link(to).is_ok_and(|target| target == from) {
            return Ok(());
        }
        remove(to)?;
        make_parent(to)?;
        std::os::unix::fs::symlink(from, to)
            .with_context(|| format!("could not link {} to {}", to.display(), from.display()))
    }
    #[cfg(not(unix))]
    {
        if from.is_dir() {
            tree(from, to)
        } else {
            file(from, to)
        }
    }
}

/// Makes `to` the same file as `from` where both lie on one disk (libtorch has 350 MB), else a copy.
///
/// Only for files that nobody writes in place: whoever replaces the one leaves the other as it is.
pub fn share(from: &Path, to: &Path) -> Result<()> {
    let from = fs::canonicalize(from).with_context(|| format!("{} is missing", from.display()))?;
    remove(to)?;
    make_parent(to)?;
    if fs::hard_link(&from, to).is_ok() {
        return Ok(());
    }
    file(&from, to)
}

/// Copies a file, following links, unless `to` is already as long and as new.
pub fn file(from: &Path, to: &Path) -> Result<()> {
    let source = fs::metadata(from).with_context(|| format!("{} is missing", from.display()))?;
    let up_to_date = fs::symlink_metadata(to).is_ok_and(|target| {
        target.is_file()
            && target.len() == source.len()
            && matches!((target.modified(), source.modified()), (Ok(there), Ok(here)) if there >= here)
    });
    if up_to_date {
        return Ok(());
    }
    make_parent(to)?;
    // A host may have the old file mapped: a new one takes its name, the old one lives until the host lets go.
    let new = to.with_file_name(format!(
        ".{}.new",
        to.file_name().unwrap_or_default().to_string_lossy()
    ));
    fs::copy(from, &new)
        .and_then(|_| fs::rename(&new, to))
        .with_context(|| format!("could not copy {} to {}", from.display(), to.display()))
}

/// Copies a folder with all it holds, following links. What lay at `to` goes away.
pub fn tree(from: &Path, to: &Path) -> Result<()> {
    remove(to)?;
    fs::create_dir_all(to).with_context(|| format!("could not make {}", to.display()))?;
    for entry in entries(from)? {
        let target = to.join(entry.file_name().unwrap_or_default());
        if entry.is_dir() {
            tree(&entry, &target)?;
        } else {
            file(&entry, &target)?;
        }
    }
    Ok(())
}

/// Copies a file or a folder.
pub fn any(from: &Path, to: &Path) -> Result<()> {
    if from.is_dir() {
        tree(from, to)
    } else {
        file(from, to)
    }
}

/// Removes a file, a link (never what it points to) or a folder with all it holds; nothing there is fine.
pub fn remove(path: &Path) -> Result<()> {
    let result = match fs::symlink_metadata(path) {
        Ok(found) if found.is_dir() => fs::remove_dir_all(path),
        Ok(_) => fs::remove_file(path),
        Err(_) => Ok(()),
    };
    result.with_context(|| format!("could not remove {}", path.display()))
}

/// What a folder holds, sorted by name.
pub fn entries(dir: &Path) -> Result<Vec<PathBuf>> {
    let mut entries = fs::read_dir(dir)
        .and_then(|entries| {
            entries
                .map(|entry| entry.map(|e| e.path()))
                .collect::<Result<Vec<_>, _>>()
        })
        .with_context(|| format!("could not read the folder {}", dir.display()))?;
    entries.sort();
    Ok(entries)
}

/// The files of a folder whose name ends in one of these, sorted; none when there is no such folder.
pub fn files_ending(dir: &Path, endings: &[&str]) -> Vec<PathBuf> {
    entries(dir)
        .unwrap_or_default()
        .into_iter()
        .filter(|path| {
            path.extension().is_some_and(|found| {
                endings
                    .iter()
                    .any(|ending| found.eq_ignore_ascii_case(ending))
            })
        })
        .collect()
}

fn make_parent(path: &Path) -> Result<()> {
    match path.parent() {
        Some(parent) => fs::create_dir_all(parent)
            .with_context(|| format!("could not make the folder {}", parent.display())),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn removing_a_link_leaves_what_it_points_to() {
        let dir = tempfile::tempdir().unwrap();
        let (real, link_to) = (dir.path().join("real"), dir.path().join("link"));
        fs::create_dir(&real).unwrap();
        fs::write(real.join("a"), "1").unwrap();
        link(&real, &link_to).unwrap();
        assert_eq!(fs::read_to_string(link_to.join("a")).unwrap(), "1");
        link(&real, &link_to).unwrap();
        remove(&link_to).unwrap();
        assert!(real.join("a").exists() && !link_to.exists());
    }

    #[test]
    fn a_copied_tree_stands_alone() {
        let dir = tempfile::tempdir().unwrap();
        let (real, from, to) = (
            dir.path().join("real"),
            dir.path().join("from"),
            dir.path().join("to"),
        );
        fs::create_dir_all(&from).unwrap();
        fs::write(&real, "sound").unwrap();
        link(&real, &from.join("pack.mien")).unwrap();
        fs::create_dir_all(&to).unwrap();
        fs::write(to.join("old.mien"), "gone").unwrap();
        tree(&from, &to).unwrap();
        fs::remove_file(&real).unwrap();
        assert_eq!(fs::read_to_string(to.join("pack.mien")).unwrap(), "sound");
        assert!(!to.join("old.mien").exists());
    }

    #[test]
    fn a_changed_file_is_copied_anew_and_an_old_reader_keeps_its_own() {
        use std::io::Read;
        let dir = tempfile::tempdir().unwrap();
        let (from, to) = (dir.path().join("from"), dir.path().join("to"));
        fs::write(&from, "one").unwrap();
        file(&from, &to).unwrap();
        let mut reader = fs::File::open(&to).unwrap();
        fs::write(&from, "three").unwrap();
        file(&from, &to).unwrap();
        assert_eq!(fs::read_to_string(&to).unwrap(), "three");
        let mut old = String::new();
        reader.read_to_string(&mut old).unwrap();
        assert_eq!(old, "one");
    }

    #[test]
    fn sharing_survives_the_loss_of_the_first_name() {
        let dir = tempfile::tempdir().unwrap();
        let (from, to) = (dir.path().join("from"), dir.path().join("deep/to"));
        fs::write(&from, "torch").unwrap();
        share(&from, &to).unwrap();
        fs::remove_file(&from).unwrap();
        assert_eq!(fs::read_to_string(&to).unwrap(), "torch");
    }

    #[test]
    fn files_are_found_by_their_endings() {
        let dir = tempfile::tempdir().unwrap();
        for name in ["b.mien", "a.MIEN", "card.md", "mien"] {
            fs::write(dir.path().join(name), "").unwrap();
        }
        let names: Vec<_> = files_ending(dir.path(), &["mien"])
            .iter()
            .map(|path| path.file_name().unwrap().to_string_lossy().into_owned())
            .collect();
        assert_eq!(names, ["a.MIEN", "b.mien"]);
        assert!(files_ending(&dir.path().join("none"), &["mien"]).is_empty());
    }
}
