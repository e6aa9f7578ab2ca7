//! What becomes of ops by the answers they get.

use share_client::{
    ClientError, DependsOn, Failure, Grouping, Heard, NewOp, Outcome, OutcomeEvent, Progress,
};
use share_model::{Cursor, MutationError, RejectReason, Seq};

use crate::server::{Call, Fault};
use crate::world::{SHARE, World, op, op_id, op_ids};

fn key_absent() -> RejectReason {
    RejectReason::InvalidMutation(MutationError::KeyAbsent)
}

/// Promise 2: however often a batch is sent, each op changes the share once.
#[tokio::test(start_paused = true)]
async fn a_lost_reply_brings_the_same_batch_again_and_its_ops_are_duplicates() {
    let world = World::new(1);
    world
        .server
        .borrow_mut()
        .script(Call::Append, [Fault::LostReply]);
    let outbox = world.with_ops([op(1), op(2)]).await;
    let report = world.flush(&outbox).await;
    let expected = Progress {
        sent: 4,
        resent: 2,
        duplicates: 2,
        connections: 2,
        ..Progress::default()
    };
    assert_eq!(report.progress, expected);
    let server = world.server.borrow();
    assert_eq!(server.log, op_ids([1, 2]));
    let batches = server.batches();
    assert_eq!(batches.len(), 2);
    assert_eq!(batches[0], batches[1]);
}

#[tokio::test(start_paused = true)]
async fn a_lost_request_is_sent_again_and_applied() {
    let world = World::new(1);
    world
        .server
        .borrow_mut()
        .script(Call::Append, [Fault::LostRequest, Fault::LostRequest]);
    let outbox = world.with_ops([op(1)]).await;
    let report = world.flush(&outbox).await;
    assert_eq!((report.progress.sent, report.progress.resent), (3, 2));
    assert_eq!(
        (report.progress.applied, report.progress.duplicates),
        (1, 0)
    );
    assert_eq!(world.server.borrow().log, op_ids([1]));
}

#[tokio::test(start_paused = true)]
async fn a_silent_server_is_left_and_asked_again_on_a_new_connection() {
    let world = World::new(1);
    world
        .server
        .borrow_mut()
        .script(Call::Append, [Fault::Silence]);
    let outbox = world.with_ops([op(1)]).await;
    let report = world.flush(&outbox).await;
    assert_eq!(
        (report.progress.duplicates, report.progress.connections),
        (1, 2)
    );
}

#[tokio::test(start_paused = true)]
async fn a_rejected_op_is_tried_again_in_a_batch_of_its_own_until_it_is_applied() {
    let world = World::new(1);
    let reasons = [key_absent(), key_absent()];
    world
        .server
        .borrow_mut()
        .rejections
        .insert(op_id(2), reasons.into());
    let outbox = world.with_ops([op(1), op(2), op(3)]).await;
    let report = world.flush(&outbox).await;
    assert_eq!((report.progress.applied, report.progress.rejected), (3, 0));
    assert_eq!(world.server.borrow().log, op_ids([1, 3, 2]));
    let batches = world.server.borrow().batches();
    let seqs: Vec<Vec<u64>> = batches
        .iter()
        .map(|batch| batch.entries.iter().map(|entry| entry.seq.get()).collect())
        .collect();
    assert_eq!(seqs, [vec![1, 2, 3], vec![2], vec![2]]);
    assert_eq!(
        world.states(&outbox).await,
        ["settled", "settled", "settled"]
    );
}

/// A dead letter is one only after the server has agreed to remember it.
#[tokio::test(start_paused = true)]
async fn an_op_that_stays_rejected_is_abandoned_at_the_server_and_becomes_a_dead_letter() {
    let world = World::new(1);
    world
        .server
        .borrow_mut()
        .rejections
        .insert(op_id(1), vec![key_absent(); 9].into());
    let outbox = world.with_ops([op(1), op(2)]).await;
    let mut outcomes = outbox.outcomes();
    let report = world.flush(&outbox).await;
    assert_eq!((report.progress.applied, report.progress.rejected), (1, 1));
    assert_eq!(report.pending, 0);
    // Three tries, then the request to abandon.
    let batches = world.server.borrow().batches();
    assert_eq!(batches.len(), 4);
    assert!(matches!(
        batches[3].entries[0].body,
        share_model::EntryBody::Abandon(_)
    ));
    assert_eq!(world.states(&outbox).await, ["dead-letter", "settled"]);
    let error = world.rows(&outbox).await[0].error.clone();
    assert_eq!(
        error.as_deref(),
        Some("invalid mutation: the key is not in the document")
    );
    let event = |number: u8, outcome| {
        Some(Heard::Outcome(OutcomeEvent {
            share: SHARE,
            seq: Seq::new(number.into()),
            op_id: op_id(number),
            outcome,
        }))
    };
    assert_eq!(
        outcomes.next().await,
        event(2, Outcome::Applied(Cursor::new(1)))
    );
    let failure = Failure::Rejected(key_absent());
    assert_eq!(
        outcomes.next().await,
        event(1, Outcome::DeadLetter(failure))
    );
}

#[tokio::test(start_paused = true)]
async fn an_op_to_abandon_that_was_applied_after_all_is_settled() {
    let world = World::new(1);
    let outbox = world.with_ops([op(1)]).await;
    // Rejections that the server's ledger does not stand by: the op was applied all along.
    let reject = |times| vec![key_absent(); times];
    world
        .server
        .borrow_mut()
        .rejections
        .insert(op_id(1), reject(3).into());
    world.server.borrow_mut().script(
        Call::Append,
        [
            Fault::None,
            Fault::None,
            Fault::None,
            // The request to abandon is lost; meanwhile the op comes in by another way.
            Fault::LostRequest,
        ],
    );
    let flush = world.flush_with(
        &outbox,
        share_client::FlushOptions {
            give_up_after: Some(std::time::Duration::ZERO),
            ..Default::default()
        },
    );
    let report = flush.await;
    assert_eq!(report.pending, 1);
    world
        .server
        .borrow_mut()
        .apply_as_if_sent_before(op_id(1), Seq::new(1));
    let report = world.flush(&outbox).await;
    assert_eq!(
        (report.progress.duplicates, report.progress.rejected),
        (1, 0)
    );
    assert_eq!(world.states(&outbox).await, ["settled"]);
}

#[tokio::test(start_paused = true)]
async fn an_op_in_doubt_is_final_and_seen() {
    let world = World::new(1);
    world.server.borrow_mut().in_doubt.insert(op_id(1));
    let outbox = world.with_ops([op(1), op(2)]).await;
    let report = world.flush(&outbox).await;
    assert_eq!((report.progress.in_doubt, report.progress.applied), (1, 1));
    let status = outbox.shares().await.unwrap().remove(0);
    assert_eq!((status.in_doubt, status.pending), (1, 0));
    assert_eq!(status.settled_through, Seq::new(2));
    assert_eq!(world.states(&outbox).await, ["in-doubt", "settled"]);
}

#[tokio::test(start_paused = true)]
async fn what_depends_on_an_abandoned_op_is_abandoned_too() {
    let world = World::new(1);
    world
        .server
        .borrow_mut()
        .rejections
        .insert(op_id(1), vec![key_absent(); 9].into());
    let dependent = NewOp {
        depends_on: vec![DependsOn::Op(op_id(1))],
        ..op(2)
    };
    let outbox = world.with_ops([op(1), dependent]).await;
    let report = world.flush(&outbox).await;
    assert_eq!(report.progress.rejected, 2);
    assert_eq!(world.states(&outbox).await, ["dead-letter", "dead-letter"]);
    assert_eq!(world.server.borrow().log, []);
}

#[tokio::test(start_paused = true)]
async fn an_atomic_group_goes_whole_and_alone_and_is_tried_again_whole() {
    let world = World::new(1);
    world
        .server
        .borrow_mut()
        .rejections
        .insert(op_id(3), vec![key_absent()].into());
    let outbox = world.with_ops([op(1)]).await;
    let atomic = Grouping::Atomic {
        expected_cursor: None,
    };
    outbox
        .enqueue_all(SHARE, vec![op(2), op(3)], atomic)
        .await
        .unwrap();
    outbox.enqueue(SHARE, op(4)).await.unwrap();
    let report = world.flush(&outbox).await;
    assert_eq!(report.progress.applied, 4);
    let batches = world.server.borrow().batches();
    let shape: Vec<(bool, usize)> = batches
        .iter()
        .map(|batch| (batch.atomic, batch.entries.len()))
        .collect();
    assert_eq!(shape, [(false, 1), (true, 2), (false, 1), (true, 2)]);
    assert_eq!(world.server.borrow().log, op_ids([1, 4, 2, 3]));
}

#[tokio::test(start_paused = true)]
async fn a_group_whose_cursor_has_passed_is_given_up_without_another_try() {
    let world = World::new(1);
    let passed = RejectReason::CursorMismatch {
        expected: Cursor::new(1),
        actual: Cursor::new(2),
    };
    world
        .server
        .borrow_mut()
        .rejections
        .insert(op_id(1), vec![passed].into());
    let outbox = world.with_ops([]).await;
    let atomic = Grouping::Atomic {
        expected_cursor: Some(Cursor::new(1)),
    };
    outbox
        .enqueue_all(SHARE, vec![op(1), op(2)], atomic)
        .await
        .unwrap();
    let report = world.flush(&outbox).await;
    assert_eq!(report.progress.rejected, 2);
    let batches = world.server.borrow().batches();
    assert_eq!(batches[0].expected_cursor, Some(Cursor::new(1)));
    // One try, then one request to abandon for each op.
    assert_eq!(batches.len(), 3);
}

#[tokio::test(start_paused = true)]
async fn an_ack_that_does_not_fit_its_batch_is_not_recorded() {
    let world = World::new(1);
    let outbox = world.with_ops([op(1)]).await;
    world.server.borrow_mut().short_acks = 1;
    let report = world.flush(&outbox).await;
    assert_eq!(
        (report.progress.duplicates, report.progress.connections),
        (1, 2)
    );
}

#[tokio::test(start_paused = true)]
async fn an_overloaded_server_gets_the_batch_again_on_the_same_connection() {
    let mut world = World::new(1);
    world.flushing.in_flight = 1;
    let overloaded = ClientError::Overloaded {
        reason: "busy".into(),
    };
    let faults = [Fault::Answer(overloaded.clone()), Fault::Answer(overloaded)];
    world.server.borrow_mut().script(Call::Append, faults);
    let outbox = world.with_ops([op(1)]).await;
    let report = world.flush(&outbox).await;
    assert_eq!(
        (report.progress.applied, report.progress.connections),
        (1, 1)
    );
    assert_eq!(report.progress.sent, 3);
}
