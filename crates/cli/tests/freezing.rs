//! A share that is frozen, for those who append to it.

#[expect(dead_code, reason = "what it can do is not all for these tests")]
mod running;

use running::Place;
use running::story::Story;
use serde_json::{Value, json};

const PUT: &str = r#"{"op":"put","key":"a","value":1}"#;
const OTHER: &str = r#"{"op":"put","key":"b","value":2}"#;
/// A recording of one op.
const RECORDING: &str = r#"{"t_ms":9,"method":"POST","path":"/api/share/rNy7Zxwn/sync","body":{"data":[{"type":"session_diff","data":[]}]}}
"#;

fn document(place: &Place) -> Value {
    let shown = place.share(&["show", "@owner.ref", "--json"]);
    let shown: Value = serde_json::from_str(&shown.out).expect("one JSON value");
    shown["document"].clone()
}

/// As with a server that is away: nothing is lost, nobody waits for ever, and it is said what to do.
#[test]
fn what_is_appended_to_a_frozen_share_is_kept_until_it_is_unfrozen() {
    let (place, mut story) = (Place::new(), Story::default());
    let _serving = place.serve_a_share();
    let append = ["append", "@owner.ref"];
    assert_eq!(place.share_with(&append, PUT).code, 0);
    story.share(&place, &["freeze", "@owner.ref"]);
    story.share(&place, &["freeze", "@owner.ref"]);
    let frozen = place.share(&["freeze", "@owner.ref", "--json"]);
    let frozen: Value = serde_json::from_str(&frozen.out).unwrap();
    assert_eq!(frozen["frozen"], true);

    story.tell(&append, &place.share_with(&append, OTHER));
    // Who brings more has more that is kept; what can be read is as it was.
    place.write("recording.jsonl", RECORDING);
    story.share(&place, &["push", "@owner.ref", "recording.jsonl"]);
    assert_eq!(document(&place), json!({"a": 1}));
    // How often it tried is another number each time.
    let replayed = place.share(&["replay"]);
    assert_eq!(replayed.code, 3, "{replayed:?}");
    assert!(replayed.out.ends_with("pending 2\n"), "{replayed:?}");
    assert!(replayed.err.contains("2 ops are kept"), "{replayed:?}");

    story.share(&place, &["unfreeze", "@owner.ref"]);
    story.share(&place, &["unfreeze", "@owner.ref"]);
    let replayed = place.share(&["replay", "--json"]);
    assert_eq!(replayed.code, 0, "{replayed:?}");
    let document = document(&place);
    assert_eq!(
        (&document["a"], &document["b"]),
        (&json!(1), &json!(2)),
        "{document}"
    );
    assert_eq!(document.as_object().unwrap().len(), 3, "{document}");
    story.share(&place, &["replay"]);
    insta::assert_snapshot!("freezing", story.told());
}

/// One that is away and one that is frozen: each is told of, and a script comes back later.
#[test]
fn a_replay_that_is_held_up_in_two_ways_says_both() {
    let place = Place::new();
    let (frozen, away) = (place.serve_a_share(), Place::new());
    place.share(&["freeze", "@owner.ref"]);
    let gone = away.serve_a_share();
    place.write("away.ref", &away.read("owner.ref"));
    for share in ["@owner.ref", "@away.ref"] {
        let stored = place.share_with(&["append", share, "--no-flush"], PUT);
        assert_eq!(stored.code, 0, "{stored:?}");
    }
    drop(gone);
    let replayed = place.share(&["replay"]);
    assert_eq!(replayed.code, 3, "{replayed:?}");
    for words in ["2 ops are kept", "no server answers", "frozen", "1 op: "] {
        assert!(replayed.err.contains(words), "no `{words}` in {replayed:?}");
    }
    drop(frozen);
}
