//! Content that wants to be more than content.

use serde_json::{Value, json};

use super::super::sanitise::sanitised;
use super::super::{Frame, View, ViewLimits};
use super::document::{blocks, document, page, part, text, with_parts};
use super::dom::Dom;

#[test]
fn raw_html_in_markdown_is_text() {
    for (source, expected) in [
        (
            "<script>alert(1)</script>",
            "<pre class=\"html\"><code>&lt;script&gt;alert(1)&lt;/script&gt;</code></pre>",
        ),
        (
            "a <img src=x onerror=y> b",
            "<p>a &lt;img src=x onerror=y&gt; b</p>",
        ),
        (
            "<div class=\"message\">\n\n*b*\n\n</div>",
            "<pre class=\"html\"><code>&lt;div class=\"message\"&gt;\n</code></pre>",
        ),
        (
            "<!-- a\n\n-->",
            "<pre class=\"html\"><code>&lt;!-- a\n\n--&gt;</code></pre>",
        ),
        ("&lt;b&gt; &#60;i&#62;", "<p>&lt;b&gt; &lt;i&gt;</p>"),
        ("`</code><b>`", "<p><code>&lt;/code&gt;&lt;b&gt;</code></p>"),
    ] {
        assert_eq!(blocks(source)[0], expected, "{source}");
    }
}

#[test]
fn links_lead_to_http_and_mail_only_and_say_what_they_are() {
    let rel = "rel=\"noopener noreferrer nofollow ugc\"";
    for (source, href) in [
        ("[a](https://b.c/d?e=\"f)", "https://b.c/d?e=&quot;f"),
        ("[a](HTTP://b.c)", "HTTP://b.c"),
        ("[a](mailto:b@c.d)", "mailto:b@c.d"),
        ("[a]\n\n[a]: http://b.c", "http://b.c"),
    ] {
        assert_eq!(
            blocks(source)[0],
            format!("<p><a href=\"{href}\" {rel}>a</a></p>")
        );
    }
    assert_eq!(
        blocks("<b@c.d>")[0],
        format!("<p><a href=\"mailto:b@c.d\" {rel}>b@c.d</a></p>")
    );
    for url in [
        "javascript:alert(1)",
        "JaVaScRiPt:alert(1)",
        "<java\tscript:alert(1)>",
        "&#106;avascript:alert(1)",
        "<\u{1}javascript:alert(1)>",
        "data:text/html;base64,PHNjcmlwdD4",
        "vbscript:x",
        "file:///etc/passwd",
        "//b.c",
        "/api/share",
        "d.html",
        "#title",
        "",
    ] {
        assert_eq!(blocks(&format!("[a]({url})"))[0], "<p>a</p>", "{url}");
    }
}

#[test]
fn images_are_links_so_that_no_foreign_host_hears_of_a_viewer() {
    assert_eq!(
        blocks("![a *b*](https://c.d/e.png)")[0],
        "<p><a class=\"image\" href=\"https://c.d/e.png\" rel=\"noopener noreferrer nofollow ugc\">\
         image: a <em>b</em></a></p>"
    );
    assert_eq!(
        blocks("![a](data:image/png;base64,AA)")[0],
        "<p>image: a</p>"
    );
    let within = blocks("[![a](https://c.d)](https://e.f)");
    assert_eq!(within[0].matches("<a ").count(), 1);
    assert!(within[0].contains("href=\"https://e.f\""));
}

#[test]
fn the_second_wall_holds_by_itself() {
    for (raw, expected) in [
        (
            "<p onclick=\"a\" style=\"b\" id=\"title\" class=\"c\">x</p>",
            "<p>x</p>",
        ),
        ("<script>a</script><style>b</style>x", "x"),
        (
            "<a href=\"javascript:a\">x</a>",
            "<a rel=\"noopener noreferrer nofollow ugc\">x</a>",
        ),
        (
            "<a href=\"/b\" target=\"c\">x</a>",
            "<a rel=\"noopener noreferrer nofollow ugc\">x</a>",
        ),
        ("<img src=x onerror=a><iframe src=b></iframe>x", "x"),
        (
            "<form action=a><input name=b><button>x</button></form>",
            "x",
        ),
        ("<details open><summary>x</summary></details>", "x"),
        ("<svg><script>a</script></svg>b<math><mi>c</mi></math>", "b"),
        (
            "<div class=\"message block\" dir=\"auto\">x</div>",
            "<div class=\"block\" dir=\"auto\">x</div>",
        ),
        (
            "<code id=\"session\" class=\"language-a\">x</code>",
            "<code>x</code>",
        ),
        ("<p>x<!-- a --></p><plaintext>", "<p>x</p>"),
    ] {
        assert_eq!(sanitised(raw), expected, "{raw}");
    }
}

#[test]
fn what_would_turn_the_text_around_is_shown_by_name() {
    assert_eq!(
        blocks("a\u{202e}b\u{2066}c")[0],
        "<p>a<span class=\"mark\">⟪RLO⟫</span>b<span class=\"mark\">⟪LRI⟫</span>c</p>"
    );
    assert!(blocks("```\na\u{202e}b\n```")[0].contains(">a⟪RLO⟫b\n</code>"));
    let page = page(&document(&[
        ("session", json!({"title": "x\u{202d}y"})),
        ("message/m", json!({"role": "\u{2067}user"})),
        (
            "part/m/1",
            json!({"type": "tool", "tool": "b\u{202b}", "state": {"output": "\u{2069}o"}}),
        ),
    ]));
    for character in ('\u{202a}'..='\u{202e}').chain('\u{2066}'..='\u{2069}') {
        assert!(!page.contains(character), "{character:?}");
    }
    for shown in [
        "x⟪LRO⟫y</h1>",
        "<bdi><span class=\"mark\">⟪RLI⟫</span>user</bdi>",
        "⟪PDI⟫o",
    ] {
        assert!(page.contains(shown), "{shown}");
    }
}

#[test]
fn control_characters_are_shown_and_escape_sequences_of_terminals_taken_out() {
    assert_eq!(
        blocks("a\u{0}b\u{7}c\u{7f}d\u{85}e")[0],
        "<p>a␀b␇c␡d\u{fffd}e</p>"
    );
    let tool = json!({"type": "tool", "tool": "bash", "state": {
        "status": "error",
        "input": {"command": "ls \u{1b}[1m-l"},
        "output": "\u{1b}[31mred\u{1b}[0m \u{1b}]8;;http://a\u{7}link\r\nnext\rline",
        "error": "\u{1b}[2Jgone",
    }});
    let page = page(&with_parts(&[tool]));
    let shown = part(&page, "1");
    assert!(
        shown.contains("<pre class=\"input\">\nls -l</pre>"),
        "{shown}"
    );
    assert!(
        shown.contains("id=\"o-m.1\">\nred link\nnext\nline</pre>"),
        "{shown}"
    );
    assert!(
        shown.contains("<pre class=\"error\">\ngone</pre>"),
        "{shown}"
    );
}

#[test]
fn no_content_makes_an_id_or_a_class() {
    let ids = [
        "title",
        "session",
        "m-m",
        "a b",
        "\" onclick=\"",
        "é",
        "",
        &"x".repeat(200),
    ];
    let mut entries: Vec<(String, Value)> = Vec::new();
    for id in ids {
        entries.push((format!("message/{id}"), json!({"role": "user message"})));
        for part in ids {
            let value = json!({"type": "text\" id=\"title", "text": "```title\" id=\"x\na\n```"});
            entries.push((format!("part/{id}/{part}"), value));
            let value = json!({"type": "text", "text": "```title\" id=\"x\na\n```"});
            entries.push((format!("part/{id}/2{part}"), value));
        }
    }
    let entries: Vec<_> = entries
        .iter()
        .map(|(key, value)| (key.as_str(), value.clone()))
        .collect();
    let page = page(&document(&entries));
    // It panics where two elements have one id, and where markup is not whole.
    let ids = Dom::of_page(&page).ids();
    assert_eq!(ids.len(), 8 * 3 + 8 * 8 * 3);
    for id in ids {
        let is_ours = ["m-", "h-", "f-", "p-", "c-"]
            .iter()
            .any(|it| id.starts_with(it));
        assert!(is_ours && !id.contains([' ', '"']), "{id}");
    }
}

#[test]
fn what_has_another_shape_than_expected_is_shown_as_far_as_it_goes() {
    let odd = [
        json!(null),
        json!(7),
        json!("x"),
        json!([[]]),
        json!({"a": {}}),
    ];
    for value in &odd {
        let tool = json!({"type": "tool", "tool": value, "state": value});
        let inner = json!({"type": "tool", "state": {
            "status": value, "title": value, "input": value, "output": value, "error": value,
            "metadata": value, "time": {"start": value, "end": value}, "attachments": value,
        }});
        let file = json!({"type": "file", "filename": value, "url": value, "mime": value});
        let patch = json!({"type": "patch", "hash": value, "files": value});
        let step = json!({"type": "step-finish", "cost": value, "tokens": value});
        let parts = [
            value.clone(),
            tool,
            inner,
            file,
            patch,
            step,
            json!({"type": value}),
            json!({"type": "text", "text": value}),
            json!({"type": "retry", "error": value}),
        ];
        let mut entries = vec![
            (
                "session",
                json!({"title": value, "time": value, "cost": value, "summary": value}),
            ),
            (
                "session_diff",
                json!([value, {"file": value}, {"file": "a", "patch": value}]),
            ),
            ("model/p/m", value.clone()),
            (
                "message/m",
                json!({"id": value, "role": value, "time": {"created": value,
                "completed": value}, "summary": {"diffs": [value]}, "error": value,
                "tokens": value, "cost": value, "modelID": value, "model": value}),
            ),
            ("message/n", value.clone()),
        ];
        let keys: Vec<_> = (0..parts.len())
            .map(|index| format!("part/m/{index}"))
            .collect();
        entries.extend(keys.iter().map(String::as_str).zip(parts));
        let page = page(&document(&entries));
        Dom::of_page(&page);
        assert!(page.contains("id=\"m-m\"") && page.contains("id=\"m-n\""));
    }
}

#[test]
fn times_and_figures_that_are_none_are_left_out() {
    for number in [
        "1e400",
        "-5",
        "1.5",
        "99999999999999999999999",
        "253402300800000",
    ] {
        let number: Value = serde_json::from_str(number).unwrap();
        let page = page(&document(&[(
            "message/m",
            json!({"time": {"created": number, "completed": number}, "cost": -1,
                "tokens": {"input": -3, "output": null}}),
        )]));
        assert!(!page.contains("<time"), "{number}");
        assert!(page.contains("id=\"f-m\"></footer>") || number == json!(253_402_300_800_000_u64));
    }
}

#[test]
fn a_part_that_comes_before_its_message_is_shown_when_that_comes() {
    let mut document = document(&[("part/m/1", text("early"))]);
    let mut view = View::new(&document, ViewLimits::DEFAULT);
    assert!(!view.page(&Frame::default()).contains("early"));
    assert_eq!(view.change(&document, "part/m/1"), []);
    let message = super::document::put("message/m", &json!({"role": "user"}));
    document
        .apply(&message, &share_model::Limits::DEFAULT)
        .unwrap();
    let patches = view.change(&document, "message/m");
    assert!(format!("{patches:?}").contains("early"));
    assert!(view.page(&Frame::default()).contains("early"));
}

#[test]
fn deep_json_and_deep_markdown_stay_flat_enough() {
    let deep = (0..90).fold(json!("bottom"), |inner, _| json!([inner]));
    let quotes = ">".repeat(60_000);
    let stars = "*a _b ".repeat(8000);
    let lists = "- ".repeat(20_000);
    let document = with_parts(&[
        json!({"type": "unknown", "deep": deep}),
        text(&quotes),
        text(&stars),
        text(&lists),
    ]);
    let page = page(&document);
    Dom::of_page(&page);
    assert!(page.contains("bottom"));
    let (mut depth, mut deepest) = (0_i64, 0);
    for (at, _) in page.match_indices('<') {
        match &page[at..] {
            tag if tag.starts_with("</") => depth -= 1,
            tag if tag.starts_with("<br") || tag.starts_with("<meta") || tag.starts_with("<!") => {}
            _ => depth += 1,
        }
        deepest = deepest.max(depth);
    }
    assert!(deepest < 50, "{deepest}");
}

#[test]
fn a_language_is_a_name_or_nothing() {
    for (info, language) in [
        ("rust", " data-language=\"rust\""),
        ("c++ title=x", " data-language=\"c++\""),
        ("rust,ignore", " data-language=\"rust\""),
        ("\"><b>", ""),
        ("é", ""),
        (&"x".repeat(33), ""),
    ] {
        let block = blocks(&format!("```{info}\na\n```")).remove(0);
        assert_eq!(
            block,
            format!("<pre{language}><code id=\"c-m.1.0\">a\n</code></pre>"),
            "{info}"
        );
    }
}

#[test]
fn twenty_thousand_parts_are_shown() {
    let mut parts = vec![text("a *b*"); 20_000];
    parts[19_999] = text("the last");
    let page = page(&with_parts(&parts));
    assert_eq!(page.matches("class=\"part text\"").count(), 20_000);
    assert!(page.contains("the last"));
}
