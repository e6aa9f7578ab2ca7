//! The replay's link over Cap'n Proto: redeem, claim and appends in one round trip.

use std::rc::Rc;
use std::sync::Arc;

use async_trait::async_trait;
use futures_util::FutureExt;
use share_model::{Ack, Batch, Envelope, OwnerKey, ShareRef};
use share_proto::share_capnp::appender;
use share_proto::wire;

use super::connector::Connector;
use super::error::ClientError;
use super::peer::{Peer, read_redeemed, write_redeem};
use crate::link::{Answer, LaneAppender, LaneRequest, Link, LinkedLane};

/// Connects to servers by Cap'n Proto RPC. Needs a [`tokio::task::LocalSet`].
#[derive(Debug, Clone)]
pub struct RpcLink {
    connector: Arc<dyn Connector>,
    owner: Option<OwnerKey>,
}

impl RpcLink {
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
impl Link for RpcLink {
    async fn open(&self, request: LaneRequest) -> Result<LinkedLane, ClientError> {
        let ShareRef {
            addresses,
            security,
            ..
        } = &request.reference;
        let (peer, bootstrap) = Peer::connect(&*self.connector, addresses, *security).await?;
        let peer = Rc::new(peer);

        let mut redeem = bootstrap.redeem_share_request();
        write_redeem(&request.reference, self.owner.as_ref(), redeem.get());
        let redeeming = redeem.send();

        let mut claim = redeeming.pipeline.get_session().claim_writer_request();
        let claim_request = wire::ClaimRequest {
            outbox_key: request.key,
            incarnation: request.incarnation,
            nonce: request.nonce,
            history: request.history,
        };
        wire::write_claim_request(&claim_request, claim.get());
        let claiming = claim.send();

        let appender = claiming.pipeline.get_appender();
        let grant = request.reference.grant;
        let (redeem_peer, claim_peer) = (Rc::clone(&peer), Rc::clone(&peer));
        let redeemed = async move {
            let response = redeeming.promise.await?;
            drop(redeem_peer);
            read_redeemed(response.get()?.get_outcome()?, grant)
        };
        let claimed = async move {
            let response = claiming.promise.await?;
            drop(claim_peer);
            Ok(wire::read_claim_outcome(response.get()?.get_outcome()?)??)
        };
        Ok(LinkedLane {
            redeemed: redeemed.boxed_local(),
            claimed: claimed.boxed_local(),
            appender: Box::new(RpcAppender { appender, peer }),
        })
    }
}

struct RpcAppender {
    appender: appender::Client,
    /// The connection lives as long as this, or an answer that is waited for.
    peer: Rc<Peer>,
}

impl LaneAppender for RpcAppender {
    fn append(&self, batch: &Batch, envelope: Envelope) -> Answer<Ack> {
        let mut append = self.appender.append_ops_request();
        wire::write_batch(batch, append.get().init_batch());
        wire::write_envelope(&envelope, append.get().init_envelope());
        let entries = batch.entries.len();
        let appending = append.send();
        let peer = Rc::clone(&self.peer);
        let answer = async move {
            let response = appending.promise.await?;
            drop(peer);
            Ok(wire::read_append_outcome(
                response.get()?.get_outcome()?,
                entries,
            )??)
        };
        answer.boxed_local()
    }
}
