//! What secrets the shares' grants have, kept from one look to the next: so that a look costs the same
//! whatever a share has, and however often a stranger asks.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use share_engine::{Change, Grant, Record, ShareState};
use share_model::{GrantId, SecretHash, ShareId, ShareVersion};
use tokio::sync::Mutex as Turn;

use crate::fault::Fault;
use crate::store::{LoadedAuthority, Store};

/// Grants of all shares together that are kept: some 10 MB.
const GRANTS_MAX: usize = 1 << 17;

/// The grants of the shares that were looked at last. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub(super) struct KnownGrants {
    kept: Arc<Mutex<Kept>>,
    /// One share is read at a time: many who ask for it at once wait for one reading.
    reading: Arc<Turn<()>>,
}

#[derive(Debug, Default)]
struct Kept {
    shares: BTreeMap<ShareId, Known>,
    grants: usize,
    /// Counts the looks.
    looks: u64,
}

/// The grants that a share had at one version, and before.
#[derive(Debug, Clone, Default)]
struct Known {
    version: ShareVersion,
    grants: Arc<BTreeMap<GrantId, SecretHash>>,
    looked: u64,
}

impl KnownGrants {
    /// Whether the share has, or had, the grant with this secret; `None`: there is no such share.
    pub(super) async fn look(
        &self,
        store: &dyn Store,
        share: ShareId,
        (grant, secret): (GrantId, SecretHash),
    ) -> Result<Option<bool>, Fault> {
        let Some(version) = newest(store, share).await? else {
            return Ok(None);
        };
        let known = match self.get(share).filter(|known| known.version >= version) {
            Some(known) => known,
            None => self.read(store, share).await?,
        };
        // Constant-time; whether there is such a grant shows in nothing that takes longer than this.
        let nobody = SecretHash::from_bytes([0; 32]);
        let found = known.grants.get(&grant);
        Ok(Some(
            found.copied().unwrap_or(nobody) == secret && found.is_some(),
        ))
    }

    /// Reads what was committed since the share was read last.
    async fn read(&self, store: &dyn Store, share: ShareId) -> Result<Known, Fault> {
        let _turn = self.reading.lock().await;
        let before = self.get(share).unwrap_or_default();
        let Some(read) = store.load_authority(share, before.version).await? else {
            return Ok(Known::default());
        };
        let LoadedAuthority {
            version,
            head,
            records,
        } = read;
        let mut grants = match head {
            // What a bump has ended long ago is not in it any more.
            Some(head) => ShareState::grants_in(&head)?.into_iter().collect(),
            None => BTreeMap::clone(&before.grants),
        };
        let given = records.iter().filter_map(given);
        grants.extend(given.map(|grant| (grant.id, grant.secret_hash)));
        let known = Known {
            version,
            grants: Arc::new(grants),
            looked: 0,
        };
        self.keep(share, known.clone());
        Ok(known)
    }

    fn get(&self, share: ShareId) -> Option<Known> {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.looks += 1;
        let looks = kept.looks;
        let known = kept.shares.get_mut(&share)?;
        known.looked = looks;
        Some(known.clone())
    }

    /// Keeps what was read; those that were not looked at for longest go.
    fn keep(&self, share: ShareId, known: Known) {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let looked = kept.looks;
        kept.grants += known.weight();
        if let Some(old) = kept.shares.insert(share, Known { looked, ..known }) {
            kept.grants -= old.weight();
        }
        while kept.grants > GRANTS_MAX && kept.shares.len() > 1 {
            let oldest = kept.shares.iter().filter(|(kept, _)| **kept != share);
            let oldest = oldest.min_by_key(|(_, known)| known.looked);
            let Some(oldest) = oldest.map(|(share, _)| *share) else {
                break;
            };
            if let Some(old) = kept.shares.remove(&oldest) {
                kept.grants -= old.weight();
            }
        }
    }
}

impl Known {
    /// What it counts: a share without a grant takes room too.
    fn weight(&self) -> usize {
        1 + self.grants.len()
    }
}

/// The version of a share; `None`: there is none. Costs the same for every share.
pub(super) async fn newest(
    store: &dyn Store,
    share: ShareId,
) -> Result<Option<ShareVersion>, Fault> {
    let nothing = ShareVersion::new(u64::MAX);
    let loaded = store.load_authority(share, nothing).await?;
    Ok(loaded.map(|loaded| loaded.version))
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

#[cfg(test)]
mod tests {
    use super::*;

    fn share(n: u8) -> ShareId {
        ShareId::from_bytes([n; 16])
    }

    fn known(count: u32) -> Known {
        let grants = (0..count).map(|n| {
            let mut id = [0; 16];
            id[..4].copy_from_slice(&n.to_be_bytes());
            (GrantId::from_bytes(id), SecretHash::from_bytes([1; 32]))
        });
        Known {
            grants: Arc::new(grants.collect()),
            ..Known::default()
        }
    }

    #[test]
    fn what_is_kept_has_a_bound_and_what_was_looked_at_last_stays() {
        let kept = KnownGrants::default();
        let half = u32::try_from(GRANTS_MAX / 2 - 1).unwrap();
        kept.keep(share(1), known(half));
        kept.keep(share(2), known(half));
        assert!(kept.get(share(2)).is_some() && kept.get(share(1)).is_some());
        kept.keep(share(3), known(half));
        let here = [1, 2, 3].map(|n| kept.get(share(n)).is_some());
        assert_eq!(here, [true, false, true]);
        // Read again, it counts once.
        kept.keep(share(3), known(half));
        assert!(kept.get(share(1)).is_some());
        assert_eq!(kept.kept.lock().unwrap().grants, GRANTS_MAX);
    }
}
