//! One writer over real Cap'n Proto RPC: redeem, claim, then append with one call in flight.
//!
//! The generated client is used directly, so that what is measured is the server and not the
//! client library's outbox.

use std::time::Duration;

use capnp_rpc::{RpcSystem, rpc_twoparty_capnp::Side, twoparty};
use futures_util::{AsyncReadExt, FutureExt};
use share_client::ClientError;
use share_model::seam::{SystemClock, SystemEntropy};
use share_model::{
    Batch, BatchId, CreateShare, Cursor, Entry, EntryBody, Envelope, Epoch, FactoryRef,
    Incarnation, Mutation, Nonce, Op, OpId, OpOutcome, Origin, OriginKind, OutboxKey, RequestId,
    Secret, Seq, ShareRef,
};
use share_proto::share_capnp::{appender, bootstrap};
use share_proto::wire;
use tokio::net::TcpStream;
use tokio::time::Instant;
use tokio_util::compat::TokioAsyncReadCompatExt;

use crate::load::Load;

/// Why a run has no figures.
#[derive(Debug, thiserror::Error)]
pub(crate) enum BenchError {
    /// A file or socket failed.
    #[error("{0}")]
    Io(#[from] std::io::Error),
    /// The server threw.
    #[error("{0}")]
    Rpc(#[from] capnp::Error),
    /// The server answered what can't be read.
    #[error("{0}")]
    Wire(#[from] wire::WireError),
    /// The server refused.
    #[error("{0}")]
    Refused(#[from] share_model::Refusal),
    /// The server process failed.
    #[error("{0}")]
    Process(#[from] share_faults::ProcessError),
    /// The client library has no answer.
    #[error("{0}")]
    Client(ClientError),
    /// Something that the scenario relies on did not hold.
    #[error("{0}")]
    Unexpected(String),
}

/// What refuses is told by its refusal.
impl From<ClientError> for BenchError {
    fn from(error: ClientError) -> Self {
        match error {
            ClientError::Refused(refusal) => Self::Refused(refusal),
            error => Self::Client(error),
        }
    }
}

/// A claimed writer.
pub(crate) struct Writer {
    appender: appender::Client,
    entropy: SystemEntropy,
    next: Seq,
    load: Load,
    json: String,
}

/// Connects; the connection lives as long as what came from its bootstrap.
pub(crate) async fn connect(address: &str) -> Result<bootstrap::Client, BenchError> {
    let stream = TcpStream::connect(address).await?;
    stream.set_nodelay(true)?;
    let (reader, writer) = stream.compat().split();
    let reader = futures_util::io::BufReader::with_capacity(64 << 10, reader);
    let writer = futures_util::io::BufWriter::with_capacity(64 << 10, writer);
    let network = twoparty::VatNetwork::new(reader, writer, Side::Client, Default::default());
    let mut system = RpcSystem::new(Box::new(network), None);
    let bootstrap = system.bootstrap(Side::Server);
    // The error of a connection shows in the calls that it breaks.
    tokio::task::spawn_local(system.map(drop));
    Ok(bootstrap)
}

/// Creates a share and opens it.
pub(crate) async fn open(
    bootstrap: &bootstrap::Client,
    factory: &FactoryRef,
    load: Load,
) -> Result<Writer, BenchError> {
    let entropy = SystemEntropy::default();
    let mut request = bootstrap.redeem_factory_request();
    wire::write_factory_ref(factory, request.get().init_ref());
    request
        .get()
        .set_protocol_version(share_model::PROTOCOL_VERSION);
    let redeemed = request.send();
    let secret = Secret::random(&entropy);
    let create = CreateShare {
        request: RequestId::new(&SystemClock, &entropy),
        owner_secret_hash: secret.hash(),
        title: "bench".into(),
        origin: Origin::new(OriginKind::System, "bench".into(), 64)
            .map_err(|error| BenchError::Unexpected(error.to_string()))?,
    };
    let mut request = redeemed.pipeline.get_factory().create_share_request();
    wire::write_create_share(&create, request.get().init_request());
    let answer = request.send().promise.await?;
    let created = wire::read_create_outcome(answer.get()?.get_outcome()?)??;
    let share_ref = ShareRef {
        addresses: factory.addresses.clone(),
        share: created.share,
        grant: created.grant,
        epoch: created.epoch,
        security: share_model::Security::ByAddress,
        secret,
    };
    claim(bootstrap, &share_ref, load).await
}

/// Opens a share for appends.
pub(crate) async fn claim(
    bootstrap: &bootstrap::Client,
    share_ref: &ShareRef,
    load: Load,
) -> Result<Writer, BenchError> {
    let entropy = SystemEntropy::default();
    let mut request = bootstrap.redeem_share_request();
    wire::write_share_ref(share_ref, request.get().init_ref());
    request
        .get()
        .set_protocol_version(share_model::PROTOCOL_VERSION);
    let redeemed = request.send();
    let mut request = redeemed.pipeline.get_session().claim_writer_request();
    let claim = wire::ClaimRequest {
        outbox_key: OutboxKey::random(&entropy),
        incarnation: Incarnation::ZERO,
        nonce: Nonce::random(&entropy),
        history: None,
    };
    wire::write_claim_request(&claim, request.get());
    let answer = request.send().promise.await?;
    wire::read_claim_outcome(answer.get()?.get_outcome()?)??;
    let filler = "x".repeat(load.op_bytes.saturating_sub(2));
    Ok(Writer {
        appender: answer.get()?.get_appender()?,
        entropy,
        next: Seq::new(1),
        load,
        json: format!("\"{filler}\""),
    })
}

impl Writer {
    fn batch(&mut self) -> Batch {
        let entries = (0..self.load.batch_ops).map(|at| {
            let seq = self.next;
            self.next = seq.next();
            Entry {
                seq,
                was: None,
                body: EntryBody::Op(Op {
                    id: OpId::new(&SystemClock, &self.entropy),
                    depends_on: Vec::new(),
                    mutation: Mutation::Put {
                        key: format!("part/{at}").into(),
                        json: self.json.clone().into(),
                    },
                }),
                origin: None,
            }
        });
        let entries = entries.collect();
        Batch {
            id: BatchId::new(&SystemClock, &self.entropy),
            atomic: false,
            expected_cursor: None,
            entries,
        }
    }

    /// Appends a batch. How long the answer took, and the share's cursor after the last op.
    pub(crate) async fn append(&mut self) -> Result<(Duration, Cursor), BenchError> {
        let settled_through = Seq::new(self.next.get() - 1);
        let batch = self.batch();
        let mut request = self.appender.append_ops_request();
        wire::write_batch(&batch, request.get().init_batch());
        let envelope = Envelope {
            capability_epoch: Epoch::new(1),
            settled_through,
        };
        wire::write_envelope(&envelope, request.get().init_envelope());
        let before = Instant::now();
        let answer = request.send().promise.await?;
        let ack = wire::read_append_outcome(answer.get()?.get_outcome()?, batch.entries.len())??;
        let latency = before.elapsed();
        let applied = ack.outcomes.iter().map(|outcome| match outcome {
            OpOutcome::Applied(cursor) => Some(*cursor),
            _ => None,
        });
        let cursors: Option<Vec<Cursor>> = applied.collect();
        match cursors.and_then(|cursors| cursors.last().copied()) {
            Some(cursor) => Ok((latency, cursor)),
            None => Err(BenchError::Unexpected(format!(
                "not all applied: {:?}",
                ack.outcomes
            ))),
        }
    }
}
