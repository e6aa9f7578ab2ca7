//! Each bound, at it and one past it.

use serde_json::{Value, json};

use super::super::{Frame, Patch, Stretch, View, ViewLimits};
use super::document::{document, put, text, with_parts};
use super::dom::Dom;

const CUT: &str = "more than this of one text is not shown";

#[track_caller]
fn shown(document: &share_model::Document, limits: ViewLimits) -> String {
    let page = View::new(document, limits).page(&Frame::default());
    Dom::of_page(&page);
    page
}

#[test]
fn a_text_is_shown_to_its_bound_and_one_byte_more_is_cut_and_said() {
    let limits = ViewLimits {
        text_bytes_max: 10,
        ..ViewLimits::DEFAULT
    };
    let parts: [fn(&str) -> Value; 6] = [
        |it| json!({"type": "text", "text": it}),
        |it| json!({"type": "reasoning", "text": it}),
        |it| json!({"type": "tool", "tool": "bash", "state": {"input": {"command": it}}}),
        |it| json!({"type": "tool", "state": {"output": it}}),
        |it| json!({"type": "tool", "state": {"error": it}}),
        |it| json!({"type": "tool", "state": {"metadata": {"diff": it}}}),
    ];
    for part in parts {
        let whole = shown(&with_parts(&[part("@123456789")]), limits);
        assert!(whole.contains("@123456789") && !whole.contains(CUT));
        let cut = shown(&with_parts(&[part("@123456789é")]), limits);
        assert!(cut.contains("@123456789") && cut.contains(CUT), "{cut}");
        assert!(!cut.contains('é'));
        // A character is not split.
        let before = shown(&with_parts(&[part("@12345678é")]), limits);
        assert!(before.contains("@12345678") && before.contains(CUT) && !before.contains('é'));
    }
    let input = json!({"type": "tool", "state": {"input": {"a": "bcdefgh"}}});
    assert!(shown(&with_parts(&[input]), limits).contains(CUT));
    let data = "<a href=\"#data\">The share's data</a>";
    assert!(shown(&with_parts(&[text("@123456789!")]), limits).contains(data));
}

#[test]
fn a_line_is_shown_to_its_bound_and_goes_on_as_three_dots() {
    let limits = ViewLimits {
        line_bytes_max: 5,
        ..ViewLimits::DEFAULT
    };
    for (name, expected) in [
        ("abcde", "<bdi>abcde</bdi>"),
        ("abcdef", "<bdi>abcde…</bdi>"),
    ] {
        let tool = json!({"type": "tool", "tool": name, "state": {"status": name, "title": name}});
        let file = json!({"type": "file", "filename": name, "mime": name});
        let page = shown(&with_parts(&[tool, file]), limits);
        assert_eq!(page.matches(expected).count(), 5, "{page}");
    }
}

#[test]
fn markdown_is_nested_to_its_bound_and_deeper_is_flat() {
    let limits = ViewLimits {
        nesting_max: 3,
        ..ViewLimits::DEFAULT
    };
    let at = shown(&with_parts(&[text("> > a")]), limits);
    assert!(at.contains("<blockquote><blockquote><p>a</p></blockquote></blockquote>"));
    let past = shown(&with_parts(&[text("> > > a")]), limits);
    assert!(past.contains("<blockquote><blockquote><blockquote>a</blockquote>"));
}

#[test]
fn so_many_files_are_named_and_so_large_differences_shown() {
    let limits = ViewLimits {
        files_max: 2,
        diffs_bytes_max: 100,
        ..ViewLimits::DEFAULT
    };
    let file = |name: &str| json!({"file": name, "patch": format!("@@\n+{}\n", "x".repeat(99))});
    let list = json!([file("a"), file("b"), file("c")]);
    let page = shown(&document(&[("session_diff", list.clone())]), limits);
    assert_eq!(page.matches("<details class=\"file\"").count(), 2);
    // The first finds room, the second is named.
    assert_eq!(page.matches("class=\"diff\"").count(), 1);
    assert_eq!(page.matches(CUT).count(), 1);
    let message = json!({"role": "user", "summary": {"diffs": list}});
    let page = shown(&document(&[("message/m", message)]), limits);
    assert_eq!(page.matches("<details class=\"file\"").count(), 2);
    assert_eq!(page.matches("class=\"diff\"").count(), 1);
    let patch = json!({"type": "patch", "files": ["a", "b", "c"]});
    let page = shown(&with_parts(&[patch]), limits);
    assert!(page.contains("<li><bdi>b</bdi></li><li>…</li>"));
}

#[test]
fn a_message_shows_the_parts_for_which_there_is_room_and_says_so() {
    let parts = [text("one"), text("two"), text("three")];
    let all = View::new(&with_parts(&parts), ViewLimits::DEFAULT);
    let whole = all.page(&Frame::default());
    let element = |id: &str, words: &str| {
        format!(
            "<section class=\"part text\" id=\"p-m.{id}\"><div class=\"body\">\
             <div class=\"block\" dir=\"auto\"><p>{words}</p></div></div></section>"
        )
    };
    let elements = [
        element("1", "one"),
        element("2", "two"),
        element("3", "three"),
    ];
    assert!(elements.iter().all(|it| whole.contains(it)), "{whole}");
    let bytes: usize = elements.iter().map(String::len).sum();
    let limits = |message_bytes_max| ViewLimits {
        message_bytes_max,
        ..ViewLimits::DEFAULT
    };
    let at = shown(&with_parts(&parts), limits(bytes));
    assert!(at.contains("three") && !at.contains(CUT));
    let past = shown(&with_parts(&parts), limits(bytes - 1));
    assert!(past.contains("two") && !past.contains("three") && past.contains(CUT));
}

/// A session of so many messages with one part each.
fn session(messages: usize) -> share_model::Document {
    let mut entries = Vec::new();
    for index in 0..messages {
        let id = format!("{index:03}");
        entries.push((
            format!("message/{id}"),
            json!({"role": "user", "time": {"created": index}}),
        ));
        entries.push((format!("part/{id}/p"), text(&format!("words of {id}."))));
    }
    let entries: Vec<_> = entries
        .iter()
        .map(|(key, it)| (key.as_str(), it.clone()))
        .collect();
    document(&entries)
}

#[test]
fn a_view_holds_the_newest_messages_and_an_older_one_leaves_for_a_new_one() {
    let mut document = session(3);
    let one = {
        let view = View::new(&session(1), ViewLimits::DEFAULT);
        view.messages.shown().next().unwrap().1.bytes()
    };
    let limits = ViewLimits {
        view_bytes_max: 3 * one,
        ..ViewLimits::DEFAULT
    };
    let mut view = View::new(&document, limits);
    assert_eq!(view.messages.shown().count(), 3);
    for (key, value) in [
        ("part/003/p", text("words of 003.")),
        (
            "message/003",
            json!({"role": "user", "time": {"created": 3}}),
        ),
    ] {
        document
            .apply(&put(key, &value), &share_model::Limits::DEFAULT)
            .unwrap();
    }
    let patches = view.change(&document, "message/003");
    let removed = Patch::Remove {
        remove: "m-000".into(),
    };
    assert!(patches.contains(&removed), "{patches:?}");
    assert_eq!(view.messages.shown().count(), 3);
    assert!(
        view.facts
            .contains("The oldest messages are not shown here.")
    );
}

#[test]
fn a_page_has_the_messages_for_which_there_is_room_and_links_to_the_others() {
    let document = session(200);
    let limits = ViewLimits {
        page_bytes_max: 50_000,
        line_bytes_max: 64,
        ..ViewLimits::DEFAULT
    };
    let frame = Frame {
        live: Some("/live"),
        ..Frame::default()
    };
    let page = |stretch: &Stretch| {
        let html = View::of_page(&document, limits, stretch).page(&frame);
        Dom::of_page(&html);
        assert!(html.len() <= limits.page_bytes_max, "{} bytes", html.len());
        html
    };
    let link = |html: &str, rel: &str| {
        let (_, rest) = html.split_once(&format!("rel=\"{rel}\" href=\"?"))?;
        Some(rest.split('"').next().unwrap().to_owned())
    };
    let newest = page(&Stretch::Newest);
    assert!(newest.contains("words of 199.") && !newest.contains("words of 000."));
    assert!(newest.contains("data-whole=\"no\"") && newest.contains("data-live=\"/live\""));
    assert_eq!(link(&newest, "next"), None);

    // Backwards to the first, then forwards: each way has every message once.
    let (mut html, mut pages) = (newest.clone(), 1);
    let mut words = html.matches("words of ").count();
    while let Some(query) = link(&html, "prev") {
        html = page(&Stretch::of_query(Some(&query)));
        // It only learns when it may be shown no longer.
        assert!(!html.contains("data-live") && html.contains("data-still=\"/live\""));
        words += html.matches("words of ").count();
        pages += 1;
    }
    assert_eq!(words, 200);
    assert!(html.contains("words of 000.") && pages > 1, "{pages} pages");
    let mut html = page(&Stretch::From("000".into()));
    let mut words = html.matches("words of ").count();
    while let Some(query) = link(&html, "next") {
        html = page(&Stretch::of_query(Some(&query)));
        words += html.matches("words of ").count();
    }
    assert_eq!(words, 200);
    // A view that holds more than a page is shown as far as a page goes.
    let live = View::new(&document, limits).page(&frame);
    assert_eq!(
        live.matches("words of ").count(),
        newest.matches("words of ").count()
    );
}

#[test]
fn the_largest_content_of_all_makes_no_page_above_its_bound() {
    let limits = ViewLimits {
        text_bytes_max: 2 << 10,
        line_bytes_max: 64,
        files_max: 8,
        diffs_bytes_max: 16 << 10,
        message_bytes_max: 128 << 10,
        view_bytes_max: 1 << 20,
        page_bytes_max: 256 << 10,
        ..ViewLimits::DEFAULT
    };
    let bad = "\u{202e}<&>".repeat(2000);
    let files: Vec<_> = (0..9)
        .map(|index| json!({"file": format!("{index}{bad}"), "patch": "+\n-\n".repeat(2000)}))
        .collect();
    let tool = json!({"type": "tool", "tool": bad, "state": {"title": bad, "status": bad,
        "input": {"a": bad}, "output": bad, "error": bad, "metadata": {"diff": "+\n".repeat(2000)}}});
    let texts = [
        "|".repeat(4000),
        "- \n".repeat(4000),
        "#\n".repeat(4000),
        "|a|\n|:-:|\n||||||".repeat(500),
    ];
    let mut entries = vec![
        ("session".to_owned(), json!({"title": bad})),
        ("session_diff".to_owned(), json!(files)),
    ];
    for message in 0..20 {
        let info = json!({"role": bad, "modelID": bad, "providerID": format!("{message}"), "agent": bad,
            "summary": {"diffs": files}, "error": {"name": bad, "message": bad}});
        entries.push((format!("message/{message}"), info));
        for (index, words) in texts.iter().enumerate() {
            entries.push((format!("part/{message}/{index}"), text(words)));
            entries.push((format!("part/{message}/t{index}"), tool.clone()));
        }
    }
    let entries: Vec<_> = entries
        .iter()
        .map(|(key, it)| (key.as_str(), it.clone()))
        .collect();
    let document = document(&entries);
    let view = View::of_page(&document, limits, &Stretch::Newest);
    let page = view.page(&Frame::default());
    Dom::of_page(&page);
    assert!(page.len() <= limits.page_bytes_max, "{} bytes", page.len());
    assert!(
        page.len() > limits.page_bytes_max / 2,
        "{} bytes",
        page.len()
    );
}
