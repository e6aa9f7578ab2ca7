//! Redeem, claim and appends in one call.

use futures_util::FutureExt;
use share_model::seam::Sleep;
use share_model::{Ack, Batch, Envelope, Refusal};
use share_proto::wire::{Part, PostedAppend, PostedAppended};
use tracing::debug;

use super::{Asker, Opened, claim_of};
use crate::fault::{Fault, Reaction};
use crate::owner::{AppendCall, AppenderTicket, Claim, ClaimCall};
use crate::rpc::appender::with_epoch;
use crate::rpc::reading::Reading;

/// Of the time that a call may take, how much is waited for more outcomes when there are some: what is
/// not answered by then the client sends again, and a call that is answered late has no answer at all.
const WAIT_FOR_MORE: u32 = 2;

impl Asker<'_> {
    /// Does what a connection does on which all of it is pipelined.
    pub(super) async fn append(&self, posted: PostedAppend) -> Result<PostedAppended, Fault> {
        let PostedAppend {
            proven,
            claim,
            batches,
        } = posted;
        let Opened {
            reading, redeemed, ..
        } = &match self.redeem(&proven).await? {
            Ok(opened) => opened,
            Err(refusal) => return Ok(refused(Err(refusal.clone()), refusal, batches.len())),
        };
        let redeem = redeemed.clone();
        let request = match claim {
            Ok(claim) => claim_of(&claim),
            Err(error) => return Ok(refused(redeem, error.into(), batches.len())),
        };
        let authority = reading.authority.clone();
        let claiming = reading.call(ClaimCall { authority, request }, 0);
        let Claim { appender, claimed } = match claiming.outcome().await? {
            Ok(claim) => claim,
            Err(refusal) => return Ok(refused(redeem, refusal, batches.len())),
        };
        Ok(PostedAppended {
            redeem,
            claim: Ok(claimed),
            appends: self.append_all(reading, &appender, batches).await?,
        })
    }

    /// The outcomes of the batches, in order. The first one is waited for; behind it come those that are
    /// there in time. None: there is too much to do.
    async fn append_all(
        &self,
        reading: &Reading,
        appender: &AppenderTicket,
        batches: Vec<Part<(Batch, Envelope)>>,
    ) -> Result<Vec<Result<Ack, Refusal>>, Fault> {
        let wait = self.door.limits.call_deadline / WAIT_FOR_MORE;
        let mut patience = Patience::until(self.door.seams.clock.sleep(wait));
        let mut replies = Vec::new();
        let mut malformed = None;
        for sent in batches {
            let (batch, envelope) = match sent {
                Ok(sent) => sent,
                Err(error) => {
                    malformed = Some(Refusal::from(error));
                    break;
                }
            };
            let command = AppendCall {
                authority: reading.authority.clone(),
                appender: appender.clone(),
                batch,
                envelope: with_epoch(envelope, reading.authority.epoch()),
            };
            let submitting = reading.append(command);
            match patience.wait(submitting, !replies.is_empty()).await {
                Some(reply) => replies.push(reply),
                None => break,
            }
        }
        let mut appends = Vec::new();
        for reply in replies {
            let outcome = patience.wait(reply.outcome(), !appends.is_empty()).await;
            match outcome {
                Some(Ok(append)) => appends.push(append),
                // Whoever has to connect again must be told; whoever has to wait, has redeemed and claimed.
                Some(Err(fault)) if appends.is_empty() && fault.reaction() != Reaction::Later => {
                    return Err(fault);
                }
                Some(Err(fault)) => {
                    debug!(%fault, "batches left for the client's next call");
                    return Ok(appends);
                }
                None => return Ok(appends),
            }
        }
        appends.extend(malformed.map(Err));
        Ok(appends)
    }
}

/// Whatever was pipelined behind a refused call is refused in the same words.
fn refused(
    redeem: Result<share_model::Redeemed, Refusal>,
    refusal: Refusal,
    batches: usize,
) -> PostedAppended {
    PostedAppended {
        redeem,
        appends: vec![Err(refusal.clone()); batches],
        claim: Err(refusal),
    }
}

/// For how long is waited when there is something to answer already.
struct Patience {
    /// `None` once it is over.
    late: Option<Sleep>,
}

impl Patience {
    fn until(late: Sleep) -> Self {
        Self { late: Some(late) }
    }

    /// What comes. `None`: there is something else to answer, and it did not come in time.
    async fn wait<T>(&mut self, coming: impl Future<Output = T>, has_other: bool) -> Option<T> {
        if !has_other {
            return Some(coming.await);
        }
        let Some(late) = &mut self.late else {
            return coming.now_or_never();
        };
        tokio::select! {
            biased;
            came = coming => Some(came),
            () = late => {
                self.late = None;
                None
            }
        }
    }
}
