//! A server that answers some batches of a call, and leaves out the rest.

use share_client::{ClientError, Flusher};
use tokio::task::LocalSet;

use crate::server::{Call, Fault};
use crate::world::{World, op, op_ids};

#[tokio::test(start_paused = true)]
async fn batches_without_an_outcome_are_sent_again_in_order() {
    let mut world = World::new(1);
    world.options.batch_ops_max = Some(1);
    let outbox = world.with_ops((1..=2).map(op)).await;
    let full = Fault::Answer(ClientError::Overloaded {
        reason: "full".into(),
    });
    // The face leaves out what is overloaded behind a batch that is acked.
    world
        .server
        .borrow_mut()
        .script(Call::Append, [Fault::None, full]);
    let (flusher, running) = Flusher::run_local_over(&outbox, world.flushing.clone(), world.link());
    LocalSet::new()
        .run_until(async {
            let running = tokio::task::spawn_local(running);
            let report = flusher.flush().await.unwrap();
            let progress = report.progress;
            assert_eq!((progress.applied, progress.connections), (2, 1));
            // By the same lane, without a word to the replay.
            assert_eq!((progress.sent, progress.resent), (2, 0));
            flusher.stop().await.unwrap();
            running.await.unwrap();
        })
        .await;
    assert_eq!(world.server.borrow().log, op_ids(1..=2));
}
