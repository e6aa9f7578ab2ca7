//! Long sessions, and what they cost.

use crossterm::event::KeyCode;
use serde_json::json;
use share_client::DocumentEntry;
use share_model::{Cursor, MutationError};

use super::scene::{Scene, append, logged, put};
use crate::commands::watch::limits::WatchLimits;
use crate::commands::watch::model::Input;
use crate::commands::watch::transcript::{Transcript, WatchError};

/// Items of a long session.
const ITEMS: usize = 20_000;
/// Lines of the screen.
const HEIGHT: u16 = 50;

fn long() -> Scene {
    let mut ops = Vec::new();
    for message in 0..ITEMS / 10 {
        let created = 1_000 + message;
        let info = json!({"role": "assistant", "time": {"created": created}});
        ops.push((1, put(&format!("message/{message:05}"), &info)));
        for part in 0..9 {
            let text = format!("part {part} of {message}: some **words**\n\n- one\n- two");
            let value = json!({"type": "text", "text": text});
            ops.push((1, put(&format!("part/{message:05}/{part}"), &value)));
        }
    }
    Scene::of(logged(ops), 80, HEIGHT)
}

#[test]
fn of_twenty_thousand_items_only_those_are_laid_out_that_are_seen_or_passed() {
    let mut scene = long();
    assert!(scene.screen().contains("part 8 of 1999"));
    // Each item has a line at least.
    assert!(scene.model.view.kept() <= usize::from(HEIGHT));
    scene.press(KeyCode::Home);
    assert!(scene.screen().contains("part 0 of 0"));
    assert!(scene.model.view.kept() <= 2 * usize::from(HEIGHT));
    for _ in 0..100 {
        scene.press(KeyCode::PageDown);
        scene.screen();
    }
    assert!(scene.model.view.kept() <= 110 * usize::from(HEIGHT));
    // An op costs the item that it changes.
    let kept = scene.model.view.kept();
    let cursor = scene.log.len() as u64;
    let mut more = logged([(2, append("part/01999/8", "/text", " more"))]);
    more[0].cursor = Cursor::new(cursor + 1);
    scene.come(more);
    assert_eq!(scene.model.view.kept(), kept - 1);
    scene.press(KeyCode::End);
    assert!(scene.screen().contains("two more"), "{}", scene.screen());
}

#[test]
fn lines_that_are_kept_laid_out_are_bounded() {
    let limits = WatchLimits {
        laid_lines_max: 100,
        ..WatchLimits::DEFAULT
    };
    let mut scene = Scene::new(80, HEIGHT, limits);
    scene.come(long().log);
    for _ in 0..20 {
        scene.press(KeyCode::PageUp);
        scene.screen();
        assert!(scene.model.view.kept() <= 100);
    }
}

#[test]
fn a_document_at_the_limit_is_watched_and_one_past_it_is_not() {
    // A key of one byte, and a text of so many.
    let entry = |bytes: usize| DocumentEntry {
        key: "k".to_owned(),
        json: format!("\"{}\"", "x".repeat(bytes - 2)),
    };
    let limits = WatchLimits {
        document_bytes_max: 101,
        ..WatchLimits::DEFAULT
    };
    let mut transcript = Transcript::new(&limits);
    assert_eq!(transcript.load(&[entry(100)], true), Ok(()));
    let mut transcript = Transcript::new(&limits);
    let error = WatchError::DocumentTooLarge { max: 101 };
    assert_eq!(transcript.load(&[entry(101)], true), Err(error));

    // The same of what ops bring.
    let mut log = logged([
        (1, put("k", &json!("x".repeat(98)))),
        (1, append("k", "", "x")),
    ]);
    let last = log.pop().unwrap();
    let mut scene = Scene::new(80, 20, limits);
    scene.come(log);
    let input = Input::Followed(share_client::FollowEvent::Ops(vec![last]));
    let source = MutationError::DocumentTooLarge {
        bytes: 102,
        max: 101,
    };
    let cursor = Cursor::new(2);
    assert_eq!(
        scene.try_input(input),
        Err(WatchError::NotApplied { cursor, source })
    );
}
