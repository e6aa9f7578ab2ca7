//! What a session does to authority: grants are made, ended and listed, the share is frozen or
//! deleted.

use share_engine::{Authority, MintChild, MintKind};
use share_model::{
    Attenuate, AuditEntry, Cut, GrantId, GrantInfo, Minted, OwnerId, Publish, Refusal, Secret,
    ShareId, ShareRef,
};
use share_proto::share_capnp::share_session;
use share_proto::wire;

use super::Session;
use super::saved_by;
use crate::owner::{AuditCall, DeleteCall, FreezeCall, GrantsCall, MintCall, Outcome, RevokeCall};
use crate::rpc::exception::malformed;
use crate::rpc::publishing::publish;

/// What stands before share and request in the hash from which a grant has its id. Persisted by what
/// it names: keep stable.
const GRANT_DOMAIN: &[u8] = b"share-grant-1";

/// The grant that a request makes in a share: so that it is the same however often it is asked for.
fn grant_of(share: ShareId, request: &Attenuate) -> GrantId {
    let parts = [&share.to_bytes()[..], &request.request.to_bytes()[..]];
    GrantId::derived(GRANT_DOMAIN, &parts)
}

impl Session {
    pub(super) async fn attenuate(
        &self,
        params: share_session::AttenuateParams,
    ) -> Outcome<Minted> {
        let read = params.get().and_then(|params| params.get_request());
        let request = match read_as(read, wire::read_attenuate) {
            Ok(request) => request,
            Err(refusal) => return Ok(Err(refusal)),
        };
        let share = match self.opened.get().await? {
            Ok(opened) => opened.reading.handle.share(),
            Err(refusal) => return Ok(Err(refusal)),
        };
        let child = MintChild {
            kind: MintKind::Attenuated,
            grant: grant_of(share, &request),
            secret_hash: request.secret_hash,
            rights: request.rights,
            expires_at: request.expires_at,
            label: request.label,
            sealed_for: request.sealed_for,
            origin: request.origin,
        };
        self.mint(child).await
    }

    pub(super) async fn publish(&self, params: share_session::PublishParams) -> Outcome<Minted> {
        let read = params.get().and_then(|params| params.get_request());
        let request: Publish = match read_as(read, wire::read_publish) {
            Ok(request) => request,
            Err(refusal) => return Ok(Err(refusal)),
        };
        let _call = self.connection.begin_call()?;
        let door = &self.connection.door;
        let published = async {
            match self.opened.get().await? {
                Ok(opened) => publish(&door.hub, &opened.reading, request).await,
                Err(refusal) => Ok(Err(refusal)),
            }
        };
        door.within(published).await
    }

    async fn mint(&self, child: MintChild) -> Outcome<Minted> {
        let command = |authority| MintCall { authority, child };
        Ok(self.call(command).await?.map(|(_, minted)| minted))
    }

    /// Mints a child with the same rights, and gives its ref.
    pub(super) async fn save_ref(&self, seal_for: Option<OwnerId>) -> Outcome<ShareRef> {
        let door = &self.connection.door;
        let secret = Secret::random(&*door.seams.entropy);
        let grant = GrantId::new(&*door.seams.clock, &*door.seams.entropy);
        let secret_hash = secret.hash();
        let command = |authority: Authority| MintCall {
            child: MintChild {
                kind: MintKind::Saved,
                grant,
                secret_hash,
                rights: authority.rights(),
                expires_at: None,
                label: "saved".to_owned(),
                sealed_for: seal_for,
                origin: saved_by(authority.grant()),
            },
            authority,
        };
        let saved = self.call(command).await?;
        Ok(saved.map(|(reading, minted)| ShareRef {
            addresses: door.factory.served().addresses.clone(),
            share: reading.handle.share(),
            grant: minted.grant,
            epoch: minted.epoch,
            security: door.factory.served().security,
            secret,
        }))
    }

    pub(super) async fn revoke(
        &self,
        params: share_session::RevokeCapabilityParams,
    ) -> Outcome<Cut> {
        let request = match read_as(params.get(), wire::read_revoke_request) {
            Ok(request) => request,
            Err(refusal) => return Ok(Err(refusal)),
        };
        let command = |authority| RevokeCall {
            authority,
            grant: request.grant,
            origin: request.origin,
        };
        let ended = self.call(command).await?;
        Ok(ended.map(|(_, ended)| ended.cut))
    }

    pub(super) async fn set_frozen(
        &self,
        frozen: bool,
        origin: Result<share_model::Origin, Refusal>,
    ) -> Outcome<bool> {
        let origin = match origin {
            Ok(origin) => origin,
            Err(refusal) => return Ok(Err(refusal)),
        };
        let command = |authority| FreezeCall {
            authority,
            frozen,
            origin,
        };
        Ok(self.call(command).await?.map(|(_, frozen)| frozen))
    }

    pub(super) async fn delete_share(&self, params: share_session::DeleteParams) -> Outcome<Cut> {
        let origin = params.get().and_then(|params| params.get_origin());
        let origin = match read_as(origin, wire::read_origin) {
            Ok(origin) => origin,
            Err(refusal) => return Ok(Err(refusal)),
        };
        let command = |authority| DeleteCall { authority, origin };
        let ended = self.call(command).await?;
        Ok(ended.map(|(_, ended)| ended.cut))
    }

    pub(super) async fn list_grants(
        &self,
        params: share_session::GrantsParams,
    ) -> Outcome<Vec<GrantInfo>> {
        let after = match read_as(params.get(), wire::read_grants_request) {
            Ok(after) => after,
            Err(refusal) => return Ok(Err(refusal)),
        };
        let command = |authority| GrantsCall { authority, after };
        Ok(self.call(command).await?.map(|(_, grants)| grants))
    }

    pub(super) async fn read_audit(
        &self,
        params: share_session::AuditParams,
    ) -> Outcome<Vec<AuditEntry>> {
        let after = match params.get() {
            Ok(params) => params.get_after(),
            Err(error) => return Ok(Err(malformed(error))),
        };
        let command = |authority| AuditCall { authority, after };
        Ok(self.call(command).await?.map(|(_, entries)| entries))
    }
}

/// Reads what a call brings, or says what is wrong with it.
pub(super) fn read_as<R, T>(
    reader: capnp::Result<R>,
    read: impl FnOnce(R) -> Result<T, wire::WireError>,
) -> Result<T, Refusal> {
    Ok(read(reader.map_err(malformed)?)?)
}

#[cfg(test)]
mod tests {
    use share_model::{Origin, OriginKind, RequestId, Rights, SecretHash};

    use super::*;

    #[test]
    fn the_grant_of_a_request_follows_from_share_and_request() {
        let request = Attenuate {
            request: RequestId::from_bytes([2; 16]),
            secret_hash: SecretHash::from_bytes([3; 32]),
            rights: Rights::ALL,
            expires_at: None,
            label: String::new(),
            sealed_for: None,
            origin: Origin::new(OriginKind::User, "u".into(), 9).unwrap(),
        };
        let grant = grant_of(ShareId::from_bytes([1; 16]), &request);
        // By sha256sum of the domain, sixteen 0x01 and sixteen 0x02; version and variant set.
        assert_eq!(grant.to_string(), "069f1d33745a8ae68d2567b53b710103");
    }
}
