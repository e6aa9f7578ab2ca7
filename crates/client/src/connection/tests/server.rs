//! A server of one share, over pipes.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::future::Future;
use std::io;
use std::rc::Rc;
use std::sync::Arc;

use async_trait::async_trait;
use capnp::message::ReaderOptions;
use capnp::serialize::read_message;
use capnp_rpc::rpc_twoparty_capnp::Side;
use capnp_rpc::{RpcSystem, new_client, twoparty};
use futures_util::io::AsyncReadExt;
use share_model::{
    Ack, Claimed, Cursor, Epoch, GrantId, HistoryId, Limits, LogPosition, LoggedOp, Mutation, Op,
    OpId, OpOutcome, Origin, OriginKind, PROTOCOL_VERSION, Redeemed, Refusal, Rights, Secret, Seq,
    ShareId, ShareRef, SnapshotAt, UnixMs, WriterId,
};
use share_proto::share_capnp::{appender, bootstrap, share_session, sink, snapshot, subscription};
use share_proto::wire;
use tokio::io::DuplexStream;
use tokio::sync::mpsc;
use tokio::task::LocalSet;
use tokio_util::compat::TokioAsyncReadCompatExt;

use crate::connection::{ConnectError, Connector, Stream};

const HISTORY: HistoryId = HistoryId::from_bytes([3; 16]);
/// What the first builds answered, byte by byte.
const VERSION_1: &[u8] = include_bytes!("../../../../proto/tests/version-1/redeem_outcome.bin");

pub(in crate::connection) fn reference() -> ShareRef {
    ShareRef {
        addresses: vec!["server:1".into()],
        share: ShareId::from_bytes([9; 16]),
        grant: GrantId::from_bytes([2; 16]),
        epoch: Epoch::new(1),
        security: share_model::Security::ByAddress,
        secret: Secret::from_bytes([7; 32]),
    }
}

/// Connects over pipes in memory.
#[derive(Debug)]
pub(in crate::connection) struct Pipes(mpsc::UnboundedSender<DuplexStream>);

impl Pipes {
    pub(in crate::connection) fn new() -> (Arc<Self>, mpsc::UnboundedReceiver<DuplexStream>) {
        let (accept, accepted) = mpsc::unbounded_channel();
        (Arc::new(Self(accept)), accepted)
    }
}

#[async_trait]
impl Connector for Pipes {
    async fn connect(
        &self,
        _: &str,
        _: share_model::Security,
    ) -> Result<Box<dyn Stream>, ConnectError> {
        let (ours, theirs) = tokio::io::duplex(64 << 10);
        self.0
            .send(theirs)
            .map_err(|_| io::Error::from(io::ErrorKind::ConnectionRefused))?;
        Ok(Box::new(ours))
    }
}

/// What the server does, and what it has seen.
#[derive(Default)]
struct State {
    refuse_redeem: RefCell<Option<Refusal>>,
    refuse_appends: RefCell<Option<Refusal>>,
    /// Which version it answers in at redeem; `None`: as the first builds did, byte by byte.
    version: Cell<Option<u32>>,
    repeats_pages: Cell<bool>,
    log_length: Cell<u64>,
    delivered: Cell<u64>,
    cut_after: RefCell<VecDeque<u64>>,
}

#[derive(Clone)]
pub(super) struct Served {
    state: Rc<State>,
    accepted: Rc<RefCell<Option<mpsc::UnboundedReceiver<DuplexStream>>>>,
}

impl Served {
    pub(super) fn start() -> (Arc<Pipes>, Self) {
        let (pipes, accepted) = Pipes::new();
        let state = Rc::new(State::default());
        state.log_length.set(20);
        state.version.set(Some(PROTOCOL_VERSION));
        let accepted = Rc::new(RefCell::new(Some(accepted)));
        (pipes, Self { state, accepted })
    }

    /// Answers in this version at redeem; `None`: as the first builds did.
    pub(super) fn speak(&self, version: Option<u32>) {
        self.state.version.set(version);
    }

    pub(super) async fn run(&self, test: impl Future<Output = ()>) {
        let mut accepted = self.accepted.borrow_mut().take().unwrap();
        let state = Rc::clone(&self.state);
        LocalSet::new()
            .run_until(async {
                let accept = tokio::task::spawn_local(async move {
                    while let Some(stream) = accepted.recv().await {
                        serve(Rc::clone(&state), stream);
                    }
                });
                test.await;
                accept.abort();
            })
            .await;
    }

    pub(super) fn refuse_redeem(&self, refusal: Refusal) {
        *self.state.refuse_redeem.borrow_mut() = Some(refusal);
    }

    pub(super) fn refuse_appends(&self, refusal: Refusal) {
        *self.state.refuse_appends.borrow_mut() = Some(refusal);
    }

    pub(super) fn repeat_pages(&self) {
        self.state.repeats_pages.set(true);
    }

    pub(super) fn log_length(&self, ops: u64) {
        self.state.log_length.set(ops);
    }

    pub(super) fn delivered(&self) -> u64 {
        self.state.delivered.get()
    }

    pub(super) fn cut_after<const N: usize>(&self, ops: [u64; N]) {
        *self.state.cut_after.borrow_mut() = ops.into();
    }
}

fn serve(state: Rc<State>, stream: DuplexStream) {
    let (reader, writer) = stream.compat().split();
    let network = twoparty::VatNetwork::new(reader, writer, Side::Server, Default::default());
    let (cut, cutting) = tokio::sync::oneshot::channel::<()>();
    let cut = RefCell::new(Some(cut));
    let bootstrap: bootstrap::Client = new_client(Share { state, cut });
    let system = RpcSystem::new(Box::new(network), Some(bootstrap.client));
    tokio::task::spawn_local(async move {
        tokio::select! {
            _ = system => {}
            Ok(()) = cutting => {}
        }
    });
}

/// Bootstrap, session and appender in one.
struct Share {
    state: Rc<State>,
    cut: RefCell<Option<tokio::sync::oneshot::Sender<()>>>,
}

struct OfShare(Rc<Share>);
struct Held;
impl subscription::Server for Held {}

impl bootstrap::Server for Share {
    async fn redeem_share(
        self: Rc<Self>,
        _: bootstrap::RedeemShareParams,
        mut results: bootstrap::RedeemShareResults,
    ) -> Result<(), capnp::Error> {
        let refusal = self.state.refuse_redeem.borrow().clone();
        results
            .get()
            .set_session(new_client(OfShare(Rc::clone(&self))));
        let redeemed = Redeemed {
            share: reference().share,
            cursor: Cursor::new(7),
            epoch: Epoch::new(1),
            history: HISTORY,
            rights: Rights::ALL,
            limits: Limits::DEFAULT,
            title: "a title".into(),
            created_at: UnixMs::new(1),
            origin: Origin::new(OriginKind::User, "u".into(), 9).unwrap(),
            server: "s".into(),
            protocol_version: self.state.version.get().unwrap_or_default(),
            grant: GrantId::from_bytes([2; 16]),
            expires_at: None,
            label: String::new(),
            owner: true,
            frozen: false,
        };
        if self.state.version.get().is_none() {
            let message = read_message(VERSION_1, ReaderOptions::new())?;
            results.get().set_outcome(message.get_root()?)?;
            return Ok(());
        }
        let answer = refusal.map_or(Ok(redeemed), Err);
        wire::write_redeem_outcome(&answer, results.get().init_outcome());
        Ok(())
    }
}

impl
    share_proto::persistent_capnp::persistent::Server<
        share_proto::share_capnp::share_ref::Owned,
        capnp::text::Owned,
    > for OfShare
{
}

impl share_session::Server for OfShare {
    async fn claim_writer(
        self: Rc<Self>,
        params: share_session::ClaimWriterParams,
        mut results: share_session::ClaimWriterResults,
    ) -> Result<(), capnp::Error> {
        let claim = wire::read_claim_request(params.get()?).unwrap();
        let claimed = Claimed {
            incarnation: claim.incarnation.next(),
            history: HISTORY,
            writer: None,
            floor: Seq::ZERO,
            highest: Seq::ZERO,
            chain: share_model::Chain::EMPTY,
        };
        results
            .get()
            .set_appender(new_client(OfShare(Rc::clone(&self.0))));
        wire::write_claim_outcome(&Ok(claimed), results.get().init_outcome());
        Ok(())
    }

    async fn document(
        self: Rc<Self>,
        _: share_session::DocumentParams,
        mut results: share_session::DocumentResults,
    ) -> Result<(), capnp::Error> {
        let position = LogPosition {
            history: Some(HISTORY),
            cursor: Cursor::new(7),
        };
        let at = SnapshotAt {
            position,
            epoch: Epoch::new(1),
            keys: 5,
            bytes: 15,
        };
        results
            .get()
            .set_snapshot(new_client(OfShare(Rc::clone(&self.0))));
        wire::write_snapshot_outcome(&Ok(at), results.get().init_outcome());
        Ok(())
    }

    async fn subscribe(
        self: Rc<Self>,
        params: share_session::SubscribeParams,
        mut results: share_session::SubscribeResults,
    ) -> Result<(), capnp::Error> {
        let from = wire::read_log_position(params.get()?.get_from()?).unwrap();
        let sink = params.get()?.get_sink()?;
        let share = Rc::clone(&self.0);
        tokio::task::spawn_local(deliver(share, from.cursor.get(), sink));
        results.get().set_subscription(new_client(Held));
        let position = LogPosition {
            history: Some(HISTORY),
            cursor: Cursor::new(7),
        };
        wire::write_subscribe_outcome(&Ok(position), results.get().init_outcome());
        Ok(())
    }
}

async fn deliver(share: Rc<Share>, from: u64, sink: sink::Client) -> Result<(), capnp::Error> {
    let length = share.state.log_length.get();
    let cut_after = share.state.cut_after.borrow_mut().pop_front();
    for cursor in from + 1..=length {
        if cut_after.is_some_and(|ops| cursor > from + ops) {
            break;
        }
        let put = Mutation::Put {
            key: "k".into(),
            json: format!("\"{}\"", "x".repeat(500)).into(),
        };
        let op = Op {
            id: OpId::from_bytes([1; 16]),
            depends_on: vec![],
            mutation: put,
        };
        let logged = LoggedOp {
            cursor: Cursor::new(cursor),
            writer: WriterId::new(1),
            seq: Seq::new(cursor),
            at: UnixMs::new(1),
            op,
            origin: None,
        };
        let mut ops = sink.ops_request();
        wire::write_logged_ops(&[logged], ops.get().init_ops(1));
        ops.send().await?;
        share.state.delivered.set(share.state.delivered.get() + 1);
    }
    let mut live = sink.live_request();
    let position = LogPosition {
        history: Some(HISTORY),
        cursor: Cursor::new(length),
    };
    wire::write_log_position(&position, live.get().init_position());
    // What was delivered is taken before the connection goes.
    live.send().promise.await?;
    let cut = share
        .cut
        .borrow_mut()
        .take()
        .filter(|_| cut_after.is_some());
    if let Some(cut) = cut {
        cut.send(()).unwrap();
    }
    Ok(())
}

impl snapshot::Server for OfShare {
    async fn read(
        self: Rc<Self>,
        params: snapshot::ReadParams,
        mut results: snapshot::ReadResults,
    ) -> Result<(), capnp::Error> {
        let after = params.get()?.get_after()?.to_string()?;
        let from = if self.0.state.repeats_pages.get() {
            1
        } else {
            after
                .trim_start_matches('k')
                .parse()
                .map_or(1, |last: u32| last + 1)
        };
        let keys: Vec<u32> = (from..=5).take(2).collect();
        let mut entries = results
            .get()
            .init_entries(u32::try_from(keys.len()).unwrap());
        for (index, key) in (0..).zip(&keys) {
            let entry = entries.reborrow().get(index);
            wire::write_document_entry(&format!("k{key}"), &key.to_string(), entry);
        }
        results.get().set_done(keys.last() == Some(&5));
        Ok(())
    }
}

impl appender::Server for OfShare {
    async fn append_ops(
        self: Rc<Self>,
        params: appender::AppendOpsParams,
        mut results: appender::AppendOpsResults,
    ) -> Result<(), capnp::Error> {
        let batch = wire::read_batch(params.get()?.get_batch()?, &Limits::DEFAULT).unwrap();
        let refusal = self.0.state.refuse_appends.borrow().clone();
        let ack = Ack {
            cursor: Cursor::new(1),
            epoch: Epoch::new(1),
            outcomes: vec![OpOutcome::Abandoned; batch.entries.len()],
        };
        let answer = refusal.map_or(Ok(ack), Err);
        wire::write_append_outcome(&answer, results.get().init_outcome());
        Ok(())
    }
}
