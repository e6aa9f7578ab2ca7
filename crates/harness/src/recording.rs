//! A link that writes down every claim and every batch, and what came of each, as the client sees it.

use std::cell::Cell;
use std::rc::Rc;

use async_trait::async_trait;
use futures_util::FutureExt;
use serde::{Deserialize, Serialize};
use share_client::{Answer, ClientError, LaneAppender, LaneRequest, Link, LinkedLane};
use share_model::{
    Ack, Batch, Chain, Cursor, EntryBody, Envelope, Epoch, GrantId, HistoryId, Incarnation,
    OpOutcome, OutboxId, Seq, ShareId,
};

use crate::history::{Call, SentEntry, Trouble, What};

/// What is said over a connection; the fields are those of [`What`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) enum OnWire {
    Claim {
        call: Call,
        share: ShareId,
        grant: GrantId,
        epoch: Epoch,
        outbox: OutboxId,
        incarnation: Incarnation,
        history: Option<HistoryId>,
    },
    Claimed {
        call: Call,
        incarnation: Incarnation,
        history: HistoryId,
        floor: Seq,
        highest: Seq,
        chain: Chain,
    },
    NotClaimed {
        call: Call,
        why: Trouble,
    },
    Append {
        call: Call,
        claim: Call,
        atomic: bool,
        expected: Option<Cursor>,
        entries: Vec<SentEntry>,
        settled_through: Seq,
    },
    Acked {
        call: Call,
        cursor: Cursor,
        outcomes: Vec<OpOutcome>,
    },
    NotAcked {
        call: Call,
        why: Trouble,
    },
}

impl OnWire {
    /// The number of the call that it is about.
    pub(crate) fn call(&self) -> Call {
        match self {
            Self::Claim { call, .. }
            | Self::Claimed { call, .. }
            | Self::NotClaimed { call, .. }
            | Self::Append { call, .. }
            | Self::Acked { call, .. }
            | Self::NotAcked { call, .. } => *call,
        }
    }

    /// The event, with the numbers of its calls put beyond `base`.
    pub(crate) fn told(self, base: Call) -> What {
        match self {
            Self::Claim {
                call,
                share,
                grant,
                epoch,
                outbox,
                incarnation,
                history,
            } => What::Claim {
                call: base + call,
                share,
                grant,
                epoch,
                outbox,
                incarnation,
                history,
            },
            Self::Claimed {
                call,
                incarnation,
                history,
                floor,
                highest,
                chain,
            } => What::Claimed {
                call: base + call,
                incarnation,
                history,
                floor,
                highest,
                chain,
            },
            Self::NotClaimed { call, why } => What::NotClaimed {
                call: base + call,
                why,
            },
            Self::Append {
                call,
                claim,
                atomic,
                expected,
                entries,
                settled_through,
            } => What::Append {
                call: base + call,
                claim: base + claim,
                atomic,
                expected,
                entries,
                settled_through,
            },
            Self::Acked {
                call,
                cursor,
                outcomes,
            } => What::Acked {
                call: base + call,
                cursor,
                outcomes,
            },
            Self::NotAcked { call, why } => What::NotAcked {
                call: base + call,
                why,
            },
        }
    }
}

/// Where it is written down.
pub(crate) trait Recorder {
    /// A number for a call.
    fn call(&self) -> Call;

    /// Writes down what is said, before anything else happens.
    fn said(&self, said: OnWire);
}

/// Records what goes through another link.
pub(crate) struct RecordingLink {
    pub(crate) link: Rc<dyn Link>,
    pub(crate) recorder: Rc<dyn Recorder>,
}

#[async_trait(?Send)]
impl Link for RecordingLink {
    async fn open(&self, request: LaneRequest) -> Result<LinkedLane, ClientError> {
        let call = self.recorder.call();
        let outbox = request.key.outbox_id();
        self.recorder.said(OnWire::Claim {
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
            recorder: Rc::clone(&self.recorder),
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
            claim.recorder.said(OnWire::Claimed {
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
                recorder: Rc::clone(&self.recorder),
                claim: call,
                outbox,
            }),
        })
    }
}

struct Claiming {
    call: Call,
    recorder: Rc<dyn Recorder>,
    /// Redeem and claim fail with the same words: one call, one outcome.
    is_told: Cell<bool>,
}

impl Claiming {
    fn failed(&self, error: &ClientError) {
        if !self.is_told.replace(true) {
            self.recorder.said(OnWire::NotClaimed {
                call: self.call,
                why: Trouble::of(error),
            });
        }
    }
}

struct RecordingAppender {
    appender: Box<dyn LaneAppender>,
    recorder: Rc<dyn Recorder>,
    claim: Call,
    outbox: OutboxId,
}

impl LaneAppender for RecordingAppender {
    fn append(&self, batch: &Batch, envelope: Envelope) -> Answer<Ack> {
        let call = self.recorder.call();
        let entries = batch.entries.iter().map(|entry| SentEntry {
            seq: entry.seq,
            op: match &entry.body {
                EntryBody::Op(op) => Some(op.id),
                EntryBody::Abandon(_) => None,
            },
            fingerprint: entry.fingerprint(self.outbox),
            requeued: entry.was.is_some(),
        });
        self.recorder.said(OnWire::Append {
            call,
            claim: self.claim,
            atomic: batch.atomic,
            expected: batch.expected_cursor,
            entries: entries.collect(),
            settled_through: envelope.settled_through,
        });
        let answer = self.appender.append(batch, envelope);
        let recorder = Rc::clone(&self.recorder);
        let told = async move {
            let acked = answer.await;
            recorder.said(match &acked {
                Ok(ack) => OnWire::Acked {
                    call,
                    cursor: ack.cursor,
                    outcomes: ack.outcomes.clone(),
                },
                Err(error) => OnWire::NotAcked {
                    call,
                    why: Trouble::of_cut(error),
                },
            });
            acked
        };
        told.boxed_local()
    }
}

#[cfg(test)]
mod tests {
    use share_model::{Refusal, RefusalCode};

    use super::*;

    #[test]
    fn a_call_that_was_cut_with_its_authority_is_in_doubt_and_another_refused_one_is_not() {
        let refused = |code| ClientError::Refused(Refusal::new(code, "no"));
        let cut = Trouble::of_cut(&refused(RefusalCode::Revoked));
        assert_eq!(cut, Trouble::Lost("cut: revoked".to_owned()));
        let fenced = Trouble::of_cut(&refused(RefusalCode::WriterFenced));
        assert_eq!(fenced, Trouble::Refused(RefusalCode::WriterFenced));
    }

    #[test]
    fn trouble_reads_back_with_the_code_that_it_had() {
        for trouble in [
            Trouble::Refused(RefusalCode::WriterFenced),
            Trouble::Lost("gone".to_owned()),
        ] {
            let text = serde_json::to_string(&trouble).unwrap();
            assert_eq!(serde_json::from_str::<Trouble>(&text).unwrap(), trouble);
        }
        assert!(serde_json::from_str::<Trouble>(r#"{"Refused":"nothing"}"#).is_err());
    }
}
