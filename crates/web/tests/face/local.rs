//! The local endpoint: who may tell, what, and how it is answered.

use std::time::Duration;

use serde_json::json;
use share_model::{Secret, Slug};
use share_web::BackendError;

use crate::scene::{JSON, Scene};

const EVENTS: &str = r#"[{"id":"i/1","type":"message.updated","properties":{"info":{"id":"m"}}}]"#;

fn path(what: &str, query: &str) -> String {
    let share = Slug::from_bytes([7; 16]).to_text();
    format!("/local/sessions/ses_%C3%BC/{what}?share={share}{query}")
}

#[tokio::test]
async fn what_a_plugin_tells_arrives_with_who_it_is_and_of_what() {
    let scene = Scene::with_local().await;
    let token = Secret::from_bytes([9; 32]);
    let bearer = format!("Bearer {}", token.to_text());
    let line = format!("POST {}", path("events", ""));
    let answer = scene
        .ask(&line, &[JSON, ("Authorization", &bearer)], EVENTS)
        .await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    let wanted = json!({"wanted": [{"messageID": "m", "partID": "p"}], "refused": []});
    assert_eq!(answer.json(), wanted);
    let [(of, events)] = &scene.backend.told()[..] else {
        panic!("{:?}", scene.backend.told());
    };
    let told = of.token.as_ref().map(Secret::hash);
    assert_eq!((told, of.session.as_str()), (Some(token.hash()), "ses_ü"));
    assert_eq!(of.share.expose(), &[7; 16]);
    let [event] = &events[..] else {
        panic!("{events:?}");
    };
    assert_eq!(
        (event.id.as_str(), event.kind.as_str()),
        ("i/1", "message.updated")
    );
    assert_eq!(event.properties, json!({"info": {"id": "m"}}));
}

#[tokio::test]
async fn drained_waits_5_s_for_durability_unless_it_is_told_otherwise() {
    let scene = Scene::with_local().await;
    for query in ["", "&acked=true&deadline_ms=70", "&acked=false&else=1"] {
        let answer = scene.post(&path("drained", query), "{}").await;
        assert_eq!(answer.status, 200, "{}", answer.text());
        assert_eq!(answer.json(), json!({"drained": true, "pending": 0}));
    }
    let (default, told) = (Duration::from_secs(5), Duration::from_millis(70));
    assert_eq!(
        scene.backend.waits(),
        [(false, default), (true, told), (false, default)]
    );
}

#[tokio::test]
async fn what_no_plugin_sends_is_refused_before_it_is_told() {
    let scene = Scene::with_local().await;
    let session = "/local/sessions/ses_1";
    let events = format!("{session}/events");
    let twice = r#"[{"id":"i/1","type":"t","properties":{"a":1,"a":2}}]"#;
    for (path, body, status) in [
        (path("events", ""), "{}", 400),
        (path("events", ""), "[1]", 400),
        (path("events", ""), r#"[{"id":"i/1","type":"t"}]"#, 400),
        (path("events", ""), twice, 400),
        (path("drained", ""), "[]", 400),
        (path("drained", "&acked=1"), "{}", 400),
        (path("drained", "&deadline_ms=-1"), "{}", 400),
        (events.clone(), "[]", 400),
        (format!("{events}?share=.."), "[]", 404),
        (format!("{session}/nothing"), "[]", 404),
    ] {
        let answer = scene.post(&path, body).await;
        assert_eq!(answer.status, status, "{path} {body}: {}", answer.text());
    }
    assert_eq!(
        scene.ask(&format!("GET {events}"), &[], "").await.status,
        405
    );
    let wanted = Some(BackendError::PluginTokenNeeded);
    scene.backend.fail(wanted);
    let answer = scene.post(&path("events", ""), EVENTS).await;
    assert_eq!(answer.status, 401);
    assert!(answer.text().contains("plugin.token"), "{}", answer.text());
    assert_eq!(scene.backend.told().len(), 0);
}

#[tokio::test]
async fn a_page_tells_nothing_and_a_face_without_the_endpoint_has_no_route_to_it() {
    let with = Scene::with_local().await;
    let without = Scene::new().await;
    for (what, body) in [("events", EVENTS), ("drained", "{}")] {
        let line = format!("POST {}", path(what, ""));
        let own = format!("http://{}", with.address);
        for origin in ["https://evil.example", "null", &own] {
            let answer = with.ask(&line, &[JSON, ("Origin", origin)], body).await;
            assert_eq!(answer.status, 403, "{what} from {origin}");
        }
        let host = ("Host", "evil.example");
        let other = format!("{line} HTTP/1.1\r\n{}: {}\r\n\r\n", host.0, host.1);
        assert_eq!(with.ask_raw(other).await.status, 421, "{what}");
        assert_eq!(without.post(&path(what, ""), body).await.status, 404);
    }
    assert_eq!(with.backend.all_calls() + without.backend.all_calls(), 0);
}
