//! `share doctor`: what needs a person, and whether anything does.

#[expect(dead_code, reason = "what it can do is not all for these tests")]
mod running;

use running::{Ended, Place, bytes};
use rusqlite::Connection;
use serde_json::{Value, json};

const OPS: &str = r#"{"op":"put","key":"a","value":1}
{"op":"put","key":"b","value":2}
{"op":"put","key":"c","value":3}
"#;

fn parse(ended: &Ended) -> Value {
    serde_json::from_str(&ended.out).expect("one JSON value")
}

/// An outbox with three ops that wait.
fn with_ops() -> Place {
    let place = Place::new();
    let address = place.serve_a_share().kill();
    assert!(address.contains(':'));
    let stored = place.share_with(&["append", "@owner.ref", "--no-flush"], OPS);
    assert_eq!(stored.code, 0, "{stored:?}");
    place
}

/// Changes the outbox, each op of which has a row of its own then, as what goes its own way has.
fn change(place: &Place, sql: &str) {
    let db = Connection::open(place.outbox()).expect("the outbox opens");
    db.execute_batch(
        "INSERT OR IGNORE INTO progress (lane, seq, state) SELECT lane, seq, 1 FROM op;
         UPDATE lane SET cut_through = next_seq - 1",
    )
    .expect("the ops get rows");
    db.execute_batch(sql).expect("the outbox is changed");
}

#[track_caller]
fn has(ended: &Ended, words: &[&str]) {
    for word in words {
        assert!(ended.out.contains(word), "no `{word}` in {}", ended.out);
    }
}

#[test]
fn ops_that_only_wait_need_nobody() {
    let place = with_ops();
    let doctor = place.share(&["doctor"]);
    assert_eq!((doctor.code, &*doctor.err), (0, ""), "{doctor:?}");
    has(
        &doctor,
        &[
            "waiting: 3 ops of share",
            "`share replay` sends them",
            "\nnothing needs you\n",
        ],
    );
    let doctor = parse(&place.share(&["doctor", "--json"]));
    assert_eq!(
        (&doctor["needsYou"], &doctor["file"]),
        (&json!(0), &Value::Null)
    );
    assert_eq!(doctor["pending"][0]["count"], json!(3));
    assert!(doctor["pending"][0]["oldestAt"].as_u64() > Some(1_500_000_000_000));
    let keys: Vec<_> = doctor.as_object().expect("an object").keys().collect();
    let names = [
        "needsYou",
        "outbox",
        "file",
        "stopped",
        "inDoubt",
        "deadLetters",
        "recoveries",
        "pending",
    ];
    assert_eq!(keys, names);
}

#[test]
fn a_share_that_stands_still_is_told_with_the_reason_and_what_to_type() {
    let place = with_ops();
    change(
        &place,
        "UPDATE lane SET stop_code = 'revoked', stop_message = 'the grant was revoked', stopped_at = 1",
    );
    let path = place.outbox();
    let state = path.to_str().expect("a path");
    let doctor = place.share(&["doctor", "--state", state]);
    assert_eq!(
        (doctor.code, &*doctor.err),
        (1, "error: one thing needs you\n"),
        "{doctor:?}"
    );
    has(
        &doctor,
        &[
            "the grant was revoked (revoked); 3 ops kept",
            &format!("do: `share use @FILE --state {state} # a newer ref, from the share's owner`"),
            &format!("do: `share replay --state {state}`"),
        ],
    );
    let doctor = parse(&place.share(&["doctor", "--json"]));
    assert_eq!(doctor["needsYou"], json!(1));
    assert_eq!(doctor["stopped"][0]["code"], json!("revoked"));
    assert_eq!(doctor["stopped"][0]["commands"][1], json!("share replay"));
}

#[test]
fn ops_in_doubt_and_dead_letters_need_a_person_until_they_are_decided() {
    let place = with_ops();
    change(
        &place,
        "UPDATE progress SET state = 12, outcome = x'0103', error = 'can''t be told' WHERE seq = 1;
         UPDATE progress SET state = 11, outcome = x'010202', error = 'too late' WHERE seq = 2;
         UPDATE progress SET state = 10, outcome = x'010001' WHERE seq = 3",
    );
    let doctor = place.share(&["doctor"]);
    assert_eq!(
        (doctor.code, &*doctor.err),
        (1, "error: 2 things need you\n"),
        "{doctor:?}"
    );
    has(
        &doctor,
        &[
            "needs you: 1 op of share",
            " in doubt: ",
            "of `a`: can't be told",
            " given up: ",
            "of `b`: too late",
            "do: `share show @FILE # whether it is there`",
            "do: `share outbox retry OP # sends it as a new op`",
            "do: `share outbox drop OP # lets it go`",
        ],
    );
    let doctor = parse(&place.share(&["doctor", "--json"]));
    let ids: Vec<_> = ["inDoubt", "deadLetters"]
        .iter()
        .map(|name| {
            let op = &doctor[*name][0]["ops"][0];
            op["opId"].as_str().expect("an id").to_owned()
        })
        .collect();
    assert_eq!(place.share(&["outbox", "retry", &ids[0]]).code, 0);
    assert_eq!(place.share(&["doctor"]).code, 1);
    assert_eq!(place.share(&["outbox", "drop", &ids[1]]).code, 0);
    let doctor = place.share(&["doctor"]);
    assert_eq!(doctor.code, 0, "{doctor:?}");
}

#[test]
fn of_a_share_that_is_gone_only_the_ops_need_a_person_and_can_only_be_let_go() {
    let place = with_ops();
    change(
        &place,
        "UPDATE lane SET stop_code = 'gone', stop_message = 'the share was deleted', stopped_at = 1;
         UPDATE progress SET state = 12, outcome = x'0103'",
    );
    let doctor = place.share(&["doctor"]);
    assert_eq!(doctor.err, "error: one thing needs you\n", "{doctor:?}");
    has(
        &doctor,
        &[
            "the share was deleted before that was known",
            "share outbox drop OP",
        ],
    );
    assert!(!doctor.out.contains("outbox retry"), "{doctor:?}");
    let ops = parse(&place.share(&["doctor", "--json"]));
    let ops = ops["inDoubt"][0]["ops"]
        .as_array()
        .expect("an array")
        .clone();
    for op in ops {
        let op = op["opId"].as_str().expect("an id").to_owned();
        place
            .share(&["outbox", "retry", &op])
            .says(1, &["is gone", "share outbox drop"]);
        assert_eq!(place.share(&["outbox", "drop", &op]).code, 0);
    }
    let doctor = place.share(&["doctor"]);
    doctor.is(0, "nothing needs you\n", "");
}

#[test]
fn many_ops_are_told_by_their_number_and_the_first_of_them() {
    let place = Place::new();
    place.serve_a_share().kill();
    let put = "{\"op\":\"put\",\"key\":\"a\",\"value\":1}\n";
    place.share_with(&["append", "@owner.ref", "--no-flush"], &put.repeat(150));
    change(
        &place,
        "UPDATE progress SET state = 11, outcome = x'010202'",
    );
    let doctor = place.share(&["doctor"]);
    has(&doctor, &["150 ops of share", "and 140 more"]);
    assert!(doctor.out.lines().count() < 20, "{}", doctor.out);
    let doctor = parse(&place.share(&["doctor", "--json"]));
    let dead = &doctor["deadLetters"][0];
    assert_eq!(dead["count"], json!(150));
    assert_eq!(dead["ops"].as_array().map(Vec::len), Some(100));
}

#[test]
fn a_file_that_is_no_outbox_any_more_is_told_with_its_way_out_and_left_alone() {
    let place = with_ops();
    change(&place, "PRAGMA wal_checkpoint(TRUNCATE)");
    let whole = bytes(&place.outbox());
    let problem = |content: &[u8], name: &str, way_out: &str| {
        std::fs::write(place.outbox(), content).expect("the file is written");
        let doctor = place.share(&["doctor"]);
        assert_eq!(
            (doctor.code, &*doctor.err),
            (1, "error: one thing needs you\n"),
            "{doctor:?}"
        );
        has(
            &doctor,
            &["needs you: the outbox can't be opened", "  do: ", way_out],
        );
        let doctor = parse(&place.share(&["doctor", "--json"]));
        assert_eq!(doctor["file"]["problem"], json!(name));
        assert_eq!(bytes(&place.outbox()), content);
    };
    problem(
        &whole[..whole.len() / 2],
        "damaged",
        "put a copy of it back",
    );
    problem(
        b"this is a diary, not an outbox",
        "notAnOutbox",
        "--state FILE",
    );
    std::fs::write(place.outbox(), &whole).expect("the file is written");
    change(
        &place,
        "PRAGMA user_version = 99; PRAGMA wal_checkpoint(TRUNCATE)",
    );
    let newer = bytes(&place.outbox());
    problem(&newer, "newer", "a later one");
}

#[test]
fn where_there_is_no_outbox_that_is_said() {
    let place = Place::new();
    place.share(&["doctor"]).says(1, &["there is no outbox at"]);
}
