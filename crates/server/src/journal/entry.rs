//! The entries of a journal, as they are persisted.
//!
//! Persisted: fields and variants may be added at the end under a new format number only, and never
//! change their meaning. An entry is written in the least format that can say it, as records are.

use serde::{Deserialize, Serialize};
use share_engine::{EpochBumped, Grant};
use share_model::seam::Entropy;
use share_model::{
    Epoch, GrantId, HistoryId, Origin, RequestId, Rights, SecretHash, ShareId, UnixMs,
};

/// The newest reading of an entry; its first byte says which one follows.
///
/// * 1: everything but what is named below.
/// * 2: [`Entry::FactoryRevoked`] as well.
const FORMAT: u8 = 2;

/// Names a journal, so that a server is not given another one's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub(crate) struct JournalId([u8; 16]);

impl JournalId {
    /// A new one.
    pub(crate) fn random(entropy: &dyn Entropy) -> Self {
        let mut bytes = [0; 16];
        entropy.fill(&mut bytes);
        Self(bytes)
    }
}

/// What a journal knows.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Entry {
    /// The journal was begun: its first entry.
    Begun {
        /// Its name.
        journal: JournalId,
        /// The journal that was lost, if it takes the place of one.
        replaces: Option<JournalId>,
        /// When.
        at: UnixMs,
    },
    /// An epoch was bumped, or will be.
    Bumped(Bump),
    /// A grant was revoked, or will be.
    Revoked {
        /// The share.
        share: ShareId,
        /// The epoch of the grant: a bump ends it anyway.
        epoch: Epoch,
        /// The grant; those below it end with it.
        grant: GrantId,
        /// Who asked for it.
        origin: Origin,
        /// When.
        at: UnixMs,
    },
    /// A share was deleted, or will be.
    Deleted {
        /// The share.
        share: ShareId,
        /// Who asked for it.
        origin: Origin,
        /// When.
        at: UnixMs,
    },
    /// How far the store had come.
    Marked(Mark),
    /// Format 2. A grant of the factory was revoked, or will be.
    FactoryRevoked {
        /// The grant.
        grant: GrantId,
        /// When.
        at: UnixMs,
    },
}

/// An epoch that was bumped: all that a commit of it needs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Bump {
    // The order of the fields is persisted: keep stable.
    pub(crate) share: ShareId,
    /// The new epoch.
    pub(crate) epoch: Epoch,
    pub(crate) request: RequestId,
    /// The grant under which it was bumped.
    pub(crate) by: GrantId,
    /// The new owner's grant.
    pub(crate) owner: GrantId,
    pub(crate) owner_secret_hash: SecretHash,
    pub(crate) origin: Origin,
    pub(crate) at: UnixMs,
}

/// How far the store had come, durably: a store that has less under the same history was put back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Mark {
    // The order of the fields is persisted: keep stable.
    pub(crate) history: HistoryId,
    /// How often the store had been served.
    pub(crate) starts: u64,
    /// How many records the store had.
    pub(crate) records: u64,
    /// The shares whose last entry the store may lack: every other entry before this one is in it.
    pub(crate) open: Vec<ShareId>,
}

impl Bump {
    pub(crate) fn of(share: ShareId, bumped: &EpochBumped) -> Self {
        let owner = &bumped.owner;
        Self {
            share,
            epoch: owner.epoch,
            request: bumped.request,
            by: bumped.by,
            owner: owner.id,
            owner_secret_hash: owner.secret_hash,
            origin: owner.origin.clone(),
            at: owner.created_at,
        }
    }

    pub(crate) fn into_bumped(self) -> EpochBumped {
        EpochBumped {
            request: self.request,
            by: self.by,
            owner: Grant {
                id: self.owner,
                rights: Rights::ALL,
                epoch: self.epoch,
                expires_at: None,
                label: String::new(),
                parent: None,
                origin: self.origin,
                secret_hash: self.owner_secret_hash,
                created_at: self.at,
            },
        }
    }
}

/// Why an entry can't be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Unreadable {
    /// Written by a newer version.
    Newer { found: u8 },
    /// Not an entry.
    Malformed,
}

impl Entry {
    /// The share whose authority it ends.
    pub(super) fn share(&self) -> Option<ShareId> {
        match self {
            Self::Bumped(bump) => Some(bump.share),
            Self::Revoked { share, .. } | Self::Deleted { share, .. } => Some(*share),
            Self::Begun { .. } | Self::Marked(_) | Self::FactoryRevoked { .. } => None,
        }
    }

    /// The least format that can say this.
    fn format(&self) -> u8 {
        match self {
            Self::Begun { .. }
            | Self::Bumped(_)
            | Self::Revoked { .. }
            | Self::Deleted { .. }
            | Self::Marked(_) => 1,
            Self::FactoryRevoked { .. } => 2,
        }
    }

    /// The entry as bytes: a format number, then postcard.
    pub(super) fn encode(&self) -> Vec<u8> {
        postcard::to_extend(self, vec![self.format()])
            .expect("every field of an entry can be written")
    }

    pub(super) fn decode(bytes: &[u8]) -> Result<Self, Unreadable> {
        let (&found, rest) = bytes.split_first().ok_or(Unreadable::Malformed)?;
        if found > FORMAT {
            return Err(Unreadable::Newer { found });
        }
        let entry: Self = postcard::from_bytes(rest).map_err(|_| Unreadable::Malformed)?;
        match entry.format() == found {
            true => Ok(entry),
            false => Err(Unreadable::Malformed),
        }
    }
}
