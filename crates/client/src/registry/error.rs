//! What can go wrong with the registry.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rusqlite::ErrorCode;
use share_model::GrantId;

use super::name::SessionName;
use crate::connection::ClientError;
use crate::sqlite_file::FileError;

/// Why the registry could not be opened, or did not take something. Nothing was stored then. Never
/// shows a ref or a secret.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
#[expect(missing_docs, reason = "the messages name the fields")]
pub enum RegistryError {
    /// The file belongs to something else. It was not touched.
    #[error("`{}` is not a registry: give another path, or move it away", path.display())]
    NotARegistry { path: PathBuf },
    /// A newer version wrote the file. It was not touched.
    #[error(
        "`{}` has registry version {version}, this program knows up to {supported}: upgrade this \
         program",
        path.display()
    )]
    Newer {
        path: PathBuf,
        version: u32,
        supported: u32,
    },
    /// The file is cut off or damaged. It was not touched.
    #[error(
        "`{}` is damaged ({detail}): restore it from a copy, or move it away to begin a new registry; \
         keep it then, for the owners' refs in it are nowhere else",
        path.display()
    )]
    Damaged { path: PathBuf, detail: String },
    /// Others than its owner may read the file, and with it the owners' refs. It was not touched.
    #[error(
        "`{}` has mode {mode:o}, so that others may read the owners' refs in it: take that from \
         them with `chmod 600`",
        path.display()
    )]
    NotPrivate { path: PathBuf, mode: u32 },
    /// The file or its folder could not be opened or made.
    #[error("open registry `{}`", path.display())]
    Open {
        path: PathBuf,
        #[source]
        source: Arc<io::Error>,
    },
    /// No room on the disk, or within the pages that the file may have.
    #[error("there is no room for the registry: make room on its disk, then try again")]
    NoRoom,
    /// The registry has as many entries as it may have; none is ever forgotten.
    #[error(
        "the registry has {entries} entries, which is its limit: begin another one under another \
         path, and keep this one"
    )]
    Full { entries: u64 },
    /// Another process holds the file for too long. Safe to repeat.
    #[error("another process holds the registry's file; try again")]
    Busy,
    /// The storage failed. If it did so while the call was made durable, nobody knows whether the call
    /// took effect, and every later call finds the registry closed: open it again and look.
    #[error("the registry's storage failed")]
    Storage(#[source] Arc<rusqlite::Error>),
    /// A write to stable storage failed earlier. Nothing is promised on hope.
    #[error("the registry's storage failed earlier and is closed: open the registry again")]
    Closed,
    /// A stored entry can't be read.
    #[error("the registry holds {what} that can't be read: restore the file from a copy")]
    Unreadable { what: &'static str },

    /// A text is longer than the registry keeps.
    #[error("the {what} has {bytes} bytes, limit is {max}")]
    TooLong {
        what: &'static str,
        bytes: usize,
        max: usize,
    },
    /// An earlier call asked another factory, which may have created the share.
    #[error(
        "a share for session {name} was asked of another factory, grant {factory}, and nothing is \
         known of it: open the session with that one, or release the name to give the share up"
    )]
    OtherFactory { name: SessionName, factory: GrantId },
    /// Nothing of this name is registered, or it was released.
    #[error("no session {name} is registered")]
    NotRegistered { name: SessionName },
    /// The name was released while its share was being created. The share is kept, as released.
    #[error("session {name} was released while its share was being created: open it again")]
    ReleasedMeanwhile { name: SessionName },
    /// The ref is of another share than the entry.
    #[error("the ref is of another share than the one that is registered for session {name}")]
    OtherShare { name: SessionName },
}

/// Why [`Registry::open_session`](crate::Registry::open_session) has no share to give.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum OpenError {
    /// The registry's file, or a rule of it.
    #[error(transparent)]
    Registry(#[from] RegistryError),
    /// The server refused, or no answer came. The request is stored: repeating the call asks for the
    /// same share, however often and from whichever process.
    #[error("create the share of session {name}")]
    NotCreated {
        /// The session, whose name stays reserved.
        name: SessionName,
        /// What the server said, or why it said nothing.
        #[source]
        error: ClientError,
    },
}

impl RegistryError {
    /// What opening the file at `path` found.
    pub(super) fn of_file(path: &Path, error: FileError, supported: u32) -> Self {
        let path = path.to_owned();
        match error {
            FileError::Io(source) => Self::Open {
                path,
                source: Arc::new(source),
            },
            FileError::Foreign => Self::NotARegistry { path },
            FileError::Newer(version) => Self::Newer {
                path,
                version,
                supported,
            },
            FileError::Damaged(detail) => Self::Damaged { path, detail },
            FileError::NotPrivate(mode) => Self::NotPrivate { path, mode },
            FileError::Sqlite(error) => Self::from(error).at(&path),
        }
    }

    /// The error with the file named, if it is damage that shows only now.
    pub(super) fn at(self, path: &Path) -> Self {
        match self {
            Self::Storage(error)
                if matches!(
                    error.sqlite_error_code(),
                    Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase)
                ) =>
            {
                Self::Damaged {
                    path: path.to_owned(),
                    detail: error.to_string(),
                }
            }
            other => other,
        }
    }
}

impl From<rusqlite::Error> for RegistryError {
    fn from(error: rusqlite::Error) -> Self {
        match error.sqlite_error_code() {
            Some(ErrorCode::DiskFull) => Self::NoRoom,
            Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => Self::Busy,
            _ => Self::Storage(Arc::new(error)),
        }
    }
}
