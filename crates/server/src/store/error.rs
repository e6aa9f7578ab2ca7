//! Why a store refuses or fails.

use std::error::Error;
use std::path::PathBuf;
use std::sync::Arc;

use share_model::{ShareId, ShareVersion};

/// Why a store refuses or fails. One kind for each thing that a caller can do about it.
#[derive(Debug, Clone, thiserror::Error)]
pub enum StoreError {
    /// Too much is waiting. Nothing is wrong: come again later.
    #[error("the store is overloaded: too much is waiting")]
    Overloaded,
    /// No room on the disk, or within the store's bound. Nothing is lost; the store goes on, and
    /// what needs less room may pass.
    #[error("{} is full: make room on the disk, or raise its bound", .file.display())]
    Full {
        /// The store's file.
        file: PathBuf,
    },
    /// The caller broke the store's rules: a bug.
    #[error("invalid commit to share {share}: {what}")]
    Invalid {
        /// The share.
        share: ShareId,
        /// The rule that was broken.
        what: &'static str,
    },
    /// A bound of the store itself.
    #[error("{what} has {bytes} bytes, limit is {max}")]
    TooLarge {
        /// What is too large.
        what: &'static str,
        /// How large it is.
        bytes: u64,
        /// How large it may be.
        max: u64,
    },
    /// The store has stopped, for it can't know any more what is durable. The process must end.
    #[error("the store has stopped: {what}")]
    Stopped {
        /// What happened.
        what: Arc<str>,
    },
    /// What is stored is not what was written.
    #[error(
        "{} is damaged{}: {what}; keep a copy of the folder and restore it from a backup",
        .file.display(), place(*.share, *.version)
    )]
    Corrupt {
        /// The store's file.
        file: PathBuf,
        /// The share that is hit, if it is known.
        share: Option<ShareId>,
        /// The version that is hit, if it is known.
        version: Option<ShareVersion>,
        /// What is wrong.
        what: String,
    },
    /// Written by a newer version of this program.
    #[error("{} has format {found}, this version reads up to {supported}: upgrade", .file.display())]
    Newer {
        /// The store's file.
        file: PathBuf,
        /// The format found.
        found: u32,
        /// The newest format known.
        supported: u32,
    },
    /// A file that is not a store's stands in its place.
    #[error("{} is not a share store: choose another folder", .file.display())]
    Foreign {
        /// The file.
        file: PathBuf,
    },
    /// Another process has the store open.
    #[error("{} is in use by another process: end it first, or choose another folder", .folder.display())]
    Locked {
        /// The store's folder.
        folder: PathBuf,
    },
    /// The machine failed.
    #[error("{doing} {}", .path.display())]
    Io {
        /// What was attempted.
        doing: &'static str,
        /// On what.
        path: PathBuf,
        /// What the machine said.
        #[source]
        source: Arc<dyn Error + Send + Sync>,
    },
}

fn place(share: Option<ShareId>, version: Option<ShareVersion>) -> String {
    match (share, version) {
        (Some(share), Some(version)) => format!(" at share {share}, version {version}"),
        (Some(share), None) => format!(" at share {share}"),
        (None, _) => String::new(),
    }
}
