//! Damage, full disks and overload: one clear error each, and nothing lost.

use rusqlite::Connection;
use share_model::Cursor;
use share_model::seam::{Executor, SqliteSettings};
use share_server::store::{CommitOutcome, RedoOptions, SqliteStoreOptions, Store, StoreError};

use super::faulty::persist;
use super::opened::{open, small, try_open};
use super::opening::{file, fill};
use super::story::Story;

/// A filled store, closed again, and then changed by `sql`.
async fn changed_by(sql: &str, index_rows: usize) -> (tempfile::TempDir, [Story; 2]) {
    let folder = tempfile::tempdir().unwrap();
    let mut stories = [Story::new(1), Story::new(2)];
    let options = SqliteStoreOptions {
        index_rows,
        ..small(Executor::Inline)
    };
    fill(&open(folder.path(), &options), &mut stories).await;
    let raw = Connection::open(file(folder.path())).unwrap();
    let changed = raw.execute(sql, []).unwrap();
    assert_eq!(changed, 1, "{sql}");
    (folder, stories)
}

/// Share 2 has versions 1 to 14 in the log's even pairs of positions; position 15 is its version 7.
const HIT: u64 = 7;

#[tokio::test]
async fn a_damaged_record_is_named_and_never_skipped() {
    let flip =
        "UPDATE log SET body = CAST(substr(body, 1, 20) || x'ee' || substr(body, 22) AS BLOB) ";
    for (change, what) in [
        (flip.to_owned(), "its checksum does not match"),
        (
            "UPDATE log SET body_check = body_check + 1 ".to_owned(),
            "its checksum does not match",
        ),
        (
            "UPDATE log SET version = 8 ".to_owned(),
            "another record stands in its row",
        ),
        (
            "UPDATE log SET share = zeroblob(16) ".to_owned(),
            "another record stands in its row",
        ),
        ("DELETE FROM log ".to_owned(), "its row is missing"),
        (
            "UPDATE log SET body = x'' ".to_owned(),
            "its checksum does not match",
        ),
    ] {
        let sql = format!(
            "{change} WHERE share = x'{}' AND version = {HIT}",
            "02".repeat(16)
        );
        let (folder, stories) = changed_by(&sql, 1).await;
        let store = open(folder.path(), &small(Executor::Inline));
        let [intact, hit] = stories;
        let refused = store.load(hit.share).await.unwrap_err();
        let text = refused.to_string();
        match refused {
            StoreError::Corrupt { share, version, .. } => {
                assert_eq!(share, Some(hit.share));
                assert_eq!(version.map(|version| version.get()), Some(HIT));
            }
            error => panic!("not corrupt, but {error}"),
        }
        assert!(text.contains(what), "{text}");
        assert!(
            text.contains("shares.sqlite is damaged at share 0202"),
            "{text}"
        );
        // The other share is served all the same.
        intact.assert_kept(&store).await;
    }
}

#[tokio::test]
async fn a_damaged_op_is_not_followed() {
    let sql = format!(
        "UPDATE log SET body = CAST(substr(body, 1, 20) || x'ee' || substr(body, 22) AS BLOB)
         WHERE share = x'{}' AND version = 8",
        "02".repeat(16)
    );
    let (folder, [_, hit]) = changed_by(&sql, 1).await;
    let store = open(folder.path(), &small(Executor::Inline));
    // Version 8 has the ops 7 and 8.
    let before = store.follow(hit.share, Cursor::new(4), 2, 1000).await;
    assert_eq!(before.unwrap().len(), 2);
    let refused = store.follow(hit.share, Cursor::new(6), 2, 1000).await;
    assert!(
        matches!(refused, Err(StoreError::Corrupt { .. })),
        "{refused:?}"
    );
}

#[tokio::test]
async fn a_gap_at_the_end_of_the_log_is_found_at_opening() {
    let (folder, _) = changed_by("DELETE FROM log WHERE position = 20", 1000).await;
    let refused = try_open(folder.path(), &small(Executor::Inline)).unwrap_err();
    let text = refused.to_string();
    assert!(
        text.contains("the log has no position 20, but 21"),
        "{text}"
    );
}

#[tokio::test]
async fn a_gap_in_the_index_is_found_when_it_is_read() {
    let sql = format!(
        "DELETE FROM share_index WHERE share = x'{}' AND version = {HIT}",
        "02".repeat(16)
    );
    let (folder, [_, hit]) = changed_by(&sql, 1).await;
    let store = open(folder.path(), &small(Executor::Inline));
    let text = store.load(hit.share).await.unwrap_err().to_string();
    assert!(
        text.contains("version 7: the record is unusable: it is missing"),
        "{text}"
    );
}

#[tokio::test]
async fn a_damaged_checkpoint_is_named() {
    // The 10th byte is within the owner's head, which the store does not look into.
    for (sql, what) in [
        (
            "UPDATE checkpoint_piece
             SET body = CAST(substr(body, 1, 9) || x'ee' || substr(body, 11) AS BLOB)
             WHERE id % 1048576 = 0",
            "a piece's checksum does not match",
        ),
        (
            "DELETE FROM checkpoint_piece WHERE id % 1048576 = 0",
            "a piece is missing",
        ),
        (
            "UPDATE checkpoint SET piece_count = piece_count - 1",
            "failed to fill whole buffer",
        ),
    ] {
        let (folder, [hit, _]) = changed_by(sql, 5).await;
        let store = open(folder.path(), &small(Executor::Inline));
        let text = store.load(hit.share).await.unwrap_err().to_string();
        let expected = format!("version 14: the checkpoint is unusable: {what}");
        assert!(text.contains(&expected), "{text}");
    }
}

#[tokio::test]
async fn a_damaged_server_record_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let options = small(Executor::Inline);
    let store = open(folder.path(), &options);
    store.put_server_record("factory", 0, b"abc".to_vec()).await;
    drop(store);
    let raw = Connection::open(file(folder.path())).unwrap();
    raw.execute("UPDATE server_record SET content = x'00'", [])
        .unwrap();
    let text = open(folder.path(), &options).server_record("factory").await;
    let text = text.unwrap_err().to_string();
    assert!(
        text.contains("the checksum of server record `factory`"),
        "{text}"
    );
}

fn full_at(pages_max: u32, executor: Executor) -> SqliteStoreOptions {
    SqliteStoreOptions {
        settings: SqliteSettings {
            pages_max: Some(pages_max),
            ..SqliteSettings::default()
        },
        // What fits and what does not come into one group.
        group_bytes: 1 << 30,
        ..small(executor)
    }
}

#[tokio::test]
async fn a_full_disk_refuses_what_does_not_fit_and_loses_nothing() {
    for executor in [Executor::OwnThread, Executor::Inline] {
        let folder = tempfile::tempdir().unwrap();
        // 40 pages of 16 KiB; each large record takes 7.
        let store = open(folder.path(), &full_at(40, executor));
        let large = "x".repeat(100 << 10);
        let mut stories = [Story::new(1), Story::new(2), Story::new(3)];
        let mut refused = None;
        for _ in 0..10 {
            let before = stories[0].clone();
            stories[0].append(1, &[&large]);
            match store.commit(vec![stories[0].commit(1)]).await.remove(0) {
                CommitOutcome::Done => {}
                CommitOutcome::Refused(error) => {
                    stories[0] = before;
                    refused = Some(error);
                    break;
                }
                outcome => panic!("{outcome:?}"),
            }
        }
        let refused = refused.expect("10 large records don't fit");
        assert!(matches!(refused, StoreError::Full { .. }), "{refused}");
        assert!(
            stories[0].records.len() >= 3,
            "{}",
            stories[0].records.len()
        );

        // In one group, what fits is done and what does not is refused.
        let mut too_large = stories[2].clone();
        too_large.append(1, &[&large]);
        stories[1].append(1, &["small"]);
        stories[2].claim();
        let commits = vec![
            stories[1].commit(1),
            too_large.commit(1),
            stories[2].commit(1),
        ];
        let outcomes = store.commit(commits).await;
        assert!(matches!(outcomes[0], CommitOutcome::Done), "{outcomes:?}");
        let is_full = matches!(outcomes[1], CommitOutcome::Refused(StoreError::Full { .. }));
        assert!(is_full, "{outcomes:?}");
        assert!(matches!(outcomes[2], CommitOutcome::Done), "{outcomes:?}");
        for story in &stories {
            story.assert_kept(&store).await;
        }

        // With room again, it all goes on.
        drop(store);
        let store = open(folder.path(), &small(executor));
        for story in &mut stories {
            story.append(2, &[&large, "y"]);
            persist(&store, story.commit(1)).await;
            story.assert_kept(&store).await;
        }
    }
}

#[tokio::test]
async fn what_is_acked_and_finds_no_room_in_the_file_is_read_and_kept() {
    for executor in [Executor::OwnThread, Executor::Inline] {
        let folder = tempfile::tempdir().unwrap();
        // The redo log has room for all of it, the file for 40 pages of 16 KiB.
        let options = SqliteStoreOptions {
            redo: RedoOptions {
                segment_bytes: 4 << 20,
                ..small(executor).redo
            },
            ..full_at(40, executor)
        };
        let store = open(folder.path(), &options);
        let large = "x".repeat(30 << 10);
        let mut story = Story::new(1);
        let mut refused = None;
        for _ in 0..200 {
            let before = story.clone();
            story.append(1, &[&large]);
            match store.commit(vec![story.commit(1)]).await.remove(0) {
                CommitOutcome::Done => {}
                CommitOutcome::Refused(error) => {
                    story = before;
                    refused = Some(error);
                    break;
                }
                outcome => panic!("{outcome:?}"),
            }
        }
        let refused = refused.expect("200 large records don't fit");
        assert!(matches!(refused, StoreError::Full { .. }), "{refused}");
        // What only the redo log has is read; a copy would not have it.
        story.assert_kept(&store).await;
        let copied = store.copy_to(&folder.path().join("copy")).await;
        assert!(matches!(copied, Err(StoreError::Full { .. })), "{copied:?}");
        drop(store);
        let full = try_open(folder.path(), &options).unwrap_err();
        assert!(matches!(full, StoreError::Full { .. }), "{full}");
        let store = open(folder.path(), &small(executor));
        story.assert_kept(&store).await;
        story.append(1, &["y"]);
        persist(&store, story.commit(1)).await;
        story.assert_kept(&store).await;
    }
}

#[tokio::test]
async fn a_checkpoint_that_does_not_fit_leaves_the_earlier_one_and_its_room() {
    let folder = tempfile::tempdir().unwrap();
    let options = SqliteStoreOptions {
        piece_bytes: 16 << 10,
        ..full_at(40, Executor::OwnThread)
    };
    let store = open(folder.path(), &options);
    let mut story = Story::new(1);
    story.claim();
    persist(&store, story.commit(1)).await;
    let earlier = story.checkpoint(&[("a", "1")]);
    store
        .checkpoint(story.share, earlier.clone())
        .await
        .unwrap();
    story.claim();
    persist(&store, story.commit(1)).await;
    let json = format!("\"{}\"", "x".repeat(2 << 20));
    for _ in 0..3 {
        let refused = store
            .checkpoint(story.share, story.checkpoint(&[("a", &json)]))
            .await;
        assert!(
            matches!(refused, Err(StoreError::Full { .. })),
            "{refused:?}"
        );
        let loaded = store.load(story.share).await.unwrap().unwrap();
        assert_eq!(loaded.checkpoint.as_ref(), Some(&earlier));
    }
    story.append(1, &[&"y".repeat(100 << 10)]);
    persist(&store, story.commit(1)).await;
    story.assert_kept(&store).await;
    assert_eq!(
        count(
            folder.path(),
            "checkpoint_piece WHERE id >= 2 << 20 AND length(body) > 0"
        ),
        0
    );
    drop(store);
    // None of the attempts is taken up again.
    let store = open(folder.path(), &small(Executor::Inline));
    let later = story.checkpoint(&[("a", "2")]);
    store.checkpoint(story.share, later.clone()).await.unwrap();
    let loaded = store.load(story.share).await.unwrap().unwrap();
    assert_eq!(loaded.checkpoint, Some(later));
}

/// Pieces that were not emptied.
const PIECES: &str = "checkpoint_piece WHERE length(body) > 0";

fn count(folder: &std::path::Path, from: &str) -> u64 {
    let raw = Connection::open(file(folder)).unwrap();
    let sql = format!("SELECT count(*) FROM {from}");
    raw.query_row(&sql, [], |row| row.get(0)).unwrap()
}

#[tokio::test]
async fn a_checkpoint_that_was_left_half_way_changes_nothing_and_is_cleared_away() {
    let folder = tempfile::tempdir().unwrap();
    let options = small(Executor::OwnThread);
    let store = open(folder.path(), &options);
    let mut story = Story::new(1);
    story.claim();
    persist(&store, story.commit(1)).await;
    let earlier = story.checkpoint(&[("a", "1")]);
    store
        .checkpoint(story.share, earlier.clone())
        .await
        .unwrap();
    assert_eq!(count(folder.path(), "left_over"), 0);
    let earlier_pieces = count(folder.path(), PIECES);
    story.claim();
    persist(&store, story.commit(1)).await;
    let json = format!("\"{}\"", "x".repeat(20_000));
    let newer = story.checkpoint(&[("a", &json)]);
    {
        // Dropped in the middle, as by a crash of the owner.
        let writing = store.checkpoint(story.share, newer.clone());
        tokio::pin!(writing);
        let half = 20_000 / 64 / 2;
        loop {
            tokio::select! {
                biased;
                done = &mut writing => panic!("written before it was half written: {done:?}"),
                () = tokio::task::yield_now() => {}
            }
            if count(folder.path(), PIECES) > earlier_pieces + half {
                break;
            }
        }
    }
    drop(store);
    let store = open(folder.path(), &options);
    assert_eq!(count(folder.path(), "left_over"), 1);
    let loaded = store.load(story.share).await.unwrap().unwrap();
    assert_eq!(loaded.checkpoint, Some(earlier));
    store.checkpoint(story.share, newer.clone()).await.unwrap();
    let loaded = store.load(story.share).await.unwrap().unwrap();
    assert_eq!(loaded.checkpoint, Some(newer));
    assert_eq!(count(folder.path(), "left_over"), 0);
    // Head (8 + 9), count (8), entry (20 + 1 + 20,002): 20,048 bytes in pieces of 64.
    assert_eq!(count(folder.path(), PIECES), 314);
}

#[tokio::test]
async fn a_large_checkpoint_does_not_keep_commits_waiting() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path(), &SqliteStoreOptions::default());
    let mut story = Story::new(1);
    story.claim();
    persist(&store, story.commit(1)).await;
    let json = format!("\"{}\"", "x".repeat(1 << 20));
    let keys: Vec<_> = (0..16).map(|key| key.to_string()).collect();
    let values: Vec<_> = keys
        .iter()
        .map(|key| (key.as_str(), json.as_str()))
        .collect();
    let checkpoint = story.checkpoint(&values);
    let writing = store.checkpoint(story.share, checkpoint.clone());
    tokio::pin!(writing);
    let mut commits_meanwhile = 0;
    loop {
        story.append(1, &["meanwhile"]);
        let commit = persist(&store, story.commit(1));
        tokio::pin!(commit);
        tokio::select! {
            biased;
            () = &mut commit => commits_meanwhile += 1,
            written = &mut writing => {
                written.unwrap();
                commit.await;
                break;
            }
        }
    }
    assert!(
        commits_meanwhile >= 8,
        "{commits_meanwhile} commits during 17 pieces"
    );
    let loaded = store.load(story.share).await.unwrap().unwrap();
    assert_eq!(loaded.checkpoint, Some(checkpoint));
    story.assert_kept(&store).await;
}

#[tokio::test]
async fn commits_of_one_share_that_wait_together_follow_each_other() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path(), &SqliteStoreOptions::default());
    let mut story = Story::new(1);
    let commits = (0..100).map(|_| {
        story.append(1, &["text"]);
        story.commit(1)
    });
    let outcomes = store.commit(commits.collect()).await;
    for outcome in outcomes {
        assert!(matches!(outcome, CommitOutcome::Done), "{outcome:?}");
    }
    story.assert_kept(&store).await;
}

#[tokio::test]
async fn what_waits_for_the_writer_is_bounded() {
    let folder = tempfile::tempdir().unwrap();
    let options = SqliteStoreOptions {
        queue_max: 4,
        group_max: 1,
        ..small(Executor::OwnThread)
    };
    let store = open(folder.path(), &options);
    let mut stories: Vec<_> = (0..200).map(Story::new).collect();
    let commits = stories.iter_mut().map(|story| {
        story.claim();
        story.commit(1)
    });
    let outcomes = store.commit(commits.collect()).await;
    let mut refused = 0;
    for (story, outcome) in stories.iter().zip(outcomes) {
        let loaded = store.load(story.share).await.unwrap();
        match outcome {
            CommitOutcome::Done => assert_eq!(loaded.unwrap().records, story.records),
            CommitOutcome::Refused(StoreError::Overloaded) => {
                assert_eq!(loaded, None);
                refused += 1;
            }
            outcome => panic!("{outcome:?}"),
        }
    }
    assert!(refused > 0);
}

#[tokio::test]
async fn bytes_that_wait_for_the_writer_are_bounded_and_freed_again() {
    let folder = tempfile::tempdir().unwrap();
    let options = SqliteStoreOptions {
        waiting_bytes_max: 1000,
        ..small(Executor::OwnThread)
    };
    let store = open(folder.path(), &options);
    let text = "x".repeat(100_000);
    let mut stories: Vec<_> = (0..20).map(Story::new).collect();
    let commits = stories.iter_mut().map(|story| {
        story.append(1, &[&text]);
        story.commit(1)
    });
    let outcomes = store.commit(commits.collect()).await;
    let overloaded = |outcome: &&CommitOutcome| {
        matches!(outcome, CommitOutcome::Refused(StoreError::Overloaded))
    };
    assert!(
        matches!(outcomes[0], CommitOutcome::Done),
        "{:?}",
        outcomes[0]
    );
    assert!(outcomes.iter().filter(overloaded).count() > 0);
    // Alone, a record of any size is let in; and so it is after each of them.
    let mut after = Story::new(100);
    for _ in 0..5 {
        after.append(1, &[&text]);
        persist(&store, after.commit(1)).await;
    }
}
