//! A flusher as a holder of leases, from its first turn to its end.

use std::collections::BTreeMap;

use rusqlite::Connection;
use share_model::seam::HolderId;
use share_model::{Seq, ShareId};

use super::{Claimant, HeldBy, Turn, all, release_all, renew, set_expiry};
use crate::outbox::error::OutboxError;
use crate::outbox::{Outbox, ShareStatus, lanes, status};

/// A flusher that may hold leases. Dropped, it holds none any more.
#[derive(Debug)]
pub(crate) struct Holder {
    id: HolderId,
    outbox: Outbox,
}

/// What a look at the leases saw.
#[derive(Debug, Default)]
pub(crate) struct LeaseLook {
    /// Shares that other flushers replay.
    pub(crate) held: BTreeMap<ShareId, HeldBy>,
    /// The next seq of each share's own lane.
    pub(crate) tails: BTreeMap<ShareId, Seq>,
}

/// What a flusher saw of the outbox, in one look.
#[derive(Debug)]
pub(crate) struct Seen {
    pub(crate) leases: LeaseLook,
    /// The shares that have something to replay and don't wait for a person.
    pub(crate) replayable: Vec<ShareId>,
    /// The shares whose server has been told of ops that are still held, and don't wait for a
    /// person: if such a server went back in time, what it lost can be sent again.
    pub(crate) retained: Vec<ShareId>,
    /// Empty if nobody waited.
    pub(crate) shares: Vec<ShareStatus>,
}

impl Holder {
    pub(crate) fn new(outbox: &Outbox) -> Self {
        let options = outbox.options();
        let id = HolderId::random(&*options.entropy);
        options.processes.holders().enter(id);
        Self {
            id,
            outbox: outbox.clone(),
        }
    }

    pub(crate) fn id(&self) -> HolderId {
        self.id
    }

    /// Lets go of everything; the file says so when this returns.
    pub(crate) async fn end(self) -> Result<(), OutboxError> {
        let id = self.id;
        self.outbox.run(move |db| release_all(db, id)).await
    }

    /// The turn that this flusher has at the share, once it takes it.
    pub(crate) fn turn(&self, share: ShareId) -> Turn {
        Turn {
            share,
            holder: self.id,
        }
    }
}

/// Who holds nothing is nobody's to wait for: what another process can't see must be in the file.
impl Drop for Holder {
    fn drop(&mut self) {
        let id = self.id;
        self.outbox
            .inner
            .storage
            .run_unheard(move |db| release_all(db, id));
        self.outbox.options().processes.holders().leave(id);
    }
}

impl Outbox {
    pub(crate) fn claimant(&self) -> Claimant {
        let options = self.options();
        Claimant {
            processes: options.processes.clone(),
            file: self.inner.file.clone(),
            now: options.clock.now(),
        }
    }

    /// Looks at who holds what, and renews what `holder` holds if that is due.
    #[cfg(test)]
    pub(crate) async fn leases(&self, holder: HolderId) -> Result<LeaseLook, OutboxError> {
        let claimant = self.claimant();
        self.run(move |db| leases(db, holder, &claimant)).await
    }

    /// The same, and what is to be replayed; how each share stands only if somebody waits for that. With
    /// the next step of anyone, or when `patience` ends.
    pub(crate) async fn look(
        &self,
        holder: HolderId,
        is_waited_for: bool,
        patience: impl Future<Output = ()>,
    ) -> Result<Seen, OutboxError> {
        let claimant = self.claimant();
        let looking = move |db: &Connection| {
            Ok(Seen {
                leases: leases(db, holder, &claimant)?,
                replayable: lanes::replayable(db)?,
                retained: lanes::retained(db)?,
                shares: match is_waited_for {
                    true => status::shares(db)?,
                    false => Vec::new(),
                },
            })
        };
        self.run_with_others(looking, patience).await
    }

    /// The share's replay has ended; another flusher may have its turn.
    pub(crate) async fn release(&self, turn: Turn) -> Result<(), OutboxError> {
        self.run(move |db| turn.release(db)).await
    }

    /// Lets the replays that run look for ops that another process enqueued.
    pub(crate) fn nudge(&self) {
        self.changed();
    }
}

fn leases(
    db: &Connection,
    holder: HolderId,
    claimant: &Claimant,
) -> Result<LeaseLook, OutboxError> {
    let mut look = LeaseLook {
        tails: lanes::tails(db)?,
        ..LeaseLook::default()
    };
    let mut is_due = false;
    for lease in all(db)? {
        if lease.holder == holder {
            is_due |= lease.is_due(claimant.now);
        } else if let Some(by) = claimant.holder_of(&lease) {
            if let Some(at) = claimant.corrected_expiry(&lease) {
                set_expiry(db, lease.share, at)?;
            }
            look.held.insert(lease.share, by);
        }
    }
    if is_due {
        renew(db, holder, claimant.now)?;
    }
    Ok(look)
}
