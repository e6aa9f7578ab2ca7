//! The calls of one lane: one after the other, each with what waited meanwhile.

use std::rc::Rc;

use share_model::{Chain, Claimed, Redeemed, Seq, ShareId, version_of_server};
use share_proto::wire::{ClaimRequest, Posted, PostedAnswer, PostedAppend, PostedAppended, Proven};
use tokio::sync::oneshot;

use super::asking::{call_of, other_answer};
use super::poster::Poster;
use super::queue::{Queue, Waiting};
use crate::connection::error::ClientError;

/// What each call says, but for its batches.
pub(super) struct Lane {
    pub(super) share: ShareId,
    pub(super) proven: Proven,
    /// The same incarnation and nonce in each call: so that it is a repeat of the first claim, which
    /// nobody's late call can follow who was fenced off.
    pub(super) claim: ClaimRequest,
}

/// Who waits for the first answers.
pub(super) struct First {
    pub(super) redeemed: oneshot::Sender<Result<Redeemed, ClientError>>,
    pub(super) claimed: oneshot::Sender<Result<Claimed, ClientError>>,
}

/// Makes the calls of one lane.
pub(super) struct Worker {
    pub(super) lane: Lane,
    pub(super) poster: Poster,
    pub(super) queue: Rc<Queue>,
    /// Where the lane stands, as far as it is known.
    pub(super) seen: Option<Seen>,
}

/// Where the server's lane was seen; it never goes back.
pub(super) struct Seen {
    claimed: Claimed,
    highest: Seq,
    /// At [`Seen::highest`], if it was told.
    chain: Option<Chain>,
}

impl Worker {
    /// Makes calls until one has no outcome, or a refusal ends the lane.
    pub(super) async fn run(mut self, first: First) {
        self.queue.begun().await;
        let mut first = Some(first);
        loop {
            if first.is_none() {
                self.queue.filled().await;
            }
            let sent = self.queue.take();
            let posted = self.post(&sent).await;
            let ended = match posted {
                Ok(appended) => self.answer(appended, sent, first.take()),
                Err(error) => {
                    tell(first.take(), Err(error.clone()), Err(error.clone()));
                    answer_all(sent, &error);
                    // What waits behind would be refused for the gap.
                    self.queue.answer_all(&error);
                    match error {
                        ClientError::Overloaded { .. } => Ok(()),
                        error => Err(error),
                    }
                }
            };
            if let Err(error) = ended {
                self.queue.end(error);
                return;
            }
        }
    }

    async fn post(&mut self, sent: &[Waiting]) -> Result<PostedAppended, ClientError> {
        let batches = sent.iter().map(|it| Ok((it.batch.clone(), it.envelope)));
        let mut claim = self.lane.claim.clone();
        if let Some(seen) = &self.seen {
            claim.history = Some(seen.claimed.history);
        }
        let call = call_of(Posted::Append(PostedAppend {
            proven: self.lane.proven.clone(),
            claim: Ok(claim),
            batches: batches.collect(),
        }));
        let entries: Vec<_> = sent.iter().map(|it| it.batch.entries.len()).collect();
        match self.poster.post(self.lane.share, &call, &entries).await? {
            PostedAnswer::Append(appended) => Ok(appended),
            _ => Err(other_answer()),
        }
    }

    /// Gives everybody the answer; the error after which nothing more is sent.
    fn answer(
        &mut self,
        appended: PostedAppended,
        sent: Vec<Waiting>,
        first: Option<First>,
    ) -> Result<(), ClientError> {
        let PostedAppended {
            redeem,
            claim,
            appends,
        } = appended;
        let redeemed = redeem.map_err(ClientError::Refused).and_then(|redeemed| {
            version_of_server(redeemed.protocol_version)?;
            Ok(redeemed)
        });
        let claimed = claim.map_err(ClientError::Refused);
        let stands = match (&redeemed, &claimed) {
            (Err(error), _) | (_, Err(error)) => Err(error.clone()),
            (Ok(_), Ok(claimed)) => self.check(claimed),
        };
        tell(first, redeemed, claimed);
        if let Err(error) = stands {
            answer_all(sent, &error);
            return Err(error);
        }
        if appends.is_empty() && !sent.is_empty() {
            let error = ClientError::Overloaded {
                reason: "it has no outcome for batches now".to_owned(),
            };
            answer_all(sent, &error);
            self.queue.answer_all(&error);
            return Ok(());
        }
        let mut sent = sent.into_iter();
        for append in appends {
            let Some(waiting) = sent.next() else { break };
            match append {
                Ok(ack) => {
                    self.sees(waiting.batch.entries.last().map(|entry| entry.seq));
                    waiting.answer(Ok(ack));
                }
                Err(refusal) => {
                    let error = ClientError::Refused(refusal);
                    waiting.answer(Err(error.clone()));
                    answer_all(sent, &error);
                    return Err(error);
                }
            }
        }
        self.queue.put_back(sent);
        Ok(())
    }

    /// A server behind a proxy may be put back to an earlier state while the connection lasts: then
    /// the lane must be claimed as on a new connection, before an ack counts.
    fn check(&mut self, claimed: &Claimed) -> Result<(), ClientError> {
        if let Some(seen) = &self.seen {
            let is_the_same = seen.claimed.history == claimed.history
                && seen.claimed.incarnation == claimed.incarnation;
            let is_back = claimed.highest < seen.highest
                || (claimed.highest == seen.highest
                    && seen.chain.is_some_and(|chain| chain != claimed.chain));
            if !is_the_same || is_back {
                return Err(ClientError::Disconnected {
                    reason: "the server has not what it answered before".to_owned(),
                });
            }
        }
        self.seen = Some(Seen {
            highest: claimed.highest,
            chain: Some(claimed.chain),
            claimed: *claimed,
        });
        Ok(())
    }

    /// The server has answered for this seq.
    fn sees(&mut self, seq: Option<Seq>) {
        if let (Some(seen), Some(seq)) = (&mut self.seen, seq)
            && seq > seen.highest
        {
            seen.highest = seq;
            seen.chain = None;
        }
    }
}

fn tell(
    first: Option<First>,
    redeemed: Result<Redeemed, ClientError>,
    claimed: Result<Claimed, ClientError>,
) {
    if let Some(first) = first {
        // Who no longer waits needs no answer.
        drop(first.redeemed.send(redeemed));
        drop(first.claimed.send(claimed));
    }
}

fn answer_all(batches: impl IntoIterator<Item = Waiting>, error: &ClientError) {
    for waiting in batches {
        waiting.answer(Err(error.clone()));
    }
}
