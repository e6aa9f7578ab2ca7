//! What bodies may say, and what is done about those that lie.

use serde_json::json;
use share_model::{Secret, Slug};

use crate::scene::{JSON, Scene, path, proof, sync};

const SESSION: &str = r#"{"sessionID":"ses_1"}"#;

/// Sends a sync with this body; what it is answered with, if it left nothing behind.
async fn synced(scene: &Scene, slug: &Slug, body: impl AsRef<[u8]>) -> u16 {
    let answer = scene.post(&path(slug, "/sync"), body).await;
    if answer.status != 200 {
        assert!(!answer.error().is_empty());
        assert_eq!(scene.data(slug).await, json!([]));
    }
    answer.status
}

fn item(data: &str) -> String {
    format!(r#"[{{"type":"session","data":{data}}}]"#)
}

#[tokio::test]
async fn a_sync_of_another_shape_is_400_and_leaves_nothing_behind() {
    let scene = Scene::new().await;
    let (slug, secret) = scene.backend.share(&[]);
    let text = secret.to_text();
    let good = r#"{"type":"session","data":{}}"#;
    for body in [
        "",
        " ",
        "null",
        "[]",
        "1",
        "\"\"",
        "{",
        "{}",
        "{}}",
        "\u{feff}{}",
        &format!(r#"["{text}",[{good}]]"#),
        &format!(r#"{{"secret":"{text}"}}"#),
        &format!(r#"{{"data":[{good}]}}"#),
        &format!(r#"{{"secret":1,"data":[{good}]}}"#),
        &format!(r#"{{"secret":null,"data":[{good}]}}"#),
        &format!(r#"{{"secret":["{text}"],"data":[{good}]}}"#),
        &format!(r#"{{"Secret":"{text}","data":[{good}]}}"#),
        &sync(&secret, "null"),
        &sync(&secret, "{}"),
        &sync(&secret, "\"\""),
        &sync(&secret, good),
        &sync(&secret, &format!("[{good},]")),
        &sync(&secret, &format!("[{good},null]")),
        &sync(&secret, &format!("[{good},1]")),
        &sync(&secret, &format!(r#"[{good},["session",{{}}]]"#)),
        &sync(&secret, &format!(r#"[{good},{{"type":"session"}}]"#)),
        &sync(&secret, &format!(r#"[{good},{{"data":{{}}}}]"#)),
        &sync(&secret, &format!(r#"[{good},{{"type":1,"data":{{}}}}]"#)),
        &sync(&secret, &format!(r#"[{good},{{"type":null,"data":{{}}}}]"#)),
        &sync(&secret, &item("NaN")),
        &sync(&secret, &item("01")),
        &sync(&secret, &item("'a'")),
        &sync(&secret, &item("\"\n\"")),
        &sync(&secret, &item(r#""\ud800""#)),
        &format!("{}x", sync(&secret, &item("1"))),
        &format!("{0}{0}", sync(&secret, &item("1"))),
    ] {
        assert_eq!(synced(&scene, &slug, body).await, 400, "{body}");
    }
    assert_eq!(scene.backend.calls("sync"), 0);
}

#[tokio::test]
async fn a_member_that_stands_twice_is_ambiguous() {
    let scene = Scene::new().await;
    let (slug, secret) = scene.backend.share(&[]);
    let text = secret.to_text();
    for body in [
        format!(r#"{{"secret":"{text}","secret":"{text}","data":[]}}"#),
        format!(r#"{{"secret":"x","data":[],"secr\u0065t":"{text}"}}"#),
        format!(r#"{{"secret":"{text}","data":[],"data":[]}}"#),
        sync(&secret, r#"[{"type":"session","data":1,"data":2}]"#),
        sync(&secret, r#"[{"type":"session","type":"message","data":2}]"#),
        sync(
            &secret,
            r#"[{"type":"session","data":{"a":[{"b":1,"b":2}]}}]"#,
        ),
    ] {
        assert_eq!(synced(&scene, &slug, &body).await, 400, "{body}");
    }
    let twice = format!(r#"{{"secret":"{text}","secret":"{text}"}}"#);
    assert_eq!(scene.delete(&path(&slug, ""), twice).await.status, 400);
    let twice = r#"{"sessionID":"a","sessionID":"b"}"#;
    assert_eq!(scene.post("/api/share", twice).await.status, 400);
    // `data` calls of its own are all there is.
    assert_eq!(scene.backend.all_calls(), 2 * scene.backend.calls("data"));
}

#[tokio::test]
async fn bytes_that_are_no_utf_8_are_no_text() {
    let scene = Scene::new().await;
    let (slug, secret) = scene.backend.share(&[]);
    for bytes in [
        &b"\xff"[..],
        b"\xc0\xaf",
        b"\xed\xa0\x80",
        b"\xf5\x80\x80\x80",
        b"\xe2\x82",
    ] {
        let whole = sync(&secret, &item("\"HERE\"")).into_bytes();
        let at = whole.windows(4).position(|it| it == b"HERE").unwrap();
        let body = [&whole[..at], bytes, &whole[at + 4..]].concat();
        assert_eq!(synced(&scene, &slug, body).await, 400, "{bytes:?}");
    }
    assert_eq!(scene.backend.calls("sync"), 0);
}

#[tokio::test]
async fn values_are_taken_to_100_levels_and_refused_beyond_however_they_are_hidden() {
    let scene = Scene::new().await;
    let (slug, secret) = scene.backend.share(&[]);
    let deep = |levels: usize| item(&format!("{}{}", "[".repeat(levels), "]".repeat(levels)));
    for (levels, status) in [(101, 422), (200, 400), (1_000_000, 400), (100, 200)] {
        let body = sync(&secret, &deep(levels));
        assert_eq!(synced(&scene, &slug, body).await, status, "{levels}");
    }
    let objects = format!("{}1{}", r#"{"a":"#.repeat(200_000), "}".repeat(200_000));
    let (slug, secret) = scene.backend.share(&[]);
    assert_eq!(
        synced(&scene, &slug, sync(&secret, &item(&objects))).await,
        400
    );
    // Left open.
    let body = format!(
        "{}{}",
        sync(&secret, "[]").trim_end_matches("]}"),
        "[".repeat(900_000)
    );
    assert_eq!(synced(&scene, &slug, body).await, 400);
    // Ignored members are read all the same, and take no stack.
    let ignored = format!("{}{}", "[".repeat(500_000), "]".repeat(500_000));
    let body = format!(
        r#"{{"secret":"{}","x":{ignored},"data":[]}}"#,
        secret.to_text()
    );
    assert_eq!(synced(&scene, &slug, body).await, 200);
}

#[tokio::test]
async fn names_that_the_json_reader_keeps_for_itself_are_refused_before_it_reads() {
    let scene = Scene::new().await;
    let (slug, secret) = scene.backend.share(&[]);
    let hundred = format!("{}{}", "[".repeat(100), "]".repeat(100));
    for data in [
        r#"{"$serde_json::private::Number":"1"}"#,
        &format!(r#"{{"$serde_json::private::RawValue":"{hundred}"}}"#),
        r#"{"\u0024serde_json::private::RawValue":"[]"}"#,
        r#"{"a":[{"$serde_json::private::RawValue":"{}"}]}"#,
    ] {
        let body = sync(&secret, &item(data));
        assert_eq!(synced(&scene, &slug, body).await, 400, "{data}");
    }
    assert_eq!(scene.backend.calls("sync"), 0);
    let harmless = item(r#""$serde_json::private::Number""#);
    assert_eq!(synced(&scene, &slug, sync(&secret, &harmless)).await, 200);
}

#[tokio::test]
async fn an_item_that_has_no_place_is_422_and_none_of_its_request_is_stored() {
    let scene = Scene::new().await;
    let (slug, secret) = scene.backend.share(&[]);
    let good = r#"{"type":"session","data":{}}"#;
    for bad in [
        r#"{"type":"","data":{}}"#,
        r#"{"type":"message","data":{}}"#,
        r#"{"type":"part","data":{"id":"p"}}"#,
        r#"{"type":"model","data":{}}"#,
    ] {
        let body = sync(&secret, &format!("[{good},{bad}]"));
        assert_eq!(synced(&scene, &slug, body).await, 422, "{bad}");
    }
}

#[tokio::test]
async fn what_is_normal_or_unknown_is_taken_and_comes_back() {
    let scene = Scene::new().await;
    let (slug, secret) = scene.backend.share(&[]);
    let items = concat!(
        r#"[{"type":"future","data":null},"#,
        r#"{"type":"message","data":{"id":"msg_1","new":{"unknown":[]}}},"#,
        r#"{"type":"model","data":[{"providerID":"p","id":"m"}]},"#,
        r#"{"type":"session","data":{"id":"s","n":1.10,"big":123456789012345678901234567890,"e":1E400}},"#,
        r#"{"type":"session_diff","data":[]}]"#,
    );
    assert_eq!(synced(&scene, &slug, sync(&secret, "[]")).await, 200);
    assert_eq!(scene.data(&slug).await, json!([]));
    let with_more = items.replace(r#"{"type":"future""#, r#"{"id":7,"id":8,"type":"future""#);
    let body = sync(&secret, &with_more).replace(r#"{"secret""#, r#"{ "more" : [1] , "secret""#);
    assert_eq!(synced(&scene, &slug, body).await, 200);
    assert_eq!(
        synced(
            &scene,
            &slug,
            sync(&secret, r#"[{"type":"model","data":[]}]"#)
        )
        .await,
        200
    );
    let back = scene.get(&path(&slug, "/data")).await;
    assert_eq!(back.text(), items.replace("1E400", "1e+400"));
}

#[tokio::test]
async fn texts_pass_unchanged() {
    let scene = Scene::new().await;
    let (slug, secret) = scene.backend.share(&[]);
    let long = "y".repeat(10_000_000);
    for text in [
        "ü日本語🦀",
        "\"quoted\" \\ back/slash",
        "\u{2028}\u{2029}\u{feff}\u{200f}",
        "\u{0}\u{1}\u{1f}\u{7f}\u{85}\r\n\t",
        "</script><!-- --> & &amp; %2F",
        &long,
    ] {
        let items = json!([{"type": "session", "data": {"text": text}}]);
        assert_eq!(
            synced(&scene, &slug, sync(&secret, &items.to_string())).await,
            200
        );
        // Not by `assert_eq`: who wants to see ten million characters?
        assert!(scene.data(&slug).await == items, "{text:.40}");
    }
    let body = sync(
        &secret,
        r#"[{"type":"session","data":"\u00fc\/\ud83e\udd80"}]"#,
    );
    assert_eq!(synced(&scene, &slug, body).await, 200);
    assert_eq!(
        scene.data(&slug).await,
        json!([{"type": "session", "data": "ü/🦀"}])
    );
}

#[tokio::test]
async fn the_body_is_json_by_its_type_and_nothing_else() {
    let scene = Scene::new().await;
    for value in [
        "application/json",
        "Application/JSON",
        "application/json; charset=utf-8",
        "application/json;charset=UTF-8",
        "application/json; charset=\"utf-8\"",
    ] {
        let answer = scene
            .ask("POST /api/share", &[("content-type", value)], SESSION)
            .await;
        assert_eq!(answer.status, 200, "{value}");
    }
    let created = scene.backend.calls("create");
    let (slug, secret) = scene.backend.share(&[]);
    let (own, of_sync) = (path(&slug, ""), path(&slug, "/sync"));
    let encoding = ("Content-Encoding", "gzip");
    let cases: [&[(&str, &str)]; 11] = [
        &[],
        &[("Content-Type", "")],
        &[("Content-Type", "text/plain")],
        &[("Content-Type", "application/x-www-form-urlencoded")],
        &[("Content-Type", "multipart/form-data")],
        &[("Content-Type", "application/jsonp")],
        &[("Content-Type", "application/json; charset=latin1")],
        &[("Content-Type", "application/json, text/plain")],
        &[("Content-Type", "application/vnd.share.ops")],
        &[JSON, ("Content-Type", "text/plain")],
        &[JSON, encoding],
    ];
    for headers in cases {
        for (line, body) in [
            ("POST /api/share", SESSION.to_owned()),
            (&format!("POST {of_sync}"), sync(&secret, "[]")),
            (&format!("DELETE {own}"), proof(&secret)),
        ] {
            let answer = scene.ask(line, headers, body).await;
            assert_eq!(answer.status, 415, "{line} {headers:?}");
        }
    }
    assert_eq!(scene.backend.all_calls(), 2 * created);
}

#[tokio::test]
async fn a_session_has_an_id_of_1_to_1024_bytes() {
    let scene = Scene::new().await;
    for (id, status) in [
        ("", 400),
        ("a", 200),
        (&"a".repeat(1024), 200),
        (&"a".repeat(1025), 400),
    ] {
        let body = json!({"sessionID": id}).to_string();
        assert_eq!(
            scene.post("/api/share", body).await.status,
            status,
            "{}",
            id.len()
        );
    }
    for body in [
        "{}",
        r#"{"sessionID":1}"#,
        r#"["ses_1"]"#,
        r#"{"sessionid":"a"}"#,
    ] {
        assert_eq!(scene.post("/api/share", body).await.status, 400, "{body}");
    }
    assert_eq!(scene.backend.calls("create"), 2);
}

#[tokio::test]
async fn no_answer_holds_what_was_sent() {
    let scene = Scene::new().await;
    let (slug, secret) = scene.backend.share(&[]);
    let canary = "CANARY";
    for body in [
        format!(r#"{{"secret":"{canary}","data":[]}}"#),
        format!(r#"{{"secret":{{"{canary}":1}},"data":"{canary}"}}"#),
        format!(r#"{{"{canary}":1}}"#),
        canary.to_owned(),
        sync(&secret, &format!(r#"[{{"type":["{canary}"],"data":1}}]"#)),
        sync(
            &secret,
            &format!(r#"[{{"type":"message","data":"{canary}"}}]"#),
        ),
    ] {
        let answer = scene.post(&path(&slug, "/sync"), &body).await;
        assert!(answer.status >= 400, "{body}");
        assert!(!answer.text().contains(canary), "{body}: {}", answer.text());
        assert!(
            !answer.text().contains(&secret.to_text()),
            "{body}: {}",
            answer.text()
        );
    }
    let answer = scene.get("/api/share/CANARY/data?CANARY=1").await;
    assert!(!answer.text().contains(canary));
    let wrong = Secret::from_bytes([9; 32]);
    let answer = scene.delete(&path(&slug, ""), proof(&wrong)).await;
    assert!(!answer.text().contains(&wrong.to_text()));
}
