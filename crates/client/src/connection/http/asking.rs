//! Calls that need no lane: what a bridge asks of a server.

use share_model::{
    CreateShare, CreatedShare, Cut, FactoryRedeemed, FactoryRef, Minted, Origin, OwnerKey,
    PROTOCOL_VERSION, Publish, Security, ShareId, ShareRef,
};
use share_proto::wire::{Posted, PostedAnswer, PostedCall, Proven};

use super::poster::Poster;
use crate::connection::connector::Connector;
use crate::connection::error::ClientError;
use crate::connection::peer::{CLIENT, proof_of};

/// In the place of a share's id, where a call is of none.
const NO_SHARE: ShareId = ShareId::from_bytes([0; 16]);

/// As [`create_share`](crate::create_share), by HTTP.
pub(in crate::connection) async fn create(
    connector: &dyn Connector,
    factory: &FactoryRef,
    request: &CreateShare,
) -> Result<(CreatedShare, FactoryRedeemed), ClientError> {
    let (share, _) = request.ids(factory.grant);
    let asked = Posted::Create(factory.clone(), Ok(request.clone()));
    match ask(
        connector,
        (&factory.addresses, factory.security),
        share,
        asked,
    )
    .await?
    {
        PostedAnswer::Create(redeemed, created) => {
            let redeemed = redeemed?;
            Ok((created?, redeemed))
        }
        _ => Err(other_answer()),
    }
}

/// As [`factory_served`](crate::factory_served), by HTTP.
pub(in crate::connection) async fn served(
    connector: &dyn Connector,
    factory: &FactoryRef,
) -> Result<FactoryRedeemed, ClientError> {
    let asked = Posted::Factory(factory.clone());
    match ask(
        connector,
        (&factory.addresses, factory.security),
        NO_SHARE,
        asked,
    )
    .await?
    {
        PostedAnswer::Factory(redeemed) => Ok(redeemed?),
        _ => Err(other_answer()),
    }
}

/// As [`publish_share`](crate::publish_share), by HTTP.
pub(in crate::connection) async fn publish(
    connector: &dyn Connector,
    (reference, owner): (&ShareRef, Option<&OwnerKey>),
    request: &Publish,
) -> Result<Minted, ClientError> {
    let asked = Posted::Publish(proven(reference, owner), Ok(request.clone()));
    match ask_share(connector, reference, asked).await? {
        PostedAnswer::Publish(minted) => Ok(minted?),
        _ => Err(other_answer()),
    }
}

/// As [`delete_share`](crate::delete_share), by HTTP.
pub(in crate::connection) async fn delete(
    connector: &dyn Connector,
    (reference, owner): (&ShareRef, Option<&OwnerKey>),
    origin: &Origin,
) -> Result<Cut, ClientError> {
    let asked = Posted::Delete(proven(reference, owner), Ok(origin.clone()));
    match ask_share(connector, reference, asked).await? {
        PostedAnswer::Delete(cut) => Ok(cut?),
        _ => Err(other_answer()),
    }
}

/// What is sent of a ref, with what proves its owner: where the server is, it knows.
pub(super) fn proven(reference: &ShareRef, owner: Option<&OwnerKey>) -> Proven {
    Proven {
        reference: ShareRef {
            addresses: Vec::new(),
            security: Security::ByAddress,
            ..reference.clone()
        },
        proof: owner.map(|owner| proof_of(reference, owner)),
    }
}

/// A call of this client.
pub(super) fn call_of(asked: Posted) -> PostedCall {
    PostedCall {
        protocol_version: PROTOCOL_VERSION,
        client: CLIENT.to_owned(),
        asked,
    }
}

pub(super) fn other_answer() -> ClientError {
    ClientError::Failed {
        reason: "its answer is to another call".to_owned(),
    }
}

async fn ask_share(
    connector: &dyn Connector,
    reference: &ShareRef,
    asked: Posted,
) -> Result<PostedAnswer, ClientError> {
    let at = (&*reference.addresses, reference.security);
    ask(connector, at, reference.share, asked).await
}

async fn ask(
    connector: &dyn Connector,
    (addresses, security): (&[String], Security),
    share: ShareId,
    asked: Posted,
) -> Result<PostedAnswer, ClientError> {
    let mut poster = Poster::connect(connector, addresses, security).await?;
    poster.post(share, &call_of(asked), &[]).await
}
