//! What a page says around a session.

use serde_json::json;

use super::super::messages::Stretch;
use super::super::{Frame, Patch, View, ViewLimits, notice};
use super::document::{document, put, text};
use super::dom::Dom;

#[test]
fn a_page_says_what_its_frame_says() {
    let view = View::new(&document(&[]), ViewLimits::DEFAULT);
    let frame = Frame {
        kind: "session",
        head: "<link rel=\"stylesheet\" href=\"/assets/a.css\">\n",
        history: "ab\"c",
        cursor: 7,
        live: Some("/share/x/live"),
        replay: None,
        data: Some("/api/share/x/data"),
        first_at: Some(share_model::UnixMs::new(5)),
        last_at: None,
    };
    let page = view.page(&frame);
    assert!(page.contains(
        "<body data-kind=\"session\" data-history=\"ab&quot;c\" data-cursor=\"7\" \
         data-whole=\"yes\" data-live=\"/share/x/live\" data-first-at=\"5\">\n"
    ));
    assert!(page.contains("href=\"/assets/a.css\">\n</head>"));
    assert!(page.contains("<p id=\"data\"><a href=\"/api/share/x/data\">"));
}

#[test]
fn a_notice_is_text() {
    let page = notice("", "No <page>", ["a & b", "c"]);
    assert!(page.contains("<h1>No &lt;page&gt;</h1>\n<p class=\"error\">a &amp; b</p>"));
}

#[test]
fn a_query_names_a_stretch_or_none() {
    for (query, expected) in [
        (None, Stretch::Newest),
        (Some(""), Stretch::Newest),
        (Some("after=x"), Stretch::Newest),
        (Some("a=b&from=m%2F1"), Stretch::From("m/1".into())),
        (Some("before=x&from=y"), Stretch::Before("x".into())),
        (Some("from=%ff"), Stretch::Newest),
    ] {
        assert_eq!(Stretch::of_query(query), expected, "{query:?}");
    }
    // One that is not there.
    let document = document(&[("message/m", json!({"role": "user"}))]);
    for stretch in [Stretch::From("gone".into()), Stretch::Before("gone".into())] {
        let view = View::of_page(&document, ViewLimits::DEFAULT, &stretch);
        assert!(view.page(&Frame::default()).contains("id=\"m-m\""));
    }
}

#[test]
fn patches_are_the_objects_that_the_script_reads() {
    let patches = [
        Patch::Put {
            put: "m-a".into(),
            into: "session".into(),
            after: None,
            html: "<article id=\"m-a\"></article>".into(),
        },
        Patch::Swap {
            swap: "f-a".into(),
            html: "x".into(),
        },
        Patch::Blocks {
            blocks: "p-a.b".into(),
            from: 2,
            html: vec!["y".into()],
        },
        Patch::Text {
            text: "o-a.b".into(),
            from: 3,
            add: "z".into(),
        },
        Patch::Remove {
            remove: "m-a".into(),
        },
        Patch::clear(),
        Patch::Title { title: "t".into() },
        Patch::Facts { facts: "f".into() },
    ];
    let expected = json!([
        {"put": "m-a", "into": "session", "after": null, "html": "<article id=\"m-a\"></article>"},
        {"swap": "f-a", "html": "x"},
        {"blocks": "p-a.b", "from": 2, "html": ["y"]},
        {"text": "o-a.b", "from": 3, "add": "z"},
        {"remove": "m-a"},
        {"clear": true},
        {"title": "t"},
        {"facts": "f"},
    ]);
    assert_eq!(serde_json::to_value(patches).unwrap(), expected);
}

/// Who has an older page is brought up by what is renewed for the keys that were changed since.
#[test]
fn a_page_from_before_some_changes_becomes_the_page_after_them() {
    let limits = share_model::Limits::DEFAULT;
    let mut document = document(&[
        ("session", json!({"title": "old"})),
        ("message/a", json!({"role": "user", "time": {"created": 1}})),
        ("message/b", json!({"role": "user", "time": {"created": 2}})),
        ("part/a/1", text("one")),
        ("part/a/2", text("two")),
    ]);
    let mut dom = Dom::of(&View::new(&document, ViewLimits::DEFAULT));
    let changes = [
        put("session", &json!({"title": "new"})),
        put("part/a/1", &text("other")),
        put("part/a/3", &text("three")),
        put("message/c", &json!({"role": "assistant", "cost": 1})),
        put("part/c/1", &text("first")),
        put(
            "message/a",
            &json!({"role": "user", "time": {"created": 3}, "cost": 2}),
        ),
    ];
    for change in &changes {
        document.apply(change, &limits).unwrap();
    }
    for key in ["part/a/2", "message/b"] {
        let remove = share_model::Mutation::Remove { key: key.into() };
        document.apply(&remove, &limits).unwrap();
    }
    let view = View::new(&document, ViewLimits::DEFAULT);
    let keys = changes.iter().map(share_model::Mutation::key);
    for key in keys.chain(["part/a/2", "message/b"]) {
        dom.apply_where_there(&view.renewed(key));
    }
    assert_eq!(dom, Dom::of(&view));
}
