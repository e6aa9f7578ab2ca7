//! Reading a share as it grows: what a backend opens for whoever may read.

use std::fmt::Debug;
use std::sync::Arc;

use async_trait::async_trait;
use share_model::{
    Cursor, Document, GrantId, HistoryId, LogPosition, LoggedOp, Refusal, SecretHash, ShareId,
    Slug, UnixMs,
};

use crate::backend::BackendError;

/// As what a share is read.
#[derive(Debug, Clone)]
pub enum Reader {
    /// By its public address.
    Public(Slug),
    /// By a grant of it.
    Granted(Proof),
}

/// A grant of a share, and what its secret is known by: it proves the grant to the server that has the
/// share.
#[derive(Debug, Clone, Copy)]
pub struct Proof {
    /// The share.
    pub share: ShareId,
    /// The grant.
    pub grant: GrantId,
    /// Of the grant's secret.
    pub secret: SecretHash,
}

/// What [`Backend::open`](crate::Backend::open) gives.
#[derive(Debug, Clone)]
pub enum Opened {
    /// The share, to be read under the authority that was proven.
    Here(Arc<dyn Readable>),
    /// It is to be had at this URL, which is that of its data.
    Elsewhere(String),
}

/// A share under an authority to read it. The authority is checked at each call, and may have ended.
///
/// Dropping the future of a call leaves nothing behind.
#[async_trait]
pub trait Readable: Debug + Send + Sync + 'static {
    /// The share, and the grant under which it is read.
    fn key(&self) -> (ShareId, GrantId);

    /// What the share says now.
    ///
    /// # Errors
    ///
    /// If it may not be read any more, or can't be.
    async fn standing(&self) -> Result<Standing, BackendError>;

    /// What the share says now, and what follows. `seen`: where somebody stands who wants to go on.
    ///
    /// # Errors
    ///
    /// As [`Readable::standing`].
    async fn follow(&self, seen: Option<Seen>) -> Result<Followed, BackendError>;

    /// The share's log from its start, to where it stands now.
    ///
    /// # Errors
    ///
    /// As [`Readable::standing`].
    async fn replay(&self) -> Result<Replayed, BackendError>;
}

/// A document at one cursor of one history, and when.
#[derive(Debug, Clone)]
pub struct Standing {
    /// The document.
    pub document: Document,
    /// In which history the cursor counts.
    pub history: HistoryId,
    /// Ops up to here.
    pub cursor: Cursor,
    /// When the first op of the log was committed; `None`: there is none.
    pub first_at: Option<UnixMs>,
    /// When the op at the cursor was.
    pub last_at: Option<UnixMs>,
}

/// Where a viewer stands.
#[derive(Debug, Clone, Copy)]
pub struct Seen {
    /// Everything up to here.
    pub position: LogPosition,
    /// How many ops are looked at to find out what it has missed.
    pub ops_max: u64,
}

/// What [`Readable::follow`] gives.
#[derive(Debug)]
pub struct Followed {
    /// What the share says.
    pub standing: Standing,
    /// The keys that were changed or removed since [`Seen`], in the order in which they were last;
    /// `None`: that can't be told, or there are too many ops.
    pub changed: Option<Vec<String>>,
    /// What follows.
    pub ops: Box<dyn Following>,
}

/// What [`Readable::replay`] gives.
#[derive(Debug)]
pub struct Replayed {
    /// The document at the log's start.
    pub begin: Standing,
    /// The log does not reach back to the share's beginning.
    pub is_truncated: bool,
    /// Where the share stands now.
    pub end: Cursor,
    /// When its last op was committed.
    pub end_at: Option<UnixMs>,
    /// The ops, to the end and beyond.
    pub ops: Box<dyn Following>,
}

/// The ops of a share's log, one after the other, while they may be read.
///
/// Whoever ends the authority is answered only after this was dropped: nothing that it gave may be
/// shown to anybody from then on.
#[async_trait]
pub trait Following: Debug + Send + 'static {
    /// The next ops, at least one, waiting for them. Cancel safe.
    ///
    /// # Errors
    ///
    /// Why there are no more.
    async fn next(&mut self) -> Result<Vec<LoggedOp>, End>;

    /// Waits until there may be no more, and says why. Cancel safe.
    async fn ended(&mut self) -> End;

    /// Everything up to here is about to be shown.
    fn served(&self, cursor: Cursor);
}

/// Why there is nothing more to read.
#[derive(Debug, Clone)]
pub enum End {
    /// The authority has ended: what was read is to be shown no longer.
    Refused(Refusal),
    /// It can't be gone on with here; asked for again, it may.
    Lost,
}
