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
use crate::outbox::{Outbox, OutboxError, ShareStatus};

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
            options: Rc::new(options),
            link,
            traffic: Rc::new(Traffic::new(progress)),
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
        loop {
            changes.mark_unchanged();
            self.start_replays().await?;
            self.answer_waiters().await?;
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
                () = self.traffic.turned.notified() => {}
                _ = changes.changed() => {}
                () = tick => {}
            }
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

    async fn start_replays(&mut self) -> Result<(), FlusherError> {
        if self.lock.is_none() && !self.take_lock()? {
            return Ok(());
        }
        let replayable = match self.outbox.replayable().await {
            Err(OutboxError::Busy) => return Ok(()),
            other => other?,
        };
        for share in replayable {
            if self.active.len() >= self.options.shares_at_once.max(1) {
                break;
            }
            if self.active.insert(share) {
                let replay = LaneReplay {
                    outbox: self.outbox.clone(),
                    link: Rc::clone(&self.link),
                    options: Rc::clone(&self.options),
                    traffic: Rc::clone(&self.traffic),
                    share,
                };
                self.replays
                    .push(Box::pin(async move { (share, replay.run().await) }));
            }
        }
        Ok(())
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

    /// Answers those whose shares have nothing left that this flusher can do.
    async fn answer_waiters(&mut self) -> Result<(), FlusherError> {
        self.waiters.retain(|(_, reply)| !reply.is_closed());
        if self.waiters.is_empty() {
            return Ok(());
        }
        let shares = match self.outbox.shares().await {
            Err(OutboxError::Busy) => return Ok(()),
            other => other?,
        };
        for (options, reply) in std::mem::take(&mut self.waiters) {
            match self.report(&shares, &options) {
                // Who no longer waits needs no answer.
                Some(report) => drop(reply.send(Ok(report))),
                None => self.waiters.push((options, reply)),
            }
        }
        Ok(())
    }

    fn report(&self, shares: &[ShareStatus], options: &FlushOptions) -> Option<FlushReport> {
        let now = self.outbox.options().clock.now();
        let mut report = FlushReport {
            shares: 0,
            progress: self.traffic.progress(),
            pending: 0,
            stopped: Vec::new(),
            blocked: Vec::new(),
        };
        for status in shares {
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
            }
        }
        Some(report)
    }
}

/// Beside the outbox: whoever locks it replays.
fn lock_path(outbox: &Outbox) -> PathBuf {
    let mut name = outbox.path().file_name().unwrap_or_default().to_owned();
    name.push(".flusher");
    outbox.path().with_file_name(name)
}
