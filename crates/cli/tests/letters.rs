//! Ops that were not applied, as a person meets them: listed, shown, sent as new, let go.

#[expect(dead_code, reason = "what it can do is not all for these tests")]
mod running;

use running::{Ended, Place};
use rusqlite::Connection;
use serde_json::{Value, json};

const ONE: &str = "01890a5d000070008000000000000001";
const TWO: &str = "01890a5d000070008000000000000002";

/// An op that the share rejects for as long as the key is not there.
fn append_text(id: &str, on: &[&str]) -> String {
    let op = json!({"op": "appendText", "key": "a", "pointer": "", "text": "!", "id": id,
        "dependsOn": on});
    format!("{op}\n")
}

fn lines(ended: &Ended) -> Vec<Value> {
    assert_eq!(ended.code, 0, "{ended:?}");
    let lines = ended.out.lines();
    lines
        .map(|line| serde_json::from_str(line).expect("a line of JSON"))
        .collect()
}

fn parse(ended: &Ended) -> Value {
    serde_json::from_str(&ended.out).expect("one JSON value")
}

/// A share whose outbox has the dead letter `ONE`, and on it `TWO`.
fn with_dead_letters() -> (Place, running::Serving) {
    let place = Place::new();
    let serving = place.serve_a_share();
    let input = append_text(ONE, &[]) + &append_text(TWO, &[ONE]);
    let ended = place.share_with(&["append", "@owner.ref"], &input);
    assert_eq!(
        (ended.code, &*ended.out),
        (1, "applied 0, duplicates 0, rejected 2\n")
    );
    assert!(ended.err.contains("hint: `share doctor`"), "{ended:?}");
    let put = r#"{"op":"put","key":"a","value":"x"}"#;
    let ended = place.share_with(&["append", "@owner.ref"], put);
    assert_eq!(ended.code, 0, "{ended:?}");
    (place, serving)
}

/// As if it could not be told any more whether the op was applied.
fn put_in_doubt(place: &Place, op: &str) {
    let db = Connection::open(place.outbox()).expect("the outbox opens");
    // Each op gets a row of its own, as what goes its own way has.
    db.execute_batch(
        "INSERT OR IGNORE INTO progress (lane, seq, state, batch, attempts, outcome, settled_at) \
         SELECT lane, seq, state, batch, attempts, iif(state = 10, x'010001', NULL), settled_at \
         FROM standing;
         UPDATE batch SET whole = 0;
         UPDATE lane SET cut_through = next_seq - 1",
    )
    .expect("the ops get rows");
    let sql = format!(
        "UPDATE progress SET state = 12, outcome = x'0103', error = 'can''t be told' WHERE seq = \
         (SELECT seq FROM op WHERE hex(op_id) = upper('{op}'))"
    );
    assert_eq!(db.execute(&sql, []).expect("the row is changed"), 1);
}

#[test]
fn dead_letters_are_sent_as_new_ops_in_any_order_and_only_once() {
    let (place, _serving) = with_dead_letters();
    let listed = place.share(&["outbox", "list", "--only", "dead-letter", "--json"]);
    let ids: Vec<_> = lines(&listed)
        .into_iter()
        .map(|line| line["opId"].clone())
        .collect();
    assert_eq!(ids, [ONE, TWO]);
    // The second depends on the first, which is decided later in the same call.
    let sent = place.share(&["outbox", "retry", TWO, ONE, "--json"]);
    assert_eq!(sent.err, "`share replay` sends what is new\n");
    let sent = lines(&sent);
    let decided: Vec<_> = sent
        .iter()
        .map(|line| {
            (
                line["opId"].clone(),
                line["decision"].clone(),
                line["seq"].clone(),
            )
        })
        .collect();
    let expected =
        [(ONE, 4), (TWO, 5)].map(|(op, seq)| (json!(op), json!("sentAsNew"), json!(seq)));
    assert_eq!(decided, expected);
    let again = lines(&place.share(&["outbox", "retry", ONE, TWO, "--json"]));
    assert_eq!(again, sent);
    let replayed = parse(&place.share(&["replay", "--json"]));
    assert_eq!(
        (
            &replayed["applied"],
            &replayed["pending"],
            &replayed["recoveries"]
        ),
        (&json!(2), &json!(0), &json!([]))
    );
    let shown = place.share(&["show", "@owner.ref"]);
    assert_eq!(shown.out, "a\t\"x!!\"\n");
    let old = place.share(&["outbox", "list", "--only", "dead-letter"]);
    let new = sent[0]["replacement"].as_str().expect("an id");
    assert!(old.out.contains(&format!("sent as {new}")), "{old:?}");
}

#[test]
fn all_dead_letters_are_sent_at_once_and_none_in_doubt() {
    let (place, _serving) = with_dead_letters();
    put_in_doubt(&place, TWO);
    let sent = lines(&place.share(&["outbox", "retry", "--all-dead", "--json"]));
    assert_eq!((sent.len(), &sent[0]["opId"]), (1, &json!(ONE)));
    let none = place.share(&["outbox", "retry", "--all-dead"]);
    none.is(0, "", "no op was given up that is not decided\n");
}

#[test]
fn an_op_that_waits_for_another_decision_is_refused_with_what_to_type() {
    let (place, _serving) = with_dead_letters();
    place.share(&["outbox", "retry", TWO]).says(
        1,
        &[
            &format!("op {TWO} depends on op {ONE}, which is dead-letter: decide that one first"),
            &format!("hint: `share outbox retry {ONE}` or `share outbox drop {ONE}`"),
        ],
    );
    place
        .share(&["outbox", "drop", ONE])
        .is(0, &format!("{ONE} was let go\n"), "");
    place.share(&["outbox", "retry", TWO]).says(
        1,
        &["let it go as well", &format!("`share outbox drop {TWO}`")],
    );
    let refused = place.share(&["outbox", "retry", ONE, TWO]);
    refused.says(
        1,
        &[
            "warning: nothing was decided: op",
            "2 of 2 ops were not decided",
        ],
    );
    let dropped = lines(&place.share(&["outbox", "drop", ONE, TWO, "--json"]));
    assert_eq!(
        (&dropped[1]["opId"], &dropped[1]["decision"]),
        (&json!(TWO), &json!("dropped"))
    );
}

#[test]
fn an_op_is_named_by_the_beginning_of_its_id_if_that_names_one() {
    let (place, _serving) = with_dead_letters();
    place
        .share(&["outbox", "drop", "01890a5d-0000"])
        .says(1, &["may be any of", ONE, TWO, "hint: give more of the id"]);
    place.share(&["outbox", "show", "ffffff"]).says(
        1,
        &["no op whose id begins with `ffffff`", "share outbox list"],
    );
    place
        .share(&["outbox", "show", "01890"])
        .says(2, &["the first 6 or more"]);
    let other = "0".repeat(32);
    place
        .share(&["outbox", "show", ONE, "--share", &other])
        .says(1, &["no op whose id begins with"]);
    let dashed = "01890A5D-0000-7000-8000-000000000002";
    let shown = place.share(&["outbox", "show", dashed, "--json"]);
    assert_eq!(parse(&shown)["opId"], json!(TWO));
}

#[test]
fn an_op_is_shown_with_all_that_is_known_of_it() {
    let (place, _serving) = with_dead_letters();
    let shown = place.share(&["outbox", "show", TWO]);
    assert_eq!(shown.code, 0, "{shown:?}");
    for words in [
        "state         dead-letter",
        &format!("depends on    op {ONE}: dead-letter"),
        "mutation      appendText a",
        "error         depends on seq 1",
    ] {
        assert!(shown.out.contains(words), "no `{words}` in {}", shown.out);
    }
    let shown = parse(&place.share(&["outbox", "show", TWO, "--json"]));
    assert_eq!(shown["mutation"]["text"], json!("!"));
    assert_eq!(shown["dependsOn"][0]["opId"], json!(ONE));
    assert_eq!(shown["dependsOn"][0]["state"], json!("dead-letter"));
    assert!(shown["settledAt"].is_u64() && shown["resolvedAt"].is_null());
}

#[test]
fn a_long_mutation_is_cut_unless_all_of_it_is_asked_for() {
    let place = Place::new();
    let _serving = place.serve_a_share();
    let value = "v".repeat(5000);
    let put = format!(r#"{{"op":"put","key":"a","value":"{value}","id":"{ONE}"}}"#);
    place.share_with(&["append", "@owner.ref", "--no-flush"], &put);
    let shown = place.share(&["outbox", "show", ONE]);
    assert!(shown.out.len() < 3500, "{} bytes", shown.out.len());
    assert!(shown.out.contains("5003 bytes in all, `--full` shows them"));
    let shown = place.share(&["outbox", "show", ONE, "--full"]);
    assert!(shown.out.contains(&value));
}

/// What an op holds reaches a terminal only as what can be shown.
#[test]
fn no_control_character_of_an_op_reaches_the_output() {
    let place = Place::new();
    let _serving = place.serve_a_share();
    let nasty = "\\u001b]0;own\\u0007\\u009b2J\\u202e";
    let op = format!(
        r#"{{"op":"appendText","key":"k{nasty}","pointer":"/{nasty}","text":"{nasty}","id":"{ONE}"}}"#
    );
    let ended = place.share_with(&["append", "@owner.ref"], &op);
    assert_eq!(ended.code, 1, "{ended:?}");
    for command in [
        ["outbox", "list"].as_slice(),
        &["outbox", "list", "--json"],
        &["outbox", "show", ONE],
        &["outbox", "show", ONE, "--json"],
        &["doctor"],
        &["doctor", "--json"],
    ] {
        let ended = place.share(command);
        let said = ended.out.clone() + &ended.err;
        let is_shown = |c: char| c == '\n' || !(c.is_control() || c == '\u{202e}');
        assert!(said.chars().all(is_shown), "{command:?}: {said:?}");
        assert!(!ended.out.is_empty(), "{command:?}");
    }
    let shown = parse(&place.share(&["outbox", "show", ONE, "--json"]));
    assert_eq!(
        shown["mutation"]["text"],
        json!("\u{1b}]0;own\u{7}\u{9b}2J\u{202e}")
    );
}

#[test]
fn an_error_that_quotes_what_it_was_given_steers_no_terminal() {
    let place = Place::new();
    place.serve_a_share().kill();
    let op = r#"{"op":"po\u001b[2Jke","key":"a"}"#;
    place.share_with(&["append", "@owner.ref"], op).says(
        1,
        &[
            r"unknown variant `po\u{1b}[2Jke`",
            "\n\nhint: nothing was stored\n",
        ],
    );
}

#[test]
fn wrong_usage_of_the_outbox_commands_ends_with_2() {
    let place = Place::new();
    for args in [
        ["outbox", "retry"].as_slice(),
        &["outbox", "drop"],
        &["outbox", "retry", ONE, "--all-dead"],
        &["outbox", "list", "--only", "lost"],
        &["outbox", "list", "--share", "x"],
    ] {
        assert_eq!(place.share(args).code, 2, "{args:?}");
    }
}

/// A recording as short as can be.
fn recording(place: &Place) {
    let sync = |data: &str| {
        format!(
            r#"{{"t_ms":9,"method":"POST","path":"/api/share/rNy7Zxwn/sync","body":{{"data":[{{"type":"{data}","data":1}}]}}}}"#
        )
    };
    place.write(
        "small.jsonl",
        &format!("{}\n{}\n", sync("one"), sync("two")),
    );
}

#[test]
fn a_push_counts_an_op_that_was_sent_as_new_as_what_became_of_that() {
    let place = Place::new();
    let _serving = place.serve_a_share();
    recording(&place);
    let push = ["push", "@owner.ref", "small.jsonl"];
    let stored = place.share(&[&push[..], &["--no-flush"]].concat());
    assert_eq!(
        stored.out, "applied 0, duplicates 0, rejected 0, pending 2\n",
        "{stored:?}"
    );
    assert_eq!(place.share(&["replay"]).code, 0);
    let listed = lines(&place.share(&["outbox", "list", "--json"]));
    let second = listed[1]["opId"].as_str().expect("an id");
    put_in_doubt(&place, second);
    let pushed = place.share(&push);
    assert_eq!(
        (pushed.code, &*pushed.out),
        (
            1,
            "applied 1, duplicates 0, rejected 0, in doubt 1; 2 were in the outbox already\n"
        )
    );
    let line = format!("line 2: whether op {second} was applied can't be told\n");
    assert!(pushed.err.contains(&line), "{pushed:?}");
    lines(&place.share(&["outbox", "retry", second, "--json"]));
    let pushed = place.share(&push);
    pushed.is(
        0,
        "applied 2, duplicates 0, rejected 0; 2 were in the outbox already\n",
        "",
    );
}

/// Seqs and lanes are others after it; ids are not.
#[test]
fn a_push_counts_the_ops_of_a_copied_outbox_after_they_went_to_another_lane() {
    let place = Place::new();
    let _serving = place.serve_a_share();
    recording(&place);
    let put = r#"{"op":"put","key":"a","value":"x"}"#;
    assert_eq!(place.share_with(&["append", "@owner.ref"], put).code, 0);
    let push = ["push", "@owner.ref", "small.jsonl"];
    let stored = place.share(&[&push[..], &["--no-flush"]].concat());
    assert_eq!(stored.code, 0, "{stored:?}");
    let file = Connection::open(place.outbox()).expect("the outbox opens");
    let copy = place.path("copy.sqlite");
    file.execute("VACUUM INTO ?1", [copy.to_str().expect("a path")])
        .expect("the outbox is copied");
    drop(file);
    // An op of its own at the end, so that the two lanes part.
    let ended = place.share_with(&["append", "@owner.ref"], put);
    assert_eq!(ended.code, 0, "{ended:?}");
    let copied = place.share(&[&push[..], &["--state", "copy.sqlite"]].concat());
    assert_eq!(
        (copied.code, &*copied.out),
        (
            0,
            "applied 0, duplicates 2, rejected 0; 2 were in the outbox already\n"
        ),
        "{copied:?}"
    );
    let listed = lines(&place.share(&["outbox", "list", "--json", "--state", "copy.sqlite"]));
    let seqs: Vec<_> = listed
        .iter()
        .map(|line| (line["seq"].as_u64(), line["was"]["seq"].as_u64()))
        .collect();
    assert_eq!(
        seqs,
        [(Some(1), None), (Some(1), Some(2)), (Some(2), Some(3))]
    );
}

#[test]
fn a_replay_tells_what_it_did_about_a_copied_outbox_and_only_that() {
    let place = Place::new();
    let _serving = place.serve_a_share();
    let put = |key: &str| format!(r#"{{"op":"put","key":"{key}","value":"x"}}"#);
    place.share_with(&["append", "@owner.ref", "--no-flush"], &put("a"));
    let file = Connection::open(place.outbox()).expect("the outbox opens");
    for name in ["copy.sqlite", "other.sqlite"] {
        let copy = place.path(name);
        file.execute("VACUUM INTO ?1", [copy.to_str().expect("a path")])
            .expect("the outbox is copied");
    }
    drop(file);
    assert_eq!(
        place.share_with(&["append", "@owner.ref"], &put("b")).code,
        0
    );
    let replayed = place.share(&["replay", "--json", "--state", "copy.sqlite"]);
    let words = "this outbox is a copy, or was restored";
    assert!(
        replayed.code == 0 && !replayed.err.contains(words),
        "{replayed:?}"
    );
    let replayed = parse(&replayed);
    let recoveries = replayed["recoveries"].as_array().expect("an array");
    assert_eq!(
        (
            recoveries.len(),
            &recoveries[0]["what"],
            &recoveries[0]["ops"]
        ),
        (1, &json!("requeued"), &json!(1))
    );
    assert_eq!(replayed["duplicates"], json!(1));
    let again = parse(&place.share(&["replay", "--json", "--state", "copy.sqlite"]));
    assert_eq!(again["recoveries"], json!([]));
    let told = place.share(&["replay", "--state", "other.sqlite"]);
    assert_eq!(told.code, 0, "{told:?}");
    let said = told.err.lines().filter(|line| line.contains(words));
    assert_eq!(said.count(), 1, "{told:?}");
    let doctor = place.share(&["doctor", "--state", "copy.sqlite"]);
    assert_eq!((doctor.code, &*doctor.err), (0, ""), "{doctor:?}");
    assert!(
        doctor.out.contains(words) && doctor.out.ends_with("nothing needs you\n"),
        "{doctor:?}"
    );
}
