//! The owner of a loaded share: the one task that has its state and runs the engine on it.
//!
//! It takes all calls that wait, runs each on the state, hands the records to the store as one
//! commit, and only then answers: nothing that was seen in a state with uncommitted records leaves
//! before the commit is durable. What follows a commit happens here and not in the caller's future,
//! so that a caller that goes away changes nothing.

mod alarm;
mod allotment;
mod append;
mod appenders;
mod bump;
mod call;
mod checkpoint;
mod claim;
mod create;
mod cutting;
mod delete;
mod erasing;
mod freeze;
mod handle;
mod lane;
mod listing;
mod load;
mod mint;
mod notes;
mod quota;
mod read;
mod redeem;
mod revoke;
mod round;
mod sessions;
mod share;
mod subscribe;
mod subscribers;
#[cfg(test)]
mod tests;
mod values;

use std::sync::Arc;
use std::time::Duration;

use share_model::{HistoryId, Limits, UnixMs};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;
use tracing::{debug, warn};

use crate::factory::FactoryUses;
use crate::fault::Fault;
use crate::feed::{Feed, RingLimits};
use crate::hub::UnprovenTries;
use crate::seams::Seams;
use crate::store::Store;

pub(crate) use allotment::Allotment;
pub(crate) use append::AppendCall;
pub(crate) use appenders::AppenderTicket;
pub(crate) use bump::BumpCall;
pub(crate) use call::{Command, Outcome, Reply};
pub(crate) use claim::{Claim, ClaimCall};
pub(crate) use create::CreateCall;
pub(crate) use delete::DeleteCall;
pub(crate) use erasing::erase_deleted;
pub(crate) use freeze::FreezeCall;
pub(crate) use handle::{Budget, ShareHandle};
pub(crate) use lane::LaneCall;
pub(crate) use listing::{AuditCall, GrantsCall};
pub(crate) use load::load_state;
pub(crate) use mint::{CheckMintCall, MintCall};
pub(crate) use read::{CheckCall, DocumentAt, DocumentCall, WritersCall};
pub(crate) use redeem::{Opened, RedeemCall, server_name};
pub(crate) use revoke::RevokeCall;
pub(crate) use sessions::SessionTicket;
pub(crate) use subscribe::{Start, SubscribeCall, Subscribed};
pub(crate) use subscribers::{Progress, Registration};
pub(crate) use values::ValuesCall;

use alarm::Alarm;
use call::Waiting;
use checkpoint::Checkpoints;
use erasing::Erasing;
use handle::Usage;
use share::Share;

/// Bounds of an owner and of what it does per step.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OwnerLimits {
    /// The bounds of every share.
    pub share: Limits,
    /// Calls that may wait for one share.
    pub queue_calls_max: usize,
    /// Bytes of batches that may wait for one share.
    pub queue_bytes_max: usize,
    /// Calls that one commit takes together.
    pub round_calls_max: usize,
    /// Bytes of batches after which one commit takes no more calls, so that the other shares' commits
    /// do not wait long.
    pub round_bytes_max: u64,
    /// Ops per second that the writers of a subtree of grants may append, together, and twice as many
    /// at once; more wait, in order. 0: as many as they want. The owner's own writers are one more
    /// such subtree.
    pub appends_per_second: u32,
    /// Bytes of batches per second, as above.
    pub append_bytes_per_second: u32,
    /// Live appenders of one share.
    pub appenders_max: usize,
    /// Live subscriptions of one share.
    pub subscribers_max: usize,
    /// How often calls are run again after somebody else committed.
    pub tries_max: u32,
    /// How long a bump waits for the subscriptions that it ends.
    pub cut_deadline: Duration,
    /// Records after a checkpoint before the next one.
    pub checkpoint_records: u64,
    /// Bytes of records after a checkpoint before the next one, if the document has not more.
    pub checkpoint_bytes: u64,
    /// What is kept of a log's end in memory.
    pub ring: RingLimits,
}

impl Default for OwnerLimits {
    fn default() -> Self {
        Self {
            share: Limits::DEFAULT,
            queue_calls_max: 1024,
            queue_bytes_max: 96 << 20,
            round_calls_max: 256,
            round_bytes_max: 8 << 20,
            appends_per_second: 100_000,
            append_bytes_per_second: 128 << 20,
            appenders_max: 1024,
            subscribers_max: 4096,
            tries_max: 8,
            cut_deadline: Duration::from_secs(5),
            checkpoint_records: 1024,
            checkpoint_bytes: 1 << 20,
            ring: RingLimits {
                ops_max: 8192,
                bytes_max: 4 << 20,
            },
        }
    }
}

/// What every owner has from its hub.
#[derive(Debug, Clone)]
pub(crate) struct Surroundings {
    pub(crate) store: Arc<dyn Store>,
    pub(crate) seams: Seams,
    pub(crate) history: HistoryId,
    /// What the shares of each factory grant use.
    pub(crate) uses: Arc<FactoryUses>,
    /// What was counted for shares that were not loaded.
    pub(crate) unproven: UnprovenTries,
    pub(crate) limits: Arc<OwnerLimits>,
    /// Becomes true once: finish what waits, then end.
    pub(crate) drain: watch::Receiver<bool>,
}

/// The task's own things.
pub(crate) struct Owner {
    around: Surroundings,
    share: Share,
    feed: Arc<Feed>,
    checkpoints: Checkpoints,
    calls: mpsc::Receiver<Box<dyn Waiting>>,
    /// Answers that wait for subscriptions to end.
    cuts: JoinSet<()>,
    erasing: Erasing,
    /// What the shares of its factory grant use; set once the share was loaded.
    usage: Usage,
}

impl Owner {
    /// Runs until every handle is gone, the server drains, the share turns out not to exist, or its
    /// state can't be had any more.
    pub(crate) async fn run(
        around: Surroundings,
        feed: Arc<Feed>,
        (calls, usage): (mpsc::Receiver<Box<dyn Waiting>>, Usage),
    ) {
        let share = feed.share();
        let mut owner = Self {
            share: Share::new(share, &around),
            checkpoints: Checkpoints::default(),
            cuts: JoinSet::new(),
            erasing: Erasing::default(),
            usage,
            around,
            feed,
            calls,
        };
        if let Err(fault) = owner.serve().await {
            warn!(%share, %fault, "share unloaded by a fault");
            owner.fail_all(&fault).await;
        }
        owner.finish().await;
        debug!(%share, "share unloaded");
    }

    async fn serve(&mut self) -> Result<(), Fault> {
        self.reload().await?;
        self.show(Vec::new());
        let mut drain = self.around.drain.clone();
        let clock = Arc::clone(&self.around.seams.clock);
        let mut alarm = Alarm::default();
        loop {
            self.know_usage();
            self.erasing.begin_if_deleted(&self.share, &self.around);
            if let Some(tries) = self.around.unproven.take(self.share.id) {
                self.share.refused_unproven_before(tries);
            }
            let mut waiting = Vec::new();
            alarm.set(self.wake_at(), &*clock);
            let most = self.around.limits.round_calls_max;
            tokio::select! {
                biased;
                // Fails if the hub is gone, which then drains too.
                _ = drain.wait_for(|drain| *drain), if !self.calls.is_closed() => {
                    self.calls.close();
                }
                Some(done) = self.checkpoints.done() => self.checkpoints.settle(done),
                Some(_) = self.cuts.join_next() => {}
                () = alarm.rings() => self.wake().await?,
                taken = self.calls.recv_many(&mut waiting, most) => {
                    if taken == 0 {
                        return Ok(());
                    }
                    self.rounds(waiting).await?;
                    if self.share.state.is_none() {
                        // A share that does not exist is not kept: anybody can name one.
                        self.calls.close();
                    }
                    self.checkpoints.start_if_due(&self.share, &self.around);
                }
            }
        }
    }

    /// When something is to be done without a call: a reader's grant runs out, or notes are due.
    fn wake_at(&self) -> Option<UnixMs> {
        let expiry = self.share.subscribers.next_expiry();
        expiry.into_iter().chain(self.share.notes.due()).min()
    }

    async fn wake(&mut self) -> Result<(), Fault> {
        let now = self.around.seams.clock.now();
        let is_due = |at: Option<UnixMs>| at.is_some_and(|at| at <= now);
        if is_due(self.share.subscribers.next_expiry()) {
            self.cut();
        }
        if is_due(self.share.notes.due()) {
            self.write_notes().await?;
        }
        Ok(())
    }

    async fn fail_all(&mut self, fault: &Fault) {
        self.calls.close();
        while let Some(call) = self.calls.recv().await {
            call.fail(fault.clone());
        }
    }

    async fn finish(&mut self) {
        while self.cuts.join_next().await.is_some() {}
        self.share.notes.make_due();
        if let Err(fault) = self.write_notes().await {
            let share = self.share.id;
            warn!(%share, %fault, "how grants were used lately is not written down");
        }
        self.erasing.finish().await;
        self.give_back().await;
        self.checkpoints.finish(&self.share, &self.around).await;
    }
}
