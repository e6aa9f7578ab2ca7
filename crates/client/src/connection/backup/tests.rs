//! What a server may send that is not the backup that it told of.

use std::cell::RefCell;
use std::io;
use std::rc::Rc;

use async_trait::async_trait;
use capnp_rpc::rpc_twoparty_capnp::Side;
use capnp_rpc::{RpcSystem, twoparty};
use futures_util::io::AsyncReadExt;
use share_model::seam::SeededEntropy;
use share_model::{FactoryRedeemed, FactoryRef, GrantId, HistoryId, Secret, UnixMs};
use share_proto::share_capnp::{backup, bootstrap, share_factory};
use tokio::io::DuplexStream;
use tokio::sync::mpsc;
use tokio::task::LocalSet;
use tokio_util::compat::TokioAsyncReadCompatExt;

use super::*;
use crate::connection::Stream;

/// A server that tells of one backup and sends these pieces, the last as the last.
#[derive(Clone)]
struct Sends {
    told: BackupMade,
    pieces: Rc<RefCell<Vec<Vec<u8>>>>,
}

impl bootstrap::Server for Sends {
    async fn redeem_factory(
        self: Rc<Self>,
        _: bootstrap::RedeemFactoryParams,
        mut results: bootstrap::RedeemFactoryResults,
    ) -> Result<(), capnp::Error> {
        let redeemed = FactoryRedeemed {
            addresses: vec!["pipe:1".to_owned()],
            security: share_model::Security::ByAddress,
            history: self.told.history,
            server: "test".to_owned(),
            http_url: None,
        };
        let mut results = results.get();
        wire::write_factory_outcome(&Ok(redeemed), results.reborrow().init_outcome());
        results.set_factory(capnp_rpc::new_client(Self::clone(&self)));
        Ok(())
    }
}

impl share_factory::Server for Sends {
    async fn backup(
        self: Rc<Self>,
        _: share_factory::BackupParams,
        mut results: share_factory::BackupResults,
    ) -> Result<(), capnp::Error> {
        let mut results = results.get();
        wire::write_backup_outcome(&Ok(self.told), results.reborrow().init_outcome());
        results.set_backup(capnp_rpc::new_client(Self::clone(&self)));
        Ok(())
    }
}

impl backup::Server for Sends {
    async fn read(
        self: Rc<Self>,
        _: backup::ReadParams,
        mut results: backup::ReadResults,
    ) -> Result<(), capnp::Error> {
        let piece = self.pieces.borrow_mut().remove(0);
        results.get().set_data(&piece);
        results.get().set_done(self.pieces.borrow().is_empty());
        Ok(())
    }
}

#[derive(Debug)]
struct Pipe(mpsc::UnboundedSender<DuplexStream>);

#[async_trait]
impl Connector for Pipe {
    async fn connect(
        &self,
        _: &str,
        _: share_model::Security,
    ) -> Result<Box<dyn Stream>, crate::connection::ConnectError> {
        let (ours, theirs) = tokio::io::duplex(64 << 10);
        let sent = self.0.send(theirs);
        sent.map_err(|_| io::Error::from(io::ErrorKind::ConnectionRefused))?;
        Ok(Box::new(ours))
    }
}

/// The backup `told` of, of which these pieces come; what was written.
async fn received(told: &[u8], pieces: &[&[u8]]) -> Result<Vec<u8>, BackupError> {
    let hash = digest::digest(&digest::SHA256, told);
    let server = Sends {
        told: BackupMade {
            bytes: told.len() as u64,
            sha256: hash.as_ref().try_into().unwrap(),
            shares: 1,
            history: HistoryId::from_bytes([1; 16]),
            at: UnixMs::new(1),
        },
        pieces: Rc::new(RefCell::new(pieces.iter().map(|it| it.to_vec()).collect())),
    };
    let factory = FactoryRef {
        addresses: vec!["pipe:1".to_owned()],
        grant: GrantId::from_bytes([1; 16]),
        security: share_model::Security::ByAddress,
        secret: Secret::random(&SeededEntropy::new(1)),
    };
    let (accept, mut accepted) = mpsc::unbounded_channel();
    let serve = async move {
        let stream = accepted.recv().await.unwrap();
        let (reader, writer) = TokioAsyncReadCompatExt::compat(stream).split();
        let options = capnp::message::ReaderOptions::new();
        let network = twoparty::VatNetwork::new(reader, writer, Side::Server, options);
        let bootstrap: bootstrap::Client = capnp_rpc::new_client(server);
        // It ends when the client has what it wants.
        let _ = RpcSystem::new(Box::new(network), Some(bootstrap.client)).await;
    };
    let local = LocalSet::new();
    local.spawn_local(serve);
    let receive = async {
        let mut written = Vec::new();
        let made = backup(&Pipe(accept), &factory, &mut written, |_, _| ()).await?;
        assert_eq!(made.bytes, written.len() as u64);
        Ok(written)
    };
    local.run_until(receive).await
}

fn is_damaged(received: &Result<Vec<u8>, BackupError>) -> bool {
    matches!(received, Err(BackupError::Damaged { .. }))
}

#[tokio::test(start_paused = true)]
async fn a_backup_comes_in_pieces_and_is_checked_whole() {
    let whole = received(b"one two", &[b"one", b" ", b"two"]).await;
    assert_eq!(whole.unwrap(), b"one two");
}

#[tokio::test(start_paused = true)]
async fn what_is_not_what_the_server_told_of_is_no_backup() {
    let other = received(b"one two", &[b"one", b" ", b"twx"]).await;
    assert!(is_damaged(&other), "{other:?}");
    let short = received(b"one two", &[b"one", b" "]).await;
    assert!(is_damaged(&short), "{short:?}");
    let long = received(b"one two", &[b"one", b" two and more", b"still more"]).await;
    assert!(is_damaged(&long), "{long:?}");
    // An empty piece that is not the last would come for ever.
    let empty = received(b"one two", &[b"one", b"", b" two"]).await;
    assert!(is_damaged(&empty), "{empty:?}");
}
