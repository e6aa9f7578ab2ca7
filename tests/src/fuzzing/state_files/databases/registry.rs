//! A machine's registry.

use std::path::Path;
use std::sync::Arc;

use share_client::{OpenSession, Registry, RegistryFilter, RegistryOptions, Reserved, SessionName};
use share_model::seam::{Executor, SeededEntropy, SimulatedClock};
use share_model::{
    CreatedShare, Epoch, FactoryRedeemed, FactoryRef, GrantId, HistoryId, Origin, OriginKind,
    Secret, Security, ShareId, UnixMs,
};

use super::wait;

const SHARE: ShareId = ShareId::from_bytes([9; 16]);

pub(super) fn fill(path: &Path) {
    let registry = Registry::open(path, options()).expect("a registry is made");
    wait(async {
        for session in ["one", "two"] {
            let reserved = registry.reserve(&factory(), open(session)).await;
            let Reserved::Pending(pending) = reserved.expect("a name is reserved") else {
                panic!("a registry was not new");
            };
            if session == "one" {
                let completed = registry.complete(&pending, &created(), &served()).await;
                completed.expect("a share is entered");
            }
        }
    });
}

/// Whether it could be opened.
pub(super) fn is_used(path: &Path) -> bool {
    let Ok(registry) = Registry::open(path, options()) else {
        return false;
    };
    // Each either works or says what is wrong.
    wait(async {
        _ = registry
            .list(RegistryFilter { released: true }, None, 100)
            .await;
        _ = registry.find_share(SHARE).await;
        for session in ["one", "two", "three"] {
            _ = registry.find(&open(session).name).await;
            if let Ok(Reserved::Pending(pending)) =
                registry.reserve(&factory(), open(session)).await
            {
                _ = registry.complete(&pending, &created(), &served()).await;
            }
        }
        _ = registry.release(&open("one").name).await;
    });
    true
}

fn options() -> RegistryOptions {
    RegistryOptions {
        executor: Executor::Inline,
        clock: Arc::new(SimulatedClock::starting_at(UnixMs::new(1_000_000))),
        entropy: Arc::new(SeededEntropy::new(1)),
        ..RegistryOptions::default()
    }
}

fn open(session: &str) -> OpenSession {
    let origin = Origin::new(OriginKind::User, "ann".into(), 9);
    OpenSession {
        name: SessionName::new("project", session).expect("a name is taken"),
        title: "a title".into(),
        origin: origin.expect("an origin is taken"),
        state_file: "/work/tree/state.sqlite".into(),
    }
}

fn factory() -> FactoryRef {
    let (grant, secret) = (GrantId::from_bytes([5; 16]), Secret::from_bytes([6; 32]));
    let text = format!("share-factory://server:1/{grant}#{}", secret.to_text());
    text.parse().expect("it is a ref")
}

fn created() -> CreatedShare {
    CreatedShare {
        share: SHARE,
        grant: GrantId::from_bytes([4; 16]),
        epoch: Epoch::new(1),
    }
}

fn served() -> FactoryRedeemed {
    FactoryRedeemed {
        addresses: vec!["server:1".into()],
        security: Security::default(),
        history: HistoryId::from_bytes([3; 16]),
        server: "a server".into(),
        http_url: None,
    }
}
