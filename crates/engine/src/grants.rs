//! The grants of a share: those of its epoch, and those that the last bump ended.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use share_model::{GrantId, SecretHash};

use crate::record::Grant;

/// The grants of a share. Bounded: at most `grants_max` of the epoch, and as many that the last
/// bump ended; a further bump forgets those.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Grants {
    // The order of the fields is persisted: keep stable.
    /// Of the share's epoch.
    current: BTreeMap<GrantId, Grant>,
    /// Of the epoch before: kept so that who proves one learns `staleEpoch`, and may repeat the
    /// bump that ended it.
    ended: BTreeMap<GrantId, Grant>,
}

/// A grant whose secret was proven.
pub(crate) enum Proven<'a> {
    /// Of the share's epoch.
    Current(&'a Grant),
    /// Ended by the last bump.
    Ended(&'a Grant),
}

impl Grants {
    pub(crate) fn new(owner: Grant) -> Self {
        Self {
            current: BTreeMap::from([(owner.id, owner)]),
            ended: BTreeMap::new(),
        }
    }

    /// The grant of the share's epoch with this id.
    pub(crate) fn get(&self, id: GrantId) -> Option<&Grant> {
        self.current.get(&id)
    }

    /// The grant that this secret proves. An unknown grant costs the same comparison as a wrong
    /// secret, so that the time taken does not tell which ids exist.
    pub(crate) fn prove(&self, id: GrantId, secret: &SecretHash) -> Option<Proven<'_>> {
        let current = self.current.get(&id);
        let ended = self.ended.get(&id);
        let nobody = SecretHash::from_bytes([0; 32]);
        let expected = current.or(ended).map_or(nobody, |grant| grant.secret_hash);
        let matches = expected == *secret;
        match (current, ended) {
            (Some(grant), _) if matches => Some(Proven::Current(grant)),
            (None, Some(grant)) if matches => Some(Proven::Ended(grant)),
            (_, _) => None,
        }
    }

    /// Whether an id is taken, by a grant that lives or by one that the last bump ended.
    pub(crate) fn is_taken(&self, id: GrantId) -> bool {
        self.current.contains_key(&id) || self.ended.contains_key(&id)
    }

    /// How many grants the epoch has.
    pub(crate) fn len(&self) -> usize {
        self.current.len()
    }

    pub(crate) fn insert(&mut self, grant: Grant) {
        self.current.insert(grant.id, grant);
    }

    /// Ends every grant but the new owner's.
    pub(crate) fn bump(&mut self, owner: Grant) {
        self.ended = std::mem::take(&mut self.current);
        self.insert(owner);
    }

    /// The subtree in which a grant counts against the bounds per subtree: its ancestor (or itself)
    /// directly below the owner's grant; `None` for the owner's own, which has no such bound.
    pub(crate) fn subtree(&self, id: GrantId) -> Option<GrantId> {
        let mut top = None;
        let mut at = self.get(id)?;
        // A parent is minted before its children and never replaced, so this ends at the owner.
        while let Some(parent) = at.parent {
            top = Some(at.id);
            at = self.get(parent)?;
        }
        top
    }
}
