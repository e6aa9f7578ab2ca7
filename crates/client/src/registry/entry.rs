//! What the registry knows of a share, as values.

use std::path::PathBuf;

use share_model::{
    CreateShare, Cursor, Epoch, GrantId, HistoryId, Origin, Secret, ShareId, ShareRef, UnixMs,
};

use super::name::SessionName;

/// A share that was opened on this machine, or is being opened.
#[derive(Debug, Clone)]
pub struct RegistryEntry {
    /// What it is called here.
    pub name: SessionName,
    /// The owner's newest ref; `None` while no answer of the factory is known.
    pub reference: Option<ShareRef>,
    /// The title that it was asked for with.
    pub title: String,
    /// Who opened it first.
    pub origin: Origin,
    /// The grant of the factory that was asked.
    pub factory: GrantId,
    /// The outbox file of the worktree in which it was last opened.
    pub state_file: PathBuf,
    /// When the name was reserved.
    pub created_at: UnixMs,
    /// When it was last opened here or heard of from its server. Never falls.
    pub last_seen_at: UnixMs,
    /// What its server last told of it.
    pub sighting: Option<Sighting>,
    /// When the name was freed.
    pub released_at: Option<UnixMs>,
    pub(super) number: i64,
}

/// How a share stood when its server told of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sighting {
    /// The server's history.
    pub history: HistoryId,
    /// Ops applied. Never falls within a history.
    pub cursor: Cursor,
    /// The capability's epoch.
    pub epoch: Epoch,
    /// When.
    pub at: UnixMs,
}

impl Sighting {
    /// What is known after this one, where `old` was known before: answers come in any order.
    pub(super) fn after(self, old: &Self) -> Self {
        let cursor = if self.history == old.history {
            self.cursor.max(old.cursor)
        } else {
            self.cursor
        };
        Self {
            cursor,
            epoch: self.epoch.max(old.epoch),
            at: self.at.max(old.at),
            ..self
        }
    }
}

/// A place in a listing; means something only to the registry that it came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RegistryPosition(pub(super) i64);

/// Which entries a listing shows.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct RegistryFilter {
    /// Those too whose name was released.
    pub released: bool,
}

impl RegistryEntry {
    /// The share; `None` while no answer of the factory is known.
    pub fn share(&self) -> Option<ShareId> {
        self.reference.as_ref().map(|reference| reference.share)
    }

    /// The highest epoch that is known: of the ref, or of what the server told.
    pub fn epoch(&self) -> Option<Epoch> {
        let of_ref = self.reference.as_ref().map(|reference| reference.epoch);
        of_ref.max(self.sighting.map(|sighting| sighting.epoch))
    }

    /// Where a listing goes on after this entry.
    pub fn position(&self) -> RegistryPosition {
        RegistryPosition(self.number)
    }
}

/// A session that is to be opened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OpenSession {
    /// What it is called here.
    pub name: SessionName,
    /// For people, should a share be created; may be empty.
    pub title: String,
    /// Who asks.
    pub origin: Origin,
    /// The outbox file of the worktree, as an absolute path.
    pub state_file: PathBuf,
}

/// What is known of a session before its server is asked.
#[derive(Debug, Clone)]
pub enum Reserved {
    /// It has a share.
    Open(OpenedSession),
    /// The name is reserved, the request and the owner's secret are stored, and no answer is known.
    Pending(PendingShare),
}

/// A request that the factory may or may not have answered. The same for every process that opens
/// the session.
#[derive(Debug, Clone)]
pub struct PendingShare {
    /// The session.
    pub name: SessionName,
    /// What the factory is asked, as often as it takes.
    pub request: CreateShare,
    pub(super) secret: Secret,
    pub(super) number: i64,
}

/// A session that has a share.
#[derive(Debug, Clone)]
pub struct OpenedSession {
    /// Whether this call made it so.
    pub answer: OpenAnswer,
    /// The owner's newest ref.
    pub reference: ShareRef,
    /// The outbox file that was recorded before, if it was another one.
    pub moved_from: Option<PathBuf>,
}

/// Whether a call that opened a session was the one that gave it its share.
///
/// `Created` is said to at most one call for a share, by the transaction that stores its ref, and to
/// none if that call's process ends before it hears of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OpenAnswer {
    /// This call stored the share's ref.
    Created,
    /// The ref was there.
    Reused,
}

impl OpenAnswer {
    /// The answer in one word: `created` or `reused`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Created => "created",
            Self::Reused => "reused",
        }
    }
}

/// What [`Registry::update_ref`](crate::Registry::update_ref) did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RefUpdate {
    /// The share is not registered.
    Unknown,
    /// The registry had this very ref.
    Same,
    /// The ref took the place of the older one.
    Replaced,
    /// The registry keeps the ref that it has: the other is of the same epoch or an earlier one.
    Kept,
}
