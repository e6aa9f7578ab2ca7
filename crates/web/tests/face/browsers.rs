//! What pages can't do here, whatever they try.

use crate::scene::{JSON, Scene, path, proof, sync};

const SESSION: &str = r#"{"sessionID":"ses_1"}"#;

#[tokio::test]
async fn a_request_that_a_page_made_changes_nothing() {
    let scene = Scene::new().await;
    let (slug, secret) = scene.backend.share(&[]);
    let own = format!("http://{}", scene.address);
    let share = "0123456789abcdef0123456789abcdef";
    let ops = ("Content-Type", "application/vnd.share.ops");
    for origin in [
        "https://evil.example",
        "null",
        "",
        &own,
        "https://share.example",
    ] {
        for (line, kind, body) in [
            ("POST /api/share".to_owned(), JSON, SESSION.to_owned()),
            (
                format!("POST {}", path(&slug, "/sync")),
                JSON,
                sync(&secret, "[]"),
            ),
            (format!("DELETE {}", path(&slug, "")), JSON, proof(&secret)),
            (format!("POST /api/share/{share}/ops"), ops, "x".into()),
        ] {
            let answer = scene.ask(&line, &[kind, ("Origin", origin)], body).await;
            assert_eq!(answer.status, 403, "{line} from {origin}");
            assert_eq!(answer.header("access-control-allow-origin"), None, "{line}");
        }
    }
    assert_eq!(scene.backend.all_calls(), 0);
}

#[tokio::test]
async fn only_the_data_may_be_read_by_other_pages() {
    let scene = Scene::new().await;
    let (slug, _) = scene.backend.share(&[]);
    let origin = ("Origin", "https://elsewhere.example");
    for method in ["GET", "OPTIONS"] {
        for base in ["/api/share", "/api/shares"] {
            let line = format!("{method} {base}/{}/data", slug.to_text());
            let answer = scene.ask(&line, &[origin], "").await;
            assert!(matches!(answer.status, 200 | 204), "{line}");
            assert_eq!(
                answer.header("access-control-allow-origin"),
                Some("*"),
                "{line}"
            );
            let methods = answer.header("access-control-allow-methods");
            assert_eq!(methods, Some("GET, HEAD, OPTIONS"), "{line}");
            assert_eq!(
                answer.header("access-control-allow-credentials"),
                None,
                "{line}"
            );
            let policy = answer.header("cross-origin-resource-policy");
            assert_eq!(policy, Some("cross-origin"), "{line}");
        }
    }
    // Without an `Origin` too: no page asks so, and it is no reading.
    let line = format!("POST {}", path(&slug, "/data"));
    let answer = scene.ask(&line, &[], "").await;
    assert_eq!(answer.status, 405);
    assert_eq!(answer.header("access-control-allow-origin"), None);
    let id = slug.to_text();
    for line in [
        "OPTIONS /api/share",
        &format!("OPTIONS /api/share/{id}"),
        &format!("OPTIONS /api/share/{id}/sync"),
        &format!("OPTIONS /api/share/{id}/ops"),
        &format!("POST /api/share/{id}/data"),
        &format!("GET /share/{id}"),
        "GET /healthz",
        "GET /api/openapi.json",
        "GET /nothing",
    ] {
        let answer = scene.ask(line, &[origin], "").await;
        assert_eq!(answer.header("access-control-allow-origin"), None, "{line}");
        assert_eq!(
            answer.header("access-control-allow-methods"),
            None,
            "{line}"
        );
        let policy = answer.header("cross-origin-resource-policy");
        assert!(
            matches!(policy, Some("same-origin" | "cross-origin")),
            "{line}"
        );
    }
}

#[tokio::test]
async fn a_host_that_is_not_ours_is_421_and_none_or_two_are_400() {
    let scene = Scene::new().await;
    let port = scene.address.port();
    let ask = async |version: &str, hosts: &[&str]| {
        let mut request = format!("POST /api/share HTTP/{version}\r\n");
        for host in hosts {
            request += &format!("Host: {host}\r\n");
        }
        request += &format!(
            "Content-Type: application/json\r\nContent-Length: {}\r\n\r\n",
            SESSION.len()
        );
        scene.ask_raw(request + SESSION).await.status
    };
    let local = format!("localhost:{port}");
    for host in [
        &local,
        &format!("LOCALHOST:{port}"),
        &format!("[::1]:{port}"),
        "share.example",
    ] {
        assert_eq!(ask("1.1", &[host]).await, 200, "{host}");
    }
    let created = scene.backend.calls("create");
    for host in [
        "evil.example",
        &format!("evil.example:{port}"),
        "localhost",
        &format!("localhost:{}", port.wrapping_add(1)),
        &format!("localhost.evil.example:{port}"),
        &format!("192.0.2.1:{port}"),
        "share.example:80",
        "",
    ] {
        assert_eq!(ask("1.1", &[host]).await, 421, "{host}");
    }
    assert_eq!(ask("1.1", &[]).await, 400);
    assert_eq!(ask("1.0", &[]).await, 400);
    assert_eq!(ask("1.1", &[&local, &local]).await, 400);
    assert_eq!(ask("1.1", &[&local, "evil.example"]).await, 400);
    // A whole URL as the target names a host too.
    let target =
        |host: &str| format!("GET http://{host}/healthz HTTP/1.1\r\nHost: {local}\r\n\r\n");
    assert_eq!(scene.ask_raw(target(&local)).await.status, 200);
    assert_eq!(scene.ask_raw(target("evil.example")).await.status, 421);
    assert_eq!(scene.backend.calls("create"), created);
}

#[tokio::test]
async fn every_answer_tells_browsers_what_not_to_do() {
    let scene = Scene::new().await;
    let (slug, _) = scene.backend.share(&[]);
    let foreign = "GET /healthz HTTP/1.1\r\nHost: evil.example\r\n\r\n".to_owned();
    let mut answers = vec![scene.ask_raw(foreign).await];
    for line in [
        &format!("GET {}", path(&slug, "/data")),
        &format!("GET /share/{}", slug.to_text()),
        "GET /share/nothing",
        "GET /nothing",
        "POST /healthz",
        "POST /api/share",
        "GET /healthz",
    ] {
        answers.push(
            scene
                .ask(line, &[("Accept-Encoding", "gzip, br, zstd")], "")
                .await,
        );
    }
    for answer in answers {
        for (name, value) in [
            ("x-robots-tag", "noindex, nofollow"),
            ("x-content-type-options", "nosniff"),
            ("referrer-policy", "no-referrer"),
            ("cache-control", "private, no-store"),
            ("x-frame-options", "DENY"),
        ] {
            assert_eq!(
                answer.header(name),
                Some(value),
                "{name} of {}",
                answer.status
            );
        }
        let policy = answer.header("content-security-policy").unwrap();
        assert!(policy.starts_with("default-src 'none'; "), "{policy}");
        assert!(!policy.contains("unsafe"), "{policy}");
        assert_eq!(answer.header("content-encoding"), None);
        assert_eq!(answer.header("set-cookie"), None);
    }
}
