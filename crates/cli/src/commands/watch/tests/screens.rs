//! Screens of a recorded session.

use crossterm::event::KeyCode;
use share_client::{ClientError, FollowEvent};

use super::scene::{Scene, append, logged, put, recorded};
use crate::commands::watch::model::{Input, Next};
use serde_json::json;

#[test]
fn a_recorded_session_is_shown_from_its_end_and_from_its_beginning() {
    let mut scene = Scene::of(recorded("small"), 80, 30);
    insta::assert_snapshot!("end", scene.screen());
    scene.press(KeyCode::Home);
    insta::assert_snapshot!("beginning", scene.screen());
    scene.keys("Z");
    scene.press(KeyCode::PageDown);
    insta::assert_snapshot!("unfolded", scene.screen());
    scene.keys("?");
    insta::assert_snapshot!("help", scene.screen());
}

#[test]
fn a_replay_stands_half_way() {
    let mut scene = Scene::of(recorded("small"), 80, 20);
    scene.keys("r");
    scene.pass(3_000);
    insta::assert_snapshot!("replay", scene.screen());
}

#[test]
fn what_is_said_now_is_seen_by_who_follows_and_not_by_who_reads_above() {
    let key = "part/m/p";
    let mut ops = vec![
        (
            1,
            put(
                "message/m",
                &json!({"role": "assistant", "time": {"created": 1}}),
            ),
        ),
        (2, put(key, &json!({"type": "text", "text": ""}))),
    ];
    ops.extend((0..50).map(|number| (3, append(key, "/text", &format!("line {number}\n")))));
    let mut log = logged(ops);
    let last = log.split_off(40);
    let mut scene = Scene::of(log, 40, 10);
    assert!(scene.screen().contains("line 37"));
    scene.press(KeyCode::Up);
    let above = scene.screen();
    scene.come(last);
    assert_eq!(scene.screen().lines().nth(1), above.lines().nth(1));
    assert!(!scene.screen().contains("line 49"));
    scene.press(KeyCode::End);
    assert!(scene.screen().contains("line 49"));
    assert!(scene.screen().contains("following"));
}

#[test]
fn an_item_is_folded_and_unfolded_where_it_stands() {
    let tool = |number: u64| {
        let output = format!("output of {number}\n").repeat(3);
        let state = json!({"status": "completed", "input": {"command": "ls"}, "output": output});
        json!({"type": "tool", "tool": "bash", "state": state})
    };
    let mut ops = vec![(1, put("message/m", &json!({"role": "assistant"})))];
    ops.extend((0..9).map(|number| (1, put(&format!("part/m/{number}"), &tool(number)))));
    let mut scene = Scene::of(logged(ops), 40, 20);
    assert!(!scene.screen().contains("output"));
    scene.keys("p");
    scene.press(KeyCode::Enter);
    assert!(scene.screen().contains("output of 7"), "{}", scene.screen());
    scene.press(KeyCode::Tab);
    assert!(!scene.screen().contains("output"));
    scene.keys("Z");
    assert!(scene.screen().contains("output of 1"));
    scene.keys("z");
    assert!(!scene.screen().contains("output"));
}

#[test]
fn entries_that_are_not_opencodes_are_shown_as_they_are() {
    let ops = [
        (1, put("note", &json!({"text": "hello"}))),
        (2, put("session", &json!("no object"))),
        (3, put("session_diff", &json!({"no": "list"}))),
        (4, put("message/m", &json!(["no object"]))),
        (5, put("part/m/p", &json!(17))),
        (
            6,
            put(
                "part/lost/p",
                &json!({"type": "text", "text": "no message"}),
            ),
        ),
        (
            7,
            put(
                "wide",
                &json!({"text": "much ".repeat(20), "list": [1, 2.50]}),
            ),
        ),
    ];
    let mut scene = Scene::of(logged(ops), 60, 30);
    insta::assert_snapshot!("others", scene.screen());
}

#[test]
fn a_lost_connection_is_said_and_what_came_stays() {
    let mut scene = Scene::of(recorded("small"), 100, 12);
    let error = ClientError::Disconnected {
        reason: "the wire\u{1b}[2J broke".into(),
    };
    scene.input(Input::Followed(FollowEvent::Lost(error)));
    let screen = scene.screen();
    assert!(screen.contains("connecting again: "), "{screen}");
    assert!(screen.contains(r"the wire\u{1b}[2J broke"), "{screen}");
    assert!(screen.contains("Section 43"), "{screen}");
}

#[test]
fn when_authority_ends_nothing_is_left_on_the_screen_but_the_reason() {
    for is_replayed in [false, true] {
        let mut scene = Scene::of(recorded("small"), 80, 12);
        if is_replayed {
            scene.keys("r");
            scene.pass(3_000);
        }
        assert!(
            scene
                .screen()
                .contains(if is_replayed { "replay" } else { "Section" })
        );
        scene
            .model
            .end("follow share x: the grant was revoked\n\nask the owner");
        insta::assert_snapshot!("ended", scene.screen());
        assert!(scene.model.live.document().is_empty() && scene.model.replay.is_none());
        // No key brings anything back.
        for key in "rlZz?fGnp ".chars() {
            scene.press(KeyCode::Char(key));
            insta::assert_snapshot!("ended", scene.screen());
        }
        let quit = Input::Key(KeyCode::Char('q').into());
        assert_eq!(scene.try_input(quit), Ok(Next::Quits));
    }
}

#[test]
fn a_screen_without_room_is_no_error() {
    for (width, height) in [(1, 1), (8, 3), (20, 2), (9, 40)] {
        let mut scene = Scene::of(recorded("small"), width, height);
        scene.keys("Z");
        scene.screen();
        scene.press(KeyCode::Home);
        scene.press(KeyCode::PageDown);
        scene.screen();
        scene.model.end("over");
        scene.screen();
    }
}
