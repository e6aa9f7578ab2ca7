//! Under which URL people reach the server's pages: given, or learned from the server and kept, for
//! it may be away when the bridge is asked.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde::{Deserialize, Serialize};
use share_model::FactoryRedeemed;
use share_model::seam::Files;

use crate::error::CliError;

/// Bytes of the file.
const FILE_BYTES_MAX: u64 = 16 * 1024;

/// The URL, with no slash at its end.
#[derive(Debug)]
pub(super) struct PublicUrl {
    /// By the user, who knows better.
    given: Option<String>,
    learned: Mutex<Option<String>>,
    path: PathBuf,
    files: Arc<dyn Files>,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Stored {
    http_url: String,
}

impl PublicUrl {
    /// The given one, else what was learned earlier, which `path` holds.
    ///
    /// # Errors
    ///
    /// If the file is there and can't be read.
    pub(super) fn open(
        given: Option<String>,
        path: PathBuf,
        files: Arc<dyn Files>,
    ) -> Result<Self, CliError> {
        let failed =
            || CliError::refused(format!("read the server's URL from `{}`", path.display()));
        let learned = match files.read(&path, FILE_BYTES_MAX) {
            Ok(bytes) => {
                let stored: Stored = serde_json::from_slice(&bytes).map_err(|error| {
                    failed()
                        .caused_by(error)
                        .hint("remove the file: the server is asked again")
                })?;
                Some(stored.http_url)
            }
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => None,
            Err(error) => return Err(failed().caused_by(error)),
        };
        Ok(Self {
            given,
            learned: Mutex::new(learned),
            path,
            files,
        })
    }

    /// The URL, if it is known.
    pub(super) fn get(&self) -> Option<String> {
        self.given.clone().or_else(|| self.learned().clone())
    }

    /// Keeps what the server told of itself, durable at return.
    pub(super) fn learn(&self, served: &FactoryRedeemed) {
        let Some(url) = &served.http_url else { return };
        if self.learned().as_ref() == Some(url) {
            return;
        }
        let stored = Stored {
            http_url: url.clone(),
        };
        let written = serde_json::to_vec(&stored)
            .map_err(std::io::Error::from)
            .and_then(|bytes| self.files.write_private(&self.path, &bytes));
        if let Err(error) = written {
            // It holds for this run, and is asked for again in the next.
            tracing::warn!(%error, "the server's URL was not stored");
        }
        *self.learned() = Some(url.clone());
    }

    fn learned(&self) -> MutexGuard<'_, Option<String>> {
        self.learned.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
