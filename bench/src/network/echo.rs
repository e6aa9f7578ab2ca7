//! A server that reads what it is sent and answers at once.

use std::net::SocketAddr;
use std::rc::Rc;

use capnp_rpc::rpc_twoparty_capnp::Side;
use share_client::on_own_thread;
use share_model::seam::{SystemClock, SystemEntropy};
use share_model::{
    Ack, Batch, BatchId, Cursor, Entry, EntryBody, Envelope, Epoch, Limits, Mutation, Op, OpId,
    OpOutcome, Seq,
};
use share_proto::share_capnp::appender;
use share_proto::wire;
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio::task::{JoinHandle, JoinSet};

use super::subject::Wire;
use crate::error::BenchError;

/// A server on a thread of its own.
pub(super) struct Echo {
    pub(super) address: SocketAddr,
    stop: oneshot::Sender<()>,
    serving: JoinHandle<Result<(), share_client::ClientError>>,
}

impl Echo {
    pub(super) async fn start(wire: Wire) -> Result<Self, BenchError> {
        let listener = std::net::TcpListener::bind("127.0.0.1:0")?;
        listener.set_nonblocking(true)?;
        let address = listener.local_addr()?;
        let (stop, stopped) = oneshot::channel();
        let serving = on_own_thread(move || async move {
            // Without a listener nobody can connect, which the other side says.
            if let Ok(listener) = TcpListener::from_std(listener) {
                serve(wire, listener, stopped).await;
            }
            Ok(())
        });
        let serving = tokio::task::spawn_local(serving);
        Ok(Self {
            address,
            stop,
            serving,
        })
    }

    pub(super) async fn stop(self) -> Result<(), BenchError> {
        drop(self.stop);
        let ended = self.serving.await;
        Ok(ended.map_err(|error| BenchError::Unexpected(error.to_string()))??)
    }
}

async fn serve(wire: Wire, listener: TcpListener, mut stopped: oneshot::Receiver<()>) {
    let appender: appender::Client = capnp_rpc::new_client(Appender);
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            _ = &mut stopped => return,
            accepted = listener.accept() => {
                let Ok((stream, _)) = accepted else {
                    return;
                };
                // It costs time, which is what is measured.
                let _ = stream.set_nodelay(true);
                let system = wire.system(stream, Side::Server, Some(appender.clone().client));
                connections.spawn_local(system);
            }
        }
    }
}

struct Appender;

impl appender::Server for Appender {
    async fn append_ops(
        self: Rc<Self>,
        params: appender::AppendOpsParams,
        mut results: appender::AppendOpsResults,
    ) -> Result<(), capnp::Error> {
        let batch = wire::read_batch(params.get()?.get_batch()?, &Limits::DEFAULT);
        let batch = batch.map_err(|error| capnp::Error::failed(error.to_string()))?;
        let last = batch.entries.len() as u64;
        let outcomes = (1..=last).map(|at| OpOutcome::Applied(Cursor::new(at)));
        let ack = Ack {
            cursor: Cursor::new(last),
            epoch: Epoch::new(1),
            outcomes: outcomes.collect(),
        };
        wire::write_append_outcome(&Ok(ack), results.get().init_outcome());
        Ok(())
    }
}

/// A batch that is sent again and again.
#[derive(Clone)]
pub(super) struct Request(Rc<Batch>);

impl Request {
    pub(super) fn new(batch_ops: usize, op_bytes: usize) -> Self {
        let entropy = SystemEntropy::default();
        let json = format!("\"{}\"", "x".repeat(op_bytes.saturating_sub(2)));
        let entries = (0..batch_ops).zip(1..).map(|(at, seq)| Entry {
            seq: Seq::new(seq),
            was: None,
            body: EntryBody::Op(Op {
                id: OpId::new(&SystemClock, &entropy),
                depends_on: Vec::new(),
                mutation: Mutation::Put {
                    key: format!("part/{at}").into(),
                    json: json.clone().into(),
                },
            }),
            origin: None,
        });
        Self(Rc::new(Batch {
            id: BatchId::new(&SystemClock, &entropy),
            atomic: false,
            expected_cursor: None,
            entries: entries.collect(),
        }))
    }

    /// Sends it, and waits for the answer.
    pub(super) async fn call(&self, appender: &appender::Client) -> Result<(), BenchError> {
        let mut request = appender.append_ops_request();
        wire::write_batch(&self.0, request.get().init_batch());
        let envelope = Envelope {
            capability_epoch: Epoch::new(1),
            settled_through: Seq::new(0),
        };
        wire::write_envelope(&envelope, request.get().init_envelope());
        let answer = request.send().promise.await?;
        wire::read_append_outcome(answer.get()?.get_outcome()?, self.0.entries.len())??;
        Ok(())
    }
}
