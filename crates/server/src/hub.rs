//! The hub: which shares are loaded, and by which owner.
//!
//! It gives out handles; a share is loaded by the first one and stays so while anybody has one, and
//! for a while after. At most one owner of a share runs at any time: while one ends, whoever wants
//! the share waits.

mod entries;
mod known_grants;
mod requests;
mod slugs;
#[cfg(test)]
mod tests;
mod unproven;

use std::sync::Arc;
use std::time::Duration;

use share_engine::CreateShare as EngineCreate;
use share_model::seam::Clock;
use share_model::{CreatedShare, GrantId, HistoryId, Limits, Refusal, RefusalCode, ShareId};
use tokio::sync::{mpsc, oneshot, watch};

use crate::factory::{Creating, FactoryUses};
use crate::fault::Fault;
use crate::owner::{
    Budget, Command, CreateCall, Opened, Outcome, OwnerLimits, RedeemCall, ShareHandle,
    Surroundings,
};
use crate::seams::Seams;
use crate::store::{Store, StoreError};

use entries::Entries;
use known_grants::{KnownGrants, newest};
use requests::Request;

pub(crate) use unproven::{Tries, UnprovenTries};

/// How often a call is handed to the next owner of a share whose owner has just ended.
const OPENS_MAX: u32 = 3;

/// Bounds of a hub.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HubLimits {
    /// Bounds of each owner.
    pub owner: OwnerLimits,
    /// Shares that may be loaded at a time.
    pub loaded_max: usize,
    /// Bytes of batches that may wait, in all shares together.
    pub queue_bytes_max: usize,
    /// Requests for handles that may wait.
    pub requests_max: usize,
    /// How long a share stays loaded that nobody uses; up to twice as long.
    pub idle: Duration,
}

impl Default for HubLimits {
    fn default() -> Self {
        Self {
            owner: OwnerLimits::default(),
            loaded_max: 4096,
            queue_bytes_max: 512 << 20,
            requests_max: 1024,
            idle: Duration::from_secs(120),
        }
    }
}

/// Gives handles of shares. Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Hub {
    requests: mpsc::Sender<Request>,
    store: Arc<dyn Store>,
    history: HistoryId,
    share_limits: Limits,
    clock: Arc<dyn Clock>,
    unproven: UnprovenTries,
    known: KnownGrants,
    stopped: watch::Receiver<Option<StoreError>>,
}

/// What [`Hub::start`] makes: the task that the hub is, to be run on one thread with a `LocalSet`.
pub(crate) struct HubTask {
    around: Surroundings,
    limits: HubLimits,
    requests: mpsc::Receiver<Request>,
    stopped: watch::Sender<Option<StoreError>>,
}

impl Hub {
    /// A hub over a store; it works while its task runs. The task ends after `drain` became true:
    /// when every owner has committed what waited for it.
    pub(crate) async fn start(
        store: Arc<dyn Store>,
        (seams, uses): (Seams, Arc<FactoryUses>),
        limits: HubLimits,
        drain: watch::Receiver<bool>,
    ) -> Result<(Self, HubTask), StoreError> {
        let history = store.history().await?;
        let (requests, receiver) = mpsc::channel(limits.requests_max);
        let (stop, stopped) = watch::channel(None);
        let share_limits = limits.owner.share;
        let clock = Arc::clone(&seams.clock);
        let unproven = UnprovenTries::default();
        let task = HubTask {
            around: Surroundings {
                store: Arc::clone(&store),
                seams,
                history,
                uses,
                unproven: unproven.clone(),
                limits: Arc::new(limits.owner.clone()),
                drain,
            },
            limits,
            requests: receiver,
            stopped: stop,
        };
        let hub = Self {
            requests,
            store,
            history,
            share_limits,
            clock,
            unproven,
            known: KnownGrants::default(),
            stopped,
        };
        Ok((hub, task))
    }

    /// The history of the server's storage.
    pub(crate) fn history(&self) -> HistoryId {
        self.history
    }

    /// The bounds of every share.
    pub(crate) fn share_limits(&self) -> &Limits {
        &self.share_limits
    }

    /// The store, for readers that are far behind.
    pub(crate) fn store(&self) -> &Arc<dyn Store> {
        &self.store
    }

    /// Whether the store has stopped for good.
    pub(crate) fn has_stopped(&self) -> bool {
        self.stopped.borrow().is_some()
    }

    /// Waits until the store has stopped for good, and says why.
    pub(crate) async fn stopped(&self) -> StoreError {
        let mut stopped = self.stopped.clone();
        loop {
            if let Some(error) = stopped.borrow_and_update().clone() {
                return error;
            }
            if stopped.changed().await.is_err() {
                // The hub has ended in good order.
                std::future::pending::<()>().await;
            }
        }
    }

    /// Redeems a grant of a share, which is loaded only for a grant that it may know. Whether the
    /// share exists does not show: every refusal costs the store as much as any other.
    pub(crate) async fn redeem(
        &self,
        share: ShareId,
        command: impl Fn() -> RedeemCall,
    ) -> Result<Result<(ShareHandle, Opened), Refusal>, Fault> {
        let asked = command();
        if let Some(handle) = self.open(share, false).await? {
            match handle.call(command(), 0).outcome().await {
                Ok(Ok(opened)) => return Ok(Ok((handle, opened))),
                Ok(Err(refusal)) => {
                    // Asked for nothing but what it costs.
                    newest(&*self.store, share).await?;
                    return Ok(Err(refusal));
                }
                Err(Fault::Unloaded) => {}
                Err(fault) => return Err(fault),
            }
        }
        let looked = self
            .known
            .look(&*self.store, share, (asked.grant, asked.secret));
        match looked.await? {
            Some(true) => {
                let (handle, outcome) = self.call(share, command).await?;
                Ok(outcome.map(|opened| (handle, opened)))
            }
            Some(false) => {
                self.unproven.count(share, self.clock.now());
                Ok(Err(Refusal::not_authorized()))
            }
            None => Ok(Err(Refusal::not_authorized())),
        }
    }

    /// Notes that a slug's grant is one of `share`: to be done before the grant is committed. Durable
    /// when this returns; repeatable.
    pub(crate) async fn publish_index(&self, grant: GrantId, share: ShareId) -> Outcome<()> {
        let is_its_own = slugs::publish(&*self.store, grant, share).await?;
        Ok(match is_its_own {
            true => Ok(()),
            false => Err(Refusal::new(
                RefusalCode::InvalidRequest,
                "the slug is the public address of another share: make a new one",
            )),
        })
    }

    /// The share that has a slug's grant; `None`: no share has it.
    pub(crate) async fn resolve(&self, grant: GrantId) -> Result<Option<ShareId>, Fault> {
        slugs::resolve(&*self.store, grant).await
    }

    /// Creates a share, or finds that the same request has created it.
    /// `counted` keeps it counted as long as that takes.
    pub(crate) async fn create(
        &self,
        request: EngineCreate,
        counted: Option<Arc<Creating>>,
    ) -> Outcome<CreatedShare> {
        let command = || CreateCall {
            request: request.clone(),
            _counted: counted.clone(),
        };
        let (_, outcome) = self.call(request.share, command).await?;
        Ok(outcome)
    }

    /// Hands a command to the share's owner, or to the next one if it has just ended.
    async fn call<C: Command>(
        &self,
        share: ShareId,
        command: impl Fn() -> C,
    ) -> Result<(ShareHandle, Result<C::Answer, Refusal>), Fault> {
        let mut opens = 0;
        loop {
            let Some(handle) = self.open(share, true).await? else {
                return Err(Fault::Unloaded);
            };
            opens += 1;
            match handle.call(command(), 0).outcome().await {
                Err(Fault::Unloaded) if opens < OPENS_MAX => {}
                outcome => return outcome.map(|outcome| (handle, outcome)),
            }
        }
    }

    /// A handle of the share; `None` if it is not loaded, and must not be.
    async fn open(&self, share: ShareId, may_load: bool) -> Result<Option<ShareHandle>, Fault> {
        let (reply, opened) = oneshot::channel();
        self.requests
            .try_send(Request {
                share,
                may_load,
                reply,
            })
            .map_err(|error| match error {
                mpsc::error::TrySendError::Full(_) => Fault::TooMany {
                    what: "requests for shares",
                    max: self.requests.max_capacity(),
                },
                mpsc::error::TrySendError::Closed(_) => Fault::Draining,
            })?;
        opened.await.map_err(|_| Fault::Draining)?
    }
}

impl HubTask {
    /// Runs the hub.
    pub(crate) async fn run(mut self) {
        let mut drain = self.around.drain.clone();
        let store = Arc::clone(&self.around.store);
        let clock = Arc::clone(&self.around.seams.clock);
        let room = Budget::of(self.limits.queue_bytes_max);
        let idle = self.limits.idle;
        let mut entries = Entries::new(self.around, &self.limits, room);
        let mut sweep = clock.sleep(idle);
        let mut stopped = Box::pin(store.stopped());
        let mut is_stopped = false;
        loop {
            tokio::select! {
                biased;
                _ = drain.wait_for(|drain| *drain) => break,
                error = &mut stopped, if !is_stopped => {
                    is_stopped = true;
                    self.stopped.send_replace(Some(error));
                }
                ended = entries.ended() => entries.remove(ended),
                () = &mut sweep => {
                    entries.sweep();
                    sweep = clock.sleep(idle);
                }
                request = self.requests.recv() => match request {
                    Some(request) => entries.open(request),
                    None => break,
                },
            }
        }
        self.requests.close();
        while let Some(request) = self.requests.recv().await {
            request.refuse(Fault::Draining);
        }
        entries.finish().await;
    }
}
