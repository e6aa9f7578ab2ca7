//! A client: what the wire gives, as values.

use capnp::Error;
use capnp::capability::FromClientHook as _;
use capnp_rpc::{RpcSystem, rpc_twoparty_capnp, twoparty};
use share_model::seam::SeededEntropy;
use share_model::{
    Ack, BackupMade, Batch, BumpEpoch, Bumped, Claimed, CreateShare, CreatedShare, Envelope, Epoch,
    FactoryRef, LogPosition, Origin, OriginKind, Redeemed, Refusal, RequestId, Secret, Seq,
    ShareRef, SnapshotAt, WriterInfo,
};
use share_proto::persistent_capnp::persistent;
use share_proto::share_capnp::{
    appender, backup, bootstrap, share_factory, share_ref, share_session, sink, snapshot,
    subscription,
};
use share_proto::wire::{self, ClaimRequest, DocumentEntry};
use share_server::Io;
use tokio::task::JoinHandle;
use tokio_util::compat::{TokioAsyncReadCompatExt as _, TokioAsyncWriteCompatExt as _};

/// What a call gave: an answer, a refusal, or an exception.
pub(crate) type Outcome<T> = Result<Result<T, Refusal>, Error>;

type Persistent = persistent::Client<share_ref::Owned, capnp::text::Owned>;

/// A connection.
pub(crate) struct Client {
    pub(crate) bootstrap: bootstrap::Client,
    pub(crate) system: JoinHandle<Result<(), Error>>,
    factory: FactoryRef,
}

/// A redeemed share, with the promise of its outcome.
pub(crate) struct Session(pub(crate) share_session::Client);

/// A claimed writer.
#[derive(Clone)]
pub(crate) struct Writer(pub(crate) appender::Client);

pub(crate) fn origin() -> Origin {
    Origin::new(OriginKind::Agent, "tester".to_owned(), 100).unwrap()
}

pub(crate) fn secret(number: u64) -> Secret {
    Secret::random(&SeededEntropy::new(1000 + number))
}

/// A request for a share; its number stands for request id and secret.
pub(crate) fn creation(number: u8) -> CreateShare {
    CreateShare {
        request: RequestId::from_bytes([number; 16]),
        owner_secret_hash: secret(u64::from(number)).hash(),
        title: format!("share {number}"),
        origin: origin(),
    }
}

pub(crate) fn bump(number: u8) -> BumpEpoch {
    BumpEpoch {
        request: RequestId::from_bytes([number; 16]),
        owner_secret_hash: secret(u64::from(number)).hash(),
        origin: origin(),
    }
}

impl Client {
    pub(crate) fn new(stream: impl Io, factory: FactoryRef) -> Self {
        let (read, write) = tokio::io::split(stream);
        let network = twoparty::VatNetwork::new(
            read.compat(),
            write.compat_write(),
            rpc_twoparty_capnp::Side::Client,
            capnp::message::ReaderOptions::new(),
        );
        let mut system = RpcSystem::new(Box::new(network), None);
        let bootstrap = system.bootstrap(rpc_twoparty_capnp::Side::Server);
        Self {
            bootstrap,
            system: tokio::task::spawn_local(system),
            factory,
        }
    }

    /// Cuts the connection.
    pub(crate) async fn cut(self) {
        self.system.abort();
        // It was cancelled.
        let _ = self.system.await;
    }

    pub(crate) fn factory(&self) -> share_factory::Client {
        let mut request = self.bootstrap.redeem_factory_request();
        wire::write_factory_ref(&self.factory, request.get().init_ref());
        request.get().set_protocol_version(1);
        request.send().pipeline.get_factory()
    }

    /// Makes a backup, without reading it.
    pub(crate) async fn begin_backup(&self) -> Outcome<(backup::Client, BackupMade)> {
        let response = self.factory().backup_request().send().promise.await?;
        let outcome = wire::read_backup_outcome(response.get()?.get_outcome()?).unwrap();
        let backup = response.get()?.get_backup()?;
        Ok(outcome.map(|made| (backup, made)))
    }

    pub(crate) async fn create(&self, share: &CreateShare) -> Outcome<CreatedShare> {
        let mut request = self.factory().create_share_request();
        wire::write_create_share(share, request.get().init_request());
        let response = request.send().promise.await?;
        Ok(wire::read_create_outcome(response.get()?.get_outcome()?).unwrap())
    }

    /// Creates a share, and gives its owner's ref.
    pub(crate) async fn owner_ref(&self, number: u8) -> ShareRef {
        let created = self.create(&creation(number)).await.unwrap().unwrap();
        ShareRef {
            addresses: vec!["pipe:1".to_owned()],
            share: created.share,
            grant: created.grant,
            epoch: created.epoch,
            security: share_model::Security::ByAddress,
            secret: secret(u64::from(number)),
        }
    }

    /// Redeems without waiting for the outcome.
    pub(crate) fn session(&self, share_ref: &ShareRef) -> Session {
        self.redeem(share_ref).0
    }

    /// Redeems, and waits for the outcome.
    pub(crate) async fn redeemed(&self, share_ref: &ShareRef) -> Outcome<Redeemed> {
        self.redeem(share_ref).1.await
    }

    pub(crate) fn redeem(
        &self,
        share_ref: &ShareRef,
    ) -> (Session, impl Future<Output = Outcome<Redeemed>> + use<>) {
        let mut request = self.bootstrap.redeem_share_request();
        wire::write_share_ref(share_ref, request.get().init_ref());
        request.get().set_protocol_version(1);
        request.get().set_client("tests\n1");
        let sent = request.send();
        let session = Session(sent.pipeline.get_session());
        let outcome = async move {
            let response = sent.promise.await?;
            Ok(wire::read_redeem_outcome(response.get()?.get_outcome()?).unwrap())
        };
        (session, outcome)
    }
}

impl Session {
    /// Claims without waiting for the outcome.
    pub(crate) fn claim(
        &self,
        claim: &ClaimRequest,
    ) -> (Writer, impl Future<Output = Outcome<Claimed>> + use<>) {
        let mut request = self.0.claim_writer_request();
        wire::write_claim_request(claim, request.get());
        let sent = request.send();
        let writer = Writer(sent.pipeline.get_appender());
        let outcome = async move {
            let response = sent.promise.await?;
            Ok(wire::read_claim_outcome(response.get()?.get_outcome()?).unwrap())
        };
        (writer, outcome)
    }

    pub(crate) async fn document(&self) -> Outcome<(snapshot::Client, SnapshotAt)> {
        let response = self.0.document_request().send().promise.await?;
        let outcome = wire::read_snapshot_outcome(response.get()?.get_outcome()?).unwrap();
        let snapshot = response.get()?.get_snapshot()?;
        Ok(outcome.map(|at| (snapshot, at)))
    }

    /// The keys of the document and its cursor.
    pub(crate) async fn keys(&self) -> (Vec<String>, u64) {
        let (snapshot, at) = self.document().await.unwrap().unwrap();
        let (entries, done) = page(&snapshot, "", 1 << 20).await.unwrap();
        assert!(done);
        let keys = entries.into_iter().map(|entry| entry.key).collect();
        (keys, at.position.cursor.get())
    }

    pub(crate) async fn bump(&self, bump: &BumpEpoch) -> Outcome<Bumped> {
        let mut request = self.0.bump_epoch_request();
        wire::write_bump_epoch(bump, request.get().init_request());
        let response = request.send().promise.await?;
        Ok(wire::read_bump_outcome(response.get()?.get_outcome()?).unwrap())
    }

    pub(crate) async fn writers(&self) -> Outcome<Vec<WriterInfo>> {
        let response = self.0.writers_request().send().promise.await?;
        Ok(wire::read_writers_outcome(response.get()?.get_outcome()?).unwrap())
    }

    pub(crate) async fn save(&self) -> Result<ShareRef, Error> {
        let persistent: Persistent = self.0.clone().cast_to();
        let response = persistent.save_request().send().promise.await?;
        Ok(wire::read_share_ref(response.get()?.get_sturdy_ref()?).unwrap())
    }

    pub(crate) async fn subscribe(
        &self,
        from: &LogPosition,
        sink: sink::Client,
    ) -> Outcome<(subscription::Client, LogPosition)> {
        let mut request = self.0.subscribe_request();
        wire::write_log_position(from, request.get().init_from());
        request.get().set_sink(sink);
        let response = request.send().promise.await?;
        let outcome = wire::read_subscribe_outcome(response.get()?.get_outcome()?).unwrap();
        let subscription = response.get()?.get_subscription()?;
        Ok(outcome.map(|position| (subscription, position)))
    }
}

impl Writer {
    /// Sends a batch; it has its place in the order of calls when this returns.
    pub(crate) fn append(&self, batch: &Batch) -> impl Future<Output = Outcome<Ack>> + use<> {
        self.append_settled(batch, 0, 0)
    }

    pub(crate) fn append_settled(
        &self,
        batch: &Batch,
        epoch: u64,
        settled: u64,
    ) -> impl Future<Output = Outcome<Ack>> + use<> {
        let mut request = self.0.append_ops_request();
        wire::write_batch(batch, request.get().init_batch());
        let envelope = Envelope {
            capability_epoch: Epoch::new(epoch),
            settled_through: Seq::new(settled),
        };
        wire::write_envelope(&envelope, request.get().init_envelope());
        let entries = batch.entries.len();
        let sent = request.send();
        async move {
            let response = sent.promise.await?;
            let outcome = response.get()?.get_outcome()?;
            Ok(wire::read_append_outcome(outcome, entries).unwrap())
        }
    }
}

/// The next piece of a backup, and whether it is the last.
pub(crate) async fn piece(
    backup: &backup::Client,
    bytes_max: u32,
) -> Result<(Vec<u8>, bool), Error> {
    let mut request = backup.read_request();
    request.get().set_bytes_max(bytes_max);
    let response = request.send().promise.await?;
    let response = response.get()?;
    Ok((response.get_data()?.to_vec(), response.get_done()))
}

/// The rest of a backup.
pub(crate) async fn rest(backup: &backup::Client) -> Vec<u8> {
    let mut bytes = Vec::new();
    loop {
        let (piece, done) = piece(backup, 0).await.unwrap();
        assert!(!piece.is_empty() && piece.len() <= 1 << 20);
        bytes.extend(piece);
        if done {
            return bytes;
        }
    }
}

pub(crate) async fn page(
    snapshot: &snapshot::Client,
    after: &str,
    bytes_max: u32,
) -> Result<(Vec<DocumentEntry>, bool), Error> {
    let mut request = snapshot.read_request();
    request.get().set_after(after);
    request.get().set_bytes_max(bytes_max);
    let response = request.send().promise.await?;
    let response = response.get()?;
    let entries = wire::read_document_entries(response.get_entries()?).unwrap();
    Ok((entries, response.get_done()))
}
