//! Identities remembered from re-queues: what became of them in another lane than their first.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use share_model::{Cursor, GrantId, Identity};

/// The identities that were applied or abandoned in another lane than their first. Never
/// forgotten; bounded by admission (`remembered_max`, `remembered_per_grant_max`).
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Remembered {
    // The order of the fields is persisted: keep stable.
    identities: BTreeMap<Identity, Fate>,
    /// How many of them each subtree of grants brought.
    per_subtree: BTreeMap<GrantId, u32>,
}

/// What became of a remembered identity.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Fate {
    // The order of the variants is persisted: keep stable.
    /// Applied, at this cursor.
    Applied(Cursor),
    /// Given up.
    Abandoned,
}

impl Remembered {
    pub(crate) fn get(&self, identity: &Identity) -> Option<Fate> {
        self.identities.get(identity).copied()
    }

    pub(crate) fn len(&self) -> u64 {
        self.identities.len() as u64
    }

    /// How many identities a subtree of grants brought.
    pub(crate) fn len_of(&self, subtree: GrantId) -> u32 {
        self.per_subtree.get(&subtree).copied().unwrap_or(0)
    }

    /// Remembers what became of an identity; the first word stands.
    pub(crate) fn insert(&mut self, identity: Identity, fate: Fate, subtree: Option<GrantId>) {
        if self.identities.contains_key(&identity) {
            return;
        }
        self.identities.insert(identity, fate);
        if let Some(subtree) = subtree {
            let count = self.per_subtree.entry(subtree).or_default();
            *count = count.saturating_add(1);
        }
    }
}
