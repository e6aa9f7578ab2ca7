//! One connection to a server, driven by a task of its own.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use capnp_rpc::RpcSystem;
use capnp_rpc::rpc_twoparty_capnp::Side;
use share_model::{
    GrantId, OwnerKey, OwnerProof, PROTOCOL_VERSION, Redeemed, Security, ShareRef,
    version_of_server,
};
use share_network::{Budget, BudgetLimits, NetworkLimits, Standing, VatNetwork};
use share_proto::share_capnp::{bootstrap, redeem_outcome};
use share_proto::wire;
use tokio::task::JoinHandle;

use super::connector::{ConnectError, Connector, Stream};
use super::error::ClientError;
use super::route::{by_http, by_rpc};

/// How long a server may take to answer a call that has no deadline of its own.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(30);
/// How long it may take to connect by RPC while there is another way to the server: a network that drops
/// what it does not want must not use up the time that the replay gives a connection.
const RPC_PATIENCE: Duration = Duration::from_secs(10);
/// What this side calls itself, for the server's logs.
pub(super) const CLIENT: &str = concat!("share-client/", env!("CARGO_PKG_VERSION"));

/// A connection; it is closed when this is dropped.
#[derive(Debug)]
pub(super) struct Peer {
    task: JoinHandle<()>,
}

impl Peer {
    /// Connects to the first of `addresses` at which RPC is spoken and that answers as `security` asks
    /// for. Needs a [`tokio::task::LocalSet`].
    pub(super) async fn connect(
        connector: &dyn Connector,
        addresses: &[String],
        security: Security,
    ) -> Result<(Self, bootstrap::Client), ClientError> {
        let connecting = connect_to_one(connector, by_rpc(addresses), security);
        let (stream, _) = match by_http(addresses).next() {
            None => connecting.await?,
            Some(_) => match tokio::time::timeout(RPC_PATIENCE, connecting).await {
                Ok(connected) => connected?,
                Err(_) => return Err(blocked(addresses)),
            },
        };
        Ok(Self::start(stream))
    }

    fn start(stream: Box<dyn Stream>) -> (Self, bootstrap::Client) {
        let budget = Arc::new(Budget::new(&BudgetLimits::client()));
        let standing = Standing::default();
        // This side chose the server.
        standing.prove();
        let limits = NetworkLimits::client();
        let network = VatNetwork::new(stream, Side::Client, limits, budget, standing);
        let ended = network.ended();
        let mut system = RpcSystem::new(Box::new(network), None);
        let bootstrap = system.bootstrap(Side::Server);
        let task = tokio::task::spawn_local(async move {
            let left = system.await;
            match (ended.reason(), left) {
                (Some(reason), _) => tracing::debug!(%reason, "connection ended"),
                (None, Err(error)) => tracing::debug!(%error, "connection ended"),
                (None, Ok(())) => {}
            }
        });
        (Self { task }, bootstrap)
    }
}

/// A connection to the first of `addresses` that answers, and which that is. Who answers but is the
/// wrong one is said rather than who is away.
pub(super) async fn connect_to_one(
    connector: &dyn Connector,
    addresses: impl Iterator<Item = &str>,
    security: Security,
) -> Result<(Box<dyn Stream>, String), ClientError> {
    let mut reason = "the ref names no address".to_owned();
    let mut wrong = None;
    let mut tried = Vec::new();
    for address in addresses {
        tried.push(address);
        match connector.connect(address, security).await {
            Ok(stream) => return Ok((stream, address.to_owned())),
            Err(ConnectError::Tls(error)) => {
                reason = error.to_string();
                wrong = wrong.or(ClientError::of_identity(address, &error));
            }
            Err(ConnectError::Io(error)) => reason = error.to_string(),
        }
    }
    Err(wrong.unwrap_or(ClientError::Unreachable {
        addresses: tried.join(", "),
        reason,
    }))
}

fn blocked(addresses: &[String]) -> ClientError {
    ClientError::Unreachable {
        addresses: by_rpc(addresses).collect::<Vec<_>>().join(", "),
        reason: format!("no connection within {} s", RPC_PATIENCE.as_secs()),
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Fills a request to redeem `reference`, by `owner` if the grant is sealed to it. The proof is sent
/// with any ref: only the server knows which are sealed, and it is worth nothing with another.
pub(super) fn write_redeem(
    reference: &ShareRef,
    owner: Option<&OwnerKey>,
    mut redeem: bootstrap::redeem_share_params::Builder<'_>,
) {
    wire::write_share_ref(reference, redeem.reborrow().init_ref());
    redeem.set_protocol_version(PROTOCOL_VERSION);
    redeem.set_client(CLIENT);
    if let Some(owner) = owner {
        redeem.set_owner_proof(&proof_of(reference, owner).to_bytes());
    }
}

/// What proves to be the owner to whom a grant may be sealed.
pub(super) fn proof_of(reference: &ShareRef, owner: &OwnerKey) -> OwnerProof {
    owner.prove(reference.share, reference.grant, &reference.secret.hash())
}

/// What a server tells who redeemed `grant`, in a version that this side speaks.
pub(super) fn read_redeemed(
    outcome: redeem_outcome::Reader<'_>,
    grant: GrantId,
) -> Result<Redeemed, ClientError> {
    let redeemed = wire::read_redeem_outcome_of(outcome, grant)??;
    version_of_server(redeemed.protocol_version)?;
    Ok(redeemed)
}

/// The answer, if it comes within the time that a server may take.
pub(super) async fn in_time<T, E>(
    answer: impl Future<Output = Result<T, E>>,
) -> Result<T, ClientError>
where
    ClientError: From<E>,
{
    match tokio::time::timeout(ANSWER_TIMEOUT, answer).await {
        Ok(answer) => Ok(answer?),
        Err(_) => Err(ClientError::NoAnswer {
            timeout_ms: u64::try_from(ANSWER_TIMEOUT.as_millis()).unwrap_or(u64::MAX),
        }),
    }
}

#[cfg(test)]
mod tests {
    use share_model::UnixMs;
    use share_model::seam::{Clock, SimulatedClock};

    use super::*;

    /// Takes no notice of anybody.
    #[derive(Debug)]
    struct Silent;

    #[async_trait::async_trait]
    impl Connector for Silent {
        async fn connect(&self, _: &str, _: Security) -> Result<Box<dyn Stream>, ConnectError> {
            std::future::pending().await
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_network_that_drops_what_it_does_not_want_is_gone_round_in_10_s() {
        let clock = SimulatedClock::starting_at(UnixMs::new(0));
        let addresses = ["a:1", "http:b:2"].map(str::to_owned);
        let connecting = Peer::connect(&Silent, &addresses, Security::ByAddress);
        let error = connecting.await.err().unwrap();
        assert!(matches!(error, ClientError::Unreachable { .. }), "{error}");
        assert_eq!(clock.now(), UnixMs::new(10_000));
        // Where there is no other way, who waits decides for how long.
        let connecting = Peer::connect(&Silent, &addresses[..1], Security::ByAddress);
        let patience = Duration::from_secs(60);
        assert!(tokio::time::timeout(patience, connecting).await.is_err());
    }
}
