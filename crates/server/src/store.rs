//! The store: where the commits of shares become durable.
//!
//! A share's history is its records, one per version, counting up from 1 without a gap. An owner of
//! loaded state hands records to [`Store::commit`], guarded by compare-and-set on the share's
//! version, and answers nobody before the outcome is [`CommitOutcome::Done`]. The trait owns no
//! state: what an owner keeps in memory can be had again by [`Store::load`] at any time.

mod error;
pub mod sqlite;

use std::fmt::Debug;
use std::path::Path;

use async_trait::async_trait;

use share_engine::Record;
use share_model::{
    Cursor, Document, Fingerprint, HistoryId, LoggedOp, Seq, ShareId, ShareVersion, WriterId,
};

pub use error::StoreError;
pub use sqlite::{RedoOptions, SqliteStore, SqliteStoreOptions};

/// Keeps the records and checkpoints of shares, and the server's own records.
///
/// Dropping the future of a call leaves open whether the call took effect; what was handed over is
/// still carried out as a whole or not at all.
#[async_trait]
pub trait Store: Send + Sync + Debug {
    /// The newest checkpoint of a share and all records after it; `None` if the share has no record.
    ///
    /// Sees every commit that was `Done` before the call. What it returns is durable, except right
    /// after an `Unknown`: what that left behind is durable once a later commit on the share is
    /// `Done`.
    ///
    /// # Errors
    ///
    /// [`StoreError::Corrupt`] if a record is missing, damaged or unreadable: nothing is skipped.
    async fn load(&self, share: ShareId) -> Result<Option<Loaded>, StoreError>;

    /// What of a share may speak of its grants and was committed after `since`: the records that have
    /// no applied op, and the head of its newest checkpoint if that is newer. Reads little, however
    /// large the document is, and nothing but the version if that is not above `since`. `None` if
    /// the share has no record; otherwise as [`Store::load`].
    ///
    /// # Errors
    ///
    /// As [`Store::load`].
    async fn load_authority(
        &self,
        share: ShareId,
        since: ShareVersion,
    ) -> Result<Option<LoadedAuthority>, StoreError>;

    /// Commits records; the outcomes are in the order of `commits`.
    ///
    /// Atomic per [`ShareCommit`]: all of its records or none. Not atomic across them; two of one
    /// share are tried in their order. `Done` means durable: on stable storage, to be found by every
    /// later call of any process that opens the store.
    async fn commit(&self, commits: Vec<ShareCommit>) -> Vec<CommitOutcome>;

    /// Applied ops of a share with cursors above `after`, in order and without a gap: at most
    /// `ops_max`, and no more once their mutations have `bytes_max` bytes, but at least one if there
    /// is one. Empty at the end of the log, and for a share that does not exist.
    ///
    /// # Errors
    ///
    /// As [`Store::load`].
    async fn follow(
        &self,
        share: ShareId,
        after: Cursor,
        ops_max: usize,
        bytes_max: u64,
    ) -> Result<Vec<LoggedOp>, StoreError>;

    /// What stands in the log under each writer and seq: the fingerprint and cursor of the *applied*
    /// op, or `None`. In the order of `wanted`. May read the share's whole log.
    ///
    /// # Errors
    ///
    /// As [`Store::load`].
    async fn lookup(
        &self,
        share: ShareId,
        wanted: Vec<(WriterId, Seq)>,
    ) -> Result<Vec<Option<(Fingerprint, Cursor)>>, StoreError>;

    /// Stores the state at one version, so that a load need not read the records up to it. Replaces
    /// the earlier checkpoint in one step; one that is not newer than the stored one changes
    /// nothing. Commits go on meanwhile.
    ///
    /// # Errors
    ///
    /// [`StoreError::Invalid`] if the share has no such version; else as storing fails: the earlier
    /// checkpoint then stands.
    async fn checkpoint(&self, share: ShareId, checkpoint: Checkpoint) -> Result<(), StoreError>;

    /// Erases a share's records up to and including `through`, for good: what they said is
    /// overwritten wherever the store had it, and no later load needs them. The checkpoint stays, and
    /// with it the share and its version; [`Store::follow`] and [`Store::lookup`] find nothing in
    /// what was erased, and [`Store::extent`] does not go back.
    ///
    /// Repeatable, and in one step as far as readers see. Dropped half-way, or cut off by a crash,
    /// it has not begun, or the rest is done by the next call or opening. Commits go on meanwhile.
    ///
    /// # Errors
    ///
    /// [`StoreError::Invalid`] if no checkpoint of that version or a later one is stored; else as
    /// storing fails.
    async fn erase(&self, share: ShareId, through: ShareVersion) -> Result<(), StoreError>;

    /// The shares with ids above `after`, in order, at most `limit`, each with its version.
    ///
    /// # Errors
    ///
    /// As reading fails.
    async fn shares(
        &self,
        after: Option<ShareId>,
        limit: usize,
    ) -> Result<Vec<(ShareId, ShareVersion)>, StoreError>;

    /// The store's history id: random, made with the store, and again whenever the store went back
    /// in time ([`Store::renew_history`]).
    ///
    /// # Errors
    ///
    /// As reading fails.
    async fn history(&self) -> Result<HistoryId, StoreError>;

    /// Gives the store another history id, durably. While nobody uses the store: owners keep theirs.
    ///
    /// # Errors
    ///
    /// As storing fails; which of the two ids the store then has is not known.
    async fn renew_history(&self, history: HistoryId) -> Result<(), StoreError>;

    /// How many records the store has, and how many of them are certainly durable.
    ///
    /// # Errors
    ///
    /// As reading fails.
    async fn extent(&self) -> Result<Extent, StoreError>;

    /// Copies everything that the store has, as it is at one moment, into the file `to`, which is
    /// missing or empty. Every commit that was `Done` before the call is in the copy, and commits go
    /// on meanwhile. The copy is not durable: who keeps it sees to that.
    ///
    /// Dropped half-way, copying ends soon; who asked removes the file.
    ///
    /// # Errors
    ///
    /// As copying fails, [`StoreError::Full`] if there is no room; the file may then hold a part.
    async fn copy_to(&self, to: &Path) -> Result<Copied, StoreError>;

    /// A record of the server itself, such as a factory's grant.
    ///
    /// # Errors
    ///
    /// As reading fails.
    async fn server_record(&self, name: &str) -> Result<Option<ServerRecord>, StoreError>;

    /// Replaces a record of the server itself, if its version is `expected_version` (0: it does not
    /// exist); it then has the next version. Outcomes mean what they mean for [`Store::commit`].
    async fn put_server_record(
        &self,
        name: &str,
        expected_version: u64,
        bytes: Vec<u8>,
    ) -> CommitOutcome<u64>;

    /// Waits until the store has stopped for good, and says why. After a failed fsync nobody knows
    /// what is on disk: the process must end, and whoever starts it again reads what is there.
    async fn stopped(&self) -> StoreError;
}

/// What [`Store::load`] gives.
#[derive(Debug, Clone, PartialEq)]
pub struct Loaded {
    /// The share's version: that of the last record, else of the checkpoint.
    pub version: ShareVersion,
    /// The newest checkpoint.
    pub checkpoint: Option<Checkpoint>,
    /// The records after the checkpoint, from version 1 if there is none, without a gap.
    pub records: Vec<Record>,
}

/// What [`Store::load_authority`] gives.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LoadedAuthority {
    /// The share's.
    pub version: ShareVersion,
    /// Of the newest checkpoint, if that is newer than what was asked for.
    pub head: Option<Vec<u8>>,
    /// The records after it, or after what was asked for, that have no applied op.
    pub records: Vec<Record>,
}

/// The state of a share at one version.
#[derive(Debug, Clone, PartialEq)]
pub struct Checkpoint {
    /// The version of the last record that is contained.
    pub version: ShareVersion,
    /// Everything but the document, as the owner encodes it.
    pub head: Vec<u8>,
    /// The document.
    pub document: Document,
}

/// Records to commit to one share, in one atomic step.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ShareCommit {
    /// The share.
    pub share: ShareId,
    /// The version that the share must have; zero: it must not exist.
    pub expected: ShareVersion,
    /// The records, at least one, with the versions after `expected` without a gap.
    pub records: Vec<Record>,
}

/// How far a store has come.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Extent {
    /// Records of all shares together. Only goes back if the store does.
    pub records: u64,
    /// Those of them, from the first, that no power cut takes away any more; zero until the first
    /// commit after the store was opened, for nobody knows then what a process that died had synced.
    pub durable: u64,
}

/// What [`Store::copy_to`] made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Copied {
    /// Shares in the copy.
    pub shares: u64,
    /// The format of the copy; a store that reads up to a lower one can't open it.
    pub format: u32,
}

/// What became of a commit. `V` is the kind of version that is compared.
#[derive(Debug, Clone)]
pub enum CommitOutcome<V = ShareVersion> {
    /// Durable.
    Done,
    /// Not committed: the version is another one. Load, and run the engine again.
    Conflict {
        /// The version that was found; it may be newer by now.
        actual: V,
    },
    /// Committed or not, as a whole; the text says what happened. Find out before anybody is
    /// answered: load, and see whether the records are there. If the store has stopped as well, only
    /// a new process can.
    Unknown(String),
    /// Certainly not committed, and never will be.
    Refused(StoreError),
}

/// A record of the server itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServerRecord {
    /// Counts its replacements, from 1.
    pub version: u64,
    /// The content.
    pub bytes: Vec<u8>,
}
