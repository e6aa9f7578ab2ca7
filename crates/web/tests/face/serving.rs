//! Connections: requests in a row, at once, cut off, and the face's end.

use std::time::Duration;

use serde_json::json;
use tokio::io::AsyncWriteExt as _;

use crate::scene::{JSON, Scene, path, proof, sync};

const SESSION: &str = r#"{"sessionID":"ses_1"}"#;

/// Waits until so many calls have begun.
async fn begun(scene: &Scene, calls: usize) {
    while scene.backend.calls("begun") < calls {
        tokio::task::yield_now().await;
    }
}

fn session(at: u32) -> String {
    format!(r#"[{{"type":"session","data":{at}}}]"#)
}

#[tokio::test]
async fn requests_on_one_connection_are_carried_out_and_answered_in_order() {
    let scene = Scene::new().await;
    let (slug, secret) = scene.backend.share(&[]);
    let mut client = scene.client().await;
    let mut pipelined = Vec::new();
    for at in 0..20 {
        let line = format!("POST {}", path(&slug, "/sync"));
        pipelined.extend(scene.request(&line, &[JSON], sync(&secret, &session(at))));
        pipelined.extend(scene.request(&format!("GET {}", path(&slug, "/data")), &[], ""));
    }
    client.send(pipelined).await;
    for at in 0..20 {
        assert_eq!(client.answer().await.text(), "{}");
        assert_eq!(client.answer().await.text(), session(at));
    }
}

#[tokio::test]
async fn a_refused_request_leaves_the_connection_or_says_that_it_ends() {
    let scene = Scene::with(|limits| limits.body_bytes_max = 100).await;
    let long = " ".repeat(101);
    for (headers, body, status, ends) in [
        (vec![JSON], SESSION, 200, false),
        (vec![JSON], "{", 400, false),
        (vec![], SESSION, 415, true),
        (vec![JSON], &long, 413, true),
        (vec![JSON, ("Origin", "null")], SESSION, 403, true),
    ] {
        let mut client = scene.client().await;
        let request = scene.request("POST /api/share", &headers, body);
        client.send(&request).await;
        let answer = client.answer().await;
        assert_eq!(answer.status, status);
        assert_eq!(
            answer.header("connection"),
            ends.then_some("close"),
            "{status}"
        );
        if ends {
            assert_eq!(client.end().await, b"", "{status}");
        } else {
            client.send(scene.request("GET /healthz", &[], "")).await;
            assert_eq!(client.answer().await.status, 200, "{status}");
        }
    }
}

#[tokio::test]
async fn a_slow_request_holds_up_no_other_connection() {
    let scene = Scene::new().await;
    let (slug, secret) = scene.backend.share(&[]);
    scene.backend.hold();
    let line = format!("POST {}", path(&slug, "/sync"));
    let mut clients = Vec::new();
    for at in 0..12 {
        let mut client = scene.client().await;
        client
            .send(scene.request(&line, &[JSON], sync(&secret, &session(at))))
            .await;
        clients.push(client);
    }
    begun(&scene, 12).await;
    assert_eq!(scene.get("/healthz").await.status, 200);
    scene.backend.release(12);
    for client in &mut clients {
        assert_eq!(client.answer().await.status, 200);
    }
    assert_eq!(scene.backend.calls("sync"), 12);
}

#[tokio::test]
async fn a_deletion_has_a_body_and_may_be_repeated() {
    let scene = Scene::new().await;
    let (slug, secret) = scene.backend.share(&[]);
    let line = format!("DELETE {}", path(&slug, ""));
    assert_eq!(scene.ask(&line, &[JSON], "").await.status, 400);
    let mut client = scene.client().await;
    let delete = scene.request(&line, &[JSON], proof(&secret));
    client.send([delete.clone(), delete].concat()).await;
    assert_eq!(client.answer().await.status, 200);
    assert_eq!(client.answer().await.status, 200);
    // In chunks it is a body too.
    let chunked = [JSON, ("Transfer-Encoding", "chunked")];
    let body = proof(&secret);
    let mut request = scene.request(&line, &chunked, "");
    request.extend(format!("{:x}\r\n{body}\r\n0\r\n\r\n", body.len()).bytes());
    assert_eq!(scene.ask_raw(request).await.status, 200);
}

#[tokio::test]
async fn header_names_are_the_same_in_any_case() {
    let scene = Scene::new().await;
    let own = scene.address;
    for headers in [
        format!("host: {own}\r\ncontent-type: application/json\r\ncontent-length: 21\r\n"),
        format!("HOST: {own}\r\nCONTENT-TYPE: application/json\r\nCONTENT-LENGTH: 21\r\n"),
        format!("hOsT:{own}\r\ncOnTeNt-TyPe:application/json\r\nContent-length:21\r\n"),
    ] {
        let request = format!("POST /api/share HTTP/1.1\r\n{headers}\r\n{SESSION}");
        assert_eq!(scene.ask_raw(request).await.status, 200, "{headers}");
    }
    let page = format!("POST /api/share HTTP/1.1\r\nhost: {own}\r\nORIGIN: null\r\n\r\n");
    assert_eq!(scene.ask_raw(page).await.status, 403);
}

#[tokio::test]
async fn who_asks_before_sending_a_body_is_told_to_go_on_or_what_is_wrong() {
    let scene = Scene::with(|limits| limits.body_bytes_max = 1000).await;
    let length = SESSION.len().to_string();
    let expect = ("Expect", "100-continue");
    let headers = [JSON, expect, ("Content-Length", &length)];
    let mut client = scene.client().await;
    client
        .send(scene.request("POST /api/share", &headers, ""))
        .await;
    assert_eq!(client.answer().await.status, 100);
    client.send(SESSION).await;
    assert_eq!(client.answer().await.status, 200);
    for (headers, status) in [
        ([JSON, expect, ("Content-Length", "1001")], 413),
        ([("X", ""), expect, ("Content-Length", &length)], 415),
        (
            [("Origin", "null"), expect, ("Content-Length", &length)],
            403,
        ),
    ] {
        let answer = scene.ask("POST /api/share", &headers, "").await;
        assert_eq!(answer.status, status);
    }
}

#[tokio::test]
async fn a_sync_is_carried_out_although_its_agent_has_gone() {
    let scene = Scene::new().await;
    let (slug, secret) = scene.backend.share(&[]);
    scene.backend.hold();
    let mut client = scene.client().await;
    let line = format!("POST {}", path(&slug, "/sync"));
    client
        .send(scene.request(&line, &[JSON], sync(&secret, &session(1))))
        .await;
    client.stream.shutdown().await.unwrap();
    begun(&scene, 1).await;
    drop(client);
    scene.backend.release(2);
    while scene.backend.calls("sync") == 0 {
        tokio::task::yield_now().await;
    }
    assert_eq!(
        scene.data(&slug).await,
        json!([{"type": "session", "data": 1}])
    );
}

#[tokio::test]
async fn a_drain_lets_requests_end_and_takes_no_more() {
    let scene = Scene::new().await;
    scene.backend.hold();
    let mut busy = scene.client().await;
    busy.send(scene.request("POST /api/share", &[JSON], SESSION))
        .await;
    begun(&scene, 1).await;
    let idle = scene.client().await;
    scene.drain.send(true).unwrap();
    assert_eq!(idle.end().await, b"");
    scene.backend.release(1);
    let answer = busy.answer().await;
    assert_eq!(
        (answer.status, answer.header("connection")),
        (200, Some("close"))
    );
    assert_eq!(busy.end().await, b"");
    let served = tokio::time::timeout(Duration::from_secs(30), scene.serving).await;
    served.expect("the face ends").unwrap();
    assert!(tokio::net::TcpStream::connect(scene.address).await.is_err());
}

#[tokio::test]
async fn a_drain_does_not_wait_for_ever() {
    let scene = Scene::with(|limits| limits.drain_deadline = Duration::from_millis(100)).await;
    scene.backend.hold();
    let mut busy = scene.client().await;
    busy.send(scene.request("POST /api/share", &[JSON], SESSION))
        .await;
    begun(&scene, 1).await;
    drop(scene.drain);
    assert_eq!(busy.end().await, b"");
    let served = tokio::time::timeout(Duration::from_secs(30), scene.serving).await;
    served.expect("the face ends").unwrap();
    assert_eq!(scene.backend.calls("create"), 0);
}

#[tokio::test]
async fn what_is_no_http_is_400_and_ends() {
    let scene = Scene::new().await;
    for bytes in [
        &b"\x16\x03\x01\x02\x00\x01\x00"[..],
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        b"GET /healthz\r\n\r\n",
        b"GET /healthz HTTP/1.1\r\nHost : a\r\n\r\n",
        b"GET /healthz HTTP/1.1\r\n Host: a\r\n\r\n",
        b"GET /hea\x00lthz HTTP/1.1\r\n\r\n",
    ] {
        let mut client = scene.client().await;
        client.send(bytes).await;
        client.stream.shutdown().await.unwrap();
        let end = client.end().await;
        assert!(
            end.is_empty() || end.starts_with(b"HTTP/1.1 4"),
            "{bytes:?}: {end:?}"
        );
    }
}
