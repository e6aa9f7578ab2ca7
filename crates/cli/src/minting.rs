//! Requests that make a secret: stored before the server is asked, so that an answer which is lost
//! loses nothing.
//!
//! The secret is made here, and only its hash is sent. A request lies in a file of its own from
//! before the first call until its answer was handed over; the same command, given again meanwhile,
//! makes the same request. Two that are given at once make one request.

use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use share_client::ClientError;
use share_model::seam::{Clock, Entropy, Files, SystemClock, SystemEntropy, SystemFiles};
use share_model::{RequestId, Secret, Slug, UnixMs};
use tempfile::NamedTempFile;

use crate::error::{CliError, Kind};

/// Bytes of a file that remembers a request.
const FILE_BYTES_MAX: u64 = 64 * 1024;

/// A secret that is made here.
pub(crate) trait Made: Sized {
    /// A new one.
    fn random(entropy: &dyn Entropy) -> Self;
    /// As it is stored.
    fn to_text(&self) -> String;
    /// Reads what was stored.
    fn from_text(text: &str) -> Option<Self>;
}

impl Made for Secret {
    fn random(entropy: &dyn Entropy) -> Self {
        Self::random(entropy)
    }

    fn to_text(&self) -> String {
        self.to_text()
    }

    fn from_text(text: &str) -> Option<Self> {
        Self::from_text(text)
    }
}

impl Made for Slug {
    fn random(entropy: &dyn Entropy) -> Self {
        Self::random(entropy)
    }

    fn to_text(&self) -> String {
        self.to_text()
    }

    fn from_text(text: &str) -> Option<Self> {
        Self::from_text(text)
    }
}

/// A request that may have been made already.
#[derive(Debug)]
pub(crate) struct Request<S> {
    path: PathBuf,
    /// No server has seen it before.
    is_new: bool,
    /// Names it.
    pub(crate) id: RequestId,
    /// What it makes.
    pub(crate) secret: S,
    /// When what it makes runs out; reckoned once, when the command was given first.
    pub(crate) expires_at: Option<UnixMs>,
}

/// A request in its file.
#[derive(Serialize, Deserialize)]
struct Stored<A> {
    request: String,
    secret: String,
    #[serde(flatten)]
    asked: A,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    expires_at_unix_ms: Option<u64>,
}

/// Something else is asked for than what the file remembers, which had no answer yet.
#[derive(Debug)]
pub(crate) struct Other<A>(pub(crate) A);

impl<S: Made> Request<S> {
    /// The request that is under way in the file at `path`, else a new one for `asked`, stored there.
    /// If what was made has run out since, that request is over.
    ///
    /// # Errors
    ///
    /// If the file can't be read or written.
    pub(crate) fn remember<A>(
        path: &Path,
        asked: A,
        expires_in: Option<Duration>,
    ) -> Result<Result<Self, Other<A>>, CliError>
    where
        A: Serialize + DeserializeOwned + PartialEq,
    {
        let now = SystemClock.now();
        let entropy = SystemEntropy::default();
        let expires_at = expires_in.map(|expires_in| after(now, expires_in));
        let stored = Stored {
            request: RequestId::new(&SystemClock, &entropy).to_string(),
            secret: S::random(&entropy).to_text(),
            asked,
            expires_at_unix_ms: expires_at.map(UnixMs::get),
        };
        if path.exists() {
            let known: Stored<A> = read(path)?;
            if known.asked != stored.asked {
                return Ok(Err(Other(known.asked)));
            }
            let is_over = |at: u64| at <= now.get();
            if !known.expires_at_unix_ms.is_some_and(is_over) {
                return Self::of(path, &known, false).map(Ok);
            }
            forget(path)?;
        }
        match store(path, &stored)? {
            Placed::New => Self::of(path, &stored, true).map(Ok),
            // Given twice at the same moment; the other one was first.
            Placed::WasThere => {
                let known: Stored<A> = read(path)?;
                match known.asked == stored.asked {
                    true => Self::of(path, &known, false).map(Ok),
                    false => Ok(Err(Other(known.asked))),
                }
            }
        }
    }

    /// Ends the request, once its answer is out of our hands.
    pub(crate) fn forget(self) -> Result<(), CliError> {
        forget(&self.path)
    }

    /// The server has refused. A new request has made nothing, and is over. One that was made before
    /// may have an answer yet, at another server say, and is kept; not if it runs out: given again,
    /// it is to hold as long as is asked for then.
    fn refused(self) -> Result<(), CliError> {
        match self.is_new || self.expires_at.is_some() {
            true => forget(&self.path),
            false => Ok(()),
        }
    }

    /// Does away with the request if `error` is a refusal.
    pub(crate) fn failed(self, error: &ClientError) -> Result<(), CliError> {
        match error {
            ClientError::Refused(_) => self.refused(),
            _ => Ok(()),
        }
    }

    fn of<A>(path: &Path, stored: &Stored<A>, is_new: bool) -> Result<Self, CliError> {
        let id = stored.request.parse().ok();
        let secret = S::from_text(&stored.secret);
        let (Some(id), Some(secret)) = (id, secret) else {
            return Err(unreadable(path));
        };
        Ok(Self {
            path: path.to_owned(),
            is_new,
            id,
            secret,
            expires_at: stored.expires_at_unix_ms.map(UnixMs::new),
        })
    }
}

/// The file of a request for `asked` in `folder`, which is made: another command has another file.
///
/// # Errors
///
/// If the folder can't be made.
pub(crate) fn file_of(
    folder: &Path,
    command: &str,
    asked: &impl Serialize,
) -> Result<PathBuf, CliError> {
    let folder = folder.join("minting");
    SystemFiles.create_private_dir(&folder).map_err(|error| {
        CliError::refused(format!("make the folder `{}`", folder.display())).caused_by(error)
    })?;
    let asked = serde_json::to_vec(asked)
        .map_err(|error| CliError::new(Kind::Bug, "write down the request").caused_by(error))?;
    // Named after what is asked for, by a hash: a label may be anything.
    let name = RequestId::derived(b"share-minting-1", &[command.as_bytes(), &asked]);
    Ok(folder.join(format!("{command}-{name}")))
}

fn after(now: UnixMs, expires_in: Duration) -> UnixMs {
    let ms = u64::try_from(expires_in.as_millis()).unwrap_or(u64::MAX);
    UnixMs::new(now.get().saturating_add(ms))
}

fn read<A: DeserializeOwned>(path: &Path) -> Result<Stored<A>, CliError> {
    let bytes = SystemFiles.read(path, FILE_BYTES_MAX).map_err(|error| {
        CliError::refused(format!("read the request in `{}`", path.display())).caused_by(error)
    })?;
    serde_json::from_slice(&bytes).map_err(|_| unreadable(path))
}

enum Placed {
    New,
    WasThere,
}

/// Durable at return, for its owner only, and never in the place of another request.
fn store<A: Serialize>(path: &Path, stored: &Stored<A>) -> Result<Placed, CliError> {
    let bytes = serde_json::to_vec(stored)
        .map_err(|error| CliError::new(Kind::Bug, "write down the request").caused_by(error))?;
    place(path, &bytes).map_err(|error| {
        CliError::refused(format!("write down the request in `{}`", path.display()))
            .caused_by(error)
    })
}

fn place(path: &Path, bytes: &[u8]) -> io::Result<Placed> {
    match place_new(path, bytes) {
        Ok(()) => Ok(Placed::New),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(Placed::WasThere),
        Err(error) => Err(error),
    }
}

/// Makes the file at `path`, for its owner only, whole and durable at return.
///
/// # Errors
///
/// If there is one already (`AlreadyExists`), or writing fails.
pub(crate) fn place_new(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let folder = path.parent().ok_or(io::ErrorKind::InvalidInput)?;
    let mut new = NamedTempFile::new_in(folder)?;
    new.write_all(bytes)?;
    new.as_file().sync_all()?;
    new.persist_noclobber(path).map_err(|error| error.error)?;
    std::fs::File::open(folder)?.sync_all()
}

fn forget(path: &Path) -> Result<(), CliError> {
    match std::fs::remove_file(path) {
        Ok(()) => Ok(()),
        // The same command, given at the same time, has ended before.
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => {
            Err(CliError::refused(format!("forget `{}`", path.display())).caused_by(error))
        }
    }
}

/// The file is named after another request than it holds: somebody else wrote it.
pub(crate) fn foreign(path: &Path) -> CliError {
    unreadable(path)
}

fn unreadable(path: &Path) -> CliError {
    CliError::refused(format!(
        "`{}` does not hold a request that is under way",
        path.display()
    ))
    .hint("if nothing is owed to you from before, remove the file")
}

#[cfg(test)]
mod tests;
