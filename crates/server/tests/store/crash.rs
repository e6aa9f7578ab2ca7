//! Real processes that commit and are killed, or whose disk fails.
//!
//! The test starts its own binary again with one test selected, which commits when an environment
//! variable names a folder, and prints a line for what it was told.

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use rusqlite::Connection;
use share_model::seam::{Entropy, Executor, SeededEntropy};
use share_server::store::{CommitOutcome, RedoOptions, SqliteStoreOptions, Store, StoreError};

use super::faulty::FaultyStore;
use super::opened::{open, small};
use super::opening::file;
use super::story::Story;

const FOLDER: &str = "SHARE_TEST_STORE_FOLDER";
const UPKEEP: &str = "SHARE_TEST_STORE_UPKEEP";
const SHARES: u8 = 4;

/// Every other record a batch; the same story in parent and child, by its length.
fn go_on(story: &mut Story) {
    if story.records.len().is_multiple_of(2) {
        story.claim();
    } else {
        story.append(1, &["one op", "another op of the same batch"]);
    }
}

fn story_of_length(number: u8, records: u64) -> Story {
    let mut story = Story::new(number);
    (0..records).for_each(|_| go_on(&mut story));
    story
}

/// What the committing process does besides committing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Upkeep {
    /// All of it, often.
    Often,
    /// Nothing: whatever fails, fails in a commit.
    Never,
}

fn options(upkeep: Upkeep) -> SqliteStoreOptions {
    let options = small(Executor::OwnThread);
    match upkeep {
        Upkeep::Often => SqliteStoreOptions {
            index_rows: 50,
            ..options
        },
        Upkeep::Never => SqliteStoreOptions {
            index_rows: 1 << 30,
            wal_pages: u32::MAX,
            // Larger than any file may grow: what is committed goes to SQLite at once.
            redo: RedoOptions {
                segment_bytes: 1 << 30,
                ..RedoOptions::default()
            },
            ..options
        },
    }
}

/// Starts this binary again as the process that commits.
fn committer(
    folder: &Path,
    upkeep: Upkeep,
    shell: &str,
) -> (Child, impl Iterator<Item = String> + use<>) {
    let mut child = Command::new("sh")
        .args(["-c", &format!("{shell} exec \"$0\" \"$@\"")])
        .arg(std::env::current_exe().unwrap())
        .args([
            "--exact",
            "store::crash::the_process_that_commits",
            "--nocapture",
        ])
        .env(FOLDER, folder)
        .env(UPKEEP, format!("{upkeep:?}"))
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let lines = BufReader::new(child.stdout.take().unwrap()).lines();
    (child, lines.map_while(Result::ok))
}

#[tokio::test]
async fn the_process_that_commits() {
    // In an ordinary run there is nothing to do: the tests below start it with a folder.
    let Ok(folder) = std::env::var(FOLDER) else {
        return;
    };
    let upkeep = match std::env::var(UPKEEP).unwrap().as_str() {
        "Never" => Upkeep::Never,
        _ => Upkeep::Often,
    };
    let store = open(Path::new(&folder), &options(upkeep));
    let mut stories = Vec::new();
    for number in 0..SHARES {
        let loaded = store.load(Story::new(number).share).await.unwrap();
        let version = loaded.map_or(0, |loaded| loaded.version.get());
        stories.push(story_of_length(number, version));
    }
    let say = |line: String| {
        let mut out = std::io::stdout().lock();
        writeln!(out, "{line}").unwrap();
        out.flush().unwrap();
    };
    // Far more rounds than the parent lets it have; so it ends even without a parent.
    for round in 1..20_000 {
        stories.iter_mut().for_each(go_on);
        let commits = stories.iter().map(|story| story.commit(1)).collect();
        for (story, outcome) in stories.iter().zip(store.commit(commits).await) {
            match outcome {
                CommitOutcome::Done => say(format!("acked {} {}", story.share, story.version())),
                CommitOutcome::Unknown(what) => say(format!("unknown {what}")),
                outcome => say(format!("other {outcome:?}")),
            }
        }
        if let Err(error) = store.history().await {
            say(format!("refused {error}"));
            say(format!("stopped {}", store.stopped().await));
            return;
        }
        if upkeep == Upkeep::Often && round % 10 == 0 {
            let story = &stories[round / 10 % stories.len()];
            let text = format!("\"{}\"", "x".repeat(1000));
            let checkpoint = story.checkpoint(&[("k", &text)]);
            match store.checkpoint(story.share, checkpoint).await {
                Ok(()) | Err(StoreError::Stopped { .. }) => {}
                Err(error) => say(format!("other {error}")),
            }
        }
    }
}

/// Per share, the version that was acked last.
#[derive(Debug, Default)]
struct Acked([u64; SHARES as usize]);

impl Acked {
    fn note(&mut self, line: &str) -> bool {
        let Some((share, version)) = line.strip_prefix("acked ").and_then(|l| l.split_once(' '))
        else {
            return false;
        };
        let number = usize::from_str_radix(&share[..2], 16).unwrap();
        self.0[number] = version.parse().unwrap();
        true
    }

    /// Opens the store: what was acked is there, and at most the one commit that was under way.
    async fn assert_kept(&self, folder: &Path) {
        let store = open(folder, &options(Upkeep::Often));
        for number in 0..SHARES {
            let acked = self.0[usize::from(number)];
            let loaded = store.load(Story::new(number).share).await.unwrap();
            let version = loaded.map_or(0, |loaded| loaded.version.get());
            let is_kept = version == acked || version == acked + 1;
            assert!(is_kept, "share {number}: acked {acked}, found {version}");
            if version > 0 {
                story_of_length(number, version).assert_kept(&store).await;
            }
        }
        let raw = Connection::open(file(folder)).unwrap();
        let sound: String = raw
            .query_row("PRAGMA integrity_check", [], |row| row.get(0))
            .unwrap();
        assert_eq!(sound, "ok");
    }
}

#[tokio::test]
async fn a_process_killed_at_any_moment_loses_nothing_that_it_acked() {
    let seed = *FaultyStore::seeds().first().unwrap();
    println!("seed {seed}: replay with SHARE_SEED={seed} cargo test -p share-server store::crash");
    let entropy = SeededEntropy::new(seed);
    let folder = tempfile::tempdir().unwrap();
    let mut acked = Acked::default();
    for kill in 1..=10 {
        let (mut child, lines) = committer(folder.path(), Upkeep::Often, "");
        let kill_after = 1 + entropy.below(300);
        let mut acks = 0;
        for line in lines {
            assert!(!line.starts_with("other"), "{line}");
            // What was printed before the kill was acked, also if it is read after it.
            acks += u64::from(acked.note(&line));
            if acks == kill_after {
                child.kill().unwrap();
            }
        }
        let status = child.wait().unwrap();
        assert!(
            !status.success(),
            "kill {kill}: it ended by itself: {status}"
        );
        assert!(
            acks >= kill_after,
            "kill {kill}: {acks} acks of {kill_after}"
        );
        acked.assert_kept(folder.path()).await;
    }
}

/// Runs the process that commits with files of at most 4000 blocks, until its store has stopped; what
/// it said besides its acks.
#[cfg(unix)]
async fn said_when_files_may_not_grow(upkeep: Upkeep) -> Vec<String> {
    let folder = tempfile::tempdir().unwrap();
    let shell = "trap '' XFSZ; ulimit -f 4000;";
    let (mut child, lines) = committer(folder.path(), upkeep, shell);
    let mut acked = Acked::default();
    let mut after = Vec::new();
    for line in lines {
        let word = line.split(' ').next().unwrap();
        if acked.note(&line) {
            assert_eq!(after, Vec::<String>::new(), "acked after a failure: {line}");
        } else if ["unknown", "other", "refused", "stopped"].contains(&word) {
            after.push(line);
        }
    }
    assert!(child.wait().unwrap().success());
    assert!(acked.0.iter().all(|version| *version > 3), "{acked:?}");
    acked.assert_kept(folder.path()).await;
    after
}

#[cfg(unix)]
#[tokio::test]
async fn a_commit_whose_write_failed_is_unknown_and_the_store_stops() {
    // Never copied, the write-ahead log fails in the middle of a commit.
    let said = said_when_files_may_not_grow(Upkeep::Never).await;
    let stopped = "the store has stopped: commit failed: disk I/O error";
    // Commits of one call may fall into several groups: those of an earlier one were acked, those of
    // a later one were never tried. The failed group held at least one.
    let (failed, after) = said.split_at(said.len() - 2);
    let unknown = format!("unknown {stopped}");
    let is_untried = |line: &String| line.starts_with("other Refused(Stopped");
    assert_eq!(failed.first(), Some(&unknown), "{said:?}");
    assert!(
        failed
            .iter()
            .all(|line| *line == unknown || is_untried(line)),
        "{said:?}"
    );
    assert_eq!(
        after,
        [format!("refused {stopped}"), format!("stopped {stopped}")]
    );
}

#[cfg(unix)]
#[tokio::test]
async fn a_store_whose_file_can_not_be_written_stops_and_refuses() {
    // Copied early and often, the write-ahead log stays small and the file fails.
    let said = said_when_files_may_not_grow(Upkeep::Often).await;
    let stopped = "the store has stopped: write failed: disk I/O error";
    assert!(said.len() >= 2, "{said:?}");
    assert_eq!(said[said.len() - 1], format!("stopped {stopped}"));
    assert!(
        said.iter().all(|line| !line.starts_with("unknown")),
        "{said:?}"
    );
}
