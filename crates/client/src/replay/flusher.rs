//! Which shares are replayed, and who waits for them.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::rc::Rc;

use futures_util::StreamExt;
use futures_util::future::LocalBoxFuture;
use futures_util::stream::FuturesUnordered;
use share_model::ShareId;
use share_model::seam::FileLock;
use tokio::sync::{mpsc, oneshot, watch};

use super::handle::FlusherError;
use super::lane::LaneReplay;
use super::options::{FlushOptions, FlusherOptions, LockWait};
use super::progress::Progress;
use super::report::{BlockedShare, FlushReport, StoppedShare};
use super::traffic::Traffic;
use crate::link::Link;
use crate::outbox::{Outbox, OutboxError, ShareStatus, Turn};

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
    /// Held while this flusher is the file's one.
    lock: Option<FileLock>,
    active: BTreeSet<ShareId>,
    replays: Replays,
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
            outbox,
            traffic: Rc::new(Traffic::new(progress, options.shares_at_once)),
            options: Rc::new(options),
            link,
            lock: None,
            active: BTreeSet::new(),
            replays: FuturesUnordered::new(),
            waiters: Vec::new(),
        }
    }

    /// Runs until it is told to stop, or the outbox fails.
    pub(super) async fn run(
        mut self,
        mut commands: mpsc::Receiver<Command>,
    ) -> Result<(), FlusherError> {
        let ended = self.serve(&mut commands).await;
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
        let mut is_due = true;
        loop {
            if is_due && looking.is_none() {
                changes.mark_unchanged();
                looking = Some(self.look()?);
                is_due = false;
            }
            let tick = clock.sleep(self.tick());
            tokio::select! {
                biased;
                command = commands.recv() => match command {
                    Some(Command::Flush(options, reply)) => {
                        self.traffic.hurry.notify_waiters();
                        self.waiters.push((options, reply));
                    }
                    Some(Command::Stop) | None => return Ok(()),
                },
                Some((share, ended)) = self.replays.next() => {
                    self.active.remove(&share);
                    match ended {
                        // Another process holds the file; looked at again with the next turn.
                        Ok(()) | Err(OutboxError::Busy) => {}
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
                () = self.traffic.turned.notified() => {}
                _ = changes.changed() => {}
                () = tick => {}
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
            .max(std::time::Duration::from_millis(10))
    }

    /// Begins to look at what is to be done, and for whom.
    fn look(&mut self) -> Result<LocalBoxFuture<'static, Result<Look, OutboxError>>, FlusherError> {
        let may_replay = self.lock.is_some() || self.take_lock()?;
        self.waiters.retain(|(_, reply)| !reply.is_closed());
        let (outbox, waiters) = (self.outbox.clone(), self.waiters.len());
        Ok(Box::pin(async move {
            let (replayable, retained) = match may_replay {
                true => (outbox.replayable().await?, outbox.retained().await?),
                false => (Vec::new(), Vec::new()),
            };
            let shares = match waiters {
                0 => Vec::new(),
                _ => outbox.shares().await?,
            };
            Ok(Look {
                replayable,
                retained: retained.into_iter().collect(),
                shares,
                waiters,
            })
        }))
    }

    fn act_on(&mut self, look: Look) {
        let now = self.outbox.options().clock.now();
        let is_due = |share: &&ShareId| {
            let last = self.traffic.checked(**share);
            self.options.check_is_due(last, now)
        };
        let checks: Vec<_> = look.retained.iter().filter(is_due).copied().collect();
        for share in look.replayable.iter().copied().chain(checks) {
            if self.active.insert(share) {
                let replay = LaneReplay {
                    outbox: self.outbox.clone(),
                    link: Rc::clone(&self.link),
                    options: Rc::clone(&self.options),
                    traffic: Rc::clone(&self.traffic),
                    share,
                    turn: Turn { share },
                    is_retained: look.retained.contains(&share),
                };
                self.replays
                    .push(Box::pin(async move { (share, replay.run().await) }));
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
    }

    fn take_lock(&mut self) -> Result<bool, FlusherError> {
        let path = lock_path(&self.outbox);
        let files = &self.outbox.options().files;
        self.lock = files
            .try_lock(&path)
            .map_err(|error| FlusherError::lock(&path, error))?;
        match (&self.lock, self.options.lock) {
            (Some(_), _) => Ok(true),
            (None, LockWait::Wait) => Ok(false),
            (None, LockWait::Refuse) => Err(FlusherError::Locked { path }),
        }
    }

    /// Whether the share's server is to be looked at, has not been yet, and may be reached.
    fn is_unchecked(&self, share: ShareId) -> bool {
        self.options.check_interval.is_some()
            && self.traffic.checked(share).is_none()
            && self.traffic.blocked(share).is_none()
    }

    fn report(&self, look: &Look, options: &FlushOptions) -> Option<FlushReport> {
        let now = self.outbox.options().clock.now();
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
                let blocked = self.traffic.blocked(share)?;
                let since = now.get().saturating_sub(blocked.since.get());
                if u128::from(since) < options.give_up_after?.as_millis() {
                    return None;
                }
                report.blocked.push(BlockedShare {
                    share,
                    error: blocked.error,
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

/// What a look at the outbox saw.
struct Look {
    replayable: Vec<ShareId>,
    /// Shares of which the outbox holds ops that their server has answered for.
    retained: BTreeSet<ShareId>,
    /// Empty if nobody waited.
    shares: Vec<ShareStatus>,
    /// So many waited when it began.
    waiters: usize,
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

/// Beside the outbox: whoever locks it replays.
fn lock_path(outbox: &Outbox) -> PathBuf {
    let mut name = outbox.path().file_name().unwrap_or_default().to_owned();
    name.push(".flusher");
    outbox.path().with_file_name(name)
}
