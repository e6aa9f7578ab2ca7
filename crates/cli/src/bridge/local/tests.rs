//! What a plugin tells, and what comes of it, without a server.

use std::path::Path;

use serde_json::{Value, json};
use share_model::{Secret, Slug};
use share_opencode::Item;
use share_web::{Asker, Backend as _, CreatedShare};
use tokio::task::LocalSet;

use super::super::tests::{create, rows, start, sync};
use super::super::{BridgeLimits, RunningBridge, plugin_token_beside};
use super::*;

/// A bridge, and a share of `ses_1`.
struct Scene {
    running: RunningBridge,
    share: CreatedShare,
    token: Secret,
}

impl Scene {
    async fn new(folder: &Path) -> Self {
        let running = start(folder, BridgeLimits::DEFAULT).await;
        let share = create(&running.bridge).await;
        Self {
            token: token_in(folder),
            running,
            share,
        }
    }

    async fn again(self, folder: &Path) -> Self {
        self.running.stop().await;
        let running = start(folder, BridgeLimits::DEFAULT).await;
        assert_eq!(token_in(folder).hash(), self.token.hash());
        Self { running, ..self }
    }

    fn call(&self) -> PluginCall {
        PluginCall {
            token: Some(self.token.clone()),
            session: "ses_1".into(),
            share: self.share.id.clone(),
        }
    }

    async fn try_tell(&self, events: Vec<LocalEvent>) -> Result<Taken, BackendError> {
        self.running.bridge.events(self.call(), events).await
    }

    /// Tells events, and says what came of them, and how many ops there are then.
    async fn tell(&self, events: Vec<LocalEvent>) -> (Taken, usize) {
        let taken = self.try_tell(events).await.unwrap();
        (taken, rows(&self.running.bridge).await)
    }

    /// Syncs an item, as opencode itself does; how many ops there are then.
    async fn sync(&self, kind: &str, data: Value) -> usize {
        let kind = kind.into();
        let item = Item { kind, data };
        let bridge = &self.running.bridge;
        sync(bridge, &self.share, vec![item]).await.unwrap();
        rows(bridge).await
    }
}

fn token_in(folder: &Path) -> Secret {
    let place = plugin_token_beside(&folder.join("state/share.sqlite"));
    let text = std::fs::read_to_string(&place).unwrap();
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        let mode = std::fs::metadata(&place).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }
    Secret::from_text(text.trim()).unwrap()
}

fn event(seq: u64, kind: &str, properties: Value) -> LocalEvent {
    LocalEvent {
        id: format!("one/{seq}"),
        kind: kind.into(),
        properties,
    }
}

fn part(text: &str, end: Option<u32>) -> Value {
    let mut part =
        json!({"id": "p", "messageID": "m", "type": "text", "text": text, "time": {"start": 1}});
    if let Some(end) = end {
        part["time"]["end"] = end.into();
    }
    part
}

fn whole(seq: u64, text: &str, end: Option<u32>) -> LocalEvent {
    event(
        seq,
        "message.part.updated",
        json!({"part": part(text, end)}),
    )
}

fn delta(seq: u64, at: u64, text: &str) -> LocalEvent {
    let properties =
        json!({"messageID": "m", "partID": "p", "field": "text", "at": at, "delta": text});
    event(seq, "message.part.delta", properties)
}

fn wanted() -> Taken {
    Taken {
        wanted: vec![WantedPart {
            message: "m".into(),
            part: "p".into(),
        }],
        refused: Vec::new(),
    }
}

/// Runs a test in a folder of its own.
async fn in_folder<T: Future<Output = ()>>(test: impl FnOnce(std::path::PathBuf) -> T) {
    let folder = tempfile::tempdir().unwrap();
    let test = test(folder.path().to_owned());
    LocalSet::new().run_until(test).await;
}

#[tokio::test]
async fn text_grows_by_its_deltas_and_neither_a_repeat_nor_a_sync_adds_to_it() {
    in_folder(async |folder| {
        let scene = Scene::new(&folder).await;
        let events = || vec![whole(1, "", None), delta(2, 0, "hel"), delta(3, 3, "lo")];
        assert_eq!(scene.tell(events()).await, (Taken::default(), 3));
        assert_eq!(scene.tell(events()).await, (Taken::default(), 3));
        // What opencode itself sends at the part's start, and of its end what the events did not say.
        assert_eq!(scene.sync("part", part("", None)).await, 3);
        assert_eq!(scene.tell(vec![whole(4, "hello", Some(2))]).await.1, 4);
        assert_eq!(scene.sync("part", part("hello", Some(2))).await, 4);
        scene.running.stop().await;
    })
    .await;
}

#[tokio::test]
async fn a_bridge_that_is_started_again_takes_no_event_twice() {
    in_folder(async |folder| {
        let scene = Scene::new(&folder).await;
        scene
            .tell(vec![whole(1, "a", None), delta(2, 1, "b")])
            .await;
        let scene = scene.again(&folder).await;
        let repeat = vec![whole(1, "a", None), delta(2, 1, "b")];
        assert_eq!(scene.tell(repeat).await, (Taken::default(), 2));
        // What stands there is not known any more: the whole is wanted, and what comes after it grows.
        assert_eq!(scene.tell(vec![delta(3, 2, "c")]).await, (wanted(), 2));
        let events = vec![whole(4, "abc", None), delta(5, 3, "d")];
        assert_eq!(scene.tell(events).await, (Taken::default(), 4));
        let scene = scene.again(&folder).await;
        let overlapping = vec![
            whole(4, "abc", None),
            delta(5, 3, "d"),
            whole(6, "abcde", Some(2)),
        ];
        assert_eq!(scene.tell(overlapping).await, (Taken::default(), 5));
        scene.running.stop().await;
    })
    .await;
}

#[tokio::test]
async fn who_has_no_token_tells_nothing_and_no_session_tells_of_anothers_share() {
    in_folder(async |folder| {
        let scene = Scene::new(&folder).await;
        let call = scene.call();
        let unproven = |token| PluginCall {
            token,
            ..call.clone()
        };
        let other = PluginCall {
            session: "ses_2".into(),
            ..call.clone()
        };
        let unknown = PluginCall {
            share: Slug::from_bytes([1; 16]),
            ..call.clone()
        };
        for (call, expected) in [
            (unproven(None), BackendError::PluginTokenNeeded),
            (
                unproven(Some(scene.share.secret.clone())),
                BackendError::PluginTokenNeeded,
            ),
            (other, BackendError::NotFound),
            (unknown, BackendError::NotFound),
        ] {
            let bridge = &scene.running.bridge;
            let told = bridge.events(call.clone(), vec![whole(1, "a", None)]).await;
            assert_eq!(told, Err(expected.clone()));
            let drained = bridge.drained(call, false, Duration::ZERO).await;
            assert_eq!(drained, Err(expected));
        }
        let (id, secret) = (&scene.share.id, &scene.share.secret);
        let asker = Asker::default();
        let deleted = scene.running.bridge.delete(&asker, id, secret);
        deleted.await.unwrap();
        let gone = scene.try_tell(vec![whole(1, "a", None)]).await.unwrap_err();
        assert!(matches!(gone, BackendError::Gone { .. }), "{gone}");
        assert_eq!(rows(&scene.running.bridge).await, 0);
        scene.running.stop().await;
    })
    .await;
}

#[tokio::test]
async fn events_are_of_one_instance_in_order_and_1024_at_most() {
    in_folder(async |folder| {
        let scene = Scene::new(&folder).await;
        let other = LocalEvent {
            id: "two/2".into(),
            ..whole(2, "a", None)
        };
        let nameless = LocalEvent {
            id: "one".into(),
            ..whole(2, "a", None)
        };
        for second in [whole(1, "a", None), whole(0, "a", None), other, nameless] {
            let error = scene
                .try_tell(vec![whole(1, "a", None), second])
                .await
                .unwrap_err();
            assert!(matches!(error, BackendError::Invalid { .. }), "{error}");
        }
        let of = |count: u64| {
            (0..count)
                .map(|seq| event(seq, "session.idle", json!({})))
                .collect()
        };
        assert_eq!(scene.tell(of(1024)).await, (Taken::default(), 0));
        let error = scene.try_tell(of(1025)).await.unwrap_err();
        assert_eq!(error.to_string(), "1025 events at once, limit is 1024");
        scene.running.stop().await;
    })
    .await;
}

#[tokio::test]
async fn an_event_that_has_no_place_is_left_out_and_the_others_are_taken() {
    in_folder(async |folder| {
        let scene = Scene::new(&folder).await;
        let large = json!({"id": "p", "messageID": "m", "text": "x".repeat(16 << 20)});
        let events = vec![
            event(1, "message.updated", json!({})),
            event(2, "message.updated", json!({"info": {}})),
            event(3, "message.part.updated", json!({"part": large})),
            whole(4, "a", None),
        ];
        let (taken, rows) = scene.tell(events).await;
        let refused: Vec<_> = taken.refused.iter().map(|refused| refused.index).collect();
        assert_eq!((refused, rows), (vec![0, 1, 2], 1));
        assert!(
            taken.refused[2].error.starts_with("valueTooLarge"),
            "{:?}",
            taken.refused[2]
        );
        scene.running.stop().await;
    })
    .await;
}

#[tokio::test]
async fn what_is_gone_stays_gone_whatever_a_late_sync_says() {
    in_folder(async |folder| {
        let scene = Scene::new(&folder).await;
        let message = json!({"id": "m", "role": "user"});
        let said = event(1, "message.updated", json!({"info": message}));
        assert_eq!(scene.tell(vec![said, whole(2, "a", None)]).await.1, 2);
        let gone = event(3, "message.removed", json!({"messageID": "m"}));
        assert_eq!(scene.tell(vec![gone]).await.1, 4);
        assert_eq!(scene.sync("message", message).await, 4);
        assert_eq!(scene.sync("part", part("a", Some(2))).await, 4);
        scene.running.stop().await;
    })
    .await;
}

#[tokio::test]
async fn a_sync_that_a_plugin_has_overtaken_changes_nothing() {
    in_folder(async |folder| {
        let scene = Scene::new(&folder).await;
        // Nothing in them says which one is older.
        let of = |files: u32| json!({"id": "m", "role": "user", "summary": {"files": files}});
        let said = |seq, files| event(seq, "message.updated", json!({"info": of(files)}));
        assert_eq!(scene.tell(vec![said(1, 1), said(2, 2)]).await.1, 2);
        assert_eq!(scene.sync("message", of(1)).await, 2);
        assert_eq!(scene.sync("message", of(2)).await, 2);
        assert_eq!(scene.sync("message", of(1)).await, 3, "it goes back");
        scene.running.stop().await;
    })
    .await;
}

#[tokio::test]
async fn drained_waits_for_acks_only_where_it_is_told_and_60_s_at_most() {
    in_folder(async |folder| {
        let scene = Scene::new(&folder).await;
        scene.tell(vec![whole(1, "a", None)]).await;
        let bridge = &scene.running.bridge;
        let durable = bridge
            .drained(scene.call(), false, Duration::from_secs(60))
            .await;
        let expected = |drained| Drained {
            drained,
            pending: 1,
        };
        assert_eq!(durable, Ok(expected(true)));
        // No server is there to ack anything.
        let acked = bridge
            .drained(scene.call(), true, Duration::from_millis(10))
            .await;
        assert_eq!(acked, Ok(expected(false)));
        let refused = bridge
            .drained(scene.call(), false, Duration::from_millis(60_001))
            .await;
        let reason = "`deadline_ms` is 60001, limit is 60000".to_owned();
        assert_eq!(refused, Err(BackendError::Invalid { reason }));
        scene.running.stop().await;
    })
    .await;
}
