//! Content that was written to steer the terminal of whoever looks at it.

use ratatui::text::Line;
use serde_json::{Value, json};
use share_model::Document;

use super::scene::{Scene, logged, put};
use crate::commands::watch::items::Items;
use crate::commands::watch::lay;
use crate::commands::watch::limits::WatchLimits;
use crate::commands::watch::paper::Paper;
use crate::commands::watch::theme::Theme;
use crate::printable::printable;

const STEERING: &str =
    "\u{1b}]0;x\u{7}\u{1b}[2J\u{9b}1m\r\u{8}\u{202e}\u{2066}\u{85}\u{2028}\u{7f}\u{0}";

/// A text in each place where opencode has one.
fn entries(text: &str) -> Vec<(&'static str, Value)> {
    let state = |status: &str| {
        let diff = format!("@@\n+{text}\n-{text}");
        json!({"status": status, "title": text, "input": {text: text, "b": [text]},
            "output": text, "error": text, "metadata": {"diff": diff}})
    };
    let diffs = json!([{"file": text, "patch": text, "additions": 1}]);
    vec![
        ("session", json!({"title": text, "time": {}})),
        (
            "message/m",
            json!({"role": text, "modelID": text, "error": {"name": text,
            "data": {"message": text}}, "summary": {"diffs": diffs}}),
        ),
        (
            "part/m/text",
            json!({"type": "text", "text": format!("# {text}\n`{text}`\n\n    {text}\n\n[{text}](<{text}>)")}),
        ),
        ("part/m/think", json!({"type": "reasoning", "text": text})),
        (
            "part/m/added",
            json!({"type": "text", "synthetic": true, "text": text}),
        ),
        (
            "part/m/file",
            json!({"type": "file", "filename": text, "mime": text}),
        ),
        ("part/m/patch", json!({"type": "patch", "files": [text]})),
        (
            "part/m/t1",
            json!({"type": "tool", "tool": text, "state": state("running")}),
        ),
        (
            "part/m/t2",
            json!({"type": "tool", "tool": text, "state": state("error")}),
        ),
        (
            "part/m/t3",
            json!({"type": "tool", "tool": text, "state": state(text)}),
        ),
        ("part/m/else", json!({"type": text, text: text})),
        ("session_diff", diffs),
        ("k\u{1b}\u{202e}ey", json!({text: text})),
    ]
}

#[test]
fn no_content_steers_the_terminal_wherever_it_stands() {
    for text in [STEERING.to_owned(), format!("{STEERING}\n\n{STEERING}")] {
        let mut document = Document::default();
        for (key, value) in entries(&text) {
            document.load(key, &value.to_string(), 1).unwrap();
        }
        let items = Items::of(&document);
        for (rank, is_folded) in (0..items.len()).flat_map(|rank| [(rank, true), (rank, false)]) {
            let place = items.get(rank).unwrap();
            let paper = Paper::new(Theme::new(true), WatchLimits::DEFAULT, 40);
            let laid = lay::lay(&document, place, paper, &|_| is_folded);
            for line in laid.lines.iter().map(Line::to_string) {
                assert_eq!(printable(&line), line, "{place:?}");
            }
        }
    }
}

#[test]
fn a_screen_of_hostile_content_holds_nothing_but_what_is_shown() {
    let entries = entries(STEERING);
    let puts = entries.iter().map(|(key, value)| (1, put(key, value)));
    let mut scene = Scene::of(logged(puts), 100, 60);
    for keys in ["", "Z", "?", "?r"] {
        scene.keys(keys);
        scene.pass(100);
        let screen = scene.screen();
        for line in screen.lines() {
            assert_eq!(printable(line), line);
        }
        assert!(keys == "?" || screen.contains(r"\u{1b}"), "{screen}");
    }
    scene.model.end(STEERING);
    assert!(scene.screen().contains(r"\u{1b}]0;x"));
}
