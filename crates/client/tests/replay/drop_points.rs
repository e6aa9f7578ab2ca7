//! Death at any point: the flusher's future is dropped between any two of its steps, the file is
//! opened again, and a new one goes on.

use std::future::Future;
use std::pin::pin;
use std::task::Poll;

use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};
use share_client::{DependsOn, Flusher, Grouping, NewOp, Outbox};
use share_model::{MutationError, OpId, RejectReason};
use tokio::task::LocalSet;

use crate::server::{Call, Fault};
use crate::world::{SHARE, World, op, op_id};

/// Runs per test; `SHARE_SEED=n` runs that one only.
const RUNS: u64 = 20;

fn below(random: &mut ChaCha20Rng, bound: u64) -> u64 {
    random.next_u64() % bound
}

fn fault(random: &mut ChaCha20Rng) -> Fault {
    match below(random, 10) {
        0 | 1 => Fault::LostRequest,
        2 | 3 => Fault::LostReply,
        _ => Fault::None,
    }
}

/// Ops with dependencies on earlier ones, some in atomic groups.
async fn enqueue(outbox: &Outbox, random: &mut ChaCha20Rng, numbers: std::ops::Range<u8>) {
    let mut numbers = numbers.peekable();
    while let Some(number) = numbers.next() {
        let mut new = op(number);
        if number > 1 && below(random, 3) == 0 {
            let earlier = 1 + u8::try_from(below(random, u64::from(number) - 1)).unwrap();
            new.depends_on.push(DependsOn::Op(op_id(earlier)));
        }
        let mut ops: Vec<NewOp> = vec![new];
        let mut grouping = Grouping::Loose;
        if below(random, 5) == 0 && numbers.peek().is_some() {
            ops.extend(numbers.next().map(op));
            grouping = Grouping::Atomic {
                expected_cursor: None,
            };
        }
        outbox.enqueue_all(SHARE, ops, grouping).await.unwrap();
    }
}

/// Polls a flusher `polls` times, then drops it where it is.
async fn run_and_die(world: &World, outbox: &Outbox, polls: u64) {
    let link = world.link();
    let (flusher, running) = Flusher::run_local_over(outbox, world.flushing.clone(), link);
    let mut left = polls;
    LocalSet::new()
        .run_until(async {
            let mut running = pin!(running);
            std::future::poll_fn(|context| {
                if left == 0 || running.as_mut().poll(context).is_ready() {
                    return Poll::Ready(());
                }
                left -= 1;
                context.waker().wake_by_ref();
                Poll::Pending
            })
            .await;
        })
        .await;
    drop(flusher);
}

async fn one_run(seed: u64) -> String {
    let mut random = ChaCha20Rng::seed_from_u64(seed);
    let mut world = World::new(seed);
    world.options.batch_ops_max = Some(1 + u32::try_from(below(&mut random, 4)).unwrap());
    world.flushing.in_flight = 1 + usize::try_from(below(&mut random, 4)).unwrap();
    {
        let mut server = world.server.borrow_mut();
        server.delay = usize::try_from(below(&mut random, 3)).unwrap();
        for call in [Call::Connect, Call::Redeem, Call::Claim, Call::Append] {
            server.script(call, (0..20).map(|_| fault(&mut random)));
        }
        // Fewer rejections than an op is tried, so that each is applied in the end.
        for number in 1..=20 {
            if below(&mut random, 6) == 0 {
                let reason = RejectReason::InvalidMutation(MutationError::KeyAbsent);
                server.rejections.insert(op_id(number), vec![reason].into());
            }
        }
    }
    // Dependents of an op that waits are rejected too: give them time.
    world.options.retry.attempts_max = 30;
    let mut outbox = world.with_ops([]).await;
    enqueue(&outbox, &mut random, 1..11).await;
    for _ in 0..6 {
        run_and_die(&world, &outbox, below(&mut random, 60)).await;
        drop(outbox);
        outbox = world.open();
    }
    enqueue(&outbox, &mut random, 11..21).await;
    let report = world.flush(&outbox).await;
    assert_eq!(report.pending, 0, "{report:?}");
    assert_eq!(report.stopped, [], "{report:?}");

    let states = world.states(&outbox).await;
    let server = world.server.borrow();
    let mut applied = server.log.clone();
    applied.sort_unstable();
    let expected: Vec<OpId> = (1..=20).map(op_id).collect();
    assert_eq!(applied, expected, "each op once");
    assert_eq!(states, vec!["settled"; 20]);
    let mut sent = std::collections::HashMap::new();
    for batch in server.batches() {
        let known = sent.entry(batch.id).or_insert_with(|| batch.clone());
        assert_eq!(*known, batch, "a batch was cut again");
    }
    format!("{:?} {:?}", server.log, server.arrived)
}

/// Promises 1, 2 and 3 on the client's side: nothing lost, nothing twice, no batch cut again.
#[tokio::test(start_paused = true)]
async fn wherever_the_client_dies_each_op_is_applied_once_and_the_outbox_drains() {
    let chosen = std::env::var("SHARE_SEED")
        .ok()
        .map(|seed| seed.parse().unwrap());
    let seeds = chosen.map_or(0..RUNS, |seed: u64| seed..seed + 1);
    for seed in seeds {
        println!(
            "seed {seed}: SHARE_SEED={seed} cargo test -p share-client --test replay wherever_the_client"
        );
        one_run(seed).await;
    }
}

#[tokio::test(start_paused = true)]
async fn the_same_seed_sends_the_same_bytes() {
    assert_eq!(one_run(77).await, one_run(77).await);
}
