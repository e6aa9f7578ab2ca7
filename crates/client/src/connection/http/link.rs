//! The replay's link by HTTP: redeem, claim and what waits for them in one call, then call after call.

use std::rc::Rc;
use std::sync::Arc;

use async_trait::async_trait;
use futures_util::FutureExt;
use share_model::{Ack, Batch, Envelope, OwnerKey};
use share_proto::wire::ClaimRequest;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use super::asking::proven;
use super::lane::{First, Lane, Worker};
use super::poster::Poster;
use super::queue::Queue;
use crate::connection::connector::Connector;
use crate::connection::error::ClientError;
use crate::link::{Answer, LaneAppender, LaneRequest, Link, LinkedLane};

/// Connects to servers by HTTP, at those addresses of a ref where it is spoken. Needs a
/// [`tokio::task::LocalSet`].
///
/// The first call is made when an answer is waited for, and has the batches with it that were appended
/// by then.
#[derive(Debug, Clone)]
pub struct HttpLink {
    connector: Arc<dyn Connector>,
    owner: Option<OwnerKey>,
}

impl HttpLink {
    /// Over connections of `connector`.
    pub fn new(connector: Arc<dyn Connector>) -> Self {
        Self {
            connector,
            owner: None,
        }
    }

    /// With a key that opens refs which are sealed to its owner.
    #[must_use]
    pub fn with_owner(self, owner: Option<OwnerKey>) -> Self {
        Self { owner, ..self }
    }
}

#[async_trait(?Send)]
impl Link for HttpLink {
    async fn open(&self, request: LaneRequest) -> Result<LinkedLane, ClientError> {
        let reference = &request.reference;
        let (addresses, security) = (&reference.addresses, reference.security);
        let poster = Poster::connect(&*self.connector, addresses, security).await?;
        let lane = Lane {
            share: reference.share,
            proven: proven(reference, self.owner.as_ref()),
            claim: ClaimRequest {
                outbox_key: request.key,
                incarnation: request.incarnation,
                nonce: request.nonce,
                history: request.history,
            },
        };
        let queue = Rc::new(Queue::default());
        let worker = Worker {
            lane,
            poster,
            queue: Rc::clone(&queue),
            seen: None,
        };
        let (redeem, redeemed) = oneshot::channel();
        let (claim, claimed) = oneshot::channel();
        let first = First {
            redeemed: redeem,
            claimed: claim,
        };
        let calls = Rc::new(Calls {
            queue,
            task: tokio::task::spawn_local(worker.run(first)),
        });
        Ok(LinkedLane {
            redeemed: calls.coming(redeemed),
            claimed: calls.coming(claimed),
            appender: Box::new(HttpAppender(calls)),
        })
    }
}

/// The calls of a lane; the connection is closed when this is dropped.
struct Calls {
    queue: Rc<Queue>,
    task: JoinHandle<()>,
}

impl Calls {
    /// An answer of a call: while it is waited for, the connection lives.
    fn coming<T: 'static>(
        self: &Rc<Self>,
        answer: oneshot::Receiver<Result<T, ClientError>>,
    ) -> Answer<T> {
        let calls = Rc::clone(self);
        async move {
            calls.queue.begin();
            let closed = |_| ClientError::Disconnected {
                reason: "the calls of the lane have ended".to_owned(),
            };
            answer.await.map_err(closed)?
        }
        .boxed_local()
    }
}

impl Drop for Calls {
    fn drop(&mut self) {
        self.task.abort();
    }
}

struct HttpAppender(Rc<Calls>);

impl LaneAppender for HttpAppender {
    fn append(&self, batch: &Batch, envelope: Envelope) -> Answer<Ack> {
        let answer = self.0.queue.push(batch, envelope);
        self.0.coming(answer)
    }
}
