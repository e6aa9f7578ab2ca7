//! Giving a share a public address.

use share_engine::{MintChild, MintKind};
use share_model::{Minted, Publish, Right, Rights, Slug};

use super::reading::Reading;
use crate::hub::Hub;
use crate::owner::{CheckMintCall, MintCall, Outcome};

/// Publishes a share. The index of public addresses has the slug before the grant is made: one that
/// leads to no grant opens nothing, and a repeat makes the rest. Nothing is indexed for whoever may
/// not have the grant.
pub(crate) async fn publish(hub: &Hub, by: &Reading, request: Publish) -> Outcome<Minted> {
    let child = MintChild {
        kind: MintKind::Published,
        grant: Slug::grant_of(&request.slug_hash),
        secret_hash: request.slug_hash,
        rights: Rights::of(&[Right::Read]),
        expires_at: request.expires_at,
        label: request.label,
        sealed_for: None,
        origin: request.origin,
    };
    let authority = by.authority.clone();
    let may = CheckMintCall {
        authority: authority.clone(),
        child: child.clone(),
    };
    if let Err(refusal) = by.call(may, 0).outcome().await? {
        return Ok(Err(refusal));
    }
    let indexed = hub.publish_index(child.grant, by.handle.share()).await?;
    if let Err(refusal) = indexed {
        return Ok(Err(refusal));
    }
    by.call(MintCall { authority, child }, 0).outcome().await
}
