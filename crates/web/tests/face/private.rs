//! Private shares: opened by their ref, read on with a token.

use std::time::Duration;

use serde_json::Value;
use share_model::{Refusal, RefusalCode, Secret, Slug};

use crate::client::{Answer, Client};
use crate::double::put;
use crate::scene::{JSON, Scene};
use crate::stream::Live;

/// The ref of a share of the backend in memory.
pub(crate) fn ref_of(slug: &Slug, secret: &Secret) -> String {
    let id: String = slug
        .expose()
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    let grant = "afef6c89cb748db6af8ac9cf6143a966";
    format!(
        "share://127.0.0.1:7420/{id}/{grant}?epoch=1#{}",
        secret.to_text()
    )
}

async fn open(scene: &Scene, reference: &str) -> Answer {
    let body = serde_json::json!({"ref": reference}).to_string();
    scene.post("/private/open", body).await
}

async fn token_of(scene: &Scene, reference: &str) -> (String, String) {
    let answer = open(scene, reference).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    let Value::Object(page) = answer.json() else {
        panic!("it is an object");
    };
    let text = |name: &str| page[name].as_str().unwrap().to_owned();
    (text("token"), text("html"))
}

async fn stream(scene: &Scene, path: &str, token: &str) -> Result<(Answer, Client), Answer> {
    let bearer = format!("Bearer {token}");
    scene.stream(path, &[("Authorization", &bearer)]).await
}

#[tokio::test]
async fn a_ref_opens_a_page_and_a_token_and_the_token_its_streams() {
    let scene = Scene::new().await;
    let (slug, secret) = scene
        .backend
        .share(&[("session", r#"{"title":"Mend the roof"}"#)]);
    let share = scene.backend.growing(&slug);
    let reference = ref_of(&slug, &secret);
    let (token, html) = token_of(&scene, &reference).await;
    for told in [
        "Mend the roof",
        "data-live=\"/private/live\"",
        "data-replay=\"/private/replay\"",
        "data-cursor=\"1\"",
    ] {
        assert!(html.contains(told), "{told}");
    }
    for hidden in [&secret.to_text(), &token, &slug.to_text()] {
        assert!(!html.contains(hidden.as_str()), "the page holds it");
    }
    let (_, client) = stream(&scene, "/private/live", &token).await.unwrap();
    let mut live = Live::of(client);
    assert_eq!(live.change().await.name, "reset");
    put(&share, "session".into(), r#"{"title":"Mended"}"#.into()).unwrap();
    let event = live.change().await;
    assert_eq!((event.name.as_str(), event.cursor()), ("view", 2));
    let (head, _) = stream(&scene, "/private/replay", &token).await.unwrap();
    assert_eq!(head.header("content-type"), Some("application/x-ndjson"));
    assert_ne!(
        token_of(&scene, &reference).await.0,
        token,
        "each time another"
    );
}

#[tokio::test]
async fn a_token_dies_with_its_grant_and_what_is_no_token_opens_nothing() {
    let scene = Scene::new().await;
    let (slug, secret) = scene.backend.share(&[]);
    let share = scene.backend.growing(&slug);
    let reference = ref_of(&slug, &secret);
    let (token, _) = token_of(&scene, &reference).await;
    let (_, client) = stream(&scene, "/private/live", &token).await.unwrap();
    let mut live = Live::of(client);
    assert_eq!(live.change().await.name, "reset");
    let refusal = Refusal::new(RefusalCode::Revoked, "the grant was revoked");
    share.end(refusal).await;
    assert_eq!(live.change().await.name, "end");
    for path in ["/private/live", "/private/replay"] {
        assert_eq!(
            stream(&scene, path, &token).await.err().unwrap().status,
            404
        );
        for none in ["", "x", &secret.to_text(), &reference] {
            let refused = stream(&scene, path, none).await.err().unwrap();
            assert_eq!(refused.status, 401, "{none}");
            assert_eq!(refused.header("www-authenticate"), Some("Bearer"));
        }
        assert_eq!(scene.get(path).await.status, 401);
    }
    assert_eq!(open(&scene, &reference).await.status, 404);
}

#[tokio::test]
async fn what_is_no_ref_is_told_without_what_was_sent_and_a_wrong_secret_opens_nothing() {
    let scene = Scene::new().await;
    let (slug, secret) = scene.backend.share(&[]);
    let reference = ref_of(&slug, &secret);
    for none in [
        "",
        "share://",
        "https://share.example",
        &reference[..reference.len() - 1],
    ] {
        let answer = open(&scene, none).await;
        assert_eq!(answer.status, 400, "{none}");
        assert!(none.is_empty() || !answer.text().contains(none) || none == "share://");
    }
    assert_eq!(scene.backend.all_calls(), 0);
    let wrong = ref_of(&slug, &Secret::from_bytes([0xee; 32]));
    assert_eq!(open(&scene, &wrong).await.status, 404);
}

#[tokio::test]
async fn tokens_are_bounded_and_run_out() {
    let scene = Scene::with(|limits| limits.live.tokens_max = 1).await;
    let (slug, secret) = scene.backend.share(&[]);
    let reference = ref_of(&slug, &secret);
    let (first, _) = token_of(&scene, &reference).await;
    let (second, _) = token_of(&scene, &reference).await;
    assert_eq!(
        stream(&scene, "/private/live", &first)
            .await
            .err()
            .unwrap()
            .status,
        401
    );
    let (_, _held) = stream(&scene, "/private/live", &second).await.unwrap();
    assert_eq!(
        open(&scene, &reference).await.status,
        503,
        "the one is in use"
    );

    let scene = Scene::with(|limits| limits.live.token_idle = Duration::ZERO).await;
    let (slug, secret) = scene.backend.share(&[]);
    let (token, _) = token_of(&scene, &ref_of(&slug, &secret)).await;
    assert_eq!(
        stream(&scene, "/private/live", &token)
            .await
            .err()
            .unwrap()
            .status,
        401
    );
}

#[tokio::test]
async fn the_owner_sees_shares_and_ends_grants_by_a_ref_and_nobody_else_does() {
    let scene = Scene::new().await;
    let (slug, secret) = scene.backend.share(&[]);
    let share = scene.backend.growing(&slug);
    let reference = ref_of(&slug, &secret);
    let body = serde_json::json!({"ref": reference}).to_string();
    let answer = scene.post("/owner/share", &body).await;
    assert_eq!(answer.status, 200);
    let seen = answer.json();
    assert_eq!(seen["title"], "Mend the roof");
    assert_eq!((&seen["ops"], &seen["viewers"]), (&7.into(), &0.into()));
    assert_eq!(seen["last_access_at"], 3);
    let grant = &seen["grants"][0];
    assert_eq!(
        grant["rights"],
        serde_json::json!(["read", "append", "admin"])
    );
    assert_eq!(
        (&grant["owner"], &grant["published"]),
        (&true.into(), &false.into())
    );
    let (token, _) = token_of(&scene, &reference).await;
    let (_, _live) = stream(&scene, "/private/live", &token).await.unwrap();

    let wrong = ref_of(&slug, &Secret::from_bytes([0xee; 32]));
    let wrong = serde_json::json!({"ref": wrong, "grant": grant["id"]}).to_string();
    assert_eq!(scene.post("/owner/revoke", &wrong).await.status, 404);
    assert!(share.ended().is_none());
    let none = serde_json::json!({"ref": reference, "grant": "x"}).to_string();
    assert_eq!(scene.post("/owner/revoke", &none).await.status, 400);
    let revoke = serde_json::json!({"ref": reference, "grant": grant["id"]}).to_string();
    let ended = scene.post("/owner/revoke", &revoke).await;
    assert_eq!(ended.status, 200);
    assert_eq!(ended.json()["grants"], 1);
    assert!(share.ended().is_some());
}

#[tokio::test]
async fn what_pages_of_ours_may_post_no_other_page_may() {
    let scene = Scene::new().await;
    let (slug, secret) = scene.backend.share(&[]);
    let reference = ref_of(&slug, &secret);
    let grant = "afef6c89cb748db6af8ac9cf6143a966";
    let own = format!("http://{}", scene.address);
    let local = format!("http://localhost:{}", scene.address.port());
    let body = serde_json::json!({"ref": reference, "grant": grant}).to_string();
    let by_ref = serde_json::json!({"ref": reference}).to_string();
    let routes = [
        ("/private/open", &by_ref),
        ("/owner/share", &by_ref),
        ("/owner/revoke", &body),
    ];
    for (path, body) in routes {
        let line = format!("POST {path}");
        let before = scene.backend.all_calls();
        for headers in [
            vec![("Origin", "https://evil.example")],
            vec![("Origin", "null")],
            vec![("Origin", "")],
            vec![("Origin", local.as_str())],
            vec![("Origin", own.as_str()), ("Origin", "https://evil.example")],
            vec![("Origin", own.as_str()), ("Sec-Fetch-Site", "cross-site")],
            vec![("Origin", own.as_str()), ("Sec-Fetch-Site", "same-site")],
            vec![("Origin", own.as_str()), ("Sec-Fetch-Site", "none")],
        ] {
            let all = [&[JSON], &headers[..]].concat();
            let answer = scene.ask(&line, &all, body).await;
            assert_eq!(answer.status, 403, "{path} with {headers:?}");
        }
        assert_eq!(scene.backend.all_calls(), before);
        let ours = [
            JSON,
            ("Origin", own.as_str()),
            ("Sec-Fetch-Site", "same-origin"),
        ];
        assert_eq!(scene.ask(&line, &ours, body).await.status, 200, "{path}");
        // No form of a page has this type, and no page elsewhere may ask for it.
        let form = [("Content-Type", "text/plain"), ("Origin", own.as_str())];
        assert_eq!(scene.ask(&line, &form, body).await.status, 415, "{path}");
        for method in ["GET", "PUT", "DELETE"] {
            let answer = scene.ask(&format!("{method} {path}"), &[], "").await;
            assert_eq!(answer.status, 405, "{method} {path}");
        }
        let options = scene
            .ask(&format!("OPTIONS {path}"), &[("Origin", &own)], "")
            .await;
        assert_eq!(options.header("access-control-allow-origin"), None);
    }
}

#[tokio::test]
async fn pages_load_their_own_files_which_are_kept_for_ever_and_nothing_else() {
    let scene = Scene::new().await;
    let (slug, _) = scene.backend.share(&[]);
    let shown = format!("/share/{}", slug.to_text());
    for path in [shown.as_str(), "/", "/private"] {
        let page = scene.get(path).await;
        assert_eq!(page.status, 200, "{path}");
        let policy = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; \
            img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";
        assert_eq!(
            page.header("content-security-policy"),
            Some(policy),
            "{path}"
        );
        assert_eq!(page.header("cache-control"), Some("private, no-store"));
        for inline in ["<script>", "<style", " style=", " onclick"] {
            assert!(!page.text().contains(inline), "{path} has {inline}");
        }
        let mut files = 0;
        for file in page.text().split("\"/assets/").skip(1) {
            let (file, _) = file.split_once('"').unwrap();
            let answer = scene.get(&format!("/assets/{file}")).await;
            assert_eq!(answer.status, 200, "{file}");
            let kept = Some("public, max-age=31536000, immutable");
            assert_eq!(answer.header("cache-control"), kept);
            let kind = match file.rsplit_once('.').unwrap().1 {
                "js" => "text/javascript; charset=utf-8",
                _ => "text/css; charset=utf-8",
            };
            assert_eq!(answer.header("content-type"), Some(kind));
            files += 1;
        }
        assert_eq!(files, 2, "{path}");
    }
    for none in [
        "/assets/",
        "/assets/x",
        "/assets/0000000000000000/page.js",
        "/assets/%ff/%ff",
    ] {
        assert_eq!(scene.get(none).await.status, 404, "{none}");
    }
}
