//! A registry in a folder of its own, and a factory whose answers follow from the request.

use std::path::PathBuf;

use share_client::{
    OpenAnswer, OpenSession, OpenedSession, PendingShare, Registry, RegistryEntry, RegistryFilter,
    RegistryOptions, Reserved, SessionName,
};
use share_model::{
    CreatedShare, Epoch, FactoryRedeemed, FactoryRef, GrantId, HistoryId, Origin, OriginKind,
    RequestId, Secret, ShareId,
};

pub(crate) struct Folder(tempfile::TempDir);

impl Folder {
    pub(crate) fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    pub(crate) fn path(&self) -> PathBuf {
        self.0.path().join("data/registry.sqlite")
    }

    pub(crate) fn registry(&self) -> Registry {
        Registry::open(&self.path(), RegistryOptions::default()).unwrap()
    }
}

pub(crate) fn name(session: &str) -> SessionName {
    SessionName::new("project", session).unwrap()
}

pub(crate) fn open(session: &str) -> OpenSession {
    OpenSession {
        name: name(session),
        title: "a title".into(),
        origin: Origin::new(OriginKind::User, "ann".into(), 9).unwrap(),
        state_file: "/work/tree/state.sqlite".into(),
    }
}

pub(crate) fn factory() -> FactoryRef {
    FactoryRef {
        addresses: vec!["server:1".into()],
        grant: GrantId::from_bytes([5; 16]),
        security: share_model::Security::ByAddress,
        secret: Secret::from_bytes([6; 32]),
    }
}

pub(crate) fn other_factory() -> FactoryRef {
    FactoryRef {
        grant: GrantId::from_bytes([8; 16]),
        ..factory()
    }
}

/// What a factory answers: the ids follow from the request, so that repeating it gives the same.
pub(crate) fn answer(request: RequestId) -> (CreatedShare, FactoryRedeemed) {
    let flipped = |mask: u8| request.to_bytes().map(|byte| byte ^ mask);
    let created = CreatedShare {
        share: ShareId::from_bytes(flipped(0x55)),
        grant: GrantId::from_bytes(flipped(0xaa)),
        epoch: Epoch::new(1),
    };
    (created, served())
}

pub(crate) fn served() -> FactoryRedeemed {
    FactoryRedeemed {
        addresses: vec!["server:1".into()],
        security: share_model::Security::ByAddress,
        history: HistoryId::from_bytes([3; 16]),
        server: "a server".into(),
        http_url: None,
    }
}

/// What is asked of the factory, if the session has no share yet.
pub(crate) async fn reserve(registry: &Registry, session: &str) -> PendingShare {
    match registry.reserve(&factory(), open(session)).await.unwrap() {
        Reserved::Pending(pending) => pending,
        Reserved::Open(opened) => panic!("{opened:?}"),
    }
}

/// Opens a session as far as it goes without a server.
pub(crate) async fn open_in(registry: &Registry, open: OpenSession) -> OpenedSession {
    match registry.reserve(&factory(), open).await.unwrap() {
        Reserved::Open(opened) => opened,
        Reserved::Pending(pending) => {
            let (created, served) = answer(pending.request.request);
            registry
                .complete(&pending, &created, &served)
                .await
                .unwrap()
        }
    }
}

pub(crate) async fn create(registry: &Registry, session: &str) -> OpenedSession {
    let opened = open_in(registry, open(session)).await;
    assert_eq!(opened.answer, OpenAnswer::Created);
    opened
}

pub(crate) async fn all(registry: &Registry) -> Vec<RegistryEntry> {
    let filter = RegistryFilter { released: true };
    registry.list(filter, None, 100_000).await.unwrap()
}
