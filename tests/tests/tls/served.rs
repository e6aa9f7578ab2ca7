//! A real server, and what clients do with its refs.

use std::path::{Path, PathBuf};

use share_client::{
    Authorities, ClientError, Flusher, FlusherOptions, NewOp, Outbox, OutboxOptions, Session,
    SubscriptionEvent, TcpConnector, create_share,
};
use share_model::seam::{Entropy, SystemClock, SystemEntropy};
use share_model::{
    CreateShare, FactoryRef, LogPosition, Mutation, Origin, OriginKind, RequestId, Secret, ShareRef,
};
use share_server::{Listeners, RunningServer, Server, ServerOptions};
use tempfile::TempDir;
use tokio::task::LocalSet;

/// A folder with a server's data, and the server.
pub(crate) struct Served {
    pub(crate) folder: TempDir,
    pub(crate) server: RunningServer,
}

impl Served {
    pub(crate) async fn start(listen: &[&str]) -> Self {
        Self::on(tempfile::tempdir().unwrap(), listen, |_| {}).await
    }

    pub(crate) async fn on(
        folder: TempDir,
        listen: &[&str],
        change: impl FnOnce(&mut ServerOptions),
    ) -> Self {
        let mut options = ServerOptions::new(folder.path().join("data"));
        change(&mut options);
        let listen: Vec<String> = listen.iter().map(|it| (*it).to_owned()).collect();
        let listeners = Listeners::bind(&listen).await.unwrap();
        let server = Server::start(options, listeners).await.unwrap();
        Self { folder, server }
    }

    pub(crate) fn data(&self, name: &str) -> PathBuf {
        self.folder.path().join("data").join(name)
    }

    pub(crate) fn factory(&self) -> FactoryRef {
        let text = std::fs::read_to_string(self.data("factory.ref")).unwrap();
        text.trim().parse().unwrap()
    }

    /// Ends the server in order, and gives the folder.
    pub(crate) async fn end(self) -> TempDir {
        self.server.drain().await.unwrap();
        self.folder
    }
}

/// A connector that trusts nobody but the authority of this PEM text.
pub(crate) fn trusting(authority: &str) -> TcpConnector {
    TcpConnector {
        authorities: Authorities::from_pem(authority.as_bytes()).unwrap(),
        ..TcpConnector::default()
    }
}

/// Creates a share; the owner's ref as the server wants it to be handed out.
pub(crate) async fn create(
    connector: &TcpConnector,
    factory: &FactoryRef,
) -> Result<ShareRef, ClientError> {
    let entropy = SystemEntropy::default();
    let entropy: &dyn Entropy = &entropy;
    let secret = Secret::random(entropy);
    let origin = Origin::new(OriginKind::User, "tester".to_owned(), 256).unwrap();
    let request = CreateShare {
        request: RequestId::new(&SystemClock, entropy),
        owner_secret_hash: secret.hash(),
        title: String::new(),
        origin,
    };
    let (created, served) = create_share(connector, factory, &request).await?;
    Ok(ShareRef {
        addresses: served.addresses,
        share: created.share,
        grant: created.grant,
        epoch: created.epoch,
        security: served.security,
        secret,
    })
}

/// Puts a key by an outbox of its own, and reads it by a subscription.
pub(crate) async fn append_and_subscribe(
    connector: &TcpConnector,
    folder: &Path,
    reference: &ShareRef,
) {
    let outbox = Outbox::open(&folder.join("outbox.sqlite"), OutboxOptions::default()).unwrap();
    outbox.use_ref(reference.clone()).await.unwrap();
    let put = Mutation::Put {
        key: "session".into(),
        json: "1".into(),
    };
    outbox
        .enqueue(reference.share, NewOp::of(put))
        .await
        .unwrap();
    let options = FlusherOptions {
        connector: std::sync::Arc::new(connector.clone()),
        ..FlusherOptions::default()
    };
    let flusher = Flusher::spawn(&outbox, options).unwrap();
    let report = flusher.flush().await.unwrap();
    assert_eq!(report.pending, 0, "{report:?}");
    flusher.stop().await.unwrap();
    let session = Session::redeem(connector, reference).await.unwrap();
    let mut subscription = session.subscribe(LogPosition::default()).await.unwrap();
    loop {
        match subscription.next().await.unwrap() {
            SubscriptionEvent::Ops(ops) => {
                assert_eq!(ops.len(), 1);
                return;
            }
            SubscriptionEvent::Reset { .. } | SubscriptionEvent::Live(_) => {}
            SubscriptionEvent::Entries { entries, .. } if entries.is_empty() => {}
            other => panic!("{other:?}"),
        }
    }
}

/// Runs a test, whose client needs one thread.
pub(crate) fn real_time(test: impl AsyncFnOnce()) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    LocalSet::new().block_on(&runtime, test());
}
