//! What markdown becomes, and what it costs while it grows.

use serde_json::json;
use share_model::{Document, Limits, Mutation};

use super::super::{Frame, Patch, View, ViewLimits};
use super::document::{blocks, text, with_parts};

#[test]
fn markdown_has_its_usual_shapes() {
    for (source, expected) in [
        ("# a\n", "<h3>a</h3>"),
        ("###### a", "<h6>a</h6>"),
        (
            "*a* **b** ~~c~~ `d`",
            "<p><em>a</em> <strong>b</strong> <del>c</del> <code>d</code></p>",
        ),
        ("- a\n- b", "<ul><li>a</li><li>b</li></ul>"),
        ("3. a\n4. b", "<ol start=\"3\"><li>a</li><li>b</li></ol>"),
        ("- [ ] a\n- [x] b", "<ul><li>☐ a</li><li>☑ b</li></ul>"),
        ("> a\n> b", "<blockquote><p>a\nb</p></blockquote>"),
        ("a  \nb", "<p>a<br>b</p>"),
        ("***", "<hr>"),
        (
            "|a|b|\n|:-|-:|\n|1|2|",
            "<table><thead><tr><th class=\"left\">a</th><th class=\"right\">b</th></tr></thead>\
             <tbody><tr><td class=\"left\">1</td><td class=\"right\">2</td></tr></tbody></table>",
        ),
        (
            "    a\n    b",
            "<pre><code id=\"c-m.1.0\">a\nb</code></pre>",
        ),
        (
            "- ```rust\n  a\n  ```",
            "<ul><li><pre data-language=\"rust\"><code>a\n</code></pre></li></ul>",
        ),
    ] {
        assert_eq!(blocks(source), [expected], "{source}");
    }
    assert_eq!(blocks("a\n\nb"), ["<p>a</p>", "<p>b</p>"]);
    assert_eq!(blocks(""), [""; 0]);
}

/// A session with one text that grows.
struct Growing {
    document: Document,
    view: View,
}

impl Growing {
    fn new(source: &str) -> Self {
        let document = with_parts(&[text(source)]);
        let view = View::new(&document, ViewLimits::DEFAULT);
        Self { document, view }
    }

    fn add(&mut self, text: &str) -> Vec<Patch> {
        let append = Mutation::AppendText {
            key: "part/m/1".into(),
            pointer: "/text".into(),
            text: text.into(),
        };
        self.document.apply(&append, &Limits::DEFAULT).unwrap();
        self.view.change(&self.document, "part/m/1")
    }
}

#[test]
fn a_token_costs_the_last_block_and_not_the_part() {
    let mut growing = Growing::new(&"A paragraph of some words.\n\n".repeat(1000));
    assert_eq!(
        growing.add("And a"),
        [Patch::Blocks {
            blocks: "p-m.1".into(),
            from: 1000,
            html: vec!["<div class=\"block\" dir=\"auto\"><p>And a</p></div>".into()],
        }]
    );
    assert_eq!(
        growing.add(" word"),
        [Patch::Blocks {
            blocks: "p-m.1".into(),
            from: 1000,
            html: vec!["<div class=\"block\" dir=\"auto\"><p>And a word</p></div>".into()],
        }]
    );
    assert_eq!(growing.add(""), []);
}

#[test]
fn a_fence_that_grows_costs_its_new_text_only() {
    let mut growing = Growing::new("Look:\n\n```rust\nlet 😀 = \"<\";\n");
    let text = |from, add: &str| Patch::Text {
        text: "c-m.1.1".into(),
        from,
        add: add.into(),
    };
    assert_eq!(growing.add("let a"), [text(14, "let a")]);
    assert_eq!(growing.add(" = 1 & 2;\n"), [text(19, " = 1 & 2;\n")]);
    // Two back quotes may be code, three are the end of it.
    assert_eq!(growing.add("``"), [text(29, "``")]);
    assert_eq!(growing.add("`"), [text(29, "")]);
    assert_eq!(growing.add("\n"), []);

    let mut growing = Growing::new("```\n");
    let mut bytes = 0;
    for _ in 0..2000 {
        let patches = growing.add("twenty-five bytes of code\n");
        bytes += patches.iter().map(Patch::bytes).sum::<usize>();
    }
    assert!(bytes < 2000 * 200, "{bytes} bytes for 52 kB");
}

#[test]
fn output_that_grows_costs_its_new_text_only() {
    let mut parts = with_parts(&[json!({"type": "tool", "tool": "bash", "state": {
        "status": "running", "input": {"command": "make"}, "metadata": {"output": "\u{1b}[1mone\r\n"},
    }})]);
    let mut view = View::new(&parts, ViewLimits::DEFAULT);
    let append = Mutation::AppendText {
        key: "part/m/1".into(),
        pointer: "/state/metadata/output".into(),
        text: "two\u{1b}[0m <three>\n".into(),
    };
    parts.apply(&append, &Limits::DEFAULT).unwrap();
    assert_eq!(
        view.change(&parts, "part/m/1"),
        [Patch::Text {
            text: "o-m.1".into(),
            from: 4,
            add: "two <three>\n".into(),
        }]
    );
    assert!(
        view.page(&Frame::default())
            .contains("\none\ntwo &lt;three&gt;\n</pre>")
    );
}

#[test]
fn a_definition_that_comes_late_makes_links_of_what_was_text() {
    let mut growing = Growing::new("See [here].\n\nMore.\n\nAnd more.\n\n");
    let patches = growing.add("[here]: https://a.b\n");
    assert!(
        matches!(patches.as_slice(), [Patch::Blocks { from: 0, .. }]),
        "{patches:?}"
    );
    let page = growing.view.page(&Frame::default());
    assert!(page.contains("See <a href=\"https://a.b\""));
}
