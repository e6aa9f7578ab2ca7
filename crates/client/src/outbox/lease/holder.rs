//! A flusher as a holder of leases, from its first turn to its end.

use std::collections::BTreeMap;

use share_model::seam::HolderId;
use share_model::{Seq, ShareId};

use super::{Claimant, HeldBy, Turn, all, release_all, renew, set_expiry};
use crate::outbox::error::OutboxError;
use crate::outbox::{Outbox, lanes};

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
    pub(crate) async fn leases(&self, holder: HolderId) -> Result<LeaseLook, OutboxError> {
        let claimant = self.claimant();
        self.run(move |db| {
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
        })
        .await
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
