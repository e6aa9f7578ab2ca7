//! Promise 5: an op that can't be applied is tried while that may change, is then given up by
//! request, and a person can decide about it. Every op ends, and everything says alike how.

use std::sync::Arc;
use std::time::Duration;

use share_client::{
    ClientError, DependsOn, Failure, FlushOptions, Flusher, Heard, NewOp, Outbox, Outcome,
    Resolution, ResolveError, Retention, Row, RowState,
};
use share_model::seam::SimulatedClock;
use share_model::{
    Cursor, EntryBody, Fingerprint, Identity, MutationError, OutboxId, Refusal, RefusalCode,
    RejectReason, Seq,
};

use tokio::task::LocalSet;

use crate::server::{Call, Fault};
use crate::version_1::{self, BatchOf1, LaneOf1, RowOf1};
use crate::world::{SHARE, World, op, op_id, op_ids, reference};

/// An op of another outbox.
const FOREIGN: Identity = Identity {
    outbox: OutboxId::from_bytes([5; 16]),
    seq: Seq::new(7),
    fingerprint: Fingerprint::from_bytes([6; 16]),
};

fn key_absent() -> RejectReason {
    RejectReason::InvalidMutation(MutationError::KeyAbsent)
}

fn reject(world: &World, number: u8, reason: &RejectReason, times: usize) {
    let mut server = world.server.borrow_mut();
    let reasons = vec![reason.clone(); times];
    server.rejections.insert(op_id(number), reasons.into());
}

fn on_foreign(number: u8) -> NewOp {
    NewOp {
        depends_on: vec![DependsOn::Identity(FOREIGN)],
        ..op(number)
    }
}

/// The kinds of the batches that arrived, in order: applying, or giving up.
fn asked(world: &World) -> Vec<&'static str> {
    let batches = world.server.borrow().batches();
    let kinds = batches.iter().map(|batch| match batch.entries[0].body {
        EntryBody::Op(_) => "apply",
        EntryBody::Abandon(_) => "give up",
    });
    kinds.collect()
}

/// Flushes until something can't be sent.
async fn flush_once(world: &World, outbox: &Outbox) -> u64 {
    let options = FlushOptions {
        give_up_after: Some(Duration::ZERO),
        ..FlushOptions::default()
    };
    world.flush_with(outbox, options).await.pending
}

async fn row(outbox: &Outbox, number: u8) -> Row {
    let found = outbox.rows_of(SHARE, op_ids([number])).await.unwrap();
    found.into_iter().next().flatten().unwrap()
}

#[tokio::test(start_paused = true)]
async fn an_op_is_tried_again_while_its_dependency_may_come_and_applied_when_it_has() {
    let world = World::new(1);
    let outbox = world.with_ops([on_foreign(1)]).await;
    reject(&world, 1, &RejectReason::DependencyMissing(FOREIGN), 2);
    let foreign = op_id(9);
    world.server.borrow_mut().apply_as_a_copy(foreign, FOREIGN);
    let report = world.flush(&outbox).await;
    assert_eq!((report.progress.applied, report.progress.rejected), (1, 0));
    assert_eq!(asked(&world), ["apply", "apply", "apply"]);
    assert_eq!(world.server.borrow().log, [foreign, op_id(1)]);
}

/// The next try of an op is stored as a time of day.
#[tokio::test(start_paused = true)]
async fn a_rejected_op_is_tried_again_soon_though_the_clock_was_put_back_by_a_day() {
    let mut world = World::new(1);
    let today = Arc::clone(&world.options.clock);
    let day = 24 * 3600 * 1000;
    let tomorrow = SimulatedClock::starting_at(today.now().plus_ms(day));
    world.options.clock = Arc::new(tomorrow);
    let outbox = world.with_ops([op(1)]).await;
    reject(&world, 1, &key_absent(), 1);
    let link = world.link();
    let (flusher, running) = Flusher::run_local_over(&outbox, world.flushing.clone(), link);
    let until_rejected = tokio::time::timeout(Duration::from_millis(50), running);
    LocalSet::new().run_until(until_rejected).await.unwrap_err();
    assert_eq!(world.states(&outbox).await, ["rejected"]);
    drop((flusher, outbox));

    world.options.clock = today;
    let outbox = world.open();
    let report = world.flush(&outbox).await;
    assert_eq!((report.pending, report.progress.applied), (0, 1));
}

#[tokio::test(start_paused = true)]
async fn a_dependency_that_never_comes_ends_by_request_after_so_many_tries() {
    let world = World::new(1);
    let outbox = world.with_ops([on_foreign(1)]).await;
    let report = world.flush(&outbox).await;
    assert_eq!(report.progress.rejected, 1);
    assert_eq!(asked(&world), ["apply", "apply", "apply", "give up"]);
    let failure = Failure::Rejected(RejectReason::DependencyMissing(FOREIGN));
    assert_eq!(
        row(&outbox, 1).await.outcome,
        Some(Outcome::DeadLetter(failure))
    );
    assert_eq!(world.server.borrow().abandoned.len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_dependency_that_never_comes_ends_by_request_after_so_long() {
    let mut world = World::new(1);
    world.options.retry.attempts_max = u32::MAX;
    world.options.retry.age_max = Duration::from_millis(500);
    let outbox = world.with_ops([on_foreign(1)]).await;
    let report = world.flush(&outbox).await;
    assert_eq!(report.progress.rejected, 1);
    // At 0, 100, 300 and 700 ms.
    assert_eq!(
        asked(&world),
        ["apply", "apply", "apply", "apply", "give up"]
    );
}

#[tokio::test(start_paused = true)]
async fn a_dependency_that_never_comes_ends_by_request_where_it_holds_the_window() {
    let mut world = World::new(1);
    world.options.retry.attempts_max = u32::MAX;
    world.options.retry.age_max = Duration::from_secs(3600);
    world.options.batch_ops_max = Some(2);
    world.options.limits.window = 4;
    world.server.borrow_mut().limits.window = 4;
    let ops = [on_foreign(1)].into_iter().chain((2..=12).map(op));
    let outbox = world.with_ops(ops).await;
    let report = world.flush(&outbox).await;
    assert_eq!((report.progress.applied, report.progress.rejected), (11, 1));
    assert!(asked(&world).contains(&"give up"));
    assert_eq!(row(&outbox, 1).await.state, RowState::DeadLetter);
}

#[tokio::test(start_paused = true)]
async fn what_nothing_can_change_is_given_up_by_request_without_another_try() {
    let reasons = [
        RejectReason::DependencyAbandoned(FOREIGN),
        RejectReason::DependencyUnknown(FOREIGN),
        RejectReason::InvalidMutation(MutationError::NotJson),
    ];
    for reason in reasons {
        let world = World::new(1);
        let outbox = world.with_ops([op(1)]).await;
        reject(&world, 1, &reason, 9);
        world.flush(&outbox).await;
        assert_eq!(asked(&world), ["apply", "give up"], "{reason}");
        let failure = Failure::Rejected(reason);
        let expected = Some(Outcome::DeadLetter(failure));
        assert_eq!(row(&outbox, 1).await.outcome, expected);
    }
}

/// Until the server has answered, the op may have been applied by another way.
#[tokio::test(start_paused = true)]
async fn an_op_is_no_dead_letter_before_the_request_to_give_it_up_is_answered() {
    let world = World::new(1);
    let outbox = world.with_ops([op(1)]).await;
    reject(&world, 1, &RejectReason::DependencyUnknown(FOREIGN), 9);
    let script = [Fault::None, Fault::LostReply];
    world.server.borrow_mut().script(Call::Append, script);
    assert_eq!(flush_once(&world, &outbox).await, 1);
    let waiting = row(&outbox, 1).await;
    assert_eq!((waiting.state, waiting.outcome), (RowState::Sent, None));
    let details = outbox.op_details(SHARE, op_id(1)).await.unwrap().unwrap();
    assert!(details.is_given_up);
    let refused = outbox.drop_op(SHARE, op_id(1)).await;
    assert!(refused.is_err(), "an op that is still tried was let go");
    drop(outbox);
    let outbox = world.open();
    let report = world.flush(&outbox).await;
    assert_eq!((report.progress.rejected, report.pending), (1, 0));
    let batches = world.server.borrow().batches();
    assert_eq!(batches[1], batches[2], "the same request");
    assert_eq!(row(&outbox, 1).await.state, RowState::DeadLetter);
}

#[tokio::test(start_paused = true)]
async fn where_the_server_remembers_no_more_the_op_is_kept_and_the_share_stands_still() {
    let world = World::new(1);
    let outbox = world.with_ops([op(1)]).await;
    reject(&world, 1, &RejectReason::DependencyUnknown(FOREIGN), 99);
    let full = Refusal::new(RefusalCode::AbandonLimit, "1024 are remembered");
    let refuse = Fault::Answer(ClientError::Refused(full));
    world
        .server
        .borrow_mut()
        .script(Call::Append, [Fault::None]);
    world
        .server
        .borrow_mut()
        .script(Call::Append, vec![refuse; 50]);
    let report = world.flush(&outbox).await;
    assert_eq!((report.pending, report.progress.rejected), (1, 0));
    assert_eq!(report.stopped[0].stop.code, RefusalCode::AbandonLimit);
    assert!(!row(&outbox, 1).await.state.is_final());
}

/// Applied, applied earlier, rejected, refused, given up by a copy, in doubt: one of each.
#[tokio::test(start_paused = true)]
async fn every_op_ends_and_events_rows_and_counts_say_alike_how() {
    let mut world = World::new(1);
    world.options.batch_ops_max = Some(1);
    let outbox = world.with_ops([]).await;
    let mut outcomes = outbox.outcomes();
    let mut ids = Vec::new();
    for number in 1..=6 {
        ids.push(outbox.enqueue(SHARE, op(number)).await.unwrap().identity);
    }
    reject(&world, 3, &RejectReason::DependencyUnknown(FOREIGN), 9);
    {
        let mut server = world.server.borrow_mut();
        server.apply_as_a_copy(op_id(2), ids[1]);
        let refusal = Refusal::new(RefusalCode::InvalidRequest, "no");
        server.poison.insert(op_id(4), refusal);
        server.abandoned.insert(ids[4]);
        server.in_doubt.insert(op_id(6));
    }
    let report = world.flush(&outbox).await;
    let progress = report.progress;
    assert_eq!(
        (
            progress.applied,
            progress.duplicates,
            progress.rejected,
            progress.in_doubt
        ),
        (1, 1, 3, 1)
    );
    assert_eq!((progress.ended(), report.pending), (6, 0));
    let refused = Failure::Refused {
        code: RefusalCode::InvalidRequest,
        message: "no".into(),
    };
    let unknown = Failure::Rejected(RejectReason::DependencyUnknown(FOREIGN));
    let expected = [
        Outcome::Applied(Cursor::new(2)),
        Outcome::Duplicate(Cursor::new(1)),
        Outcome::DeadLetter(unknown),
        Outcome::DeadLetter(refused),
        Outcome::DeadLetter(Failure::AbandonedElsewhere),
        Outcome::InDoubt,
    ];
    let rows = world.rows(&outbox).await;
    for (row, expected) in rows.iter().zip(&expected) {
        assert_eq!(row.outcome.as_ref(), Some(expected), "op {}", row.op_id);
        let state = match expected {
            Outcome::Applied(_) | Outcome::Duplicate(_) => RowState::Settled,
            Outcome::DeadLetter(_) => RowState::DeadLetter,
            Outcome::InDoubt => RowState::InDoubt,
        };
        assert_eq!(row.state, state);
        assert_eq!(row.error.is_some(), state != RowState::Settled);
    }
    let mut told = Vec::new();
    for _ in 0..6 {
        match outcomes.next().await {
            Some(Heard::Outcome(event)) => told.push((event.seq, event.outcome)),
            other => panic!("{other:?}"),
        }
    }
    told.sort_by_key(|(seq, _)| *seq);
    let told: Vec<_> = told.into_iter().map(|(_, outcome)| outcome).collect();
    assert_eq!(told, expected);
    let status = outbox.shares().await.unwrap().remove(0);
    let counts = (status.pending, status.dead_letters, status.in_doubt);
    assert_eq!((counts, status.settled_through), ((0, 3, 1), Seq::new(6)));
}

#[tokio::test(start_paused = true)]
async fn what_is_sent_as_a_new_op_is_applied_once_with_what_depends_on_it() {
    let world = World::new(1);
    let dependent = NewOp {
        depends_on: vec![DependsOn::Op(op_id(1))],
        ..op(2)
    };
    let outbox = world.with_ops([op(1), dependent, op(3)]).await;
    reject(&world, 1, &key_absent(), 3);
    world.server.borrow_mut().in_doubt.insert(op_id(3));
    world.flush(&outbox).await;
    assert_eq!(
        world.states(&outbox).await,
        ["dead-letter", "dead-letter", "in-doubt"]
    );
    let mut new = Vec::new();
    for number in [1, 2, 3] {
        new.push(outbox.send_as_new(SHARE, op_id(number)).await.unwrap().id);
    }
    let report = world.flush(&outbox).await;
    assert_eq!((report.progress.applied, report.pending), (3, 0));
    assert_eq!(world.server.borrow().log, new);
    let status = outbox.shares().await.unwrap().remove(0);
    assert_eq!((status.dead_letters, status.in_doubt), (0, 0));
}

/// A replay that runs takes up the new op without being told.
#[tokio::test(start_paused = true)]
async fn a_running_replay_sees_what_is_sent_as_a_new_op() {
    let mut world = World::new(1);
    world.flushing.poll_interval = Duration::from_secs(3600);
    let outbox = world.with_ops([op(1)]).await;
    reject(&world, 1, &RejectReason::DependencyUnknown(FOREIGN), 1);
    world.flush(&outbox).await;
    let link = world.link();
    let (flusher, running) =
        share_client::Flusher::run_local_over(&outbox, world.flushing.clone(), link);
    let local = tokio::task::LocalSet::new();
    let log = local.run_until(async {
        let running = tokio::task::spawn_local(running);
        flusher.flush().await.unwrap();
        // Until the replay rests.
        let clock = &world.options.clock;
        clock.sleep(Duration::from_millis(1234)).await;
        let mut outcomes = outbox.outcomes();
        let began = tokio::time::Instant::now();
        let new = outbox.send_as_new(SHARE, op_id(1)).await.unwrap();
        let heard = outcomes.next().await.unwrap();
        assert!(
            began.elapsed() < Duration::from_millis(10),
            "it was found by chance"
        );
        assert!(matches!(heard, Heard::Outcome(event) if event.op_id == new.id));
        flusher.stop().await.unwrap();
        running.await.unwrap();
        new.id
    });
    let new = log.await;
    assert_eq!(world.server.borrow().log, [new]);
}

#[tokio::test(start_paused = true)]
async fn what_a_person_decided_goes_with_its_retention_and_what_nobody_decided_stays() {
    let mut world = World::new(1);
    world.options.retention = Retention {
        age_max: Duration::ZERO,
        ..Retention::default()
    };
    let outbox = world.with_ops((1..=4).map(op)).await;
    for number in [1, 2, 3] {
        reject(&world, number, &RejectReason::DependencyUnknown(FOREIGN), 1);
    }
    world.flush(&outbox).await;
    outbox.drop_op(SHARE, op_id(1)).await.unwrap();
    let new = outbox.send_as_new(SHARE, op_id(2)).await.unwrap();
    tokio::time::advance(Duration::from_secs(1)).await;
    world.flush(&outbox).await;
    tokio::time::advance(Duration::from_secs(1)).await;
    outbox.enqueue(SHARE, op(5)).await.unwrap();
    world.flush(&outbox).await;
    let held: Vec<_> = world
        .rows(&outbox)
        .await
        .iter()
        .map(|row| row.op_id)
        .collect();
    assert!(
        held.contains(&op_id(3)),
        "nobody decided about it: {held:?}"
    );
    for gone in [op_id(1), op_id(2), op_id(4), new.id] {
        assert!(!held.contains(&gone), "{gone} is kept beyond its retention");
    }
}

#[tokio::test(start_paused = true)]
async fn a_decision_stands_when_the_outbox_goes_to_another_lane() {
    let world = World::new(1);
    let outbox = world.with_ops([op(1), op(2)]).await;
    reject(&world, 1, &RejectReason::DependencyUnknown(FOREIGN), 1);
    world.flush(&outbox).await;
    let new = outbox.send_as_new(SHARE, op_id(1)).await.unwrap();
    world.server.borrow_mut().claim_as_a_copy();
    world.flush(&outbox).await;
    assert_eq!(outbox.recoveries(0, 9).await.unwrap().len(), 1);
    let again = outbox.send_as_new(SHARE, op_id(1)).await.unwrap();
    assert_eq!((again.id, again.identity), (new.id, new.identity));
    assert_ne!(again.seq, new.seq);
    let old = row(&outbox, 1).await;
    assert_eq!(old.resolution, Some(Resolution::SentAsNew(new.id)));
    assert_eq!(world.server.borrow().log, [op_id(2), new.id]);
}

/// A dependency is found by its identity in whichever lane it is now.
#[tokio::test(start_paused = true)]
async fn a_dependency_in_another_lane_is_still_the_one_to_decide_first() {
    let world = World::new(1);
    let dependent = NewOp {
        depends_on: vec![DependsOn::Op(op_id(1))],
        ..op(2)
    };
    let outbox = world.with_ops([op(1), dependent]).await;
    reject(&world, 1, &RejectReason::DependencyUnknown(FOREIGN), 9);
    // Both go to another lane before they end.
    world
        .server
        .borrow_mut()
        .script(Call::Claim, [Fault::LostReply]);
    assert_eq!(flush_once(&world, &outbox).await, 2);
    world.server.borrow_mut().claim_as_a_copy();
    world.flush(&outbox).await;
    assert_eq!(world.states(&outbox).await, ["dead-letter", "dead-letter"]);
    assert!(row(&outbox, 1).await.was.is_some());
    let refused = outbox.send_as_new(SHARE, op_id(2)).await.unwrap_err();
    assert!(
        matches!(refused, ResolveError::DependencyUndecided { dependency, .. } if dependency == op_id(1)),
        "{refused}"
    );
    let first = outbox.send_as_new(SHARE, op_id(1)).await.unwrap();
    let second = outbox.send_as_new(SHARE, op_id(2)).await.unwrap();
    world.flush(&outbox).await;
    assert_eq!(world.server.borrow().log, [first.id, second.id]);
}

/// What it had sent is sent the same, so that the server knows it again.
#[tokio::test(start_paused = true)]
async fn an_outbox_of_version_1_goes_on_with_the_batches_that_it_had_stored() {
    let world = World::new(1);
    let path = world.folder.path().join("state/share.sqlite");
    let row = |state, batch| RowOf1 {
        state,
        batch,
        outcome: None,
    };
    let batch = |seqs| BatchOf1 {
        seqs,
        is_answered: false,
    };
    let lane = LaneOf1 {
        reference: reference(1, 7),
        pruned: 0,
        rows: vec![
            row(3, Some(1)),
            row(3, Some(1)),
            row(2, Some(2)),
            row(1, None),
            row(1, None),
        ],
        batches: vec![batch((1, 2)), batch((3, 3))],
        settled_through: 0,
        answered_through: 0,
        stop: None,
    };
    version_1::write(&path, &[lane]);
    let outbox = world.open();
    let report = world.flush(&outbox).await;
    assert_eq!((report.progress.applied, report.progress.resent), (5, 2));
    assert_eq!(world.server.borrow().log, op_ids(1..=5));
    let batches = world.server.borrow().batches();
    let sent: Vec<_> = batches
        .iter()
        .map(|batch| {
            let seqs: Vec<_> = batch.entries.iter().map(|entry| entry.seq.get()).collect();
            (batch.id.to_bytes()[0], seqs)
        })
        .collect();
    assert_eq!(sent[..2], [(1, vec![1, 2]), (2, vec![3])]);
    assert_eq!(sent[2].1, [4, 5]);
}
