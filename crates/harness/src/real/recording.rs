//! A link that writes down every claim and every batch, and what came of each, as the client sees it.

use std::cell::Cell;
use std::rc::Rc;

use async_trait::async_trait;
use futures_util::FutureExt;
use share_client::{Answer, ClientError, LaneAppender, LaneRequest, Link, LinkedLane};
use share_model::{Ack, Batch, EntryBody, Envelope, OutboxId};

use super::note::{Calls, NotedEntry, NotedTrouble, Notes, OnWire};
use crate::history::Call;

/// Records what goes through another link.
pub(super) struct RecordingLink {
    pub(super) link: Rc<dyn Link>,
    pub(super) notes: Notes,
    pub(super) calls: Rc<Calls>,
}

#[async_trait(?Send)]
impl Link for RecordingLink {
    async fn open(&self, request: LaneRequest) -> Result<LinkedLane, ClientError> {
        let call = self.calls.next();
        let outbox = request.key.outbox_id();
        self.notes.wire(OnWire::Claim {
            call,
            share: request.reference.share,
            grant: request.reference.grant,
            epoch: request.reference.epoch,
            outbox,
            incarnation: request.incarnation,
            history: request.history,
        });
        let claim = Rc::new(Claiming {
            call,
            notes: self.notes.clone(),
            is_told: Cell::new(false),
        });
        let lane = match self.link.open(request).await {
            Ok(lane) => lane,
            Err(error) => {
                claim.failed(&error);
                return Err(error);
            }
        };
        let LinkedLane {
            redeemed,
            claimed,
            appender,
        } = lane;
        let redeeming = Rc::clone(&claim);
        let redeemed = async move { redeemed.await.inspect_err(|error| redeeming.failed(error)) };
        let claiming = async move {
            let claimed = claimed.await.inspect_err(|error| claim.failed(error))?;
            claim.notes.wire(OnWire::Claimed {
                call,
                incarnation: claimed.incarnation,
                history: claimed.history,
                floor: claimed.floor,
                highest: claimed.highest,
                chain: claimed.chain,
            });
            Ok(claimed)
        };
        Ok(LinkedLane {
            redeemed: redeemed.boxed_local(),
            claimed: claiming.boxed_local(),
            appender: Box::new(RecordingAppender {
                appender,
                notes: self.notes.clone(),
                calls: Rc::clone(&self.calls),
                claim: call,
                outbox,
            }),
        })
    }
}

struct Claiming {
    call: Call,
    notes: Notes,
    /// Redeem and claim fail with the same words: one call, one outcome.
    is_told: Cell<bool>,
}

impl Claiming {
    fn failed(&self, error: &ClientError) {
        if !self.is_told.replace(true) {
            self.notes.wire(OnWire::NotClaimed {
                call: self.call,
                why: NotedTrouble::of(error),
            });
        }
    }
}

struct RecordingAppender {
    appender: Box<dyn LaneAppender>,
    notes: Notes,
    calls: Rc<Calls>,
    claim: Call,
    outbox: OutboxId,
}

impl LaneAppender for RecordingAppender {
    fn append(&self, batch: &Batch, envelope: Envelope) -> Answer<Ack> {
        let call = self.calls.next();
        let entries = batch.entries.iter().map(|entry| NotedEntry {
            seq: entry.seq,
            op: match &entry.body {
                EntryBody::Op(op) => Some(op.id),
                EntryBody::Abandon(_) => None,
            },
            fingerprint: entry.fingerprint(self.outbox),
            requeued: entry.was.is_some(),
        });
        self.notes.wire(OnWire::Append {
            call,
            claim: self.claim,
            atomic: batch.atomic,
            expected: batch.expected_cursor,
            entries: entries.collect(),
            settled_through: envelope.settled_through,
        });
        let answer = self.appender.append(batch, envelope);
        let notes = self.notes.clone();
        let told = async move {
            let acked = answer.await;
            notes.wire(match &acked {
                Ok(ack) => OnWire::Acked {
                    call,
                    cursor: ack.cursor,
                    outcomes: ack.outcomes.clone(),
                },
                Err(error) => OnWire::NotAcked {
                    call,
                    why: NotedTrouble::of_cut(error),
                },
            });
            acked
        };
        told.boxed_local()
    }
}
