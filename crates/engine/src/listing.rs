//! Listing the grants of a share, for administrators.

use share_model::{GrantId, GrantInfo, Refusal, Right};

use crate::authority::Authority;
use crate::grants::Held;
use crate::record::MintKind;
use crate::state::{Context, ShareState};

/// Grants that are told at a time.
const PAGE: usize = 256;

impl ShareState {
    /// The grants of the epoch with ids above `after`, in their order, revoked ones among them; at
    /// most 256. An owner sees all, another administrator its own and those below it. How many live
    /// sessions and viewers each has, the caller knows.
    ///
    /// # Errors
    ///
    /// What [`ShareState::authorize`] refuses for `admin`.
    pub fn grants(
        &self,
        context: &Context,
        by: &Authority,
        after: Option<GrantId>,
    ) -> Result<Vec<GrantInfo>, Refusal> {
        let own = self.check_right(by, Right::Admin, context.now)?;
        let grants = &self.head.grants;
        let is_seen = |held: &&Held| {
            let id = held.grant.id;
            own.parent.is_none() || id == own.id || grants.is_below(id, own.id)
        };
        let seen = grants.after(after).filter(is_seen);
        Ok(seen.take(PAGE).map(Held::told).collect())
    }
}

impl Held {
    fn told(&self) -> GrantInfo {
        let grant = &self.grant;
        GrantInfo {
            id: grant.id,
            rights: grant.rights,
            epoch: grant.epoch,
            created_at: grant.created_at,
            expires_at: grant.expires_at,
            label: grant.label.clone(),
            parent: grant.parent,
            origin: grant.origin.clone(),
            sealed_for: self.sealed_for,
            published: self.kind == Some(MintKind::Published),
            revoked_at: self.revoked_at,
            sessions: 0,
            viewers: 0,
            usage: self.usage,
        }
    }
}

#[cfg(test)]
mod tests;
