//! The state of one share.

use serde::{Deserialize, Serialize};
use share_model::{
    Cursor, Document, Epoch, GrantId, HistoryId, Limits, Op, Origin, RequestId, SecretHash,
    ShareId, ShareVersion, UnixMs, WriterInfo,
};

use crate::audit::Audit;
use crate::epoch::LastBump;
use crate::grants::Grants;
use crate::ledger::Ledger;
use crate::record::ShareDeleted;

/// What every command is told about the world.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Context {
    /// The server's time.
    pub now: UnixMs,
    /// The history of the server's storage.
    pub history: HistoryId,
}

/// The state of one share: document, cursor, ledger, grants and epoch.
///
/// A command changes it in place and yields the [`Record`](crate::Record) of the change. If the
/// record can't be made durable, the state has to be thrown away and loaded again.
#[derive(Debug, Clone, PartialEq)]
pub struct ShareState {
    /// Set by the server, not by the share's history: in no record and no checkpoint.
    pub(crate) limits: Limits,
    /// Snapshot and log carry its values; a checkpoint holds all the rest.
    pub(crate) document: Document,
    pub(crate) head: Head,
}

/// Everything of a share but its document: what a checkpoint holds.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Head {
    // The order of the fields is persisted: keep stable.
    pub(crate) created: Creation,
    /// Counts the share's commits.
    pub(crate) version: ShareVersion,
    /// Counts the share's applied ops.
    pub(crate) cursor: Cursor,
    /// The log holds the ops after this cursor; at most `cursor`.
    pub(crate) log_start: Cursor,
    /// Never goes back.
    pub(crate) epoch: Epoch,
    pub(crate) grants: Grants,
    pub(crate) last_bump: Option<LastBump>,
    pub(crate) ledger: Ledger,
    /// Since when appends are refused.
    pub(crate) frozen_at: Option<UnixMs>,
    /// Of a share that was deleted: nothing else is left but what proves its grants.
    pub(crate) tombstone: Option<Tombstone>,
    pub(crate) audit: Audit,
    /// Bytes of all ops that were ever applied. Never falls.
    pub(crate) stored_bytes: u64,
}

/// That a share was deleted, when and by whom.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Tombstone {
    // The order of the fields is persisted: keep stable.
    pub(crate) at: UnixMs,
    pub(crate) deleted: ShareDeleted,
}

/// How a share came into being: kept for good, so that creating it can be repeated.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Creation {
    // The order of the fields is persisted: keep stable.
    pub(crate) share: ShareId,
    pub(crate) factory: GrantId,
    pub(crate) request: RequestId,
    pub(crate) title: String,
    pub(crate) origin: Origin,
    pub(crate) at: UnixMs,
    pub(crate) owner_grant: GrantId,
    pub(crate) owner_secret_hash: SecretHash,
}

impl ShareState {
    /// The share's id.
    pub fn id(&self) -> ShareId {
        self.head.created.share
    }

    /// The share's title.
    pub fn title(&self) -> &str {
        &self.head.created.title
    }

    /// Who created the share.
    pub fn origin(&self) -> &Origin {
        &self.head.created.origin
    }

    /// When the share was created.
    pub fn created_at(&self) -> UnixMs {
        self.head.created.at
    }

    /// The factory's grant under which the share was created.
    pub fn factory(&self) -> GrantId {
        self.head.created.factory
    }

    /// The owner's grant that the share was created with: the answer to a repeated create, also
    /// when a bump has ended it since.
    pub fn created_grant(&self) -> GrantId {
        self.head.created.owner_grant
    }

    /// How many commits the share has seen.
    pub fn version(&self) -> ShareVersion {
        self.head.version
    }

    /// How many ops were applied.
    pub fn cursor(&self) -> Cursor {
        self.head.cursor
    }

    /// The log holds the ops after this cursor.
    pub fn log_start(&self) -> Cursor {
        self.head.log_start
    }

    /// The share's epoch.
    pub fn epoch(&self) -> Epoch {
        self.head.epoch
    }

    /// Whether claims and appends are refused for now.
    pub fn is_frozen(&self) -> bool {
        self.head.frozen_at.is_some()
    }

    /// Whether the share was deleted: nothing is left but what proves its grants.
    pub fn is_deleted(&self) -> bool {
        self.head.tombstone.is_some()
    }

    /// Bytes of all ops that were ever applied, with the ids of their origins. Never falls.
    pub fn stored_bytes(&self) -> u64 {
        self.head.stored_bytes
    }

    pub(crate) fn count_bytes(&mut self, op: &Op, origin: Option<&Origin>) {
        let stored = self.head.stored_bytes;
        self.head.stored_bytes = stored.saturating_add(op.bytes_from(origin));
    }

    /// The document. A clone of it is a snapshot, and costs its keys only.
    pub fn document(&self) -> &Document {
        &self.document
    }

    /// The bounds that hold now.
    pub fn limits(&self) -> &Limits {
        &self.limits
    }

    /// The writers, that is, the lanes that have appended; in no particular order.
    pub fn writers(&self) -> impl Iterator<Item = WriterInfo> {
        self.head.ledger.lanes().filter_map(|(_, lane)| {
            Some(WriterInfo {
                number: lane.number()?,
                origin: lane.origin().clone(),
                highest: lane.highest(),
                retired: lane.is_retired(),
            })
        })
    }
}
