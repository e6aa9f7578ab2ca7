//! What each grant may do, kept for ever and looked up the slow way.

use std::collections::BTreeMap;

use share_model::{GrantId, Right, Rights, UnixMs};

/// A grant as it was asked for.
#[derive(Debug, Clone)]
pub(crate) struct Known {
    pub(crate) parent: Option<GrantId>,
    pub(crate) rights: Rights,
    pub expires_at: Option<UnixMs>,
    pub(crate) epoch: u64,
    pub(crate) revoked: bool,
}

/// Everything that was ever granted.
#[derive(Debug, Default)]
pub(crate) struct Oracle {
    pub(crate) grants: BTreeMap<GrantId, Known>,
    pub(crate) epoch: u64,
    pub(crate) frozen: bool,
    pub(crate) deleted: bool,
}

impl Oracle {
    /// The grant and all above it.
    fn line(&self, grant: GrantId) -> Vec<&Known> {
        let mut line = Vec::new();
        let mut at = Some(grant);
        while let Some(id) = at {
            let known = &self.grants[&id];
            line.push(known);
            at = known.parent;
        }
        line
    }

    /// How many grants are above one.
    pub(crate) fn depth(&self, grant: GrantId) -> usize {
        self.line(grant).len() - 1
    }

    /// Whether a grant may do something: only if it and every grant above it may.
    pub(crate) fn allows(&self, grant: GrantId, right: Right, now: UnixMs) -> bool {
        !self.deleted
            && self.line(grant).iter().all(|known| {
                known.epoch == self.epoch
                    && !known.revoked
                    && known.rights.has(right)
                    && known.expires_at.is_none_or(|at| now < at)
            })
    }

    /// Whether a grant stands, whatever it allows.
    pub(crate) fn stands(&self, grant: GrantId, now: UnixMs) -> bool {
        !self.deleted
            && self.line(grant).iter().all(|known| {
                known.epoch == self.epoch
                    && !known.revoked
                    && known.expires_at.is_none_or(|at| now < at)
            })
    }

    /// Whether `below` hangs below `above`.
    pub(crate) fn is_below(&self, below: GrantId, above: GrantId) -> bool {
        let mut at = self.grants[&below].parent;
        while let Some(id) = at {
            if id == above {
                return true;
            }
            at = self.grants[&id].parent;
        }
        false
    }
}
