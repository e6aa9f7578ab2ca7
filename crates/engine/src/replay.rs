//! Replaying records: mechanical, no rule is asked again.

use share_model::{Cursor, Limits, UnixMs, planted};

use crate::lane::Misplaced;
use crate::record::{Appended, Change, MintedGrant, Record, RecordError};
use crate::state::ShareState;

/// What was applied once is applied again, whatever the bounds are now.
const UNBOUNDED: Limits = Limits {
    key_bytes_max: u32::MAX,
    value_bytes_max: u64::MAX,
    document_bytes_max: u64::MAX,
    depth_max: u32::MAX,
    ..Limits::DEFAULT
};

impl ShareState {
    /// Changes the state by a record of its log: gives the state that the command behind the
    /// record left.
    ///
    /// # Errors
    ///
    /// If the record does not follow or contradicts the state, which is of no use any more then.
    pub fn apply(&mut self, record: &Record) -> Result<(), RecordError> {
        let (found, expected) = (record.version, self.version().next());
        if found != expected {
            return Err(RecordError::OutOfSequence { found, expected });
        }
        self.head.version = found;
        let at = record.at;
        let done = match &record.change {
            Change::Created(_) => Err(Misplaced("a share is created twice")),
            // What a deletion ended never comes back.
            _ if self.is_deleted() && !planted!("tombstone-forgotten") => {
                Err(Misplaced("a deleted share changes"))
            }
            Change::Claimed(claimed) => self.install_claim(claimed),
            Change::Appended(appended) => self.replay_append(at, appended),
            // A restore leaves epochs out: those that the backup does not know.
            Change::EpochBumped(bump) if bump.owner.epoch <= self.epoch() => {
                Err(Misplaced("the epoch does not go on"))
            }
            Change::EpochBumped(bump) => {
                self.install_bump(at, bump.clone());
                Ok(())
            }
            Change::GrantMinted(grant) => self.replay_mint(at, MintedGrant::saved(grant.clone())),
            Change::Minted(minted) => self.replay_mint(at, minted.clone()),
            Change::Revoked(revoked) if revoked.epoch != self.epoch() => {
                Err(Misplaced("a grant of another epoch is revoked"))
            }
            Change::Revoked(revoked) => {
                self.install_revocation(at, revoked);
                Ok(())
            }
            Change::Frozen(set) => {
                self.install_freeze(at, set);
                Ok(())
            }
            Change::Deleted(deleted) => {
                self.install_deletion(at, deleted);
                Ok(())
            }
            Change::Noted(notes) => {
                self.install_notes(notes);
                Ok(())
            }
        };
        done.map_err(|Misplaced(what)| RecordError::Contradiction {
            version: found,
            what,
        })
    }

    fn replay_append(&mut self, at: UnixMs, appended: &Appended) -> Result<(), Misplaced> {
        if appended.cursor_before != self.cursor() {
            return Err(Misplaced("a batch was appended at another cursor"));
        }
        let subtree = self.head.grants.subtree(appended.grant);
        for outbox in &appended.retired {
            self.head.ledger.retire(*outbox)?;
        }
        let (outbox, writer) = (appended.outbox, appended.writer);
        if planted!("ledger-apart") {
            // The ledger has a commit of its own, which comes with the next checkpoint.
            return self.replay_ops(appended);
        }
        self.head.ledger.set_number(outbox, writer)?;
        for entry in &appended.entries {
            if let Some((op, origin)) = entry.outcome.applied() {
                self.count_bytes(op, origin);
                self.document
                    .apply_again(&op.mutation, &UNBOUNDED)
                    .map_err(|_| Misplaced("an applied op does not fit the document"))?;
                self.head.cursor = self.head.cursor.next();
            }
            let cursor: Cursor = self.head.cursor;
            self.head.ledger.record(outbox, subtree, entry, cursor)?;
        }
        self.close_append(outbox, appended.settled_through);
        self.head.ledger.check_lane(outbox)?;
        self.count_append(at, appended.grant, appended.cursor_before);
        Ok(())
    }

    /// A planted bug: what a batch made of the document, without what it made of the ledger.
    fn replay_ops(&mut self, appended: &Appended) -> Result<(), Misplaced> {
        for entry in &appended.entries {
            if let Some((op, _)) = entry.outcome.applied() {
                self.document
                    .apply_again(&op.mutation, &UNBOUNDED)
                    .map_err(|_| Misplaced("an applied op does not fit the document"))?;
                self.head.cursor = self.head.cursor.next();
            }
        }
        Ok(())
    }

    fn replay_mint(&mut self, at: UnixMs, minted: MintedGrant) -> Result<(), Misplaced> {
        let grants = &self.head.grants;
        let parent = minted.grant.parent.and_then(|id| grants.get(id));
        if parent.is_none() || grants.is_taken(minted.grant.id) {
            return Err(Misplaced("a grant has no parent, or was minted twice"));
        }
        self.install_mint(at, minted);
        Ok(())
    }
}

#[cfg(test)]
mod tests;
