//! What can go wrong with an outbox.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use share_model::{Cursor, MutationError, OpId, Seq, ShareId};

use super::delegation::DelegationError;

/// Why an outbox could not be opened, or did not take something. Nothing was stored then, but for
/// [`OutboxError::Storage`] and [`OutboxError::Closed`], after which nobody knows.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
#[expect(missing_docs, reason = "the messages name the fields")]
pub enum OutboxError {
    /// The file belongs to something else. It was not touched.
    #[error("`{}` is not an outbox: give another path, or move it away", path.display())]
    NotAnOutbox { path: PathBuf },
    /// A newer version wrote the file. It was not touched.
    #[error(
        "`{}` has outbox version {version}, this program knows up to {supported}: upgrade this program",
        path.display()
    )]
    Newer {
        path: PathBuf,
        version: u32,
        supported: u32,
    },
    /// The file is cut off or damaged. It was not touched.
    #[error(
        "`{}` is damaged ({detail}): restore it from a copy, or move it away to begin a new outbox \
         without the ops in it",
        path.display()
    )]
    Damaged { path: PathBuf, detail: String },
    /// The file, its folder or its ignore file could not be opened or made.
    #[error("open outbox `{}`", path.display())]
    Open {
        path: PathBuf,
        #[source]
        source: Arc<io::Error>,
    },
    /// There is no room for more. What was stored before is intact; replaying frees room.
    #[error("the outbox is full: replay what it holds, or allow it more room")]
    Full,
    /// Another process holds the file for too long. Safe to repeat.
    #[error("another process holds the outbox's file; try again")]
    Busy,
    /// The storage failed. If it did so while the call was made durable, nobody knows whether the call
    /// took effect, as a whole or not at all, and every later call finds the outbox closed. Who
    /// opens the outbox again sees which; an op that was enqueued under an id of the caller's can be
    /// enqueued again under it, and is taken once ([`OutboxError::OpIdTaken`]).
    #[error("the outbox's storage failed")]
    Storage(#[source] Arc<rusqlite::Error>),
    /// A write to stable storage failed earlier. Nothing is promised on hope: open the outbox again.
    /// A call that was made after the failure took no effect; of one that waited when it happened
    /// nobody knows, as with [`OutboxError::Storage`].
    #[error("the outbox's storage failed earlier and is closed: open the outbox again")]
    Closed,
    /// A stored row can't be read.
    #[error("the outbox holds {what} that can't be read: restore the file from a copy")]
    Unreadable { what: &'static str },

    /// Another flusher replays the share, of this process or another.
    #[error("process {pid} of host `{host}` replays share {share}")]
    LeaseHeld {
        share: ShareId,
        pid: u32,
        host: String,
    },
    /// Another flusher has taken the share's replay over; what was sent is not lost.
    #[error("the lease of share {share} was lost: another flusher replays it")]
    LeaseLost { share: ShareId },

    /// The outbox holds no ref for the share.
    #[error("the outbox knows no share {share}: give it a ref of the share first")]
    UnknownShare { share: ShareId },
    /// The share was deleted on its server.
    #[error("share {share} is gone: the outbox takes no more ops for it")]
    ShareGone { share: ShareId },
    /// A dependency names an op that the outbox does not hold for this share.
    #[error("op {op} depends on op {dependency}, which the outbox does not hold for this share")]
    UnknownDependency { op: OpId, dependency: OpId },
    /// A dependency names a seq of the op's own outbox that is not given yet, or its own.
    #[error(
        "op {op} with seq {seq} depends on seq {dependency} of its own outbox, which comes later"
    )]
    LaterDependency { op: OpId, seq: Seq, dependency: Seq },
    /// More dependencies than an op may have.
    #[error("op {op} has {count} dependencies, limit is {max}")]
    TooManyDependencies { op: OpId, count: usize, max: u32 },
    /// The op id is taken by an earlier op of the same share.
    #[error("op {op} is in the outbox already, with seq {seq}")]
    OpIdTaken { op: OpId, seq: Seq },
    /// The mutation breaks a rule that no state of the document can mend.
    #[error("op {op} is refused")]
    InvalidOp {
        op: OpId,
        #[source]
        error: MutationError,
    },
    /// The mutation is larger than a batch may be.
    #[error("op {op} has {bytes} bytes, a batch holds at most {max}")]
    OpTooLarge { op: OpId, bytes: u64, max: u64 },
    /// An atomic group must fit one batch.
    #[error(
        "the atomic group has {ops} ops of {bytes} bytes, a batch holds {ops_max} of {bytes_max}"
    )]
    GroupTooLarge {
        ops: usize,
        bytes: u64,
        ops_max: u32,
        bytes_max: u64,
    },
    /// A delegation lease does not allow it. The share's leases stay as they were, but for claims
    /// that had run out.
    #[error(transparent)]
    Delegation(#[from] Box<DelegationError>),
    /// An atomic group without ops, of which nothing could come.
    #[error("an atomic group has no ops")]
    EmptyGroup { expected_cursor: Option<Cursor> },
}

impl From<rusqlite::Error> for OutboxError {
    fn from(error: rusqlite::Error) -> Self {
        match error.sqlite_error_code() {
            Some(rusqlite::ErrorCode::DiskFull) => Self::Full,
            Some(rusqlite::ErrorCode::DatabaseBusy | rusqlite::ErrorCode::DatabaseLocked) => {
                Self::Busy
            }
            _ => Self::Storage(Arc::new(error)),
        }
    }
}
