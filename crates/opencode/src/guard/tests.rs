//! Which value is called older, and what comes of a session's items in another order.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde_json::json;
use share_model::seam::{Entropy, SeededEntropy, SystemEntropy};
use share_model::{Document, Limits};

use super::*;
use crate::{Converter, Item, Recording, RequestKind};

const RECORDINGS: [&str; 5] = ["auto", "small", "restart", "revert", "long"];

/// The second value is older than the first, and not the other way round.
#[track_caller]
fn older(key: &str, current: &Value, new: &Value) {
    assert!(is_older(key, current, new), "{new} is not older");
    assert!(!is_older(key, new, current), "{current} is older");
}

/// Neither value is older than the other.
#[track_caller]
fn neither(key: &str, one: &Value, other: &Value) {
    assert!(!is_older(key, one, other), "{other} is older");
    assert!(!is_older(key, other, one), "{one} is older");
}

fn tool(status: &str, output: &str) -> Value {
    json!({"type": "tool", "state": {"status": status, "metadata": {"output": output}}})
}

fn prose(text: &str, time: Value) -> Value {
    json!({"type": "text", "text": text, "time": time})
}

#[test]
fn a_tool_call_never_goes_back() {
    let states = ["pending", "running", "completed"];
    for (early, status) in states.iter().enumerate() {
        for later in &states[early + 1..] {
            older("part/m/p", &tool(later, ""), &tool(status, "longer"));
        }
    }
    older("part/m/p", &tool("error", ""), &tool("running", ""));
    neither("part/m/p", &tool("error", "a"), &tool("completed", "ab"));
    neither(
        "part/m/p",
        &tool("completed", "ab"),
        &tool("completed", "a"),
    );
    neither("part/m/p", &tool("pending", "ab"), &tool("pending", "a"));
    neither("part/m/p", &tool("paused", ""), &tool("running", ""));
    // Another thing under the same id is no state of the call.
    neither("part/m/p", &tool("completed", ""), &prose("", json!({})));
}

#[test]
fn the_output_of_a_running_call_grows() {
    older("part/m/p", &tool("running", "ab"), &tool("running", "a"));
    let silent = json!({"type": "tool", "state": {"status": "running"}});
    older("part/m/p", &tool("running", "a"), &silent);
    neither("part/m/p", &tool("running", "a"), &tool("running", "a"));
    neither("part/m/p", &tool("running", "a"), &tool("running", "b"));
    neither("part/m/p", &tool("running", ""), &silent);
}

#[test]
fn text_grows_until_it_ended_and_is_final_then() {
    let (open, ended) = (json!({"start": 1}), json!({"start": 1, "end": 2}));
    let (key, text) = ("part/m/p", |text, time: &Value| prose(text, time.clone()));
    older(key, &text("ab", &open), &text("a", &open));
    older(key, &text("a", &open), &text("", &open));
    neither(key, &text("ab", &open), &text("b", &open));
    older(key, &text("", &ended), &text("longer", &open));
    // Whoever edits a text makes it shorter too.
    neither(key, &text("ab", &ended), &text("a", &ended));
    let no_end = json!({"start": 1, "end": null});
    older(key, &text("a", &ended), &text("a", &no_end));
}

#[test]
fn a_message_that_completed_stays_so() {
    let message = |time: Value| json!({"id": "m", "time": time});
    let (open, over) = (json!({"created": 1}), json!({"created": 1, "completed": 2}));
    older("message/m", &message(over.clone()), &message(open.clone()));
    let other = json!({"created": 1, "completed": 1});
    neither("message/m", &message(over), &message(other));
    neither("message/m", &message(open), &json!({"id": "m"}));
}

#[test]
fn a_session_is_as_new_as_it_says() {
    let session = |updated: Value| json!({"id": "s", "time": {"updated": updated}});
    older(
        "session",
        &session(json!(1_795_196_041_519_u64)),
        &session(json!(9)),
    );
    neither("session", &session(json!(5)), &session(json!(5)));
    neither("session", &session(json!(5)), &json!({"id": "s"}));
    neither("session", &session(json!(5)), &session(json!("4")));
}

#[test]
fn of_all_else_nothing_is_older() {
    let (one, other) = (
        prose("ab", json!({"updated": 2})),
        prose("a", json!({"updated": 1})),
    );
    for key in ["session_diff", "model/p/m", "todo", "todo/t", "sessions"] {
        neither(key, &one, &other);
    }
    neither("part/m/p", &json!(null), &json!([1]));
    neither(
        "part/m/p",
        &json!({"type": "step"}),
        &json!({"type": "step", "x": 1}),
    );
}

#[test]
fn what_goes_from_a_to_b_and_back_ends_as_a() {
    let (a, b) = (json!([{"file": "x"}]), json!([]));
    let title = |title: &str| json!({"id": "s", "title": title, "time": {"updated": 7}});
    let part = |text: &str| json!({"id": "p", "messageID": "m", "type": "text", "text": text});
    for (kind, a, b) in [
        ("session_diff", a, b),
        ("session", title("a"), title("b")),
        ("part", part("a"), part("b")),
        ("todo", json!({"id": "t"}), json!({"id": "t", "x": 1})),
    ] {
        assert_eq!(guarded(kind, [&a, &b, &a]), a, "{kind}");
    }
}

#[test]
fn values_of_some_keys_are_enough_to_go_on_from() {
    let item = |status: &str| Item {
        kind: "part".into(),
        data: json!({"id": "p", "messageID": "m", "type": "tool", "state": {"status": status}}),
    };
    let keys = item("running").keys(&Limits::DEFAULT).unwrap();
    assert_eq!(keys, ["part/m/p"]);
    let stands = keys.into_iter().map(|key| (key, item("completed").data));
    let mut converter = Converter::from_values(stands, Limits::DEFAULT);
    assert_eq!(converter.convert_guarded(item("running")).unwrap(), []);
    assert_eq!(converter.convert_guarded(item("completed")).unwrap(), []);
    assert_ne!(converter.convert(item("running")).unwrap(), []);
}

/// What stands after these values of one item came, in this order.
#[track_caller]
fn guarded<'a>(kind: &str, values: impl IntoIterator<Item = &'a Value>) -> Value {
    let (mut converter, mut document) = (Converter::default(), Document::default());
    for data in values {
        let (kind, data) = (kind.to_owned(), data.clone());
        for mutation in converter.convert_guarded(Item { kind, data }).unwrap() {
            document.apply(&mutation, &Limits::DEFAULT).unwrap();
        }
    }
    let mut values = document.iter().map(|(_, stored)| stored.value().clone());
    let last = values.next().unwrap();
    assert_eq!(values.next(), None, "one item has one key");
    last
}

/// Of each item of a recording that has one key, all values that were sent, in order.
fn versions(name: &str) -> BTreeMap<String, (String, Vec<Value>)> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../tests/recordings");
    let recording = Recording::open(&folder.join(format!("{name}.jsonl.gz"))).unwrap();
    let mut versions = BTreeMap::new();
    for request in recording {
        let RequestKind::Sync { items } = request.unwrap().kind else {
            continue;
        };
        for item in items.into_iter().filter(|item| item.kind != "model") {
            let key = item.keys(&Limits::DEFAULT).unwrap().remove(0);
            let (_, values): &mut (_, Vec<_>) = versions.entry(key).or_insert((item.kind, vec![]));
            if values.last() != Some(&item.data) {
                values.push(item.data);
            }
        }
    }
    versions
}

#[test]
fn no_value_of_a_recording_is_older_than_one_that_was_sent_before_it() {
    let mut decided = 0;
    for name in RECORDINGS {
        for (key, (_, values)) in versions(name) {
            for (index, new) in values.iter().enumerate() {
                for before in &values[..index] {
                    assert!(!is_older(&key, before, new), "{name}: {key}: {new}");
                    decided += usize::from(is_older(&key, new, before));
                }
            }
        }
    }
    // Counted with the rules in hand; a guard that never judges would decide nothing.
    assert!(decided > 1000, "only {decided} pairs are told apart");
}

/// Any order of arrival in which the pairs that no rule decides keep theirs.
#[test]
fn in_any_order_an_item_ends_at_its_newest_value_where_the_rules_decide() {
    let seed = match std::env::var("SHARE_SEED") {
        Ok(seed) => seed.parse().expect("SHARE_SEED is a number"),
        Err(_) => SystemEntropy::default().below(u64::MAX),
    };
    println!("replay: SHARE_SEED={seed} cargo test -p share-opencode in_any_order");
    let entropy = SeededEntropy::new(seed);
    let mut shuffled = 0;
    for name in RECORDINGS {
        for (key, (kind, values)) in versions(name) {
            for _ in 0..4 {
                let order = arrival(&key, &values, &entropy);
                shuffled += usize::from(!order.is_sorted());
                let arriving = order.iter().map(|index| &values[*index]);
                let last = guarded(&kind, arriving);
                assert_eq!(Some(&last), values.last(), "{name}: {key}: {order:?}");
            }
        }
    }
    assert!(
        shuffled > 100,
        "only {shuffled} orders differ from the recording's"
    );
}

/// Draws one value after the other from those of which no undecided earlier one is left.
fn arrival(key: &str, values: &[Value], entropy: &dyn Entropy) -> Vec<usize> {
    let undecided = |index: usize| -> Vec<usize> {
        let is_told = |before: &usize| is_older(key, &values[index], &values[*before]);
        (0..index).filter(|before| !is_told(before)).collect()
    };
    let after: Vec<_> = (0..values.len()).map(undecided).collect();
    let mut left: Vec<usize> = (0..values.len()).collect();
    let mut order = Vec::new();
    while !left.is_empty() {
        let may_come = |index: &usize| !after[*index].iter().any(|it| left.contains(it));
        let ready: Vec<usize> = left.iter().copied().filter(may_come).collect();
        let drawn = entropy.below(u64::try_from(ready.len()).unwrap());
        let next = ready[usize::try_from(drawn).unwrap()];
        order.push(next);
        left.retain(|index| *index != next);
    }
    order
}
