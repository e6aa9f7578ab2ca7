//! The subscriptions of a share, and how they are cut.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use share_engine::{Authority, ShareState};
use share_model::{Cursor, GrantId, Refusal, Right, Served, UnixMs};
use tokio::sync::watch;

use crate::fault::Fault;

/// Names a subscription of one owner.
pub(crate) type ViewerId = u64;

/// The live subscriptions of a share.
#[derive(Debug)]
pub(super) struct Subscribers {
    live: Vec<Subscriber>,
    /// Cut, and perhaps not stopped yet.
    cut: Vec<Told>,
    last: ViewerId,
    max: usize,
    cut_deadline: Duration,
    /// When the first of the live ones runs out.
    next_expiry: Option<UnixMs>,
}

#[derive(Debug)]
struct Subscriber {
    authority: Authority,
    told: Told,
    /// How far it was served when that was noted last.
    noted: Cursor,
}

/// What is needed of a subscription to end it.
#[derive(Debug, Clone)]
struct Told {
    viewer: ViewerId,
    grant: GrantId,
    progress: Progress,
    /// Says why it ends. Closed when the subscription has stopped by itself.
    end: watch::Sender<Option<Refusal>>,
}

/// How far a subscription has served its reader.
#[derive(Debug, Clone)]
pub(crate) struct Progress(Arc<AtomicU64>);

impl Progress {
    fn new(from: Cursor) -> Self {
        Self(Arc::new(AtomicU64::new(from.get())))
    }

    /// Everything up to here was sent.
    pub(crate) fn served(&self, cursor: Cursor) {
        self.0.store(cursor.get(), Ordering::Release);
    }

    fn cursor(&self) -> Cursor {
        Cursor::new(self.0.load(Ordering::Acquire))
    }
}

/// A subscription's place among the live ones. The subscription drops this when it delivers nothing
/// any more: whatever ends authority is acked only after that.
#[derive(Debug)]
pub(crate) struct Registration {
    end: watch::Receiver<Option<Refusal>>,
    progress: Progress,
}

impl Registration {
    /// Waits until the subscription has to end, and says why. Cancel safe.
    pub(crate) async fn ended(&mut self) -> Result<Refusal, Fault> {
        match self.end.wait_for(Option::is_some).await.as_deref() {
            Ok(Some(refusal)) => Ok(refusal.clone()),
            Ok(None) | Err(_) => Err(Fault::Unloaded),
        }
    }

    /// Where the subscription says how far it has got.
    pub(crate) fn progress(&self) -> Progress {
        self.progress.clone()
    }
}

/// Subscriptions that were told to end.
#[derive(Debug)]
pub(super) struct Cutting {
    told: Vec<Told>,
    deadline: Duration,
}

/// How far each subscription that was cut had got; it gets no further.
pub(crate) type Stopped = Vec<(ViewerId, Served)>;

impl Cutting {
    /// Waits until all of them have stopped; says how far each had got.
    pub(super) async fn complete(self) -> Result<Stopped, Fault> {
        let stopped = async {
            for told in &self.told {
                told.end.closed().await;
            }
        };
        tokio::time::timeout(self.deadline, stopped)
            .await
            .map_err(|_| Fault::Deadline {
                ms: self.deadline.as_millis(),
            })?;
        let served = self.told.iter().map(|told| {
            let cursor = told.progress.cursor();
            let grant = told.grant;
            (told.viewer, Served { grant, cursor })
        });
        Ok(served.collect())
    }
}

impl Subscribers {
    pub(super) fn new(max: usize, cut_deadline: Duration) -> Self {
        Self {
            live: Vec::new(),
            cut: Vec::new(),
            last: 0,
            max,
            cut_deadline,
            next_expiry: None,
        }
    }

    /// A place for one more, which has got as far as `from`; `None` if there is none.
    pub(super) fn register(
        &mut self,
        authority: Authority,
        from: Cursor,
        expires_at: Option<UnixMs>,
    ) -> Option<Registration> {
        self.live
            .retain(|subscriber| !subscriber.told.end.is_closed());
        if self.live.len() >= self.max {
            return None;
        }
        self.last += 1;
        let (end, ended) = watch::channel(None);
        let progress = Progress::new(from);
        self.next_expiry = earliest(self.next_expiry, expires_at);
        self.live.push(Subscriber {
            told: Told {
                viewer: self.last,
                grant: authority.grant(),
                progress: progress.clone(),
                end,
            },
            authority,
            noted: from,
        });
        Some(Registration {
            end: ended,
            progress,
        })
    }

    /// When the next of them may run out.
    pub(super) fn next_expiry(&self) -> Option<UnixMs> {
        self.next_expiry
    }

    /// The live ones, with whose they are.
    pub(super) fn live(&self) -> impl Iterator<Item = (ViewerId, &Authority)> {
        let live = self.live.iter();
        live.filter(|subscriber| !subscriber.told.end.is_closed())
            .map(|subscriber| (subscriber.told.viewer, &subscriber.authority))
    }

    /// Whose reader got further since this was asked last, and how far.
    pub(super) fn newly_served(&mut self) -> Vec<(GrantId, Cursor)> {
        let mut served = Vec::new();
        for subscriber in &mut self.live {
            let cursor = subscriber.told.progress.cursor();
            if cursor > subscriber.noted {
                subscriber.noted = cursor;
                served.push((subscriber.told.grant, cursor));
            }
        }
        served
    }

    /// Tells those that may not read any more to end.
    pub(super) fn recheck(&mut self, state: &ShareState, now: UnixMs) {
        self.cut.retain(|told| !told.end.is_closed());
        let mut kept = Vec::with_capacity(self.live.len());
        self.next_expiry = None;
        for subscriber in self.live.drain(..) {
            if subscriber.told.end.is_closed() {
                continue;
            }
            match state.authorize(&subscriber.authority, Right::Read, now) {
                Ok(()) => {
                    let grant = state.grant_of(&subscriber.authority);
                    let expires_at = grant.and_then(|grant| grant.expires_at);
                    self.next_expiry = earliest(self.next_expiry, expires_at);
                    kept.push(subscriber);
                }
                Err(refusal) => {
                    subscriber.told.end.send_replace(Some(refusal));
                    self.cut.push(subscriber.told);
                }
            }
        }
        self.live = kept;
    }

    /// Those that were told to end, and had not stopped when the last ones were told.
    pub(super) fn cutting(&self) -> Cutting {
        Cutting {
            told: self.cut.clone(),
            deadline: self.cut_deadline,
        }
    }
}

fn earliest(one: Option<UnixMs>, other: Option<UnixMs>) -> Option<UnixMs> {
    one.into_iter().chain(other).min()
}
