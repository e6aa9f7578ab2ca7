//! What a person decides about ops that were given up or are in doubt.

use std::io::{BufRead, BufReader, Write};
use std::process::{Command, Stdio};

use rusqlite::Connection;
use share_client::{
    DependsOn, Enqueued, Grouping, NewOp, Outbox, OutboxError, OutboxOptions, Resolution,
    ResolveError, Row, RowState,
};
use share_model::seam::SqliteSettings;
use share_model::{Cursor, Mutation, OpId, Origin, OriginKind, Seq};

use crate::folder::{Folder, SHARE, named, put, reference, rows, seqs};

// Outcomes as they stand in a row, by hand: the format, then the end.
/// Given up by a copy.
const DEAD: &[u8] = &[1, 2, 2];
/// Given up: the group expects cursor 5, the share has 6.
const CURSOR_PASSED: &[u8] = &[1, 2, 0, 6, 5, 6];
const IN_DOUBT: &[u8] = &[1, 3];
/// Applied, with cursor 1.
const APPLIED: &[u8] = &[1, 0, 1];

fn id(number: u8) -> OpId {
    OpId::from_bytes([number; 16])
}

fn on(number: u8, dependency: u8) -> NewOp {
    NewOp {
        depends_on: vec![DependsOn::Op(id(dependency))],
        ..named(number, put("b", "2"))
    }
}

/// Ends the op at `seq` as `outcome` says, as the recorder would.
fn end(folder: &Folder, seq: u64, outcome: &[u8]) {
    let state = match outcome {
        IN_DOUBT => 12,
        APPLIED => 10,
        _ => 11,
    };
    let db = Connection::open(folder.path()).unwrap();
    // Each op gets a row of its own, as what goes its own way has.
    db.execute_batch(
        "INSERT OR IGNORE INTO progress (lane, seq, state) SELECT lane, seq, 1 FROM op;
         UPDATE lane SET cut_through = next_seq - 1",
    )
    .unwrap();
    let seq = i64::try_from(seq).unwrap();
    let changed = db.execute(
        "UPDATE progress SET state = ?2, outcome = ?3, error = 'why', settled_at = 7 WHERE seq = ?1",
        rusqlite::params![seq, state, outcome],
    );
    assert_eq!(changed.unwrap(), 1);
}

/// An outbox with the ops 1 and 2, of which the first was given up.
async fn with_a_dead_letter(folder: &Folder) -> Outbox {
    let outbox = folder.outbox().await;
    for number in [1, 2] {
        let op = named(number, put("a", "1"));
        outbox.enqueue(SHARE, op).await.unwrap();
    }
    end(folder, 1, DEAD);
    outbox
}

async fn row(outbox: &Outbox, number: u8) -> Row {
    let found = outbox.rows_of(SHARE, vec![id(number)]).await.unwrap();
    found.into_iter().next().flatten().unwrap()
}

async fn counts(outbox: &Outbox) -> (u64, u64, u64) {
    let status = outbox.shares().await.unwrap().remove(0);
    (status.pending, status.in_doubt, status.dead_letters)
}

async fn depends_on(outbox: &Outbox, op: OpId) -> Vec<share_model::Identity> {
    let details = outbox.op_details(SHARE, op).await.unwrap().unwrap();
    let dependencies = details.depends_on.into_iter();
    dependencies.map(|dependency| dependency.identity).collect()
}

#[tokio::test]
async fn a_dead_letter_is_sent_as_a_new_op_at_the_end_of_the_lane_and_counted_no_more() {
    let folder = Folder::new();
    let outbox = with_a_dead_letter(&folder).await;
    assert_eq!(counts(&outbox).await, (1, 0, 1));
    let new = outbox.send_as_new(SHARE, id(1)).await.unwrap();
    assert_eq!((new.seq, new.identity.seq), (Seq::new(3), Seq::new(3)));
    assert_ne!(new.id, id(1));
    assert_eq!(counts(&outbox).await, (2, 0, 0));
    let old = row(&outbox, 1).await;
    assert_eq!(old.state, RowState::DeadLetter);
    assert_eq!(old.resolution, Some(Resolution::SentAsNew(new.id)));
    let details = outbox.op_details(SHARE, new.id).await.unwrap().unwrap();
    let expected = Mutation::Put {
        key: "a".into(),
        json: "1".into(),
    };
    assert_eq!(details.mutation, expected);
    assert_eq!(
        (details.row.state, details.identity),
        (RowState::Queued, new.identity)
    );
}

#[tokio::test]
async fn sending_as_new_again_answers_the_first_new_op_and_enqueues_nothing() {
    let folder = Folder::new();
    let outbox = with_a_dead_letter(&folder).await;
    let new = outbox.send_as_new(SHARE, id(1)).await.unwrap();
    assert_eq!(outbox.send_as_new(SHARE, id(1)).await.unwrap(), new);
    drop(outbox);
    let outbox = folder.outbox().await;
    assert_eq!(outbox.send_as_new(SHARE, id(1)).await.unwrap(), new);
    assert_eq!(seqs(&outbox).await, [1, 2, 3]);
}

#[tokio::test]
async fn a_dropped_op_stays_seen_and_is_counted_no_more_and_dropping_it_again_is_the_same() {
    let folder = Folder::new();
    let outbox = with_a_dead_letter(&folder).await;
    end(&folder, 2, IN_DOUBT);
    assert_eq!(counts(&outbox).await, (0, 1, 1));
    outbox.drop_op(SHARE, id(2)).await.unwrap();
    outbox.drop_op(SHARE, id(2)).await.unwrap();
    assert_eq!(counts(&outbox).await, (0, 0, 1));
    let row = row(&outbox, 2).await;
    assert_eq!(
        (row.state, row.resolution),
        (RowState::InDoubt, Some(Resolution::Dropped))
    );
    assert_eq!(seqs(&outbox).await, [1, 2]);
}

#[tokio::test]
async fn another_decision_is_refused_and_says_how_it_was_decided() {
    let folder = Folder::new();
    let outbox = with_a_dead_letter(&folder).await;
    end(&folder, 2, IN_DOUBT);
    let new = outbox.send_as_new(SHARE, id(1)).await.unwrap();
    match outbox.drop_op(SHARE, id(1)).await.unwrap_err() {
        ResolveError::SentAlready { op, replacement } => {
            assert_eq!((op, replacement), (id(1), new.id));
        }
        error => panic!("{error}"),
    }
    outbox.drop_op(SHARE, id(2)).await.unwrap();
    let error = outbox.send_as_new(SHARE, id(2)).await.unwrap_err();
    assert!(
        matches!(error, ResolveError::DroppedAlready { op } if op == id(2)),
        "{error}"
    );
    assert_eq!(seqs(&outbox).await, [1, 2, 3]);
}

#[tokio::test]
async fn there_is_nothing_to_decide_about_an_op_that_is_tried_or_applied_or_not_held() {
    let folder = Folder::new();
    let outbox = with_a_dead_letter(&folder).await;
    let both = |number| {
        let outbox = &outbox;
        async move {
            let sent = outbox.send_as_new(SHARE, id(number)).await.unwrap_err();
            [sent, outbox.drop_op(SHARE, id(number)).await.unwrap_err()]
        }
    };
    for error in both(2).await {
        let is_tried = |error: &ResolveError| matches!(error, ResolveError::StillTried { op, state: RowState::Queued } if *op == id(2));
        assert!(is_tried(&error), "{error}");
        assert!(error.to_string().contains("still tried"), "{error}");
    }
    end(&folder, 2, APPLIED);
    for error in both(2).await {
        assert!(
            matches!(error, ResolveError::Applied { op } if op == id(2)),
            "{error}"
        );
    }
    for error in both(9).await {
        assert!(
            matches!(error, ResolveError::NotHeld { op, .. } if op == id(9)),
            "{error}"
        );
    }
    assert_eq!(seqs(&outbox).await, [1, 2]);
}

#[tokio::test]
async fn the_new_op_has_the_origin_of_the_old_one() {
    let folder = Folder::new();
    let outbox = with_a_dead_letter(&folder).await;
    // Format 2: the entry as it was, then the origin: agent `s`, at 9.
    let db = Connection::open(folder.path()).unwrap();
    let entry: Vec<u8> = db
        .query_row("SELECT entry FROM op WHERE seq = 1", [], |row| row.get(0))
        .unwrap();
    let with_origin = [&[2], &entry[1..], &[1, 1, 1, b's', 9]].concat();
    db.execute("UPDATE op SET entry = ?1 WHERE seq = 1", [with_origin])
        .unwrap();
    let origin = Origin::new(OriginKind::Agent, "s".into(), 9).unwrap();
    let of = |op| {
        let outbox = &outbox;
        async move {
            let details = outbox.op_details(SHARE, op).await.unwrap();
            details.unwrap().origin
        }
    };
    let new = outbox.send_as_new(SHARE, id(1)).await.unwrap();
    assert_eq!(of(new.id).await, Some(origin));
    assert_eq!(of(id(2)).await, None);
}

#[tokio::test]
async fn dependencies_stay_but_one_that_was_sent_as_new_is_a_dependency_on_that() {
    let folder = Folder::new();
    let outbox = folder.outbox().await;
    let mut first = Vec::new();
    for number in [1, 2] {
        let op = named(number, put("a", "1"));
        first.push(outbox.enqueue(SHARE, op).await.unwrap());
    }
    let both = NewOp {
        depends_on: vec![DependsOn::Op(id(1)), DependsOn::Op(id(2))],
        ..named(3, put("b", "2"))
    };
    outbox.enqueue(SHARE, both).await.unwrap();
    outbox.enqueue(SHARE, on(4, 2)).await.unwrap();
    end(&folder, 1, APPLIED);
    for seq in 2..=4 {
        end(&folder, seq, DEAD);
    }
    let second = outbox.send_as_new(SHARE, id(2)).await.unwrap();
    let third = outbox.send_as_new(SHARE, id(3)).await.unwrap();
    assert_eq!(
        depends_on(&outbox, third.id).await,
        [first[0].identity, second.identity]
    );
    // And on, if that one was given up and sent as new in its turn.
    end(&folder, second.seq.get(), DEAD);
    end(&folder, third.seq.get(), DEAD);
    let second = outbox.send_as_new(SHARE, second.id).await.unwrap();
    let third = outbox.send_as_new(SHARE, third.id).await.unwrap();
    assert_eq!(
        depends_on(&outbox, third.id).await,
        [first[0].identity, second.identity]
    );
    let fourth = outbox.send_as_new(SHARE, id(4)).await.unwrap();
    assert_eq!(depends_on(&outbox, fourth.id).await, [second.identity]);
}

#[tokio::test]
async fn a_dependency_that_nobody_has_decided_is_named_and_comes_first() {
    for (outcome, expected) in [(DEAD, RowState::DeadLetter), (IN_DOUBT, RowState::InDoubt)] {
        let folder = Folder::new();
        let outbox = with_a_dead_letter(&folder).await;
        end(&folder, 1, outcome);
        outbox.enqueue(SHARE, on(3, 1)).await.unwrap();
        end(&folder, 3, DEAD);
        let error = outbox.send_as_new(SHARE, id(3)).await.unwrap_err();
        match &error {
            ResolveError::DependencyUndecided {
                op,
                dependency,
                state,
            } => {
                assert_eq!((*op, *dependency, *state), (id(3), id(1), expected));
            }
            error => panic!("{error}"),
        }
        assert!(
            error.to_string().contains("decide that one first"),
            "{error}"
        );
        assert_eq!(seqs(&outbox).await, [1, 2, 3]);
        assert_eq!(row(&outbox, 3).await.resolution, None);
        outbox.send_as_new(SHARE, id(1)).await.unwrap();
        outbox.send_as_new(SHARE, id(3)).await.unwrap();
    }
}

#[tokio::test]
async fn what_depends_on_an_op_that_was_let_go_is_not_sent_as_new() {
    let folder = Folder::new();
    let outbox = with_a_dead_letter(&folder).await;
    outbox.enqueue(SHARE, on(3, 1)).await.unwrap();
    end(&folder, 3, DEAD);
    outbox.drop_op(SHARE, id(1)).await.unwrap();
    let error = outbox.send_as_new(SHARE, id(3)).await.unwrap_err();
    assert!(
        matches!(error, ResolveError::DependencyDropped { op, dependency } if (op, dependency) == (id(3), id(1))),
        "{error}"
    );
    outbox.drop_op(SHARE, id(3)).await.unwrap();
    assert_eq!(counts(&outbox).await, (1, 0, 0));
}

/// Ops 1 to 3 as one group for the cursor 5, the last of which depends on the first.
async fn group(folder: &Folder) -> (Outbox, Vec<Enqueued>) {
    let outbox = folder.outbox().await;
    let ops = vec![named(1, put("a", "1")), named(2, put("b", "2")), on(3, 1)];
    let atomic = Grouping::Atomic {
        expected_cursor: Some(Cursor::new(5)),
    };
    let enqueued = outbox.enqueue_all(SHARE, ops, atomic).await.unwrap();
    (outbox, enqueued)
}

#[tokio::test]
async fn a_dead_group_is_sent_as_one_new_group_whichever_of_its_ops_is_named() {
    let folder = Folder::new();
    let (outbox, _) = group(&folder).await;
    end(&folder, 1, DEAD);
    end(&folder, 2, IN_DOUBT);
    let tried = outbox.send_as_new(SHARE, id(2)).await.unwrap_err();
    assert!(
        matches!(tried, ResolveError::StillTried { op, .. } if op == id(3)),
        "{tried}"
    );
    end(&folder, 3, DEAD);
    let second = outbox.send_as_new(SHARE, id(2)).await.unwrap();
    assert_eq!(second.seq, Seq::new(5));
    let first = outbox.send_as_new(SHARE, id(1)).await.unwrap();
    let third = outbox.send_as_new(SHARE, id(3)).await.unwrap();
    assert_eq!(
        (first.seq, third.seq, seqs(&outbox).await.len()),
        (Seq::new(4), Seq::new(6), 6)
    );
    let details = outbox.op_details(SHARE, third.id).await.unwrap().unwrap();
    let group = details.group.unwrap();
    assert_eq!(group.ops, [first.id, second.id, third.id]);
    assert_eq!(group.expected_cursor, Some(Cursor::new(5)));
    assert_eq!(depends_on(&outbox, third.id).await, [first.identity]);
    assert_eq!(counts(&outbox).await, (3, 0, 0));
}

#[tokio::test]
async fn a_group_is_let_go_as_a_whole() {
    let folder = Folder::new();
    let (outbox, _) = group(&folder).await;
    for seq in 1..=3 {
        end(&folder, seq, DEAD);
    }
    outbox.drop_op(SHARE, id(2)).await.unwrap();
    assert_eq!(counts(&outbox).await, (0, 0, 0));
    let decided = rows(&outbox).await.into_iter().map(|row| row.resolution);
    assert!(decided.eq([Some(Resolution::Dropped); 3]));
}

#[tokio::test]
async fn a_group_of_which_a_part_was_applied_is_let_go_and_never_sent_again() {
    let folder = Folder::new();
    let (outbox, _) = group(&folder).await;
    end(&folder, 1, DEAD);
    end(&folder, 2, APPLIED);
    end(&folder, 3, DEAD);
    let error = outbox.send_as_new(SHARE, id(1)).await.unwrap_err();
    assert!(
        matches!(error, ResolveError::GroupApplied { op, applied } if (op, applied) == (id(1), id(2))),
        "{error}"
    );
    assert_eq!(seqs(&outbox).await, [1, 2, 3]);
    outbox.drop_op(SHARE, id(1)).await.unwrap();
    assert_eq!(row(&outbox, 2).await.resolution, None);
    assert_eq!(counts(&outbox).await, (0, 0, 0));
}

#[tokio::test]
async fn a_group_for_a_cursor_that_has_passed_is_not_sent_again() {
    let folder = Folder::new();
    let (outbox, _) = group(&folder).await;
    for seq in 1..=3 {
        end(&folder, seq, CURSOR_PASSED);
    }
    let error = outbox.send_as_new(SHARE, id(1)).await.unwrap_err();
    match error {
        ResolveError::CursorPassed {
            op,
            expected,
            actual,
        } => assert_eq!(
            (op, expected, actual),
            (id(1), Cursor::new(5), Cursor::new(6))
        ),
        error => panic!("{error}"),
    }
    assert_eq!(seqs(&outbox).await, [1, 2, 3]);
}

#[tokio::test]
async fn of_a_share_that_is_gone_ops_are_let_go_and_never_sent() {
    let folder = Folder::new();
    let outbox = with_a_dead_letter(&folder).await;
    Connection::open(folder.path())
        .unwrap()
        .execute(
            "UPDATE lane SET stop_code = 'gone', stop_message = 'deleted', stopped_at = 1",
            [],
        )
        .unwrap();
    let error = outbox.send_as_new(SHARE, id(1)).await.unwrap_err();
    assert!(
        matches!(
            error,
            ResolveError::Outbox(OutboxError::ShareGone { share }) if share == SHARE
        ),
        "{error}"
    );
    assert_eq!(row(&outbox, 1).await.resolution, None);
    outbox.drop_op(SHARE, id(1)).await.unwrap();
    assert_eq!(counts(&outbox).await, (1, 0, 0));
}

/// A decision and what it brings about are one step.
#[tokio::test]
async fn a_decision_whose_new_op_finds_no_room_is_not_taken() {
    let folder = Folder::new();
    let bounded = |pages| OutboxOptions {
        sqlite: SqliteSettings {
            pages_max: Some(pages),
            ..SqliteSettings::default()
        },
        ..OutboxOptions::default()
    };
    let outbox = folder.outbox_with(bounded(128)).await;
    let json = format!("\"{}\"", "x".repeat(100_000));
    let large = named(1, put("a", &json));
    outbox.enqueue(SHARE, large.clone()).await.unwrap();
    end(&folder, 1, DEAD);
    while outbox.enqueue(SHARE, put("a", &json)).await.is_ok() {}
    let error = outbox.send_as_new(SHARE, id(1)).await.unwrap_err();
    assert!(
        matches!(error, ResolveError::Outbox(OutboxError::Full)),
        "{error}"
    );
    assert_eq!(row(&outbox, 1).await.resolution, None);
    // What is settled gives up its room.
    let held = rows(&outbox).await.len() as u64;
    for seq in [2, 3] {
        end(&folder, seq, APPLIED);
    }
    let settled = "UPDATE lane SET settled_through = 3, settled_ops = 2";
    let db = Connection::open(folder.path()).unwrap();
    db.execute_batch(settled).unwrap();
    let new = outbox.send_as_new(SHARE, id(1)).await.unwrap();
    assert_eq!(new.seq, Seq::new(held + 1));
}

const CHILD: &str = "SHARE_CLIENT_DECIDING_CHILD";

/// Not a test of its own: what the next one starts, and kills.
#[tokio::test]
async fn child_that_decides_until_it_is_killed() {
    let Ok(path) = std::env::var(CHILD) else {
        return;
    };
    let outbox = Outbox::open(path.as_ref(), OutboxOptions::default()).unwrap();
    let decide = |outbox: Outbox, first: u8| async move {
        for number in (first..=200).step_by(4) {
            outbox.send_as_new(SHARE, id(number)).await.unwrap();
            let mut out = std::io::stdout().lock();
            writeln!(out, "decided").unwrap();
            out.flush().unwrap();
        }
    };
    let tasks = (1..=4).map(|first| tokio::spawn(decide(outbox.clone(), first)));
    futures_util::future::join_all(tasks).await;
}

#[tokio::test]
async fn killed_at_any_moment_a_decision_and_its_new_op_are_both_there_or_neither() {
    let folder = Folder::new();
    let outbox = folder.outbox().await;
    for number in 1..=200 {
        let op = named(number, put("a", "1"));
        outbox.enqueue(SHARE, op).await.unwrap();
        end(&folder, number.into(), DEAD);
    }
    drop(outbox);
    let mut decided_before = 0;
    // Each dies amid the decisions of four tasks; some kills fall between the two steps, if there is
    // a between.
    for round in 1..=20 {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "resolve::child_that_decides_until_it_is_killed"])
            .arg("--nocapture")
            .env(CHILD, folder.path())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let mut decided = lines.filter(|line| line.as_ref().unwrap().contains("decided"));
        // Those of the rounds before are decided again, with the same answer.
        let heard = decided.by_ref().take(round * 8).count();
        child.kill().unwrap();
        child.wait().unwrap();
        let outbox = folder.outbox().await;
        let rows = rows(&outbox).await;
        let mut replacements: Vec<_> = rows
            .iter()
            .filter_map(|row| match row.resolution {
                Some(Resolution::SentAsNew(new)) => Some(new),
                _ => None,
            })
            .collect();
        let mut new: Vec<_> = rows[200..].iter().map(|row| row.op_id).collect();
        replacements.sort_unstable();
        new.sort_unstable();
        assert_eq!(replacements, new);
        assert!(
            new.len() >= heard.max(decided_before),
            "{} of {heard}",
            new.len()
        );
        decided_before = new.len();
    }
}

#[tokio::test]
async fn an_op_is_found_by_the_beginning_of_its_id() {
    let folder = Folder::new();
    let outbox = folder.outbox().await;
    let op = |bytes: [u8; 2]| {
        let mut id = [0; 16];
        id[..2].copy_from_slice(&bytes);
        NewOp {
            id: Some(OpId::from_bytes(id)),
            ..put("a", "1")
        }
    };
    for bytes in [[3, 9], [1, 2], [1, 1], [2, 0]] {
        outbox.enqueue(SHARE, op(bytes)).await.unwrap();
    }
    let ends = |byte: u8| {
        let (mut first, mut last) = ([0; 16], [0xff; 16]);
        (first[0], last[0]) = (byte, byte);
        (OpId::from_bytes(first), OpId::from_bytes(last))
    };
    let found = |limit| {
        let (first, last) = ends(1);
        let outbox = &outbox;
        async move {
            let rows = outbox
                .rows_between(None, (first, last), limit)
                .await
                .unwrap();
            rows.iter().map(|row| row.seq.get()).collect::<Vec<_>>()
        }
    };
    assert_eq!(found(9).await, [3, 2]);
    assert_eq!(found(1).await, [3]);
    let other = share_model::ShareRef {
        share: share_model::ShareId::from_bytes([8; 16]),
        ..reference()
    };
    let of_other = other.share;
    outbox.use_ref(other).await.unwrap();
    for bytes in [[1, 9], [1, 8]] {
        outbox.enqueue(of_other, op(bytes)).await.unwrap();
    }
    assert_eq!(found(9).await, [3, 2, 2, 1]);
    assert_eq!(found(3).await, [3, 2, 2]);
    let (first, last) = ends(7);
    let none = outbox.rows_between(None, (first, last), 9).await;
    assert_eq!(none.unwrap(), []);
    let rows = outbox.rows_between(Some(of_other), ends(1), 9).await;
    assert!(rows.unwrap().iter().all(|row| row.share == of_other));
}

#[tokio::test]
async fn the_details_of_an_op_say_all_that_is_known_of_it() {
    let folder = Folder::new();
    let outbox = with_a_dead_letter(&folder).await;
    outbox.enqueue(SHARE, on(3, 1)).await.unwrap();
    let new = outbox.send_as_new(SHARE, id(1)).await.unwrap();
    let details = outbox.op_details(SHARE, id(3)).await.unwrap().unwrap();
    let held = details.depends_on[0].held.clone().unwrap();
    assert_eq!(
        (held.op_id, held.state, held.resolution),
        (
            id(1),
            RowState::DeadLetter,
            Some(Resolution::SentAsNew(new.id))
        )
    );
    assert_eq!(details.group, None);
    let dead = outbox.op_details(SHARE, id(1)).await.unwrap().unwrap();
    assert_eq!(dead.row, row(&outbox, 1).await);
    assert_eq!(dead.row.error.as_deref(), Some("why"));
    assert_eq!(dead.settled_at.map(share_model::UnixMs::get), Some(7));
    assert!(dead.resolved_at.is_some() && dead.row.enqueued_at <= dead.resolved_at.unwrap());
    assert_eq!(dead.identity.outbox, dead.row.outbox);
    assert_eq!(outbox.op_details(SHARE, id(9)).await.unwrap(), None);
}
