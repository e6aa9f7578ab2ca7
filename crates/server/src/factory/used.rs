//! The server's record of what the shares of one factory grant use up.

use serde::{Deserialize, Serialize};
use share_model::{GrantId, Refusal, ShareId};

use crate::fault::Fault;
use crate::owner::Outcome;
use crate::store::{CommitOutcome, Store, StoreError};

/// The first byte of the record: which reading follows. Persisted: keep stable.
const FORMAT: u8 = 1;
/// How often a change is tried to be stored.
const TRIES_MAX: u32 = 16;
/// Shares that are being created at a time.
pub(super) const PENDING_MAX: usize = 64;
/// Deleted shares that are remembered as given back, until their deletion is no longer repeated.
const RELEASED_MAX: usize = 64;

/// What is used up. Persisted: keep stable.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Used {
    /// Shares that were created and are not deleted, those of `pending` among them.
    pub(super) shares: u64,
    /// Units of bytes that are reserved for all of them together.
    pub(super) units: u64,
    /// Shares that are counted and may not exist: creating one again does not count it again.
    pub(super) pending: Vec<ShareId>,
    /// Shares that were deleted and are not counted any more: deleting one again gives nothing back.
    pub(super) released: Vec<ShareId>,
}

impl Used {
    /// Takes a share off that was deleted; whether it was counted.
    pub(super) fn release(&mut self, share: ShareId, units: u64) -> bool {
        if self.released.contains(&share) {
            return false;
        }
        self.pending.retain(|pending| *pending != share);
        self.shares = self.shares.saturating_sub(1);
        self.units = self.units.saturating_sub(units);
        if self.released.len() >= RELEASED_MAX {
            self.released.remove(0);
        }
        self.released.push(share);
        true
    }
}

/// The record as it was seen last.
#[derive(Debug, Clone, Default)]
pub(super) struct Stored {
    version: u64,
    pub(super) used: Used,
}

/// Reads the record; a grant without one has used nothing.
pub(super) async fn read(store: &dyn Store, grant: GrantId) -> Result<Stored, Fault> {
    let name = name(grant);
    let Some(record) = store.server_record(&name).await? else {
        return Ok(Stored::default());
    };
    let used = decode(&record.bytes).ok_or(Fault::ServerRecord { name })?;
    Ok(Stored {
        version: record.version,
        used,
    })
}

/// Changes the record; durable when this returns. `change` says whether there is anything to store, and
/// may be run again on what somebody else has stored, never on what it did itself.
pub(super) async fn change(
    store: &dyn Store,
    grant: GrantId,
    stored: &mut Stored,
    mut change: impl FnMut(&mut Used) -> Result<bool, Refusal>,
) -> Outcome<()> {
    let mut tried: Option<Used> = None;
    for _ in 0..TRIES_MAX {
        let mut used = stored.used.clone();
        // What is found as it was to be is there, but maybe not durably: it is put once more.
        if tried.as_ref() != Some(&used) {
            match change(&mut used) {
                Ok(true) => {}
                Ok(false) => return Ok(Ok(())),
                Err(refusal) => return Ok(Err(refusal)),
            }
        }
        let put = store
            .put_server_record(&name(grant), stored.version, encode(&used))
            .await;
        match put {
            CommitOutcome::Done => {
                stored.version += 1;
                stored.used = used;
                return Ok(Ok(()));
            }
            CommitOutcome::Refused(error) => return Err(error.into()),
            CommitOutcome::Conflict { .. } | CommitOutcome::Unknown(_) => {
                tried = Some(used);
                *stored = read(store, grant).await?;
            }
        }
    }
    Err(StoreError::Overloaded.into())
}

/// Takes off a share that was deleted; durable when this returns. Repeatable: a record of its own says
/// so for ever, and until that is stored, [`Used::released`].
pub(super) async fn release(
    store: &dyn Store,
    grant: GrantId,
    (share, units): (ShareId, u64),
) -> Result<(), Fault> {
    let mut stored = read(store, grant).await?;
    // A grant without quotas has no record.
    if stored.version == 0 || store.server_record(&gone(share)).await?.is_some() {
        return Ok(());
    }
    // Giving back is never refused.
    let _ = change(store, grant, &mut stored, |used| {
        Ok(used.release(share, units))
    })
    .await?;
    for _ in 0..TRIES_MAX {
        match store.put_server_record(&gone(share), 0, vec![FORMAT]).await {
            CommitOutcome::Done => return Ok(()),
            CommitOutcome::Refused(error) => return Err(error.into()),
            CommitOutcome::Conflict { .. } | CommitOutcome::Unknown(_) => {
                if store.server_record(&gone(share)).await?.is_some() {
                    return Ok(());
                }
            }
        }
    }
    Err(StoreError::Overloaded.into())
}

/// Persisted: keep stable.
fn gone(share: ShareId) -> String {
    format!("factory-gone/{share}")
}

fn encode(used: &Used) -> Vec<u8> {
    postcard::to_extend(used, vec![FORMAT]).expect("numbers and ids can be written")
}

fn decode(bytes: &[u8]) -> Option<Used> {
    match bytes.split_first() {
        Some((&FORMAT, rest)) => postcard::from_bytes(rest).ok(),
        Some(_) | None => None,
    }
}

/// What the record says, written again; `None`: it is refused.
pub(crate) fn rewritten_use(bytes: &[u8]) -> Option<Vec<u8>> {
    decode(bytes).map(|used| encode(&used))
}

/// Persisted: keep stable.
fn name(grant: GrantId) -> String {
    format!("factory-use/{grant}")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// By hand: postcard's numbers, ids as a length and their bytes.
    #[test]
    fn the_bytes_of_the_record_are_persisted_and_never_change() {
        let used = Used {
            shares: 300,
            units: 2,
            pending: vec![ShareId::from_bytes([3; 16])],
            released: Vec::new(),
        };
        let expected = [&[1, 0xac, 2, 2, 1, 16][..], &[3; 16], &[0]].concat();
        assert_eq!(encode(&used), expected);
    }

    #[test]
    fn a_share_that_is_deleted_again_gives_nothing_back() {
        let mut used = Used {
            shares: 5,
            units: 7,
            ..Used::default()
        };
        let share = ShareId::from_bytes([3; 16]);
        assert!(used.release(share, 2));
        assert!(!used.release(share, 2));
        assert_eq!((used.shares, used.units), (4, 5));
    }
}
