//! The share server over the connection that the client library has: for what needs capabilities, and
//! for writers whose time is not all that counts.
//!
//! It fills and reads the generated messages itself, so that what is measured is neither the client
//! library's outbox nor values that are made only to be written.

use std::sync::Arc;

use capnp::MessageSize;
use capnp_rpc::RpcSystem;
use capnp_rpc::rpc_twoparty_capnp::Side;
use futures_util::FutureExt;
use share_model::seam::{SystemClock, SystemEntropy};
use share_model::{
    CreateShare, FactoryRef, Incarnation, Nonce, OutboxKey, PROTOCOL_VERSION, RequestId, Secret,
    ShareRef,
};
use share_network::{Budget, BudgetLimits, NetworkLimits, Standing, VatNetwork};
use share_proto::share_capnp::{appender, bootstrap, share_session};
use share_proto::wire;
use tokio::net::TcpStream;

use super::batches::{Batches, all_applied};
use crate::error::BenchError;
use crate::load::Load;
use crate::server::origin;

/// Of a document, to begin with.
const FIRST_BYTES: u32 = 64 << 10;

/// A claimed writer.
pub(crate) struct ShareLane {
    appender: appender::Client,
    reference: ShareRef,
    batches: Batches,
}

impl ShareLane {
    /// Creates a share on a connection of its own, and claims a writer.
    pub(crate) async fn create(
        address: &str,
        factory: &FactoryRef,
        load: Load,
    ) -> Result<Self, BenchError> {
        let bootstrap = connect(TcpStream::connect(address).await?)?;
        let reference = create(&bootstrap, factory).await?;
        Self::claim(&bootstrap, &reference, load).await
    }

    /// Claims another writer of a share.
    pub(crate) async fn claim(
        bootstrap: &bootstrap::Client,
        reference: &ShareRef,
        load: Load,
    ) -> Result<Self, BenchError> {
        Ok(Self {
            appender: claim_writer(bootstrap, reference).await?,
            reference: reference.clone(),
            batches: Batches::new(load),
        })
    }

    pub(crate) fn reference(&self) -> &ShareRef {
        &self.reference
    }

    /// From now on batches put the keys from `first` on; before, those from 0 on.
    pub(crate) fn put_keys_from(&mut self, first: u64) {
        self.batches.put_keys(first, self.batches.ops());
    }

    /// From now on batches have so many ops.
    pub(crate) fn set_batch_ops(&mut self, batch_ops: usize) {
        self.batches.put_keys(0, batch_ops);
    }

    /// Appends a batch; the first op's cursor.
    pub(crate) async fn append(&mut self) -> Result<u64, BenchError> {
        let size = MessageSize {
            word_count: self.batches.words() as u64,
            cap_count: 0,
        };
        let mut request: capnp::capability::Request<
            appender::append_ops_params::Owned,
            appender::append_ops_results::Owned,
        > = self.appender.client.new_call(APPENDER_ID, 0, Some(size));
        // Each ack was read before the next append is sent, so everything before is settled.
        let settled = self.batches.next() - 1;
        self.batches.fill(request.get(), settled);
        let answer = request.send().promise.await?;
        all_applied(answer.get()?.get_outcome()?, self.batches.ops())
    }
}

/// The type id of `Appender` in the schema.
const APPENDER_ID: u64 = <appender::Client as capnp::traits::HasTypeId>::TYPE_ID;

/// A claim of a writer that the server does not know.
pub(super) fn first_claim() -> wire::ClaimRequest {
    let entropy = SystemEntropy::default();
    wire::ClaimRequest {
        outbox_key: OutboxKey::random(&entropy),
        incarnation: Incarnation::ZERO,
        nonce: Nonce::random(&entropy),
        history: None,
    }
}

/// Connects as the client library does; the connection lives as long as what came from its bootstrap.
pub(crate) fn connect(stream: TcpStream) -> Result<bootstrap::Client, BenchError> {
    stream.set_nodelay(true)?;
    let budget = Arc::new(Budget::new(&BudgetLimits::client()));
    let standing = Standing::default();
    // This side chose the server.
    standing.prove();
    let limits = NetworkLimits::client();
    let network = VatNetwork::new(stream, Side::Client, limits, budget, standing);
    let mut system = RpcSystem::new(Box::new(network), None);
    let bootstrap = system.bootstrap(Side::Server);
    // The error of a connection shows in the calls that it breaks.
    tokio::task::spawn_local(system.map(drop));
    Ok(bootstrap)
}

/// Redeems and claims in one round trip.
async fn claim_writer(
    bootstrap: &bootstrap::Client,
    reference: &ShareRef,
) -> Result<appender::Client, BenchError> {
    let redeemed = redeem_request(bootstrap, reference);
    let mut request = redeemed.pipeline.get_session().claim_writer_request();
    wire::write_claim_request(&first_claim(), request.get());
    let answer = request.send().promise.await?;
    wire::read_claim_outcome(answer.get()?.get_outcome()?)??;
    Ok(answer.get()?.get_appender()?)
}

/// Redeems and reads the document's first entries in one round trip; how many bytes of keys and values
/// came.
pub(crate) async fn first_entries(
    bootstrap: &bootstrap::Client,
    reference: &ShareRef,
) -> Result<usize, BenchError> {
    let redeemed = redeem_request(bootstrap, reference);
    let document = redeemed.pipeline.get_session().document_request().send();
    let mut read = document.pipeline.get_snapshot().read_request();
    read.get().set_bytes_max(FIRST_BYTES);
    let answer = read.send().promise.await?;
    let entries = answer.get()?.get_entries()?;
    let mut bytes = 0;
    for entry in entries {
        bytes += entry.get_key()?.len() + entry.get_json()?.len();
    }
    Ok(bytes)
}

/// Sends a redeem; calls may be pipelined on its session.
fn redeem_request(
    bootstrap: &bootstrap::Client,
    reference: &ShareRef,
) -> capnp::capability::RemotePromise<bootstrap::redeem_share_results::Owned> {
    let mut request = bootstrap.redeem_share_request();
    wire::write_share_ref(reference, request.get().init_ref());
    request.get().set_protocol_version(PROTOCOL_VERSION);
    request.send()
}

/// Redeems; the session lives as long as what is returned.
pub(crate) async fn redeem(
    bootstrap: &bootstrap::Client,
    reference: &ShareRef,
) -> Result<share_session::Client, BenchError> {
    let answer = redeem_request(bootstrap, reference).promise.await?;
    wire::read_redeem_outcome_of(answer.get()?.get_outcome()?, reference.grant)??;
    Ok(answer.get()?.get_session()?)
}

/// Creates a share; its owner's ref.
pub(crate) async fn create(
    bootstrap: &bootstrap::Client,
    factory: &FactoryRef,
) -> Result<ShareRef, BenchError> {
    let entropy = SystemEntropy::default();
    let mut request = bootstrap.redeem_factory_request();
    wire::write_factory_ref(factory, request.get().init_ref());
    request.get().set_protocol_version(PROTOCOL_VERSION);
    let redeemed = request.send();
    let secret = Secret::random(&entropy);
    let create = CreateShare {
        request: RequestId::new(&SystemClock, &entropy),
        owner_secret_hash: secret.hash(),
        title: "bench".into(),
        origin: origin()?,
    };
    let mut request = redeemed.pipeline.get_factory().create_share_request();
    wire::write_create_share(&create, request.get().init_request());
    let answer = request.send().promise.await?;
    let created = wire::read_create_outcome(answer.get()?.get_outcome()?)??;
    Ok(ShareRef {
        addresses: factory.addresses.clone(),
        share: created.share,
        grant: created.grant,
        epoch: created.epoch,
        security: share_model::Security::ByAddress,
        secret,
    })
}
