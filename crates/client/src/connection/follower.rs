//! A reader that outlives its connections.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use share_model::seam::{Clock, Entropy, SystemClock, SystemEntropy};
use share_model::{Cursor, LogPosition, LoggedOp, OwnerKey, Refusal, ShareRef, SnapshotAt};
use share_proto::wire::DocumentEntry;

use super::connector::Connector;
use super::error::ClientError;
use super::session::Session;
use super::subscription::{Subscription, SubscriptionEvent};
use crate::backoff::Backoff;

/// How long a subscription may be silent before the server is asked whether it is still there.
const SILENCE_MAX: Duration = Duration::from_secs(30);

/// What a follower tells.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum FollowEvent {
    /// Forget what was told: the document at `at` follows, in `Entries`.
    Reset {
        /// Where the document stands.
        at: SnapshotAt,
        /// Because this reader could not keep up.
        lagged: bool,
    },
    /// Part of the document after a reset.
    Entries {
        /// Keys and values, in the order of keys.
        entries: Vec<DocumentEntry>,
        /// The document is complete; ops follow.
        done: bool,
    },
    /// Consecutive applied ops: the first follows the last one told, or the document.
    Ops(Vec<LoggedOp>),
    /// Everything up to here was told; on each connection once, when it has caught up.
    Live(LogPosition),
    /// The connection was lost; the follower comes back by itself.
    Lost(ClientError),
}

/// Follows a share over any number of connections, and goes on from its cursor without gap or
/// repeat. Needs a [`tokio::task::LocalSet`].
///
/// ```no_run
/// # async fn tail(reference: share_model::ShareRef) -> Result<(), share_client::ClientError> {
/// use std::sync::Arc;
/// use share_client::{FollowEvent, Follower, TcpConnector};
/// use share_model::LogPosition;
///
/// let connector = Arc::new(TcpConnector::default());
/// let mut follower = Follower::new(connector, reference, LogPosition::default());
/// loop {
///     if let FollowEvent::Ops(ops) = follower.next().await? {
///         let last = ops.last().map(|op| op.cursor);
///     }
/// }
/// # }
/// ```
#[derive(Debug)]
pub struct Follower {
    connector: Arc<dyn Connector>,
    reference: ShareRef,
    owner: Option<OwnerKey>,
    clock: Arc<dyn Clock>,
    entropy: Arc<dyn Entropy>,
    backoff: Backoff,
    /// After the last op that was told.
    position: LogPosition,
    /// A reset was told, but not all of its document: what was told is not a document.
    is_partial: bool,
    /// Since the last event.
    failures: u32,
    /// To be told before anything else.
    ready: VecDeque<FollowEvent>,
    open: Option<(Session, Subscription)>,
}

impl Follower {
    /// Follows the share of `reference` from `from` on; the default position is the beginning.
    pub fn new(connector: Arc<dyn Connector>, reference: ShareRef, from: LogPosition) -> Self {
        Self {
            connector,
            reference,
            owner: None,
            clock: Arc::new(SystemClock),
            entropy: Arc::new(SystemEntropy::default()),
            backoff: Backoff::TRANSPORT,
            position: from,
            is_partial: false,
            failures: 0,
            ready: VecDeque::new(),
            open: None,
        }
    }

    /// With a key that opens refs which are sealed to its owner.
    #[must_use]
    pub fn with_owner(self, owner: Option<OwnerKey>) -> Self {
        Self { owner, ..self }
    }

    /// With another clock, randomness and back-off: for simulations.
    #[must_use]
    pub fn with_seams(
        self,
        clock: Arc<dyn Clock>,
        entropy: Arc<dyn Entropy>,
        backoff: Backoff,
    ) -> Self {
        Self {
            clock,
            entropy,
            backoff,
            ..self
        }
    }

    /// After the last op that was told: where another follower goes on.
    pub fn position(&self) -> LogPosition {
        self.position
    }

    /// The next event. Comes back after lost connections for ever.
    ///
    /// # Errors
    ///
    /// A refusal that only a person can mend, or a server that does not speak this protocol.
    ///
    /// # Cancel safety
    ///
    /// Dropped half-way, nothing is lost.
    pub async fn next(&mut self) -> Result<FollowEvent, ClientError> {
        loop {
            if let Some(event) = self.ready.pop_front() {
                return Ok(event);
            }
            let Some((session, subscription)) = &mut self.open else {
                self.connect().await?;
                continue;
            };
            let silence = self.clock.sleep(SILENCE_MAX);
            let event = tokio::select! {
                biased;
                event = subscription.next() => event,
                () = silence => {
                    match session.writers().await {
                        Ok(_) => continue,
                        Err(error) => { self.lose(error)?; continue; }
                    }
                }
            };
            match event {
                Some(event) => self.hear(event)?,
                None => {
                    let reason = "the subscription ended without a word".into();
                    self.lose(ClientError::Disconnected { reason })?;
                }
            }
        }
    }

    async fn connect(&mut self) -> Result<(), ClientError> {
        if self.failures > 0 {
            self.clock
                .sleep(self.backoff.delay(self.failures, &*self.entropy))
                .await;
        }
        match self.try_connect().await {
            Ok(open) => {
                self.open = Some(open);
                Ok(())
            }
            Err(error) => self.lose(error),
        }
    }

    async fn try_connect(&mut self) -> Result<(Session, Subscription), ClientError> {
        let (reference, owner) = (&self.reference, self.owner.as_ref());
        let session = Session::redeem_as(&*self.connector, reference, owner).await?;
        let from = if self.is_partial {
            LogPosition::default()
        } else {
            self.position
        };
        let subscription = session.subscribe(from).await?;
        let history = subscription.position().history;
        if self.is_partial {
            // The log may reach back to the beginning, and then nobody else says: forget.
            let position = LogPosition {
                history,
                cursor: Cursor::ZERO,
            };
            let at = SnapshotAt {
                position,
                epoch: session.redeemed().epoch,
                keys: 0,
                bytes: 0,
            };
            self.ready
                .push_back(FollowEvent::Reset { at, lagged: false });
            self.ready.push_back(FollowEvent::Entries {
                entries: Vec::new(),
                done: true,
            });
            self.position = position;
            self.is_partial = false;
        } else if self.position.history.is_none() {
            self.position.history = history;
        }
        Ok((session, subscription))
    }

    fn hear(&mut self, event: SubscriptionEvent) -> Result<(), ClientError> {
        let event = match event {
            SubscriptionEvent::Reset { at, lagged } => {
                self.position = at.position;
                self.is_partial = true;
                FollowEvent::Reset { at, lagged }
            }
            SubscriptionEvent::Entries { entries, done } => {
                self.is_partial &= !done;
                FollowEvent::Entries { entries, done }
            }
            SubscriptionEvent::Ops(ops) => {
                for op in &ops {
                    if op.cursor != self.position.cursor.next() {
                        let (got, after) = (op.cursor, self.position.cursor);
                        let reason = format!("it sent the op with cursor {got} after {after}");
                        return self.lose(ClientError::Failed { reason });
                    }
                    self.position.cursor = op.cursor;
                }
                FollowEvent::Ops(ops)
            }
            SubscriptionEvent::Live(position) => FollowEvent::Live(position),
            SubscriptionEvent::Ended(refusal) => return self.lose(ClientError::Refused(refusal)),
        };
        self.failures = 0;
        self.ready.push_back(event);
        Ok(())
    }

    /// Leaves the connection; what only a person can mend is an error.
    fn lose(&mut self, error: ClientError) -> Result<(), ClientError> {
        self.open = None;
        let final_for_now = match &error {
            ClientError::Refused(refusal) => is_final(refusal),
            ClientError::Unimplemented { .. } => true,
            error => error.is_about_identity(),
        };
        if final_for_now {
            return Err(error);
        }
        self.failures = self.failures.saturating_add(1);
        self.ready.push_back(FollowEvent::Lost(error));
        Ok(())
    }
}

/// A refusal that says when to come back, as a draining server's, is not the end.
fn is_final(refusal: &Refusal) -> bool {
    refusal.retry_after_ms.is_none()
}
