//! What a bridge stores, refuses and forgets, without a server.

use std::path::Path;

use serde_json::{Value, json};
use share_client::{Backoff, Registry, RegistryOptions, Route, RowFilter};
use share_model::{FactoryRef, Slug};
use share_opencode::{Item, ItemError};
use share_web::{Asker, Backend as _, BackendError, CreatedShare};
use tokio::task::LocalSet;

use super::backend::Bridge;
use super::{BridgeLimits, BridgeOptions, RunningBridge, Target};

/// Nobody listens there.
fn factory() -> FactoryRef {
    let text = format!(
        "share-factory://127.0.0.1:1/{}#{}",
        "0".repeat(32),
        "A".repeat(43)
    );
    text.parse().unwrap()
}

pub(super) async fn start(folder: &Path, limits: BridgeLimits) -> RunningBridge {
    let registry = folder.join("registry/registry.sqlite");
    let options = BridgeOptions {
        target: Target::Factory(factory()),
        state_file: folder.join("state/share.sqlite"),
        registry: Registry::open(&registry, RegistryOptions::default()).unwrap(),
        project: "project".into(),
        public_url: Some("https://share.example".into()),
        owner: None,
        route: Route::default(),
        backoff: Backoff::TRANSPORT,
        limits,
    };
    RunningBridge::start(options).await.unwrap()
}

pub(super) async fn create(bridge: &Bridge) -> CreatedShare {
    bridge.create(&Asker::default(), "ses_1").await.unwrap()
}

pub(super) fn part(text: &str) -> Item {
    Item {
        kind: "part".into(),
        data: json!({"id": "p", "messageID": "m", "type": "text", "text": text}),
    }
}

pub(super) async fn sync(
    bridge: &Bridge,
    share: &CreatedShare,
    items: Vec<Item>,
) -> Result<(), BackendError> {
    bridge
        .sync(&Asker::default(), &share.id, &share.secret, items)
        .await
}

pub(super) async fn rows(bridge: &Bridge) -> usize {
    bridge
        .outbox
        .rows(RowFilter::default(), None, 1000)
        .await
        .unwrap()
        .len()
}

#[tokio::test]
async fn a_record_is_its_owners_only_and_holds_no_secret_of_the_agent() {
    let folder = tempfile::tempdir().unwrap();
    let test = async {
        let running = start(folder.path(), BridgeLimits::DEFAULT).await;
        let share = create(&running.bridge).await;
        let kept = folder
            .path()
            .join("state/bridge")
            .join(format!("{}.share", share.id.grant()));
        let text = std::fs::read_to_string(&kept).unwrap();
        assert!(!text.contains(&share.secret.to_text()), "{text}");
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            let mode = std::fs::metadata(&kept).unwrap().permissions().mode();
            assert_eq!(mode & 0o777, 0o600);
        }
        running.stop().await;
    };
    LocalSet::new().run_until(test).await;
}

#[tokio::test]
async fn a_share_more_than_the_bridge_keeps_is_refused_and_deleted_ones_count() {
    let folder = tempfile::tempdir().unwrap();
    let limits = BridgeLimits {
        shares_max: 2,
        ..BridgeLimits::DEFAULT
    };
    let test = async {
        let running = start(folder.path(), limits).await;
        let first = create(&running.bridge).await;
        create(&running.bridge).await;
        let asker = Asker::default();
        running
            .bridge
            .delete(&asker, &first.id, &first.secret)
            .await
            .unwrap();
        let refused = running.bridge.create(&asker, "ses_2").await.unwrap_err();
        assert!(matches!(refused, BackendError::Refused { .. }), "{refused}");
        assert!(refused.to_string().contains("knows 2 shares"), "{refused}");
        running.stop().await;
    };
    LocalSet::new().run_until(test).await;
}

#[tokio::test]
async fn a_full_outbox_is_said_and_what_it_has_stays() {
    let folder = tempfile::tempdir().unwrap();
    let limits = BridgeLimits {
        outbox_pages_max: 200,
        ..BridgeLimits::DEFAULT
    };
    let test = async {
        let running = start(folder.path(), limits).await;
        let share = create(&running.bridge).await;
        sync(&running.bridge, &share, vec![part("ab")])
            .await
            .unwrap();
        let full = sync(&running.bridge, &share, vec![part(&"x".repeat(1 << 20))]).await;
        let full = full.unwrap_err();
        assert!(matches!(full, BackendError::Overloaded { .. }), "{full}");
        assert!(full.to_string().contains("the outbox is full"), "{full}");
        assert_eq!(rows(&running.bridge).await, 1);
        // What was not taken is not taken for said: the next is put whole.
        sync(&running.bridge, &share, vec![part("abc")])
            .await
            .unwrap();
        assert_eq!(rows(&running.bridge).await, 2);
        running.stop().await;
    };
    LocalSet::new().run_until(test).await;
}

#[tokio::test]
async fn an_item_that_has_no_place_refuses_its_whole_sync() {
    let folder = tempfile::tempdir().unwrap();
    let test = async {
        let running = start(folder.path(), BridgeLimits::DEFAULT).await;
        let share = create(&running.bridge).await;
        let nameless = Item {
            kind: "message".into(),
            data: Value::Null,
        };
        let refused = sync(&running.bridge, &share, vec![part("ab"), nameless]).await;
        let Err(BackendError::Item { index: 1, source }) = refused else {
            panic!("{refused:?}");
        };
        assert!(matches!(source, ItemError::Identity { .. }), "{source}");
        assert_eq!(rows(&running.bridge).await, 0);
        // Nor is it remembered as said.
        sync(&running.bridge, &share, vec![part("ab")])
            .await
            .unwrap();
        assert_eq!(rows(&running.bridge).await, 1);
        running.stop().await;
    };
    LocalSet::new().run_until(test).await;
}

#[tokio::test]
async fn what_says_nothing_new_or_something_older_is_no_op() {
    let folder = tempfile::tempdir().unwrap();
    let test = async {
        let running = start(folder.path(), BridgeLimits::DEFAULT).await;
        let share = create(&running.bridge).await;
        for (text, expected) in [
            ("abc", 1),
            ("abc", 1),
            ("ab", 1),
            ("abcd", 2),
            ("x", 3),
            ("abcd", 4),
        ] {
            sync(&running.bridge, &share, vec![part(text)])
                .await
                .unwrap();
            assert_eq!(rows(&running.bridge).await, expected, "{text}");
        }
        running.stop().await;
    };
    LocalSet::new().run_until(test).await;
}

#[tokio::test]
async fn an_unknown_id_and_a_wrong_secret_are_the_same() {
    let folder = tempfile::tempdir().unwrap();
    let test = async {
        let running = start(folder.path(), BridgeLimits::DEFAULT).await;
        let (one, other) = (create(&running.bridge).await, create(&running.bridge).await);
        let unknown = Slug::from_bytes([1; 16]);
        let asker = Asker::default();
        for id in [&unknown, &other.id] {
            let deleted = running.bridge.delete(&asker, id, &one.secret).await;
            assert_eq!(deleted, Err(BackendError::NotFound));
            let synced = running.bridge.sync(&asker, id, &one.secret, vec![]).await;
            assert_eq!(synced, Err(BackendError::NotFound));
        }
        running.stop().await;
    };
    LocalSet::new().run_until(test).await;
}

#[tokio::test]
async fn a_record_that_cant_be_read_is_named_and_left() {
    let folder = tempfile::tempdir().unwrap();
    let records = folder.path().join("state/bridge");
    std::fs::create_dir_all(&records).unwrap();
    let damaged = records.join("0.share");
    std::fs::write(&damaged, "{}").unwrap();
    let files = std::sync::Arc::new(share_model::seam::SystemFiles);
    let error = super::shares::Shares::open(&records, files).unwrap_err();
    assert!(error.to_string().contains("0.share"), "{error}");
    assert_eq!(std::fs::read_to_string(&damaged).unwrap(), "{}");
}
