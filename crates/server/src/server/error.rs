//! Why a server does not start, or ends.

use std::io;
use std::path::PathBuf;

use share_engine::RecordError;
use share_model::{RefError, ShareId};
use share_network::tls::CertificateError;
use share_web::PublicUrlError;

use crate::journal::JournalError;
use crate::store::StoreError;

/// Why a server does not start, or ends. Each message says what to do.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ServerError {
    /// Something else listens there.
    #[error("{address} is in use: end what listens there, or choose another port with `--listen`")]
    PortInUse {
        /// The address.
        address: String,
    },
    /// The address can't be listened on.
    #[error("listen on {address}: check the address that `--listen` names")]
    Listen {
        /// The address.
        address: String,
        /// What the machine said.
        #[source]
        source: io::Error,
    },
    /// Another server has the data folder.
    #[error("{} is in use by another server: end it first, or choose another folder with `--data`", .folder.display())]
    DataDirLocked {
        /// The folder.
        folder: PathBuf,
    },
    /// The data folder was written by a newer version.
    #[error("{} has format {found}, this version reads up to {supported}: upgrade this program", .file.display())]
    StoreNewer {
        /// The file.
        file: PathBuf,
        /// The format found.
        found: u32,
        /// The newest format known.
        supported: u32,
    },
    /// The store can't be opened, or failed; what was acked is on disk.
    #[error("the store failed: {0}")]
    Store(#[source] StoreError),
    /// The authority journal can't be used.
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// The server's record of its journal can't be read.
    #[error("the server's record of its journal can't be read: restore the folder from a backup")]
    JournalRecord,
    /// A share's records contradict the rules.
    #[error("the records of share {share} can't be applied: restore the folder from a backup")]
    Records {
        /// The share.
        share: ShareId,
        /// What is wrong.
        #[source]
        source: RecordError,
    },
    /// The file with the factory's ref can't be read.
    #[error("{} does not hold a factory's ref: remove it, and the next start writes a new one", .file.display())]
    FactoryFile {
        /// The file.
        file: PathBuf,
        /// What is wrong with it.
        #[source]
        source: RefError,
    },
    /// The server's record of its factory can't be read.
    #[error("the server's record of its factory can't be read: restore the folder from a backup")]
    FactoryRecord,
    /// There are too many grants of the factory.
    #[error("{} is missing and the factory has {max} grants already: put the file back", .file.display())]
    FactoryGrants {
        /// The file.
        file: PathBuf,
        /// How many grants there may be.
        max: usize,
    },
    /// Certificate and key can't be served.
    #[error("{} and its key can't be used: check them, or those that `--tls-cert` and `--tls-key` name", .file.display())]
    Certificate {
        /// The certificate.
        file: PathBuf,
        /// What is wrong.
        #[source]
        source: CertificateError,
    },
    /// The self-made certificate has lost its key.
    #[error("{} is missing: put it back, or remove {} as well, and each ref that pins it will have to be given out anew", .key.display(), .certificate.display())]
    KeyMissing {
        /// The certificate.
        certificate: PathBuf,
        /// Where its key should be.
        key: PathBuf,
    },
    /// The URL of the HTTP face is none.
    #[error("the public URL of the HTTP face: check what `--public-url` says")]
    PublicUrl(#[source] PublicUrlError),
    /// A file or folder can't be used.
    #[error("{doing} {}: check that it exists and may be written", .path.display())]
    File {
        /// What was attempted.
        doing: &'static str,
        /// On what.
        path: PathBuf,
        /// What the machine said.
        #[source]
        source: io::Error,
    },
    /// A thread can't be started.
    #[error("start thread {name}: the machine gives no more threads")]
    Thread {
        /// Its name.
        name: String,
        /// What the machine said.
        #[source]
        source: io::Error,
    },
    /// A part of the server did not end in time.
    #[error("{name} did not end within {ms} ms; what was acked is on disk")]
    Stuck {
        /// Which part.
        name: String,
        /// How long it had.
        ms: u128,
    },
    /// A part of the server ended by a panic.
    #[error("{name} ended unexpectedly: this is a bug; what was acked is on disk")]
    Panicked {
        /// Which part.
        name: String,
    },
}

impl From<StoreError> for ServerError {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Locked { folder } => Self::DataDirLocked { folder },
            StoreError::Newer {
                file,
                found,
                supported,
            } => Self::StoreNewer {
                file,
                found,
                supported,
            },
            other => Self::Store(other),
        }
    }
}
