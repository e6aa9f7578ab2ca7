//! The routes, their answers and their errors.

use serde_json::{Value, json};
use share_model::{Secret, Slug};
use share_opencode::ItemError;
use share_web::BackendError;

use crate::scene::{JSON, Scene, path, proof, sync};

const SESSION: &str = r#"{"sessionID":"ses_1"}"#;

#[tokio::test]
async fn a_share_is_created_synced_read_and_deleted_under_both_names() {
    let scene = Scene::new().await;
    for base in ["/api/share", "/api/shares"] {
        let created = scene.post(base, SESSION).await;
        assert_eq!(created.status, 200);
        assert_eq!(created.header("content-type"), Some("application/json"));
        let created = created.json();
        let [id, url, secret] = ["id", "url", "secret"].map(|it| created[it].as_str().unwrap());
        assert_eq!(url, format!("http://share.example/share/{id}"));
        let own = format!("{base}/{id}");

        let items = r#"[{"type":"session","data":{"id":"ses_1"}}]"#;
        let body = format!(r#"{{"secret":"{secret}","data":{items}}}"#);
        let synced = scene.post(&format!("{own}/sync"), &body).await;
        assert_eq!((synced.status, synced.text()), (200, "{}"));
        let data = scene.get(&format!("{own}/data")).await;
        assert_eq!((data.status, data.text()), (200, items));
        assert_eq!(data.header("content-type"), Some("application/json"));

        let body = format!(r#"{{"secret":"{secret}"}}"#);
        for _ in 0..2 {
            let deleted = scene.delete(&own, &body).await;
            assert_eq!((deleted.status, deleted.text()), (200, "{}"));
        }
        assert_eq!(scene.get(&format!("{own}/data")).await.status, 404);
        let body = format!(r#"{{"secret":"{secret}","data":[]}}"#);
        assert_eq!(scene.post(&format!("{own}/sync"), &body).await.status, 410);
    }
}

#[tokio::test]
async fn each_creation_gives_another_share() {
    let scene = Scene::new().await;
    let first = scene.post("/api/share", SESSION).await.json();
    let second = scene.post("/api/share", SESSION).await.json();
    assert_ne!(first["id"], second["id"]);
    assert_ne!(first["secret"], second["secret"]);
}

#[tokio::test]
async fn head_is_answered_as_get_without_a_body() {
    let scene = Scene::new().await;
    let (slug, _) = scene.backend.share(&[("session", "{}")]);
    let page = format!("/share/{}", slug.to_text());
    for path in [
        &path(&slug, "/data"),
        "/healthz",
        "/api/openapi.json",
        "/api/doc",
        &page,
    ] {
        let get = scene.get(path).await;
        let mut client = scene.client().await;
        client
            .send(scene.request(&format!("HEAD {path}"), &[], ""))
            .await;
        let head = client.answer_to_head().await;
        assert_eq!(head.status, 200, "{path}");
        assert_eq!(
            head.header("content-type"),
            get.header("content-type"),
            "{path}"
        );
        // Nothing of a body is in the way of the next answer.
        client.send(scene.request("GET /healthz", &[], "")).await;
        assert_eq!(
            client.answer().await.text(),
            r#"{"status":"ready"}"#,
            "{path}"
        );
    }
}

#[tokio::test]
async fn unknown_paths_are_404_and_wrong_methods_are_405_with_those_that_are_allowed() {
    let scene = Scene::new().await;
    let id = "AAAAAAAAAAAAAAAAAAAAAA";
    for path in [
        "/api",
        "/api/share/",
        "/api/share/a/b/c",
        "/share",
        "/share/a/b",
        "/x",
    ] {
        let answer = scene.get(path).await;
        assert_eq!(answer.status, 404, "{path}");
        assert_eq!(answer.error(), "there is nothing at this path", "{path}");
    }
    for (line, allow) in [
        ("GET /api/share", "POST"),
        ("PUT /api/shares", "POST"),
        (&format!("GET /api/share/{id}"), "DELETE"),
        (&format!("POST /api/share/{id}"), "DELETE"),
        (&format!("GET /api/share/{id}/sync"), "POST"),
        (&format!("POST /api/shares/{id}/data"), "GET,HEAD,OPTIONS"),
        (&format!("GET /api/share/{id}/ops"), "POST"),
        (&format!("POST /share/{id}"), "GET,HEAD"),
        ("POST /healthz", "GET,HEAD"),
        ("TRACE /healthz", "GET,HEAD"),
    ] {
        let answer = scene.ask(line, &[], "").await;
        assert_eq!(
            (answer.status, answer.header("allow")),
            (405, Some(allow)),
            "{line}"
        );
        assert_eq!(
            answer.error(),
            "this path does not take that method",
            "{line}"
        );
    }
    for line in ["OPTIONS *", "CONNECT localhost:1"] {
        let request = scene.request(line, &[], "");
        let status = scene.ask_raw(request).await.status;
        assert!((400..500).contains(&status), "{line}: {status}");
    }
    assert_eq!(scene.backend.all_calls(), 0);
}

/// Errors of a backend, each with its status and a part of its words.
fn errors() -> Vec<(BackendError, u16, &'static str)> {
    let reason = || "of the moon".to_owned();
    let key = || "message/of-a-secret-kind".to_owned();
    let item = |source| BackendError::Item { index: 3, source };
    let (levels, bytes) = (101, 9);
    let too_deep = item(ItemError::TooDeep {
        key: key(),
        levels,
        max: 100,
    });
    let too_large = item(ItemError::ValueTooLarge {
        key: key(),
        bytes,
        max: 8,
    });
    let reserved = item(ItemError::ReservedName { key: key() });
    let deep = "item 3: tooDeep: the value has 101 levels, limit is 100";
    let large = "item 3: valueTooLarge: the value has 9 bytes, limit is 8";
    let unsupported = BackendError::Unsupported { what: "this" };
    vec![
        (BackendError::NotFound, 404, "there is no such share"),
        (
            BackendError::Gone { reason: reason() },
            410,
            "the share is gone: of the moon",
        ),
        (
            BackendError::TokenNeeded { hint: reason() },
            401,
            "of the moon",
        ),
        (
            BackendError::Refused { reason: reason() },
            403,
            "of the moon",
        ),
        (
            item(ItemError::TypeEmpty),
            422,
            "item 3: the item's type is empty",
        ),
        (too_deep, 422, deep),
        (too_large, 422, large),
        (reserved, 422, "item 3: a member has a name"),
        (
            BackendError::Invalid { reason: reason() },
            400,
            "of the moon",
        ),
        (
            BackendError::Overloaded { reason: reason() },
            503,
            "overloaded: of the moon",
        ),
        (
            BackendError::Unknown { reason: reason() },
            503,
            "no answer: of the moon",
        ),
        (unsupported, 501, "this is not to be had here"),
    ]
}

#[tokio::test]
async fn each_error_of_a_backend_has_its_status_and_says_what_to_do() {
    let scene = Scene::new().await;
    let (slug, secret) = scene.backend.share(&[]);
    for (error, status, words) in errors() {
        scene.backend.fail(Some(error.clone()));
        let answer = scene.post(&path(&slug, "/sync"), sync(&secret, "[]")).await;
        assert_eq!(answer.status, status, "{error}");
        assert!(answer.error().contains(words), "{error}: {}", answer.text());
        assert!(!answer.text().contains("secret-kind"), "{error}");
        let challenge = answer.header("www-authenticate");
        assert_eq!(challenge, (status == 401).then_some("Bearer"), "{error}");
        let later = answer.header("retry-after");
        assert_eq!(later, (status == 503).then_some("1"), "{error}");

        let deleted = scene.delete(&path(&slug, ""), proof(&secret)).await;
        assert_eq!(deleted.status, status, "{error}");
        let created = scene.post("/api/share", SESSION).await;
        assert_eq!(created.status, status, "{error}");
        // Who only reads is not told that there was something once.
        let read = if status == 410 { 404 } else { status };
        let data = scene.get(&path(&slug, "/data")).await;
        assert_eq!(data.status, read, "{error}");
        let page = scene.get(&format!("/share/{}", slug.to_text())).await;
        assert_eq!(page.status, read, "{error}");
        let html = page.header("content-type");
        assert_eq!(html, Some("text/html; charset=utf-8"));
    }
}

#[tokio::test]
async fn what_is_no_id_or_secret_is_answered_as_a_wrong_one_is() {
    let scene = Scene::new().await;
    let (slug, secret) = scene.backend.share(&[]);
    let right = slug.to_text();
    let unknown = Slug::from_bytes([0xee; 16]).to_text();
    let wrong = scene
        .post(
            &path(&slug, "/sync"),
            sync(&Secret::from_bytes([0; 32]), "[]"),
        )
        .await;
    assert_eq!(wrong.status, 404);
    for id in [
        &unknown,
        "x",
        &right[1..],
        &format!("{right}A"),
        &format!("{}%00", &right[1..]),
        "%ff%fe",
        "%3Cscript%3E",
        "ses_1234",
        &"A".repeat(4000),
        // Bits that no slug has are behind the last character.
        "AAAAAAAAAAAAAAAAAAAAAB",
    ] {
        let body = sync(&secret, "[]");
        assert_eq!(
            scene.post(&format!("/api/share/{id}/sync"), &body).await,
            wrong,
            "{id}"
        );
        let body = proof(&secret);
        assert_eq!(
            scene.delete(&format!("/api/share/{id}"), &body).await,
            wrong,
            "{id}"
        );
        let read = scene.get(&format!("/api/share/{id}/data")).await;
        assert_eq!((read.status, &read.body), (404, &wrong.body), "{id}");
        assert_eq!(scene.get(&format!("/share/{id}")).await.status, 404, "{id}");
    }
    let text = secret.to_text();
    for other in [
        "",
        "x",
        &text[1..],
        &format!("{text}A"),
        &format!("{text}="),
        "\\u0000",
    ] {
        let body = format!(r#"{{"secret":"{other}","data":[]}}"#);
        assert_eq!(
            scene.post(&path(&slug, "/sync"), body).await,
            wrong,
            "{other}"
        );
        let body = format!(r#"{{"secret":"{other}"}}"#);
        assert_eq!(scene.delete(&path(&slug, ""), body).await, wrong, "{other}");
    }
    assert_eq!(scene.data(&slug).await, json!([]));
}

#[tokio::test]
async fn calls_of_a_client_library_pass_as_they_are_for_a_share_id() {
    let scene = Scene::new().await;
    let share = "0123456789abcdef0123456789abcdef";
    let ops = ("Content-Type", "application/vnd.share.ops");
    let call = [0, 1, 0xff, b'\n'];
    let answer = scene
        .ask(&format!("POST /api/share/{share}/ops"), &[ops], call)
        .await;
    assert_eq!(answer.status, 200);
    assert_eq!(
        answer.header("content-type"),
        Some("application/vnd.share.ops")
    );
    assert_eq!(answer.body, [share.as_bytes(), b":", &call].concat());
    assert_eq!(scene.backend.calls("ops"), 1);

    let dashed = "01234567-89ab-cdef-0123-456789abcdef";
    for id in [
        dashed,
        "x",
        &share[1..],
        &format!("{share}0"),
        "g123456789abcdef0123456789abcdef",
    ] {
        let answer = scene
            .ask(&format!("POST /api/share/{id}/ops"), &[ops], call)
            .await;
        assert_eq!(answer.status, 404, "{id}");
    }
    let answer = scene
        .ask(&format!("POST /api/share/{share}/ops"), &[JSON], call)
        .await;
    assert_eq!(answer.status, 415);
    assert_eq!(scene.backend.calls("ops"), 1);
}

#[tokio::test]
async fn a_token_reaches_the_backend_and_what_is_none_counts_as_none() {
    let scene = Scene::new().await;
    let token = Secret::from_bytes([7; 32]);
    scene.backend.ask_for(&token);
    let grant = "afef6c89cb748db6af8ac9cf6143a966";
    let right = format!("Bearer {grant}.{}", token.to_text());
    let wrong = format!("Bearer {grant}.{}", Secret::from_bytes([8; 32]).to_text());
    let basic = format!("Basic {grant}.{}", token.to_text());
    for (values, status) in [
        (vec![right.as_str()], 200),
        (vec![&right.replace("Bearer", "bearer")], 200),
        (vec![], 401),
        (vec![&wrong], 401),
        (vec![&basic], 401),
        (vec!["Bearer"], 401),
        (vec!["Bearer x"], 401),
        (vec![&right, &right], 401),
    ] {
        let headers = values.iter().map(|it| ("Authorization", *it)).chain([JSON]);
        let headers: Vec<_> = headers.collect();
        let answer = scene.ask("POST /api/share", &headers, SESSION).await;
        assert_eq!(answer.status, status, "{values:?}");
    }
}

#[tokio::test]
async fn health_is_that_of_the_backend() {
    let scene = Scene::new().await;
    let answer = scene.get("/healthz").await;
    assert_eq!(
        (answer.status, answer.text()),
        (200, r#"{"status":"ready"}"#)
    );
    scene.backend.not_ready("the store is full");
    let answer = scene.get("/healthz").await;
    assert_eq!(answer.status, 503);
    assert_eq!(answer.error(), "overloaded: the store is full");
}

#[tokio::test]
async fn what_is_elsewhere_is_pointed_at() {
    let scene = Scene::new().await;
    let (slug, _) = scene.backend.share(&[]);
    let id = slug.to_text();
    let url = "https://share.example/api/share/BBBBBBBBBBBBBBBBBBBBBA/data";
    scene.backend.move_to(url);
    let answer = scene.get(&path(&slug, "/data")).await;
    assert_eq!((answer.status, answer.header("location")), (307, Some(url)));
    let answer = scene.get(&format!("/share/{id}")).await;
    let page = "https://share.example/share/BBBBBBBBBBBBBBBBBBBBBA";
    assert_eq!(
        (answer.status, answer.header("location")),
        (307, Some(page))
    );
    scene.backend.move_to("http://a\r\nb");
    assert_eq!(scene.get(&path(&slug, "/data")).await.status, 503);
}

#[tokio::test]
async fn the_description_names_each_route_and_no_other() {
    const PARAMETERS: [&str; 4] = ["{id}", "{share}", "{hash}", "{name}"];
    let mut routes = vec![
        "get /healthz",
        "get /api/openapi.json",
        "get /api/doc",
        "get /share/{id}",
        "get /share/{id}/live",
        "get /share/{id}/replay",
        "get /private",
        "post /private/open",
        "get /private/live",
        "get /private/replay",
        "get /",
        "post /owner/share",
        "post /owner/revoke",
        "get /assets/{hash}/{name}",
    ]
    .into_iter()
    .map(str::to_owned)
    .collect::<Vec<_>>();
    for base in ["/api/share", "/api/shares"] {
        routes.extend([
            format!("post {base}"),
            format!("delete {base}/{{id}}"),
            format!("post {base}/{{id}}/sync"),
            format!("get {base}/{{id}}/data"),
            format!("options {base}/{{id}}/data"),
            format!("post {base}/{{share}}/ops"),
        ]);
    }
    let scene = Scene::new().await;
    let description = scene.get("/api/openapi.json").await;
    assert_eq!(scene.get("/api/doc").await, description);
    let description = description.json();
    assert_eq!(description["openapi"], "3.1.0");
    let paths = description["paths"].as_object().unwrap();
    let methods = |item: &Value| -> Vec<String> {
        let members = item
            .as_object()
            .unwrap()
            .keys()
            .filter(|it| *it != "parameters");
        members.cloned().collect()
    };
    let mut described: Vec<_> = paths
        .iter()
        .flat_map(|(path, item)| {
            methods(item)
                .into_iter()
                .map(move |it| format!("{it} {path}"))
        })
        .collect();
    routes.sort();
    described.sort();
    assert_eq!(described, routes);
    for route in routes {
        let (method, path) = route.split_once(' ').unwrap();
        let path = PARAMETERS
            .iter()
            .fold(path.to_owned(), |path, it| path.replace(it, "x"));
        let answer = scene
            .ask(&format!("{} {path}", method.to_uppercase()), &[], "")
            .await;
        assert_ne!(answer.status, 405, "{route}");
        let is_file = path.starts_with("/assets/");
        assert!(
            is_file || !answer.text().contains("nothing at this path"),
            "{route}"
        );
    }
}
