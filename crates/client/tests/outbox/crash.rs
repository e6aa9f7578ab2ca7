//! Promise 1 on the agent's side: what `enqueue` acked survives a kill at any moment.

use std::io::{BufRead, BufReader, Read, Write};
use std::process::{Command, Stdio};

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use share_client::{Grouping, Outbox, OutboxOptions};

use crate::folder::{Folder, SHARE, put, seqs};

const CHILD: &str = "SHARE_CLIENT_CRASH_CHILD";
/// The child enqueues ops of a stream, each a call, and a few at once.
const STREAMED: &str = "SHARE_CLIENT_CRASH_STREAMED";
/// Ops of each call of the child: all of them are there, or none is.
const CALL: u64 = 3;

/// Not a test of its own: what the next one starts, and kills.
#[tokio::test]
async fn child_that_enqueues_until_it_is_killed() {
    let Ok(path) = std::env::var(CHILD) else {
        return;
    };
    let outbox = Outbox::open(path.as_ref(), OutboxOptions::default()).unwrap();
    if std::env::var(STREAMED).is_ok() {
        stream_for_ever(&outbox).await;
    }
    let enqueue_for_ever = |outbox: Outbox| async move {
        loop {
            let ops = (0..CALL).map(|_| put("k", "\"some text\"")).collect();
            let enqueued = outbox
                .enqueue_all(SHARE, ops, Grouping::Loose)
                .await
                .unwrap();
            let mut out = std::io::stdout().lock();
            writeln!(out, "acked {}", enqueued.last().unwrap().seq).unwrap();
            out.flush().unwrap();
        }
    };
    let tasks: Vec<_> = (0..4)
        .map(|_| tokio::spawn(enqueue_for_ever(outbox.clone())))
        .collect();
    futures_util::future::join_all(tasks).await;
}

/// The next op does not wait for the one before it.
async fn stream_for_ever(outbox: &Outbox) {
    let mut pending = FuturesUnordered::new();
    for number in 0_u64.. {
        // Of a key of its own: none is merged with another.
        pending.push(outbox.enqueue_streamed(SHARE, put(&format!("k{number}"), "1")));
        if pending.len() < 12 {
            continue;
        }
        if let Some(enqueued) = pending.next().await {
            let mut out = std::io::stdout().lock();
            writeln!(out, "acked {}", enqueued.unwrap().seq).unwrap();
            out.flush().unwrap();
        }
    }
}

fn acked(line: &str) -> Option<u64> {
    line.split_once("acked ")?.1.trim().parse().ok()
}

#[tokio::test]
async fn a_killed_agent_loses_no_acked_op_and_no_seq_is_missing() {
    let seqs = seqs_after_kills(false).await;
    assert_eq!(seqs.len() as u64 % CALL, 0, "a call was torn");
}

#[tokio::test]
async fn a_killed_agent_loses_no_acked_op_of_a_stream() {
    seqs_after_kills(true).await;
}

/// What the outbox holds after an agent was killed a few times: all that was acked.
async fn seqs_after_kills(is_streamed: bool) -> Vec<u64> {
    let folder = Folder::new();
    drop(folder.outbox().await);
    let (mut highest_acked, mut stored) = (0, Vec::new());
    for round in 1..=5_usize {
        let mut command = Command::new(std::env::current_exe().unwrap());
        if is_streamed {
            command.env(STREAMED, "1");
        }
        let mut child = command
            .args([
                "--exact",
                "crash::child_that_enqueues_until_it_is_killed",
                "--nocapture",
            ])
            .env(CHILD, folder.path())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut out = BufReader::new(child.stdout.take().unwrap());
        let mut line = String::new();
        let mut heard = 0;
        while heard < 20 * round {
            line.clear();
            assert_ne!(
                out.read_line(&mut line).unwrap(),
                0,
                "the child ended by itself"
            );
            if let Some(seq) = acked(&line) {
                highest_acked = highest_acked.max(seq);
                heard += 1;
            }
        }
        child.kill().unwrap();
        child.wait().unwrap();
        let mut rest = String::new();
        out.read_to_string(&mut rest).unwrap();
        highest_acked = rest.lines().filter_map(acked).fold(highest_acked, u64::max);

        let outbox = folder.outbox().await;
        stored = seqs(&outbox).await;
        let last = *stored.last().unwrap();
        assert!(
            last >= highest_acked,
            "acked up to {highest_acked}, stored up to {last}"
        );
        assert_eq!(stored, (1..=last).collect::<Vec<_>>());
    }
    stored
}
