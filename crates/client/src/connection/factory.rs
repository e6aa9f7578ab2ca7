//! Creating shares, and asking whether a server answers.

use share_model::{CreateShare, CreatedShare, FactoryRedeemed, FactoryRef, PROTOCOL_VERSION};
use share_proto::wire;

use super::connector::Connector;
use super::error::ClientError;
use super::peer::{CLIENT, Peer, in_time};

/// Creates a share, in one round trip. Needs a [`tokio::task::LocalSet`]; see
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
    let (_peer, bootstrap) = Peer::connect(connector, &factory.addresses).await?;
    let mut redeem = bootstrap.redeem_factory_request();
    wire::write_factory_ref(factory, redeem.get().init_ref());
    redeem.get().set_protocol_version(PROTOCOL_VERSION);
    redeem.get().set_client(CLIENT);
    let redeeming = redeem.send();
    let mut create = redeeming.pipeline.get_factory().create_share_request();
    wire::write_create_share(request, create.get().init_request());
    let creating = create.send();

    let response = in_time(redeeming.promise).await?;
    let redeemed = wire::read_factory_outcome(response.get()?.get_outcome()?)??;
    let response = in_time(creating.promise).await?;
    let created = wire::read_create_outcome(response.get()?.get_outcome()?)??;
    Ok((created, redeemed))
}

/// Asks whether a server of share sessions answers at `address`. Needs a
/// [`tokio::task::LocalSet`].
///
/// # Errors
///
/// If none does.
pub async fn probe(connector: &dyn Connector, address: &str) -> Result<(), ClientError> {
    let (_peer, bootstrap) = Peer::connect(connector, &[address.to_owned()]).await?;
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
