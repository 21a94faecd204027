//! The `mien` program.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use crate::toy;

/// The program: the one in `$MIEN_BUNDLED`, or built by cargo.
pub fn program() -> &'static Path {
    static PROGRAM: OnceLock<PathBuf> = OnceLock::new();
    PROGRAM.get_or_init(|| {
        if let Some(path) = toy::bundled_program() {
            return path;
        }
        let built = Command::new(env!("CARGO"))
            .args([
                "build",
                "-p",
                "mien",
                "--bin",
                "mien",
                "--message-format",
                "json",
            ])
            .output()
            .expect("cargo");
        assert!(
            built.status.success(),
            "{}",
            String::from_utf8_lossy(&built.stderr)
        );
        let messages = String::from_utf8_lossy(&built.stdout).into_owned();
        let message = |line: &str| serde_json::from_str::<serde_json::Value>(line).ok();
        let path = messages
            .lines()
            .filter_map(message)
            .find_map(|message| message["executable"].as_str().map(PathBuf::from));
        path.expect("the program's path")
    })
}
