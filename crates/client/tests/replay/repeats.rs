//! What ended by a repeat is asked about again while the server's floor lies below it.

use share_client::Outbox;
use share_model::{EntryBody, HistoryId, MutationError, OpId, RejectReason, Seq};

use crate::server::{Call, Fault};
use crate::world::{SHARE, World, op, op_id, op_ids};

/// Of each batch that arrived, its ops; an op that is given up is left out.
fn arrived(world: &World) -> Vec<Vec<OpId>> {
    let batches = world.server.borrow().batches();
    let ops = |batch: share_model::Batch| {
        let ops = batch
            .entries
            .into_iter()
            .filter_map(|entry| match entry.body {
                EntryBody::Op(op) => Some(op.id),
                EntryBody::Abandon(_) => None,
            });
        ops.collect()
    };
    batches.into_iter().map(ops).collect()
}

/// Op 1 is rejected at first, and applied behind op 2.
async fn with_a_hole_filled(world: &World) -> Outbox {
    let reject = RejectReason::AtomicGroupFailed;
    let rejections = [(op_id(1), [reject].into())];
    world.server.borrow_mut().rejections.extend(rejections);
    let outbox = world.with_ops([op(1), op(2)]).await;
    world.flush(&outbox).await;
    assert_eq!(world.server.borrow().log, op_ids([2, 1]));
    outbox
}

/// The server is put back to where op 1 was rejected. Its history id came back with it, the lane's
/// highest seq and chain are the same, and others have brought the cursor up again.
fn put_back_to_the_hole(world: &World) {
    let mut server = world.server.borrow_mut();
    server.log = op_ids([2, 101, 102, 103]);
    server
        .applied
        .retain(|identity, _| identity.seq == Seq::new(2));
    server.abandoned.clear();
    let lane = server.lanes.values_mut().next().unwrap();
    lane.floor = Seq::ZERO;
}

#[tokio::test(start_paused = true)]
async fn a_hole_that_a_server_has_again_is_filled_again_though_nothing_else_shows_it() {
    for has_more in [false, true] {
        let world = World::new(1);
        let outbox = with_a_hole_filled(&world).await;
        put_back_to_the_hole(&world);
        let mut expected = op_ids([2, 101, 102, 103, 1]);
        if has_more {
            // Pipelined behind the claim, it must not tell the hole as settled.
            outbox.enqueue(SHARE, op(3)).await.unwrap();
            expected.insert(4, op_id(3));
        }
        let report = world.flush(&outbox).await;
        assert_eq!((report.pending, report.stopped.len()), (0, 0));
        assert_eq!(world.server.borrow().log, expected);
        assert_eq!(world.server.borrow().lanes.len(), 1);
        let is_settled = |state| state == "settled";
        assert!(world.states(&outbox).await.into_iter().all(is_settled));
    }
}

/// It is at risk for as long as the server's floor is below it, also when it was brought back once.
#[tokio::test(start_paused = true)]
async fn a_hole_that_a_server_has_a_third_time_is_filled_a_third_time() {
    let world = World::new(1);
    let outbox = with_a_hole_filled(&world).await;
    for _ in 0..2 {
        put_back_to_the_hole(&world);
        world.flush(&outbox).await;
        assert_eq!(world.server.borrow().log, op_ids([2, 101, 102, 103, 1]));
    }
}

#[tokio::test(start_paused = true)]
async fn what_was_given_up_is_given_up_again_at_a_server_that_forgot_only_that() {
    let world = World::new(1);
    let reject = RejectReason::InvalidMutation(MutationError::NotJson);
    let rejections = [(op_id(1), [reject].into())];
    world.server.borrow_mut().rejections.extend(rejections);
    let outbox = world.with_ops([op(1), op(2)]).await;
    world.flush(&outbox).await;
    assert_eq!(world.server.borrow().abandoned.len(), 1);
    put_back_to_the_hole(&world);
    world.flush(&outbox).await;
    assert_eq!(world.server.borrow().abandoned.len(), 1);
    assert_eq!(world.states(&outbox).await, ["dead-letter", "settled"]);
}

/// The last word on what is settled was lost, and nothing else: the answer is that all is there.
#[tokio::test(start_paused = true)]
async fn at_a_server_that_lost_nothing_a_repeat_is_a_duplicate_and_the_lane_goes_on() {
    let world = World::new(1);
    let faults = [Fault::None, Fault::None, Fault::LostRequest];
    world.server.borrow_mut().script(Call::Append, faults);
    let outbox = with_a_hole_filled(&world).await;
    outbox.enqueue(SHARE, op(3)).await.unwrap();
    let report = world.flush(&outbox).await;
    assert_eq!((report.pending, report.stopped.len()), (0, 0));
    assert_eq!(world.server.borrow().log, op_ids([2, 1, 3]));
    assert_eq!(world.server.borrow().lanes.len(), 1);
    assert_eq!(outbox.recoveries(0, 9).await.unwrap(), []);
    let repeats = arrived(&world)
        .into_iter()
        .filter(|ops| ops.contains(&op_id(1)));
    assert_eq!(repeats.count(), 3);
    // Now it is told, and asked about no more.
    assert_eq!(world.server.borrow().lane().floor, Seq::new(3));
    let batches = arrived(&world).len();
    world.flush(&outbox).await;
    assert_eq!(arrived(&world).len(), batches);
}

/// What is not told as settled before the claim's answer takes room of the window until then, and
/// nothing is given up for that.
#[tokio::test(start_paused = true)]
async fn a_window_full_of_what_is_not_told_waits_for_the_claims_answer() {
    let mut world = World::new(1);
    world.options.batch_ops_max = Some(1);
    world.server.borrow_mut().limits.window = 2;
    // Two batches, the repeat, and the last word.
    let faults = [Fault::None, Fault::None, Fault::None, Fault::LostRequest];
    world.server.borrow_mut().script(Call::Append, faults);
    let outbox = with_a_hole_filled(&world).await;
    for number in 3..=6 {
        outbox.enqueue(SHARE, op(number)).await.unwrap();
    }
    let report = world.flush(&outbox).await;
    assert_eq!((report.pending, report.stopped.len()), (0, 0));
    assert_eq!(world.server.borrow().log, op_ids([2, 1, 3, 4, 5, 6]));
    assert_eq!(world.states(&outbox).await, ["settled"; 6]);
}

#[tokio::test(start_paused = true)]
async fn what_was_sent_once_is_not_asked_about_again() {
    let world = World::new(1);
    let faults = [Fault::None, Fault::LostRequest];
    world.server.borrow_mut().script(Call::Append, faults);
    let outbox = world.with_ops([op(1), op(2)]).await;
    world.flush(&outbox).await;
    outbox.enqueue(SHARE, op(3)).await.unwrap();
    world.flush(&outbox).await;
    assert_eq!(arrived(&world), [op_ids([1, 2]), op_ids([3])]);
    assert_eq!(
        world.server.borrow().history,
        HistoryId::from_bytes([1; 16])
    );
}
