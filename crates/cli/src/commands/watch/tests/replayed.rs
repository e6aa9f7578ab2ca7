//! A replay leads to where the live document is.

use crossterm::event::KeyCode;
use serde_json::json;
use share_client::{DocumentEntry, FollowEvent};
use share_model::seam::{Entropy, SeededEntropy};
use share_model::{Cursor, Epoch, LogPosition, LoggedOp, Mutation, SnapshotAt};

use super::scene::{BEGIN_MS, Scene, append, logged, put, recorded};
use crate::commands::watch::items::Items;
use crate::commands::watch::limits::WatchLimits;
use crate::commands::watch::model::Input;

/// So little that a replay has to read the log again and again.
const TIGHT: WatchLimits = WatchLimits {
    window_bytes_max: 20_000,
    marks_max: 4,
    ..WatchLimits::DEFAULT
};

fn seeds() -> Vec<u64> {
    match std::env::var("SHARE_SEED") {
        Ok(seed) => vec![seed.parse().unwrap()],
        Err(_) => (0..6).collect(),
    }
}

/// Ops of all kinds, at keys of all kinds; each can be applied.
fn random_ops(entropy: &SeededEntropy, count: usize) -> Vec<LoggedOp> {
    let mut there: Vec<String> = Vec::new();
    let mut at = BEGIN_MS;
    let mut mutations = Vec::new();
    while mutations.len() < count {
        at += entropy.below(300);
        let (message, part) = (entropy.below(6), entropy.below(4));
        let key = match entropy.below(12) {
            0 => "session".to_owned(),
            1 => "session_diff".to_owned(),
            2 => format!("other{part}"),
            3..6 => format!("message/m{message}"),
            _ => format!("part/m{message}/p{part}"),
        };
        let mutation = match (there.contains(&key), entropy.below(10)) {
            (true, 0) => Mutation::Remove {
                key: key.as_str().into(),
            },
            (true, 1..3) => Mutation::Merge {
                key: key.as_str().into(),
                json: json!({"time": {"created": entropy.below(9)}})
                    .to_string()
                    .into(),
            },
            (true, 3..9) if key.starts_with("part/") => append(&key, "/text", "and *more* words\n"),
            _ if key == "session_diff" => put(
                &key,
                &json!(vec![
                    json!({"file": "a"});
                    usize::try_from(message).unwrap()
                ]),
            ),
            _ => put(
                &key,
                &json!({"type": "text", "text": "it begins ", "time": {"created": entropy.below(9)}}),
            ),
        };
        match &mutation {
            Mutation::Remove { .. } => there.retain(|it| *it != key),
            // What was merged with is an object, and no list of diffs any more.
            _ if !there.contains(&key) => there.push(key),
            _ => {}
        }
        let is_text_lost =
            matches!(&mutation, Mutation::Merge { key, .. } if key.starts_with("session_diff"));
        if !is_text_lost {
            mutations.push((at, mutation));
        }
    }
    logged(mutations)
}

/// All of the document, and of the screen but the bars.
fn shown(scene: &mut Scene) -> (Vec<(String, String)>, String) {
    let transcript = match &scene.model.replay {
        Some(replay) => replay.transcript(),
        None => &scene.model.live,
    };
    let document = transcript.document();
    assert_eq!(
        *transcript.items(),
        Items::of(document),
        "kept as if made anew"
    );
    let entries = document
        .iter()
        .map(|(key, value)| (key.to_owned(), value.value().to_string()));
    let entries = entries.collect();
    scene.keys("Z");
    scene.press(KeyCode::Home);
    let screen = scene.screen();
    let lines: Vec<_> = screen.lines().collect();
    (entries, lines[1..lines.len() - 1].join("\n"))
}

#[test]
fn a_replay_to_its_end_is_the_live_session_however_it_was_steered() {
    for seed in seeds() {
        println!("replay with: SHARE_SEED={seed} cargo test -p share-cli --bin share replayed");
        let entropy = SeededEntropy::new(seed);
        let mut scene = Scene::new(60, 200, TIGHT);
        scene.come(random_ops(&entropy, 1_500));
        let live = shown(&mut scene);
        scene.keys("r");
        for _ in 0..60 {
            match entropy.below(8) {
                0 => scene.keys("+"),
                1 => scene.keys("-"),
                2..4 => scene.press(KeyCode::Left),
                4 => scene.press(KeyCode::Right),
                // Twice: it goes on.
                5 => scene.keys("  "),
                _ => scene.pass(entropy.below(2_000)),
            }
        }
        scene.keys("+++++++");
        scene.settle();
        assert!(scene.screen().contains("at its end"), "{}", scene.screen());
        assert_eq!(shown(&mut scene), live);
        assert!(scene.reads > 1, "the log was read again");
        scene.keys("l");
        assert_eq!(shown(&mut scene), live);
    }
}

#[test]
fn a_step_back_shows_the_session_as_it_was() {
    let log = recorded("small");
    let half = log.len() as u64 / 2;
    let mut then = Scene::of(log[..log.len() / 2].to_vec(), 80, 100);
    let then = shown(&mut then);
    for limits in [WatchLimits::DEFAULT, TIGHT] {
        let mut scene = Scene::new(80, 100, limits);
        scene.come(log.clone());
        scene.keys("r++++++");
        scene.settle();
        scene.keys(" ");
        // By single ops, for there are few.
        let cursor = |scene: &Scene| {
            scene
                .model
                .replay
                .as_ref()
                .unwrap()
                .transcript()
                .cursor()
                .get()
        };
        while cursor(&scene) > half {
            scene.press(KeyCode::Left);
            scene.settle();
        }
        assert_eq!(cursor(&scene), half);
        assert_eq!(shown(&mut scene), then);
    }
}

#[test]
fn a_paused_replay_stands_still_and_ops_that_come_meanwhile_are_seen_live() {
    let mut log = recorded("small");
    let last = log.split_off(log.len() - 3);
    let mut scene = Scene::of(log, 80, 20);
    scene.keys("r");
    scene.pass(500);
    scene.keys(" ");
    let still = scene.screen();
    scene.come(last);
    scene.pass(60_000);
    assert_eq!(scene.screen(), still);
    scene.keys("l");
    assert!(scene.screen().contains("live"));
    assert_eq!(scene.model.live.cursor(), scene.log.last().unwrap().cursor);
}

#[test]
fn of_a_log_that_was_cut_the_replay_begins_where_it_begins() {
    let mut scene = Scene::of(recorded("small"), 100, 20);
    scene.keys("r");
    let position = LogPosition {
        history: scene.model.wanted().unwrap().after.history,
        cursor: Cursor::new(scene.log.len() as u64 - 4),
    };
    let at = SnapshotAt {
        position,
        epoch: Epoch::new(1),
        keys: 1,
        bytes: 9,
    };
    scene.input(Input::Read(FollowEvent::Reset { at, lagged: false }));
    let entries = vec![DocumentEntry {
        key: "a".into(),
        json: "1".into(),
    }];
    scene.input(Input::Read(FollowEvent::Entries {
        entries,
        done: true,
    }));
    let replay = scene.model.replay.as_ref().unwrap();
    assert_eq!(replay.wanted().unwrap().after.cursor, position.cursor);
    assert!(
        scene.screen().contains("the log begins at"),
        "{}",
        scene.screen()
    );
    // Nothing lies before it.
    scene.press(KeyCode::Left);
    assert_eq!(
        scene.model.replay.as_ref().unwrap().transcript().cursor(),
        position.cursor
    );
}

#[test]
fn another_history_ends_a_replay() {
    let mut scene = Scene::of(recorded("small"), 100, 20);
    scene.keys("r");
    let at = SnapshotAt {
        position: LogPosition::default(),
        epoch: Epoch::new(1),
        keys: 0,
        bytes: 0,
    };
    scene.input(Input::Followed(FollowEvent::Reset { at, lagged: false }));
    assert!(
        scene.screen().contains("reading the document"),
        "{}",
        scene.screen()
    );
    let entries = Vec::new();
    scene.input(Input::Followed(FollowEvent::Entries {
        entries,
        done: true,
    }));
    assert!(
        scene.screen().contains("nothing was said yet"),
        "{}",
        scene.screen()
    );
}
