//! `share open`, `list` and `release`: one share for a session, whoever opens it.

#[expect(dead_code, reason = "what it can do is not all for these tests")]
mod running;

use std::os::unix::fs::PermissionsExt;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use running::{Ended, Place, Serving, bytes};
use rusqlite::{Connection, OpenFlags};
use serde_json::{Value, json};
use share_faults::{Direction, FaultProxy, ProxyOptions};

const FACTORY: &str = "@server/factory.ref";
const REGISTRY: &str = "data/registry.sqlite";
const TWO_OPS: &str = r#"{"op":"put","key":"a","value":1}
{"op":"put","key":"b","value":2}
"#;
/// Steps of a server are waited for this often, each time by looking.
const LOOKS_MAX: u32 = 100_000;
/// Listings until a server that is there has answered in time.
const LISTINGS_MAX: u32 = 20;

/// `share ARGS --registry …` in the place's folder.
fn command(place: &Place, args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_share"));
    command
        .args(args)
        .args(["--registry", REGISTRY])
        .current_dir(place.path(""))
        .env("USER", "tester");
    for name in ["SHARE_REF", "SHARE_STATE", "SHARE_LOG", "SHARE_REGISTRY"] {
        command.env_remove(name);
    }
    command
}

fn start(place: &Place, args: &[&str]) -> Child {
    command(place, args)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the command starts")
}

fn end(child: Child) -> Ended {
    let output = child.wait_with_output().expect("the command ends");
    Ended {
        code: output.status.code().unwrap_or(-1),
        out: String::from_utf8(output.stdout).expect("stdout is text"),
        err: String::from_utf8(output.stderr).expect("stderr is text"),
    }
}

fn share(place: &Place, args: &[&str]) -> Ended {
    end(start(place, args))
}

fn open(place: &Place, session: &str) -> Ended {
    share(place, &["open", "project", session, "--factory", FACTORY])
}

/// The session's ref, and whether it was `created` or `reused`.
#[track_caller]
fn opened(ended: &Ended) -> (String, &'static str) {
    assert_eq!(ended.code, 0, "{ended:?}");
    assert!(ended.out.starts_with("share://"), "{ended:?}");
    let said = ["created", "reused"].into_iter();
    let answer = said.filter(|word| ended.err.contains(&format!("{word}: session")));
    let answer: Vec<_> = answer.collect();
    assert_eq!(answer.len(), 1, "{ended:?}");
    (ended.out.clone(), answer[0])
}

fn lines(ended: &Ended) -> Vec<Value> {
    assert_eq!(ended.code, 0, "{ended:?}");
    let parse = |line| serde_json::from_str(line).expect("a line is one JSON value");
    ended.out.lines().map(parse).collect()
}

fn list(place: &Place, args: &[&str]) -> Vec<Value> {
    lines(&share(place, &[&["list", "--json"], args].concat()))
}

/// A listing in which the servers of these entries have answered: on a busy machine not each one, for it
/// waits for nobody.
fn list_live(place: &Place, wanted: &[usize]) -> Vec<Value> {
    for _ in 0..LISTINGS_MAX {
        let entries = list(place, &[]);
        if wanted.iter().all(|at| entries[*at]["live"] == json!(true)) {
            return entries;
        }
    }
    panic!("the server never answers in time");
}

/// How many shares the server has stored, and the server, which runs again.
/// Counted behind a restart, by which the file has all that was committed.
fn shares_on_the_server(place: &Place, serving: Serving) -> (u32, Serving) {
    let serving = place.serve(&serving.kill());
    (shares_in_the_file(place), serving)
}

/// Those that the file has, which comes to have them after they were acked.
fn shares_in_the_file(place: &Place) -> u32 {
    let path = place.path("server/shares.sqlite");
    let db = Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_ONLY);
    db.expect("the server's file opens")
        .query_row("SELECT count(DISTINCT share) FROM log", [], |row| {
            row.get(0)
        })
        .expect("the server's file is read")
}

#[test]
fn a_session_that_is_opened_twice_has_one_share_and_takes_ops_right_away() {
    let place = Place::new();
    let serving = place.serve("127.0.0.1:0");
    let (first, answer) = opened(&open(&place, "s"));
    assert_eq!(answer, "created");
    // Later ones need no factory.
    let again = share(&place, &["open", "project", "s"]);
    assert_eq!(opened(&again), (first.clone(), "reused"));
    let (shares, _serving) = shares_on_the_server(&place, serving);
    assert_eq!(shares, 1);

    place.write("owner.ref", &first);
    let appended = place.share_with(&["append", "@owner.ref", "--no-flush"], TWO_OPS);
    assert_eq!(appended.code, 0, "{appended:?}");
    let held = place.share(&["replay", "--json"]);
    assert_eq!(lines(&held)[0]["applied"], json!(2));

    let json = share(&place, &["open", "project", "s", "--json"]);
    let line = &lines(&json)[0];
    assert_eq!(line["answer"], json!("reused"));
    assert_eq!(line["ref"], json!(first.trim()));
    assert_eq!((&line["epoch"], &*json.err), (&json!(1), ""));
    let keys: Vec<_> = line.as_object().unwrap().keys().cloned().collect();
    assert_eq!(keys, ["answer", "share", "ref", "epoch"]);
}

/// The outbox knows the share from then on, without any other command.
#[test]
fn the_outbox_of_the_worktree_gets_the_ref() {
    let place = Place::new();
    let _serving = place.serve("127.0.0.1:0");
    opened(&open(&place, "s"));
    let entry = &list(&place, &[])[0];
    assert_eq!(entry["pendingOps"], json!(0), "{entry}");
    assert_eq!(entry["outboxProblem"], Value::Null, "{entry}");
    let outbox = place.outbox().display().to_string();
    assert_eq!(entry["outbox"], json!(outbox));
}

#[test]
fn ten_processes_that_open_one_session_at_once_create_one_share() {
    let place = Place::new();
    let serving = place.serve("127.0.0.1:0");
    let outboxes: Vec<_> = (0..10)
        .map(|at| format!("tree-{at}/state.sqlite"))
        .collect();
    let children: Vec<_> = outboxes
        .iter()
        .map(|outbox| {
            let args = [
                "open",
                "project",
                "s",
                "--factory",
                FACTORY,
                "--state",
                outbox,
            ];
            start(&place, &args)
        })
        .collect();
    let ended: Vec<_> = children.into_iter().map(end).collect();
    let answers: Vec<_> = ended.iter().map(opened).collect();
    let created = answers.iter().filter(|(_, answer)| *answer == "created");
    assert_eq!(created.count(), 1, "{ended:?}");
    assert!(
        answers
            .iter()
            .all(|(share_ref, _)| *share_ref == answers[0].0)
    );
    assert_eq!(shares_on_the_server(&place, serving).0, 1);
}

#[test]
fn with_the_server_away_a_known_session_is_reused_and_a_new_one_stays_pending() {
    let place = Place::new();
    let serving = place.serve("127.0.0.1:0");
    let (known, _) = opened(&open(&place, "known"));
    let address = serving.kill();
    assert_eq!(opened(&open(&place, "known")), (known, "reused"));
    for _ in 0..2 {
        let pending = open(&place, "new");
        pending.says(
            3,
            &[
                r#"session "project" "new" has no share yet; its name is reserved and the request stored"#,
                "hint: give the same command again once the server is back",
            ],
        );
    }
    let entries = list(&place, &[]);
    assert_eq!(entries[1]["state"], json!("pending"), "{entries:?}");
    let without = share(&place, &["open", "project", "new"]);
    without.says(1, &["has no share yet", "`--factory @FILE`"]);

    let serving = place.serve(&address);
    assert_eq!(opened(&open(&place, "new")).1, "created");
    assert_eq!(shares_on_the_server(&place, serving).0, 2);
}

/// A ref to the same factory by way of a proxy.
fn factory_at(place: &Place, address: &str, proxy: &str) {
    let text = place.read("server/factory.ref");
    assert!(text.contains(address), "the ref names where the server is");
    place.write("proxied.ref", &text.replace(address, proxy));
}

#[tokio::test]
async fn killed_after_the_share_was_created_and_before_it_heard_of_it_leaves_one_share() {
    let place = Place::new();
    let serving = place.serve("127.0.0.1:0");
    let upstream = serving.address.parse().expect("an address");
    let options = ProxyOptions::default();
    let proxy = FaultProxy::start(upstream, options).await.expect("a proxy");
    factory_at(&place, &serving.address, &proxy.local_addr().to_string());
    let args = ["open", "project", "s", "--factory", "@proxied.ref"];

    for round in 0..3 {
        proxy.partition(Direction::Down);
        let mut child = start(&place, &args);
        let held = proxy
            .wait_until(|counts| counts.partitions > round, Duration::from_secs(30))
            .await;
        held.expect("the answer is held back");
        let mut looks = 0;
        while shares_in_the_file(&place) == 0 {
            tokio::task::yield_now().await;
            looks += 1;
            assert!(looks < LOOKS_MAX, "the server does not create the share");
        }
        child.kill().expect("the command can be killed");
        let ended = end(child);
        assert_eq!((ended.code, &*ended.out), (-1, ""), "{ended:?}");
        proxy.heal(Direction::Down);
    }
    // The proxy goes on meanwhile.
    let wait = async |child: Child| {
        let ended = tokio::task::spawn_blocking(move || end(child)).await;
        ended.expect("the command is waited for")
    };
    let (first, answer) = opened(&wait(start(&place, &args)).await);
    assert_eq!(answer, "created");
    let again = opened(&wait(start(&place, &args)).await);
    assert_eq!(again, (first, "reused"));
    assert_eq!(shares_on_the_server(&place, serving).0, 1);
}

#[test]
fn a_lost_worktree_leaves_the_share_which_another_one_opens() {
    let place = Place::new();
    let _serving = place.serve("127.0.0.1:0");
    let in_tree = |tree: &str| {
        let state = format!("{tree}/state/share.sqlite");
        let args = [
            "open",
            "project",
            "s",
            "--factory",
            FACTORY,
            "--state",
            &state,
        ];
        share(&place, &args)
    };
    let (first, _) = opened(&in_tree("old"));
    let moved = in_tree("other");
    assert!(
        moved.err.contains("before: `share replay` there"),
        "{moved:?}"
    );
    opened(&in_tree("old"));
    std::fs::remove_dir_all(place.path("old")).expect("the worktree goes");
    let entry = &list_live(&place, &[0])[0];
    assert_eq!(entry["outboxProblem"], json!("it is gone"));
    assert_eq!(
        (&entry["pendingOps"], &entry["live"]),
        (&Value::Null, &json!(true))
    );

    let again = in_tree("new");
    assert_eq!(opened(&again), (first, "reused"));
    assert!(!again.err.contains("before"), "{again:?}");
    let entry = &list(&place, &[])[0];
    let path = place.path("new/state/share.sqlite").display().to_string();
    assert_eq!(entry["outbox"], json!(path));
    assert_eq!(entry["pendingOps"], json!(0));
}

#[test]
fn a_listing_tells_the_live_cursor_and_what_is_pending_and_the_last_known_when_the_server_is_away()
{
    let place = Place::new();
    let serving = place.serve("127.0.0.1:0");
    let (first, _) = opened(&open(&place, "s"));
    place.write("owner.ref", &first);
    let appended = place.share_with(&["append", "@owner.ref"], TWO_OPS);
    assert_eq!(appended.code, 0, "{appended:?}");
    let live = &list_live(&place, &[0])[0];
    assert_eq!((&live["cursor"], &live["live"]), (&json!(2), &json!(true)));
    assert_eq!(
        (&live["epoch"], &live["state"]),
        (&json!(1), &json!("open"))
    );
    assert_eq!(live["madeBy"], json!({"kind": "user", "id": "tester"}));

    serving.kill();
    let ops = "{\"op\":\"put\",\"key\":\"c\",\"value\":3}\n";
    place.share_with(&["append", "@owner.ref", "--no-flush"], ops);
    let ended = share(&place, &["list", "--json"]);
    let away = &lines(&ended)[0];
    assert_eq!((&away["cursor"], &away["live"]), (&json!(2), &json!(false)));
    let known_at = away["cursorAt"].as_u64().expect("a time");
    assert!(known_at > 1_500_000_000_000 && known_at <= live["cursorAt"].as_u64().unwrap());
    assert_eq!(away["pendingOps"], json!(1));
    let problem = away["problem"].as_str().expect("a problem");
    assert!(problem.contains("no server answers"), "{problem}");

    let text = share(&place, &["list"]);
    assert_eq!(text.code, 0, "{text:?}");
    let mut rows = text.out.lines();
    let head = rows.next().expect("a head");
    assert!(
        head.starts_with("share  ") && head.ends_with("session"),
        "{head}"
    );
    let row = rows.next().expect("a row");
    assert!(
        row.contains(" ago") && row.ends_with(r#""project" "s""#),
        "{row}"
    );
    assert!(text.err.contains("no server answers"), "{text:?}");
    assert_eq!(rows.next(), None);
}

/// A server that takes connections and says nothing, one that is away, a worktree that is gone, and
/// one whose outbox is damaged: the others are listed all the same.
#[test]
fn a_listing_is_held_up_by_no_server_and_no_worktree() {
    let place = Place::new();
    let serving = place.serve("127.0.0.1:0");
    let in_tree = |session: &str| {
        let state = format!("{session}/share.sqlite");
        let args = [
            "open",
            "project",
            session,
            "--factory",
            FACTORY,
            "--state",
            &state,
        ];
        opened(&share(&place, &args));
    };
    for session in ["fine", "mute", "gone", "damaged", "pipe"] {
        in_tree(session);
    }
    let mute = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let mute = mute.local_addr().expect("an address").to_string();
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let silent = listener.local_addr().expect("an address").to_string();
    let db = Connection::open(place.path(REGISTRY)).expect("the registry opens");
    for (session, address) in [("mute", &silent), ("gone", &mute)] {
        let sql = "UPDATE entry SET ref = replace(ref, ?1, ?2) WHERE session = CAST(?3 AS BLOB)";
        let changed = db.execute(sql, [&*serving.address, address, session]);
        assert_eq!(changed.expect("the registry is changed"), 1);
    }
    drop(db);
    std::fs::remove_dir_all(place.path("gone")).expect("the worktree goes");
    std::fs::write(
        place.path("damaged/share.sqlite"),
        "no database, but long enough ".repeat(99),
    )
    .expect("the outbox is damaged");
    std::fs::remove_file(place.path("pipe/share.sqlite")).expect("the outbox goes");
    let made = Command::new("mkfifo")
        .arg(place.path("pipe/share.sqlite"))
        .status();
    assert!(made.expect("mkfifo runs").success());

    let entries = list_live(&place, &[0, 3, 4]);
    let told: Vec<_> = entries
        .iter()
        .map(|entry| {
            (
                entry["session"].as_str().unwrap(),
                entry["live"] == json!(true),
            )
        })
        .collect();
    let expected = [
        ("fine", true),
        ("mute", false),
        ("gone", false),
        ("damaged", true),
        ("pipe", true),
    ];
    assert_eq!(told, expected);
    let problem = |at: usize, what: &str| entries[at][what].as_str().unwrap_or_default().to_owned();
    assert!(
        problem(1, "problem").contains("no answer within"),
        "{entries:?}"
    );
    assert_eq!(entries[1]["pendingOps"], json!(0));
    assert_eq!(problem(2, "outboxProblem"), "it is gone");
    assert!(
        problem(3, "outboxProblem").contains("is not an outbox"),
        "{entries:?}"
    );
    assert_eq!(problem(4, "outboxProblem"), "it is gone");
}

/// Neither servers nor worktrees of most of them are there any more.
#[test]
fn ten_thousand_sessions_are_listed() {
    let place = Place::new();
    let _serving = place.serve("127.0.0.1:0");
    opened(&open(&place, "s"));
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let away = listener.local_addr().expect("an address");
    drop(listener);
    let db = Connection::open(place.path(REGISTRY)).expect("the registry opens");
    let columns =
        "project, factory, request, title, origin_kind, origin_id, created_at, last_seen_at";
    let sql = format!(
        "WITH RECURSIVE n (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM n WHERE n < 9999) \
         INSERT INTO entry ({columns}, session, share, ref, state_file) \
         SELECT {columns}, CAST(n AS BLOB), CAST(printf('%016d', n) AS BLOB), \
         'share://{away}/' || lower(hex(printf('%016d', n))) || substr(ref, instr(ref, '?') - 33), \
         CAST('/gone/' || n AS BLOB) FROM entry, n"
    );
    assert_eq!(db.execute(&sql, []).expect("the registry is filled"), 9_999);
    drop(db);
    let entries = list_live(&place, &[0]);
    assert_eq!(entries.len(), 10_000);
    assert_eq!(entries[0]["live"], json!(true));
    for (at, entry) in entries.iter().enumerate().skip(1) {
        assert_eq!(entry["session"], json!(at.to_string()));
        assert_eq!(
            (&entry["live"], &entry["pendingOps"]),
            (&json!(false), &Value::Null)
        );
    }
}

#[test]
fn a_released_name_gets_a_new_share_and_the_old_ones_ref_is_kept() {
    let place = Place::new();
    let _serving = place.serve("127.0.0.1:0");
    let (first, _) = opened(&open(&place, "s"));
    let released = share(&place, &["release", "project", "s"]);
    released.says(0, &[r#"the name "project" "s" is free; share"#, "stays"]);
    let again = share(&place, &["release", "project", "s"]);
    again.says(1, &["no session", "is registered", "hint: `share list`"]);
    assert_eq!(list(&place, &[]), Vec::<Value>::new());

    let (second, answer) = opened(&open(&place, "s"));
    assert_eq!(answer, "created");
    assert_ne!(second, first);
    let entries = list(&place, &["--all", "--refs"]);
    let refs: Vec<_> = entries.iter().map(|entry| entry["ref"].clone()).collect();
    assert_eq!(refs, [json!(first.trim()), json!(second.trim())]);
    let states: Vec<_> = entries.iter().map(|entry| entry["state"].clone()).collect();
    assert_eq!(states, [json!("released"), json!("open")]);
    // The old one still opens.
    place.write("first.ref", &first);
    assert_eq!(place.share(&["show", "@first.ref"]).code, 0);
    // Nobody asked for refs here.
    for plain in [
        share(&place, &["list", "--all", "--json"]),
        share(&place, &["list", "--all"]),
    ] {
        assert!(
            !plain.out.contains("share://") && !plain.err.contains("share://"),
            "{plain:?}"
        );
    }
    share(&place, &["list", "--refs"]).says(2, &["--json"]);
}

#[test]
fn while_one_factory_may_have_created_the_share_another_is_refused_with_the_way_out() {
    let place = Place::new();
    let serving = place.serve("127.0.0.1:0");
    let text = place.read("server/factory.ref");
    let address = serving.kill();
    open(&place, "s").says(3, &["has no share yet"]);
    // Another server at the same address, with a factory of its own.
    std::fs::rename(place.path("server"), place.path("server-before")).expect("it moves");
    let _serving = place.serve(&address);
    assert_ne!(place.read("server/factory.ref"), text);
    open(&place, "s").says(
        1,
        &["was asked of another factory", "hint: `share release`"],
    );
    let released = share(&place, &["release", "project", "s"]);
    released.says(0, &["warning:", "may have created one that nobody opens"]);
    assert_eq!(opened(&open(&place, "s")).1, "created");
}

#[test]
fn a_damaged_registry_is_refused_by_name_and_never_replaced_by_an_empty_one() {
    let place = Place::new();
    let _serving = place.serve("127.0.0.1:0");
    opened(&open(&place, "s"));
    let path = place.path(REGISTRY);
    let whole = bytes(&path);
    std::fs::write(&path, &whole[..whole.len() / 2]).expect("the file is cut");
    let cut = bytes(&path);
    for args in [
        &["open", "project", "s", "--factory", FACTORY][..],
        &["list"],
        &["release", "project", "s"],
    ] {
        let refused = share(&place, args);
        refused.says(1, &[REGISTRY, "is damaged", "restore it from a copy"]);
        assert_eq!(bytes(&path), cut, "the file was touched");
    }
    std::fs::remove_file(&path).expect("it goes");
    for args in [&["list"][..], &["release", "project", "s"]] {
        share(&place, args).says(1, &["there is no registry at", REGISTRY]);
        assert!(!path.exists());
    }
}

#[test]
fn names_that_would_steer_a_terminal_are_shown_as_escapes_and_kept_as_given() {
    let place = Place::new();
    let _serving = place.serve("127.0.0.1:0");
    let (project, session) = ("p\u{1b}]0;x\u{7}", "s\n\u{9b}2J\u{202e}");
    let title = "t\u{1b}[2J";
    let ended = [
        share(
            &place,
            &[
                "open",
                project,
                session,
                "--factory",
                FACTORY,
                "--title",
                title,
            ],
        ),
        share(&place, &["list"]),
        share(&place, &["list", "--json"]),
        share(&place, &["release", project, session]),
        share(&place, &["release", project, session]),
    ];
    let steers = |c: char| (c.is_control() && c != '\n') || c == '\u{202e}';
    for ended in &ended {
        assert!(
            !ended.out.contains(steers) && !ended.err.contains(steers),
            "{ended:?}"
        );
    }
    let entry = &lines(&ended[2])[0];
    assert_eq!(
        (&entry["project"], &entry["session"]),
        (&json!(project), &json!(session))
    );
    assert_eq!(entry["title"], json!(title));
    assert_eq!(ended[1].out.lines().count(), 2, "{:?}", ended[1]);
}

#[test]
fn a_name_out_of_its_bounds_is_wrong_usage_and_nothing_is_made() {
    let place = Place::new();
    let long = "n".repeat(513);
    share(&place, &["open", "", "s"]).says(2, &["the name of the project is empty"]);
    share(&place, &["open", "p", &long]).says(2, &["has 513 bytes, limit is 512"]);
    assert!(!place.path("data").exists());
}

#[test]
fn the_registry_stands_in_the_users_data_folder_for_its_owner_only() {
    let place = Place::new();
    let _serving = place.serve("127.0.0.1:0");
    let run = |home: &str| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_share"));
        command
            .args(["open", "project", "s", "--factory", FACTORY])
            .current_dir(place.path(""))
            .env_remove("SHARE_REGISTRY")
            .env_remove("SHARE_STATE")
            .env("XDG_DATA_HOME", home);
        command.output().expect("the command runs")
    };
    assert!(
        run(&place.path("xdg").display().to_string())
            .status
            .success()
    );
    let file = place.path("xdg/share-sessions/registry.sqlite");
    let mode = |path: &std::path::Path| {
        std::fs::metadata(path)
            .expect("it is there")
            .permissions()
            .mode()
            & 0o777
    };
    assert_eq!(mode(&file), 0o600);
    assert_eq!(mode(file.parent().expect("a folder")), 0o700);
}
