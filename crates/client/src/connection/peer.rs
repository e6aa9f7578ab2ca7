//! One connection to a server, driven by a task of its own.

use std::future::Future;
use std::time::Duration;

use capnp::message::ReaderOptions;
use capnp_rpc::rpc_twoparty_capnp::Side;
use capnp_rpc::{RpcSystem, twoparty};
use futures_util::io::{AsyncReadExt, BufReader, BufWriter};
use share_model::{GrantId, OwnerKey, PROTOCOL_VERSION, Redeemed, ShareRef, version_of_server};
use share_proto::share_capnp::{bootstrap, redeem_outcome};
use share_proto::wire;
use tokio::task::JoinHandle;
use tokio_util::compat::TokioAsyncReadCompatExt;

use super::connector::{Connector, Stream};
use super::error::ClientError;

/// Buffered reads make a connection nearly twice as fast.
const BUFFER_BYTES: usize = 64 << 10;
/// The largest message that is read, in words of 8 bytes: twice a full batch.
const MESSAGE_WORDS_MAX: usize = (64 << 20) / 8;
/// How long a server may take to answer a call that has no deadline of its own.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(30);
/// What this side calls itself, for the server's logs.
pub(super) const CLIENT: &str = concat!("share-client/", env!("CARGO_PKG_VERSION"));

/// A connection; it is closed when this is dropped.
#[derive(Debug)]
pub(super) struct Peer {
    task: JoinHandle<()>,
}

impl Peer {
    /// Connects to the first of `addresses` that answers. Needs a [`tokio::task::LocalSet`].
    pub(super) async fn connect(
        connector: &dyn Connector,
        addresses: &[String],
    ) -> Result<(Self, bootstrap::Client), ClientError> {
        let mut reason = "the ref names no address".to_owned();
        for address in addresses {
            match connector.connect(address).await {
                Ok(stream) => return Ok(Self::start(stream)),
                Err(error) => reason = error.to_string(),
            }
        }
        Err(ClientError::Unreachable {
            addresses: addresses.join(", "),
            reason,
        })
    }

    fn start(stream: Box<dyn Stream>) -> (Self, bootstrap::Client) {
        let (reader, writer) = stream.compat().split();
        let mut options = ReaderOptions::new();
        options.traversal_limit_in_words(Some(MESSAGE_WORDS_MAX));
        let network = twoparty::VatNetwork::new(
            BufReader::with_capacity(BUFFER_BYTES, reader),
            BufWriter::with_capacity(BUFFER_BYTES, writer),
            Side::Client,
            options,
        );
        let mut system = RpcSystem::new(Box::new(network), None);
        let bootstrap = system.bootstrap(Side::Server);
        let task = tokio::task::spawn_local(async move {
            if let Err(error) = system.await {
                tracing::debug!(%error, "connection ended");
            }
        });
        (Self { task }, bootstrap)
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
        let proof = owner.prove(reference.share, reference.grant, &reference.secret.hash());
        redeem.set_owner_proof(&proof.to_bytes());
    }
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
