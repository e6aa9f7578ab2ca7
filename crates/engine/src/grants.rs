//! The grants of a share: those of its epoch, and those that the last bump ended.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use share_model::{Epoch, GrantId, OwnerId, SecretHash, UnixMs, Usage, planted};

use crate::record::{Grant, MintKind};

/// A grant, with what became of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Held {
    // The order of the fields is persisted: keep stable.
    pub(crate) grant: Grant,
    /// How it was made; `None`: as an owner's.
    pub(crate) kind: Option<MintKind>,
    /// Who alone may redeem it.
    pub(crate) sealed_for: Option<OwnerId>,
    /// When it, or one above it, was revoked.
    pub(crate) revoked_at: Option<UnixMs>,
    pub(crate) usage: Usage,
}

impl Held {
    /// A grant as it is made.
    pub(crate) fn new(grant: Grant, kind: Option<MintKind>, sealed_for: Option<OwnerId>) -> Self {
        Self {
            grant,
            kind,
            sealed_for,
            revoked_at: None,
            usage: Usage::default(),
        }
    }

    /// Whether it has run out.
    pub(crate) fn is_expired(&self, now: UnixMs) -> bool {
        self.grant.expires_at.is_some_and(|at| at <= now)
    }

    /// Whether it still allows anything.
    pub(crate) fn is_in_force(&self, now: UnixMs) -> bool {
        self.revoked_at.is_none() && !self.is_expired(now)
    }
}

/// The grants of a share. Bounded: at most `grants_max` of the epoch, revoked ones among them, and
/// as many that the last bump ended; a further bump forgets those.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Grants {
    // The order of the fields is persisted: keep stable.
    /// Of the share's epoch.
    current: BTreeMap<GrantId, Held>,
    /// Of the epoch before: kept so that who proves one learns `staleEpoch`, and may repeat the
    /// bump that ended it.
    ended: BTreeMap<GrantId, Held>,
    /// Grants of the epoch that were revoked in a history that this state does not know: their ids
    /// are not given again. Only a journal brings these; it bounds them.
    barred: BTreeSet<GrantId>,
}

/// A grant whose secret was proven.
pub(crate) enum Proven<'a> {
    /// Of the share's epoch.
    Current(&'a Held),
    /// Ended by the last bump.
    Ended(&'a Held),
}

impl<'a> Proven<'a> {
    /// The grant, whichever it is.
    pub(crate) fn held(&self) -> &'a Held {
        match self {
            Self::Current(held) | Self::Ended(held) => held,
        }
    }
}

impl Grants {
    pub(crate) fn new(owner: Grant) -> Self {
        Self::of(vec![Held::new(owner, None, None)], Vec::new())
    }

    /// The grants of the epoch, and those that the last bump ended.
    pub(crate) fn of(current: Vec<Held>, ended: Vec<Held>) -> Self {
        let by_id = |held: Vec<Held>| held.into_iter().map(|held| (held.grant.id, held)).collect();
        Self {
            current: by_id(current),
            ended: by_id(ended),
            barred: BTreeSet::new(),
        }
    }

    /// The grant of the share's epoch with this id, revoked or not.
    pub(crate) fn get(&self, id: GrantId) -> Option<&Held> {
        self.current.get(&id)
    }

    /// The grant with this id that the last bump ended.
    pub(crate) fn ended(&self, id: GrantId) -> Option<&Held> {
        self.ended.get(&id)
    }

    /// For tests that make a state that is no more made.
    #[cfg(test)]
    pub(crate) fn get_mut(&mut self, id: GrantId) -> Option<&mut Held> {
        self.current.get_mut(&id)
    }

    pub(crate) fn usage_mut(&mut self, id: GrantId) -> Option<&mut Usage> {
        self.current.get_mut(&id).map(|held| &mut held.usage)
    }

    /// The grant that this secret proves. An unknown grant costs the same comparison as a wrong
    /// secret, so that the time taken does not tell which ids exist.
    pub(crate) fn prove(&self, id: GrantId, secret: &SecretHash) -> Option<Proven<'_>> {
        let current = self.current.get(&id);
        let ended = self.ended.get(&id);
        let nobody = SecretHash::from_bytes([0; 32]);
        let known = current.or(ended);
        let expected = known.map_or(nobody, |held| held.grant.secret_hash);
        let matches = expected == *secret;
        match (current, ended) {
            (Some(held), _) if matches => Some(Proven::Current(held)),
            (None, Some(held)) if matches => Some(Proven::Ended(held)),
            (_, _) => None,
        }
    }

    /// What proves each grant, of the epoch and of the one before.
    pub(crate) fn proofs(&self) -> impl Iterator<Item = (GrantId, SecretHash)> {
        let all = self.ended.values().chain(self.current.values());
        all.map(|held| (held.grant.id, held.grant.secret_hash))
    }

    /// Whether an id is taken, by a grant of the epoch or by one that the last bump ended.
    pub(crate) fn is_taken(&self, id: GrantId) -> bool {
        self.current.contains_key(&id) || self.ended.contains_key(&id)
    }

    /// Whether an id was revoked in a history that this state does not know.
    pub(crate) fn is_barred(&self, id: GrantId) -> bool {
        self.barred.contains(&id)
    }

    /// How many grants the epoch has, revoked ones among them.
    pub(crate) fn len(&self) -> usize {
        self.current.len()
    }

    /// Those of the epoch with ids above `after`, in their order.
    pub(crate) fn after(&self, after: Option<GrantId>) -> impl Iterator<Item = &Held> {
        let from = after.map_or(std::ops::Bound::Unbounded, std::ops::Bound::Excluded);
        let above = self.current.range((from, std::ops::Bound::Unbounded));
        above.map(|(_, held)| held)
    }

    pub(crate) fn insert(&mut self, held: Held) {
        self.current.insert(held.grant.id, held);
    }

    /// Forgets grants that ran out, to make room.
    pub(crate) fn evict(&mut self, ids: &[GrantId]) {
        for id in ids {
            self.current.remove(id);
        }
    }

    /// Those that have run out, so many as to make room for one more, the oldest end first. What
    /// hangs below one has run out too; so no grant stays whose parent goes.
    pub(crate) fn to_evict(&self, now: UnixMs, max: u32) -> Vec<GrantId> {
        let excess = (self.current.len() + 1).saturating_sub(max as usize);
        if excess == 0 {
            return Vec::new();
        }
        let expired = self.current.values().filter(|held| held.is_expired(now));
        let mut expired: Vec<_> = expired
            .map(|held| (held.grant.expires_at, held.grant.id))
            .collect();
        expired.sort_unstable();
        let roots = expired.into_iter().take(excess).map(|(_, id)| id);
        let roots: BTreeSet<_> = roots.collect();
        let goes = self.current.values().filter(|held| {
            let mut line = self.line(held.grant.id);
            line.any(|above| roots.contains(&above.grant.id))
        });
        goes.map(|held| held.grant.id).collect()
    }

    /// How many hang directly below a grant.
    pub(crate) fn children(&self, id: GrantId) -> usize {
        let all = self.current.values();
        all.filter(|held| held.grant.parent == Some(id)).count()
    }

    /// How many grants are above one.
    pub(crate) fn depth(&self, id: GrantId) -> usize {
        self.line(id).count().saturating_sub(1)
    }

    /// The grant and those above it, up to the owner's.
    fn line(&self, id: GrantId) -> impl Iterator<Item = &Held> {
        // A parent is minted before its children and never replaced, so this ends at the owner.
        std::iter::successors(self.get(id), |held| {
            held.grant.parent.and_then(|parent| self.get(parent))
        })
    }

    /// Whether `id` hangs somewhere below `above`.
    pub(crate) fn is_below(&self, id: GrantId, above: GrantId) -> bool {
        id != above && self.line(id).any(|held| held.grant.id == above)
    }

    /// Revokes a grant and all below it; one that is not known is barred.
    pub(crate) fn revoke(&mut self, id: GrantId, at: UnixMs) {
        if !self.current.contains_key(&id) {
            self.barred.insert(id);
            return;
        }
        let ends = match planted!("descendants-survive") {
            true => vec![id],
            false => self.subtree_of(id),
        };
        for id in ends {
            if let Some(held) = self.current.get_mut(&id) {
                held.revoked_at.get_or_insert(at);
            }
        }
    }

    /// The grant and all below it.
    fn subtree_of(&self, id: GrantId) -> Vec<GrantId> {
        let all = self.current.keys().copied();
        all.filter(|other| *other == id || self.is_below(*other, id))
            .collect()
    }

    /// How many of a grant and those below it are in force.
    pub(crate) fn in_force_from(&self, id: GrantId, now: UnixMs) -> usize {
        let subtree = self.subtree_of(id).into_iter();
        subtree
            .filter(|id| self.get(*id).is_some_and(|held| held.is_in_force(now)))
            .count()
    }

    /// How many of the epoch's are in force.
    pub(crate) fn in_force(&self, now: UnixMs) -> usize {
        let all = self.current.values();
        all.filter(|held| held.is_in_force(now)).count()
    }

    /// Those of the epoch that are revoked, known here or not.
    pub(crate) fn revoked(&self) -> impl Iterator<Item = GrantId> {
        let known = self.current.values();
        let known = known.filter(|held| held.revoked_at.is_some());
        known
            .map(|held| held.grant.id)
            .chain(self.barred.iter().copied())
    }

    /// Ends every grant but the new owner's.
    pub(crate) fn bump(&mut self, owner: Grant) {
        self.ended = std::mem::take(&mut self.current);
        self.barred.clear();
        self.insert(Held::new(owner, None, None));
    }

    /// A planted bug: what the last bump ended is of the new epoch.
    pub(crate) fn take_along(&mut self, epoch: Epoch) {
        for (id, mut held) in std::mem::take(&mut self.ended) {
            held.grant.epoch = epoch;
            self.current.insert(id, held);
        }
    }

    /// Keeps of each grant what proves it, and nothing that people wrote.
    pub(crate) fn erase_texts(&mut self) {
        for held in self.current.values_mut().chain(self.ended.values_mut()) {
            held.grant.label.clear();
            held.usage = Usage::default();
        }
    }

    /// The subtree in which a grant counts against the bounds per subtree: its ancestor (or itself)
    /// directly below the owner's grant; `None` for the owner's own, which has no such bound.
    pub(crate) fn subtree(&self, id: GrantId) -> Option<GrantId> {
        let with_parent = self.line(id).filter(|held| held.grant.parent.is_some());
        with_parent.last().map(|held| held.grant.id)
    }
}
