//! Records: what a commit of one share changes, as it is persisted.
//!
//! Every type here is persisted: fields and variants may be added at the end under a new format
//! number only, and never change their meaning.

use serde::{Deserialize, Serialize};
use share_model::{
    BatchId, Cursor, Epoch, Fingerprint, FirstLane, GrantId, Incarnation, LoggedOp, Nonce, Op,
    Origin, OutboxId, RequestId, Rights, SecretHash, Seq, ShareId, ShareVersion, UnixMs, WriterId,
};

/// The first byte of an encoded record: which reading follows.
const FORMAT: u8 = 1;

/// One commit of a share: applied to the state of `version - 1` it gives the state of `version`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    /// The share's version after the commit; the first record of a share has 1.
    pub version: ShareVersion,
    /// The server's time of the commit.
    pub at: UnixMs,
    /// What changed.
    pub change: Change,
}

/// What a record changes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Change {
    /// The share came into being.
    Created(Created),
    /// A writer was claimed.
    Claimed(Claimed),
    /// A batch passed, or moved the floor.
    Appended(Appended),
    /// The epoch was bumped.
    EpochBumped(EpochBumped),
    /// A grant was minted.
    GrantMinted(Grant),
}

/// A share came into being.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Created {
    /// The share's id.
    pub share: ShareId,
    /// The factory's grant under which it was created.
    pub factory: GrantId,
    /// The caller's request id: creating is repeatable.
    pub request: RequestId,
    /// A title for people.
    pub title: String,
    /// Who created it.
    pub origin: Origin,
    /// The owner's grant, under epoch 1.
    pub owner: Grant,
}

/// The server's record behind a sturdy ref.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Grant {
    /// Names the grant.
    pub id: GrantId,
    /// What it allows.
    pub rights: Rights,
    /// The epoch under which it was given.
    pub epoch: Epoch,
    /// When it runs out, by the server's clock; `None`: never.
    pub expires_at: Option<UnixMs>,
    /// A label for people.
    pub label: String,
    /// The grant from which it was made; `None`: an owner's.
    pub parent: Option<GrantId>,
    /// Who made it.
    pub origin: Origin,
    /// What proves it.
    pub secret_hash: SecretHash,
    /// When it was made.
    pub created_at: UnixMs,
}

/// A writer was claimed: always committed, also when repeated with the same nonce.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Claimed {
    /// The outbox whose lane it is.
    pub outbox: OutboxId,
    /// The incarnation that the claim gave.
    pub incarnation: Incarnation,
    /// The nonce under which the claim may be repeated.
    pub nonce: Nonce,
    /// The grant under which it was claimed.
    pub grant: GrantId,
    /// The writers that were retired to make room.
    pub retired: Vec<OutboxId>,
}

/// A batch passed as a whole, or was refused and moved the floor (then without entries).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Appended {
    /// The outbox whose lane it is.
    pub outbox: OutboxId,
    /// The writer's number; given at its first append.
    pub writer: WriterId,
    /// The grant under which it was appended.
    pub grant: GrantId,
    /// The batch.
    pub batch: BatchId,
    /// The floor after the commit.
    pub settled_through: Seq,
    /// The writers that were retired to make room.
    pub retired: Vec<OutboxId>,
    /// The share's cursor before the commit.
    pub cursor_before: Cursor,
    /// The entries whose outcome is new, in the order of the batch. What was recorded before and is
    /// only answered again is not here.
    pub entries: Vec<RecordedEntry>,
}

/// The new outcome of one entry.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RecordedEntry {
    /// The seq in this lane.
    pub seq: Seq,
    /// Where the op was first enqueued, if not here.
    pub was: Option<FirstLane>,
    /// The op's fingerprint.
    pub fingerprint: Fingerprint,
    /// What became of it.
    pub outcome: Recorded,
}

/// What became of an entry, as the ledger keeps it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Recorded {
    /// Applied; its cursor is one above that of the applied entry before it.
    Applied(Op),
    /// Applied before, at this cursor.
    Duplicate(Cursor),
    /// Not applied: a hole, which the same op may fill later.
    Rejected,
    /// Whether it was applied can't be told.
    InDoubt,
    /// Given up.
    Abandoned,
}

/// The epoch was bumped: grants and sessions of earlier epochs end.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EpochBumped {
    /// The caller's request id: bumping is repeatable.
    pub request: RequestId,
    /// The grant under which it was bumped.
    pub by: GrantId,
    /// The new owner's grant; its epoch is the new one.
    pub owner: Grant,
}

/// A record that can't be read or does not fit.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RecordError {
    /// Written by a newer version.
    #[error("record has format {found}, this version reads up to {FORMAT}: upgrade")]
    Newer {
        /// The format found.
        found: u8,
    },
    /// Not a record.
    #[error("record can't be read")]
    Malformed,
    /// The record does not follow the state that it is applied to.
    #[error("record has version {found}, expected {expected}")]
    OutOfSequence {
        /// The record's version.
        found: ShareVersion,
        /// The version that would follow.
        expected: ShareVersion,
    },
    /// The record contradicts the state that it is applied to.
    #[error("record of version {version} contradicts the state: {what}")]
    Contradiction {
        /// The record's version.
        version: ShareVersion,
        /// What contradicts.
        what: &'static str,
    },
}

impl Record {
    /// The record as bytes: a format number, then postcard.
    ///
    /// # Panics
    ///
    /// Never: every field can be written.
    pub fn encode(&self) -> Vec<u8> {
        postcard::to_extend(self, vec![FORMAT]).expect("every field of a record can be written")
    }

    /// Reads what [`Record::encode`] wrote.
    ///
    /// # Errors
    ///
    /// If the bytes are not a record of a known format.
    pub fn decode(bytes: &[u8]) -> Result<Self, RecordError> {
        match bytes.split_first() {
            Some((&FORMAT, rest)) => postcard::from_bytes(rest).map_err(|_| RecordError::Malformed),
            Some((&found, _)) if found > FORMAT => Err(RecordError::Newer { found }),
            Some(_) | None => Err(RecordError::Malformed),
        }
    }

    /// The applied ops, in the order of the log.
    pub fn logged(&self) -> Vec<LoggedOp> {
        let Change::Appended(appended) = &self.change else {
            return Vec::new();
        };
        let mut cursor = appended.cursor_before;
        let applied = appended
            .entries
            .iter()
            .filter_map(|entry| match &entry.outcome {
                Recorded::Applied(op) => Some((entry.seq, op)),
                _ => None,
            });
        applied
            .map(|(seq, op)| {
                cursor = cursor.next();
                LoggedOp {
                    cursor,
                    writer: appended.writer,
                    seq,
                    at: self.at,
                    op: op.clone(),
                }
            })
            .collect()
    }
}
