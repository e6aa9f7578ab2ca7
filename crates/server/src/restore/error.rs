//! Why a backup is not restored.

use std::io;
use std::path::{Path, PathBuf};

use crate::journal::JournalError;
use crate::server::ServerError;
use crate::store::StoreError;

/// Why a backup is not restored. Each message says what to do.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RestoreError {
    /// The file is something else.
    #[error("{} is not a backup of a share server", .file.display())]
    Foreign {
        /// The file.
        file: PathBuf,
    },
    /// The backup was made by a newer version.
    #[error("{} has format {found}: upgrade this program", .file.display())]
    Newer {
        /// The file.
        file: PathBuf,
        /// The format found.
        found: u32,
    },
    /// The file is not what was written.
    #[error("the backup {} is damaged: {what}", .file.display())]
    Damaged {
        /// The file.
        file: PathBuf,
        /// What is wrong.
        what: String,
    },
    /// The file is what was written, but what it holds can't be used.
    #[error("what the backup {} holds can't be used", .file.display())]
    Content {
        /// The file.
        file: PathBuf,
        /// What is wrong.
        #[source]
        source: Box<ServerError>,
    },
    /// There is no journal where it should be.
    #[error("the authority journal {} is missing", .path.display())]
    NoJournal {
        /// Where it was looked for.
        path: PathBuf,
    },
    /// The journal is said to be lost, but it is there.
    #[error("the authority journal is said to be lost, but {} is there", .path.display())]
    JournalThere {
        /// The file.
        path: PathBuf,
    },
    /// The journal of another server.
    #[error("{} is not the journal of the server that the backup is of", .path.display())]
    OtherJournal {
        /// The file.
        path: PathBuf,
    },
    /// The journal can't be used.
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// The data folder can't be used.
    #[error(transparent)]
    Folder(#[from] ServerError),
    /// The restore was decided, and is not complete.
    #[error(
        "the backup is restored, but moving it to its place in {} failed: mend what is wrong there, and \
         start the server, which completes it", .folder.display()
    )]
    Install {
        /// The data folder.
        folder: PathBuf,
        /// What the machine said.
        #[source]
        source: io::Error,
    },
    /// A file or folder can't be used.
    #[error("{doing} {}", .path.display())]
    Io {
        /// What was attempted.
        doing: &'static str,
        /// On what.
        path: PathBuf,
        /// What the machine said.
        #[source]
        source: io::Error,
    },
}

impl RestoreError {
    pub(super) fn io(doing: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::Io {
            doing,
            path,
            source,
        }
    }
}

impl From<StoreError> for RestoreError {
    fn from(error: StoreError) -> Self {
        Self::Folder(error.into())
    }
}
