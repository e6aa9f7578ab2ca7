//! Ops of a stream: who does not wait for one op before the next lets one commit make several durable.

use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt;
use share_client::{Enqueued, NewOp, Outbox, OutboxOptions};
use share_model::seam::{Executor, SimulatedClock};
use share_model::{Mutation, UnixMs};
use tokio::task::JoinHandle;
use tokio::time::{Instant, advance};

use crate::folder::{Folder, SHARE, put, seqs};

const DELAY: Duration = Duration::from_millis(50);
/// Between two tokens.
const TOKEN: Duration = Duration::from_millis(5);

/// On virtual time, in which a commit takes none.
fn options(commit_delay: Duration) -> OutboxOptions {
    OutboxOptions {
        executor: Executor::Inline,
        clock: Arc::new(SimulatedClock::starting_at(UnixMs::new(1_000_000))),
        commit_delay,
        ..OutboxOptions::default()
    }
}

fn token() -> NewOp {
    NewOp::of(Mutation::AppendText {
        key: "k".into(),
        pointer: "".into(),
        text: " token".into(),
    })
}

/// An op of a stream, and how long it took until it was durable.
fn streamed(outbox: &Outbox, op: NewOp) -> JoinHandle<(Enqueued, Duration)> {
    let (outbox, begun) = (outbox.clone(), Instant::now());
    tokio::spawn(async move {
        let enqueued = outbox.enqueue_streamed(SHARE, op).await.unwrap();
        (enqueued, begun.elapsed())
    })
}

/// What is spawned runs as far as it can.
async fn turns() {
    for _ in 0..20 {
        tokio::task::yield_now().await;
    }
}

/// A stream that has begun: its next op waits.
async fn begun(outbox: &Outbox) {
    let (_, waited) = streamed(outbox, put("first", "1")).await.unwrap();
    assert_eq!(waited, Duration::ZERO, "the first after a pause");
}

#[tokio::test(start_paused = true)]
async fn an_enqueue_that_is_awaited_waits_for_nothing() {
    let folder = Folder::new();
    let outbox = folder.outbox_with(options(DELAY)).await;
    let before = Instant::now();
    for _ in 0..10 {
        outbox.enqueue(SHARE, token()).await.unwrap();
    }
    assert_eq!(before.elapsed(), Duration::ZERO);
    // Also where a stream has made the outbox expect more.
    begun(&outbox).await;
    outbox.enqueue(SHARE, token()).await.unwrap();
    assert_eq!(before.elapsed(), Duration::ZERO);
}

#[tokio::test(start_paused = true)]
async fn a_stream_becomes_durable_in_groups_none_of_which_waits_longer_than_the_delay() {
    let folder = Folder::new();
    let outbox = folder.outbox_with(options(DELAY)).await;
    begun(&outbox).await;
    let mut tokens = Vec::new();
    for _ in 0..200 {
        tokens.push(streamed(&outbox, token()));
        turns().await;
        advance(TOKEN).await;
    }
    let mut groups = 0;
    let mut last = None;
    for token in tokens {
        let (enqueued, waited) = token.await.unwrap();
        assert!(waited <= DELAY, "{waited:?}");
        // What waits for the same commit is one op here.
        groups += u32::from(last.replace(enqueued.seq) != Some(enqueued.seq));
    }
    assert!((18..=21).contains(&groups), "{groups} commits in 1 s");
}

#[tokio::test(start_paused = true)]
async fn an_op_of_a_stream_is_durable_before_it_is_acked_and_not_on_the_disk_before_its_commit() {
    let folder = Folder::new();
    let outbox = folder.outbox_with(options(DELAY)).await;
    begun(&outbox).await;
    // As another process sees the file.
    let other = folder.outbox_with(options(DELAY)).await;
    let waiting = streamed(&outbox, token());
    turns().await;
    advance(DELAY - Duration::from_millis(1)).await;
    turns().await;
    assert!(!waiting.is_finished());
    assert_eq!(seqs(&other).await, [1]);
    advance(Duration::from_millis(1)).await;
    let (enqueued, waited) = waiting.await.unwrap();
    assert_eq!((enqueued.seq.get(), waited), (2, DELAY));
    assert_eq!(seqs(&other).await, [1, 2]);
}

#[tokio::test(start_paused = true)]
async fn what_waits_goes_with_whatever_is_stored_next_and_before_it() {
    let folder = Folder::new();
    let outbox = folder.outbox_with(options(DELAY)).await;
    begun(&outbox).await;
    let waiting: Vec<_> = ["a", "b", "c"]
        .map(|key| streamed(&outbox, put(key, "1")))
        .into();
    turns().await;
    let next = outbox.enqueue(SHARE, put("d", "1")).await.unwrap();
    for (waiting, seq) in waiting.into_iter().zip(2_u64..) {
        let (enqueued, waited) = waiting.await.unwrap();
        assert_eq!((enqueued.seq.get(), waited), (seq, Duration::ZERO));
    }
    assert_eq!(next.seq.get(), 5);
}

#[tokio::test(start_paused = true)]
async fn of_a_stream_128_ops_wait_and_with_the_129th_all_go() {
    let folder = Folder::new();
    let outbox = folder.outbox_with(options(DELAY)).await;
    begun(&outbox).await;
    let mut waiting: Vec<_> = (0..128).map(|_| streamed(&outbox, token())).collect();
    for _ in 0..20 {
        turns().await;
    }
    assert!(waiting.iter().all(|op| !op.is_finished()));
    waiting.push(streamed(&outbox, token()));
    for op in waiting {
        assert_eq!(op.await.unwrap().1, Duration::ZERO);
    }
}

#[tokio::test(start_paused = true)]
async fn without_a_delay_and_after_a_pause_nothing_waits() {
    let folder = Folder::new();
    let outbox = folder.outbox_with(options(Duration::ZERO)).await;
    for _ in 0..3 {
        assert_eq!(streamed(&outbox, token()).await.unwrap().1, Duration::ZERO);
    }
    drop(outbox);
    let outbox = folder.outbox_with(options(DELAY)).await;
    for _ in 0..3 {
        begun(&outbox).await;
        advance(DELAY).await;
    }
}

/// Nobody is told that it is stored; it is lost to nobody who was.
#[tokio::test(start_paused = true)]
async fn what_nobody_waits_for_any_more_holds_up_nothing_and_goes_along_at_the_latest_in_the_end() {
    let folder = Folder::new();
    let outbox = folder.outbox_with(options(DELAY)).await;
    begun(&outbox).await;
    let left = outbox.enqueue_streamed(SHARE, put("left", "1"));
    assert!(left.now_or_never().is_none());
    let (enqueued, waited) = streamed(&outbox, put("next", "1")).await.unwrap();
    assert_eq!((enqueued.seq.get(), waited), (3, DELAY));
    begun(&outbox).await;
    let left = outbox.enqueue_streamed(SHARE, put("left", "1"));
    assert!(left.now_or_never().is_none());
    drop(outbox);
    let outbox = folder.outbox_with(options(DELAY)).await;
    assert_eq!(seqs(&outbox).await, [1, 2, 3, 4, 5]);
}
