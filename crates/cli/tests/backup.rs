//! `share backup`, `share restore` and the authority journal as their users see them.

#![expect(clippy::unwrap_used, reason = "a test fails by its panic")]

#[expect(dead_code, reason = "other tests of this crate use the rest")]
mod running;

use std::path::Path;

use running::{Place, Serving, bytes};
use serde_json::Value;
use share_client::{Session, TcpConnector};
use share_model::seam::{SystemClock, SystemEntropy};
use share_model::{BumpEpoch, Origin, OriginKind, RequestId, Secret, ShareRef};

const PUT: &str = "{\"op\":\"put\",\"key\":\"a\",\"value\":1}\n";
const LATER: &str = "{\"op\":\"put\",\"key\":\"later\",\"value\":2}\n";
const BACKUP: [&str; 4] = ["backup", "saved", "--factory", "@server/factory.ref"];
const RESTORE: [&str; 4] = ["restore", "saved", "--data", "server"];

/// A server with a share and one op, and a backup of it in `saved`.
fn backed_up(place: &Place) -> Serving {
    let serving = place.serve_a_share();
    let appended = place.share_with(&["append", "@owner.ref"], PUT);
    assert_eq!(appended.code, 0, "{appended:?}");
    let made = place.share(&BACKUP);
    assert_eq!(made.code, 0, "{made:?}");
    serving
}

fn json(text: &str) -> Value {
    serde_json::from_str(text).expect("one JSON value")
}

/// The server's history, as a backup tells it.
fn history(place: &Place) -> String {
    let made = place.share(&[&BACKUP[..], &["--force", "--json"]].concat());
    let made = json(&made.out);
    made["history"].as_str().expect("it is text").to_owned()
}

/// The document is the one of the backup.
#[track_caller]
fn shows_the_op(place: &Place, share_ref: &str) {
    let shown = place.share(&["show", share_ref]);
    assert_eq!((shown.code, &*shown.out), (0, "a\t1\n"), "{shown:?}");
}

fn names(folder: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(folder).unwrap();
    let mut names: Vec<_> = entries
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

/// Bumps the share's epoch, and writes the new owner's ref to `new.ref`.
fn bump(place: &Place) {
    let owner: ShareRef = place.read("owner.ref").trim().parse().unwrap();
    let secret = Secret::random(&SystemEntropy::default());
    let request = BumpEpoch {
        request: RequestId::new(&SystemClock, &SystemEntropy::default()),
        owner_secret_hash: secret.hash(),
        origin: Origin::new(OriginKind::User, "tester".to_owned(), 100).unwrap(),
    };
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let asked = owner.clone();
    let bumped = tokio::task::LocalSet::new().block_on(&runtime, async move {
        let session = Session::redeem(&TcpConnector::default(), &asked).await;
        session.unwrap().bump_epoch(&request).await.unwrap()
    });
    let new = ShareRef {
        grant: bumped.grant,
        epoch: bumped.epoch,
        secret,
        ..owner
    };
    place.write("new.ref", &new.expose());
}

#[test]
fn a_backup_is_restored_and_what_was_there_is_kept() {
    let place = Place::new();
    let serving = backed_up(&place);
    place.share_with(&["append", "@owner.ref"], LATER);
    let address = serving.kill();
    let restored = place.share(&RESTORE);
    assert_eq!(restored.code, 0, "{restored:?}");
    assert!(
        restored
            .out
            .starts_with("server: 1 share restored from the backup of 20"),
        "{restored:?}"
    );
    for words in [
        "what was there is kept in `server/before-restore-20",
        "`share serve --data server`",
    ] {
        assert!(restored.err.contains(words), "no `{words}` in {restored:?}");
    }
    let _serving = place.serve(&address);
    shows_the_op(&place, "@owner.ref");
    // The factory's ref is the one that it was.
    let created = place.share(&["create", "--factory", "@server/factory.ref"]);
    assert_eq!(created.code, 0, "{created:?}");
}

#[test]
fn a_backup_says_what_it_holds_and_only_its_owner_reads_it() {
    use std::os::unix::fs::PermissionsExt;
    let place = Place::new();
    let _serving = backed_up(&place);
    let length = bytes(&place.path("saved")).len();
    let mode = std::fs::metadata(place.path("saved"))
        .unwrap()
        .permissions();
    assert_eq!(mode.mode() & 0o777, 0o600);
    let told = place.share(&["backup", "other", "--factory", "@server/factory.ref"]);
    told.is(
        0,
        &format!("other: 1 share, {length} bytes\n"),
        "keep the server's authority journal too, in another place than this file: \
         `share restore` needs both\n",
    );
    let told = place.share(&[&BACKUP[..], &["--force", "--json"]].concat());
    let told = json(&told.out);
    let keys: Vec<_> = told.as_object().unwrap().keys().cloned().collect();
    assert_eq!(
        keys,
        ["file", "shares", "bytes", "sha256", "history", "atUnixMs"]
    );
    assert_eq!(
        (&told["file"], &told["shares"]),
        (&"saved".into(), &1.into())
    );
}

#[test]
fn a_file_that_is_there_is_replaced_only_with_force() {
    let place = Place::new();
    let _serving = backed_up(&place);
    place.write("saved", "something else");
    place
        .share(&BACKUP)
        .says(1, &["`saved` is there already", "`--force`"]);
    assert_eq!(place.read("saved"), "something else");
    let forced = place.share(&[&BACKUP[..], &["--force"]].concat());
    assert_eq!(forced.code, 0, "{forced:?}");
    assert!(bytes(&place.path("saved")).starts_with(b"share-backup-1 {"));
}

#[test]
fn a_server_that_is_away_or_refuses_leaves_no_file() {
    let place = Place::new();
    let serving = place.serve_a_share();
    let right = place.read("server/factory.ref");
    let secret = right.trim().rsplit_once('#').unwrap().1.to_owned();
    let other = if secret.starts_with('A') { 'B' } else { 'A' };
    let wrong = right.replace(&secret, &format!("{other}{}", &secret[1..]));
    place.write("wrong.ref", &wrong);
    place
        .share(&["backup", "saved", "--factory", "@wrong.ref"])
        .says(1, &["notAuthorized", "`factory.ref`"]);
    serving.kill();
    place.share(&BACKUP).says(3, &["safe to try again"]);
    let left = names(&place.path("."));
    let known = [
        ".git",
        ".opencode",
        "owner.ref",
        "server",
        "server.journal",
        "wrong.ref",
    ];
    assert_eq!(left, known);
}

#[test]
fn a_server_that_runs_keeps_its_data() {
    let place = Place::new();
    let _serving = backed_up(&place);
    place
        .share(&RESTORE)
        .says(1, &["in use by another process", "stop the server"]);
    shows_the_op(&place, "@owner.ref");
}

#[test]
fn a_damaged_backup_is_refused_and_nothing_is_changed() {
    let place = Place::new();
    let address = backed_up(&place).kill();
    let before = names(&place.path("server"));
    let mut changed = bytes(&place.path("saved"));
    let at = changed.len() - 100;
    changed[at] ^= 1;
    std::fs::write(place.path("saved"), &changed).unwrap();
    place
        .share(&RESTORE)
        .says(1, &["`saved`", "damaged", "nothing was changed"]);
    std::fs::write(place.path("saved"), &changed[..5000]).unwrap();
    place
        .share(&RESTORE)
        .says(1, &["bytes after its first line", "nothing was changed"]);
    place.write("saved", "a letter");
    place.share(&RESTORE).says(1, &["is not a backup"]);
    place
        .share(&["restore", "none", "--data", "server"])
        .says(1, &["`none`", "nothing was changed"]);
    assert_eq!(names(&place.path("server")), before);
    let _serving = place.serve(&address);
    shows_the_op(&place, "@owner.ref");
}

#[test]
fn what_ended_after_the_backup_stays_ended() {
    let place = Place::new();
    let serving = backed_up(&place);
    bump(&place);
    let address = serving.kill();
    let restored = place.share(&[&RESTORE[..], &["--json"]].concat());
    let told = json(&restored.out);
    let keys: Vec<_> = told.as_object().unwrap().keys().cloned().collect();
    let expected = [
        "shares",
        "backupAtUnixMs",
        "history",
        "ended",
        "keptAside",
        "ownerRefs",
    ];
    assert_eq!(keys, expected);
    assert_eq!((&told["shares"], &told["ended"]), (&1.into(), &1.into()));
    let _serving = place.serve(&address);
    place
        .share(&["show", "@owner.ref"])
        .says(1, &["staleEpoch", "newer ref"]);
    shows_the_op(&place, "@new.ref");
}

#[test]
fn without_the_journal_it_must_be_said_and_every_owner_gets_a_new_ref() {
    let place = Place::new();
    let serving = backed_up(&place);
    bump(&place);
    let address = serving.kill();
    std::fs::remove_file(place.path("server.journal")).unwrap();
    place.share(&RESTORE).says(
        1,
        &[
            "server.journal is missing",
            "`--journal FILE`",
            "`--without-journal`",
        ],
    );
    let without = [&RESTORE[..], &["--without-journal"]].concat();
    let both = [&without[..], &["--journal", "server.journal"]].concat();
    assert_eq!(place.share(&both).code, 2);
    let restored = place.share(&without);
    assert_eq!(restored.code, 0, "{restored:?}");
    assert!(
        restored
            .err
            .contains("every grant has ended; each line of `server/owner-refs.jsonl`"),
        "{restored:?}"
    );
    let line = json(&place.read("server/owner-refs.jsonl"));
    place.write("restored.ref", line["ref"].as_str().unwrap());
    let _serving = place.serve(&address);
    for old in ["@owner.ref", "@new.ref"] {
        let shown = place.share(&["show", old]);
        assert_eq!(shown.code, 1, "{old}: {shown:?}");
    }
    shows_the_op(&place, "@restored.ref");
    place.share(&without).says(
        1,
        &["server.journal is there", "leave out `--without-journal`"],
    );
}

#[test]
fn the_history_changes_with_a_restore_and_not_with_a_kill() {
    let place = Place::new();
    let mut serving = backed_up(&place);
    let first = history(&place);
    for _ in 0..3 {
        place.share_with(&["append", "@owner.ref"], LATER);
        let address = serving.kill();
        serving = place.serve(&address);
        assert_eq!(history(&place), first);
    }
    let address = serving.kill();
    assert_eq!(place.share(&RESTORE).code, 0);
    let _serving = place.serve(&address);
    assert_ne!(history(&place), first);
}

#[test]
fn a_journal_may_lie_elsewhere_and_is_missed_when_it_is_gone() {
    let place = Place::new();
    let address = backed_up(&place).kill();
    std::fs::create_dir(place.path("apart")).unwrap();
    std::fs::rename(place.path("server.journal"), place.path("apart/journal")).unwrap();
    let serve = [
        "serve",
        "--no-http",
        "--data",
        "server",
        "--listen",
        "127.0.0.1:0",
    ];
    place.share(&serve).says(
        1,
        &[
            "authority journal server.journal is missing",
            "`--new-journal`",
        ],
    );
    let inside = [&serve[..], &["--journal", "server/journal"]].concat();
    place.share(&inside).says(1, &["lies in the data folder"]);
    let restored = place.share(&[&RESTORE[..], &["--journal", "apart/journal"]].concat());
    assert_eq!(restored.code, 0, "{restored:?}");
    assert!(
        restored
            .err
            .contains("`share serve --data server --journal apart/journal`"),
        "{restored:?}"
    );
    std::fs::rename(place.path("apart/journal"), place.path("server.journal")).unwrap();
    let _serving = place.serve(&address);
    shows_the_op(&place, "@owner.ref");
}
