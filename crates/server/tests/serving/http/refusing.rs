//! What is refused, what it costs, and that it leaves nothing behind.

use std::time::Duration;

use serde_json::{Value, json};
use share_model::seam::Clock as _;
use share_model::{Secret, Slug};

use super::super::world::{World, simulated};
use super::agent::{Shared, item, text_part, todo};

/// A share that is not there.
fn unknown() -> Shared {
    Shared {
        id: Slug::from_bytes([5; 16]).to_text(),
        secret: Secret::from_bytes([6; 32]).to_text(),
        url: String::new(),
    }
}

#[test]
fn an_unknown_share_and_a_wrong_secret_get_one_answer_that_takes_one_time() {
    simulated(async || {
        let world = World::start().await;
        let share = world.share_session("ses_1").await;
        world.synced(&share, &[todo("t", 1)]).await;
        let wrong = Shared {
            secret: unknown().secret,
            ..share.clone()
        };
        let loaded_not = Shared {
            id: world.share_session("ses_2").await.id,
            ..wrong.clone()
        };
        let strange = Shared {
            id: "test_abc".to_owned(),
            ..wrong.clone()
        };
        let records = world.store.extent_records().await;
        let mut answers = Vec::new();
        for asked in [&unknown(), &wrong, &loaded_not, &strange] {
            let begun = tokio::time::Instant::now();
            let synced = world.sync(asked, &[todo("t", 2)]).await;
            let took = begun.elapsed();
            let begun = tokio::time::Instant::now();
            let deleted = world.unshare(asked).await;
            answers.push((synced, took, deleted, begun.elapsed()));
        }
        assert_eq!(answers[0].0.0, 404);
        // A word that can be no address is told from the others by itself.
        for answer in &answers[1..3] {
            assert_eq!(answer, &answers[0]);
        }
        assert_eq!(
            (&answers[3].0, &answers[3].2),
            (&answers[0].0, &answers[0].2)
        );
        assert_eq!(world.read(&unknown().id).await.0, 404);
        assert_eq!(world.store.extent_records().await, records);
        assert_eq!(world.entries(&share).await["todo/t"]["value"], 1);
        world.end().await;
    });
}

#[test]
fn who_proves_nothing_too_often_comes_later_and_who_is_known_is_not_slowed_down() {
    simulated(async || {
        let world = World::with(|options| options.limits.rpc.redeems_per_second = 2).await;
        let share = world.share_session("ses_1").await;
        for _ in 0..20 {
            world.synced(&share, &[todo("t", 1)]).await;
            world.entries(&share).await;
        }
        let mut refused = Vec::new();
        for _ in 0..5 {
            // Each takes 10 ms, in which not even one more try comes back.
            refused.push(world.sync(&unknown(), &[]).await.0);
        }
        assert_eq!(refused, [404, 404, 404, 404, 503]);
        assert_eq!(world.read(&share.id).await.0, 503);
        world.synced(&share, &[todo("t", 2)]).await;
        share_model::seam::SystemClock
            .sleep(Duration::from_secs(2))
            .await;
        assert_eq!(world.read(&share.id).await.0, 200);
        world.end().await;
    });
}

#[test]
fn an_item_that_has_no_place_refuses_the_whole_request() {
    simulated(async || {
        let world = World::with(|options| {
            options.limits.hub.owner.share.value_bytes_max = 1000;
        })
        .await;
        let share = world.share_session("ses_1").await;
        let records = world.store.extent_records().await;
        let deep = (0..101).fold(json!(1), |value, _| json!([value]));
        let bad = [
            item("message", json!({})),
            item("part", json!({"id": "p"})),
            item("model", json!({"id": "a"})),
            item("", json!(1)),
            item("todo", json!({"id": "x".repeat(600)})),
            todo("t", "x".repeat(1000)),
            todo("t", deep),
        ];
        for bad in bad {
            let (status, body) = world.sync(&share, &[todo("first", 1), bad]).await;
            assert!(matches!(status, 400 | 422), "{status} {body}");
        }
        assert_eq!(world.store.extent_records().await, records);
        assert!(world.entries(&share).await.is_empty());
        world.end().await;
    });
}

#[test]
fn what_a_share_has_no_room_for_is_refused_with_the_reason_and_later_syncs_go_on() {
    simulated(async || {
        let world = World::with(|options| {
            options.limits.hub.owner.share.document_bytes_max = 300;
        })
        .await;
        let share = world.share_session("ses_1").await;
        let long = "x".repeat(300);
        let items = [text_part("p", "a"), text_part("q", &long)];
        let (status, body) = world.sync(&share, &items).await;
        assert_eq!(status, 403);
        let said = body["error"].as_str().unwrap();
        assert!(said.contains("documentTooLarge"), "{said}");
        assert!(!body.to_string().contains(&long[..20]));
        assert!(world.entries(&share).await.is_empty());
        world.synced(&share, &items[..1]).await;
        assert_eq!(world.entries(&share).await.len(), 1);
        world.end().await;
    });
}

#[test]
fn the_face_is_ready_while_the_store_works() {
    simulated(async || {
        let world = World::start().await;
        let health = (http::Method::GET, "/healthz");
        assert_eq!(world.ask(health.clone(), None).await.0, 200);
        world.store.plan(&[super::super::trouble::Trouble::Stop]);
        let body: Value = json!({"sessionID": "ses_1"});
        let asked = world
            .ask((http::Method::POST, "/api/share"), Some(&body))
            .await;
        assert_eq!(asked.0, 503);
        let (status, said) = world.ask(health, None).await;
        assert_eq!(status, 503, "{said}");
    });
}
