//! Revoking a grant, with all below it (`docs/design.md` §5).

use share_model::{AuditEvent, GrantId, Origin, Refusal, Right, UnixMs};

use crate::authority::{Authority, AuthorityError};
use crate::label::{LabelError, check_label};
use crate::record::{Change, GrantRevoked, Record};
use crate::state::{Context, ShareState};

/// Why no grant was revoked.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum RevokeError {
    #[error(transparent)]
    Authority(#[from] AuthorityError),
    #[error(transparent)]
    Label(#[from] LabelError),
    #[error("there is no grant {grant} below grant {by}")]
    NotBelow { grant: GrantId, by: GrantId },
    #[error("grant {grant} is the owner's: it ends by a bump of the epoch, or with the share")]
    Owners { grant: GrantId },
}

impl ShareState {
    /// Ends a grant and all below it: one below the caller's own, or the caller's own. Gives how many
    /// were in force until now; revoking what is revoked changes nothing.
    ///
    /// # Errors
    ///
    /// `rightMissing` without `admin`, but for one's own; `invalidRequest` for a grant that is not
    /// below one's own, whether there is one or not, and for the owner's; what
    /// [`ShareState::authorize`] refuses.
    pub fn revoke(
        &mut self,
        context: &Context,
        by: &Authority,
        grant: GrantId,
        origin: Origin,
    ) -> Result<(u32, Option<Record>), Refusal> {
        let Some(revoked) = self.plan_revocation(context, by, grant, origin)? else {
            return Ok((0, None));
        };
        let in_force = self.head.grants.in_force_from(grant, context.now);
        let record = Record {
            version: self.version().next(),
            at: context.now,
            change: Change::Revoked(revoked.clone()),
        };
        self.head.version = record.version;
        self.install_revocation(record.at, &revoked);
        Ok((u32::try_from(in_force).unwrap_or(u32::MAX), Some(record)))
    }

    /// `None`: it is revoked already.
    fn plan_revocation(
        &self,
        context: &Context,
        by: &Authority,
        grant: GrantId,
        origin: Origin,
    ) -> Result<Option<GrantRevoked>, RevokeError> {
        let held = self.standing(by, context.now)?;
        let by_grant = held.grant.id;
        if grant == by_grant && held.grant.parent.is_none() {
            return Err(RevokeError::Owners { grant });
        }
        if grant != by_grant {
            self.check_right(by, Right::Admin, context.now)?;
            if !self.head.grants.is_below(grant, by_grant) {
                return Err(RevokeError::NotBelow {
                    grant,
                    by: by_grant,
                });
            }
        }
        check_label("origin id", origin.id(), &self.limits)?;
        let known = self.head.grants.get(grant);
        if known.is_some_and(|known| known.revoked_at.is_some()) {
            return Ok(None);
        }
        Ok(Some(GrantRevoked {
            grant,
            epoch: self.epoch(),
            by: Some(by_grant),
            origin,
        }))
    }

    /// What a revocation changes: in execution and in replay.
    pub(crate) fn install_revocation(&mut self, at: UnixMs, revoked: &GrantRevoked) {
        self.head.grants.revoke(revoked.grant, at);
        let event = (AuditEvent::Revoked, Some(revoked.grant), revoked.by);
        self.audit_change(at, event, revoked.origin.clone());
    }
}

#[cfg(test)]
mod tests;
