//! A client's folder is copied at every stage of a replay; the copies run to their end in every
//! order, with ops of their own, and every op is in the document once (`docs/design.md` §3).
//!
//! What is appended is text, so that an op that is applied twice, or not at all, is seen.

use std::collections::BTreeMap;
use std::rc::Rc;

use share_client::{Flusher, NewOp, Outbox};
use share_model::{Mutation, ShareRef};
use share_tests::{Cuts, StagedLink, Stages, World, by_each_way};

/// Ops that every copy holds.
const SHARED: usize = 9;
/// Ops that each copy adds.
const OWN: usize = 3;

const NO_CUTS: Cuts = Cuts {
    connections: 0,
    bytes_max: 1,
};

fn token(outbox: &str, number: usize) -> NewOp {
    NewOp::of(Mutation::AppendText {
        key: "log".into(),
        pointer: String::new().into(),
        text: format!("{outbox}{number};").into(),
    })
}

async fn enqueue(outbox: &Outbox, share: &ShareRef, name: &str, count: usize) {
    for number in 1..=count {
        let enqueued = outbox.enqueue(share.share, token(name, number)).await;
        enqueued.expect("an op is enqueued");
    }
}

/// A share with an empty text, and a client with the shared ops that was held at a stage; whether it
/// was, or came to its end before.
async fn world_with_a_client_held_at(stage: usize) -> (World, ShareRef, bool) {
    let world = World::start(1, NO_CUTS).await;
    let share = world.create_share().await;
    let outbox = world.outbox("first");
    outbox
        .use_ref(share.clone())
        .await
        .expect("the ref is kept");
    let put = Mutation::Put {
        key: "log".into(),
        json: "\"\"".into(),
    };
    let first = outbox.enqueue(share.share, NewOp::of(put)).await;
    first.expect("an op is enqueued");
    enqueue(&outbox, &share, "s", SHARED).await;
    if stage == 0 {
        return (world, share, true);
    }
    let stages = Stages::held_at(stage);
    let options = world.flusher_options();
    let link = world.link();
    let link = Rc::new(StagedLink::new(link, Rc::clone(&stages)));
    let (flusher, flushing) = Flusher::run_local_over(&outbox, options, link);
    let flushing = tokio::task::spawn_local(flushing);
    let was_held = tokio::select! {
        biased;
        () = stages.held() => true,
        report = flusher.flush() => {
            report.expect("the flusher runs");
            false
        }
    };
    // Dies where it stands. What it had sent arrives.
    flushing.abort();
    let _ = flushing.await;
    for _ in 0..200 {
        tokio::task::yield_now().await;
    }
    (world, share, was_held)
}

async fn flush(world: &World, outbox: &Outbox) {
    let (flusher, flushing) = Flusher::run_local(outbox, world.flusher_options());
    let flushing = tokio::task::spawn_local(flushing);
    let report = flusher.flush().await.expect("the flusher runs");
    assert_eq!((report.pending, report.stopped.len()), (0, 0), "{report:?}");
    flusher.stop().await.expect("the flusher ends");
    flushing.await.expect("the flusher's task ends");
}

/// The text as the server has it.
async fn log(world: &World, share: &ShareRef) -> String {
    let session = world.redeem(share).await;
    let mut log = None;
    let read = session.document(|key, json| {
        if key == "log" {
            log = Some(json.to_owned());
        }
    });
    read.await.expect("the document is read");
    serde_json::from_str(&log.expect("the share has a log")).expect("it is a text")
}

/// Every op of every copy is there once, and each copy's own in its order behind the shared ones
/// that came before.
fn check(log: &str, names: &[&str], what: &str) {
    let mut seen: BTreeMap<&str, usize> = BTreeMap::new();
    for token in log.split_terminator(';') {
        *seen.entry(token).or_default() += 1;
    }
    let twice: Vec<_> = seen.iter().filter(|(_, count)| **count > 1).collect();
    assert!(twice.is_empty(), "{what}: twice {twice:?} in {log}");
    let counts = names.iter().map(|_| OWN).chain([SHARED]);
    for (name, count) in names.iter().chain(&["s"]).zip(counts) {
        let own: Vec<_> = log
            .split_terminator(';')
            .filter(|token| token.starts_with(name))
            .collect();
        let expected: Vec<_> = (1..=count)
            .map(|number| format!("{name}{number}"))
            .collect();
        assert_eq!(own, expected, "{what}: {log}");
    }
}

fn orders(names: &[&'static str]) -> Vec<Vec<&'static str>> {
    if names.len() < 2 {
        return vec![names.to_vec()];
    }
    let mut all = Vec::new();
    for at in 0..names.len() {
        let mut rest = names.to_vec();
        let first = rest.remove(at);
        for mut order in orders(&rest) {
            order.insert(0, first);
            all.push(order);
        }
    }
    all
}

/// Copies the folder at `stage`, lets the copies run to the end in `order`, twice, and checks. False
/// if the replay has no such stage.
async fn copies_run(stage: usize, order: &[&'static str], at_once: bool) -> bool {
    let (mut world, share, was_held) = world_with_a_client_held_at(stage).await;
    let mut outboxes = Vec::new();
    for name in order {
        world.copy_state("first", name);
    }
    for name in order {
        let outbox = world.outbox(name);
        enqueue(&outbox, &share, name, OWN).await;
        outboxes.push(outbox);
    }
    let what = format!("copied at stage {stage}, run as {order:?}, at once: {at_once}");
    for _ in 0..2 {
        if at_once {
            let all = outboxes.iter().map(|outbox| flush(&world, outbox));
            futures_util::future::join_all(all).await;
        } else {
            for outbox in &outboxes {
                flush(&world, outbox).await;
            }
        }
        check(&log(&world, &share).await, order, &what);
    }
    for outbox in &outboxes {
        let shares = outbox.shares().await.expect("the outbox is read");
        let left = (
            shares[0].pending,
            shares[0].in_doubt,
            shares[0].dead_letters,
        );
        assert_eq!(left, (0, 0, 0), "{what}");
    }
    drop(outboxes);
    world.stop_server().await;
    was_held
}

/// Every stage from before the first claim to after the last settling, and one beyond.
fn at_every_stage(names: &[&'static str], at_once: bool) {
    let mut stage = 0;
    loop {
        let mut was_held = false;
        for order in orders(names) {
            was_held = share_tests::simulate(1, copies_run(stage, &order, at_once));
        }
        if !was_held {
            break;
        }
        stage += 1;
    }
    assert!(stage >= 8, "a replay has more than {stage} stages");
}

#[test]
fn two_copies_of_a_folder_taken_at_any_stage_converge_in_any_order() {
    by_each_way(|| at_every_stage(&["a", "b"], false));
}

#[test]
fn three_copies_of_a_folder_taken_at_any_stage_converge_in_any_order() {
    at_every_stage(&["a", "b", "c"], false);
}

#[test]
fn three_copies_of_a_folder_taken_at_any_stage_converge_when_they_run_at_once() {
    by_each_way(|| at_every_stage(&["a", "b", "c"], true));
}

/// A copy of a copy: what was re-queued is re-queued again under its first identity.
#[test]
fn a_copy_of_a_copy_converges() {
    by_each_way(|| share_tests::simulate(1, copy_of_a_copy()));
}

async fn copy_of_a_copy() {
    let (mut world, share, _) = world_with_a_client_held_at(6).await;
    world.copy_state("first", "a");
    let first = world.outbox("first");
    enqueue(&first, &share, "f", OWN).await;
    flush(&world, &first).await;
    let a = world.outbox("a");
    enqueue(&a, &share, "a", OWN).await;
    // Fenced and re-queued, but held before anything of it arrives.
    let stages = Stages::held_at(8);
    let options = world.flusher_options();
    let link = world.link();
    let link = Rc::new(StagedLink::new(link, Rc::clone(&stages)));
    let (flusher, flushing) = Flusher::run_local_over(&a, options, link);
    let flushing = tokio::task::spawn_local(flushing);
    tokio::select! {
        () = stages.held() => {}
        report = flusher.flush() => panic!("came to its end: {report:?}"),
    }
    flushing.abort();
    let _ = flushing.await;
    drop(a);
    let told = world
        .outbox("a")
        .recoveries(0, 9)
        .await
        .expect("it is read");
    assert_eq!(told.len(), 1, "{told:?}");
    world.copy_state("a", "b");
    for name in ["b", "a"] {
        let outbox = world.outbox(name);
        if name == "b" {
            enqueue(&outbox, &share, name, OWN).await;
        }
        flush(&world, &outbox).await;
    }
    check(
        &log(&world, &share).await,
        &["f", "a", "b"],
        "a copy of a copy",
    );
    drop(first);
    world.stop_server().await;
}
