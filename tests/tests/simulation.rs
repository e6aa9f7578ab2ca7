//! Server and client in one thread, over pipes, under paused time: promises 2 and 3 of
//! `docs/design.md` with connections cut at any byte, and the same bytes for the same seed; by RPC, by
//! HTTP, and by both in turns.

use std::collections::BTreeMap;

use share_client::{Flusher, NewOp, RowFilter};
use share_model::Mutation;
use share_tests::{Cuts, Spoken, World, by_each_way};

const OPS: u64 = 120;

/// What one run leaves behind.
struct Run {
    trace: String,
    cuts: u64,
    resent: u64,
    duplicates: u64,
    cursor: u64,
    document: BTreeMap<String, String>,
    /// Where the lane stands.
    highest: Vec<u64>,
    /// How many connections were made, and how many of them by HTTP.
    made: (u64, u64),
}

fn run(seed: u64, cuts: &Cuts) -> Run {
    share_tests::simulate(seed, play(seed, cuts.clone()))
}

async fn play(seed: u64, cuts: Cuts) -> Run {
    let mut world = World::start(seed, cuts).await;
    let share_ref = world.create_share().await;
    let share = share_ref.share;
    let outbox = world.outbox("client");
    outbox
        .use_ref(share_ref.clone())
        .await
        .expect("the outbox keeps the ref");
    let (flusher, flushing) = Flusher::run_local(&outbox, world.flusher_options());
    let flushing = tokio::task::spawn_local(flushing);
    let put = Mutation::Put {
        key: "text".into(),
        json: "\"\"".into(),
    };
    outbox
        .enqueue(share, NewOp::of(put))
        .await
        .expect("an op is enqueued");
    for number in 1..OPS {
        // Not idempotent: applied twice, or out of order, the text is another one.
        let text = format!("{number} ");
        let op = Mutation::AppendText {
            key: "text".into(),
            pointer: String::new().into(),
            text: text.into(),
        };
        outbox
            .enqueue(share, NewOp::of(op))
            .await
            .expect("an op is enqueued");
        if number == OPS / 2 {
            world.restart_server().await;
        }
    }
    let report = flusher.flush().await.expect("the flusher runs");
    assert!(report.is_drained(), "seed {seed}: {report:?}");
    flusher.stop().await.expect("the flusher ends");
    flushing.await.expect("the flusher's task ends");
    let rows = outbox
        .rows(RowFilter::default(), None, 1000)
        .await
        .expect("the outbox is read");
    for row in &rows {
        world.trace().line(&format!(
            "{} {} {:?} {:?}",
            row.seq, row.op_id, row.state, row.outcome
        ));
    }
    world.calm();
    let session = world.redeem(&share_ref).await;
    let mut document = BTreeMap::new();
    let read = session.document(|key, json| drop(document.insert(key.to_owned(), json.to_owned())));
    let at = read.await.expect("the document is read");
    let writers = session.writers().await.expect("the writers are read");
    drop(session);
    world.stop_server().await;
    Run {
        trace: world.trace().text(),
        cuts: world.cut(),
        resent: report.progress.resent,
        duplicates: report.progress.duplicates,
        cursor: at.position.cursor.get(),
        document,
        highest: writers.iter().map(|writer| writer.highest.get()).collect(),
        made: world.made(),
    }
}

fn seeds() -> Vec<u64> {
    match std::env::var("SHARE_SEED") {
        Ok(seed) => vec![seed.parse().expect("SHARE_SEED is a number")],
        Err(_) => (1..=8).collect(),
    }
}

fn cuts() -> Cuts {
    Cuts {
        connections: 12,
        bytes_max: 12_000,
    }
}

#[track_caller]
fn is_exact(seed: u64, run: &Run) {
    let replay = format!("SHARE_SEED={seed} cargo test -p share-tests --test simulation");
    let text: String = (1..OPS).map(|number| format!("{number} ")).collect();
    let expected = BTreeMap::from([("text".to_owned(), format!("\"{text}\""))]);
    assert_eq!(run.document, expected, "replay: {replay}");
    assert_eq!(run.cursor, OPS, "replay: {replay}");
    assert_eq!(run.highest, [OPS], "replay: {replay}");
}

/// Promises 2 and 3.
#[test]
fn every_op_is_applied_once_and_in_order_however_connections_are_cut() {
    by_each_way(every_op_is_applied_once);
}

fn every_op_is_applied_once() {
    let (mut all_cuts, mut resent, mut duplicates) = (0, 0, 0);
    let (mut all, mut by_http) = (0, 0);
    for seed in seeds() {
        let run = run(seed, &cuts());
        is_exact(seed, &run);
        all_cuts += run.cuts;
        resent += run.resent;
        duplicates += run.duplicates;
        (all, by_http) = (all + run.made.0, by_http + run.made.1);
    }
    // What did not happen was not survived.
    assert!(
        all_cuts > 0 && resent > 0 && duplicates > 0,
        "{all_cuts} {resent} {duplicates}"
    );
    // The share is created and read by RPC in any case.
    let by_rpc = all - by_http - 2 * seeds().len() as u64;
    match Spoken::here() {
        Spoken::Rpc => assert_eq!(by_http, 0),
        Spoken::Http => assert!(by_http > 20, "{by_http}"),
        Spoken::Both => assert!(by_rpc > 10 && by_http > 10, "{by_rpc} {by_http}"),
    }
}

#[test]
fn one_seed_gives_the_same_bytes_twice() {
    by_each_way(same_bytes_twice);
}

fn same_bytes_twice() {
    for seed in seeds().into_iter().take(2) {
        let (first, second) = (run(seed, &cuts()), run(seed, &cuts()));
        let differs = first
            .trace
            .lines()
            .zip(second.trace.lines())
            .find(|(one, two)| one != two);
        assert_eq!(differs, None, "seed {seed}");
        assert_eq!(first.trace, second.trace, "seed {seed}");
        assert!(
            first.trace.lines().count() > 100,
            "the trace of seed {seed} says too little"
        );
    }
}

#[test]
fn another_seed_gives_other_bytes() {
    assert_ne!(run(1, &cuts()).trace, run(2, &cuts()).trace);
}
