//! What a journal and a restore do to a share's authority (`docs/design.md` §5): epochs only ever go
//! on, also where the state is older than the authority that was given.

use share_model::{Epoch, UnixMs};

use crate::record::{Change, EpochBumped, Record};
use crate::state::ShareState;

/// By how much a restore without a journal raises the epoch: more bumps than a share can have seen
/// since the backup, so that no ref of a lost epoch counts as newer than the owner's new one.
pub const RESTORE_EPOCHS: u64 = 1 << 32;

impl ShareState {
    /// The bump that began the share's epoch; `None` in the first epoch. What a journal that begins
    /// with this state has to know.
    pub fn last_bump(&self) -> Option<EpochBumped> {
        let last = self.head.last_bump.as_ref()?;
        let owner = self.head.grants.get(last.owner)?;
        Some(EpochBumped {
            request: last.request,
            by: last.by,
            owner: owner.clone(),
        })
    }

    /// Takes a bump that was made before, by a journal's word: ends every grant and session of
    /// earlier epochs, also if epochs in between are not known here. No authority is asked: whoever
    /// made the bump was.
    ///
    /// `None`: the state has that epoch, or a later one, and is left as it is.
    pub fn catch_up(&mut self, now: UnixMs, bump: EpochBumped) -> Option<Record> {
        if bump.owner.epoch <= self.epoch() {
            return None;
        }
        let record = Record {
            version: self.version().next(),
            at: now,
            change: Change::EpochBumped(bump.clone()),
        };
        self.head.version = record.version;
        self.install_bump(bump);
        Some(record)
    }

    /// The epoch that a restore without a journal gives the share.
    pub fn epoch_after_restore(&self) -> Epoch {
        Epoch::new(self.epoch().get().saturating_add(RESTORE_EPOCHS))
    }
}

#[cfg(test)]
mod tests;
