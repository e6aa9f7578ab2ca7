//! `share demo` and `share push` as a user runs them: real processes, real files, real faults.
//!
//! Promises 1 to 3 of `docs/design.md` §1, end to end. Another seed: `SHARE_SEED=7 cargo test -p
//! share-cli --test demo`.

#![expect(clippy::unwrap_used, reason = "a test fails by its panic")]

use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};

use serde_json::Value;

fn share() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_share"));
    command
        .env_remove("SHARE_REF")
        .env_remove("SHARE_STATE")
        .env_remove("SHARE_LOG");
    command
}

fn recording(name: &str) -> PathBuf {
    let recordings = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/recordings");
    recordings.join(name).with_extension("jsonl.gz")
}

fn seed() -> String {
    std::env::var("SHARE_SEED").unwrap_or_else(|_| "42".to_owned())
}

#[track_caller]
fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

/// Runs a demo, which must end well, and returns its result.
#[track_caller]
fn demo(recording_name: &str, more: &[&str]) -> Value {
    demo_and_story(recording_name, more).0
}

/// The result, and what was told meanwhile.
#[track_caller]
fn demo_and_story(recording_name: &str, more: &[&str]) -> (Value, String) {
    let mut command = share();
    command.args(["demo", "--json", "--seed", &seed(), "--recording"]);
    command.arg(recording(recording_name)).args(more);
    let Output {
        status,
        stdout,
        stderr,
    } = command.output().unwrap();
    let (stdout, stderr) = (text(&stdout), text(&stderr));
    assert!(status.success(), "{status}\n{stdout}\n{stderr}");
    assert_eq!(stdout.lines().count(), 1, "{stdout}");
    (serde_json::from_str(&stdout).unwrap(), stderr)
}

#[track_caller]
fn assert_survived(result: &Value, keys: u64, ops: u64) {
    let number = |name: &str| result[name].as_u64().unwrap();
    assert_eq!(result["exact"], true, "{result}");
    assert_eq!(
        (number("keys"), number("ops"), number("applied")),
        (keys, ops, ops),
        "{result}"
    );
    for (name, least) in [
        ("duplicates", 1),
        ("resent", 1),
        ("server_kills", 2),
        ("client_kills", 2),
        ("lost_replies", 3),
        // Eight by themselves, and one for each lost reply.
        ("cuts", 11),
        ("revocations", 1),
    ] {
        assert!(number(name) >= least, "{name} < {least}: {result}");
    }
    // A lost reply is one that the server had given: what it answered comes again.
    assert!(number("duplicates") >= number("lost_replies"), "{result}");
    assert_eq!(number("sent"), number("ops") + number("resent"), "{result}");
}

// Keys were counted in the recordings' JSON, apart from the program; ops are at least its items that
// differ from the one before under the same key (24 and 84; two of these take two ops).

#[test]
fn the_smallest_recording_survives_every_fault_exactly() {
    assert_survived(&demo("auto", &[]), 22, 24);
}

#[test]
fn a_small_recording_survives_every_fault_exactly() {
    assert_survived(&demo("small", &[]), 62, 86);
}

#[test]
fn a_reader_that_is_revoked_is_cut_off_the_live_share_before_the_ack() {
    let (result, story) = demo_and_story("auto", &[]);
    assert_eq!(result["exact"], true, "{result}");
    assert!(result["revoke_ms"].is_u64(), "{result}");
    let revoked: Vec<_> = story
        .lines()
        .filter(|line| line.contains("revoked a reader's grant: acked after "))
        .collect();
    let [line] = revoked[..] else {
        panic!("{story}")
    };
    assert!(line.contains("24/24 ops applied"), "{line}");
    assert!(
        line.contains(", its live tail was cut at cursor 24 before the ack "),
        "{line}"
    );
    assert!(line.ends_with("; the ref opens nothing any more"), "{line}");
}

/// A copy of the client's folder sends the same ops, and a backup lacks what was acked since.
#[test]
fn a_hard_demo_survives_a_copied_client_and_a_restored_server_exactly() {
    let (result, story) = demo_and_story("small", &["--hard"]);
    assert_survived(&result, 62, 86);
    for name in ["copies", "restores"] {
        assert_eq!(result[name], 1, "{result}");
    }
    let came_back = |line: &str| line.contains("that it had acked since came back");
    assert!(story.lines().any(came_back), "{story}");
}

#[test]
fn the_number_of_cuts_is_the_users() {
    for cuts in [0, 2] {
        let (result, story) = demo_and_story("auto", &["--cuts", &cuts.to_string()]);
        assert_eq!(result["exact"], true, "{result}");
        let told = story.matches("cut the connection amid").count();
        assert_eq!(told, cuts, "{story}");
        // Each lost reply ends its connection too, as does a try that swallowed something else, such
        // as the answer to a word on what is settled.
        let all = result["cuts"].as_u64().unwrap();
        assert!(all >= 3 + told as u64, "{result}");
    }
}

#[test]
fn a_demo_keeps_the_files_of_a_folder_that_was_given_and_no_process() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("run");
    demo("auto", &["--data", data.to_str().unwrap()]);
    for file in ["owner.ref", "client/share.sqlite", "server/factory.ref"] {
        assert!(data.join(file).is_file(), "{file} is not kept");
    }
    // With the server gone, nobody holds its data: another one can open it.
    let mut server = serve(&data.join("server"));
    server.kill().unwrap();
    server.wait().unwrap();
}

#[test]
fn a_demo_that_is_stopped_leaves_no_process_and_no_folder() {
    let temporary = tempfile::tempdir().unwrap();
    let mut command = share();
    command
        .args(["demo", "--seed", &seed()])
        .env("TMPDIR", temporary.path());
    let mut demo = command
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(demo.stderr.take().unwrap()).lines();
    let started = lines
        .find(|line| line.as_ref().unwrap().contains("and client (pid "))
        .unwrap();
    let pids = started.unwrap();
    let pids: Vec<u32> = pids
        .split("(pid ")
        .skip(1)
        .map(|rest| rest.split(')').next().unwrap().parse().unwrap())
        .collect();
    let [server, client] = pids[..] else {
        panic!("{pids:?}")
    };
    assert!(!is_gone(server) && !is_gone(client));
    let terminate = Command::new("kill")
        .args(["-TERM", &demo.id().to_string()])
        .status();
    assert!(terminate.unwrap().success());
    let last = lines.map(Result::unwrap).collect::<Vec<_>>().join("\n");
    assert_eq!(demo.wait().unwrap().code(), Some(1), "{last}");
    assert!(last.contains("stopped before the end"), "{last}");
    assert!(is_gone(server), "the server lives on");
    assert!(is_gone(client), "the client lives on");
    assert_eq!(
        temporary.path().read_dir().unwrap().count(),
        0,
        "the folder is left"
    );
}

fn is_gone(pid: u32) -> bool {
    let mut ask = Command::new("kill");
    ask.args(["-0", &pid.to_string()]).stderr(Stdio::null());
    !ask.status().unwrap().success()
}

#[track_caller]
fn assert_refused(arguments: &[&str], code: i32, words: &str) {
    let output = share().arg("demo").args(arguments).output().unwrap();
    let stderr = text(&output.stderr);
    assert_eq!(output.status.code(), Some(code), "{stderr}");
    assert!(output.stdout.is_empty());
    assert!(stderr.contains(words), "{stderr}");
}

#[test]
fn what_is_no_recording_is_refused_before_anything_starts() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("notes.md");
    std::fs::write(&file, "# Notes\n").unwrap();
    let path = file.to_str().unwrap();
    let words = "can't be played: line 1 of the recording: not JSON that can be read";
    assert_refused(&["--recording", path], 1, words);
    std::fs::write(&file, "").unwrap();
    assert_refused(&["--recording", path], 1, "the recording is empty");
    assert_refused(
        &["--recording", "/nowhere/at.all"],
        1,
        "open recording /nowhere/at.all",
    );
    let create = r#"{"t_ms":1,"method":"POST","path":"/api/share","body":{"sessionID":"s"}}"#;
    std::fs::write(&file, create).unwrap();
    let words = "the recording has 0 pieces that change anything";
    assert_refused(&["--recording", path], 1, words);
    let auto = recording("auto");
    let auto = auto.to_str().unwrap();
    let words = "the recording is long enough for 15 cuts, not for 16";
    assert_refused(&["--recording", auto, "--cuts", "16"], 1, words);
    let here = folder.path().to_str().unwrap();
    assert_refused(&["--recording", auto, "--data", here], 1, "is not empty");
    assert_refused(&["--cuts", "many"], 2, "invalid value");
}

/// A server on a port of its own, ready.
fn serve(data: &Path) -> Child {
    let mut command = share();
    command
        .args(["serve", "--no-http", "--listen", "127.0.0.1:0", "--data"])
        .arg(data);
    let mut server = command.stdout(Stdio::piped()).spawn().unwrap();
    let mut line = String::new();
    BufReader::new(server.stdout.take().unwrap())
        .read_line(&mut line)
        .unwrap();
    assert!(line.starts_with("listening on "), "{line}");
    server
}

/// A folder with a server, and an owner's ref for a share on it.
struct Place {
    folder: tempfile::TempDir,
    server: Child,
}

impl Place {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let server = serve(&folder.path().join("server"));
        let factory = format!("@{}", folder.path().join("server/factory.ref").display());
        let mut create = share();
        create.args(["create", "--factory", &factory, "--state"]);
        create.arg(folder.path().join("creator.sqlite"));
        let created = create.output().unwrap();
        assert!(created.status.success(), "{}", text(&created.stderr));
        std::fs::write(folder.path().join("owner.ref"), created.stdout).unwrap();
        Self { folder, server }
    }

    fn push(&self, recording: &Path, more: &[&str]) -> Output {
        let mut push = share();
        push.arg("push").arg(format!(
            "@{}",
            self.folder.path().join("owner.ref").display()
        ));
        push.arg(recording)
            .arg("--state")
            .arg(self.folder.path().join("outbox.sqlite"));
        push.args(more).output().unwrap()
    }

    fn stop_server(&mut self) {
        self.server.kill().unwrap();
        self.server.wait().unwrap();
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        // Fails only if it was stopped before.
        let _ = self.server.kill();
        let _ = self.server.wait();
    }
}

#[track_caller]
fn assert_pushed(output: &Output, words: &str) {
    assert!(output.status.success(), "{}", text(&output.stderr));
    assert_eq!(text(&output.stdout), words);
}

#[test]
fn a_recording_pushed_again_is_skipped_and_a_longer_one_goes_on() {
    let place = Place::new();
    let first = "applied 24, duplicates 0, rejected 0\n";
    assert_pushed(&place.push(&recording("auto"), &[]), first);
    let again = "applied 24, duplicates 0, rejected 0; 24 were in the outbox already\n";
    assert_pushed(&place.push(&recording("auto"), &[]), again);
    let zcat = Command::new("gzip")
        .arg("-dc")
        .arg(recording("auto"))
        .output()
        .unwrap();
    let longer = place.folder.path().join("longer.jsonl");
    let sync = r#"{"t_ms":9,"method":"POST","path":"/api/share/rNy7Zxwn/sync","body":{"data":[{"type":"new","data":1}]}}"#;
    std::fs::write(&longer, format!("{}{sync}\n", text(&zcat.stdout))).unwrap();
    let on = "applied 25, duplicates 0, rejected 0; 24 were in the outbox already\n";
    assert_pushed(&place.push(&longer, &[]), on);
}

#[test]
fn with_the_server_away_a_push_exits_3_and_says_how_many_ops_are_kept() {
    let mut place = Place::new();
    place.stop_server();
    let output = place.push(&recording("auto"), &[]);
    assert_eq!(output.status.code(), Some(3));
    let stderr = text(&output.stderr);
    assert!(stderr.contains("24 ops are kept"), "{stderr}");
}

#[test]
fn a_push_of_what_is_no_recording_keeps_what_came_before_it() {
    let place = Place::new();
    let file = place.folder.path().join("broken.jsonl");
    let create = r#"{"t_ms":1,"method":"POST","path":"/api/share","body":{"sessionID":"s"}}"#;
    let sync = r#"{"t_ms":2,"method":"POST","path":"/api/share/a/sync","body":{"data":[{"type":"a","data":1}]}}"#;
    std::fs::write(&file, format!("{create}\n{sync}\noops\n")).unwrap();
    let output = place.push(&file, &["--no-flush"]);
    assert_eq!(output.status.code(), Some(1));
    let stderr = text(&output.stderr);
    assert!(
        stderr.contains("line 3 of the recording: not JSON"),
        "{stderr}"
    );
    std::fs::write(&file, format!("{create}\n{sync}\n")).unwrap();
    let words = "applied 1, duplicates 0, rejected 0; 1 were in the outbox already\n";
    assert_pushed(&place.push(&file, &[]), words);
}

#[test]
fn an_op_of_a_recording_that_is_rejected_is_named_by_its_line() {
    let place = Place::new();
    let file = place.folder.path().join("note.jsonl");
    let create = r#"{"t_ms":1,"method":"POST","path":"/api/share","body":{"sessionID":"s"}}"#;
    let sync = |text: &str| {
        let item = serde_json::json!({"type": "note", "data": {"text": text}});
        serde_json::json!({
            "t_ms": 2, "method": "POST", "path": "/api/share/a/sync", "body": {"data": [item]}
        })
    };
    let long = "long ".repeat(100);
    let first = format!("{create}\n{}\n", sync(&long));
    std::fs::write(&file, &first).unwrap();
    assert_pushed(
        &place.push(&file, &[]),
        "applied 1, duplicates 0, rejected 0\n",
    );
    let mut append = share();
    append.arg("append").arg(format!(
        "@{}",
        place.folder.path().join("owner.ref").display()
    ));
    append
        .arg("--state")
        .arg(place.folder.path().join("other.sqlite"));
    let mut append = append
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    append
        .stdin
        .take()
        .unwrap()
        .write_all(br#"{"op":"remove","key":"note"}"#)
        .unwrap();
    assert!(append.wait().unwrap().success());
    std::fs::write(
        &file,
        format!("{first}{}\n", sync(&format!("{long}and more"))),
    )
    .unwrap();
    let output = place.push(&file, &[]);
    assert_eq!(output.status.code(), Some(1));
    let words = "line 3: rejected: invalid mutation: the key is not in the document";
    assert!(
        text(&output.stderr).contains(words),
        "{}",
        text(&output.stderr)
    );
    let counts = "applied 1, duplicates 0, rejected 1; 1 were in the outbox already\n";
    assert_eq!(text(&output.stdout), counts);
}
