//! Viewers that follow a share until they are cut.

use futures_util::FutureExt;
use futures_util::future::try_join_all;
use share_client::{ClientError, Session, Subscription, SubscriptionEvent, TcpConnector};
use share_model::{Cursor, LogPosition, RefusalCode, ShareRef};
use tokio::sync::{oneshot, watch};
use tokio::time::Instant;

use crate::error::BenchError;

/// Viewers that connect at once: a server turns away what its threads have no time to take in.
const OPENING_MAX: usize = 16;

/// What a viewer saw.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Seen {
    /// When it was told of its end.
    pub(crate) ended_at: Instant,
    /// That of the last op that it was given.
    pub(crate) cursor: Cursor,
}

struct Viewer {
    session: Session,
    subscription: Subscription,
    cursor: Cursor,
}

/// Has `count` viewers follow `reference`; says on `live` when all have caught up. They are cut by a
/// revocation, and asked what else they got once `over` is true.
pub(crate) async fn watch(
    reference: &ShareRef,
    count: usize,
    live: oneshot::Sender<()>,
    over: watch::Receiver<bool>,
) -> Result<Vec<Seen>, BenchError> {
    let mut viewers = Vec::new();
    while viewers.len() < count {
        let now = (count - viewers.len()).min(OPENING_MAX);
        viewers.extend(try_join_all((0..now).map(|_| Viewer::open(reference))).await?);
    }
    // Whoever waited for it may have failed.
    let _ = live.send(());
    let cutting = viewers
        .into_iter()
        .map(|viewer| viewer.until_cut(over.clone()));
    try_join_all(cutting).await
}

impl Viewer {
    async fn open(reference: &ShareRef) -> Result<Self, BenchError> {
        let session = Session::redeem(&TcpConnector::default(), reference).await?;
        let from = LogPosition {
            history: Some(session.redeemed().history),
            cursor: session.redeemed().cursor,
        };
        let subscription = session.subscribe(from).await?;
        let mut viewer = Self {
            session,
            subscription,
            cursor: from.cursor,
        };
        loop {
            match viewer.next().await? {
                SubscriptionEvent::Live(_) => return Ok(viewer),
                SubscriptionEvent::Ops(_) => {}
                event => return Err(unexpected(&event)),
            }
        }
    }

    async fn until_cut(mut self, mut over: watch::Receiver<bool>) -> Result<Seen, BenchError> {
        loop {
            match self.next().await? {
                SubscriptionEvent::Ops(_) => {}
                SubscriptionEvent::Ended(refusal) if refusal.code == RefusalCode::Revoked => break,
                event => return Err(unexpected(&event)),
            }
        }
        let ended_at = Instant::now();
        // Fails if the owner has failed, who says so.
        let _ = over.wait_for(|over| *over).await;
        // What the server sent before this answer has arrived with it.
        match self.session.writers().await {
            Err(ClientError::Refused(refusal)) if refusal.code == RefusalCode::Revoked => {}
            answer => {
                let message = format!("a revoked session is answered: {answer:?}");
                return Err(BenchError::Unexpected(message));
            }
        }
        match self.subscription.next().now_or_never().flatten() {
            None => Ok(Seen {
                ended_at,
                cursor: self.cursor,
            }),
            Some(event) => Err(unexpected(&event)),
        }
    }

    async fn next(&mut self) -> Result<SubscriptionEvent, BenchError> {
        let Some(event) = self.subscription.next().await else {
            let message = "a viewer lost its connection".to_owned();
            return Err(BenchError::Unexpected(message));
        };
        if let SubscriptionEvent::Ops(ops) = &event {
            let last = ops.last().map(|op| op.cursor);
            self.cursor = last.unwrap_or(self.cursor);
        }
        Ok(event)
    }
}

fn unexpected(event: &SubscriptionEvent) -> BenchError {
    BenchError::Unexpected(format!("a viewer was told {event:?}"))
}
