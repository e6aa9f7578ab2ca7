//! What an administrator does with a share: grants, and how they end.

use capnp::capability::RemotePromise;
use share_model::{
    Attenuate, AuditEntry, BumpEpoch, Bumped, Cut, GrantId, GrantInfo, Minted, Origin, OwnerId,
    OwnerKey, Publish, RefusalCode, Secret, ShareRef, ToldEvent,
};
use share_proto::persistent_capnp::persistent;
use share_proto::share_capnp::{bootstrap, share_ref, share_session};
use share_proto::wire;

use super::connector::Connector;
use super::error::ClientError;
use super::fallback::rpc_or_http;
use super::http;
use super::peer::{Peer, in_time, write_redeem};
use super::session::Session;

/// Grants or entries of one share that are held at most, whatever a server sends: sixteen times what
/// one keeps by default.
const TOLD_MAX: usize = 16 * 1024;

impl Session {
    /// Makes a weaker grant below this session's own. Store the request's id and the new secret
    /// durably before the call: repeated with the same content it gives the same answer.
    ///
    /// # Errors
    ///
    /// If the server refuses, or no answer comes: repeat it then.
    pub async fn attenuate(&self, request: &Attenuate) -> Result<Minted, ClientError> {
        let mut attenuate = self.client.attenuate_request();
        wire::write_attenuate(request, attenuate.get().init_request());
        let response = in_time(attenuate.send().promise).await?;
        Ok(wire::read_mint_outcome(response.get()?.get_outcome()?)??)
    }

    /// Gives the share a public address, under which whoever has it may read. Store the slug durably
    /// before the call: repeated with the same content it gives the same answer.
    ///
    /// # Errors
    ///
    /// If the server refuses, or no answer comes: repeat it then.
    pub async fn publish(&self, request: &Publish) -> Result<Minted, ClientError> {
        let mut publish = self.client.publish_request();
        wire::write_publish(request, publish.get().init_request());
        let response = in_time(publish.send().promise).await?;
        Ok(wire::read_mint_outcome(response.get()?.get_outcome()?)??)
    }

    /// Ends a grant and all that were made from it: once this returns, nothing of theirs is applied
    /// and nothing is read under them. May be repeated; then nothing more is cut.
    ///
    /// # Errors
    ///
    /// If the server refuses, or no answer comes: repeat it then.
    pub async fn revoke(&self, grant: GrantId, origin: &Origin) -> Result<Cut, ClientError> {
        let mut revoke = self.client.revoke_capability_request();
        let origin = origin.clone();
        wire::write_revoke_request(&wire::RevokeRequest { grant, origin }, revoke.get());
        let response = in_time(revoke.send().promise).await?;
        Ok(wire::read_end_outcome(response.get()?.get_outcome()?)??)
    }

    /// Refuses claims and appends until [`Session::unfreeze`]; reading goes on. Whether the share is
    /// frozen now. May be repeated.
    ///
    /// # Errors
    ///
    /// If the server refuses, or no answer comes: repeat it then.
    pub async fn freeze(&self, origin: &Origin) -> Result<bool, ClientError> {
        let mut freeze = self.client.freeze_request();
        wire::write_origin(origin, freeze.get().init_origin());
        let response = in_time(freeze.send().promise).await?;
        Ok(wire::read_freeze_outcome(response.get()?.get_outcome()?)??)
    }

    /// Lets appends in again. Whether the share is frozen now. May be repeated.
    ///
    /// # Errors
    ///
    /// If the server refuses, or no answer comes: repeat it then.
    pub async fn unfreeze(&self, origin: &Origin) -> Result<bool, ClientError> {
        let mut unfreeze = self.client.unfreeze_request();
        wire::write_origin(origin, unfreeze.get().init_origin());
        let response = in_time(unfreeze.send().promise).await?;
        Ok(wire::read_freeze_outcome(response.get()?.get_outcome()?)??)
    }

    /// Erases the share's content for good. May be repeated, also under a grant that ended with the
    /// share.
    ///
    /// # Errors
    ///
    /// If the server refuses, or no answer comes: repeat it then.
    pub async fn delete(&self, origin: &Origin) -> Result<Cut, ClientError> {
        let mut delete = self.client.delete_request();
        wire::write_origin(origin, delete.get().init_origin());
        let response = in_time(delete.send().promise).await?;
        Ok(wire::read_end_outcome(response.get()?.get_outcome()?)??)
    }

    /// Ends every grant and session of the share's epoch, this one included, and installs a new
    /// owner's grant. Store the request's id and the new secret durably before the call; repeated
    /// with the same ones it gives the same answer.
    ///
    /// # Errors
    ///
    /// If the server refuses, or no answer comes: repeat it then.
    pub async fn bump_epoch(&self, request: &BumpEpoch) -> Result<Bumped, ClientError> {
        let mut bump = self.client.bump_epoch_request();
        wire::write_bump_epoch(request, bump.get().init_request());
        let response = in_time(bump.send().promise).await?;
        Ok(wire::read_bump_outcome(response.get()?.get_outcome()?)??)
    }

    /// The grants that this session's grant may see, by id, revoked ones among them.
    ///
    /// # Errors
    ///
    /// If the server refuses, or no answer comes, or its pages do not end.
    pub async fn grants(&self) -> Result<Vec<GrantInfo>, ClientError> {
        let mut told: Vec<GrantInfo> = Vec::new();
        loop {
            let after = told.last().map(|grant| grant.id);
            let mut grants = self.client.grants_request();
            wire::write_grants_request(after, grants.get());
            let response = in_time(grants.send().promise).await?;
            let page = wire::read_grants_outcome(response.get()?.get_outcome()?)??;
            if page.is_empty() {
                return Ok(told);
            }
            let before = after.into_iter().chain(page.iter().map(|grant| grant.id));
            check_goes_on("grants", before.is_sorted_by(|a, b| a < b))?;
            told.extend(page);
            check_ends("grants", told.len())?;
        }
    }

    /// What happened to the share's authority, in order: the entries with numbers above `after`. Of
    /// what lies further back than the server keeps, nothing.
    ///
    /// # Errors
    ///
    /// If the server refuses, or no answer comes, or its pages do not end.
    pub async fn audit(&self, after: u64) -> Result<Vec<AuditEntry<ToldEvent>>, ClientError> {
        let mut told: Vec<AuditEntry<ToldEvent>> = Vec::new();
        loop {
            let after = told.last().map_or(after, |entry| entry.number);
            let mut audit = self.client.audit_request();
            audit.get().set_after(after);
            let response = in_time(audit.send().promise).await?;
            let page = wire::read_audit_outcome(response.get()?.get_outcome()?)??;
            if page.is_empty() {
                return Ok(told);
            }
            let numbers = [after].into_iter().chain(page.iter().map(|it| it.number));
            check_goes_on("the audit", numbers.is_sorted_by(|a, b| a < b))?;
            told.extend(page);
            check_ends("the audit", told.len())?;
        }
    }

    /// Mints a ref with the same rights, as a child of this session's grant. Not repeatable: each
    /// call mints a new grant.
    ///
    /// # Errors
    ///
    /// If authority has ended, or no answer comes.
    pub async fn save(&self) -> Result<ShareRef, ClientError> {
        self.save_for(None).await
    }

    /// As [`Session::save`], sealed to an owner: nobody else can redeem the ref.
    ///
    /// # Errors
    ///
    /// As [`Session::save`].
    pub async fn save_for(&self, owner: Option<OwnerId>) -> Result<ShareRef, ClientError> {
        let persistent: persistent::Client<share_ref::Owned, capnp::text::Owned> =
            capnp::capability::FromClientHook::new(
                capnp::capability::FromClientHook::into_client_hook(self.client.clone()),
            );
        let mut save = persistent.save_request();
        if let Some(owner) = owner {
            let owner = owner.to_string();
            save.get().set_seal_for(owner.as_str())?;
        }
        let response = in_time(save.send().promise).await?;
        Ok(wire::read_share_ref(response.get()?.get_sturdy_ref()?)?)
    }
}

/// As [`Session::attenuate`], in one round trip with the redeem. Needs a [`tokio::task::LocalSet`].
///
/// # Errors
///
/// If the server refuses, or no answer comes: repeat it then.
pub async fn attenuate_share(
    connector: &dyn Connector,
    reference: &ShareRef,
    owner: Option<&OwnerKey>,
    request: &Attenuate,
) -> Result<Minted, ClientError> {
    let redeeming = Redeeming::start(connector, reference, owner).await?;
    let mut attenuate = redeeming.session().attenuate_request();
    wire::write_attenuate(request, attenuate.get().init_request());
    let response = in_time(attenuate.send().promise).await?;
    Ok(wire::read_mint_outcome(response.get()?.get_outcome()?)??)
}

/// As [`Session::publish`], in one round trip with the redeem: by RPC, or where no server is reached by
/// that and the ref has an address for it, by HTTP. Needs a [`tokio::task::LocalSet`].
///
/// # Errors
///
/// If the server refuses, or no answer comes: repeat it then.
pub async fn publish_share(
    connector: &dyn Connector,
    reference: &ShareRef,
    owner: Option<&OwnerKey>,
    request: &Publish,
) -> Result<Minted, ClientError> {
    let by_rpc = async || {
        let redeeming = Redeeming::start(connector, reference, owner).await?;
        let mut publish = redeeming.session().publish_request();
        wire::write_publish(request, publish.get().init_request());
        let response = in_time(publish.send().promise).await?;
        Ok(wire::read_mint_outcome(response.get()?.get_outcome()?)??)
    };
    let by_http = async || http::publish(connector, (reference, owner), request).await;
    rpc_or_http(&reference.addresses, by_rpc, by_http).await
}

/// As [`Session::bump_epoch`], in one round trip with the redeem. Repeated after a lost answer it still
/// gives that answer, although `reference` ended with the first call. Needs a
/// [`tokio::task::LocalSet`].
///
/// # Errors
///
/// If the server refuses, or no answer comes: repeat it then.
pub async fn bump_epoch(
    connector: &dyn Connector,
    reference: &ShareRef,
    owner: Option<&OwnerKey>,
    request: &BumpEpoch,
) -> Result<Bumped, ClientError> {
    let redeeming = Redeeming::start(connector, reference, owner).await?;
    let mut bump = redeeming.session().bump_epoch_request();
    wire::write_bump_epoch(request, bump.get().init_request());
    let response = in_time(bump.send().promise).await?;
    Ok(wire::read_bump_outcome(response.get()?.get_outcome()?)??)
}

/// As [`bump_epoch`], by who holds the new owner's secret. A server that was restored from a backup which
/// is older than `reference` does not know it any more; if it knows the bump, from its journal, the
/// answer is what the new ref opens, and tells of nothing that was cut.
///
/// # Errors
///
/// As [`bump_epoch`].
pub async fn rotate_share(
    connector: &dyn Connector,
    reference: &ShareRef,
    owner: Option<&OwnerKey>,
    (request, secret): (&BumpEpoch, &Secret),
) -> Result<Bumped, ClientError> {
    let refused = match bump_epoch(connector, reference, owner, request).await {
        Err(ClientError::Refused(refusal)) if refusal.code == RefusalCode::NotAuthorized => refusal,
        answered => return answered,
    };
    let epoch = reference.epoch.next();
    let new = ShareRef {
        grant: request.owner_grant(reference.share, epoch),
        epoch,
        secret: secret.clone(),
        ..reference.clone()
    };
    match Session::redeem(connector, &new).await {
        Ok(_) => Ok(Bumped {
            epoch,
            grant: new.grant,
            cut: Cut::default(),
        }),
        Err(ClientError::Refused(_)) => Err(refused.into()),
        Err(error) => Err(error),
    }
}

/// As [`Session::delete`], in one round trip with the redeem, by RPC or HTTP as [`publish_share`].
/// Repeated it still answers, although `reference` ended with the first call. Needs a [`tokio::task::LocalSet`].
///
/// # Errors
///
/// If the server refuses, or no answer comes: repeat it then.
pub async fn delete_share(
    connector: &dyn Connector,
    reference: &ShareRef,
    owner: Option<&OwnerKey>,
    origin: &Origin,
) -> Result<Cut, ClientError> {
    let by_rpc = async || {
        let redeeming = Redeeming::start(connector, reference, owner).await?;
        let mut delete = redeeming.session().delete_request();
        wire::write_origin(origin, delete.get().init_origin());
        let response = in_time(delete.send().promise).await?;
        Ok(wire::read_end_outcome(response.get()?.get_outcome()?)??)
    };
    let by_http = async || http::delete(connector, (reference, owner), origin).await;
    rpc_or_http(&reference.addresses, by_rpc, by_http).await
}

/// A ref that is being redeemed. Its answer is not asked for: a session that was refused gives that
/// refusal to every call, but to one that is repeated under the authority which it ended.
struct Redeeming {
    _peer: Peer,
    answer: RemotePromise<bootstrap::redeem_share_results::Owned>,
}

impl Redeeming {
    async fn start(
        connector: &dyn Connector,
        reference: &ShareRef,
        owner: Option<&OwnerKey>,
    ) -> Result<Self, ClientError> {
        let (peer, bootstrap) =
            Peer::connect(connector, &reference.addresses, reference.security).await?;
        let mut redeem = bootstrap.redeem_share_request();
        write_redeem(reference, owner, redeem.get());
        Ok(Self {
            _peer: peer,
            answer: redeem.send(),
        })
    }

    fn session(&self) -> share_session::Client {
        self.answer.pipeline.get_session()
    }
}

/// A page that tells again what was told would be asked for ever.
fn check_goes_on(what: &str, goes_on: bool) -> Result<(), ClientError> {
    if goes_on {
        return Ok(());
    }
    let reason = format!("a page of {what} does not go on");
    Err(ClientError::Failed { reason })
}

fn check_ends(what: &str, told: usize) -> Result<(), ClientError> {
    if told <= TOLD_MAX {
        return Ok(());
    }
    let reason = format!("it tells more than {TOLD_MAX} items of {what}");
    Err(ClientError::Failed { reason })
}

#[cfg(test)]
mod tests;
