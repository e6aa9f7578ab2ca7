//! What a page says around a session.

use serde_json::json;

use super::super::messages::Stretch;
use super::super::{Frame, Patch, View, ViewLimits, notice};
use super::document::{document, text};

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

#[test]
fn what_a_page_still_has_of_a_key_that_is_gone_is_taken_off() {
    let document = document(&[
        ("message/a", json!({"role": "user"})),
        ("part/a/1", text("one")),
        ("part/a/2", json!({"type": "step-start"})),
    ]);
    let view = View::new(&document, ViewLimits::DEFAULT);
    let gone = |key| {
        view.gone(key).map(|patch| match patch {
            Patch::Remove { remove } => remove,
            other => panic!("{other:?}"),
        })
    };
    for (key, expected) in [
        ("message/a", None),
        ("part/a/1", None),
        ("part/a/2", Some("p-a.2")),
        ("part/b/1", Some("p-b.1")),
        ("message/b", Some("m-b")),
        ("session", None),
        ("session_diff", None),
        ("todo/1", None),
    ] {
        assert_eq!(gone(key).as_deref(), expected, "{key}");
    }
}
