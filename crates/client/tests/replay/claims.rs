//! Claims: whose lane is it, and what counts only once that is known.

use share_client::{FlushOptions, Flusher};
use share_model::{Incarnation, RefusalCode, Seq};
use tokio::task::LocalSet;

use crate::server::{Call, Fault};
use crate::world::{SHARE, World, op, op_ids};

#[tokio::test(start_paused = true)]
async fn redeem_claim_and_the_first_batches_go_in_one_round_trip() {
    let mut world = World::new(1);
    world.options.batch_ops_max = Some(1);
    world.flushing.in_flight = 3;
    // Nothing is ever answered on the first connection.
    world
        .server
        .borrow_mut()
        .script(Call::Redeem, [Fault::Silence]);
    let outbox = world.with_ops((1..=5).map(op)).await;
    let report = world.flush(&outbox).await;
    let server = world.server.borrow();
    let first: Vec<u64> = server
        .arrived
        .iter()
        .filter(|arrived| arrived.connection == 1)
        .map(|arrived| arrived.batch.entries[0].seq.get())
        .collect();
    assert_eq!(first, [1, 2, 3]);
    assert_eq!(server.log, op_ids(1..=5));
    // Pipelined ones don't know the epoch yet; later ones say it.
    let epochs: Vec<u64> = server
        .arrived
        .iter()
        .map(|arrived| arrived.envelope.capability_epoch.get())
        .collect();
    assert_eq!(epochs, [0, 0, 0, 0, 0, 0, 1, 1]);
    assert_eq!(
        (report.progress.duplicates, report.progress.applied),
        (3, 2)
    );
}

#[tokio::test(start_paused = true)]
async fn a_lost_claim_reply_is_mended_by_the_same_nonce() {
    let world = World::new(1);
    world
        .server
        .borrow_mut()
        .script(Call::Claim, [Fault::LostReply, Fault::LostReply]);
    let outbox = world.with_ops([op(1)]).await;
    world.flush(&outbox).await;
    let server = world.server.borrow();
    assert_eq!(server.nonces.len(), 3);
    assert!(server.nonces.iter().all(|nonce| *nonce == server.nonces[0]));
    assert_eq!(server.lane().incarnation, Incarnation::new(1));
    assert_eq!(server.log, op_ids([1]));
}

#[tokio::test(start_paused = true)]
async fn a_claim_that_was_answered_is_followed_by_one_with_another_nonce() {
    let world = World::new(1);
    world
        .server
        .borrow_mut()
        .script(Call::Append, [Fault::LostReply]);
    let outbox = world.with_ops([op(1)]).await;
    // The claim's reply comes before the cut.
    world.server.borrow_mut().delay = 0;
    world.flush(&outbox).await;
    outbox.enqueue(SHARE, op(2)).await.unwrap();
    world.flush(&outbox).await;
    let server = world.server.borrow();
    let (last, earlier) = server.nonces.split_last().unwrap();
    assert!(!earlier.contains(last));
}

/// An ack says nothing before it is known whose lane it came from.
#[tokio::test(start_paused = true)]
async fn acks_that_come_before_the_claims_answer_do_not_count() {
    let world = World::new(1);
    world.server.borrow_mut().hold_claims = true;
    let outbox = world.with_ops([op(1)]).await;
    let link = world.link();
    let (flusher, running) = Flusher::run_local_over(&outbox, world.flushing.clone(), link);
    LocalSet::new()
        .run_until(async {
            let running = tokio::task::spawn_local(running);
            for _ in 0..1000 {
                tokio::task::yield_now().await;
            }
            assert_eq!(world.server.borrow().log, op_ids([1]));
            assert_eq!(world.states(&outbox).await, ["sent"]);
            world.server.borrow_mut().hold_claims = false;
            flusher.flush().await.unwrap();
            assert_eq!(world.states(&outbox).await, ["settled"]);
            flusher.stop().await.unwrap();
            running.await.unwrap();
        })
        .await;
}

#[tokio::test(start_paused = true)]
async fn settled_through_is_told_with_the_next_batch_or_when_all_is_drained() {
    let mut world = World::new(1);
    world.options.batch_ops_max = Some(2);
    world.flushing.in_flight = 1;
    let outbox = world.with_ops((1..=6).map(op)).await;
    world.flush(&outbox).await;
    let server = world.server.borrow();
    let told: Vec<u64> = server
        .arrived
        .iter()
        .map(|arrived| arrived.envelope.settled_through.get())
        .collect();
    assert_eq!(told, [0, 2, 4]);
    // A drained writer holds nothing back: it may be retired.
    assert_eq!(server.lane().floor, Seq::new(6));
}

#[tokio::test(start_paused = true)]
async fn a_newer_ref_lets_a_stopped_share_go_on_and_the_claim_is_repeated() {
    let world = World::new(1);
    let refusal = share_model::Refusal::new(RefusalCode::Revoked, "the grant was revoked");
    let refused = Fault::Answer(share_client::ClientError::Refused(refusal));
    world.server.borrow_mut().script(Call::Redeem, [refused]);
    let outbox = world.with_ops([op(1)]).await;
    let report = world.flush_with(&outbox, FlushOptions::default()).await;
    assert_eq!(report.stopped[0].stop.code, RefusalCode::Revoked);
    let newer = crate::world::reference(2, 8);
    let used = outbox.use_ref(newer).await.unwrap();
    assert_eq!(used, share_client::RefUse::Replaced);
    let report = world.flush(&outbox).await;
    assert_eq!((report.progress.applied, report.stopped.len()), (1, 0));
    let server = world.server.borrow();
    assert_eq!(server.secrets, [[7; 32], [8; 32]]);
}

/// A batch is cut once: neither another process nor other options cut it again.
#[tokio::test(start_paused = true)]
async fn a_batch_that_was_cut_is_sent_the_same_after_the_outbox_is_opened_with_other_options() {
    let mut world = World::new(1);
    world.options.batch_ops_max = Some(3);
    let lost = vec![Fault::LostRequest; 100];
    world.server.borrow_mut().script(Call::Append, lost);
    let outbox = world.with_ops((1..=4).map(op)).await;
    let give_up_after = Some(std::time::Duration::from_millis(1));
    let options = FlushOptions {
        give_up_after,
        ..FlushOptions::default()
    };
    world.flush_with(&outbox, options).await;
    let cut: Vec<_> = world
        .rows(&outbox)
        .await
        .iter()
        .map(|row| row.batch_id)
        .collect();
    drop(outbox);

    world.options.batch_ops_max = Some(1);
    world.server.borrow_mut().script.clear();
    let outbox = world.open();
    for number in 5..=6 {
        outbox.enqueue(SHARE, op(number)).await.unwrap();
    }
    world.flush(&outbox).await;
    let batches = world.server.borrow().batches();
    let sizes: Vec<usize> = batches.iter().map(|batch| batch.entries.len()).collect();
    assert_eq!(sizes, [3, 1, 1, 1]);
    assert_eq!(cut[..3], [Some(batches[0].id); 3]);
    assert_eq!(cut[3], Some(batches[1].id));
}
