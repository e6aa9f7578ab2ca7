//! `share lease`, and `share append --as`, as a script sees them.

#[expect(dead_code, reason = "what it can do is not all for these tests")]
mod running;

use running::{Ended, Place, Serving};
use serde_json::{Value, json};

fn parse(text: &str) -> Value {
    serde_json::from_str(text).expect("one JSON value")
}

fn lines(ended: &Ended) -> Vec<Value> {
    assert_eq!(ended.code, 0, "{ended:?}");
    ended.out.lines().map(parse).collect()
}

/// A served share whose outbox exists.
fn place() -> (Place, Serving) {
    let place = Place::new();
    let serving = place.serve_a_share();
    let used = place.share(&["use", "@owner.ref"]);
    assert_eq!(used.code, 0, "{used:?}");
    (place, serving)
}

fn put(place: &Place, session: Option<&str>, key: &str) -> Ended {
    let op = json!({"op": "put", "key": key, "value": 1}).to_string();
    match session {
        None => place.share_with(&["append", "@owner.ref"], &op),
        Some(session) => place.share_with(&["append", "@owner.ref", "--as", session], &op),
    }
}

#[test]
fn a_child_works_where_it_claimed_and_all_of_it_is_told_afterwards() {
    let (place, _serving) = place();
    let at = |action: &str, session: &str| {
        place.share(&[
            "lease", action, "--as", session, "--scope", "part/m1", "--json",
        ])
    };
    let delegated = lines(&at("delegate", "ses_p"));
    assert_eq!(
        (&delegated[0]["cycle"], &delegated[0]["state"]),
        (&json!(1), &json!("waiting"))
    );
    let claimed = lines(&at("claim", "ses_c"));
    assert_eq!(claimed[0]["child"], json!("ses_c"));
    assert_eq!(claimed[0]["claimId"].as_str().map(str::len), Some(32));
    at("claim", "ses_d").says(1, &["`ses_c`", "cycle 1", "hint: `share lease list`"]);

    assert_eq!(put(&place, Some("ses_c"), "part/m1/x").code, 0);
    assert_eq!(put(&place, Some("ses_p"), "session").code, 0);
    assert_eq!(put(&place, None, "part/m1/y").code, 0, "the file's owner");
    let locked = put(&place, Some("ses_p"), "part/m1/x");
    locked.says(
        1,
        &[
            "`ses_p`",
            "`ses_c` holds",
            "until it releases it",
            "nothing was stored",
        ],
    );
    put(&place, Some("ses_c"), "session").says(1, &["part/m1", "nothing was stored"]);

    let tail = place.share(&["tail", "@owner.ref", "--no-follow"]);
    let expected = "1 put part/m1/x (agent ses_c)\t1\n2 put session (agent ses_p)\t1\n\
                    3 put part/m1/y\t1\n";
    tail.is(0, expected, "live at cursor 3\n");
    let tail = lines(&place.share(&["tail", "@owner.ref", "--no-follow", "--json"]));
    assert_eq!(tail[0]["origin"], json!({"kind": "agent", "id": "ses_c"}));
    assert_eq!(tail[2].get("origin"), None);

    let released = lines(&at("release", "ses_c"));
    assert_eq!(released[0]["state"], json!("released"));
    assert_eq!(put(&place, Some("ses_p"), "part/m1/x").code, 0);
    put(&place, Some("ses_c"), "part/m1/x").says(1, &["is over, released by its session"]);

    let listed = lines(&place.share(&["lease", "list", "--json"]));
    assert_eq!(listed.len(), 1);
    let ops = json!({"enqueued": 1, "pending": 0, "settled": 1, "deadLetters": 0, "inDoubt": 0,
                     "dropped": 0});
    assert_eq!(listed[0]["ops"], ops);
    let events = lines(&place.share(&["lease", "list", "--events", "--json"]));
    let kinds: Vec<_> = events
        .iter()
        .map(|it| it["kind"].as_str().unwrap())
        .collect();
    let expected = [
        "delegated",
        "claimed",
        "claim-refused",
        "append-refused-scope-held",
        "append-refused-outside-scope",
        "released",
        "append-refused-stale-claim",
    ];
    assert_eq!(kinds, expected);
    assert_eq!(events[1]["id"], claimed[0]["claimId"]);
}

#[test]
fn what_a_person_reads_is_one_line_each() {
    let (place, _serving) = place();
    let share = place.read("owner.ref");
    let share = share.split('/').nth(3).unwrap().to_owned();
    place
        .share(&["lease", "list"])
        .is(0, "", "nothing was delegated\n");
    let parent = "p\u{1b}[2J";
    let delegated = place.share(&["lease", "delegate", "--as", parent, "--idle", "3600"]);
    let line = format!("{share}  cycle 1 of the whole share, p\\u{{1b}}[2J to nobody: waiting\n");
    delegated.is(0, &line, "");
    place.share(&["lease", "claim", "--as", "c"]);
    assert_eq!(put(&place, Some("c"), "a").code, 0);
    let line = line.replace("nobody: waiting", "c: claimed; ops 1: 1 settled");
    place.share(&["lease", "list"]).is(0, &line, "");
    let events = place.share(&["lease", "list", "--events"]);
    let last = events.out.lines().last().unwrap();
    assert!(
        last.ends_with("  c  claimed  cycle 1 of the whole share, delegated by p\\u{1b}[2J"),
        "{last}"
    );
    // In no stream: not the cursor, not the screen.
    for ended in [&delegated, &events] {
        assert!(!ended.out.contains('\u{1b}') && !ended.err.contains('\u{1b}'));
    }
    let json = place.share(&["lease", "list", "--json"]);
    assert_eq!(parse(&json.out)["parent"], json!(parent));
    assert!(!json.out.contains('\u{1b}'));
}

#[test]
fn a_token_is_refused_whatever_way_it_is_given_and_never_shown() {
    let (place, _serving) = place();
    for action in ["delegate", "claim", "release", "reconcile"] {
        for token in [
            &["--token", "SECRET-x"][..],
            &["--token=SECRET-x"],
            &["--token"],
            &["SECRET-x"],
        ] {
            let args = [&["lease", action, "--as", "c"], token].concat();
            let ended = place.share(&args);
            ended.says(2, &["takes no token", "prompt", "hint: name the session"]);
            assert!(!ended.err.contains("SECRET"), "{ended:?}");
        }
    }
    place
        .share(&["lease", "list"])
        .is(0, "", "nothing was delegated\n");
}

#[test]
fn a_parent_that_comes_back_sees_what_became_and_is_let_in_again() {
    let (place, _serving) = place();
    for scope in ["a", "b"] {
        place.share(&["lease", "delegate", "--as", "p", "--scope", scope]);
        let child = format!("c-{scope}");
        place.share(&["lease", "claim", "--as", &child, "--scope", scope]);
        assert_eq!(put(&place, Some(&child), &format!("{scope}/x")).code, 0);
    }
    let reconcile = |more: &[&str]| {
        let args = [&["lease", "reconcile", "--as", "p", "--json"], more].concat();
        let seen = lines(&place.share(&args));
        let seen = seen.iter().map(|it| {
            let child = it["child"].as_str().unwrap().to_owned();
            (child, it["state"].as_str().unwrap().to_owned())
        });
        seen.collect::<Vec<_>>()
    };
    let told = |state: [&str; 2]| {
        [
            ("c-a".to_owned(), state[0].to_owned()),
            ("c-b".to_owned(), state[1].to_owned()),
        ]
    };
    assert_eq!(reconcile(&[]), told(["claimed", "claimed"]));
    put(&place, Some("p"), "a/x").says(1, &["holds"]);
    assert_eq!(
        reconcile(&["--gone", "c-a"]),
        told(["session-gone", "claimed"])
    );
    assert_eq!(put(&place, Some("p"), "a/x").code, 0);
    put(&place, Some("p"), "b/x").says(1, &["holds"]);
    let all = ["session-gone", "session-gone"];
    assert_eq!(reconcile(&["--all-gone"]), told(all));
    assert_eq!(put(&place, Some("p"), "b/x").code, 0);
    // What it delegated and nobody has, it takes back with the same command.
    place.share(&["lease", "delegate", "--as", "p", "--scope", "a"]);
    let taken = place.share(&["lease", "release", "--as", "p", "--scope", "a", "--json"]);
    assert_eq!(lines(&taken)[0]["state"], json!("revoked"));
}

#[test]
fn wrong_usage_is_told_apart_from_what_is_refused() {
    let (place, _serving) = place();
    let usage = |args: &[&str], word: &str| {
        let ended = place.share(args);
        assert_eq!(ended.code, 2, "{ended:?}");
        assert!(ended.err.contains(word), "{ended:?}");
    };
    usage(&["lease", "claim"], "--as");
    usage(&["lease", "claim", "--as", ""], "empty");
    usage(&["lease", "claim", "--as", "c", "--scope", "a/"], "without");
    usage(
        &[
            "lease",
            "reconcile",
            "--as",
            "p",
            "--gone",
            "c",
            "--all-gone",
        ],
        "--gone",
    );
    let refused = place.share(&["lease", "claim", "--as", "c", "--scope", "a"]);
    refused.says(1, &["nobody has delegated `a`", "hint: `share lease list`"]);
    let away = Place::new().share(&["lease", "list"]);
    away.says(1, &["there is no outbox"]);
}
