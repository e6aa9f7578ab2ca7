//! What a connection begins with: redeeming refs.

use std::rc::Rc;

use capnp::Error;
use share_model::{
    FactoryRedeemed, FactoryRef, GrantId, OwnerProof, Refusal, ShareId, ShareRef,
    version_with_client,
};
use share_network::Party;
use share_proto::share_capnp::{bootstrap, share_factory};
use share_proto::wire::{self, SlugToRedeem};
use tracing::info;

use super::arriving::Arriving;
use super::connection::Connection;
use super::exception::{exception, malformed};
use super::factory::{ShareFactory, redeemed_of};
use super::floor::level;
use super::reading::Reading;
use super::redeems::Try;
use super::refused::Refused;
use super::session::{Opened, Session};
use crate::owner::{Outcome, RedeemCall};

/// No share has this id: the server's own are UUIDs of version 8.
pub(crate) const NO_SHARE: ShareId = ShareId::from_bytes([0; 16]);

/// Redeems refs for one connection.
#[derive(Debug)]
pub(super) struct Bootstrap {
    connection: Rc<Connection>,
}

impl Bootstrap {
    pub(super) fn new(connection: Rc<Connection>) -> Self {
        Self { connection }
    }

    /// Redeems a ref; gives what it opens, also if its authority has ended.
    async fn share(&self, params: bootstrap::RedeemShareParams) -> Outcome<Opened> {
        let _call = self.connection.begin_call()?;
        let trying = self.connection.begin_redeem()?;
        let presented = match read_share(&params) {
            Ok(presented) => presented,
            Err(refusal) => return Ok(Err(refusal)),
        };
        drop(params);
        let (sturdy_ref, proof) = &presented.sturdy_ref;
        let command = RedeemCall {
            grant: sturdy_ref.grant,
            secret: sturdy_ref.secret.hash(),
            proof: *proof,
            client: presented.client,
            protocol_version: presented.protocol_version,
        };
        let redeeming = self.redeem(sturdy_ref.share, command, &trying);
        level(&*self.connection.door.seams.clock, redeeming).await
    }

    /// Redeems the grant of a public address.
    async fn slug(&self, params: bootstrap::RedeemSlugParams) -> Outcome<Opened> {
        let _call = self.connection.begin_call()?;
        let trying = self.connection.begin_redeem()?;
        let presented = match read_slug(&params) {
            Ok(presented) => presented,
            Err(refusal) => return Ok(Err(refusal)),
        };
        drop(params);
        let SlugToRedeem { grant, hash } = presented.sturdy_ref;
        let door = &self.connection.door;
        let redeeming = async {
            let share = door.within(async { Ok(Ok(door.hub.resolve(grant).await?)) });
            let share = match share.await? {
                Ok(share) => share,
                Err(refusal) => return Ok(Err(refusal)),
            };
            let command = RedeemCall {
                grant,
                secret: hash,
                proof: None,
                client: presented.client,
                protocol_version: presented.protocol_version,
            };
            // Of an address that nobody has, a share is asked that nobody has.
            let share = share.unwrap_or(NO_SHARE);
            self.redeem(share, command, &trying).await
        };
        level(&*door.seams.clock, redeeming).await
    }

    async fn redeem(
        &self,
        share: ShareId,
        command: RedeemCall,
        trying: &Try<'_>,
    ) -> Outcome<Opened> {
        let (grant, client) = (command.grant, &command.client);
        let door = &self.connection.door;
        let redeeming = door.hub.redeem(share, || command.clone());
        let redeemed = door.within(redeeming).await?;
        Ok(redeemed.map(|(handle, opened)| {
            info!(%share, %grant, client, "share redeemed");
            if opened.redeemed.is_ok() {
                trying.proven(party(Some(share), opened.subtree));
            }
            let authority = opened.authority;
            Opened {
                reading: Reading {
                    handle,
                    authority,
                    allotment: opened.allotment,
                },
                redeemed: Rc::new(opened.redeemed),
                _ticket: opened.ticket,
            }
        }))
    }

    fn factory(
        &self,
        params: &bootstrap::RedeemFactoryParams,
    ) -> Outcome<(share_factory::Client, FactoryRedeemed)> {
        let _call = self.connection.begin_call()?;
        let trying = self.connection.begin_redeem()?;
        let presented = match read_factory(params) {
            Ok(presented) => presented,
            Err(refusal) => return Ok(Err(refusal)),
        };
        let door = &self.connection.door;
        let FactoryRef { grant, secret, .. } = presented.sturdy_ref;
        if let Err(refusal) = door.factory.redeem(grant, &secret) {
            return Ok(Err(refusal));
        }
        trying.proven(party(None, Some(grant)));
        let client = presented.client;
        info!(%grant, client, "factory redeemed");
        let redeemed = redeemed_of(door);
        let factory = ShareFactory::new(Rc::clone(&self.connection), grant);
        Ok(Ok((capnp_rpc::new_client(factory), redeemed)))
    }
}

/// Gives out the session at once, and tells the outcome of redeeming on it.
macro_rules! give_session {
    ($bootstrap:ident.$redeem:ident($params:ident), $results:ident) => {{
        let connection = Rc::clone(&$bootstrap.connection);
        let held = connection.sessions.take();
        let held = held.map_err(|fault| exception(&fault))?;
        let bootstrap = Rc::clone(&$bootstrap);
        let redeeming = async move { bootstrap.$redeem($params).await };
        let opened = Arriving::begin(&connection, redeeming);
        let session = Session::new(connection, opened.clone(), held);
        $results.get().set_session(capnp_rpc::new_client(session));
        $results.set_pipeline()?;
        let opened = opened.get().await.map_err(|fault| exception(&fault))?;
        let outcome = opened.and_then(|opened| Result::clone(&opened.redeemed));
        wire::write_redeem_outcome(&outcome, $results.get().init_outcome());
        Ok(())
    }};
}

impl bootstrap::Server for Bootstrap {
    async fn redeem_share(
        self: Rc<Self>,
        params: bootstrap::RedeemShareParams,
        mut results: bootstrap::RedeemShareResults,
    ) -> Result<(), Error> {
        give_session!(self.share(params), results)
    }

    async fn redeem_slug(
        self: Rc<Self>,
        params: bootstrap::RedeemSlugParams,
        mut results: bootstrap::RedeemSlugResults,
    ) -> Result<(), Error> {
        give_session!(self.slug(params), results)
    }

    async fn redeem_factory(
        self: Rc<Self>,
        params: bootstrap::RedeemFactoryParams,
        mut results: bootstrap::RedeemFactoryResults,
    ) -> Result<(), Error> {
        let redeemed = self.factory(&params).map_err(|fault| exception(&fault))?;
        let (factory, outcome) = match redeemed {
            Ok((factory, redeemed)) => (factory, Ok(redeemed)),
            Err(refusal) => (
                capnp_rpc::new_client(Refused(refusal.clone())),
                Err(refusal),
            ),
        };
        let mut results = results.get();
        wire::write_factory_outcome(&outcome, results.reborrow().init_outcome());
        results.set_factory(factory);
        Ok(())
    }
}

/// What a ref says, and who brings it.
struct Presented<T> {
    sturdy_ref: T,
    /// The version that both sides speak.
    protocol_version: u32,
    client: String,
}

impl<T> Presented<T> {
    fn new(
        sturdy_ref: T,
        protocol_version: u32,
        client: capnp::Result<capnp::text::Reader<'_>>,
    ) -> Result<Self, Refusal> {
        Ok(Self {
            sturdy_ref,
            protocol_version: version_with_client(protocol_version)?,
            client: printable(&wire::read_client_name(client)?),
        })
    }
}

/// A ref, and what proves the owner to whom its grant may be sealed.
type Proven = (ShareRef, Option<OwnerProof>);

fn read_share(params: &bootstrap::RedeemShareParams) -> Result<Presented<Proven>, Refusal> {
    let params = params.get().map_err(malformed)?;
    let share_ref = wire::read_share_ref_to_redeem(params.get_ref().map_err(malformed)?);
    let proof = wire::read_owner_proof(params.get_owner_proof());
    Presented::new(
        (share_ref, proof),
        params.get_protocol_version(),
        params.get_client(),
    )
}

fn read_slug(params: &bootstrap::RedeemSlugParams) -> Result<Presented<SlugToRedeem>, Refusal> {
    let params = params.get().map_err(malformed)?;
    Presented::new(
        wire::read_slug_to_redeem(params.get_slug()),
        params.get_protocol_version(),
        params.get_client(),
    )
}

fn read_factory(params: &bootstrap::RedeemFactoryParams) -> Result<Presented<FactoryRef>, Refusal> {
    let params = params.get().map_err(malformed)?;
    let factory_ref = wire::read_factory_ref_to_redeem(params.get_ref().map_err(malformed)?);
    Presented::new(
        factory_ref,
        params.get_protocol_version(),
        params.get_client(),
    )
}

/// Who shares what one party may take of the server's memory: whoever has a grant of one subtree of a
/// share's, as the share's queue knows them, or one factory grant.
fn party(share: Option<ShareId>, subtree: Option<GrantId>) -> Party {
    let share = share.map_or(0, |share| u128::from_le_bytes(share.to_bytes()));
    let subtree = subtree.map_or(0, |grant| u128::from_le_bytes(grant.to_bytes()));
    // Ids are random: no two pairs come to the same.
    Party::new(share ^ subtree)
}

/// A client's name, fit for a log: it can't begin a line of its own, nor steer a terminal.
pub(super) fn printable(client: &str) -> String {
    client
        .chars()
        .map(|c| if c.is_control() { '\u{fffd}' } else { c })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn subtrees_of_a_share_other_shares_and_factory_grants_are_parties_of_their_own() {
        let shares = [1, 2].map(|id| ShareId::from_bytes([id; 16]));
        let [grant, other] = [16, 32].map(|id| GrantId::from_bytes([id; 16]));
        let parties = std::collections::BTreeSet::from([
            party(Some(shares[0]), None),
            party(Some(shares[0]), Some(grant)),
            party(Some(shares[0]), Some(other)),
            party(Some(shares[1]), None),
            party(Some(shares[1]), Some(grant)),
            party(None, Some(grant)),
        ]);
        assert_eq!(parties.len(), 6);
        assert_eq!(
            party(Some(shares[0]), Some(grant)),
            party(Some(shares[0]), Some(grant))
        );
    }

    #[test]
    fn a_clients_name_can_not_forge_a_log_line() {
        let printed = printable("share/1\nERROR \x1b[31m");
        assert_eq!(printed, "share/1\u{fffd}ERROR \u{fffd}[31m");
    }
}
