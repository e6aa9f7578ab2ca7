//! A document as items, however large.

use serde_json::{Value, json};

use crate::scene::{Scene, path};

#[tokio::test]
async fn items_are_those_of_the_document_with_all_models_in_one() {
    let scene = Scene::new().await;
    for (entries, text) in [
        (vec![], "[]"),
        (vec![("notes/by/hand", "1")], "[]"),
        (
            vec![("model/p/a", r#"{"providerID":"p","id":"a"}"#)],
            r#"[{"type":"model","data":[{"providerID":"p","id":"a"}]}]"#,
        ),
        (
            vec![
                ("a/b/c", "1"),
                ("message/a%2Fb", r#"{"id":"a/b"}"#),
                ("message/other", r#"{"id":"a"}"#),
                ("model/p/a", r#"{"providerID":"p","id":"a"}"#),
                ("model/p/b", r#"{"providerID":"p","id":"other"}"#),
                ("model/p/c", r#"{"providerID":"p","id":"c"}"#),
                ("part/m/p", r#"{"messageID":"m","id":"p","n":1.10}"#),
                ("x%2Fy", "\"u\""),
            ],
            concat!(
                r#"[{"type":"message","data":{"id":"a/b"}},"#,
                r#"{"type":"model","data":[{"providerID":"p","id":"a"},{"providerID":"p","id":"c"}]},"#,
                r#"{"type":"part","data":{"messageID":"m","id":"p","n":1.10}},"#,
                r#"{"type":"x/y","data":"u"}]"#,
            ),
        ),
    ] {
        let (slug, _) = scene.backend.share(&entries);
        assert_eq!(scene.get(&path(&slug, "/data")).await.text(), text);
    }
}

#[tokio::test]
async fn a_large_document_comes_whole_and_in_order() {
    let scene = Scene::new().await;
    let padding = "p".repeat(1000);
    let entry = |kind: &str, at: usize| {
        let value = json!({"providerID": "p", "id": format!("{at:05}"), "padding": padding});
        let key = match kind {
            "model" => format!("model/p/{at:05}"),
            _ => format!("{kind}/{at:05}"),
        };
        (key, value)
    };
    let messages: Vec<_> = (0..700).map(|at| entry("message", at)).collect();
    let models: Vec<_> = (0..700).map(|at| entry("model", at)).collect();
    let mut expected: Vec<Value> = messages
        .iter()
        .map(|(_, value)| json!({"type": "message", "data": value}))
        .collect();
    let all: Vec<_> = models.iter().map(|(_, value)| value).collect();
    expected.push(json!({"type": "model", "data": all}));
    let texts: Vec<_> = [messages, models]
        .concat()
        .into_iter()
        .map(|(key, value)| (key, value.to_string()))
        .collect();
    let entries: Vec<_> = texts
        .iter()
        .map(|(key, text)| (key.as_str(), text.as_str()))
        .collect();
    let (slug, _) = scene.backend.share(&entries);
    assert!(scene.data(&slug).await == Value::Array(expected));
}

#[tokio::test]
async fn what_is_read_is_one_state_although_it_changes_meanwhile() {
    let scene = Scene::new().await;
    let big = format!(r#"{{"text":"{}"}}"#, "x".repeat(15 << 20));
    let entries = [("session", big.as_str()), ("session_diff", "[1]")];
    let (slug, secret) = scene.backend.share(&entries);
    let mut reader = scene.client().await;
    reader
        .send(scene.request(&format!("GET {}", path(&slug, "/data")), &[], ""))
        .await;
    while scene.backend.calls("data") == 0 {
        tokio::task::yield_now().await;
    }
    let body = crate::scene::sync(&secret, r#"[{"type":"session_diff","data":[2]}]"#);
    assert_eq!(scene.post(&path(&slug, "/sync"), body).await.status, 200);
    let read = reader.answer().await;
    assert!(
        read.text()
            .ends_with(r#",{"type":"session_diff","data":[1]}]"#)
    );
}
