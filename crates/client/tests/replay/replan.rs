//! Copied and restored outboxes, and servers that went back in time, as the replay sees them.

use share_client::{
    ClientError, DependsOn, FlushOptions, Grouping, LostOps, NewOp, Outbox, Recovery, Retention,
};
use share_model::{EntryBody, Fingerprint, FirstLane, HistoryId, OpId, Refusal, RefusalCode, Seq};

use crate::server::{Call, Fault};
use crate::world::{SHARE, World, op, op_id, op_ids};

const SECOND: HistoryId = HistoryId::from_bytes([2; 16]);

async fn recoveries(outbox: &Outbox) -> Vec<Recovery> {
    let events = outbox.recoveries(0, 100).await.unwrap();
    events.into_iter().map(|event| event.recovery).collect()
}

/// What the server holds of the first `count` ops.
fn first_ops(world: &World, count: usize) -> Vec<(OpId, Fingerprint)> {
    let server = world.server.borrow();
    let mut ops = Vec::new();
    for arrived in &server.arrived {
        for entry in &arrived.batch.entries {
            if let EntryBody::Op(op) = &entry.body {
                ops.push((op.id, entry.fingerprint(arrived.outbox)));
            }
        }
    }
    ops.truncate(count);
    ops
}

#[tokio::test(start_paused = true)]
async fn a_lane_that_a_copy_claimed_is_left_and_what_is_pending_keeps_its_first_identity() {
    let world = World::new(1);
    let outbox = world.with_ops([op(1)]).await;
    world.flush(&outbox).await;
    let first_lane = world.rows(&outbox).await[0].outbox;
    world.server.borrow_mut().claim_as_a_copy();
    let late = outbox.enqueue(SHARE, op(2)).await.unwrap();
    let report = world.flush(&outbox).await;
    assert_eq!((report.pending, report.stopped.len()), (0, 0));
    assert_eq!(world.server.borrow().log, op_ids([1, 2]));
    let rows = world.rows(&outbox).await;
    assert_eq!((rows[0].outbox, rows[0].was), (first_lane, None));
    let was = FirstLane {
        outbox: first_lane,
        seq: late.seq,
    };
    assert_eq!((rows[1].seq, rows[1].was), (Seq::new(1), Some(was)));
    assert_ne!(rows[1].outbox, first_lane);
    let told = recoveries(&outbox).await;
    assert!(
        matches!(&told[..], [Recovery::Requeued { ops: 1, .. }]),
        "{told:?}"
    );
    // The new lane is durable: another process goes on in it.
    drop(outbox);
    let outbox = world.open();
    outbox.enqueue(SHARE, op(3)).await.unwrap();
    world.flush(&outbox).await;
    assert_eq!(world.server.borrow().log, op_ids([1, 2, 3]));
    assert_eq!(recoveries(&outbox).await.len(), 1);
}

#[tokio::test(start_paused = true)]
async fn an_op_that_a_copy_sent_already_ends_as_a_duplicate() {
    let world = World::new(1);
    let outbox = world.with_ops([op(1)]).await;
    world.flush(&outbox).await;
    let both = outbox.enqueue(SHARE, op(2)).await.unwrap();
    // The copy sent it, and went on with one of its own.
    {
        let mut server = world.server.borrow_mut();
        server.go_on_as_a_copy(both.identity.fingerprint);
        server.go_on_as_a_copy(Fingerprint::from_bytes([5; 16]));
        server.apply_as_a_copy(op_id(2), both.identity);
    }
    let report = world.flush(&outbox).await;
    assert_eq!(report.progress.duplicates, 1, "{report:?}");
    assert_eq!(world.server.borrow().log, op_ids([1, 2]));
}

#[tokio::test(start_paused = true)]
async fn another_history_that_lacks_nothing_changes_nothing() {
    let world = World::new(1);
    let outbox = world.with_ops([op(1)]).await;
    world.flush(&outbox).await;
    world.server.borrow_mut().history = SECOND;
    outbox.enqueue(SHARE, op(2)).await.unwrap();
    let report = world.flush(&outbox).await;
    assert_eq!((report.progress.applied, report.pending), (1, 0));
    assert_eq!(world.server.borrow().log, op_ids([1, 2]));
    assert_eq!(recoveries(&outbox).await, []);
}

#[tokio::test(start_paused = true)]
async fn what_a_restored_server_lost_is_sent_again_at_the_old_seqs() {
    for history in [SECOND, HistoryId::from_bytes([1; 16])] {
        let world = World::new(1);
        let outbox = world.with_ops((1..=5).map(op)).await;
        world.flush(&outbox).await;
        let kept = first_ops(&world, 2);
        world.server.borrow_mut().go_back(&kept, history);
        outbox.enqueue(SHARE, op(6)).await.unwrap();
        let report = world.flush(&outbox).await;
        assert_eq!((report.pending, report.stopped.len()), (0, 0));
        assert_eq!(world.server.borrow().log, op_ids(1..=6));
        let rows = world.rows(&outbox).await;
        let seqs: Vec<u64> = rows.iter().map(|row| row.seq.get()).collect();
        assert_eq!(seqs, [1, 2, 3, 4, 5, 6]);
        assert!(rows.iter().all(|row| row.was.is_none()));
        let told = recoveries(&outbox).await;
        assert!(
            matches!(
                &told[..],
                [Recovery::FedAgain { ops: 5, lost, after, .. }]
                    if lost.is_empty() && *after == Seq::ZERO
            ),
            "{told:?}"
        );
    }
}

/// Nothing is enqueued, so nothing else would bring the client to look.
#[tokio::test(start_paused = true)]
async fn a_drained_outbox_looks_whether_its_server_went_back_in_time() {
    let world = World::new(1);
    let outbox = world.with_ops((1..=3).map(op)).await;
    world.flush(&outbox).await;
    let kept = first_ops(&world, 1);
    world.server.borrow_mut().go_back(&kept, SECOND);
    let report = world.flush(&outbox).await;
    assert_eq!(report.pending, 0);
    assert_eq!(world.server.borrow().log, op_ids(1..=3));
}

#[tokio::test(start_paused = true)]
async fn a_server_that_can_not_be_reached_holds_up_no_flush_of_a_drained_outbox() {
    let world = World::new(1);
    let outbox = world.with_ops([op(1)]).await;
    world.flush(&outbox).await;
    let away = vec![Fault::LostRequest; 1000];
    world.server.borrow_mut().script(Call::Connect, away);
    let report = world.flush(&outbox).await;
    assert_eq!((report.pending, report.stopped.len()), (0, 0));
}

/// A hole that was filled after the backup lies below the server's highest seq.
#[tokio::test(start_paused = true)]
async fn a_hole_that_the_restored_server_has_again_is_filled_again() {
    let world = World::new(1);
    world.server.borrow_mut().rejections.insert(
        op_id(1),
        [share_model::RejectReason::AtomicGroupFailed].into(),
    );
    let outbox = world.with_ops([op(1), op(2)]).await;
    world.flush(&outbox).await;
    assert_eq!(world.server.borrow().log, op_ids([2, 1]));
    let prints = first_ops(&world, 2);
    {
        let mut server = world.server.borrow_mut();
        server.go_back(&prints, SECOND);
        server.log = op_ids([2]);
        server
            .applied
            .retain(|identity, _| identity.seq == Seq::new(2));
        let lane = server.lanes.values_mut().next().unwrap();
        lane.recorded.remove(&Seq::new(1));
    }
    world.flush(&outbox).await;
    assert_eq!(world.server.borrow().log, op_ids([2, 1]));
}

/// What was given up goes along as a word that it is, so that no copy brings it back.
#[tokio::test(start_paused = true)]
async fn what_was_given_up_is_given_up_again_at_a_restored_server() {
    let world = World::new(1);
    let reject = share_model::RejectReason::InvalidMutation(share_model::MutationError::NotJson);
    world
        .server
        .borrow_mut()
        .rejections
        .insert(op_id(2), [reject].into());
    let outbox = world.with_ops((1..=3).map(op)).await;
    world.flush(&outbox).await;
    let states = ["settled", "dead-letter", "settled"];
    assert_eq!(world.states(&outbox).await, states);
    let kept = first_ops(&world, 1);
    world.server.borrow_mut().go_back(&kept, SECOND);
    assert!(world.server.borrow().abandoned.is_empty());
    world.flush(&outbox).await;
    assert_eq!(world.server.borrow().log, op_ids([1, 3]));
    assert_eq!(world.server.borrow().abandoned.len(), 1);
    assert_eq!(world.states(&outbox).await, states);
}

#[tokio::test(start_paused = true)]
async fn beyond_the_retention_everything_is_requeued_and_the_lost_seqs_are_told() {
    let mut world = World::new(1);
    world.options.retention = Retention {
        ops_max: 2,
        ..Retention::default()
    };
    let outbox = world.with_ops((1..=5).map(op)).await;
    world.flush(&outbox).await;
    let first_lane = world.rows(&outbox).await[0].outbox;
    let kept = first_ops(&world, 1);
    world.server.borrow_mut().go_back(&kept, SECOND);
    outbox.enqueue(SHARE, op(6)).await.unwrap();
    world.flush(&outbox).await;
    assert_eq!(world.server.borrow().log, op_ids([1, 4, 5, 6]));
    let lost = vec![LostOps {
        outbox: first_lane,
        first: Seq::new(2),
        last: Seq::new(3),
    }];
    let told = recoveries(&outbox).await;
    assert!(
        matches!(&told[..], [Recovery::RequeuedAll { ops: 3, lost: told, unchecked, .. }]
            if *told == lost && unchecked.is_empty()),
        "{told:?}"
    );
}

/// A dead letter that is still held says nothing of what was settled behind it.
#[tokio::test(start_paused = true)]
async fn a_dead_letter_below_what_is_held_lets_no_gap_be_fed() {
    let mut world = World::new(1);
    world.options.retention = Retention {
        ops_max: 2,
        ..Retention::default()
    };
    let reject = share_model::RejectReason::InvalidMutation(share_model::MutationError::NotJson);
    world
        .server
        .borrow_mut()
        .rejections
        .insert(op_id(2), [reject].into());
    let outbox = world.with_ops((1..=5).map(op)).await;
    world.flush(&outbox).await;
    let states = ["dead-letter", "settled", "settled"];
    assert_eq!(world.states(&outbox).await, states);
    let kept = first_ops(&world, 2);
    world.server.borrow_mut().go_back(&kept, SECOND);
    world.server.borrow_mut().log = op_ids([1]);
    let report = world.flush(&outbox).await;
    assert_eq!((report.pending, report.stopped.len()), (0, 0));
    assert_eq!(world.server.borrow().log, op_ids([1, 4, 5]));
    assert_eq!(world.states(&outbox).await, states);
}

/// What is settled in a lane that was left may be lost as well.
#[tokio::test(start_paused = true)]
async fn with_ops_of_earlier_lanes_everything_is_requeued_oldest_first() {
    let world = World::new(1);
    let outbox = world.with_ops([op(1), op(2)]).await;
    world.flush(&outbox).await;
    world.server.borrow_mut().claim_as_a_copy();
    outbox.enqueue(SHARE, op(3)).await.unwrap();
    world.flush(&outbox).await;
    assert_eq!(world.rows(&outbox).await.len(), 3);
    {
        let mut server = world.server.borrow_mut();
        server.history = SECOND;
        server.lanes.clear();
        server.log.clear();
        server.applied.clear();
    }
    outbox.enqueue(SHARE, op(4)).await.unwrap();
    world.flush(&outbox).await;
    assert_eq!(world.server.borrow().log, op_ids(1..=4));
    let rows = world.rows(&outbox).await;
    assert!(rows.iter().all(|row| row.outbox == rows[0].outbox));
    assert_eq!(world.states(&outbox).await, ["settled"; 4]);
}

/// A group goes along as a group, and a dependency names the very op wherever it is.
#[tokio::test(start_paused = true)]
async fn groups_and_dependencies_hold_in_the_new_lane() {
    let world = World::new(1);
    let outbox = world.with_ops([op(1)]).await;
    world.flush(&outbox).await;
    let grouped = Grouping::Atomic {
        expected_cursor: None,
    };
    let on = |number: u8, id: OpId| NewOp {
        depends_on: vec![DependsOn::Op(id)],
        ..op(number)
    };
    let group = vec![op(2), on(3, op_id(2))];
    outbox.enqueue_all(SHARE, group, grouped).await.unwrap();
    world.server.borrow_mut().claim_as_a_copy();
    world.flush(&outbox).await;
    // Of an op that was enqueued in the lane that was left.
    outbox.enqueue(SHARE, on(4, op_id(3))).await.unwrap();
    let again = outbox.enqueue(SHARE, op(3)).await;
    assert!(again.is_err(), "an op id is taken, whatever the lane");
    let report = world.flush(&outbox).await;
    assert_eq!(report.pending, 0);
    let server = world.server.borrow();
    assert_eq!(server.log, op_ids(1..=4));
    let batches = server.batches();
    let group = batches.iter().find(|batch| batch.atomic).unwrap();
    assert_eq!(group.entries.len(), 2);
    assert!(group.entries.iter().all(|entry| entry.was.is_some()));
}

#[tokio::test(start_paused = true)]
async fn a_lane_that_was_left_keeps_its_settled_ops_for_the_retention() {
    let mut world = World::new(1);
    world.options.retention = Retention {
        ops_max: 3,
        ..Retention::default()
    };
    let outbox = world.with_ops([op(1), op(2)]).await;
    world.flush(&outbox).await;
    world.server.borrow_mut().claim_as_a_copy();
    for number in 3..=4 {
        outbox.enqueue(SHARE, op(number)).await.unwrap();
    }
    world.flush(&outbox).await;
    let ids = |rows: &[share_client::Row]| rows.iter().map(|row| row.op_id).collect::<Vec<_>>();
    assert_eq!(ids(&world.rows(&outbox).await), op_ids(2..=4));
    for number in 5..=6 {
        outbox.enqueue(SHARE, op(number)).await.unwrap();
    }
    world.flush(&outbox).await;
    assert_eq!(ids(&world.rows(&outbox).await), op_ids(4..=6));
}

/// A claim whose answer was lost may have been served before the backup: only its nonce opens it.
#[tokio::test(start_paused = true)]
async fn a_claim_that_another_history_refused_keeps_its_nonce() {
    let world = World::new(1);
    let outbox = world.with_ops([op(1)]).await;
    world.flush(&outbox).await;
    outbox.enqueue(SHARE, op(2)).await.unwrap();
    {
        let mut server = world.server.borrow_mut();
        server.history = SECOND;
        server.sent_nonces.clear();
        server.script(Call::Claim, [Fault::LostReply]);
    }
    world.flush(&outbox).await;
    let server = world.server.borrow();
    let sent = &server.sent_nonces;
    // Lost; refused for the history; taken.
    assert_eq!(sent.len(), 3);
    assert!(sent.iter().all(|nonce| *nonce == sent[0]));
    assert_eq!(server.log, op_ids([1, 2]));
}

/// An idle writer gives its place to another, and its connection learns that at its next append.
#[tokio::test(start_paused = true)]
async fn an_append_that_is_fenced_claims_again_and_leaves_nothing() {
    let world = World::new(1);
    let fenced = Refusal::new(RefusalCode::WriterFenced, "retired");
    let refused = Fault::Answer(ClientError::Refused(fenced));
    world.server.borrow_mut().script(Call::Append, [refused]);
    let outbox = world.with_ops([op(1)]).await;
    world.flush(&outbox).await;
    assert_eq!(world.server.borrow().log, op_ids([1]));
    assert_eq!(recoveries(&outbox).await, []);
    assert_eq!(world.server.borrow().lanes.len(), 1);
}

/// Its answer is better than the doubt, and a person may have sent it as a new op.
#[tokio::test(start_paused = true)]
async fn what_was_in_doubt_is_given_up_at_a_restored_server() {
    let world = World::new(1);
    world.server.borrow_mut().in_doubt.insert(op_id(2));
    let outbox = world.with_ops((1..=3).map(op)).await;
    world.flush(&outbox).await;
    let states = ["settled", "in-doubt", "settled"];
    assert_eq!(world.states(&outbox).await, states);
    let kept = first_ops(&world, 1);
    world.server.borrow_mut().go_back(&kept, SECOND);
    world.server.borrow_mut().in_doubt.clear();
    world.flush(&outbox).await;
    assert_eq!(world.server.borrow().log, op_ids([1, 3]));
    let states = ["settled", "dead-letter", "settled"];
    assert_eq!(world.states(&outbox).await, states);
}

/// What it depends on comes back only when the outbox that has it does.
#[tokio::test(start_paused = true)]
async fn an_op_that_was_applied_before_a_restore_outlasts_the_usual_retry() {
    let world = World::new(1);
    let outbox = world.with_ops([op(1), op(2)]).await;
    world.flush(&outbox).await;
    let kept = first_ops(&world, 1);
    world.server.borrow_mut().go_back(&kept, SECOND);
    let reject = share_model::RejectReason::InvalidMutation(share_model::MutationError::KeyAbsent);
    let many = vec![reject; 40];
    world
        .server
        .borrow_mut()
        .rejections
        .insert(op_id(2), many.into());
    // Who flushes need not wait for that.
    let options = FlushOptions {
        give_up_after: Some(std::time::Duration::from_secs(1)),
        ..FlushOptions::default()
    };
    let report = world.flush_with(&outbox, options).await;
    assert_eq!((report.pending, report.blocked.len()), (1, 1), "{report:?}");
    let report = world.flush(&outbox).await;
    assert_eq!(report.pending, 0);
    assert_eq!(world.server.borrow().log, op_ids([1, 2]));
    assert_eq!(world.states(&outbox).await, ["settled"; 2]);
}

/// The lane says nothing of that, for the copy has it; the share's cursor does, which only grows.
#[tokio::test(start_paused = true)]
async fn a_cursor_below_what_was_answered_shows_a_rollback_behind_a_copy() {
    for is_fenced in [true, false] {
        let world = World::new(1);
        let outbox = world.with_ops((1..=3).map(op)).await;
        world.flush(&outbox).await;
        {
            let mut server = world.server.borrow_mut();
            if is_fenced {
                server.claim_as_a_copy();
            } else {
                server.go_on_as_a_copy(Fingerprint::from_bytes([5; 16]));
            }
            server.log = op_ids([1]);
            server.applied.retain(|_, cursor| cursor.get() == 1);
        }
        outbox.enqueue(SHARE, op(4)).await.unwrap();
        let report = world.flush(&outbox).await;
        assert_eq!((report.pending, report.stopped.len()), (0, 0));
        assert_eq!(world.server.borrow().log, op_ids(1..=4));
        let told = recoveries(&outbox).await;
        assert!(
            matches!(&told[..], [Recovery::RequeuedAll { ops: 4, .. }]),
            "{told:?}"
        );
    }
}

/// Nothing of the lane was lost, but the share was: another outbox's ops. It is looked at once.
#[tokio::test(start_paused = true)]
async fn a_cursor_that_fell_is_taken_as_it_is_from_then_on() {
    let world = World::new(1);
    let outbox = world.with_ops([op(1), op(2)]).await;
    world.flush(&outbox).await;
    world.server.borrow_mut().log = op_ids([1]);
    for _ in 0..2 {
        let report = world.flush(&outbox).await;
        assert_eq!((report.pending, report.stopped.len()), (0, 0));
    }
    assert_eq!(recoveries(&outbox).await, []);
}
