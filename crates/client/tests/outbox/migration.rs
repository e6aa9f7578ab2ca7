//! A file that an older version wrote becomes one of this version: nothing of it is lost, and it is
//! kept beside as it was.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use rusqlite::Connection;
use rusqlite::types::Value;
use share_client::{Outbox, OutboxOptions, Outcome, RowFilter};
use share_model::{Cursor, OpId, RefusalCode, Seq, ShareId, ShareRef};

use crate::folder::{SHARE, put, reference, rows};
use crate::version_1::{self, BatchOf1, LaneOf1, RowOf1};
use crate::version_2;

const OTHER: ShareId = ShareId::from_bytes([8; 16]);
const CHILD: &str = "SHARE_CLIENT_MIGRATION_CHILD";

/// The older versions.
const OLDER: [i64; 2] = [1, 2];
const THIS: i64 = 3;

struct Place {
    folder: tempfile::TempDir,
    version: i64,
}

impl Place {
    fn empty(version: i64) -> Self {
        Self {
            folder: tempfile::tempdir().unwrap(),
            version,
        }
    }

    fn write(&self, lanes: &[LaneOf1]) {
        match self.version {
            1 => version_1::write(&self.file(), lanes),
            _ => version_2::write(&self.file(), lanes),
        }
    }

    /// A file of an older version with a row in every state, behind four that are pruned, and a share that
    /// stands still.
    fn new(version: i64) -> Self {
        let place = Self::empty(version);
        let row = |state, batch, outcome| RowOf1 {
            state,
            batch,
            outcome,
        };
        let first = LaneOf1 {
            reference: reference(),
            pruned: 4,
            rows: vec![
                row(10, Some(1), Some(&[1, 0, 5])),
                row(11, Some(1), Some(&[1, 2, 2])),
                row(12, Some(1), Some(&[1, 3])),
                row(10, Some(1), Some(&[1, 1, 6])),
                row(4, Some(1), Some(&[1, 2, 0, 5])),
                row(3, Some(2), None),
                row(2, Some(3), None),
                row(1, None, None),
            ],
            batches: vec![
                BatchOf1 {
                    seqs: (5, 9),
                    is_answered: true,
                },
                BatchOf1 {
                    seqs: (10, 10),
                    is_answered: false,
                },
                BatchOf1 {
                    seqs: (11, 11),
                    is_answered: false,
                },
            ],
            settled_through: 8,
            answered_through: 9,
            stop: None,
        };
        let second = LaneOf1 {
            reference: ShareRef {
                share: OTHER,
                ..reference()
            },
            pruned: 0,
            rows: vec![row(1, None, None)],
            batches: Vec::new(),
            settled_through: 0,
            answered_through: 0,
            stop: Some(("revoked", "the grant was revoked")),
        };
        place.write(&[first, second]);
        place
    }

    fn file(&self) -> PathBuf {
        self.folder.path().join("state/share.sqlite")
    }

    fn copy(&self) -> PathBuf {
        let name = format!("state/share.sqlite.version-{}", self.version);
        self.folder.path().join(name)
    }
}

fn open(path: &Path) -> Outbox {
    Outbox::open(path, OutboxOptions::default()).unwrap()
}

/// All rows of a query, column by column.
fn table(path: &Path, sql: &str) -> Vec<Vec<Value>> {
    let db = Connection::open(path).unwrap();
    let mut statement = db.prepare(sql).unwrap();
    let columns = statement.column_count();
    let rows = statement.query_map([], |row| (0..columns).map(|at| row.get(at)).collect());
    rows.unwrap().map(Result::unwrap).collect()
}

fn version(path: &Path) -> i64 {
    match table(path, "PRAGMA user_version")[0][0] {
        Value::Integer(version) => version,
        ref other => panic!("{other:?}"),
    }
}

/// What older versions wrote, and how this version reads the same.
const BATCHES: &str = "SELECT number, lane, id, kind, atomic, expected_cursor, first_seq, last_seq, \
    answered FROM batch ORDER BY number";
const OPS: &str = "SELECT * FROM op ORDER BY id";
const PROGRESS: &str = "SELECT lane, seq, state, batch, give_up, alone, attempts, rejections, \
    first_rejected_at, next_attempt_at, outcome, error, settled_at FROM progress ORDER BY lane, seq";
const LANES: &str = "SELECT number, share, ref, ref_number, outbox_key, incarnation, nonce, history, \
    next_seq, chain, settled_through, answered_through, pruned_through, pruned_chain, settled_ops, \
    settled_bytes, stop_code, stop_message, stopped_at FROM lane ORDER BY number";
const ALL: [&str; 4] = [BATCHES, OPS, PROGRESS, LANES];

fn contents(path: &Path) -> Vec<Vec<Vec<Value>>> {
    let limits = match version(path) {
        THIS => "SELECT told_limits FROM lane ORDER BY number",
        _ => "SELECT limits FROM lane ORDER BY number",
    };
    let all = ALL.iter().chain([&limits]);
    all.map(|sql| table(path, sql)).collect()
}

#[tokio::test]
async fn a_file_of_an_older_version_opens_with_every_byte_that_it_held() {
    for older in OLDER {
        let place = Place::new(older);
        let before = contents(&place.file());
        assert_eq!(before[0].len(), 3);
        let outbox = open(&place.file());
        drop(outbox);
        assert_eq!(version(&place.file()), THIS);
        assert_eq!(contents(&place.file()), before);
    }
}

#[tokio::test]
async fn rows_of_an_older_version_are_read_as_they_were() {
    for older in OLDER {
        let place = Place::new(older);
        let outbox = open(&place.file());
        let rows = rows(&outbox).await;
        let of_first: Vec<_> = rows
            .iter()
            .filter(|row| row.share == SHARE)
            .map(|row| (row.seq.get(), row.state.name(), row.attempts))
            .collect();
        let expected = [
            (5, "settled", 1),
            (6, "dead-letter", 1),
            (7, "in-doubt", 1),
            (8, "settled", 1),
            (9, "rejected", 1),
            (10, "sent", 1),
            (11, "reserved", 0),
            (12, "queued", 0),
        ];
        assert_eq!(of_first, expected);
        assert_eq!(rows[0].outcome, Some(Outcome::Applied(Cursor::new(5))));
        assert_eq!(rows[3].outcome, Some(Outcome::Duplicate(Cursor::new(6))));
        assert_eq!(rows[1].error.as_deref(), Some("why"));
        assert_eq!(rows[4].op_id, OpId::from_bytes([9; 16]));
        assert!(
            rows.iter()
                .all(|row| row.was.is_none() && row.resolution.is_none())
        );
        let shares = outbox.shares().await.unwrap();
        let counts = (
            shares[0].pending,
            shares[0].in_doubt,
            shares[0].dead_letters,
        );
        assert_eq!(counts, (4, 1, 1));
        assert_eq!(shares[0].settled_through, Seq::new(8));
        assert_eq!(shares[0].stopped, None);
        let stop = shares[1].stopped.clone().unwrap();
        assert_eq!(
            (stop.code, &*stop.message),
            (RefusalCode::Revoked, "the grant was revoked")
        );
    }
}

#[tokio::test]
async fn a_migrated_outbox_goes_on_and_takes_decisions() {
    for older in OLDER {
        let place = Place::new(older);
        let outbox = open(&place.file());
        let next = outbox.enqueue(SHARE, put("a", "1")).await.unwrap();
        assert_eq!(next.seq, Seq::new(13));
        let new = outbox.send_as_new(SHARE, OpId::from_bytes([6; 16])).await;
        assert_eq!(new.unwrap().seq, Seq::new(14));
        let doubt = OpId::from_bytes([7; 16]);
        outbox.drop_op(SHARE, doubt).await.unwrap();
        let of_other = RowFilter {
            share: Some(OTHER),
            ..RowFilter::default()
        };
        assert_eq!(outbox.rows(of_other, None, 9).await.unwrap().len(), 1);
        assert_eq!(outbox.recoveries(0, 9).await.unwrap(), []);
    }
}

#[tokio::test]
async fn the_file_as_an_older_version_wrote_it_is_kept_beside_for_its_owner_only() {
    for older in OLDER {
        let place = Place::new(older);
        let before = contents(&place.file());
        let tables = |path: &Path| table(path, "SELECT name, sql FROM sqlite_schema ORDER BY name");
        let tables_before = tables(&place.file());
        drop(open(&place.file()));
        assert_eq!(version(&place.copy()), older);
        assert_eq!(contents(&place.copy()), before);
        assert_eq!(tables(&place.copy()), tables_before);
        let whole = table(&place.copy(), "PRAGMA integrity_check");
        assert_eq!(whole, [[Value::Text("ok".into())]]);
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            let mode = std::fs::metadata(place.copy())
                .unwrap()
                .permissions()
                .mode();
            assert_eq!(mode & 0o777, 0o600);
        }
    }
}

#[tokio::test]
async fn a_crash_between_the_copy_and_the_migration_is_harmless() {
    for older in OLDER {
        let place = Place::new(older);
        let before = contents(&place.file());
        // What a process that died there leaves: the copy, and another half of one.
        std::fs::copy(place.file(), place.copy()).unwrap();
        let half = place.copy().with_extension("version-x.abc.new");
        std::fs::write(&half, b"half a copy").unwrap();
        drop(open(&place.file()));
        assert_eq!(
            (version(&place.file()), version(&place.copy())),
            (THIS, older)
        );
        assert_eq!(contents(&place.file()), before);
        assert_eq!(contents(&place.copy()), before);
    }
}

/// A migration that ends half-way leaves the file as it was.
#[tokio::test]
async fn a_migration_that_fails_half_way_leaves_the_older_version() {
    for older in OLDER {
        let place = Place::new(older);
        let before = contents(&place.file());
        // The last that the migration makes is in its way.
        let in_the_way = "CREATE TABLE standing (a)";
        Connection::open(place.file())
            .unwrap()
            .execute_batch(in_the_way)
            .unwrap();
        Outbox::open(&place.file(), OutboxOptions::default()).unwrap_err();
        assert_eq!(version(&place.file()), older);
        assert_eq!(contents(&place.file()), before);
        Connection::open(place.file())
            .unwrap()
            .execute_batch("DROP TABLE standing")
            .unwrap();
        drop(open(&place.file()));
        assert_eq!(contents(&place.file()), before);
    }
}

/// This version makes another plan where version 1 stood still for its lane.
#[tokio::test]
async fn a_share_that_version_1_stopped_for_its_lane_goes_on() {
    for (code, stays) in [
        ("writerForked", false),
        ("historyChanged", false),
        ("gone", true),
    ] {
        let place = Place::empty(1);
        let lane = LaneOf1 {
            reference: reference(),
            pruned: 0,
            rows: Vec::new(),
            batches: Vec::new(),
            settled_through: 0,
            answered_through: 0,
            stop: Some((code, "why")),
        };
        place.write(&[lane]);
        let shares = open(&place.file()).shares().await.unwrap();
        assert_eq!(shares[0].stopped.is_some(), stays, "{code}");
    }
}

/// Not a test of its own: what the next one starts, twice at once.
#[tokio::test]
async fn child_that_opens_the_outbox() {
    let Ok(path) = std::env::var(CHILD) else {
        return;
    };
    assert_eq!(rows(&open(path.as_ref())).await.len(), 9);
}

#[tokio::test]
async fn two_processes_that_migrate_at_once_both_open_the_outbox() {
    for older in OLDER {
        for _ in 0..3 {
            let place = Place::new(older);
            let before = contents(&place.file());
            let children: Vec<_> = (0..3)
                .map(|_| {
                    Command::new(std::env::current_exe().unwrap())
                        .args(["--exact", "migration::child_that_opens_the_outbox"])
                        .env(CHILD, place.file())
                        .stdout(Stdio::piped())
                        .spawn()
                        .unwrap()
                })
                .collect();
            for child in children {
                let output = child.wait_with_output().unwrap();
                let said = String::from_utf8_lossy(&output.stdout).into_owned();
                assert!(output.status.success(), "{said}");
            }
            assert_eq!(
                (version(&place.file()), version(&place.copy())),
                (THIS, older)
            );
            assert_eq!(contents(&place.file()), before);
            assert_eq!(contents(&place.copy()), before);
        }
    }
}

/// What it would take for settled has no row of its own any more.
#[tokio::test]
async fn a_program_of_version_2_that_has_the_file_open_gets_no_further() {
    let place = Place::new(2);
    let old = Connection::open(place.file()).unwrap();
    // As version 2 began an enqueue, and a step of the replay.
    let begins = [
        "SELECT number, outbox_key, next_seq, chain, limits, stop_code FROM lane \
         WHERE share = ?1 AND left_at IS NULL",
        "SELECT number, share, ref, ref_number, outbox_key, incarnation, nonce, history, next_seq, \
         chain, settled_through, answered_through, pruned_through, pruned_chain, settled_ops, \
         settled_bytes, limits, stop_code, stop_message, stopped_at, left_at, cursor FROM lane \
         WHERE share = ?1 AND left_at IS NULL",
    ];
    let mut begins = begins.map(|begin| old.prepare(begin).unwrap());
    for begin in &mut begins {
        assert!(begin.exists([SHARE.to_bytes()]).unwrap());
    }
    drop(open(&place.file()));
    for begin in &mut begins {
        let error = begin.exists([SHARE.to_bytes()]).unwrap_err();
        assert!(error.to_string().contains("limits"), "{error}");
    }
}
