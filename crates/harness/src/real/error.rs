//! Why a run with real processes, or a process of one, could not go on. Not what it is there to find:
//! that is the checker's.

use std::io;
use std::path::{Path, PathBuf};

use share_client::{ClientError, FlusherError, OutboxError};
use share_faults::{ProcessError, ProxyError};
use share_model::RefError;
use share_server::{RestoreError, ServerError};

/// Why a run, or a process of one, could not go on.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RealError {
    /// A file or a folder of the run failed.
    #[error("{doing} `{}`", path.display())]
    File {
        /// What was attempted.
        doing: &'static str,
        /// On what.
        path: PathBuf,
        /// Why not.
        #[source]
        source: io::Error,
    },
    /// The system refused something else.
    #[error("{doing}")]
    System {
        /// What was attempted.
        doing: &'static str,
        /// Why not.
        #[source]
        source: io::Error,
    },
    /// A line that a process noted can't be read: a bug of the harness.
    #[error("line {line} of `{}` is no note", path.display())]
    Note {
        /// The file.
        path: PathBuf,
        /// From 1.
        line: usize,
        /// Why not.
        #[source]
        source: serde_json::Error,
    },
    /// A file of refs holds something else.
    #[error("`{}` holds no refs", path.display())]
    Ref {
        /// The file.
        path: PathBuf,
        /// Why not.
        #[source]
        source: RefError,
    },
    /// A process could not be started, killed or waited for.
    #[error(transparent)]
    Process(Box<ProcessError>),
    /// The fault proxy failed.
    #[error(transparent)]
    Proxy(#[from] ProxyError),
    /// The outbox failed.
    #[error(transparent)]
    Outbox(Box<OutboxError>),
    /// The flusher failed.
    #[error(transparent)]
    Flusher(Box<FlusherError>),
    /// The server failed.
    #[error(transparent)]
    Server(Box<ServerError>),
    /// A restore failed.
    #[error(transparent)]
    Restore(Box<RestoreError>),
    /// A call that must succeed, for nothing is broken when it is made, did not.
    #[error("{doing}")]
    Call {
        /// What was attempted.
        doing: &'static str,
        /// Why not.
        #[source]
        source: Box<ClientError>,
    },
    /// Something did not come to pass within its bound although nothing was broken.
    #[error("{what} within {seconds} s: {seen}")]
    TooLate {
        /// What did not.
        what: &'static str,
        /// The bound.
        seconds: u64,
        /// What was seen last.
        seen: String,
    },
}

impl From<ProcessError> for RealError {
    fn from(error: ProcessError) -> Self {
        Self::Process(Box::new(error))
    }
}

impl From<OutboxError> for RealError {
    fn from(error: OutboxError) -> Self {
        Self::Outbox(Box::new(error))
    }
}

impl From<FlusherError> for RealError {
    fn from(error: FlusherError) -> Self {
        Self::Flusher(Box::new(error))
    }
}

impl From<ServerError> for RealError {
    fn from(error: ServerError) -> Self {
        Self::Server(Box::new(error))
    }
}

impl From<RestoreError> for RealError {
    fn from(error: RestoreError) -> Self {
        Self::Restore(Box::new(error))
    }
}

impl RealError {
    pub(super) fn file(doing: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self + use<> {
        let path = path.to_owned();
        move |source| Self::File {
            doing,
            path,
            source,
        }
    }

    pub(super) fn call(doing: &'static str) -> impl FnOnce(ClientError) -> Self {
        move |source| Self::Call {
            doing,
            source: Box::new(source),
        }
    }
}
