//! The commands as a script sees them: standard output, standard error, exit code.

#[expect(dead_code, reason = "each test uses some of it")]
mod running;

use running::{Place, bytes};
use serde_json::{Value, json};

const TWO_OPS: &str = r#"{"op":"put","key":"a","value":{"t":"he"}}
{"op":"appendText","key":"a","pointer":"/t","text":"llo"}
"#;

fn parse(text: &str) -> Value {
    serde_json::from_str(text).expect("one JSON value")
}

#[test]
fn ops_are_appended_and_seen_by_everyone() {
    let place = Place::new();
    let _serving = place.serve_a_share();
    let appended = place.share_with(&["append", "@owner.ref"], TWO_OPS);
    appended.is(0, "applied 2, duplicates 0, rejected 0\n", "");

    let shown = place.share(&["show", "@owner.ref", "--json"]);
    let shown = parse(&shown.out);
    assert_eq!(shown["document"], json!({"a": {"t": "hello"}}));
    assert_eq!((&shown["cursor"], &shown["epoch"]), (&json!(2), &json!(1)));
    let keys: Vec<_> = shown.as_object().unwrap().keys().cloned().collect();
    assert_eq!(keys, ["share", "epoch", "cursor", "document"]);

    let tail = place.share(&["tail", "@owner.ref", "--no-follow"]);
    tail.is(
        0,
        "1 put a\t{\"t\":\"he\"}\n2 appendText a /t\t\"llo\"\n",
        "live at cursor 2\n",
    );
    let tail = place.share(&["tail", "@owner.ref", "--no-follow", "--json", "--from", "1"]);
    let lines: Vec<Value> = tail.out.lines().map(parse).collect();
    assert_eq!(
        (&lines[0]["cursor"], &lines[0]["text"]),
        (&json!(2), &json!("llo"))
    );
    assert_eq!(lines[1], json!({"event": "live", "cursor": 2}));

    let rows = place.share(&["outbox", "list", "--json"]);
    let row = parse(rows.out.lines().next().unwrap());
    let keys: Vec<_> = row.as_object().unwrap().keys().cloned().collect();
    let names = [
        "share",
        "outbox",
        "seq",
        "was",
        "opId",
        "batchId",
        "state",
        "attempts",
        "enqueuedAt",
        "nextAttemptAt",
        "error",
        "resolution",
    ];
    assert_eq!(keys, names);
    assert_eq!(
        (&row["seq"], &row["state"], &row["attempts"]),
        (&json!(1), &json!("settled"), &json!(1))
    );
}

#[test]
fn with_the_server_away_ops_are_kept_and_replayed_when_it_is_back() {
    let place = Place::new();
    let address = place.serve_a_share().kill();
    let appended = place.share_with(&["append", "@owner.ref"], TWO_OPS);
    assert_eq!(
        (appended.code, &*appended.out),
        (3, "applied 0, duplicates 0, rejected 0, pending 2\n")
    );
    assert!(appended.err.contains("2 ops are kept"), "{appended:?}");
    let replayed = place.share(&["replay"]);
    assert_eq!(replayed.code, 3, "{replayed:?}");
    assert!(replayed.err.contains("2 ops are kept"), "{replayed:?}");
    let planned = place.share(&["replay", "--dry-run", "--json"]);
    assert_eq!(parse(&planned.out)["pending"], json!(2));

    let _serving = place.serve(&address);
    let replayed = place.share(&["replay", "--json"]);
    assert_eq!(
        parse(&replayed.out),
        json!({"shares": 1, "sent": 2, "resent": 0, "applied": 2, "duplicates": 0,
            "rejected": 0, "inDoubt": 0, "pending": 0, "recoveries": []})
    );
    let shown = place.share(&["show", "@owner.ref"]);
    assert_eq!(shown.out, "a\t{\"t\":\"hello\"}\n");
}

#[test]
fn ops_may_be_stored_without_being_sent() {
    let place = Place::new();
    let _serving = place.serve_a_share();
    let stored = place.share_with(&["append", "@owner.ref", "--no-flush"], TWO_OPS);
    stored.is(0, "applied 0, duplicates 0, rejected 0, pending 2\n", "");
    let shown = place.share(&["show", "@owner.ref", "--json"]);
    assert_eq!(parse(&shown.out)["cursor"], json!(0));
}

#[test]
fn a_line_that_is_no_op_is_named_and_nothing_is_stored() {
    let place = Place::new();
    let _serving = place.serve_a_share();
    let input = format!("{TWO_OPS}nonsense\n");
    let refused = place.share_with(&["append", "@owner.ref"], &input);
    refused.says(1, &["error: line 3: not an op", "hint: nothing was stored"]);
    let list = place.share(&["outbox", "--json"]);
    list.is(0, "", "");
}

#[test]
fn an_op_over_a_limit_is_refused_before_it_is_stored() {
    let place = Place::new();
    let _serving = place.serve_a_share();
    let key = "k".repeat(513);
    let input = format!("{TWO_OPS}{{\"op\":\"put\",\"key\":\"{key}\",\"value\":1}}\n");
    let refused = place.share_with(&["append", "@owner.ref"], &input);
    refused.says(1, &["keyTooLong", "513", "512", "hint: nothing was stored"]);
    place.share(&["outbox", "--json"]).is(0, "", "");
}

#[test]
fn a_rejected_op_is_named_by_its_line() {
    let place = Place::new();
    let _serving = place.serve_a_share();
    let input =
        "{\"op\":\"put\",\"key\":\"a\",\"value\":1}\n\n{\"op\":\"remove\",\"key\":\"none\"}\n";
    let ended = place.share_with(&["append", "@owner.ref"], input);
    assert_eq!(
        (ended.code, &*ended.out),
        (1, "applied 1, duplicates 0, rejected 1\n")
    );
    assert!(
        ended
            .err
            .contains("line 3: rejected: invalid mutation: the key is not in the document"),
        "{ended:?}"
    );
}

#[test]
fn an_op_may_depend_on_another_by_its_id() {
    let place = Place::new();
    let _serving = place.serve_a_share();
    let (one, other) = (
        "01890a5d000070008000000000000001",
        "01890a5d000070008000000000000002",
    );
    let input = format!(
        "{{\"op\":\"put\",\"key\":\"a\",\"value\":[],\"id\":\"{one}\"}}\n\
         {{\"op\":\"appendItem\",\"key\":\"a\",\"pointer\":\"\",\"value\":1,\"dependsOn\":[\"{one}\"]}}\n"
    );
    place.share_with(&["append", "@owner.ref"], &input).is(
        0,
        "applied 2, duplicates 0, rejected 0\n",
        "",
    );
    let unknown = format!("{{\"op\":\"remove\",\"key\":\"a\",\"dependsOn\":[\"{other}\"]}}\n");
    place
        .share_with(&["append", "@owner.ref"], &unknown)
        .says(1, &[other, "nothing was stored"]);
}

#[test]
fn a_ref_with_one_wrong_character_is_refused_and_never_shown() {
    let place = Place::new();
    let _serving = place.serve_a_share();
    let right = place.read("owner.ref");
    let secret = right.trim().rsplit_once('#').unwrap().1.to_owned();
    let refused = |text: &str, code: i32, words: &[&str]| {
        place.write("wrong.ref", text);
        let ended = place.share(&["show", "@wrong.ref"]);
        ended.says(code, words);
        assert!(
            !ended.err.contains(&secret[4..]),
            "the secret is shown: {ended:?}"
        );
    };
    refused(
        &right.replacen("share://", "shore://", 1),
        2,
        &["begins with `share://`"],
    );
    refused(&right.replacen("epoch=1", "epoch=x", 1), 2, &["`epoch=`"]);
    refused(
        &right.replace(&secret, &secret[1..]),
        2,
        &["secret", "43 characters"],
    );
    let other = if secret.starts_with('A') { 'B' } else { 'A' };
    refused(
        &right.replace(&secret, &format!("{other}{}", &secret[1..])),
        1,
        &["notAuthorized"],
    );
}

#[test]
fn a_ref_comes_from_a_file_or_standard_input_or_the_environment() {
    let place = Place::new();
    let _serving = place.serve_a_share();
    let text = place.read("owner.ref");
    let whole = format!("{text}{TWO_OPS}");
    place
        .share_with(&["append", "-"], &whole)
        .is(0, "applied 2, duplicates 0, rejected 0\n", "");
    assert_eq!(place.share_with(&["show", "-"], &text).code, 0);
    let shown = place.share_by_environment(&["show"], text.trim());
    assert_eq!(
        (shown.code, shown.err.contains("warning")),
        (0, false),
        "{shown:?}"
    );
    let shown = place.share(&["show", text.trim()]);
    assert_eq!(
        (
            shown.code,
            shown.err.contains("warning: a ref on the command line")
        ),
        (0, true)
    );
    place
        .share(&["show"])
        .says(2, &["no ref is given", "SHARE_REF"]);
    place
        .share(&["show", "@none"])
        .says(1, &["read a ref from `none`"]);
}

#[test]
fn a_share_whose_creation_had_no_answer_is_got_by_asking_again() {
    let place = Place::new();
    let address = place.serve("127.0.0.1:0").kill();
    let create = [
        "create",
        "--factory",
        "@server/factory.ref",
        "--title",
        "mine",
        "--json",
    ];
    place.share(&create).says(3, &["create a share"]);
    let pending = place.read(".opencode/state/share.creating");
    place
        .share(&["create", "--factory", "@server/factory.ref"])
        .says(1, &["title `mine`"]);
    let _serving = place.serve(&address);
    let first = place.share(&create);
    assert_eq!(first.code, 0, "{first:?}");
    // As if the answer had been lost once more.
    place.write(".opencode/state/share.creating", &pending);
    let again = place.share(&create);
    assert_eq!(first.out, again.out);
    let other = place.share(&create);
    assert_ne!(parse(&first.out)["share"], parse(&other.out)["share"]);
    assert_eq!(parse(&first.out)["epoch"], json!(1));
}

#[test]
fn an_outbox_that_is_cut_short_is_refused_and_left_as_it_was() {
    let place = Place::new();
    let _serving = place.serve_a_share();
    place.share_with(&["append", "@owner.ref", "--no-flush"], TWO_OPS);
    let whole = bytes(&place.outbox());
    std::fs::write(place.outbox(), &whole[..whole.len() / 2]).unwrap();
    let before = bytes(&place.outbox());
    let ended = place.share(&["replay"]);
    ended.says(1, &["open the outbox", "share.sqlite"]);
    assert_eq!(bytes(&place.outbox()), before);
    std::fs::write(place.outbox(), "this is a diary, not an outbox").unwrap();
    place.share(&["outbox"]).says(1, &["open the outbox"]);
}

#[test]
fn an_outbox_of_a_newer_version_is_refused_and_left_as_it_was() {
    let place = Place::new();
    let _serving = place.serve_a_share();
    place.share_with(&["append", "@owner.ref", "--no-flush"], TWO_OPS);
    let file = rusqlite::Connection::open(place.outbox()).unwrap();
    file.execute_batch("PRAGMA user_version = 99; PRAGMA wal_checkpoint(TRUNCATE)")
        .unwrap();
    file.close().unwrap();
    let before = bytes(&place.outbox());
    place
        .share(&["replay"])
        .says(1, &["outbox version 99", "upgrade"]);
    assert_eq!(bytes(&place.outbox()), before);
}

#[test]
fn a_port_in_use_is_said() {
    let place = Place::new();
    let serving = place.serve("127.0.0.1:0");
    let ended = place.share(&[
        "serve",
        "--no-http",
        "--data",
        "other",
        "--listen",
        &serving.address,
    ]);
    ended.says(1, &[&serving.address, "in use"]);
}

#[test]
fn a_data_folder_has_one_server() {
    let place = Place::new();
    let _serving = place.serve("127.0.0.1:0");
    let ended = place.share(&[
        "serve",
        "--no-http",
        "--data",
        "server",
        "--listen",
        "127.0.0.1:0",
    ]);
    ended.says(1, &["server", "another"]);
}

#[test]
fn a_server_takes_as_many_files_as_it_may_have_and_says_if_fewer_connections_fit() {
    let place = Place::new();
    let _serving = place.serve("127.0.0.1:0");
    // It ends by itself: its data folder has a server. HTTP has a quarter of the room.
    for (http, connections) in [("--no-http", 236), ("--http 127.0.0.1:0", 178)] {
        let serve = format!("exec \"$0\" serve --data server --listen 127.0.0.1:0 {http}");
        let ended = std::process::Command::new("sh")
            .args(["-c", &format!("ulimit -Sn 100; ulimit -Hn 300; {serve}")])
            .arg(env!("CARGO_BIN_EXE_share"))
            .current_dir(place.path("."))
            .output()
            .unwrap();
        let said = String::from_utf8(ended.stderr).unwrap();
        let expected = format!("at most {connections} connections");
        assert!(said.contains(&expected), "{said}");
    }
}

#[test]
fn a_killed_server_keeps_what_it_acked() {
    let place = Place::new();
    let serving = place.serve_a_share();
    place.share_with(&["append", "@owner.ref"], TWO_OPS).is(
        0,
        "applied 2, duplicates 0, rejected 0\n",
        "",
    );
    let _serving = place.serve(&serving.kill());
    assert_eq!(
        place.share(&["show", "@owner.ref"]).out,
        "a\t{\"t\":\"hello\"}\n"
    );
}

#[test]
fn secrets_are_only_for_their_owner_to_read() {
    use std::os::unix::fs::PermissionsExt;
    let place = Place::new();
    let _serving = place.serve_a_share();
    place.share_with(&["append", "@owner.ref"], TWO_OPS);
    let mode =
        |path: std::path::PathBuf| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(place.path("server/factory.ref")), 0o600);
    assert_eq!(mode(place.outbox()), 0o600);
    assert_eq!(place.read(".opencode/state/.gitignore").trim(), "*");
}

#[test]
fn wrong_usage_ends_with_2_and_nobody_at_home_with_3() {
    let place = Place::new();
    assert_eq!(place.share(&["frobnicate"]).code, 2);
    assert_eq!(place.share(&["serve", "--port", "1"]).code, 2);
    let address = place.serve("127.0.0.1:0").kill();
    place
        .share(&["health", "--connect", &address])
        .says(3, &["no answer from"]);
    let _serving = place.serve(&address);
    place
        .share(&["health", "--connect", &address])
        .says(0, &["answers"]);
    place.share(&["replay"]).says(1, &["there is no outbox"]);
}

/// All help texts, so that none changes unseen.
#[test]
fn the_reference_is_as_it_was() {
    let place = Place::new();
    let commands = [
        "serve",
        "bridge",
        "bridge install",
        "create",
        "append",
        "push",
        "replay",
        "tail",
        "show",
        "outbox",
        "outbox list",
        "outbox show",
        "outbox retry",
        "outbox drop",
        "use",
        "health",
        "backup",
        "restore",
        "open",
        "list",
        "release",
        "lease",
        "lease delegate",
        "lease claim",
        "lease release",
        "lease reconcile",
        "lease list",
        "grant",
        "grants",
        "whoami",
        "audit",
        "revoke",
        "rotate",
        "freeze",
        "unfreeze",
        "delete",
        "publish",
        "unpublish",
        "identity",
        "doctor",
        "demo",
    ];
    let mut reference = place.share(&["--help"]).out;
    for command in commands {
        reference += &format!("\n=== share {command}\n\n");
        let words: Vec<_> = command.split(' ').chain(["--help"]).collect();
        reference += &place.share(&words).out;
    }
    insta::assert_snapshot!("reference", reference);
}
