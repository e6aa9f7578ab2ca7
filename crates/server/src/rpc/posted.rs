//! Calls that come by HTTP (`schema/http.capnp`): each stands for itself, and asks the owners what a
//! connection's capabilities ask them.

mod appending;

use bytes::Bytes;
use share_model::{
    CreateShare, Cut, FactoryRedeemed, FactoryRef, Minted, Origin, Publish, Redeemed, Refusal,
    ShareId, version_with_client,
};
use share_proto::wire::{
    self, Part, Posted, PostedAnswer, PostedCall, Proven, WireError, posted_answer_bytes,
    posted_call_of,
};
use tracing::debug;

use super::Door;
use super::bootstrap::{NO_SHARE, printable};
use super::factory::{create_share, redeemed_of};
use super::floor::level;
use super::publishing::publish;
use super::reading::Reading;
use crate::fault::Fault;
use crate::owner::{DeleteCall, Outcome, RedeemCall, SessionTicket};
use crate::server::Source;

/// Why a call has no answer.
#[derive(Debug, Clone, thiserror::Error)]
pub(crate) enum PostedError {
    /// It can't be read.
    #[error(transparent)]
    Malformed(#[from] WireError),
    /// The path names another share than the call.
    #[error("the path names another share than the call")]
    OtherShare,
    /// There is no outcome.
    #[error(transparent)]
    Fault(#[from] Fault),
}

/// Answers a call of somebody at `source` (`None`: it does not count) that was posted for `share`.
/// Refusals are in the answer.
///
/// Dropped half-way, what was asked for goes on: it may be asked for again.
pub(crate) async fn answer_posted(
    door: &Door,
    source: Option<Source>,
    share: ShareId,
    body: Bytes,
) -> Result<Bytes, PostedError> {
    if *door.drain.borrow() {
        return Err(Fault::Draining.into());
    }
    let call = posted_call_of(&body, door.hub.share_limits())?;
    // What was read is a copy: there is no reason to hold both.
    drop(body);
    if share_of(&call.asked) != share {
        return Err(PostedError::OtherShare);
    }
    let deadline = door.limits.call_deadline;
    let answer = super::in_time(deadline, answer(door, source, call)).await?;
    Ok(Bytes::from(posted_answer_bytes(&answer)))
}

/// The share for which a call is posted.
fn share_of(asked: &Posted) -> ShareId {
    match asked {
        Posted::Append(append) => append.proven.reference.share,
        Posted::Publish(proven, _) | Posted::Delete(proven, _) => proven.reference.share,
        Posted::Create(factory, Ok(request)) => request.ids(factory.grant).0,
        Posted::Create(_, Err(_)) | Posted::Factory(_) => NO_SHARE,
    }
}

async fn answer(
    door: &Door,
    source: Option<Source>,
    call: PostedCall,
) -> Result<PostedAnswer, Fault> {
    let PostedCall {
        protocol_version,
        client,
        asked,
    } = call;
    let asker = Asker {
        door,
        source,
        version: version_with_client(protocol_version),
        client: printable(&client),
    };
    Ok(match asked {
        Posted::Append(append) => PostedAnswer::Append(asker.append(append).await?),
        Posted::Create(factory, request) => asker.create(&factory, request).await?,
        Posted::Publish(proven, request) => {
            PostedAnswer::Publish(asker.publish(&proven, request).await?)
        }
        Posted::Delete(proven, origin) => {
            PostedAnswer::Delete(asker.delete(&proven, origin).await?)
        }
        Posted::Factory(factory) => PostedAnswer::Factory(asker.redeem_factory(&factory)?),
    })
}

/// Who makes a call.
struct Asker<'a> {
    door: &'a Door,
    source: Option<Source>,
    /// The version that both sides speak.
    version: Result<u32, Refusal>,
    client: String,
}

/// What a ref has opened.
struct Opened {
    reading: Reading,
    /// Refused if the authority has ended; the share's owner says so again at each call.
    redeemed: Result<Redeemed, Refusal>,
    /// Counts the call as a live session, while it is held.
    _ticket: SessionTicket,
}

impl Asker<'_> {
    /// Redeems a ref, at the price that RPC has for who proves nothing: the same tries, the same work,
    /// the same span of time.
    async fn redeem(&self, proven: &Proven) -> Outcome<Opened> {
        let asking = self.door.redeem_rates.ask(self.source)?;
        let protocol_version = match &self.version {
            Ok(version) => *version,
            Err(refusal) => return Ok(Err(refusal.clone())),
        };
        let Proven { reference, proof } = proven;
        let (share, grant) = (reference.share, reference.grant);
        let command = RedeemCall {
            grant,
            secret: reference.secret.hash(),
            proof: *proof,
            client: self.client.clone(),
            protocol_version,
        };
        let redeeming = self.door.hub.redeem(share, || command.clone());
        let redeemed = level(&*self.door.seams.clock, redeeming).await?;
        Ok(redeemed.map(|(handle, opened)| {
            debug!(%share, %grant, client = self.client, "share redeemed");
            if opened.redeemed.is_ok() {
                asking.proven();
            }
            Opened {
                reading: Reading {
                    handle,
                    authority: opened.authority,
                    allotment: opened.allotment,
                },
                redeemed: opened.redeemed,
                _ticket: opened.ticket,
            }
        }))
    }

    fn redeem_factory(
        &self,
        factory: &FactoryRef,
    ) -> Result<Result<FactoryRedeemed, Refusal>, Fault> {
        let asking = self.door.redeem_rates.ask(self.source)?;
        if let Err(refusal) = &self.version {
            return Ok(Err(refusal.clone()));
        }
        let FactoryRef { grant, secret, .. } = factory;
        let redeemed = self.door.factory.redeem(*grant, secret);
        Ok(redeemed.map(|_| {
            asking.proven();
            debug!(%grant, client = self.client, "factory redeemed");
            redeemed_of(self.door)
        }))
    }

    async fn create(
        &self,
        factory: &FactoryRef,
        request: Part<CreateShare>,
    ) -> Result<PostedAnswer, Fault> {
        let redeem = self.redeem_factory(factory)?;
        let create = match (&redeem, request) {
            (Err(refusal), _) => Err(refusal.clone()),
            (Ok(_), Err(error)) => Err(error.into()),
            (Ok(_), Ok(request)) => create_share(self.door, factory.grant, request).await?,
        };
        Ok(PostedAnswer::Create(redeem, create))
    }

    async fn publish(&self, proven: &Proven, request: Part<Publish>) -> Outcome<Minted> {
        let opened = match self.redeem(proven).await? {
            Ok(opened) => opened,
            Err(refusal) => return Ok(Err(refusal)),
        };
        match request {
            Ok(request) => publish(&self.door.hub, &opened.reading, request).await,
            Err(error) => Ok(Err(error.into())),
        }
    }

    async fn delete(&self, proven: &Proven, origin: Part<Origin>) -> Outcome<Cut> {
        let Opened { reading, .. } = match self.redeem(proven).await? {
            Ok(opened) => opened,
            Err(refusal) => return Ok(Err(refusal)),
        };
        let origin = match origin {
            Ok(origin) => origin,
            Err(error) => return Ok(Err(error.into())),
        };
        let authority = reading.authority.clone();
        let deleting = reading.call(DeleteCall { authority, origin }, 0);
        Ok(deleting.outcome().await?.map(|ended| ended.cut))
    }
}

/// What the engine is asked; whoever has the outbox's key has the outbox, and the key itself goes no
/// further.
pub(super) fn claim_of(request: &wire::ClaimRequest) -> share_engine::ClaimRequest {
    share_engine::ClaimRequest {
        outbox: request.outbox_key.outbox_id(),
        incarnation: request.incarnation,
        nonce: request.nonce,
        history: request.history,
    }
}
