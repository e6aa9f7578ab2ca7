//! Freezing: appends are refused for a while, and nothing else changes (`docs/design.md` §5).

use share_model::{AuditEvent, Origin, Refusal, Right, UnixMs};

use crate::authority::{Authority, AuthorityError};
use crate::label::{LabelError, check_label};
use crate::record::{Change, FreezeSet, Record};
use crate::state::{Context, ShareState};

/// Why the share was neither frozen nor unfrozen.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum FreezeError {
    #[error(transparent)]
    Authority(#[from] AuthorityError),
    #[error(transparent)]
    Label(#[from] LabelError),
}

impl ShareState {
    /// Refuses claims and appends from now on, or lets them in again: then the share is exactly as it
    /// was before. Gives whether it is frozen now; what is so already gives no record.
    ///
    /// # Errors
    ///
    /// What [`ShareState::authorize`] refuses for `admin`; `invalidRequest` if a text is too long.
    pub fn set_frozen(
        &mut self,
        context: &Context,
        by: &Authority,
        frozen: bool,
        origin: Origin,
    ) -> Result<(bool, Option<Record>), Refusal> {
        let set = self.plan_freeze(context, by, frozen, origin)?;
        if frozen == self.is_frozen() {
            return Ok((frozen, None));
        }
        let record = Record {
            version: self.version().next(),
            at: context.now,
            change: Change::Frozen(set.clone()),
        };
        self.head.version = record.version;
        self.install_freeze(record.at, &set);
        Ok((frozen, Some(record)))
    }

    fn plan_freeze(
        &self,
        context: &Context,
        by: &Authority,
        frozen: bool,
        origin: Origin,
    ) -> Result<FreezeSet, FreezeError> {
        let by = self.check_right(by, Right::Admin, context.now)?.id;
        check_label("origin id", origin.id(), &self.limits)?;
        Ok(FreezeSet { frozen, by, origin })
    }

    /// What freezing changes: in execution and in replay.
    pub(crate) fn install_freeze(&mut self, at: UnixMs, set: &FreezeSet) {
        self.head.frozen_at = set.frozen.then_some(at);
        let event = match set.frozen {
            true => AuditEvent::Frozen,
            false => AuditEvent::Unfrozen,
        };
        self.audit_change(at, (event, None, Some(set.by)), set.origin.clone());
    }
}

#[cfg(test)]
mod tests;
