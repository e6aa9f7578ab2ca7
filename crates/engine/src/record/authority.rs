//! What records say of grants, as it is persisted: the format's rules stand in [`super`].

use serde::{Deserialize, Serialize};
use share_model::{Cursor, Epoch, GrantId, Origin, OwnerId, UnixMs};

use super::Grant;

/// How a grant is made, besides an owner's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum MintKind {
    // The order of the variants is persisted: keep stable.
    /// By an administrator, for somebody else.
    Attenuated,
    /// As a public address: its secret is a slug.
    Published,
    /// By its holder, with the same rights.
    Saved,
}

/// A grant was minted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MintedGrant {
    /// The grant.
    pub grant: Grant,
    /// How it was made.
    pub kind: MintKind,
    /// Who alone may redeem it; `None`: whoever holds the ref.
    pub sealed_for: Option<OwnerId>,
    /// Grants that had run out, and were forgotten to make room.
    pub evicted: Vec<GrantId>,
}

impl MintedGrant {
    /// What a server of an earlier version minted: it knew nothing but `save`.
    pub(crate) fn saved(grant: Grant) -> Self {
        Self {
            grant,
            kind: MintKind::Saved,
            sealed_for: None,
            evicted: Vec::new(),
        }
    }
}

/// A grant was revoked, with all below it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct GrantRevoked {
    /// The grant. A restored state may not know it: then its id is not given again.
    pub grant: GrantId,
    /// The epoch under which it was given, which is the share's.
    pub epoch: Epoch,
    /// The grant under which it was revoked; `None`: a journal says so.
    pub by: Option<GrantId>,
    /// Who asked for it.
    pub origin: Origin,
}

/// Appends are refused from now on, or let in again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FreezeSet {
    /// Whether they are refused.
    pub frozen: bool,
    /// The grant under which it was asked for.
    pub by: GrantId,
    /// Who asked for it.
    pub origin: Origin,
}

/// The share was deleted: content, ledger and texts are gone.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ShareDeleted {
    /// The grant under which it was deleted; `None`: a journal says so.
    pub by: Option<GrantId>,
    /// Who asked for it.
    pub origin: Origin,
}

/// A use of a share, or several alike.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Note {
    /// The first time.
    pub at: UnixMs,
    /// The last time.
    pub last_at: UnixMs,
    /// How often; at least once.
    pub count: u64,
    /// What happened.
    pub event: NoteEvent,
    /// The grant that was used; `None`: nobody proved one.
    pub grant: Option<GrantId>,
    /// The program, as it called itself at redeem; what exceeds 128 bytes is cut off.
    pub client: String,
    /// The share's cursor then; of a read, the highest that was served.
    pub cursor: Cursor,
}

/// What a [`Note`] tells of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum NoteEvent {
    // The order of the variants is persisted: keep stable.
    /// A grant was redeemed.
    Redeemed,
    /// A redeem or a call of who had proven the secret was refused, with the code that has this
    /// place in [`RefusalCode::ALL`](share_model::RefusalCode::ALL).
    Refused(u8),
    /// A redeem that proved nothing was refused.
    RefusedUnproven,
    /// Something was read. Changes the grant's usage only.
    Read,
    /// A journal ended authority again that a restored backup had brought back.
    Restored,
}
