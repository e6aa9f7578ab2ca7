//! Each bound, at it and one past it.

use std::time::Duration;

use serde_json::json;

use crate::client::Client;
use crate::scene::{JSON, Scene, path, sync};

const SHORT: Duration = Duration::from_millis(100);

/// A body for `POST /api/share` of so many bytes.
fn create(bytes: usize) -> String {
    let body = r#"{"sessionID":"ses_1"}"#;
    format!("{body}{}", " ".repeat(bytes - body.len()))
}

/// The head of a creation whose body comes in chunks, and the chunk.
fn chunked(scene: &Scene, body: &str) -> Vec<u8> {
    let encoding = ("Transfer-Encoding", "chunked");
    let mut request = scene.request("POST /api/share", &[JSON, encoding], "");
    request.extend(format!("{:x}\r\n{body}\r\n", body.len()).bytes());
    request
}

/// The beginning of a creation with a body of so many bytes, of which so many come.
async fn begin(scene: &Scene, bytes: usize, sent: usize) -> Client {
    let request = scene.request("POST /api/share", &[JSON], create(bytes));
    let mut client = scene.client().await;
    client
        .send(&request[..request.len() - (bytes - sent)])
        .await;
    client
}

#[tokio::test]
async fn a_body_is_taken_at_its_bound_and_one_byte_more_is_413_however_it_comes() {
    let scene = Scene::with(|limits| limits.body_bytes_max = 1000).await;
    assert_eq!(scene.post("/api/share", create(1000)).await.status, 200);
    assert_eq!(scene.post("/api/share", create(1001)).await.status, 413);
    let last = b"0\r\n\r\n";
    let whole = [chunked(&scene, &create(1000)), last.to_vec()].concat();
    assert_eq!(scene.ask_raw(whole).await.status, 200);
    assert_eq!(
        scene.ask_raw(chunked(&scene, &create(1001))).await.status,
        413
    );
    // Of what is announced nothing has to come.
    let head = scene.request("POST /api/share", &[JSON, ("Content-Length", "1001")], "");
    assert_eq!(scene.ask_raw(head).await.status, 413);
    let most = u64::MAX.to_string();
    let head = scene.request("POST /api/share", &[JSON, ("Content-Length", &most)], "");
    let refused = scene.ask_raw(head).await.status;
    assert!((400..500).contains(&refused), "{refused}");
    assert_eq!(scene.backend.calls("create"), 2);
}

#[tokio::test]
async fn who_sends_on_although_refused_can_read_why_and_who_does_not_end_is_left() {
    let scene = Scene::with(|limits| {
        limits.body_bytes_max = 1000;
        limits.linger = Duration::from_secs(20);
    })
    .await;
    let body = "x".repeat(30 << 20);
    let request = scene.request("POST /api/share", &[JSON], &body);
    let mut client = scene.client().await;
    client.send(request).await;
    let answer = client.answer().await;
    assert_eq!(
        (answer.status, answer.header("connection")),
        (413, Some("close"))
    );

    let scene = Scene::with(|limits| limits.linger = SHORT).await;
    let end = [JSON, ("Connection", "close")];
    let mut client = scene.client().await;
    client
        .send(scene.request("POST /api/share", &end, create(30)))
        .await;
    assert_eq!(client.answer().await.status, 200);
    scene.drain.send(true).unwrap();
    // The client holds its end open.
    let ended = tokio::time::timeout(Duration::from_secs(10), scene.serving).await;
    ended.expect("the face waits no longer").unwrap();
}

#[tokio::test]
async fn a_whole_session_of_tens_of_megabytes_is_one_request() {
    let scene = Scene::new().await;
    let (slug, secret) = scene.backend.share(&[]);
    let image = "A".repeat(15 << 20);
    let part = |id: u32| json!({"type": "part", "data": {"messageID": "m", "id": id.to_string(), "url": image}});
    let items = json!([part(1), part(2), part(3)]);
    let answer = scene
        .post(&path(&slug, "/sync"), sync(&secret, &items.to_string()))
        .await;
    assert_eq!(answer.status, 200);
    assert!(scene.data(&slug).await == items);
}

#[tokio::test]
async fn values_of_a_body_are_taken_at_their_bound_and_one_more_is_413() {
    let scene = Scene::with(|limits| limits.body_values_max = 20).await;
    let (slug, secret) = scene.backend.share(&[]);
    // The body, its two members, the item, its two members.
    let of = |count: usize| {
        format!(
            r#"[{{"type":"session","data":[{}]}}]"#,
            vec!["1"; count].join(",")
        )
    };
    for (count, status) in [(14, 200), (15, 413), (1000, 413)] {
        let answer = scene
            .post(&path(&slug, "/sync"), sync(&secret, &of(count)))
            .await;
        assert_eq!(answer.status, status, "{count}");
    }
    assert_eq!(scene.backend.calls("sync"), 1);
}

#[tokio::test]
async fn bodies_of_all_connections_share_a_room_and_who_finds_none_is_503() {
    let scene = Scene::with(|limits| {
        limits.body_bytes_max = 100_000;
        limits.held_bytes_max = 150_000;
        limits.held_per_address_bytes_max = 150_000;
    })
    .await;
    scene.backend.hold();
    let mut first = begin(&scene, 100_000, 100_000).await;
    while scene.backend.calls("begun") == 0 {
        tokio::task::yield_now().await;
    }
    let full = scene.post("/api/share", create(100_000)).await;
    assert_eq!((full.status, full.header("retry-after")), (503, Some("1")));
    assert_eq!(full.error(), "there is no room for the request now");
    // A small one finds some.
    let mut small = begin(&scene, 100, 100).await;
    scene.backend.release(2);
    assert_eq!(first.answer().await.status, 200);
    assert_eq!(small.answer().await.status, 200);
    scene.backend.release(1);
    assert_eq!(scene.post("/api/share", create(100_000)).await.status, 200);
}

#[tokio::test]
async fn one_address_has_a_part_of_the_room() {
    let scene = Scene::with(|limits| limits.held_per_address_bytes_max = 50_000).await;
    assert_eq!(scene.post("/api/share", create(60_000)).await.status, 503);
    assert_eq!(scene.post("/api/share", create(40_000)).await.status, 200);
}

#[tokio::test]
async fn values_take_room_beyond_their_text() {
    let scene = Scene::with(|limits| limits.held_bytes_max = 64_000).await;
    let (slug, secret) = scene.backend.share(&[]);
    let of = |count: usize| {
        format!(
            r#"[{{"type":"session","data":[{}]}}]"#,
            vec!["1"; count].join(",")
        )
    };
    for (count, status) in [(300, 200), (600, 503)] {
        let answer = scene
            .post(&path(&slug, "/sync"), sync(&secret, &of(count)))
            .await;
        assert_eq!(answer.status, status, "{count}");
    }
}

#[tokio::test]
async fn answers_hold_no_more_large_values_at_a_time_than_there_is_room_for() {
    let scene = Scene::with(|limits| limits.held_bytes_max = 20 << 20).await;
    let big = format!(r#"{{"id":"s","text":"{}"}}"#, "x".repeat(15 << 20));
    let entries = [("session", big.as_str()), ("session_diff", "[]")];
    let (slug, _) = scene.backend.share(&entries);
    let line = format!("GET {}", path(&slug, "/data"));
    let mut first = scene.client().await;
    first.send(scene.request(&line, &[], "")).await;
    // It takes nothing of its answer, so that there is no room for more of the kind.
    let mut tries = 0;
    while scene.post("/api/share", create(10 << 20)).await.status != 503 {
        tries += 1;
        assert!(tries < 100, "the value that is on its way takes no room");
    }
    let mut second = scene.client().await;
    second.send(scene.request(&line, &[], "")).await;
    while scene.backend.calls("data") < 2 {
        tokio::task::yield_now().await;
    }
    let expected =
        format!(r#"[{{"type":"session","data":{big}}},{{"type":"session_diff","data":[]}}]"#);
    assert!(first.answer().await.text() == expected);
    assert!(second.answer().await.text() == expected);
    assert_eq!(scene.post("/api/share", create(10 << 20)).await.status, 200);
}

#[tokio::test]
async fn a_document_that_is_read_takes_room_for_its_entries_and_a_page_for_its_text() {
    let scene = Scene::with(|limits| limits.held_bytes_max = 50_000).await;
    for (count, data, page) in [(100, 200, 200), (300, 200, 503), (500, 503, 503)] {
        let text = "x".repeat(200);
        let parts: Vec<_> = (0..count)
            .map(|it| {
                let id = it.to_string();
                let part = json!({"messageID": "m", "id": id, "type": "text", "text": text});
                (format!("part/m/{it}"), part.to_string())
            })
            .collect();
        let parts = parts
            .iter()
            .map(|(key, json)| (key.as_str(), json.as_str()));
        let message = ("message/m", r#"{"id":"m","role":"user"}"#);
        let entries: Vec<_> = std::iter::once(message).chain(parts).collect();
        let (slug, _) = scene.backend.share(&entries);
        assert_eq!(
            scene.get(&path(&slug, "/data")).await.status,
            data,
            "{count}"
        );
        let answer = scene.get(&format!("/share/{}", slug.to_text())).await;
        assert_eq!(answer.status, page, "{count}");
    }
}

#[tokio::test]
async fn a_body_that_stops_or_takes_too_long_is_408_and_nothing_is_done() {
    let scene = Scene::with(|limits| limits.body_stall = SHORT).await;
    let mut client = begin(&scene, 1000, 999).await;
    assert_eq!(client.answer().await.status, 408);
    let scene = Scene::with(|limits| {
        limits.body_deadline = SHORT;
        limits.body_stall = Duration::from_secs(1000);
    })
    .await;
    let mut client = begin(&scene, 1000, 999).await;
    assert_eq!(client.answer().await.status, 408);
    assert_eq!(scene.backend.all_calls(), 0);
}

#[tokio::test]
async fn a_body_that_is_cut_off_changes_nothing() {
    let scene = Scene::new().await;
    let mut client = begin(&scene, 1000, 999).await;
    tokio::io::AsyncWriteExt::shutdown(&mut client.stream)
        .await
        .unwrap();
    assert_eq!(client.answer().await.status, 400);
    // The JSON was whole, the announced length was not.
    let mut client = scene.client().await;
    client.send(chunked(&scene, &create(100))).await;
    tokio::io::AsyncWriteExt::shutdown(&mut client.stream)
        .await
        .unwrap();
    assert_eq!(client.answer().await.status, 400);
    assert_eq!(scene.backend.all_calls(), 0);
}

#[tokio::test]
async fn a_length_that_lies_makes_the_rest_no_request() {
    let scene = Scene::new().await;
    let (body, length) = (create(100), ("Content-Length", "50"));
    let head = scene.request("POST /api/share", &[JSON, length], "");
    let mut client = scene.client().await;
    client.send([&head, body.as_bytes()].concat()).await;
    assert_eq!(client.answer().await.status, 200);
    // What lies behind the announced 50 bytes is white space.
    assert_eq!(client.answer_to(false).await.map(|it| it.status), Some(400));
    for lengths in [
        &[("Content-Length", "5"), ("Content-Length", "6")][..],
        &[("Content-Length", "-1")],
        &[("Content-Length", "+5")],
        &[("Content-Length", "5, 6")],
        &[("Content-Length", "0x10")],
        &[("Transfer-Encoding", "gzip")],
    ] {
        let headers = [lengths, &[JSON]].concat();
        let request = scene.request("POST /api/share", &headers, "");
        let answer = scene
            .ask_raw([&request[..], body.as_bytes()].concat())
            .await;
        assert_eq!(answer.status, 400, "{lengths:?}");
    }
    let bad_chunk = scene.request(
        "POST /api/share",
        &[JSON, ("Transfer-Encoding", "chunked")],
        "",
    );
    let answer = scene
        .ask_raw([&bad_chunk[..], b"zz\r\n{}\r\n"].concat())
        .await;
    assert_eq!(answer.status, 400);
    assert_eq!(scene.backend.calls("create"), 1);
}

#[tokio::test]
async fn heads_are_bounded_in_bytes_headers_and_time() {
    let scene = Scene::with(|limits| {
        limits.header_deadline = SHORT;
        limits.headers_max = 10;
    })
    .await;
    let padded = |bytes: usize| {
        let bare = scene.request("GET /healthz", &[("X", "")], "").len();
        let value = "x".repeat(bytes - bare);
        scene.request("GET /healthz", &[("X", &value)], "")
    };
    assert_eq!(scene.ask_raw(padded(16 << 10)).await.status, 200);
    assert_eq!(scene.ask_raw(padded((16 << 10) + 1)).await.status, 431);
    // `Host` is one.
    let headers = vec![("X", "x"); 9];
    assert_eq!(scene.ask("GET /healthz", &headers, "").await.status, 200);
    let headers = vec![("X", "x"); 10];
    assert_eq!(scene.ask("GET /healthz", &headers, "").await.status, 431);
    // Whether nothing comes, or a part.
    assert_eq!(scene.client().await.end().await, b"");
    let mut slow = scene.client().await;
    slow.send("GET /healthz HTTP/1.1\r\nHo").await;
    assert!(!slow.end().await.starts_with(b"HTTP/1.1 200"));
    // Or nothing after an answer.
    let mut idle = scene.client().await;
    idle.send(scene.request("GET /healthz", &[], "")).await;
    assert_eq!(idle.answer().await.status, 200);
    assert_eq!(idle.end().await, b"");
}

#[tokio::test]
async fn for_a_connection_too_many_an_idle_one_ends_and_none_with_a_request() {
    let scene = Scene::with(|limits| limits.connections_per_address_max = 2).await;
    let idle = scene.client().await;
    let busy = begin(&scene, 100, 99);
    let mut busy = busy.await;
    // Both are known once the later is answered; its body has one byte to come.
    let mut third = scene.client().await;
    third.send(scene.request("GET /healthz", &[], "")).await;
    assert_eq!(third.answer().await.status, 200);
    assert_eq!(idle.end().await, b"");
    busy.send(" ").await;
    assert_eq!(busy.answer().await.status, 200);

    scene.backend.hold();
    for client in [&mut busy, &mut third] {
        client
            .send(scene.request("POST /api/share", &[JSON], create(30)))
            .await;
    }
    while scene.backend.calls("begun") < 3 {
        tokio::task::yield_now().await;
    }
    assert_eq!(scene.client().await.end().await, b"");
    scene.backend.release(2);
    assert_eq!(busy.answer().await.status, 200);
    assert_eq!(third.answer().await.status, 200);
}

#[tokio::test]
async fn connections_of_all_addresses_are_bounded() {
    let scene = Scene::with(|limits| limits.connections_max = 1).await;
    let idle = scene.client().await;
    assert_eq!(scene.get("/healthz").await.status, 200);
    assert_eq!(idle.end().await, b"");
}

#[tokio::test]
async fn who_takes_nothing_of_an_answer_is_hung_up_on() {
    let scene = Scene::with(|limits| {
        limits.write_stall = SHORT;
        limits.connections_max = 1;
    })
    .await;
    let big = format!(r#"{{"text":"{}"}}"#, "x".repeat(15 << 20));
    let (slug, _) = scene.backend.share(&[("session", &big)]);
    let mut client = scene.client().await;
    client
        .send(scene.request(&format!("GET {}", path(&slug, "/data")), &[], ""))
        .await;
    while scene.backend.calls("data") == 0 {
        tokio::task::yield_now().await;
    }
    // The only seat is free again once the answer was given up.
    let served = async {
        loop {
            let mut next = scene.client().await;
            next.send(scene.request("GET /healthz", &[], "")).await;
            if let Some(answer) = next.answer_to(false).await {
                break answer.status;
            }
        }
    };
    assert_eq!(
        tokio::time::timeout(Duration::from_secs(30), served).await,
        Ok(200)
    );
    drop(client);
}
