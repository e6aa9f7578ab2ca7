//! What SQLite's errors mean for the store.

use std::path::Path;
use std::sync::Arc;

use rusqlite::ErrorCode;

use share_model::{ShareId, ShareVersion};

use crate::store::StoreError;

/// Why something could not be read.
#[derive(Debug)]
pub(super) enum ReadError {
    /// SQLite failed.
    Sql(rusqlite::Error),
    /// What is stored is not what was written.
    Damaged {
        share: Option<ShareId>,
        version: Option<ShareVersion>,
        what: String,
    },
}

impl ReadError {
    /// A damaged record.
    pub(super) fn record(share: ShareId, version: ShareVersion, what: &str) -> Self {
        Self::Damaged {
            share: Some(share),
            version: Some(version),
            what: format!("the record is unusable: {what}"),
        }
    }

    /// A damaged file.
    pub(super) fn file(what: impl Into<String>) -> Self {
        Self::Damaged {
            share: None,
            version: None,
            what: what.into(),
        }
    }

    pub(super) fn into_store_error(self, file: &Path) -> StoreError {
        match self {
            Self::Sql(error) => store_error(error, "read", file),
            Self::Damaged {
                share,
                version,
                what,
            } => StoreError::Corrupt {
                file: file.to_owned(),
                share,
                version,
                what,
            },
        }
    }
}

impl From<rusqlite::Error> for ReadError {
    fn from(error: rusqlite::Error) -> Self {
        Self::Sql(error)
    }
}

/// What SQLite's `error` means to a caller of the store.
pub(super) fn store_error(error: rusqlite::Error, doing: &'static str, file: &Path) -> StoreError {
    match error.sqlite_error_code() {
        Some(ErrorCode::DiskFull) => StoreError::Full {
            file: file.to_owned(),
        },
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => StoreError::Overloaded,
        Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => StoreError::Corrupt {
            file: file.to_owned(),
            share: None,
            version: None,
            what: error.to_string(),
        },
        // A column that does not hold what it was given.
        None => StoreError::Corrupt {
            file: file.to_owned(),
            share: None,
            version: None,
            what: error.to_string(),
        },
        Some(_) => StoreError::Io {
            doing,
            path: file.to_owned(),
            source: Arc::new(error),
        },
    }
}
