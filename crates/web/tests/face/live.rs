//! Pages that grow: what viewers see, and what they do not.

use std::time::Duration;

use serde_json::json;
use share_model::{Mutation, Refusal, RefusalCode, Slug};

use crate::double::{apply, put};
use crate::following::Growing;
use crate::scene::Scene;
use crate::stream::{Event, Live, page_path, told};

const SHORT: Duration = Duration::from_millis(100);
const LONG: Duration = Duration::from_secs(3600);

/// A share with a message that has begun.
fn begun(scene: &Scene) -> (Slug, Growing) {
    let (slug, _) = scene.backend.share(&[
        ("session", r#"{"title":"Mend the roof"}"#),
        (
            "message/m",
            r#"{"id":"m","role":"assistant","time":{"created":1}}"#,
        ),
        (
            "part/m/p",
            r#"{"messageID":"m","id":"p","type":"text","text":"So"}"#,
        ),
    ]);
    let share = scene.backend.growing(&slug);
    (slug, share)
}

fn say(share: &Growing, text: &str) {
    let mutation = Mutation::AppendText {
        key: "part/m/p".into(),
        pointer: "/text".into(),
        text: text.into(),
    };
    apply(share, mutation).unwrap();
}

fn revoked() -> Refusal {
    Refusal::new(RefusalCode::Revoked, "the grant was revoked")
}

#[tokio::test]
async fn a_page_goes_on_where_it_stands_and_its_text_grows_token_by_token() {
    let scene = Scene::new().await;
    let (slug, share) = begun(&scene);
    let page = scene.page(&slug).await;
    let id = slug.to_text();
    for (name, value) in [
        ("kind", "session".to_owned()),
        ("cursor", "3".to_owned()),
        ("live", format!("/share/{id}/live")),
        ("replay", format!("/share/{id}/replay")),
        ("first-at", "1000001".to_owned()),
        ("last-at", "1000003".to_owned()),
    ] {
        assert_eq!(told(&page, name), value, "{name}");
    }
    let at = scene.page_at(&slug).await;
    let mut live = scene.live(&slug, &at).await;
    for (text, cursor) in [(" it", 4), (" goes", 5), (" on", 6)] {
        say(&share, text);
        let event = live.change().await;
        assert_eq!((event.name.as_str(), event.cursor()), ("view", cursor));
        assert_eq!(event.data["at"], 1_000_000 + cursor);
        let patches = event.data["patches"].to_string();
        assert!(
            patches.contains(text) && patches.contains("blocks"),
            "{patches}"
        );
    }
    // Another page that is asked for now stands there too.
    assert_eq!(scene.page_at(&slug).await, at.replace(":3", ":6"));
}

#[tokio::test]
async fn who_comes_back_gets_what_it_has_missed_and_nothing_twice() {
    let scene = Scene::new().await;
    let (slug, share) = begun(&scene);
    let at = scene.page_at(&slug).await;
    let mut steady = scene.live(&slug, &at).await;
    let mut seen = Vec::new();
    for text in ["a", "b", "c", "d"] {
        say(&share, text);
        seen.push(steady.change().await);
    }
    for (missed, event) in seen.iter().enumerate() {
        let id = event.id.as_deref().unwrap();
        let mut by_query = scene.live(&slug, id).await;
        // What a browser saw last counts, not what its page once asked for.
        let last = [("Last-Event-ID", id)];
        let mut by_id = scene.live_with(&slug, &format!("?after={at}"), &last).await;
        for expected in &seen[missed + 1..] {
            assert_eq!(&by_query.change().await, expected);
            assert_eq!(&by_id.change().await, expected);
        }
        say(&share, "!");
        let next = steady.change().await;
        assert_eq!(by_query.change().await, next);
        assert_eq!(by_id.change().await, next);
        if missed == 0 {
            break;
        }
    }
}

#[tokio::test]
async fn who_stands_nowhere_in_the_log_begins_again_with_the_whole_page() {
    let scene = Scene::new().await;
    let (slug, share) = begun(&scene);
    let at = scene.page_at(&slug).await;
    let _stays = scene.live(&slug, &at).await;
    let other = at.replace("01", "03");
    for after in [
        other.as_str(),
        &at.replace(":3", ":2"),
        &at.replace(":3", ":4"),
        "",
        "x:3",
    ] {
        let mut live = scene.live(&slug, after).await;
        let event = live.change().await;
        assert_eq!(
            (event.name.as_str(), event.cursor()),
            ("reset", 3),
            "{after}"
        );
        assert_eq!(event.id.as_deref(), Some(at.as_str()));
        assert_eq!(event.data["patches"][0], json!({"clear": true}));
        assert!(event.data.to_string().contains("Mend the roof"));
    }
    let last = [("Last-Event-ID", "3")];
    let mut live = scene.live_with(&slug, &format!("?after={at}"), &last).await;
    assert_eq!(live.change().await.name, "reset");
    say(&share, " on");
    let next = live.change().await;
    assert_eq!((next.name.as_str(), next.cursor()), ("view", 4));
}

#[tokio::test]
async fn after_a_restore_a_viewer_begins_again_in_the_new_history() {
    let scene = Scene::with(|limits| limits.live.stage_idle = Duration::ZERO).await;
    let (slug, share) = begun(&scene);
    let at = scene.page_at(&slug).await;
    drop(scene.live(&slug, &at).await);
    share.followers(0).await;
    share.renew_history();
    let mut live = scene.live(&slug, &at).await;
    let event = live.change().await;
    assert_eq!(event.name, "reset");
    assert_ne!(event.id, Some(at));
}

#[tokio::test]
async fn who_comes_back_when_nobody_followed_gets_what_it_has_missed_as_one_event() {
    let scene = Scene::with(|limits| {
        limits.live.stage_idle = Duration::ZERO;
        limits.live.missed_ops_max = 2;
    })
    .await;
    let (slug, share) = begun(&scene);
    let at = scene.page_at(&slug).await;
    share.followers(0).await;
    say(&share, " it");
    say(&share, " goes");
    let mut live = scene.live(&slug, &at).await;
    let event = live.change().await;
    assert_eq!((event.name.as_str(), event.cursor()), ("view", 5));
    let patches = event.data["patches"].to_string();
    assert!(
        patches.contains("So it goes") && !patches.contains("Mend"),
        "{patches}"
    );
    // One op more than may be looked at.
    drop(live);
    share.followers(0).await;
    say(&share, " on");
    let mut live = scene.live(&slug, &at).await;
    assert_eq!(live.change().await.name, "reset");
    // Nothing was missed.
    drop(live);
    share.followers(0).await;
    let mut live = scene.live(&slug, &at.replace(":3", ":6")).await;
    say(&share, "!");
    assert_eq!(live.change().await.cursor(), 7);
}

#[tokio::test]
async fn ops_that_come_close_together_are_one_event_and_a_page_never_stands_within_one() {
    let scene = Scene::with(|limits| limits.live.event_pause = LONG).await;
    let (slug, share) = begun(&scene);
    let at = scene.page_at(&slug).await;
    let mut live = scene.live(&slug, &at).await;
    say(&share, "a");
    let first = live.change().await;
    assert_eq!(first.cursor(), 4);
    // These wait for the pause to be over.
    for text in ["b", "c", "d"] {
        say(&share, text);
    }
    assert_eq!(Some(scene.page_at(&slug).await), first.id);

    let scene = Scene::with(|limits| {
        limits.live.event_pause = LONG;
        limits.live.event_bytes_max = 20;
    })
    .await;
    let (slug, share) = begun(&scene);
    let mut live = scene.live(&slug, &scene.page_at(&slug).await).await;
    say(&share, "a");
    assert_eq!(live.change().await.cursor(), 4);
    say(&share, "small");
    say(&share, "and one that is over the bound");
    let event = live.change().await;
    assert_eq!(event.cursor(), 6);
}

#[tokio::test]
async fn fifty_viewers_see_the_same_events_in_the_same_order() {
    let scene = Scene::new().await;
    let (slug, share) = begun(&scene);
    let at = scene.page_at(&slug).await;
    let mut viewers = Vec::new();
    for _ in 0..50 {
        viewers.push(scene.live(&slug, &at).await);
    }
    let writing = tokio::spawn(async move {
        for number in 0..200 {
            say(&share, &format!(" {number}"));
            tokio::task::yield_now().await;
        }
    });
    let mut all: Vec<Vec<Event>> = Vec::new();
    for live in &mut viewers {
        let mut seen = Vec::new();
        let mut cursor = 3;
        while cursor < 203 {
            let event = live.change().await;
            assert_eq!(event.name, "view");
            assert!(event.cursor() > cursor, "a repeat");
            cursor = event.cursor();
            seen.push(event);
        }
        all.push(seen);
    }
    writing.await.unwrap();
    let (first, others) = all.split_first().unwrap();
    assert!(others.iter().all(|seen| seen == first));
    // One stage for all of them.
    assert_eq!(scene.backend.growing(&slug).following(), 1);
}

#[tokio::test]
async fn who_falls_out_of_the_ring_begins_again_and_misses_nothing() {
    let scene = Scene::with(|limits| limits.live.ring_bytes_max = 2000).await;
    let (slug, share) = begun(&scene);
    let at = scene.page_at(&slug).await;
    let mut steady = scene.live(&slug, &at).await;
    let mut events = Vec::new();
    for _ in 0..20 {
        say(&share, &" word".repeat(20));
        events.push(steady.change().await);
    }
    // The newest are there still.
    let [.., before, last] = &events[..] else {
        panic!("there are events")
    };
    let mut near = scene.live(&slug, before.id.as_deref().unwrap()).await;
    assert_eq!(&near.change().await, last);
    let mut far = scene.live(&slug, events[0].id.as_deref().unwrap()).await;
    let event = far.change().await;
    assert_eq!((event.name.as_str(), event.cursor()), ("reset", 23));
    say(&share, "!");
    assert_eq!(far.change().await.cursor(), 24);
}

#[tokio::test]
async fn viewers_are_told_of_an_end_before_it_is_answered_and_see_nothing_after() {
    let scene = Scene::new().await;
    let (slug, share) = begun(&scene);
    let at = scene.page_at(&slug).await;
    let mut viewers = Vec::new();
    for _ in 0..5 {
        viewers.push(scene.live(&slug, &at).await);
    }
    for live in &mut viewers {
        live.viewers(5).await;
    }
    say(&share, " it");
    for live in &mut viewers {
        assert_eq!(live.change().await.cursor(), 4);
    }
    share.end(revoked()).await;
    // Whoever ended it has its answer: what is said now is for nobody here.
    say(&share, " a secret");
    for live in &mut viewers {
        let end = live.event().await.unwrap();
        assert_eq!(end.name, "end");
        assert_eq!(end.id, None);
        let expected = json!({"reason": "revoked", "words": "the grant was revoked"});
        assert_eq!(end.data, expected);
        assert_eq!(live.event().await, None);
    }
    for below in ["", "/live", "/replay"] {
        assert_eq!(
            scene.get(&page_path(&slug, below)).await.status,
            404,
            "{below}"
        );
    }
}

#[tokio::test]
async fn an_end_does_not_wait_for_a_viewer_that_takes_nothing() {
    let scene = Scene::with(|limits| limits.live.end_told = Duration::from_millis(50)).await;
    let (slug, share) = begun(&scene);
    let at = scene.page_at(&slug).await;
    let (_, mut stalled) = scene
        .stream(&page_path(&slug, &format!("/live?after={at}")), &[])
        .await
        .unwrap();
    let mut live = scene.live(&slug, &at).await;
    live.viewers(2).await;
    for number in 0..64 {
        put(&share, format!("part/m/q{number}"), long_part(number)).unwrap();
    }
    while live.change().await.cursor() < 67 {}
    share.end(revoked()).await;
    assert_eq!(live.change().await.name, "end");
    // What was on its way arrives, and then the end and nothing else.
    let mut text = Vec::new();
    while let Some(chunk) = stalled.chunk().await {
        text.extend(chunk);
    }
    let text = String::from_utf8(text).unwrap();
    let (_, last) = text.trim_end().rsplit_once("\n\n").unwrap();
    assert!(last.starts_with("event: end"), "{last}");
}

#[tokio::test]
async fn a_viewer_that_takes_nothing_is_hung_up_on_and_the_others_go_on() {
    let scene = Scene::with(|limits| limits.write_stall = Duration::from_millis(200)).await;
    let (slug, share) = begun(&scene);
    let at = scene.page_at(&slug).await;
    let path = page_path(&slug, &format!("/live?after={at}"));
    let (_, _stalled) = scene.stream(&path, &[]).await.unwrap();
    let mut live = scene.live(&slug, &at).await;
    live.viewers(2).await;
    let mut is_alone = false;
    let mut number = 0;
    while !is_alone {
        put(&share, format!("message/n{number}"), message(number)).unwrap();
        put(&share, format!("part/n{number}/p"), long_part_of(number)).unwrap();
        number += 1;
        let event = live.event().await.expect("it goes on");
        is_alone = event.name == "viewers" && event.data["count"] == 1;
    }
}

fn message(number: u32) -> String {
    json!({"id": format!("n{number}"), "role": "user", "time": {"created": number}}).to_string()
}

fn long_part_of(number: u32) -> String {
    let text = "x".repeat(60_000);
    json!({"messageID": format!("n{number}"), "id": "p", "type": "text", "text": text}).to_string()
}

fn long_part(number: u32) -> String {
    let text = "x".repeat(100_000);
    json!({"messageID": "m", "id": format!("q{number}"), "type": "text", "text": text}).to_string()
}

#[tokio::test]
async fn a_stage_that_nobody_views_ends_and_one_that_is_viewed_stays() {
    let scene = Scene::with(|limits| limits.live.stage_idle = Duration::from_millis(20)).await;
    let (slug, share) = begun(&scene);
    let at = scene.page_at(&slug).await;
    share.followers(0).await;
    let mut live = scene.live(&slug, &at).await;
    let other = scene.live(&slug, &at).await;
    live.viewers(2).await;
    drop(other);
    live.viewers(1).await;
    say(&share, " it");
    assert_eq!(live.change().await.cursor(), 4);
    assert_eq!(share.following(), 1);
    drop(live);
    share.followers(0).await;
}

#[tokio::test]
async fn a_stream_says_that_it_lives_and_ends_when_the_face_drains() {
    let scene = Scene::with(|limits| {
        limits.live.heartbeat = Duration::from_millis(5);
        // It is not the face that ends it.
        limits.drain_deadline = LONG;
        limits.linger = SHORT;
    })
    .await;
    let (slug, share) = begun(&scene);
    let at = scene.page_at(&slug).await;
    let mut live = scene.live(&slug, &at).await;
    live.viewers(1).await;
    while live.comments < 3 {
        let before = live.comments;
        tokio::task::yield_now().await;
        let next = live.event();
        // The comments that come make no event.
        let waited = tokio::time::timeout(Duration::from_millis(50), next).await;
        assert!(waited.is_err() && live.comments > before);
    }
    say(&share, " it");
    assert_eq!(live.change().await.cursor(), 4);
    scene.drain.send(true).unwrap();
    let last = tokio::time::timeout(Duration::from_secs(30), live.event()).await;
    let last = last.expect("a stream ends when the face drains");
    assert_eq!(last, None, "no end is told: the browser comes back");
    // The browser holds its end open.
    let ended = tokio::time::timeout(Duration::from_secs(10), scene.serving).await;
    ended.expect("the face waits no longer").unwrap();
    drop(live);
}

#[tokio::test]
async fn streams_elsewhere_are_found_there() {
    let scene = Scene::new().await;
    let (slug, _) = begun(&scene);
    let id = slug.to_text();
    let elsewhere = format!("https://elsewhere.example/api/share/{id}/data");
    scene.backend.move_to(&elsewhere);
    for below in ["", "/live", "/replay"] {
        let answer = scene.get(&page_path(&slug, below)).await;
        let expected = format!("https://elsewhere.example/share/{id}{below}");
        assert_eq!(answer.status, 307);
        assert_eq!(answer.header("location"), Some(expected.as_str()));
    }
}

/// Waits until a refused viewer is let in.
async fn let_in(scene: &Scene, slug: &Slug) -> Live {
    let path = page_path(slug, "/live");
    for _ in 0..1000 {
        if let Ok((_, client)) = scene.stream(&path, &[]).await {
            return Live::of(client);
        }
    }
    panic!("nobody is let in");
}

#[tokio::test]
async fn viewers_are_bounded_in_all_of_a_stage_and_of_an_address() {
    for of in ["all", "stage", "address"] {
        let scene = Scene::with(|limits| {
            let live = &mut limits.live;
            *match of {
                "all" => &mut live.viewers_max,
                "stage" => &mut live.viewers_per_stage_max,
                _ => &mut live.viewers_per_address_max,
            } = 2;
        })
        .await;
        let (slug, _) = begun(&scene);
        let at = scene.page_at(&slug).await;
        let one = scene.live(&slug, &at).await;
        let mut other = scene.live(&slug, &at).await;
        let refused = scene.stream(&page_path(&slug, "/live"), &[]).await;
        let refused = refused.err().unwrap();
        assert_eq!(refused.status, 503, "{of}");
        assert_eq!(refused.header("retry-after"), Some("1"));
        // The page is there for everybody.
        scene.page(&slug).await;
        drop(one);
        other.viewers(1).await;
        let_in(&scene, &slug).await;
    }
}

#[tokio::test]
async fn viewers_leave_connections_to_others() {
    let scene = Scene::with(|limits| limits.connections_per_address_max = 4).await;
    let (slug, _) = begun(&scene);
    let at = scene.page_at(&slug).await;
    let mut viewers = Vec::new();
    for _ in 0..3 {
        viewers.push(scene.live(&slug, &at).await);
    }
    let refused = scene.stream(&page_path(&slug, "/live"), &[]).await;
    assert_eq!(refused.err().unwrap().status, 503);
    scene.page(&slug).await;
}

#[tokio::test]
async fn of_stages_one_that_nobody_views_gives_way_and_beyond_them_pages_are_still_shown() {
    let scene = Scene::with(|limits| {
        limits.live.stages_max = 1;
        limits.live.stage_idle = LONG;
    })
    .await;
    let [(one, growing), (other, _)] = [begun(&scene), begun(&scene)];
    scene.page(&one).await;
    growing.followers(1).await;
    // Only looked at, it gives way to the one that is viewed.
    let at = scene.page_at(&other).await;
    growing.followers(0).await;
    let mut live = scene.live(&other, &at).await;
    live.viewers(1).await;
    assert_eq!(told(&scene.page(&one).await, "cursor"), "3");
    assert_eq!(growing.following(), 0);
    let refused = scene.stream(&page_path(&one, "/live"), &[]).await;
    assert_eq!(refused.err().unwrap().status, 503);
}

#[tokio::test]
async fn what_stages_hold_is_bounded_and_a_page_that_does_not_fit_is_still_shown() {
    let scene = Scene::with(|limits| {
        limits.live.ring_bytes_max = 1000;
        limits.live.stages_bytes_max = 50_000;
    })
    .await;
    let (small, share) = begun(&scene);
    let (large, _) = scene
        .backend
        .share(&[("message/m", r#"{"id":"m"}"#), ("part/m/q1", &long_part(1))]);
    assert_eq!(scene.page(&large).await.status, 200);
    let refused = scene.stream(&page_path(&large, "/live"), &[]).await;
    assert_eq!(refused.err().unwrap().status, 503);
    let mut live = scene.live(&small, &scene.page_at(&small).await).await;
    // It grows beyond what there is room for.
    put(&share, "part/m/q1".into(), long_part(1)).unwrap();
    while live.event().await.is_some() {}
    assert_eq!(scene.page(&small).await.status, 200);
}
