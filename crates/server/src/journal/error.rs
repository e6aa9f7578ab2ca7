//! Why a journal can't be used.

use std::io;
use std::path::{Path, PathBuf};

/// Why a journal can't be used. Each message says what to do.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum JournalError {
    /// The data folder was served with a journal that is not there.
    #[error(
        "the authority journal {} is missing: put it back, or say where it is with `--journal`; if it is \
         lost and the data folder was not put back from a copy since, begin a new one with \
         `--new-journal`", .path.display()
    )]
    Missing {
        /// Where it was looked for.
        path: PathBuf,
    },
    /// A new journal is wanted where there is one.
    #[error(
        "{} is there: leave out `--new-journal`, or move the file away first if it can't be read",
        .path.display()
    )]
    Exists {
        /// The file.
        path: PathBuf,
    },
    /// The journal of another data folder.
    #[error(
        "{} is the journal of another data folder: name the right one with `--journal`",
        .path.display()
    )]
    OtherFolders {
        /// The file.
        path: PathBuf,
    },
    /// The journal lies where a copy of the data folder would take it along.
    #[error(
        "the journal {} lies in the data folder, and a copy of the folder would take it back: name a \
         place outside with `--journal`", .path.display()
    )]
    Inside {
        /// The file.
        path: PathBuf,
    },
    /// Another process has the journal.
    #[error("the journal {} is in use by another process: end it first", .path.display())]
    InUse {
        /// The file.
        path: PathBuf,
    },
    /// Something else stands in its place.
    #[error("{} is not an authority journal: name another file with `--journal`", .path.display())]
    Foreign {
        /// The file.
        path: PathBuf,
    },
    /// Written by a newer version.
    #[error("the journal {} has entries of format {found}: upgrade this program", .path.display())]
    Newer {
        /// The file.
        path: PathBuf,
        /// The format found.
        found: u8,
    },
    /// What is stored is not what was written.
    #[error(
        "the journal {} is damaged at byte {at}: put back an intact copy; without one, move the file away \
         and restore a backup with `share restore --without-journal`, which ends every grant",
        .path.display()
    )]
    Damaged {
        /// The file.
        path: PathBuf,
        /// Where the damage begins.
        at: u64,
    },
    /// The machine failed.
    #[error("{doing} {}: check that its folder exists and may be written, or name another file with \
             `--journal`", .path.display())]
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

impl JournalError {
    pub(crate) fn io(doing: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::Io {
            doing,
            path,
            source,
        }
    }
}
