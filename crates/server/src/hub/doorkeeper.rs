//! Who is let in to a share that is not loaded, found out without loading it.
//!
//! Whoever can name a share could otherwise have it loaded, and learn by the time that this takes
//! whether it exists and how large it is. What is read here is as little for a share that does not
//! exist as for one that does (`docs/decisions/0007-a-refused-redeem-takes-a-fixed-time.md`).

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use share_engine::{Change, Grant, Record, ShareState};
use share_model::{GrantId, SecretHash, ShareId, UnixMs};

use crate::fault::Fault;
use crate::store::{LoadedAuthority, Store};

/// Shares whose tries are counted at a time.
const SHARES_MAX: usize = 4096;

/// What the store says about a grant and its secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Looked {
    /// The share has, or had, this grant with this secret: its owner decides.
    MayBeProven,
    /// The share does not know them.
    Unproven,
    /// There is no such share.
    NoShare,
}

/// Looks whether a share may know a grant with this secret.
pub(super) async fn look(
    store: &dyn Store,
    share: ShareId,
    (grant, secret): (GrantId, SecretHash),
) -> Result<Looked, Fault> {
    let Some(LoadedAuthority { head, records }) = store.load_authority(share).await? else {
        return Ok(Looked::NoShare);
    };
    let is_in_head = match head {
        Some(head) => ShareState::is_known_in(&head, grant, &secret)?,
        None => false,
    };
    let mut since = records.iter().filter_map(given);
    let is_since = since.any(|given| given.id == grant && given.secret_hash == secret);
    match is_in_head || is_since {
        true => Ok(Looked::MayBeProven),
        false => Ok(Looked::Unproven),
    }
}

/// The grant that a record gave.
fn given(record: &Record) -> Option<&Grant> {
    match &record.change {
        Change::Created(created) => Some(&created.owner),
        Change::EpochBumped(bumped) => Some(&bumped.owner),
        Change::GrantMinted(grant) => Some(grant),
        Change::Minted(minted) => Some(&minted.grant),
        Change::Claimed(_)
        | Change::Appended(_)
        | Change::Revoked(_)
        | Change::Frozen(_)
        | Change::Deleted(_)
        | Change::Noted(_) => None,
    }
}

/// Redeems that proved nothing, of shares that were not loaded then.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Tries {
    /// How many.
    pub(crate) count: u64,
    /// When the first was.
    pub(crate) at: UnixMs,
    /// When the last was.
    pub(crate) last_at: UnixMs,
}

/// Keeps [`Tries`] for the owners of the shares, until they are loaded: then they are told to the
/// audit. Cheap to clone. Of no more than 4096 shares at a time, and not across a restart: whoever
/// does not even prove a grant must not cost more.
#[derive(Debug, Clone, Default)]
pub(crate) struct UnprovenTries(Arc<Mutex<BTreeMap<ShareId, Tries>>>);

impl UnprovenTries {
    /// Counts one.
    pub(super) fn count(&self, share: ShareId, now: UnixMs) {
        let mut tries = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let has_room = tries.len() < SHARES_MAX;
        if let Some(tries) = tries.get_mut(&share) {
            tries.count = tries.count.saturating_add(1);
            tries.last_at = now;
        } else if has_room {
            let first = Tries {
                count: 1,
                at: now,
                last_at: now,
            };
            tries.insert(share, first);
        }
    }

    /// Gives what was counted for a share, once.
    pub(crate) fn take(&self, share: ShareId) -> Option<Tries> {
        let mut tries = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        tries.remove(&share)
    }
}
