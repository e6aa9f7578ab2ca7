//! Random sessions that change at random: the patches of each change give the page after it.

use std::hash::{BuildHasher as _, RandomState};

use serde_json::{Value, json};
use share_model::seam::{Entropy as _, SeededEntropy};
use share_model::{Document, Limits, Mutation};

use super::super::{Frame, View, ViewLimits};
use super::document::put;
use super::dom::Dom;

/// Seeds that are run always, besides a new one each time.
const SEEDS: u64 = 12;
const CHANGES: usize = 100;

const MESSAGES: [&str; 6] = ["msg_a", "msg_b", "msg_c", "a/b", "é\"<&", ""];
const PARTS: [&str; 6] = ["prt_1", "prt_2", "prt_3", "x/y", "ü>'", ""];

/// What markdown is made of.
const PIECES: [&str; 64] = [
    "a",
    "word ",
    "\n",
    "\n",
    "\n\n",
    "\n\n",
    "# ",
    "## x\n",
    "- ",
    "- a\n",
    "  - b\n",
    "* ",
    "1. ",
    "2) x\n",
    "> ",
    "> q\n",
    "```",
    "```\n",
    "```rust\n",
    "~~~\n",
    "    ",
    "\t",
    "|a|b|\n",
    "|-|:-:|\n",
    "|1|",
    "a|b\n",
    "-|-\n",
    "[x]: http://a.b\n",
    "[x]",
    "[y][x]",
    "<div>\n",
    "</div>",
    "<b>",
    "<!--",
    "-->\n",
    "<script>",
    "<pre>\n",
    "`",
    "``",
    "**",
    "*",
    "_",
    "~~",
    "---\n",
    "===\n",
    "- [ ] t\n",
    "- [x] d\n",
    "![a](http://b)",
    "[l](javascript:x)",
    "[m](mailto:a@b.c)",
    "<http://q.r>",
    "\\",
    "&amp;",
    "&",
    "<",
    "\r",
    "\r\n",
    "é",
    "😀",
    "\u{202e}",
    "\0",
    "\u{1b}[31m",
    "-",
    "#",
];

struct Random(SeededEntropy);

impl Random {
    fn pick(&self, of: usize) -> usize {
        let mut bytes = [0; 8];
        self.0.fill(&mut bytes);
        usize::try_from(u64::from_le_bytes(bytes) % of as u64).unwrap()
    }

    fn one<'a>(&self, of: &[&'a str]) -> &'a str {
        of[self.pick(of.len())]
    }

    fn markdown(&self, pieces: usize) -> String {
        (0..self.pick(pieces)).map(|_| self.one(&PIECES)).collect()
    }

    fn session(&self) -> Value {
        match self.pick(4) {
            0 => json!(7),
            1 => json!({"title": self.markdown(3), "cost": 0.5}),
            _ => json!({
                "title": self.markdown(6),
                "time": {"created": self.pick(9) * 1_000_000_000_000},
                "tokens": {"input": self.pick(9000), "cache": {"read": 1}},
                "summary": {"files": self.pick(3), "additions": 1234},
            }),
        }
    }

    fn message(&self) -> Value {
        let diffs: Vec<_> = (0..self.pick(3)).map(|_| self.diff()).collect();
        match self.pick(6) {
            0 => json!(null),
            1 => json!({"role": 7, "time": {"created": "never"}, "tokens": []}),
            _ => json!({
                "role": self.one(&["user", "assistant", "assistant", "system\u{202e}"]),
                "time": {"created": self.pick(4), "completed": self.pick(100_000)},
                "modelID": self.one(&["m", "n<"]),
                "providerID": "p",
                "cost": self.pick(3),
                "tokens": {"input": self.pick(2), "output": 1},
                "summary": {"diffs": diffs},
                "error": self.one(&["", "x"]),
            }),
        }
    }

    fn diff(&self) -> Value {
        json!({
            "file": self.one(&["a.rs", "b.rs", "c\"<"]),
            "patch": format!("--- a\n+++ b\n@@ -1 +1 @@\n-{}\n+b\n c\n", self.markdown(4)),
            "additions": self.pick(2000),
            "deletions": "none",
        })
    }

    fn part(&self) -> Value {
        let words = self.markdown(12);
        match self.pick(12) {
            0..5 => json!({"type": "text", "text": words}),
            5 => json!({"type": "reasoning", "text": words}),
            6 => json!({"type": "text", "text": words, "synthetic": true}),
            7 | 8 => {
                json!({"type": "tool", "tool": self.one(&["bash", "edit", "write"]), "state": {
                    "status": self.one(&["running", "completed", "error", "odd"]),
                    "input": {"command": words, "content": "x"},
                    "output": self.markdown(12),
                    "metadata": {"diff": "@@\n+a\n-b\n"},
                }})
            }
            9 => json!({"type": "step-start"}),
            10 => {
                json!({"type": self.one(&["file", "patch", "retry", "compaction", "step-finish"]),
                "files": ["a", 7, "b"], "filename": words, "url": "https://a.b/\"", "cost": 1})
            }
            _ => json!({"type": "hologram", "deep": [[{"a": words}]]}),
        }
    }

    fn key(&self) -> String {
        let message = self.one(&MESSAGES);
        match self.pick(16) {
            0 => "session".into(),
            1 => "session_diff".into(),
            2 => "model/p/m".into(),
            3 => "message".into(),
            4 => "todo/1".into(),
            5..8 => format!("message/{message}"),
            _ => format!("part/{message}/{}", self.one(&PARTS)),
        }
    }

    fn value(&self, key: &str) -> Value {
        match key.split('/').next() {
            Some("session") => self.session(),
            Some("session_diff") => (0..self.pick(4)).map(|_| self.diff()).collect(),
            Some("message") => self.message(),
            Some("part") => self.part(),
            _ => json!({"name": self.markdown(3)}),
        }
    }

    fn mutation(&self) -> Mutation {
        let key = self.key();
        match self.pick(10) {
            0 => Mutation::Remove { key: key.into() },
            1 => Mutation::Merge {
                json: self.value(&key).to_string().into(),
                key: key.into(),
            },
            2..6 => Mutation::AppendText {
                key: key.into(),
                pointer: self
                    .one(&["/text", "/text", "/text", "/state/output"])
                    .into(),
                text: self.markdown(4).into(),
            },
            _ => put(&key, &self.value(&key)),
        }
    }
}

/// Bounds that small sessions reach.
fn small(random: &Random) -> ViewLimits {
    ViewLimits {
        text_bytes_max: 40 + random.pick(60),
        line_bytes_max: 12,
        nesting_max: 3,
        files_max: 2,
        diffs_bytes_max: 300,
        message_bytes_max: 1500 + random.pick(1500),
        view_bytes_max: 4000 + random.pick(4000),
        page_bytes_max: usize::MAX,
    }
}

fn check(seed: u64) {
    println!("SHARE_SEED={seed} cargo test -p share-web patches_of_random_changes");
    let random = Random(SeededEntropy::new(seed));
    let limits = match random.pick(2) {
        0 => small(&random),
        _ => ViewLimits::DEFAULT,
    };
    let mut document = Document::default();
    let mut view = View::new(&document, limits);
    let mut dom = Dom::of(&view);
    for index in 0..CHANGES {
        let mutation = random.mutation();
        if document.apply(&mutation, &Limits::DEFAULT).is_err() {
            continue;
        }
        let patches = view.change(&document, mutation.key());
        dom.apply(&patches);
        let fresh = View::new(&document, limits);
        let (grown, whole) = (view.page(&Frame::default()), fresh.page(&Frame::default()));
        assert_eq!(grown, whole, "change {index}: {mutation:?}");
        assert_eq!(
            dom,
            Dom::of_page(&whole),
            "change {index}: {mutation:?}, {patches:?}"
        );
    }
    let mut anew = Dom::empty(&dom);
    anew.apply(&view.whole());
    assert_eq!(anew, dom, "the whole of it");
}

#[test]
fn patches_of_random_changes_give_the_page_of_the_document_after_them() {
    if let Ok(seed) = std::env::var("SHARE_SEED") {
        return check(seed.parse().expect("SHARE_SEED is a number"));
    }
    (0..SEEDS).for_each(check);
    check(RandomState::new().hash_one(0));
}

/// A text that grows by a few characters at a time, as an answer does.
#[test]
fn a_text_that_grows_is_at_each_step_what_it_is_when_rendered_at_once() {
    let seeds = std::env::var("SHARE_SEED").map_or_else(
        |_| (0..60).chain([RandomState::new().hash_one(1)]).collect(),
        |seed| vec![seed.parse::<u64>().expect("SHARE_SEED is a number")],
    );
    for seed in seeds {
        println!("SHARE_SEED={seed} cargo test -p share-web a_text_that_grows_is");
        let random = Random(SeededEntropy::new(seed));
        let source: Vec<char> = random.markdown(60).chars().collect();
        let (mut grown, mut text) = (None, String::new());
        for piece in source.chunks(1 + random.pick(6)) {
            text.extend(piece);
            grows(&mut grown, &text);
        }
    }
}

fn grows(grown: &mut Option<(View, Dom)>, text: &str) {
    let document = super::document::with_parts(&[super::document::text(text)]);
    let fresh = View::new(&document, ViewLimits::DEFAULT);
    let expected = fresh.page(&Frame::default());
    let Some((view, dom)) = grown else {
        let dom = Dom::of(&fresh);
        *grown = Some((fresh, dom));
        return;
    };
    let patches = view.change(&document, "part/m/1");
    dom.apply(&patches);
    assert_eq!(view.page(&Frame::default()), expected, "{text:?}");
    assert_eq!(*dom, Dom::of_page(&expected), "{text:?}, {patches:?}");
}
