//! Flushing: when it ends, what it says, and who may do it.

use std::io;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use share_client::{
    Backoff, ClientError, Connector, FlushOptions, Flusher, FlusherOptions, NewOp, OutboxError,
    Stream,
};
use share_model::seam::{Clock, SimulatedClock};
use share_model::{Mutation, UnixMs};
use tokio::task::LocalSet;

use crate::server::{Call, Fault};
use crate::world::{SHARE, World, op, op_ids};

/// Nobody is there; remembers when somebody asked.
#[derive(Debug)]
struct Nobody {
    clock: SimulatedClock,
    asked: Mutex<Vec<UnixMs>>,
}

#[async_trait]
impl Connector for Nobody {
    async fn connect(
        &self,
        _: &str,
        _: share_model::Security,
    ) -> Result<Box<dyn Stream>, share_client::ConnectError> {
        self.asked.lock().unwrap().push(self.clock.now());
        Err(io::Error::from(io::ErrorKind::ConnectionRefused).into())
    }
}

async fn flush_nobody(world: &World, give_up_after: Duration) -> Vec<u64> {
    let clock = SimulatedClock::starting_at(UnixMs::new(0));
    let nobody = Arc::new(Nobody {
        clock,
        asked: Mutex::default(),
    });
    let options = FlusherOptions {
        connector: Arc::clone(&nobody) as Arc<dyn Connector>,
        backoff: Backoff {
            base: Duration::from_millis(100),
            max: Duration::from_secs(2),
        },
        ..FlusherOptions::default()
    };
    let outbox = world.with_ops([op(1), op(2)]).await;
    let (flusher, running) = Flusher::run_local(&outbox, options);
    LocalSet::new()
        .run_until(async {
            let running = tokio::task::spawn_local(running);
            let give_up_after = Some(give_up_after);
            let options = FlushOptions {
                give_up_after,
                ..FlushOptions::default()
            };
            let report = flusher.flush_with(options).await.unwrap();
            assert!(report.not_reachable());
            assert_eq!((report.pending, report.blocked[0].pending), (2, 2));
            assert!(matches!(
                report.blocked[0].error,
                ClientError::Unreachable { .. }
            ));
            flusher.stop().await.unwrap();
            running.await.unwrap();
        })
        .await;
    // Failures of the transport never count against an op, and without a connection nothing was sent.
    assert_eq!(world.states(&outbox).await, ["reserved", "reserved"]);
    let asked = nobody.asked.lock().unwrap();
    asked.iter().map(|at| at.get()).collect()
}

#[tokio::test(start_paused = true)]
async fn a_server_that_is_away_is_asked_again_ever_more_slowly_until_the_flush_gives_up() {
    let world = World::new(3);
    let asked = flush_nobody(&world, Duration::from_secs(20)).await;
    let last = *asked.last().unwrap();
    assert!((17_000..=21_000).contains(&last), "asked at {asked:?}");
    let ceilings = [100, 200, 400, 800, 1600];
    for (index, pair) in asked.windows(2).enumerate() {
        let ceiling = ceilings.get(index).copied().unwrap_or(2000);
        // A timer's tick is a millisecond.
        assert!(
            pair[1] - pair[0] <= ceiling + 2,
            "wait {index} of {asked:?}"
        );
    }
    assert!(
        asked.len() >= 12,
        "the jitter halves the longest waits on average: {asked:?}"
    );
}

#[tokio::test(start_paused = true)]
async fn the_same_seed_waits_the_same_times() {
    let first = flush_nobody(&World::new(3), Duration::from_secs(5)).await;
    let again = flush_nobody(&World::new(3), Duration::from_secs(5)).await;
    let other = flush_nobody(&World::new(4), Duration::from_secs(5)).await;
    assert_eq!(first, again);
    assert_ne!(first, other);
}

#[tokio::test(start_paused = true)]
async fn ops_enqueued_while_the_flusher_runs_go_out_on_the_same_connection() {
    let world = World::new(1);
    let outbox = world.with_ops([op(1)]).await;
    let link = world.link();
    let (flusher, running) = Flusher::run_local_over(&outbox, world.flushing.clone(), link);
    LocalSet::new()
        .run_until(async {
            let running = tokio::task::spawn_local(running);
            for number in 2..=5 {
                flusher.flush().await.unwrap();
                outbox.enqueue(SHARE, op(number)).await.unwrap();
            }
            let report = flusher.flush().await.unwrap();
            assert_eq!(
                (report.progress.applied, report.progress.connections),
                (5, 1)
            );
            flusher.stop().await.unwrap();
            running.await.unwrap();
        })
        .await;
    assert_eq!(world.server.borrow().log, op_ids(1..=5));
}

#[tokio::test(start_paused = true)]
async fn an_idle_connection_is_left_and_made_again_when_there_is_something() {
    let world = World::new(1);
    let outbox = world.with_ops([op(1)]).await;
    let link = world.link();
    let (flusher, running) = Flusher::run_local_over(&outbox, world.flushing.clone(), link);
    LocalSet::new()
        .run_until(async {
            let running = tokio::task::spawn_local(running);
            flusher.flush().await.unwrap();
            world.options.clock.sleep(Duration::from_secs(11)).await;
            outbox.enqueue(SHARE, op(2)).await.unwrap();
            let report = flusher.flush().await.unwrap();
            assert_eq!(
                (report.progress.applied, report.progress.connections),
                (2, 2)
            );
            flusher.stop().await.unwrap();
            running.await.unwrap();
        })
        .await;
}

#[tokio::test(start_paused = true)]
async fn settled_ops_beyond_the_retention_are_dropped_and_the_lane_goes_on() {
    let mut world = World::new(1);
    world.options.retention.ops_max = 3;
    let outbox = world.with_ops((1..=10).map(op)).await;
    world.flush(&outbox).await;
    let kept: Vec<u64> = world
        .rows(&outbox)
        .await
        .iter()
        .map(|row| row.seq.get())
        .collect();
    assert_eq!(kept, [8, 9, 10]);
    // The chain at the point up to which they are gone still answers for the lane.
    outbox.enqueue(SHARE, op(11)).await.unwrap();
    let report = world.flush(&outbox).await;
    assert_eq!((report.progress.applied, report.stopped.len()), (1, 0));
}

/// A share whose server is away takes no other share's place.
#[tokio::test(start_paused = true)]
async fn more_shares_than_connections_all_drain_though_one_server_is_away() {
    let mut world = World::new(1);
    world.flushing.shares_at_once = 1;
    let away = vec![Fault::LostRequest; 3];
    world.server.borrow_mut().script(Call::Connect, away);
    let outbox = world.with_ops([op(1)]).await;
    for number in 1..=3 {
        let share = share_model::ShareId::from_bytes([number; 16]);
        let reference = share_model::ShareRef {
            share,
            ..crate::world::reference(1, number)
        };
        outbox.use_ref(reference).await.unwrap();
        outbox.enqueue(share, op(number + 1)).await.unwrap();
    }
    let report = world.flush(&outbox).await;
    assert_eq!((report.shares, report.progress.applied), (4, 4));
    assert_eq!(report.progress.connections, 4);
}

/// A full outbox can always record what became of its ops, and that makes room.
#[tokio::test(start_paused = true)]
async fn a_full_outbox_is_drained_and_takes_ops_again() {
    let mut world = World::new(1);
    world.options.sqlite.pages_max = Some(64);
    let outbox = world.with_ops([]).await;
    let large = |number: u8| {
        let json = format!("\"{}\"", "x".repeat(3000));
        let put = Mutation::Put {
            key: "k".into(),
            json: json.into(),
        };
        NewOp {
            mutation: put,
            ..op(number)
        }
    };
    let mut stored = 0;
    let full = loop {
        match outbox.enqueue(SHARE, large(stored + 1)).await {
            Ok(_) => stored += 1,
            Err(error) => break error,
        }
    };
    assert!(matches!(full, OutboxError::Full), "{full:?}");
    let report = world.flush(&outbox).await;
    assert_eq!(report.progress.applied, u64::from(stored));
    outbox.enqueue(SHARE, large(200)).await.unwrap();
    let report = world.flush(&outbox).await;
    assert_eq!((report.progress.applied, report.stopped.len()), (1, 0));
}

#[tokio::test(start_paused = true)]
async fn ops_enqueued_while_an_answer_is_due_do_not_wait_for_it() {
    let world = World::new(1);
    let outbox = world.with_ops([op(1)]).await;
    let link = world.link();
    let (flusher, running) = Flusher::run_local_over(&outbox, world.flushing.clone(), link);
    LocalSet::new()
        .run_until(async {
            let running = tokio::task::spawn_local(running);
            flusher.flush().await.unwrap();
            // In turns of the runtime: an answer takes far longer than a turn of the flusher.
            world.server.borrow_mut().delay = 10_000;
            let turns = async || {
                for _ in 0..100 {
                    tokio::task::yield_now().await;
                }
            };
            for number in 2..=4 {
                outbox.enqueue(SHARE, op(number)).await.unwrap();
                turns().await;
            }
            // The first goes at once, those behind it gather.
            assert_eq!(world.server.borrow().arrived.len(), 2);
            tokio::time::advance(Duration::from_millis(40)).await;
            turns().await;
            // They are at the server, in one batch, before the answer to the first of them; where they
            // go call by call, they wait together for the next one.
            let arrived = world.server.borrow().arrived.len();
            assert_eq!(arrived, if crate::over::IS_PIPELINED { 3 } else { 2 });
            let report = flusher.flush().await.unwrap();
            assert_eq!(
                (report.progress.applied, report.progress.connections),
                (4, 1)
            );
            flusher.stop().await.unwrap();
            running.await.unwrap();
        })
        .await;
}
