//! Several flushers of one file: one at a time replays a share.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt;
use share_client::{
    ClientError, FlushOptions, FlushReport, Flusher, HeldShares, Outbox, OutboxOptions, RetryPolicy,
};
use share_model::seam::{ProcessId, ProcessState, SimulatedProcesses};
use share_model::{RejectReason, ShareId};
use tokio::task::LocalSet;

use crate::server::{Call, Fault};
use crate::world::{SHARE, World, op, op_id, op_ids, reference};

fn process(pid: u32) -> ProcessId {
    ProcessId {
        pid,
        started: Some(u64::from(pid)),
        boot: Some("boot".into()),
        namespace: Some("namespace".into()),
        host: "host".into(),
    }
}

/// The world's file as another process has it open.
fn open_in(world: &World, processes: SimulatedProcesses) -> Outbox {
    let path = world.folder.path().join("state/share.sqlite");
    let options = OutboxOptions {
        processes: Arc::new(processes),
        ..world.options.clone()
    };
    Outbox::open(&path, options).unwrap()
}

/// Two processes with the same file; the first has op 1 in it, for the share. Each can tell that the
/// other lives.
async fn two_processes(world: &World) -> (Outbox, Outbox) {
    let first = SimulatedProcesses::new(process(1));
    let second = first.beside(process(2));
    let (first, second) = (open_in(world, first), open_in(world, second));
    first.use_ref(reference(1, 7)).await.unwrap();
    first.enqueue(SHARE, op(1)).await.unwrap();
    (first, second)
}

fn flusher(world: &World, outbox: &Outbox) -> (Flusher, impl Future<Output = ()> + use<>) {
    let link = world.link();
    Flusher::run_local_over(outbox, world.flushing.clone(), link)
}

/// In 10 minutes of virtual time at most.
async fn flush(flusher: &Flusher, options: FlushOptions) -> FlushReport {
    let flush = flusher.flush_with(options);
    let report = tokio::time::timeout(Duration::from_secs(600), flush).await;
    report.expect("the flush ends").unwrap()
}

fn giving_up_after(seconds: u64) -> FlushOptions {
    FlushOptions {
        give_up_after: Some(Duration::from_secs(seconds)),
        ..FlushOptions::default()
    }
}

fn is_held_by(report: &FlushReport, wanted: u32) -> bool {
    report.blocked.iter().any(
        |blocked| matches!(blocked.error, ClientError::HeldElsewhere { pid, .. } if pid == wanted),
    )
}

#[tokio::test(start_paused = true)]
async fn a_flush_of_what_another_process_replays_waits_or_says_who_and_takes_over_when_it_stops() {
    let world = World::new(1);
    // The first gets nowhere.
    let away = vec![Fault::LostRequest; 10_000];
    world.server.borrow_mut().script(Call::Connect, away);
    let (outbox, other) = two_processes(&world).await;
    LocalSet::new()
        .run_until(async {
            let (first, running) = flusher(&world, &outbox);
            let running = tokio::task::spawn_local(running);
            flush(&first, giving_up_after(1)).await;

            let (second, second_running) = flusher(&world, &other);
            let second_running = tokio::task::spawn_local(second_running);
            let reporting = FlushOptions {
                held: HeldShares::Report,
                ..FlushOptions::default()
            };
            let started = world.options.clock.now();
            let told = flush(&second, reporting).await;
            assert!(is_held_by(&told, 1) && !told.not_reachable(), "{told:?}");
            assert_eq!(told.pending, 1);
            let given_up = flush(&second, giving_up_after(60)).await;
            assert!(is_held_by(&given_up, 1), "{given_up:?}");
            let waited = world.options.clock.now().get() - started.get();
            assert!((60_000..62_000).contains(&waited), "{waited} ms");

            first.stop().await.unwrap();
            running.await.unwrap();
            world.server.borrow_mut().script.clear();
            let report = flush(&second, giving_up_after(10)).await;
            assert_eq!((report.progress.applied, report.pending), (1, 0));
            second.stop().await.unwrap();
            second_running.await.unwrap();
        })
        .await;
}

#[tokio::test(start_paused = true)]
async fn a_flush_does_not_give_up_on_what_another_process_replays_while_that_gets_somewhere() {
    let mut world = World::new(1);
    let wait = Duration::from_secs(2);
    world.options.retry = RetryPolicy {
        attempts_max: 100,
        delay: wait,
        delay_max: wait,
        ..RetryPolicy::default()
    };
    let (outbox, other) = two_processes(&world).await;
    // One op ends every two seconds.
    for number in 2..=8 {
        outbox.enqueue(SHARE, op(number)).await.unwrap();
        let reason = RejectReason::InvalidMutation(share_model::MutationError::KeyAbsent);
        let rejections = std::iter::repeat_n(reason, usize::from(number) - 1);
        let mut server = world.server.borrow_mut();
        server
            .rejections
            .insert(op_id(number), rejections.collect());
    }
    LocalSet::new()
        .run_until(async {
            let (first, running) = flusher(&world, &outbox);
            tokio::task::spawn_local(running);
            while first.progress().borrow().applied == 0 {
                tokio::task::yield_now().await;
            }
            let (second, second_running) = flusher(&world, &other);
            tokio::task::spawn_local(second_running);
            let report = flush(&second, giving_up_after(5)).await;
            assert_eq!((report.pending, report.blocked.len()), (0, 0), "{report:?}");
            assert_eq!(report.progress.applied, 0);
        })
        .await;
}

/// Who waits for its ops does not care who sends them; and they go out on the connection there is.
#[tokio::test(start_paused = true)]
async fn ops_of_another_process_go_out_on_the_holders_connection_and_end_its_flush() {
    let mut world = World::new(1);
    world.flushing.idle_timeout = Duration::from_secs(3600);
    let (outbox, other) = two_processes(&world).await;
    LocalSet::new()
        .run_until(async {
            let (first, running) = flusher(&world, &outbox);
            let running = tokio::task::spawn_local(running);
            flush(&first, giving_up_after(10)).await;
            let (second, second_running) = flusher(&world, &other);
            let second_running = tokio::task::spawn_local(second_running);
            for number in 2..=4 {
                other.enqueue(SHARE, op(number)).await.unwrap();
                let report = flush(&second, giving_up_after(10)).await;
                assert_eq!((report.pending, report.progress.applied), (0, 0));
                assert_eq!(report.blocked, []);
            }
            assert_eq!(world.server.borrow().connections, 1);
            assert_eq!(first.progress().borrow().applied, 4);
            for (flusher, running) in [(first, running), (second, second_running)] {
                flusher.stop().await.unwrap();
                running.await.unwrap();
            }
        })
        .await;
    assert_eq!(world.server.borrow().log, op_ids(1..=4));
}

#[tokio::test(start_paused = true)]
async fn a_share_with_nothing_to_send_is_free_though_its_last_flusher_goes_on() {
    let world = World::new(1);
    let (outbox, other) = two_processes(&world).await;
    LocalSet::new()
        .run_until(async {
            let (first, running) = flusher(&world, &outbox);
            tokio::task::spawn_local(running);
            flush(&first, giving_up_after(10)).await;
            // Its connection is of no use for long enough; its next look comes after the second's.
            let idle = world.flushing.idle_timeout + Duration::from_millis(1500);
            world.options.clock.sleep(idle).await;
            let (second, second_running) = flusher(&world, &other);
            tokio::task::spawn_local(second_running);
            other.enqueue(SHARE, op(2)).await.unwrap();
            let report = flush(&second, giving_up_after(10)).await;
            assert_eq!((report.progress.applied, report.pending), (1, 0));
        })
        .await;
}

/// As after a stop of the process by a signal: it goes on where it was, on the connection that it
/// had.
#[tokio::test(start_paused = true)]
async fn a_flusher_that_lost_its_lease_sends_nothing_more() {
    let mut world = World::new(1);
    world.flushing.idle_timeout = Duration::from_secs(3600);
    let first = SimulatedProcesses::new(process(1));
    let second = first.beside(process(2));
    second.set(&process(1), ProcessState::Unknown);
    let (outbox, other) = (open_in(&world, first), open_in(&world, second));
    outbox.use_ref(reference(1, 7)).await.unwrap();
    outbox.enqueue(SHARE, op(1)).await.unwrap();
    let (stopped, there) = (LocalSet::new(), LocalSet::new());
    let (first, running) = flusher(&world, &outbox);
    stopped.spawn_local(running);
    stopped.run_until(flush(&first, giving_up_after(10))).await;
    // From here on the first does nothing, with its connection open.
    let (second, second_running) = flusher(&world, &other);
    there.spawn_local(second_running);
    there
        .run_until(async {
            other.enqueue(SHARE, op(2)).await.unwrap();
            let report = flush(&second, giving_up_after(60)).await;
            assert_eq!((report.progress.applied, report.pending), (1, 0));
        })
        .await;
    // It goes on, and there is something to send.
    outbox.enqueue(SHARE, op(3)).await.unwrap();
    let report = stopped.run_until(flush(&first, giving_up_after(20))).await;
    assert!(is_held_by(&report, 2), "{report:?}");
    let by_first = |world: &World| {
        let server = world.server.borrow();
        let of_first = server.arrived.iter().filter(|it| it.connection == 1);
        (of_first.count(), server.connections)
    };
    assert_eq!(by_first(&world), (1, 2));
    there.run_until(flush(&second, giving_up_after(60))).await;
    assert_eq!(by_first(&world), (1, 2));
    assert_eq!(world.server.borrow().log, op_ids(1..=3));
}

#[tokio::test(start_paused = true)]
async fn a_replay_that_waits_keeps_its_lease_though_nobody_can_look_at_its_process() {
    let world = World::new(1);
    world
        .server
        .borrow_mut()
        .script(Call::Connect, vec![Fault::LostRequest; 10_000]);
    let first = SimulatedProcesses::new(process(1));
    let second = first.beside(process(2));
    second.set(&process(1), ProcessState::Unknown);
    let (outbox, other) = (open_in(&world, first), open_in(&world, second));
    outbox.use_ref(reference(1, 7)).await.unwrap();
    outbox.enqueue(SHARE, op(1)).await.unwrap();
    LocalSet::new()
        .run_until(async {
            let (first, running) = flusher(&world, &outbox);
            tokio::task::spawn_local(running);
            flush(&first, giving_up_after(1)).await;
            let (second, second_running) = flusher(&world, &other);
            tokio::task::spawn_local(second_running);
            let report = flush(&second, giving_up_after(300)).await;
            assert!(is_held_by(&report, 1), "{report:?}");
            assert_eq!(second.progress().borrow().connections, 0);
            drop(first);
            world.server.borrow_mut().script.clear();
            let report = flush(&second, giving_up_after(10)).await;
            assert_eq!(report.progress.applied, 1);
        })
        .await;
}

#[tokio::test(start_paused = true)]
async fn of_two_flushers_in_one_process_the_second_goes_on_at_once_when_the_first_is_dropped() {
    let world = World::new(1);
    let outbox = world.with_ops([op(1)]).await;
    let second = world.open();
    let (first, running) = flusher(&world, &outbox);
    // Dropped at any point: here, while the answer to its first batch is due.
    world.server.borrow_mut().delay = 1_000_000;
    let local = LocalSet::new();
    let mut running = Box::pin(local.run_until(running));
    for _ in 0..1000 {
        assert!((&mut running).now_or_never().is_none());
    }
    assert_eq!(world.server.borrow().arrived.len(), 1);
    world.server.borrow_mut().delay = 1;
    let told = FlushOptions {
        held: HeldShares::Report,
        ..FlushOptions::default()
    };
    let report = world.flush_with(&second, told).await;
    assert!(is_held_by(&report, std::process::id()), "{report:?}");
    drop(running);
    drop(first);
    let report = world.flush_with(&second, told).await;
    assert_eq!((report.progress.duplicates, report.pending), (1, 0));
}

#[tokio::test(start_paused = true)]
async fn two_processes_with_shares_of_their_own_replay_at_the_same_time() {
    let world = World::new(1);
    world.server.borrow_mut().hold_claims = true;
    let (outbox, other) = two_processes(&world).await;
    let share = ShareId::from_bytes([3; 16]);
    LocalSet::new()
        .run_until(async {
            let (first, running) = flusher(&world, &outbox);
            let running = tokio::task::spawn_local(running);
            let (second, second_running) = flusher(&world, &other);
            let second_running = tokio::task::spawn_local(second_running);
            while world.server.borrow().connections < 1 {
                tokio::task::yield_now().await;
            }
            let reference = share_model::ShareRef {
                share,
                ..reference(1, 3)
            };
            other.use_ref(reference).await.unwrap();
            other.enqueue(share, op(2)).await.unwrap();
            // The second is at its share while the first is still at its own.
            while world.server.borrow().connections < 2 {
                tokio::task::yield_now().await;
            }
            world.server.borrow_mut().hold_claims = false;
            let of = |share| FlushOptions {
                share: Some(share),
                ..giving_up_after(10)
            };
            assert_eq!(flush(&first, of(SHARE)).await.progress.applied, 1);
            assert_eq!(flush(&second, of(share)).await.progress.applied, 1);
            for (flusher, running) in [(first, running), (second, second_running)] {
                flusher.stop().await.unwrap();
                running.await.unwrap();
            }
        })
        .await;
}

/// What cuts a try short is no answer: it says nothing of the op.
#[tokio::test(start_paused = true)]
async fn an_op_that_was_under_way_at_fifty_kills_is_sent_and_one_rejected_eight_times_is_not() {
    let mut world = World::new(1);
    world.options.retry = RetryPolicy::default();
    let outbox = world.with_ops([op(1)]).await;
    // Every request is lost, and no answer comes.
    world
        .server
        .borrow_mut()
        .script(Call::Append, vec![Fault::LostRequest; 50]);
    for kill in 1..=50 {
        let (_flusher, running) = flusher(&world, &outbox);
        let local = LocalSet::new();
        let mut running = Box::pin(local.run_until(running));
        while world.rows(&outbox).await[0].attempts < kill {
            assert!((&mut running).now_or_never().is_none());
        }
    }
    // A flusher that was killed early may have left some.
    world.server.borrow_mut().script.clear();
    outbox.enqueue(SHARE, op(2)).await.unwrap();
    let reason = RejectReason::InvalidMutation(share_model::MutationError::KeyAbsent);
    let rejections = std::iter::repeat_n(reason, 8).collect();
    world
        .server
        .borrow_mut()
        .rejections
        .insert(op_id(2), rejections);
    let report = world.flush(&outbox).await;
    assert_eq!((report.progress.applied, report.progress.rejected), (1, 1));
    assert_eq!(world.states(&outbox).await, ["settled", "dead-letter"]);
    let attempts: Vec<u32> = world
        .rows(&outbox)
        .await
        .iter()
        .map(|row| row.attempts)
        .collect();
    // Eight tries, and the batch that gives the op up.
    assert_eq!((attempts[0] > 50, attempts[1]), (true, 9));
}
