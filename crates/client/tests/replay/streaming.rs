//! A stream of ops: most of them cost neither a commit nor a call of their own.

use std::time::Duration;

use share_client::{Flusher, Outbox};
use tokio::task::{JoinHandle, LocalSet, spawn_local, yield_now};
use tokio::time::advance;

use crate::world::{SHARE, World, op};

/// Between two tokens.
const TOKEN: Duration = Duration::from_millis(5);
const TOKENS: u8 = 200;

fn streamed(outbox: &Outbox, number: u8) -> JoinHandle<()> {
    let outbox = outbox.clone();
    spawn_local(async move {
        outbox.enqueue_streamed(SHARE, op(number)).await.unwrap();
    })
}

/// What is spawned runs as far as it can.
async fn turns() {
    for _ in 0..100 {
        yield_now().await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_stream_goes_out_with_its_commits_and_each_op_within_100_ms() {
    let world = World::new(1);
    let outbox = world.with_ops([]).await;
    let (flusher, running) = Flusher::run_local_over(&outbox, world.flushing.clone(), world.link());
    let stream = async {
        let running = spawn_local(running);
        let mut tokens = Vec::new();
        let arrived = || {
            let batches = world.server.borrow().batches();
            batches
                .iter()
                .map(|batch| batch.entries.len())
                .sum::<usize>()
        };
        for number in 1..=TOKENS {
            tokens.push(streamed(&outbox, number));
            turns().await;
            advance(TOKEN).await;
            turns().await;
            let behind = usize::from(number) - arrived();
            assert!(behind <= 20, "{behind} tokens of 5 ms at token {number}");
        }
        for token in tokens {
            token.await.unwrap();
        }
        let batches = world.server.borrow().batches().len();
        assert!((18..=24).contains(&batches), "{batches} batches in 1 s");
        let report = flusher.flush().await.unwrap();
        assert_eq!(report.progress.applied, u64::from(TOKENS));
        assert_eq!(report.progress.connections, 1);
        flusher.stop().await.unwrap();
        running.await.unwrap();
    };
    LocalSet::new().run_until(stream).await;
}

/// A backlog is no stream that pauses: what is settled meanwhile is dropped up to twice the retention
/// soon, and the rest in the pause behind it.
#[tokio::test(start_paused = true)]
async fn a_backlog_keeps_no_more_than_twice_the_retention_and_its_end_no_more_than_that() {
    let mut world = World::new(1);
    world.options.retention.ops_max = 10;
    world.options.batch_ops_max = Some(10);
    world.flushing.in_flight = 1;
    // An answer takes a few turns, so that there is something between two of them.
    world.server.borrow_mut().delay = 20;
    let outbox = world.with_ops((1..=200).map(op)).await;
    let (flusher, running) = Flusher::run_local_over(&outbox, world.flushing.clone(), world.link());
    let replay = async {
        let running = spawn_local(running);
        let mut most = 0;
        while outbox.shares().await.unwrap()[0].pending > 0 {
            most = most.max(outbox.shares().await.unwrap()[0].settled);
            yield_now().await;
        }
        assert!((11..=20).contains(&most), "{most} are kept");
        flusher.flush().await.unwrap();
        turns().await;
        flusher.stop().await.unwrap();
        running.await.unwrap();
        assert_eq!(outbox.shares().await.unwrap()[0].settled, 10);
    };
    LocalSet::new().run_until(replay).await;
}
