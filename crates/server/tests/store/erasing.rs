//! Erasing a share's records: what readers see, and that nothing of them is in any file.

use std::fs;
use std::future::{Future, poll_fn};
use std::path::Path;
use std::pin::pin;
use std::task::Poll;

use share_model::seam::Executor;
use share_model::{Cursor, ShareVersion};
use share_server::store::{SqliteStoreOptions, Store, StoreError};

use super::faulty::persist;
use super::opened::{open, small};
use super::story::Story;

/// Appends and commits `texts`, one record each.
async fn append(store: &dyn Store, story: &mut Story, texts: &[&str]) {
    for text in texts {
        story.append(1, &[text]);
        persist(store, story.commit(1)).await;
    }
}

/// Stores a checkpoint, which says nothing of what was appended, and erases what it stands for.
async fn erase(store: &dyn Store, story: &mut Story) {
    let checkpoint = story.checkpoint(&[]);
    store.checkpoint(story.share, checkpoint).await.unwrap();
    story.erased = story.version().get();
    store.erase(story.share, story.version()).await.unwrap();
}

pub(crate) async fn an_erased_share_keeps_its_checkpoint_version_and_later_records(
    store: &dyn Store,
) {
    let (mut story, mut other) = (Story::new(1), Story::new(2));
    for round in 1..=3 {
        for _ in 0..4 {
            append(store, &mut story, &["alpha", "be"]).await;
            append(store, &mut other, &["gamma"]).await;
        }
        let before = store.extent().await.unwrap().records;
        erase(store, &mut story).await;
        assert_eq!(store.extent().await.unwrap().records, before);
        assert_eq!(before, 12 * round);
        let loaded = store.load(story.share).await.unwrap().unwrap();
        assert_eq!(loaded.version, ShareVersion::new(8 * round));
        assert_eq!(loaded.checkpoint, Some(story.checkpoint(&[])));
        assert_eq!(loaded.records, []);
        for after in [0, 8 * round - 1, 8 * round] {
            let ops = store.follow(story.share, Cursor::new(after), 10, 1000);
            assert_eq!(ops.await.unwrap(), [], "after {after}");
        }
        story.assert_kept(store).await;
        other.assert_kept(store).await;
        // Again, and less than what was erased: nothing changes.
        let earlier = ShareVersion::new(8 * round - 3);
        store.erase(story.share, story.version()).await.unwrap();
        store.erase(story.share, earlier).await.unwrap();
        // It is the same share still: who takes it for a new one is told its version.
        let listed = store.shares(None, 10).await.unwrap();
        let expected = [
            (story.share, story.version()),
            (other.share, other.version()),
        ];
        assert_eq!(listed, expected);
    }
    append(store, &mut story, &["later", "and later"]).await;
    story.assert_kept(store).await;
    other.assert_kept(store).await;
}

pub(crate) async fn what_no_checkpoint_contains_is_not_erased(store: &dyn Store) {
    let mut story = Story::new(1);
    append(store, &mut story, &["one", "two"]).await;
    let refused = |refused: Result<(), StoreError>| {
        assert!(
            matches!(refused, Err(StoreError::Invalid { .. })),
            "{refused:?}"
        );
    };
    refused(store.erase(story.share, ShareVersion::new(1)).await);
    let checkpoint = story.checkpoint(&[]);
    store.checkpoint(story.share, checkpoint).await.unwrap();
    append(store, &mut story, &["three"]).await;
    refused(store.erase(story.share, ShareVersion::new(3)).await);
    refused(store.erase(Story::new(2).share, ShareVersion::new(1)).await);
    story.assert_kept(store).await;
    // Not all that the checkpoint contains need go.
    store
        .erase(story.share, ShareVersion::new(1))
        .await
        .unwrap();
    story.erased = 1;
    story.assert_kept(store).await;
}

/// How often `text` and a full stop are in the files of a folder.
fn count(folder: &Path, text: &str) -> usize {
    let mut count = 0;
    for entry in fs::read_dir(folder).unwrap() {
        let bytes = fs::read(entry.unwrap().path()).unwrap();
        let ends = bytes.split(|byte| *byte == b'.');
        count += ends.filter(|part| part.ends_with(text.as_bytes())).count();
    }
    count
}

/// A text of about so many bytes of which every part is found.
fn marked(mark: &str, bytes: usize) -> String {
    format!("{mark}.").repeat(1 + bytes / (mark.len() + 1))
}

fn production(executor: Executor) -> SqliteStoreOptions {
    SqliteStoreOptions {
        executor,
        ..SqliteStoreOptions::default()
    }
}

#[tokio::test]
async fn nothing_of_an_erased_share_is_in_any_file() {
    for options in [
        small(Executor::Inline),
        production(Executor::Inline),
        production(Executor::OwnThread),
    ] {
        let folder = tempfile::tempdir().unwrap();
        let store = open(folder.path(), &options);
        let mut stories: Vec<Story> = (1..=3).map(Story::new).collect();
        let marks = ["first-mark", "second-mark", "third-mark"];
        // Records from a few bytes to several pages of the file, each share's between the others'.
        for step in 0..40_usize {
            for (story, mark) in stories.iter_mut().zip(marks) {
                let text = marked(mark, 1 + (step * step * 37) % 30_000);
                append(&store, story, &[&text]).await;
            }
            if step % 13 == 5 {
                // Earlier documents had it as well.
                for (story, mark) in stories.iter().zip(marks) {
                    let json = format!("{:?}", marked(mark, 50_000));
                    let checkpoint = story.checkpoint(&[("k", &json)]);
                    store.checkpoint(story.share, checkpoint).await.unwrap();
                }
            }
        }
        for (at, mark) in [1, 0, 2].map(|at| (at, marks[at])) {
            assert!(count(folder.path(), mark) > 1000, "{mark} is not there");
            erase(&store, &mut stories[at]).await;
            assert_eq!(count(folder.path(), mark), 0, "{mark}");
            for story in &stories {
                story.assert_kept(&store).await;
            }
        }
        // What is written from now on is written anew.
        for story in &mut stories {
            append(&store, story, &["later"]).await;
        }
        drop(store);
        let store = open(folder.path(), &options);
        for story in &stories {
            story.assert_kept(&store).await;
        }
    }
}

/// Polls a future until it would wait for the `most`th time, or not at all; whether it came to its end
/// before. How often it waits is the thread's own speed.
async fn run_a_while(future: impl Future<Output = Result<(), StoreError>>, most: usize) -> bool {
    if most == 0 {
        return false;
    }
    let mut future = pin!(future);
    let mut waited = 0;
    poll_fn(|context| match future.as_mut().poll(context) {
        Poll::Ready(done) => {
            done.unwrap();
            Poll::Ready(true)
        }
        Poll::Pending => {
            waited += 1;
            match waited == most {
                true => Poll::Ready(false),
                false => Poll::Pending,
            }
        }
    })
    .await
}

fn copy_folder(from: &Path) -> tempfile::TempDir {
    let to = tempfile::tempdir().unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        if entry.file_name() != "shares.sqlite-shm" {
            fs::copy(entry.path(), to.path().join(entry.file_name())).unwrap();
        }
    }
    to
}

#[tokio::test]
async fn a_crash_between_any_two_steps_of_erasing_leaves_all_or_nothing() {
    let mark = "some-mark";
    let (mut whole, mut erased) = (0, 0);
    for steps in 0.. {
        let folder = tempfile::tempdir().unwrap();
        let options = SqliteStoreOptions {
            index_rows: 100,
            ..production(Executor::OwnThread)
        };
        let store = open(folder.path(), &options);
        let (mut story, mut other) = (Story::new(1), Story::new(2));
        // More rows, and more bytes, than one transaction deletes.
        for step in 0..40 {
            let text = marked(mark, 12_000 * usize::from(step % 4 == 0));
            for _ in 0..10 {
                story.append(1, &[&text]);
            }
            persist(&store, story.commit(10)).await;
            append(&store, &mut other, &["other"]).await;
        }
        let checkpoint = story.checkpoint(&[]);
        store.checkpoint(story.share, checkpoint).await.unwrap();
        let is_done = run_a_while(store.erase(story.share, story.version()), steps).await;
        // What was handed over is done; then the machine stops.
        store.history().await.unwrap();
        put_record(&store).await;
        let crashed = copy_folder(folder.path());
        let opened = open(crashed.path(), &options);
        let left = opened.follow(story.share, Cursor::ZERO, 1, 1000).await;
        if left.unwrap().is_empty() {
            story.erased = story.version().get();
            erased += 1;
            assert_eq!(count(crashed.path(), mark), 0, "{steps} steps");
        } else {
            whole += 1;
        }
        story.assert_kept(&opened).await;
        other.assert_kept(&opened).await;
        let raw = rusqlite::Connection::open(crashed.path().join("shares.sqlite")).unwrap();
        let sound: String = raw
            .query_row("PRAGMA integrity_check", [], |row| row.get(0))
            .unwrap();
        assert_eq!(sound, "ok");
        // Repeated, it is done.
        erase(&opened, &mut story).await;
        assert_eq!(count(crashed.path(), mark), 0);
        story.assert_kept(&opened).await;
        if is_done {
            break;
        }
    }
    assert!(whole > 0 && erased > 0, "{whole} whole, {erased} erased");
}

/// Waits until the writer has done what was handed to it before.
async fn put_record(store: &dyn Store) {
    let done = store.put_server_record("last", 0, Vec::new()).await;
    assert!(matches!(done, share_server::store::CommitOutcome::Done));
}

#[tokio::test]
async fn a_reader_that_holds_on_to_the_log_puts_off_only_the_last_step() {
    let folder = tempfile::tempdir().unwrap();
    let options = small(Executor::Inline);
    let store = open(folder.path(), &options);
    let (mut story, mut other) = (Story::new(1), Story::new(2));
    append(&store, &mut story, &[&marked("some-mark", 40_000)]).await;
    let reader = rusqlite::Connection::open(folder.path().join("shares.sqlite")).unwrap();
    reader
        .execute_batch("BEGIN; SELECT count(*) FROM log")
        .unwrap();
    erase(&store, &mut story).await;
    story.assert_kept(&store).await;
    assert!(count(folder.path(), "some-mark") > 0, "nobody held on");
    reader.execute_batch("COMMIT").unwrap();
    // Once the log is due to be copied.
    for _ in 0..20 {
        append(&store, &mut other, &["other"]).await;
    }
    assert_eq!(count(folder.path(), "some-mark"), 0);
}

#[tokio::test]
async fn a_copy_of_a_store_with_an_erased_share_is_a_store() {
    let (folder, copied) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let store = open(folder.path(), &small(Executor::Inline));
    let (mut story, mut other) = (Story::new(1), Story::new(2));
    append(&store, &mut story, &["some-mark.", "some-mark."]).await;
    append(&store, &mut other, &["other"]).await;
    erase(&store, &mut story).await;
    let file = copied.path().join("shares.sqlite");
    let made = store.copy_to(&file).await.unwrap();
    assert_eq!(made.shares, 2);
    assert_eq!(count(copied.path(), "some-mark"), 0);
    let copy = open(copied.path(), &small(Executor::Inline));
    story.assert_kept(&copy).await;
    other.assert_kept(&copy).await;
    append(&copy, &mut story, &["later"]).await;
    story.assert_kept(&copy).await;
}
