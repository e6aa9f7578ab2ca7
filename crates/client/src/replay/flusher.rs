//! Which shares are replayed, and who waits for them.

use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use futures_util::StreamExt;
use futures_util::future::LocalBoxFuture;
use futures_util::stream::FuturesUnordered;
use share_model::{Seq, ShareId, UnixMs};
use tokio::sync::{mpsc, oneshot, watch};

use super::gather::Gather;
use super::handle::FlusherError;
use super::lane::LaneReplay;
use super::options::{FlushOptions, FlusherOptions, HeldShares};
use super::progress::Progress;
use super::report::{BlockedShare, FlushReport, StoppedShare};
use super::traffic::Traffic;
use crate::connection::ClientError;
use crate::link::Link;
use crate::outbox::{HeldBy, Holder, LeaseLook, Outbox, OutboxError, RENEWAL, ShareStatus};

/// What a handle asks for.
#[derive(Debug)]
pub(super) enum Command {
    Flush(
        FlushOptions,
        oneshot::Sender<Result<FlushReport, FlusherError>>,
    ),
    Stop,
}

type Waiter = (
    FlushOptions,
    oneshot::Sender<Result<FlushReport, FlusherError>>,
);
type Replays = FuturesUnordered<LocalBoxFuture<'static, (ShareId, Result<(), OutboxError>)>>;

/// Replays the shares of one outbox.
pub(super) struct Supervisor {
    outbox: Outbox,
    options: Rc<FlusherOptions>,
    link: Rc<dyn Link>,
    traffic: Rc<Traffic>,
    active: BTreeSet<ShareId>,
    replays: Replays,
    /// Shares that other flushers replay, as last seen.
    held: BTreeMap<ShareId, Held>,
    /// The next seq of each share at the last poll.
    tails: BTreeMap<ShareId, Seq>,
    /// Has the leases of the shares that are replayed; goes after the replays.
    holder: Holder,
    waiters: Vec<Waiter>,
}

impl Supervisor {
    pub(super) fn new(
        outbox: Outbox,
        options: FlusherOptions,
        link: Rc<dyn Link>,
        progress: watch::Sender<Progress>,
    ) -> Self {
        Self {
            holder: Holder::new(&outbox),
            outbox,
            traffic: Rc::new(Traffic::new(progress, options.shares_at_once)),
            options: Rc::new(options),
            link,
            active: BTreeSet::new(),
            replays: FuturesUnordered::new(),
            held: BTreeMap::new(),
            tails: BTreeMap::new(),
            waiters: Vec::new(),
        }
    }

    /// Runs until it is told to stop, or the outbox fails.
    pub(super) async fn run(
        mut self,
        mut commands: mpsc::Receiver<Command>,
    ) -> Result<(), FlusherError> {
        let ended = self.serve(&mut commands).await;
        self.replays.clear();
        if let Err(error) = self.holder.end().await {
            // Whoever comes finds that the holder is gone, if not in the file.
            tracing::info!(%error, "leases were not released");
        }
        for (_, reply) in self.waiters.drain(..) {
            let error = ended.as_ref().err().cloned().unwrap_or(FlusherError::Ended);
            // Who no longer waits needs no answer.
            let _ = reply.send(Err(error));
        }
        ended
    }

    async fn serve(&mut self, commands: &mut mpsc::Receiver<Command>) -> Result<(), FlusherError> {
        let mut changes = self.outbox.changes();
        let clock = self.outbox.options().clock.clone();
        // Looks go on beside the replays, so that neither holds up the other.
        let mut looking: Option<LocalBoxFuture<'static, Result<Look, OutboxError>>> = None;
        let (mut is_due, mut is_poll) = (true, false);
        let mut gather = Gather::default();
        loop {
            if is_due && looking.is_none() {
                gather.look(&mut changes);
                // Who replays nothing has nothing that trickles in.
                if !self.active.is_empty() {
                    gather.begin(&*clock, false);
                }
                let patience = gather.patience_of_answers(self.outbox.options(), &self.traffic);
                looking = Some(self.look(is_poll, patience));
                (is_due, is_poll) = (false, false);
            }
            let tick = clock.sleep(self.tick());
            tokio::select! {
                biased;
                command = commands.recv() => match command {
                    Some(Command::Flush(options, reply)) => {
                        self.waiters.push((options, reply));
                        self.traffic.set_waiters(self.waiters.len());
                        self.traffic.hurry.notify_waiters();
                    }
                    Some(Command::Stop) | None => return Ok(()),
                },
                Some((share, ended)) = self.replays.next() => {
                    self.active.remove(&share);
                    match ended {
                        // Looked at again with the next turn.
                        Ok(()) | Err(OutboxError::Busy | OutboxError::LeaseHeld { .. }) => {}
                        Err(error @ OutboxError::LeaseLost { .. }) => {
                            tracing::info!(%share, %error, "replay left to another flusher");
                        }
                        Err(error) => return Err(error.into()),
                    }
                }
                look = seen(&mut looking) => {
                    match look {
                        Err(OutboxError::Busy) => {}
                        look => self.act_on(look?),
                    }
                    continue;
                }
                () = self.traffic.turned.notified(), if !self.waiters.is_empty() => {}
                () = gather.news(&mut changes, &self.traffic) => {}
                () = tick => is_poll = true,
            }
            is_due = true;
        }
    }

    /// Until the next look at what others may have done, or at who gives up.
    fn tick(&self) -> std::time::Duration {
        let waits = self
            .waiters
            .iter()
            .filter_map(|(options, _)| options.give_up_after);
        let soonest = waits
            .map(|wait| wait / 4)
            .min()
            .unwrap_or(self.options.poll_interval);
        soonest
            .min(self.options.poll_interval)
            .min(RENEWAL)
            .max(std::time::Duration::from_millis(10))
    }

    /// Begins to look at what is to be done, and for whom.
    fn look(
        &mut self,
        is_poll: bool,
        patience: impl Future<Output = ()> + 'static,
    ) -> LocalBoxFuture<'static, Result<Look, OutboxError>> {
        self.waiters.retain(|(_, reply)| !reply.is_closed());
        self.traffic.set_waiters(self.waiters.len());
        let (outbox, holder, waiters) = (self.outbox.clone(), self.holder.id(), self.waiters.len());
        Box::pin(async move {
            let seen = outbox.look(holder, waiters > 0, patience).await?;
            Ok(Look {
                is_poll,
                leases: seen.leases,
                replayable: seen.replayable,
                retained: seen.retained.into_iter().collect(),
                shares: seen.shares,
                waiters,
            })
        })
    }

    fn act_on(&mut self, look: Look) {
        let now = self.outbox.options().clock.now();
        self.note_held(&look, now);
        if look.is_poll {
            self.note_tails(&look);
        }
        let is_due = |share: &&ShareId| {
            let last = self.traffic.checked(**share);
            self.options.check_is_due(last, now)
        };
        let checks: Vec<_> = look.retained.iter().filter(is_due).copied().collect();
        for share in look.replayable.iter().copied().chain(checks) {
            if !self.held.contains_key(&share) && self.active.insert(share) {
                let (outbox, turn) = (self.outbox.clone(), self.holder.turn(share));
                let replay = LaneReplay {
                    outbox: self.outbox.clone(),
                    link: Rc::clone(&self.link),
                    options: Rc::clone(&self.options),
                    traffic: Rc::clone(&self.traffic),
                    share,
                    turn,
                    is_retained: look.retained.contains(&share),
                };
                self.replays.push(Box::pin(async move {
                    let ended = replay.run().await;
                    (share, ended.and(outbox.release(turn).await))
                }));
            }
        }
        // Who came after the look began may wait for ops that it did not see.
        let later = self.waiters.split_off(look.waiters.min(self.waiters.len()));
        for (options, reply) in std::mem::replace(&mut self.waiters, later) {
            match self.report(&look, &options) {
                // Who no longer waits needs no answer.
                Some(report) => drop(reply.send(Ok(report))),
                None => self.waiters.push((options, reply)),
            }
        }
        self.traffic.set_waiters(self.waiters.len());
    }

    /// Keeps since when each share that others replay has not moved.
    fn note_held(&mut self, look: &Look, now: UnixMs) {
        let earlier = std::mem::take(&mut self.held);
        for (share, by) in &look.leases.held {
            // What it was held up by here says nothing about who replays it now.
            self.traffic.unblock(*share);
            let (by, ended) = (by.clone(), look.ended(*share));
            let since = match earlier.get(share) {
                Some(held) if held.by == by && held.ended == ended => held.since,
                _ => now,
            };
            self.held.insert(*share, Held { by, ended, since });
        }
    }

    /// What another process enqueued is nobody's to tell: a replay that runs must be told to look.
    fn note_tails(&mut self, look: &Look) {
        let is_longer = |share: &ShareId| look.leases.tails.get(share) > self.tails.get(share);
        let has_news = look
            .replayable
            .iter()
            .any(|share| self.active.contains(share) && is_longer(share));
        self.tails.clone_from(&look.leases.tails);
        if has_news {
            self.outbox.nudge();
        }
    }

    /// Whether the share's server is to be looked at, has not been yet, and may be reached.
    fn is_unchecked(&self, share: ShareId) -> bool {
        self.options.check_interval.is_some()
            && self.traffic.checked(share).is_none()
            && self.traffic.blocked(share).is_none()
            && !self.held.contains_key(&share)
    }

    /// Why a flush gives up on a share with unsettled ops, if it does.
    fn gives_up(&self, share: ShareId, options: &FlushOptions) -> Option<ClientError> {
        let (since, error) = match self.held.get(&share) {
            Some(held) if options.held == HeldShares::Report => return Some(held.error()),
            Some(held) => (held.since, held.error()),
            None => {
                let blocked = self.traffic.blocked(share)?;
                (blocked.since, blocked.error)
            }
        };
        let now = self.outbox.options().clock.now();
        let waited = now.get().saturating_sub(since.get());
        (u128::from(waited) >= options.give_up_after?.as_millis()).then_some(error)
    }

    fn report(&self, look: &Look, options: &FlushOptions) -> Option<FlushReport> {
        let mut report = FlushReport {
            shares: 0,
            progress: self.traffic.progress(),
            pending: 0,
            stopped: Vec::new(),
            blocked: Vec::new(),
        };
        for status in &look.shares {
            let ShareStatus { share, pending, .. } = *status;
            if options.share.is_some_and(|wanted| wanted != share) {
                continue;
            }
            report.shares += 1;
            report.pending += pending;
            if let Some(stop) = status.stopped.clone() {
                report.stopped.push(StoppedShare {
                    share,
                    stop,
                    pending,
                });
            } else if pending > 0 {
                let error = self.gives_up(share, options)?;
                report.blocked.push(BlockedShare {
                    share,
                    error,
                    pending,
                });
            } else if look.retained.contains(&share) && self.is_unchecked(share) {
                // Its server may have lost what it had acked.
                return None;
            }
        }
        Some(report)
    }
}

/// A share that another flusher replays.
struct Held {
    by: HeldBy,
    /// So many of its ops had ended; not known while nobody waits.
    ended: Option<u64>,
    /// When that was first seen.
    since: UnixMs,
}

impl Held {
    fn error(&self) -> ClientError {
        ClientError::HeldElsewhere {
            pid: self.by.pid,
            host: self.by.host.clone(),
            since_unix_ms: self.by.since.get(),
        }
    }
}

/// What a look at the outbox saw.
struct Look {
    /// It was time to look for what other processes did.
    is_poll: bool,
    leases: LeaseLook,
    replayable: Vec<ShareId>,
    /// Shares of which the outbox holds ops that their server has answered for.
    retained: BTreeSet<ShareId>,
    /// Empty if nobody waited.
    shares: Vec<ShareStatus>,
    /// So many waited when it began.
    waiters: usize,
}

impl Look {
    /// How many of the share's ops have ended; `None` if nobody waited.
    fn ended(&self, share: ShareId) -> Option<u64> {
        let status = self.shares.iter().find(|status| status.share == share)?;
        let next = self.leases.tails.get(&share)?;
        Some(next.get().saturating_sub(1).saturating_sub(status.pending))
    }
}

/// What the look that goes on, if one does, has seen.
async fn seen(
    looking: &mut Option<LocalBoxFuture<'static, Result<Look, OutboxError>>>,
) -> Result<Look, OutboxError> {
    let Some(look) = looking else {
        return std::future::pending().await;
    };
    let seen = look.await;
    *looking = None;
    seen
}
