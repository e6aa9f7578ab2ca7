//! The subscriptions of a share, and how they are cut.

use std::time::Duration;

use share_engine::{Authority, ShareState};
use share_model::{Refusal, Right, UnixMs};
use tokio::sync::watch;

use crate::fault::Fault;

/// The live subscriptions of a share.
#[derive(Debug)]
pub(super) struct Subscribers {
    live: Vec<Subscriber>,
    /// Cut, and perhaps not stopped yet.
    cut: Vec<watch::Sender<Option<Refusal>>>,
    max: usize,
    cut_deadline: Duration,
}

#[derive(Debug)]
struct Subscriber {
    authority: Authority,
    /// Says why it ends. Closed when the subscription has stopped by itself.
    end: watch::Sender<Option<Refusal>>,
}

/// A subscription's place among the live ones. The subscription drops this when it delivers nothing
/// any more: an acked bump waits for that.
#[derive(Debug)]
pub(crate) struct Registration(watch::Receiver<Option<Refusal>>);

impl Registration {
    /// Waits until the subscription has to end, and says why. Cancel safe.
    pub(crate) async fn ended(&mut self) -> Result<Refusal, Fault> {
        match self.0.wait_for(Option::is_some).await.as_deref() {
            Ok(Some(refusal)) => Ok(refusal.clone()),
            Ok(None) | Err(_) => Err(Fault::Unloaded),
        }
    }
}

/// Subscriptions that were told to end.
#[derive(Debug)]
pub(super) struct Cut {
    told: Vec<watch::Sender<Option<Refusal>>>,
    deadline: Duration,
}

impl Cut {
    /// Waits until all of them have stopped.
    pub(super) async fn complete(self) -> Result<(), Fault> {
        let stopped = async {
            for told in &self.told {
                told.closed().await;
            }
        };
        tokio::time::timeout(self.deadline, stopped)
            .await
            .map_err(|_| Fault::Deadline {
                ms: self.deadline.as_millis(),
            })
    }
}

impl Subscribers {
    pub(super) fn new(max: usize, cut_deadline: Duration) -> Self {
        Self {
            live: Vec::new(),
            cut: Vec::new(),
            max,
            cut_deadline,
        }
    }

    /// A place for one more; `None` if there is none.
    pub(super) fn register(&mut self, authority: Authority) -> Option<Registration> {
        self.live.retain(|subscriber| !subscriber.end.is_closed());
        if self.live.len() >= self.max {
            return None;
        }
        let (end, ended) = watch::channel(None);
        self.live.push(Subscriber { authority, end });
        Some(Registration(ended))
    }

    /// Tells those that may not read any more to end.
    pub(super) fn recheck(&mut self, state: &ShareState, now: UnixMs) {
        let mut kept = Vec::with_capacity(self.live.len());
        for subscriber in self.live.drain(..) {
            if subscriber.end.is_closed() {
                continue;
            }
            match state.authorize(&subscriber.authority, Right::Read, now) {
                Ok(()) => kept.push(subscriber),
                Err(refusal) => {
                    subscriber.end.send_replace(Some(refusal));
                    self.cut.push(subscriber.end);
                }
            }
        }
        self.live = kept;
        self.cut.retain(|end| !end.is_closed());
    }

    /// Those that were told to end and have not stopped.
    pub(super) fn cut(&self) -> Cut {
        Cut {
            told: self.cut.clone(),
            deadline: self.cut_deadline,
        }
    }
}
