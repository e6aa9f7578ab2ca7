//! The replay's link, with every call and its outcome written down.

use std::rc::Rc;
use std::sync::Arc;

use async_trait::async_trait;
use futures_util::FutureExt;
use share_client::{Answer, ClientError, LaneAppender, LaneRequest, Link, LinkedLane, RpcLink};
use share_model::{Ack, Batch, EntryBody, Envelope, OutboxId};

use super::world::World;
use crate::history::{Call, SentEntry, Trouble, What};

/// What a failed call means for what it asked for.
pub(crate) fn trouble(error: &ClientError) -> Trouble {
    match error {
        ClientError::Refused(refusal) => Trouble::Refused(refusal.code),
        ClientError::Unreachable { .. } | ClientError::Overloaded { .. } => {
            Trouble::NotSent(error.to_string())
        }
        error => Trouble::Lost(error.to_string()),
    }
}

/// Writes down what goes over another link.
pub(crate) struct RecordingLink {
    link: RpcLink,
    world: Arc<World>,
    actor: Rc<str>,
}

impl RecordingLink {
    pub(crate) fn new(link: RpcLink, world: &Arc<World>, actor: &str) -> Self {
        Self {
            link,
            world: Arc::clone(world),
            actor: actor.into(),
        }
    }
}

#[async_trait(?Send)]
impl Link for RecordingLink {
    async fn open(&self, request: LaneRequest) -> Result<LinkedLane, ClientError> {
        let call = self.world.history.call();
        let outbox = request.key.outbox_id();
        let claim = What::Claim {
            call,
            share: request.reference.share,
            grant: request.reference.grant,
            epoch: request.reference.epoch,
            outbox,
            incarnation: request.incarnation,
            history: request.history,
        };
        self.world.push(&self.actor, claim);
        let linked = match self.link.open(request).await {
            Ok(linked) => linked,
            Err(error) => {
                let why = trouble(&error);
                self.world.push(&self.actor, What::NotClaimed { call, why });
                return Err(error);
            }
        };
        let (world, actor) = (Arc::clone(&self.world), Rc::clone(&self.actor));
        let answer = linked.claimed;
        let claimed = async move {
            let answer = answer.await;
            let what = match &answer {
                Ok(claimed) => What::Claimed {
                    call,
                    incarnation: claimed.incarnation,
                    history: claimed.history,
                    floor: claimed.floor,
                    highest: claimed.highest,
                    chain: claimed.chain,
                },
                Err(error) => What::NotClaimed {
                    call,
                    why: trouble(error),
                },
            };
            world.push(&actor, what);
            answer
        };
        Ok(LinkedLane {
            redeemed: linked.redeemed,
            claimed: claimed.boxed_local(),
            appender: Box::new(RecordingAppender {
                appender: linked.appender,
                world: Arc::clone(&self.world),
                actor: Rc::clone(&self.actor),
                claim: call,
                outbox,
            }),
        })
    }
}

struct RecordingAppender {
    appender: Box<dyn LaneAppender>,
    world: Arc<World>,
    actor: Rc<str>,
    claim: Call,
    outbox: OutboxId,
}

impl LaneAppender for RecordingAppender {
    fn append(&self, batch: &Batch, envelope: Envelope) -> Answer<Ack> {
        let call = self.world.history.call();
        let entries = batch.entries.iter().map(|entry| SentEntry {
            seq: entry.seq,
            op: match &entry.body {
                EntryBody::Op(op) => Some(op.id),
                EntryBody::Abandon(_) => None,
            },
            fingerprint: entry.fingerprint(self.outbox),
            requeued: entry.was.is_some(),
        });
        let append = What::Append {
            call,
            claim: self.claim,
            atomic: batch.atomic,
            expected: batch.expected_cursor,
            entries: entries.collect(),
            settled_through: envelope.settled_through,
        };
        self.world.push(&self.actor, append);
        let (world, actor) = (Arc::clone(&self.world), Rc::clone(&self.actor));
        let answer = self.appender.append(batch, envelope);
        let recorded = async move {
            let answer = answer.await;
            let what = match &answer {
                Ok(ack) => What::Acked {
                    call,
                    cursor: ack.cursor,
                    outcomes: ack.outcomes.clone(),
                },
                Err(error) => What::NotAcked {
                    call,
                    why: trouble(error),
                },
            };
            world.push(&actor, what);
            answer
        };
        recorded.boxed_local()
    }
}
