//! A writer of the share server over our own connection, and one of its subscribers.
//!
//! It fills and reads the generated messages itself, so that what is measured is the server, and
//! neither the client library's outbox nor values that are made only to be written.

use std::rc::Rc;
use std::sync::Arc;

use capnp::MessageSize;
use capnp_rpc::rpc_twoparty_capnp::Side;
use capnp_rpc::{RpcSystem, new_client};
use futures_util::FutureExt;
use share_model::seam::{SystemClock, SystemEntropy};
use share_model::{
    CreateShare, FactoryRef, Incarnation, Nonce, OutboxKey, PROTOCOL_VERSION, RequestId, Secret,
    ShareRef,
};
use share_network::{Budget, BudgetLimits, NetworkLimits, Standing, VatNetwork};
use share_proto::op_capnp::outcome_run;
use share_proto::share_capnp::{
    append_outcome, appender, bootstrap, share_session, sink, subscribe_outcome,
};
use share_proto::wire;
use tokio::net::TcpStream;

use crate::arrivals::Arrivals;
use crate::error::BenchError;
use crate::load::Load;
use crate::server::origin;

/// Words of a batch besides its ops' bytes, and of each op besides its own: only so that a message
/// is one piece.
const BATCH_WORDS: u64 = 64;
const OP_WORDS: u64 = 48;
/// Of a document, to begin with.
const FIRST_BYTES: u32 = 64 << 10;

/// Ids that differ from all others of a run, and cost next to nothing.
#[derive(Debug, Clone)]
pub(crate) struct Ids {
    seed: [u8; 8],
    count: u64,
}

impl Ids {
    /// Those of one lane.
    pub(crate) fn random() -> Self {
        let mut seed = [0; 8];
        share_model::seam::Entropy::fill(&SystemEntropy::default(), &mut seed);
        Self { seed, count: 0 }
    }

    /// The next id, of the form of a UUID of version 7.
    pub(crate) fn next(&mut self) -> [u8; 16] {
        self.count += 1;
        let mut id = [0; 16];
        // Of version and variant nothing is taken: a run has far fewer than 2⁴⁸.
        id[..6].copy_from_slice(&self.count.to_be_bytes()[2..]);
        id[8..].copy_from_slice(&self.seed);
        id[6] = 0x70 | (id[6] & 0x0f);
        id[8] = 0x80 | (id[8] & 0x3f);
        id
    }
}

/// A claimed writer.
pub(crate) struct ShareLane {
    bootstrap: bootstrap::Client,
    appender: appender::Client,
    reference: ShareRef,
    claim: wire::ClaimRequest,
    ids: Ids,
    next: u64,
    batch_ops: u64,
    keys: Vec<String>,
    json: String,
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
        let entropy = SystemEntropy::default();
        let claim = wire::ClaimRequest {
            outbox_key: OutboxKey::random(&entropy),
            incarnation: Incarnation::ZERO,
            nonce: Nonce::random(&entropy),
            history: None,
        };
        let (appender, _) = claim_writer(bootstrap, reference, &claim).await?;
        let filler = "x".repeat(load.op_bytes.saturating_sub(2));
        Ok(Self {
            bootstrap: bootstrap.clone(),
            appender,
            reference: reference.clone(),
            claim,
            ids: Ids::random(),
            next: 1,
            batch_ops: load.batch_ops as u64,
            keys: (0..load.batch_ops).map(|at| format!("part/{at}")).collect(),
            json: format!("\"{filler}\""),
        })
    }

    pub(crate) fn reference(&self) -> &ShareRef {
        &self.reference
    }

    /// Claims the writer again, after a refusal ended its appender; goes on behind what the server has.
    pub(crate) async fn claim_again(&mut self) -> Result<(), BenchError> {
        let (appender, highest) =
            claim_writer(&self.bootstrap, &self.reference, &self.claim).await?;
        self.appender = appender;
        self.next = highest + 1;
        Ok(())
    }

    /// From now on batches put the keys from `first` on; before, those from 0 on.
    pub(crate) fn put_keys_from(&mut self, first: u64) {
        let keys = first..first + self.batch_ops;
        self.keys = keys.map(|at| format!("part/{at}")).collect();
    }

    /// From now on batches have so many ops.
    pub(crate) fn set_batch_ops(&mut self, batch_ops: usize) {
        self.batch_ops = batch_ops as u64;
        self.put_keys_from(0);
    }

    pub(crate) fn next(&self) -> u64 {
        self.next
    }

    /// Appends a batch; the first op's cursor.
    pub(crate) async fn append(&mut self) -> Result<u64, BenchError> {
        // Each ack was read before the next append is sent, so everything before is settled.
        let settled = self.next - 1;
        self.send(settled).await
    }

    /// Sends a batch; what is returned waits for its ack, and gives the first op's cursor.
    pub(crate) fn send(
        &mut self,
        settled: u64,
    ) -> impl Future<Output = Result<u64, BenchError>> + use<> {
        let words = self.batch_ops * (OP_WORDS + self.json.len() as u64 / 8) + BATCH_WORDS;
        let size = MessageSize {
            word_count: words,
            cap_count: 0,
        };
        let mut request: capnp::capability::Request<
            appender::append_ops_params::Owned,
            appender::append_ops_results::Owned,
        > = self.appender.client.new_call(APPENDER_ID, 0, Some(size));
        let mut params = request.get();
        let mut batch = params.reborrow().init_batch();
        batch.set_id(&self.ids.next());
        let mut entries = batch.init_entries(u32::try_from(self.batch_ops).unwrap_or(u32::MAX));
        for (index, key) in (0..).zip(&self.keys) {
            let mut entry = entries.reborrow().get(index);
            entry.set_seq(self.next);
            self.next += 1;
            let mut op = entry.init_op();
            op.set_id(&self.ids.next());
            let mut put = op.init_mutation().init_put();
            put.set_key(key.as_str());
            put.set_json(self.json.as_str());
        }
        let mut envelope = params.init_envelope();
        envelope.set_capability_epoch(1);
        envelope.set_settled_through(settled);
        let ops = self.batch_ops;
        request.send().promise.map(move |answer| {
            let answer = answer?;
            all_applied(answer.get()?.get_outcome()?, ops)
        })
    }

    /// Subscribes to this writer's share on a connection of its own; what comes is counted while
    /// what is returned lives.
    pub(crate) async fn watch(
        &self,
        address: &str,
        arrivals: Rc<Arrivals>,
    ) -> Result<impl Sized + use<>, BenchError> {
        let bootstrap = connect(TcpStream::connect(address).await?)?;
        let redeemed = redeem_request(&bootstrap, &self.reference);
        let session = redeemed.pipeline.get_session();
        let mut request = session.subscribe_request();
        let sink: sink::Client = new_client(Arriving(arrivals));
        request.get().set_sink(sink);
        request.get().init_from();
        let answer = request.send().promise.await?;
        match answer.get()?.get_outcome()?.which() {
            Ok(subscribe_outcome::Subscribed(_)) => {}
            _ => return Err(BenchError::Unexpected("a subscription was refused".into())),
        }
        Ok((answer.get()?.get_subscription()?, session))
    }
}

/// The type id of `Appender` in the schema.
const APPENDER_ID: u64 = <appender::Client as capnp::traits::HasTypeId>::TYPE_ID;

fn all_applied(outcome: append_outcome::Reader<'_>, ops: u64) -> Result<u64, BenchError> {
    let ack = match outcome.which() {
        Ok(append_outcome::Ack(ack)) => ack?,
        Ok(append_outcome::Refused(refusal)) => {
            return Err(wire::read_refusal(refusal?)?.into());
        }
        _ => return Err(BenchError::Unexpected("an append has no outcome".into())),
    };
    let (mut applied, mut first) = (0, 0);
    for run in ack.get_outcomes()? {
        match run.which() {
            Ok(outcome_run::Applied(cursor)) => {
                first = if applied == 0 { cursor } else { first };
                applied += u64::from(run.get_count());
            }
            _ => break,
        }
    }
    if applied == ops {
        return Ok(first);
    }
    let message = format!("{applied} of {ops} ops were applied");
    Err(BenchError::Unexpected(message))
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

/// Redeems and claims in one round trip; the appender, and the highest seq that the server has.
async fn claim_writer(
    bootstrap: &bootstrap::Client,
    reference: &ShareRef,
    claim: &wire::ClaimRequest,
) -> Result<(appender::Client, u64), BenchError> {
    let redeemed = redeem_request(bootstrap, reference);
    let mut request = redeemed.pipeline.get_session().claim_writer_request();
    wire::write_claim_request(claim, request.get());
    let answer = request.send().promise.await?;
    let claimed = wire::read_claim_outcome(answer.get()?.get_outcome()?)??;
    Ok((answer.get()?.get_appender()?, claimed.highest.get()))
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

/// A subscriber that only looks at which op came when.
pub(crate) struct Arriving(Rc<Arrivals>);

impl sink::Server for Arriving {
    async fn reset(self: Rc<Self>, _: sink::ResetParams) -> Result<(), capnp::Error> {
        Ok(())
    }

    async fn entries(self: Rc<Self>, _: sink::EntriesParams) -> Result<(), capnp::Error> {
        Ok(())
    }

    async fn ops(self: Rc<Self>, params: sink::OpsParams) -> Result<(), capnp::Error> {
        let ops = params.get()?.get_ops()?;
        self.0.came(ops.iter().map(|op| op.get_seq()));
        Ok(())
    }

    async fn live(
        self: Rc<Self>,
        _: sink::LiveParams,
        _: sink::LiveResults,
    ) -> Result<(), capnp::Error> {
        self.0.is_live();
        Ok(())
    }

    async fn ended(
        self: Rc<Self>,
        _: sink::EndedParams,
        _: sink::EndedResults,
    ) -> Result<(), capnp::Error> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn ids_differ_however_many_there_are() {
        let mut ids = Ids {
            seed: [0; 8],
            count: 0,
        };
        let seen: HashSet<_> = (0..200_000).map(|_| ids.next()).collect();
        assert_eq!(seen.len(), 200_000);
    }
}
