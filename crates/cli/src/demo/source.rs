//! Where the demo's recording comes from: a file, or one that is built in.

use std::path::{Path, PathBuf};

use share_opencode::{Recording, RecordingError};

/// A real session of opencode, recorded as it was sent.
const BUILT_IN: &[u8] = include_bytes!("../../../../tests/recordings/long.jsonl.gz");
const BUILT_IN_NAME: &str = "tests/recordings/long.jsonl.gz";

/// A recording that can be read more than once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Source {
    /// The user's.
    File(PathBuf),
    /// The project's.
    BuiltIn,
}

impl Source {
    /// The file that the user named, else the one built in.
    pub(super) fn new(file: Option<PathBuf>) -> Self {
        file.map_or(Self::BuiltIn, Self::File)
    }

    /// Opens it at its beginning.
    pub(super) fn open(&self) -> Result<Recording<'static>, RecordingError> {
        match self {
            Self::File(path) => Recording::open(path),
            Self::BuiltIn => Recording::new(BUILT_IN),
        }
    }

    /// What it is called.
    pub(super) fn name(&self) -> String {
        match self {
            Self::File(path) => Path::display(path).to_string(),
            Self::BuiltIn => BUILT_IN_NAME.to_owned(),
        }
    }
}
