//! Deleting a share: its content is gone for good, and a tombstone says so (`docs/design.md` §5).

use share_model::{Document, Origin, Refusal, Right, UnixMs};

use crate::authority::{Authority, AuthorityError};
use crate::label::{LabelError, check_label};
use crate::ledger::Ledger;
use crate::record::{Change, Record, ShareDeleted};
use crate::state::{Context, ShareState, Tombstone};

/// Why the share was not deleted.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum DeleteError {
    #[error(transparent)]
    Authority(#[from] AuthorityError),
    #[error(transparent)]
    Label(#[from] LabelError),
}

impl ShareState {
    /// Deletes the share: document, ledger and texts are gone, and whoever proves a grant that it had
    /// is told `gone` from now on. Gives how many grants were in force until now. Repeating it, under
    /// any grant that might have deleted it when it was, changes nothing.
    ///
    /// # Errors
    ///
    /// What [`ShareState::authorize`] refuses for `admin`; `invalidRequest` if a text is too long.
    pub fn delete(
        &mut self,
        context: &Context,
        by: &Authority,
        origin: Origin,
    ) -> Result<(u32, Option<Record>), Refusal> {
        if self.is_deleted() {
            return Ok(self.repeated_deletion(by).map(|()| (0, None))?);
        }
        let deleted = self.plan_deletion(context, by, origin)?;
        let in_force = self.head.grants.in_force(context.now);
        let record = Record {
            version: self.version().next(),
            at: context.now,
            change: Change::Deleted(deleted.clone()),
        };
        self.head.version = record.version;
        self.install_deletion(record.at, &deleted);
        Ok((u32::try_from(in_force).unwrap_or(u32::MAX), Some(record)))
    }

    fn repeated_deletion(&self, by: &Authority) -> Result<(), AuthorityError> {
        let held = self.head.grants.get(by.grant()).filter(|held| {
            held.grant.epoch == by.epoch()
                && held.revoked_at.is_none()
                && held.grant.rights.has(Right::Admin)
        });
        match (held, &self.head.tombstone) {
            (None, Some(Tombstone { at, .. })) => Err(AuthorityError::Gone { at: *at }),
            (Some(_), _) | (None, None) => Ok(()),
        }
    }

    fn plan_deletion(
        &self,
        context: &Context,
        by: &Authority,
        origin: Origin,
    ) -> Result<ShareDeleted, DeleteError> {
        let by = self.check_right(by, Right::Admin, context.now)?.id;
        check_label("origin id", origin.id(), &self.limits)?;
        Ok(ShareDeleted {
            by: Some(by),
            origin,
        })
    }

    /// What a deletion changes: in execution and in replay.
    pub(crate) fn install_deletion(&mut self, at: UnixMs, deleted: &ShareDeleted) {
        self.document = Document::default();
        let head = &mut self.head;
        head.tombstone = Some(Tombstone {
            at,
            deleted: deleted.clone(),
        });
        head.frozen_at = None;
        head.log_start = head.cursor;
        head.ledger = Ledger::default();
        head.created.title.clear();
        head.grants.erase_texts();
        head.audit.clear();
    }
}

#[cfg(test)]
mod tests;
