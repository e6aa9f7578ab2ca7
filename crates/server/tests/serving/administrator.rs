//! What an administrator asks of a session, as values.

use share_model::{
    Attenuate, AuditEntry, Cut, GrantId, GrantInfo, Minted, Publish, Redeemed, RequestId, Right,
    Rights, ShareRef, Slug, ToldEvent, UnixMs,
};
use share_proto::wire::{self, RevokeRequest};

use super::client::{Client, Outcome, Session, origin, secret};

pub(crate) const READ: &[Right] = &[Right::Read];
pub(crate) const APPEND: &[Right] = &[Right::Read, Right::Append];
pub(crate) const ADMIN: &[Right] = &[Right::Read, Right::Append, Right::Admin];

/// A request for a grant; its number stands for request id and secret.
pub(crate) fn attenuation(number: u8, rights: &[Right]) -> Attenuate {
    Attenuate {
        request: RequestId::from_bytes([number; 16]),
        secret_hash: secret(u64::from(number)).hash(),
        rights: Rights::of(rights),
        expires_at: None,
        label: format!("grant {number}"),
        sealed_for: None,
        origin: origin(),
    }
}

/// The ref of a grant that a request with this number made.
pub(crate) fn ref_of(owner: &ShareRef, minted: Minted, number: u8) -> ShareRef {
    ShareRef {
        grant: minted.grant,
        epoch: minted.epoch,
        secret: secret(u64::from(number)),
        ..owner.clone()
    }
}

pub(crate) fn publication(slug: &Slug, expires_at: Option<UnixMs>) -> Publish {
    Publish {
        slug_hash: slug.hash(),
        expires_at,
        label: "page".to_owned(),
        origin: origin(),
    }
}

impl Session {
    pub(crate) async fn attenuate(&self, asked: &Attenuate) -> Outcome<Minted> {
        let mut request = self.0.attenuate_request();
        wire::write_attenuate(asked, request.get().init_request());
        let response = request.send().promise.await?;
        Ok(wire::read_mint_outcome(response.get()?.get_outcome()?).unwrap())
    }

    /// The ref of a new grant with these rights.
    pub(crate) async fn grant(&self, owner: &ShareRef, number: u8, rights: &[Right]) -> ShareRef {
        let minted = self.attenuate(&attenuation(number, rights)).await;
        ref_of(owner, minted.unwrap().unwrap(), number)
    }

    pub(crate) async fn publish(&self, asked: &Publish) -> Outcome<Minted> {
        let mut request = self.0.publish_request();
        wire::write_publish(asked, request.get().init_request());
        let response = request.send().promise.await?;
        Ok(wire::read_mint_outcome(response.get()?.get_outcome()?).unwrap())
    }

    /// Sends the call; it has its place in the order of calls when this returns.
    pub(crate) fn revoke(&self, grant: GrantId) -> impl Future<Output = Outcome<Cut>> + use<> {
        let mut request = self.0.revoke_capability_request();
        let asked = RevokeRequest {
            grant,
            origin: origin(),
        };
        wire::write_revoke_request(&asked, request.get());
        let sent = request.send();
        async move {
            let response = sent.promise.await?;
            Ok(wire::read_end_outcome(response.get()?.get_outcome()?).unwrap())
        }
    }

    pub(crate) async fn set_frozen(&self, frozen: bool) -> Outcome<bool> {
        let outcome = if frozen {
            let mut request = self.0.freeze_request();
            wire::write_origin(&origin(), request.get().init_origin());
            let response = request.send().promise.await?;
            wire::read_freeze_outcome(response.get()?.get_outcome()?)
        } else {
            let mut request = self.0.unfreeze_request();
            wire::write_origin(&origin(), request.get().init_origin());
            let response = request.send().promise.await?;
            wire::read_freeze_outcome(response.get()?.get_outcome()?)
        };
        Ok(outcome.unwrap())
    }

    /// Sends the call; it has its place in the order of calls when this returns.
    pub(crate) fn delete(&self) -> impl Future<Output = Outcome<Cut>> + use<> {
        let mut request = self.0.delete_request();
        wire::write_origin(&origin(), request.get().init_origin());
        let sent = request.send();
        async move {
            let response = sent.promise.await?;
            Ok(wire::read_end_outcome(response.get()?.get_outcome()?).unwrap())
        }
    }

    pub(crate) async fn grants(&self) -> Outcome<Vec<GrantInfo>> {
        let request = self.0.grants_request();
        let response = request.send().promise.await?;
        Ok(wire::read_grants_outcome(response.get()?.get_outcome()?).unwrap())
    }

    pub(crate) async fn audit(&self) -> Outcome<Vec<AuditEntry<ToldEvent>>> {
        let request = self.0.audit_request();
        let response = request.send().promise.await?;
        Ok(wire::read_audit_outcome(response.get()?.get_outcome()?).unwrap())
    }
}

impl Client {
    /// Redeems a slug without waiting for the outcome.
    pub(crate) fn redeem_slug(
        &self,
        slug: &[u8],
    ) -> (Session, impl Future<Output = Outcome<Redeemed>> + use<>) {
        let mut request = self.bootstrap.redeem_slug_request();
        request.get().set_slug(slug);
        request.get().set_protocol_version(1);
        request.get().set_client("tests/1");
        let sent = request.send();
        let session = Session(sent.pipeline.get_session());
        let outcome = async move {
            let response = sent.promise.await?;
            Ok(wire::read_redeem_outcome(response.get()?.get_outcome()?).unwrap())
        };
        (session, outcome)
    }
}
