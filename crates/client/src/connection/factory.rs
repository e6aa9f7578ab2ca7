//! Creating shares, and asking whether a server answers.

use std::time::Duration;

use capnp::capability::RemotePromise;
use share_model::{
    CertificatePin, CreateShare, CreatedShare, FactoryAttenuate, FactoryGrantInfo, FactoryRedeemed,
    FactoryRef, GrantId, PROTOCOL_VERSION, Security,
};
use share_proto::share_capnp::{bootstrap, share_factory};
use share_proto::wire;

use super::connector::{Connector, ProbeConnector};
use super::error::ClientError;
use super::fallback::rpc_or_http;
use super::http;
use super::peer::{CLIENT, Peer, in_time};

/// Creates a share, in one round trip: by RPC, or where no server is reached by that and the ref has
/// an address for it, by HTTP. Needs a [`tokio::task::LocalSet`]; see
/// [`on_own_thread`](crate::on_own_thread) where there is none.
///
/// Store the request's id and the owner's secret durably before the call: repeated with the same
/// ones, after a lost answer say, it gives the same share.
///
/// # Errors
///
/// If the server refuses, or no answer comes.
pub async fn create_share(
    connector: &dyn Connector,
    factory: &FactoryRef,
    request: &CreateShare,
) -> Result<(CreatedShare, FactoryRedeemed), ClientError> {
    rpc_or_http(
        &factory.addresses,
        async || create_by_rpc(connector, factory, request).await,
        async || http::create(connector, factory, request).await,
    )
    .await
}

async fn create_by_rpc(
    connector: &dyn Connector,
    factory: &FactoryRef,
    request: &CreateShare,
) -> Result<(CreatedShare, FactoryRedeemed), ClientError> {
    let redeeming = Redeeming::start(connector, factory).await?;
    let mut create = redeeming.factory().create_share_request();
    wire::write_create_share(request, create.get().init_request());
    let creating = create.send();

    let (_peer, redeemed) = redeeming.answer().await?;
    let response = in_time(creating.promise).await?;
    let created = wire::read_create_outcome(response.get()?.get_outcome()?)??;
    Ok((created, redeemed))
}

/// What a factory's server tells of itself: by RPC or HTTP, as [`create_share`]. Needs a
/// [`tokio::task::LocalSet`].
///
/// # Errors
///
/// If the server refuses, or no answer comes.
pub async fn factory_served(
    connector: &dyn Connector,
    factory: &FactoryRef,
) -> Result<FactoryRedeemed, ClientError> {
    let by_rpc = async || {
        let redeeming = Redeeming::start(connector, factory).await?;
        let (_peer, redeemed) = redeeming.answer().await?;
        Ok(redeemed)
    };
    let by_http = async || http::served(connector, factory).await;
    rpc_or_http(&factory.addresses, by_rpc, by_http).await
}

/// Makes a factory grant that may create shares within quotas, and nothing else; also gives what the
/// server told of itself, which goes into the new ref. As [`create_share`] otherwise.
///
/// # Errors
///
/// If the server refuses (`rightMissing`: `factory` is no root's), or no answer comes.
pub async fn attenuate_factory(
    connector: &dyn Connector,
    factory: &FactoryRef,
    request: &FactoryAttenuate,
) -> Result<(GrantId, FactoryRedeemed), ClientError> {
    let redeeming = Redeeming::start(connector, factory).await?;
    let mut attenuate = redeeming.factory().attenuate_request();
    wire::write_factory_attenuate(request, attenuate.get().init_request());
    let attenuating = attenuate.send();

    let (_peer, redeemed) = redeeming.answer().await?;
    let response = in_time(attenuating.promise).await?;
    let grant = wire::read_factory_mint_outcome(response.get()?.get_outcome()?)??;
    Ok((grant, redeemed))
}

/// Ends a grant of a factory: it creates nothing more. Whether it was in force until now. May be
/// repeated. Needs a [`tokio::task::LocalSet`].
///
/// # Errors
///
/// If the server refuses, or no answer comes: repeat it then.
pub async fn revoke_factory_grant(
    connector: &dyn Connector,
    factory: &FactoryRef,
    grant: GrantId,
) -> Result<bool, ClientError> {
    let redeeming = Redeeming::start(connector, factory).await?;
    let mut revoke = redeeming.factory().revoke_request();
    wire::write_factory_revoke(grant, revoke.get());
    let revoking = revoke.send();

    let (_peer, _) = redeeming.answer().await?;
    let response = in_time(revoking.promise).await?;
    Ok(wire::read_factory_revoke_outcome(
        response.get()?.get_outcome()?,
    )??)
}

/// The grants of a factory that are in force, with what they have used up. Needs a
/// [`tokio::task::LocalSet`].
///
/// # Errors
///
/// If the server refuses, or no answer comes.
pub async fn factory_grants(
    connector: &dyn Connector,
    factory: &FactoryRef,
) -> Result<Vec<FactoryGrantInfo>, ClientError> {
    let redeeming = Redeeming::start(connector, factory).await?;
    let asking = redeeming.factory().grants_request().send();

    let (_peer, _) = redeeming.answer().await?;
    let response = in_time(asking.promise).await?;
    Ok(wire::read_factory_grants_outcome(
        response.get()?.get_outcome()?,
    )??)
}

/// How long a server that is asked for may take to connect.
const PROBE_CONNECT: Duration = Duration::from_secs(5);

/// Asks whether a server of share sessions answers at `address`, with TLS or without; with a pin, the
/// server that has this certificate. Else it may be anyone. Needs a [`tokio::task::LocalSet`].
///
/// # Errors
///
/// If none does.
pub async fn probe(address: &str, pin: Option<CertificatePin>) -> Result<(), ClientError> {
    let connector = ProbeConnector {
        connect_timeout: PROBE_CONNECT,
    };
    let security = pin.map_or(Security::ByAddress, Security::Pinned);
    let (_peer, bootstrap) = Peer::connect(&connector, &[address.to_owned()], security).await?;
    // A ref that opens nothing: any answer but a fault means that the protocol is spoken here.
    let mut redeem = bootstrap.redeem_factory_request();
    redeem.get().set_protocol_version(PROTOCOL_VERSION);
    redeem.get().set_client(CLIENT);
    let response = in_time(redeem.send().promise).await?;
    // Whether it is a refusal does not matter, but it must be one of ours.
    let answer = wire::read_factory_outcome(response.get()?.get_outcome()?)?;
    drop(answer);
    Ok(())
}

/// A factory's ref that is being redeemed; calls are pipelined on it.
pub(super) struct Redeeming {
    peer: Peer,
    answer: RemotePromise<bootstrap::redeem_factory_results::Owned>,
}

impl Redeeming {
    /// Sends the ref to the first of its addresses that answers.
    pub(super) async fn start(
        connector: &dyn Connector,
        factory: &FactoryRef,
    ) -> Result<Self, ClientError> {
        let (peer, bootstrap) =
            Peer::connect(connector, &factory.addresses, factory.security).await?;
        let mut redeem = bootstrap.redeem_factory_request();
        wire::write_factory_ref(factory, redeem.get().init_ref());
        redeem.get().set_protocol_version(PROTOCOL_VERSION);
        redeem.get().set_client(CLIENT);
        let answer = redeem.send();
        Ok(Self { peer, answer })
    }

    /// What the ref opens, once it is redeemed.
    pub(super) fn factory(&self) -> share_factory::Client {
        self.answer.pipeline.get_factory()
    }

    /// The answer, and the connection, which is closed with what is dropped here.
    pub(super) async fn answer(self) -> Result<(Peer, FactoryRedeemed), ClientError> {
        let response = in_time(self.answer.promise).await?;
        let redeemed = wire::read_factory_outcome(response.get()?.get_outcome()?)??;
        Ok((self.peer, redeemed))
    }
}
