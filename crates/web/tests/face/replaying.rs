//! Sessions that are played again.

use std::time::Duration;

use serde_json::Value;
use share_model::{Refusal, RefusalCode, Slug};

use crate::client::Client;
use crate::double::put;
use crate::following::Growing;
use crate::scene::Scene;
use crate::stream::page_path;

/// A share with so many ops.
fn share(scene: &Scene, ops: u64) -> (Slug, Growing) {
    let (slug, _) = scene
        .backend
        .share(&[("session", r#"{"title":"Mend the roof"}"#)]);
    let share = scene.backend.growing(&slug);
    for number in 1..ops {
        let title = format!(r#"{{"title":"take {number}"}}"#);
        put(&share, "session".into(), title).unwrap();
    }
    (slug, share)
}

/// More than what lies between two sockets.
fn say_much(share: &Growing) {
    let text = "x".repeat(60_000);
    for message in 0..60 {
        let id = format!("m{message}");
        let info = format!(r#"{{"id":"{id}","role":"user","time":{{"created":{message}}}}}"#);
        put(share, format!("message/{id}"), info).unwrap();
        for part in 0..8 {
            let of = format!(r#""messageID":"{id}","id":"p{part}","type":"text""#);
            let json = format!(r#"{{{of},"text":"{text}"}}"#);
            put(share, format!("part/{id}/p{part}"), json).unwrap();
        }
    }
}

async fn begin(scene: &Scene, slug: &Slug) -> Client {
    let (head, client) = scene
        .stream(&page_path(slug, "/replay"), &[])
        .await
        .unwrap();
    assert_eq!(head.header("content-type"), Some("application/x-ndjson"));
    client
}

/// The lines until the end.
async fn lines(mut client: Client) -> Vec<Value> {
    let mut text = Vec::new();
    while let Some(chunk) = client.chunk().await {
        text.extend(chunk);
    }
    let text = String::from_utf8(text).unwrap();
    text.lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

#[tokio::test]
async fn a_replay_has_every_op_of_the_log_from_its_start_to_where_it_stood() {
    let scene = Scene::new().await;
    let (slug, growing) = share(&scene, 500);
    let client = begin(&scene, &slug).await;
    put(&growing, "session".into(), r#"{"title":"later"}"#.into()).unwrap();
    let lines = lines(client).await;
    let (first, steps) = lines.split_first().unwrap();
    let begin = serde_json::json!({
        "cursor": 0, "at": 1_000_001, "end_cursor": 500, "end_at": 1_000_500, "truncated": false,
    });
    assert_eq!(first["begin"], begin);
    assert_eq!(first["patches"][0]["clear"], true);
    for (step, cursor) in steps.iter().zip(1_u64..) {
        assert_eq!(step["cursor"], cursor);
        assert_eq!(step["at"], 1_000_000 + cursor);
    }
    assert_eq!(steps.len(), 500);
    assert_eq!(steps[499]["patches"][0]["title"], "take 499");
    growing.followers(0).await;
}

#[tokio::test]
async fn a_replay_of_nothing_ends_at_once() {
    let scene = Scene::new().await;
    let (slug, _) = scene.backend.share(&[]);
    let lines = lines(begin(&scene, &slug).await).await;
    assert_eq!(lines.len(), 1);
    assert_eq!(lines[0]["begin"]["end_cursor"], 0);
}

#[tokio::test]
async fn a_replay_is_made_only_as_fast_as_it_is_taken_and_is_cut_before_the_end_is_answered() {
    let scene = Scene::new().await;
    let (slug, growing) = share(&scene, 1);
    say_much(&growing);
    let mut client = begin(&scene, &slug).await;
    let first = client.chunk().await.unwrap();
    assert!(first.starts_with(b"{\"begin\""));
    growing.followers(1).await;
    let refusal = Refusal::new(RefusalCode::Revoked, "the grant was revoked");
    let ended = tokio::time::timeout(Duration::from_secs(10), growing.end(refusal)).await;
    ended.expect("who ends it does not wait for who takes nothing");
    let mut text = Vec::new();
    while let Some(chunk) = client.chunk().await {
        text.extend(chunk);
    }
    let text = String::from_utf8(text).unwrap();
    let last = text.lines().last().unwrap();
    let last: Value = serde_json::from_str(last).unwrap();
    assert_eq!(last["end"]["reason"], "revoked");
    assert!(!text.contains("\"cursor\":541"), "it was cut");
}

#[tokio::test]
async fn replays_are_bounded_in_all_and_of_an_address() {
    for of in ["all", "address"] {
        let scene = Scene::with(|limits| {
            let live = &mut limits.live;
            *match of {
                "all" => &mut live.replays_max,
                _ => &mut live.replays_per_address_max,
            } = 1;
        })
        .await;
        let (slug, growing) = share(&scene, 1);
        say_much(&growing);
        let one = begin(&scene, &slug).await;
        let refused = scene.stream(&page_path(&slug, "/replay"), &[]).await;
        assert_eq!(refused.err().unwrap().status, 503, "{of}");
        drop(one);
        growing.followers(0).await;
        lines(begin(&scene, &slug).await).await;
    }
}
