//! Many processes on one state file, while those that replay it are killed.

#![expect(clippy::unwrap_used, reason = "a test ends at the first surprise")]

#[expect(dead_code, reason = "what it can do is not all for these tests")]
mod running;

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use running::Place;
use serde_json::Value;
use share_client::{
    FlushOptions, Flusher, FlusherOptions, HeldShares, NewOp, Outbox, OutboxOptions,
};
use share_model::seam::{Entropy, SeededEntropy, SystemEntropy};
use share_model::{Mutation, ShareRef};

/// What the child of this test is to do, and on which file.
const ROLE: &str = "SHARE_CLI_PROCESSES_ROLE";
const FILE: &str = "SHARE_CLI_PROCESSES_FILE";
/// The ref of the share that it enqueues for.
const REF: &str = "SHARE_CLI_PROCESSES_REF";

const WRITERS: usize = 16;
const KILLS: usize = 20;
/// Of each writer before each kill: so that there is something to send, however fast it goes.
const OPS_A_ROUND: usize = 50;
/// Of each writer: a put, and a text for each other op.
const OPS: usize = KILLS * OPS_A_ROUND;
/// For whoever says nothing: generous, for machines that have much else to do.
const PATIENCE: Duration = Duration::from_secs(60);

/// Not a test of its own: what the others start, and kill.
#[tokio::test]
async fn child() {
    let Ok(role) = std::env::var(ROLE) else {
        return;
    };
    let path = std::env::var(FILE).unwrap();
    let outbox = Outbox::open(Path::new(&path), OutboxOptions::default()).unwrap();
    match role.strip_prefix("writer ") {
        Some(number) => write(&outbox, number).await,
        None => replay(&outbox).await,
    }
}

/// For the parent, which reads a pipe.
fn say(line: &str) {
    let mut out = std::io::stdout().lock();
    if writeln!(out, "\n> {line}")
        .and_then(|()| out.flush())
        .is_err()
    {
        // The parent is gone.
        std::process::exit(1);
    }
}

/// Enqueues one by one, each durable before the next; for each line that it reads, those of a round.
async fn write(outbox: &Outbox, number: &str) {
    let reference: ShareRef = std::env::var(REF).unwrap().parse().unwrap();
    let (share, key) = (reference.share, format!("writer/{number}"));
    for op in 1..=OPS {
        if op % OPS_A_ROUND == 1 {
            let mut line = String::new();
            std::io::stdin().read_line(&mut line).unwrap();
        }
        let mutation = match op {
            1 => Mutation::Put {
                key: key.clone().into(),
                json: "\"\"".into(),
            },
            _ => Mutation::AppendText {
                key: key.clone().into(),
                pointer: String::new().into(),
                text: format!("{op} ").into(),
            },
        };
        let enqueued = outbox.enqueue(share, NewOp::of(mutation)).await.unwrap();
        assert!(!enqueued.coalesced);
    }
    say("done");
}

/// Replays until it is killed, and says how far it is.
async fn replay(outbox: &Outbox) {
    let options = FlusherOptions {
        poll_interval: Duration::from_millis(50),
        ..FlusherOptions::default()
    };
    let flusher = Flusher::spawn(outbox, options).unwrap();
    let mut progress = flusher.progress();
    tokio::spawn({
        let mut progress = flusher.progress();
        async move {
            while progress.changed().await.is_ok() {
                let ended = progress.borrow_and_update().ended();
                say(&format!("ended {ended}"));
            }
        }
    });
    let reporting = FlushOptions {
        held: HeldShares::Report,
        ..FlushOptions::default()
    };
    let report = flusher.flush_with(reporting).await.unwrap();
    if !report.blocked.is_empty() {
        say("waiting");
    }
    loop {
        let report = flusher.flush().await.unwrap();
        assert_eq!((report.pending, report.stopped.len()), (0, 0), "{report:?}");
        say("drained");
        progress.changed().await.unwrap();
    }
}

/// A child and what it says. Killed when it is dropped.
struct Running {
    child: Child,
    /// `None` once it is closed.
    stdin: Option<ChildStdin>,
    lines: Receiver<String>,
    /// Ops that it ended, as far as it was heard.
    ended: u64,
}

impl Drop for Running {
    fn drop(&mut self) {
        // It may have ended already; then there is nothing to do.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Running {
    fn start(place: &Place, role: &str) -> Self {
        let mut command = Command::new(std::env::current_exe().unwrap());
        command
            .args(["--exact", "child", "--nocapture"])
            .env(ROLE, role)
            .env(FILE, place.outbox())
            .env(REF, place.read("owner.ref").trim())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let out = BufReader::new(child.stdout.take().unwrap());
        let (heard, lines) = channel();
        std::thread::spawn(move || {
            for line in out.lines().map_while(Result::ok) {
                // When the test does not listen any more, nothing is lost.
                let _ = line
                    .strip_prefix("> ")
                    .map(|line| heard.send(line.to_owned()));
            }
        });
        Self {
            stdin: child.stdin.take(),
            child,
            lines,
            ended: 0,
        }
    }

    /// Waits until the child says something that is `wanted`.
    #[track_caller]
    fn hear(&self, what: &str, wanted: impl Fn(&str) -> bool) {
        let mut heard = Vec::new();
        loop {
            match self.lines.recv_timeout(PATIENCE) {
                Ok(line) if wanted(&line) => return,
                Ok(line) => heard.push(line),
                Err(error) => {
                    let last = &heard[heard.len().saturating_sub(10)..];
                    panic!("{error} for `{what}`; the child said at last {last:?}")
                }
            }
        }
    }

    /// How many ops have ended by what the child did, as far as it has said after a moment.
    fn ended(&mut self) -> u64 {
        let said = self
            .lines
            .recv_timeout(Duration::from_millis(10))
            .into_iter();
        for line in said.chain(self.lines.try_iter()) {
            if let Some(ended) = line.strip_prefix("ended ") {
                self.ended = ended.parse().unwrap();
            }
        }
        self.ended
    }

    fn go_on(&mut self) {
        writeln!(self.stdin.as_mut().unwrap()).unwrap();
    }

    fn end(mut self) {
        drop(self.stdin.take());
        let status = self.child.wait().unwrap();
        assert!(status.success(), "{status}");
    }
}

/// Which of these is the first to have ended so many ops more than `before`.
fn first_to_end(flushers: &mut [Running], before: &[u64], more: u64) -> usize {
    for _ in 0..PATIENCE.as_millis() / 10 {
        for (at, flusher) in flushers.iter_mut().enumerate() {
            if flusher.ended() >= before[at] + more {
                return at;
            }
        }
    }
    panic!("none of {} flushers got anywhere", flushers.len());
}

/// Lets the writers write, and kills whoever replays, one after the other, at a moment that is
/// drawn; half of them when another one waits already. The last one goes on.
fn kill_flushers(place: &Place, writers: &mut [Running], lots: &SeededEntropy) -> Running {
    let mut flushers = vec![Running::start(place, "flusher")];
    for _ in 0..KILLS {
        // Of two, one ends at least half of what the writers give.
        let more = 1 + lots.below((WRITERS * OPS_A_ROUND) as u64 / 2);
        if lots.below(2) == 0 {
            let other = Running::start(place, "flusher");
            // With somebody at work it has to wait; with nothing to do it may be the first.
            other.hear("waiting", |line| line == "waiting" || line == "drained");
            flushers.push(other);
        }
        let before: Vec<u64> = flushers.iter_mut().map(Running::ended).collect();
        writers.iter_mut().for_each(Running::go_on);
        let at = first_to_end(&mut flushers, &before, more);
        drop(flushers.remove(at));
        if flushers.is_empty() {
            flushers.push(Running::start(place, "flusher"));
        }
    }
    flushers.remove(0)
}

/// Each op of the log once, by seq, and those of each writer in their order.
fn check_log(log: &str) {
    let mut texts: BTreeMap<String, String> = BTreeMap::new();
    let mut next = 1;
    for line in log.lines() {
        let line: Value = serde_json::from_str(line).unwrap();
        if line["event"] != "op" {
            continue;
        }
        assert_eq!(
            (&line["cursor"], &line["seq"]),
            (&next.into(), &next.into())
        );
        let key = line["key"].as_str().unwrap().to_owned();
        match line["text"].as_str() {
            None => assert_eq!(texts.insert(key, String::new()), None),
            Some(text) => texts.get_mut(&key).unwrap().push_str(text),
        }
        next += 1;
    }
    assert_eq!(next - 1, WRITERS * OPS);
    let whole: String = (2..=OPS).map(|op| format!("{op} ")).collect();
    assert_eq!(texts.len(), WRITERS);
    for (key, text) in texts {
        assert!(text == whole, "{key}: {text}");
    }
}

#[test]
fn what_sixteen_processes_enqueue_while_flushers_are_killed_is_applied_once_and_in_order() {
    let seed = std::env::var("SHARE_SEED").ok();
    let seed = seed.and_then(|seed| seed.parse().ok());
    let seed = seed.unwrap_or_else(|| SystemEntropy::default().below(1 << 32));
    println!("replay with SHARE_SEED={seed} cargo test -p share-cli --test processes");
    let lots = SeededEntropy::new(seed);
    let place = Place::new();
    let _serving = place.serve_a_share();
    // The file knows the share.
    let used = place.share(&["use", "@owner.ref"]);
    assert_eq!(used.code, 0, "{used:?}");
    let mut writers: Vec<Running> = (1..=WRITERS)
        .map(|number| Running::start(&place, &format!("writer {number}")))
        .collect();
    let last = kill_flushers(&place, &mut writers, &lots);
    for writer in writers {
        writer.hear("done", |line| line == "done");
        writer.end();
    }
    last.hear("drained", |line| line == "drained");
    drop(last);
    let replayed = place.share(&["replay", "--json"]);
    assert_eq!(replayed.code, 0, "{replayed:?}");
    let log = place.share(&["tail", "@owner.ref", "--no-follow", "--json"]);
    assert_eq!(log.code, 0, "{}", log.err);
    check_log(&log.out);
}
