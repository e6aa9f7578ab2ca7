//! A live subscription: what the server calls becomes a stream of events.

use std::rc::Rc;

use share_model::{Limits, LogPosition, LoggedOp, Refusal, SnapshotAt};
use share_proto::share_capnp::{sink, subscription};
use share_proto::wire::{self, DocumentEntry};
use tokio::sync::mpsc;

use super::error::ClientError;
use super::peer::Peer;

/// Events that wait to be taken. While they do, the server's calls are not answered, and flow
/// control holds it back.
const EVENTS_MAX: usize = 8;

/// What a subscription delivers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SubscriptionEvent {
    /// Forget what was delivered: the document at `at` follows, in `Entries`.
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
    /// Consecutive applied ops.
    Ops(Vec<LoggedOp>),
    /// Everything up to here was delivered; once, when the reader has first caught up.
    Live(LogPosition),
    /// Nothing more comes, and why.
    Ended(Refusal),
}

/// An open subscription; dropping it ends it.
pub struct Subscription {
    position: LogPosition,
    events: mpsc::Receiver<SubscriptionEvent>,
    /// The server goes on as long as this is held.
    _held: subscription::Client,
    _peer: Rc<Peer>,
}

impl Subscription {
    pub(super) fn new(
        position: LogPosition,
        events: mpsc::Receiver<SubscriptionEvent>,
        held: subscription::Client,
        peer: Rc<Peer>,
    ) -> Self {
        Self {
            position,
            events,
            _held: held,
            _peer: peer,
        }
    }

    /// The share's durable position when the subscription began.
    pub fn position(&self) -> LogPosition {
        self.position
    }

    /// The next event; `None` when the connection was lost.
    ///
    /// # Cancel safety
    ///
    /// Dropped half-way, nothing is lost.
    pub async fn next(&mut self) -> Option<SubscriptionEvent> {
        self.events.recv().await
    }
}

/// Hides the capability.
impl std::fmt::Debug for Subscription {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Subscription")
            .field("position", &self.position)
            .finish_non_exhaustive()
    }
}

/// A sink for the server to call, and what it is told.
pub(super) fn sink(limits: Limits) -> (sink::Client, mpsc::Receiver<SubscriptionEvent>) {
    let (events, receiver) = mpsc::channel(EVENTS_MAX);
    (capnp_rpc::new_client(Sink { limits, events }), receiver)
}

struct Sink {
    limits: Limits,
    events: mpsc::Sender<SubscriptionEvent>,
}

impl Sink {
    /// Answers the server's call when the event has a place.
    async fn hand_over(
        self: Rc<Self>,
        event: Result<SubscriptionEvent, ClientError>,
    ) -> Result<(), capnp::Error> {
        let event = event.map_err(|error| capnp::Error::failed(error.to_string()))?;
        self.events
            .send(event)
            .await
            .map_err(|_| capnp::Error::disconnected("the subscription was dropped".into()))
    }
}

impl sink::Server for Sink {
    fn reset(
        self: Rc<Self>,
        params: sink::ResetParams,
    ) -> impl Future<Output = Result<(), capnp::Error>> + 'static {
        let event = (|| {
            let params = params.get()?;
            let at = wire::read_snapshot_at(params.get_at()?)?;
            Ok(SubscriptionEvent::Reset {
                at,
                lagged: params.get_lagged(),
            })
        })();
        self.hand_over(event)
    }

    fn entries(
        self: Rc<Self>,
        params: sink::EntriesParams,
    ) -> impl Future<Output = Result<(), capnp::Error>> + 'static {
        let event = (|| {
            let params = params.get()?;
            let entries = wire::read_document_entries(params.get_entries()?)?;
            Ok(SubscriptionEvent::Entries {
                entries,
                done: params.get_done(),
            })
        })();
        self.hand_over(event)
    }

    fn ops(
        self: Rc<Self>,
        params: sink::OpsParams,
    ) -> impl Future<Output = Result<(), capnp::Error>> + 'static {
        let limits = self.limits;
        let event = (|| {
            let ops = wire::read_logged_ops(params.get()?.get_ops()?, &limits)?;
            Ok(SubscriptionEvent::Ops(ops))
        })();
        self.hand_over(event)
    }

    fn live(
        self: Rc<Self>,
        params: sink::LiveParams,
        _: sink::LiveResults,
    ) -> impl Future<Output = Result<(), capnp::Error>> + 'static {
        let event = (|| {
            let position = wire::read_log_position(params.get()?.get_position()?)?;
            Ok(SubscriptionEvent::Live(position))
        })();
        self.hand_over(event)
    }

    fn ended(
        self: Rc<Self>,
        params: sink::EndedParams,
        _: sink::EndedResults,
    ) -> impl Future<Output = Result<(), capnp::Error>> + 'static {
        let event = (|| {
            let refusal = wire::read_refusal(params.get()?.get_refusal()?)?;
            Ok(SubscriptionEvent::Ended(refusal))
        })();
        self.hand_over(event)
    }
}
