//! What a bridge keeps of a share that it handed out, as it is stored.

use std::path::Path;

use serde::{Deserialize, Serialize};
use share_model::seam::Files;
use share_model::{Limits, Origin, OriginKind, RequestId, Secret, SecretHash, ShareRef, Slug};

use crate::error::{CliError, Kind};

/// Bytes of a record's file.
const FILE_BYTES_MAX: u64 = 64 * 1024;
/// Persisted, as all names below: keep stable.
const VERSION: u32 = 1;

/// How far a share has come at its server. Never goes back, but from `asked` if it turns out that
/// nothing was sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) enum Standing {
    /// No server has heard of it.
    New,
    /// A server may know it.
    Asked,
    /// It is there, under its public address.
    Created,
}

/// Whether the agent session was unshared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) enum End {
    /// It is shared.
    No,
    /// It was unshared; its server may not know yet.
    Wanted,
    /// Nothing is left to be done. Kept, for who unshares again is told that it is done.
    Done,
}

/// What changes of a share.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct State {
    pub(super) standing: Standing,
    pub(super) end: End,
}

/// What does not change.
#[derive(Debug, Clone)]
pub(super) struct Record {
    /// The agent session that was shared.
    pub(super) session: String,
    /// As which it makes and ends its share.
    pub(super) origin: Origin,
    /// The id under which the agent knows the share, and its public address.
    pub(super) slug: Slug,
    /// Of what the agent syncs and deletes with.
    pub(super) secret_hash: SecretHash,
    /// Opens the share: its owner's, or the one that all goes into.
    pub(super) reference: ShareRef,
    /// What a factory is asked for; `None`: the share is not ours to create.
    pub(super) request: Option<RequestId>,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Stored {
    version: u32,
    session: String,
    slug: String,
    secret_sha256: SecretHash,
    reference: String,
    request: Option<String>,
    #[serde(flatten)]
    state: State,
}

/// Stores a record in the place of what was there, durable at return.
///
/// # Errors
///
/// As writing fails; what was there then stands.
pub(super) fn write(
    files: &dyn Files,
    path: &Path,
    record: &Record,
    state: State,
) -> std::io::Result<()> {
    let stored = Stored {
        version: VERSION,
        session: record.session.clone(),
        slug: record.slug.to_text(),
        secret_sha256: record.secret_hash,
        reference: record.reference.expose(),
        request: record.request.map(|request| request.to_string()),
        state,
    };
    files.write_private(path, &serde_json::to_vec(&stored)?)
}

/// Reads what [`write()`] stored.
///
/// # Errors
///
/// If it can't be read, or is anything else; the file is then left as it is.
pub(super) fn read(files: &dyn Files, path: &Path) -> Result<(Record, State), CliError> {
    let shown = path.display();
    let bytes = files.read(path, FILE_BYTES_MAX).map_err(|error| {
        CliError::refused(format!("read the bridge's record `{shown}`")).caused_by(error)
    })?;
    let stored: Stored = serde_json::from_slice(&bytes).map_err(|_| unreadable(path))?;
    if stored.version > VERSION {
        let version = stored.version;
        return Err(CliError::new(
            Kind::Refused,
            format!(
                "the bridge's record `{shown}` has version {version}, this program knows {VERSION}"
            ),
        )
        .hint("upgrade this program"));
    }
    let record = of(&stored).ok_or_else(|| unreadable(path))?;
    Ok((record, stored.state))
}

fn of(stored: &Stored) -> Option<Record> {
    Some(Record {
        session: stored.session.clone(),
        origin: origin_of(&stored.session)?,
        slug: Slug::from_text(&stored.slug)?,
        secret_hash: stored.secret_sha256,
        reference: stored.reference.parse().ok()?,
        request: match &stored.request {
            Some(request) => Some(request.parse().ok()?),
            None => None,
        },
    })
}

fn unreadable(path: &Path) -> CliError {
    CliError::refused(format!("`{}` is no record of a bridge", path.display())).hint(
        "bring it back from a copy, or move it away: the bridge then does not know that share any \
         more, and its agent session is to be shared again",
    )
}

/// As which an agent session makes and ends its share; `None` if its name is empty or too long.
pub(super) fn origin_of(session: &str) -> Option<Origin> {
    let label_bytes_max = Limits::DEFAULT.label_bytes_max;
    Origin::new(OriginKind::Agent, session.to_owned(), label_bytes_max).ok()
}

impl Record {
    /// Whether `secret` is the one that was handed out; takes the same time whatever it is.
    pub(super) fn is_proven_by(&self, secret: &Secret) -> bool {
        self.secret_hash == secret.hash()
    }
}
