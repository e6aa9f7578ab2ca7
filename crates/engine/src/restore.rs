//! What a journal and a restore do to a share's authority (`docs/design.md` §5): epochs only ever go
//! on, and what was revoked or deleted stays so, also where the state is older than that.

use share_model::{Epoch, GrantId, UnixMs};

use crate::record::{Change, EpochBumped, GrantRevoked, Note, NoteEvent, Record, ShareDeleted};
use crate::state::ShareState;

/// By how much a restore without a journal raises the epoch: more bumps than a share can have seen
/// since the backup, so that no ref of a lost epoch counts as newer than the owner's new one.
pub const RESTORE_EPOCHS: u64 = 1 << 32;

/// What of a share's authority has ended.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Ends {
    /// The bump that began the newest epoch; `None` in the first.
    pub bump: Option<EpochBumped>,
    /// Grants of that epoch that were revoked.
    pub revoked: Vec<GrantRevoked>,
    /// Whether the share was deleted.
    pub deleted: Option<ShareDeleted>,
}

impl Ends {
    /// Whether nothing has ended.
    pub fn is_empty(&self) -> bool {
        self.bump.is_none() && self.revoked.is_empty() && self.deleted.is_none()
    }
}

impl ShareState {
    /// What of the share's authority has ended: what a journal that begins with this state has to
    /// know.
    pub fn ends(&self) -> Ends {
        let revoked = self.head.grants.revoked().map(|grant| GrantRevoked {
            grant,
            epoch: self.epoch(),
            by: None,
            origin: self.origin().clone(),
        });
        Ends {
            bump: self.last_bump(),
            revoked: revoked.collect(),
            deleted: self.head.tombstone.as_ref().map(|it| it.deleted.clone()),
        }
    }

    /// The bump that began the share's epoch; `None` in the first epoch.
    fn last_bump(&self) -> Option<EpochBumped> {
        let last = self.head.last_bump.as_ref()?;
        let owner = self.head.grants.get(last.owner)?;
        Some(EpochBumped {
            request: last.request,
            by: last.by,
            owner: owner.grant.clone(),
        })
    }

    /// Ends what ended before, by a journal's word, as far as the state lacks it: a bump also if
    /// epochs in between are not known here, a revocation also if its grant is not. No authority is
    /// asked: whoever ended it was. No record: the state lacks nothing.
    pub fn catch_up(&mut self, now: UnixMs, ends: &Ends) -> Vec<Record> {
        if self.is_deleted() {
            return Vec::new();
        }
        if let Some(deleted) = &ends.deleted {
            return vec![self.commit(now, Change::Deleted(deleted.clone()))];
        }
        let mut records = Vec::new();
        let bump = ends.bump.as_ref();
        if let Some(bump) = bump.filter(|bump| bump.owner.epoch > self.epoch()) {
            records.push(self.commit(now, Change::EpochBumped(bump.clone())));
        }
        for revoked in &ends.revoked {
            if revoked.epoch == self.epoch() && !self.has_ended(revoked.grant) {
                records.push(self.commit(now, Change::Revoked(revoked.clone())));
            }
        }
        if !records.is_empty() {
            let restored = Note {
                at: now,
                last_at: now,
                count: 1,
                event: NoteEvent::Restored,
                grant: None,
                client: String::new(),
                cursor: self.cursor(),
            };
            records.push(self.commit(now, Change::Noted(vec![restored])));
        }
        records
    }

    /// Whether a grant of the epoch is revoked, or can't be made any more.
    fn has_ended(&self, grant: GrantId) -> bool {
        let grants = &self.head.grants;
        let held = grants.get(grant);
        grants.is_barred(grant) || held.is_some_and(|held| held.revoked_at.is_some())
    }

    /// Makes a change and gives its record: by the very way in which it is replayed.
    fn commit(&mut self, now: UnixMs, change: Change) -> Record {
        let record = Record {
            version: self.version().next(),
            at: now,
            change,
        };
        self.apply(&record).expect("it was looked whether it fits");
        record
    }

    /// The epoch that a restore without a journal gives the share.
    pub fn epoch_after_restore(&self) -> Epoch {
        Epoch::new(self.epoch().get().saturating_add(RESTORE_EPOCHS))
    }
}

#[cfg(test)]
mod tests;
