//! Tries to open a share that is not loaded, and that proved nothing: kept for its owner.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use share_model::{ShareId, UnixMs};

/// Shares whose tries are counted at a time.
const SHARES_MAX: usize = 4096;

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

#[cfg(test)]
mod tests {
    use super::*;

    fn share(number: usize) -> ShareId {
        let mut id = [0; 16];
        id[..8].copy_from_slice(&number.to_be_bytes());
        ShareId::from_bytes(id)
    }

    #[test]
    fn tries_of_so_many_shares_are_kept_and_further_ones_are_not_counted() {
        let tries = UnprovenTries::default();
        for number in 0..=SHARES_MAX {
            tries.count(share(number), UnixMs::new(1));
        }
        tries.count(share(0), UnixMs::new(2));
        assert_eq!(tries.take(share(SHARES_MAX)), None);
        let first = tries.take(share(0)).unwrap();
        assert_eq!((first.count, first.last_at), (2, UnixMs::new(2)));
        // There is room for one again.
        tries.count(share(SHARES_MAX), UnixMs::new(3));
        assert_eq!(tries.take(share(SHARES_MAX)).unwrap().count, 1);
    }
}
