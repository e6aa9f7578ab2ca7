//! A server behind a proxy, which is another one from one call to the next on the same connection.

use share_client::{Flusher, Outbox};
use share_model::Chain;
use tokio::task::LocalSet;

use crate::server::Server;
use crate::world::{SHARE, World, op, op_ids};

/// Flushes three ops; then the server is changed between two calls, and one more op is flushed.
async fn changed_between_calls(change: impl FnOnce(&mut Server)) -> (World, Outbox, u64) {
    let world = World::new(1);
    let outbox = world.with_ops((1..=3).map(op)).await;
    let (flusher, running) = Flusher::run_local_over(&outbox, world.flushing.clone(), world.link());
    let connections = LocalSet::new()
        .run_until(async {
            let running = tokio::task::spawn_local(running);
            flusher.flush().await.unwrap();
            change(&mut world.server.borrow_mut());
            outbox.enqueue(SHARE, op(4)).await.unwrap();
            let report = flusher.flush().await.unwrap();
            flusher.stop().await.unwrap();
            running.await.unwrap();
            report.progress.connections
        })
        .await;
    (world, outbox, connections)
}

#[tokio::test(start_paused = true)]
async fn one_connection_does_where_nothing_changes() {
    let (world, outbox, connections) = changed_between_calls(|_| ()).await;
    assert_eq!(connections, 1);
    assert_eq!(world.server.borrow().log, op_ids(1..=4));
    assert_eq!(outbox.recoveries(0, 9).await.unwrap(), []);
}

/// Without the look at where the lane stands the fourth op would be acked into a lane of another's.
#[tokio::test(start_paused = true)]
async fn an_ack_of_a_server_that_has_another_lane_does_not_count() {
    let other = Chain::from_bytes([7; 32]);
    let change = |server: &mut Server| {
        server.lanes.values_mut().next().unwrap().chain = Some(other);
    };
    let (_world, outbox, connections) = changed_between_calls(change).await;
    assert!(connections > 1, "{connections}");
    let told = outbox.recoveries(0, 9).await.unwrap();
    assert_eq!(told.len(), 1, "{told:?}");
}

#[tokio::test(start_paused = true)]
async fn a_server_that_went_back_between_two_calls_gets_what_it_lost() {
    let first = {
        let world = World::new(1);
        let outbox = world.with_ops([op(1)]).await;
        world.flush(&outbox).await;
        let server = world.server.borrow();
        let fingerprint = server.applied.keys().next().unwrap().fingerprint;
        (server.log[0], fingerprint)
    };
    let change = |server: &mut Server| {
        let history = server.history;
        server.go_back(&[first], history);
    };
    let (world, _outbox, _) = changed_between_calls(change).await;
    let mut log = world.server.borrow().log.clone();
    log.sort_unstable();
    assert_eq!(log, op_ids(1..=4));
}
