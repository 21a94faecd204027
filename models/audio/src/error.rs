use std::path::PathBuf;

/// What can go wrong with a sound file. Each message names the file and says what to do.
#[derive(Debug, thiserror::Error)]
pub enum AudioError {
    /// The file is missing or may not be read.
    #[error("cannot open {path}: {source}. Check the path and that the file may be read.")]
    Open {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// The content is of no known format.
    #[error(
        "{path} is not a sound file that can be read ({reason}). Convert it to WAV, FLAC, Ogg Vorbis or MP3 first."
    )]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the decoder said.
        reason: String,
    },
    /// The file is a sound file, but more than half of it is damaged, or nothing of it could be decoded.
    #[error("{path} is damaged ({reason}). Fetch or export it again.")]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// The file holds no sound at all.
    #[error(
        "{path} holds no sound. Choose a file with an audio track that is longer than nothing."
    )]
    Empty {
        /// The file.
        path: PathBuf,
    },
    /// The extension names no format that can be written.
    #[error(
        "cannot write {path}: only .wav and .flac can be written. Give the file one of these endings."
    )]
    Extension {
        /// The file.
        path: PathBuf,
    },
    /// The sound cannot be stored in this format.
    #[error("cannot write {path}: {reason}")]
    Unstorable {
        /// The file.
        path: PathBuf,
        /// Why, and what to do.
        reason: String,
    },
    /// Writing failed on the way.
    #[error(
        "cannot write {path}: {source}. Check that the folder exists, may be written and has room."
    )]
    Write {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
}
