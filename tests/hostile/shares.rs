//! The shares of a scene: whose they are, and what is in them.

use std::path::Path;

use share_client::{
    Flusher, FlusherOptions, NewOp, Outbox, OutboxOptions, Session, TcpConnector, create_share,
};
use share_model::seam::{SystemClock, SystemEntropy};
use share_model::{
    Attenuate, CreateShare, FactoryRef, Mutation, Origin, OriginKind, RequestId, Right, Rights,
    Secret, ShareRef,
};

/// Values of a share that is full.
const VALUES: usize = 8;

/// A new share's owner ref.
pub(crate) async fn create(factory: &FactoryRef) -> ShareRef {
    let entropy = SystemEntropy::default();
    let secret = Secret::random(&entropy);
    let request = CreateShare {
        request: RequestId::new(&SystemClock, &entropy),
        owner_secret_hash: secret.hash(),
        title: "hostile".into(),
        origin: origin(),
    };
    let created = create_share(&TcpConnector::default(), factory, &request).await;
    let (created, _) = created.expect("a share is created");
    ShareRef {
        addresses: factory.addresses.clone(),
        share: created.share,
        grant: created.grant,
        epoch: created.epoch,
        security: factory.security,
        secret,
    }
}

/// A ref that may read and append, directly below the owner's.
pub(crate) async fn attenuate(owner: &ShareRef) -> ShareRef {
    let entropy = SystemEntropy::default();
    let secret = Secret::random(&entropy);
    let request = Attenuate {
        request: RequestId::new(&SystemClock, &entropy),
        secret_hash: secret.hash(),
        rights: Rights::of(&[Right::Read, Right::Append]),
        expires_at: None,
        label: String::new(),
        sealed_for: None,
        origin: origin(),
    };
    let session = Session::redeem(&TcpConnector::default(), owner).await;
    let session = session.expect("the owner is let in");
    let minted = session.attenuate(&request).await.expect("it is minted");
    ShareRef {
        grant: minted.grant,
        epoch: minted.epoch,
        secret,
        ..owner.clone()
    }
}

/// Puts values into a share, so that there is something to be asked for.
pub(crate) async fn fill(reference: &ShareRef, folder: &Path, value_bytes: usize) {
    let outbox = Outbox::open(&folder.join("fill.sqlite"), OutboxOptions::default());
    let outbox = outbox.expect("an outbox can be made");
    let used = outbox.use_ref(reference.clone()).await;
    used.expect("the outbox keeps the ref");
    let flusher = Flusher::spawn(&outbox, FlusherOptions::default()).expect("a flusher starts");
    for at in 0..VALUES {
        let put = Mutation::Put {
            key: format!("value/{at}").into(),
            json: format!("\"{}\"", "x".repeat(value_bytes - 2)).into(),
        };
        let enqueued = outbox.enqueue(reference.share, NewOp::of(put)).await;
        enqueued.expect("an op is enqueued");
    }
    let report = flusher.flush().await.expect("the flusher runs");
    assert_eq!(
        (report.progress.applied, report.pending),
        (8, 0),
        "{report:?}"
    );
    flusher.stop().await.expect("the flusher ends");
}

fn origin() -> Origin {
    Origin::new(OriginKind::System, "hostile".into(), 64).expect("it is a valid origin")
}
