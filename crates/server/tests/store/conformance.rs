//! What every store keeps: one suite against the trait, run against each implementation.

use share_model::seam::Executor;
use share_model::{Cursor, HistoryId, Seq, ShareId, ShareVersion, WriterId};
use share_server::store::{CommitOutcome, Extent, ServerRecord, ShareCommit, Store, StoreError};

use super::erasing::{
    an_erased_share_keeps_its_checkpoint_version_and_later_records,
    what_no_checkpoint_contains_is_not_erased,
};
use super::faulty::{FaultyStore, persist};
use super::opened::{open, small};
use super::story::Story;

/// Commits all of `commits`, whatever the store does in between, and demands that each is done.
async fn commit(store: &dyn Store, commits: Vec<ShareCommit>) {
    for commit in commits {
        persist(store, commit).await;
    }
}

async fn a_share_without_a_record_is_not_there(store: &dyn Store) {
    let story = Story::new(1);
    assert_eq!(store.load(story.share).await.unwrap(), None);
    let ops = store.follow(story.share, Cursor::ZERO, 10, 1000).await;
    assert_eq!(ops.unwrap(), []);
    let wanted = vec![(WriterId::new(1), Seq::new(1))];
    let found = store.lookup(story.share, wanted).await.unwrap();
    assert_eq!(found, [None]);
    assert_eq!(store.shares(None, 10).await.unwrap(), []);
}

async fn what_was_committed_is_loaded_followed_and_looked_up(store: &dyn Store) {
    let mut stories = [Story::new(1), Story::new(2), Story::new(3)];
    for round in 0..9 {
        for story in &mut stories {
            story.claim();
            story.append(1 + round % 2, &["alpha", "be"]);
            let first = story.commit(2);
            story.append(3, &["gamma", "d", "epsilon"]);
            commit(store, vec![first, story.commit(1)]).await;
            story.assert_kept(store).await;
        }
    }
    for story in &stories {
        story.assert_kept(store).await;
    }
}

async fn a_commit_on_another_version_is_a_conflict_and_changes_nothing(store: &dyn Store) {
    let mut story = Story::new(1);
    story.claim();
    commit(store, vec![story.commit(1)]).await;
    for (offset, expected) in [(0, 0), (2, 2)] {
        let mut other = story.clone();
        other.records.truncate(offset);
        while other.records.len() <= offset {
            other.append(1, &["lost"]);
        }
        let commit = ShareCommit {
            expected: ShareVersion::new(expected),
            records: vec![other.records[offset].clone()],
            share: story.share,
        };
        match conflict(store, commit).await {
            CommitOutcome::Conflict { actual } => assert_eq!(actual, ShareVersion::new(1)),
            outcome => panic!("not a conflict: {outcome:?}"),
        }
    }
    story.assert_kept(store).await;
}

/// The first outcome that is not a fault of the wrapper.
async fn conflict(store: &dyn Store, commit: ShareCommit) -> CommitOutcome {
    for _ in 0..100 {
        match store.commit(vec![commit.clone()]).await.remove(0) {
            CommitOutcome::Unknown(_) => {}
            outcome => return outcome,
        }
    }
    panic!("100 commits were unknown");
}

async fn an_invalid_commit_is_refused_by_its_rule(store: &dyn Store) {
    let mut story = Story::new(1);
    story.claim();
    story.append(1, &["one"]);
    commit(store, vec![story.commit(2)]).await;
    let mut gap = story.clone();
    gap.claim();
    gap.claim();
    gap.records.remove(2);
    let mut cursor = story.clone();
    cursor.log.clear();
    cursor.append(1, &["two"]);
    let empty = ShareCommit {
        share: story.share,
        expected: ShareVersion::new(2),
        records: Vec::new(),
    };
    for (invalid, rule) in [
        (gap.commit(1), "the versions do not follow the expected one"),
        (cursor.commit(1), "the cursor does not follow the share's"),
        (empty, "there is no record in it"),
    ] {
        match refusal(store, invalid).await {
            StoreError::Invalid { share, what } => assert_eq!((share, what), (story.share, rule)),
            error => panic!("not invalid, but {error}"),
        }
    }
    story.assert_kept(store).await;
}

async fn refusal(store: &dyn Store, commit: ShareCommit) -> StoreError {
    for _ in 0..100 {
        if let CommitOutcome::Refused(error) = store.commit(vec![commit.clone()]).await.remove(0) {
            return error;
        }
    }
    panic!("100 commits were not refused");
}

async fn commits_of_one_call_have_outcomes_of_their_own(store: &dyn Store) {
    let (mut one, mut two) = (Story::new(1), Story::new(2));
    one.claim();
    two.claim();
    commit(store, vec![two.commit(1)]).await;
    two.claim();
    let (good, mut bad) = (one.commit(1), two.commit(1));
    bad.expected = ShareVersion::new(0);
    bad.records[0].version = ShareVersion::new(1);
    let outcomes = store.commit(vec![bad, good.clone()]).await;
    assert_eq!(outcomes.len(), 2);
    assert!(!matches!(outcomes[0], CommitOutcome::Done), "{outcomes:?}");
    if !matches!(outcomes[1], CommitOutcome::Done) {
        persist(store, good).await;
    }
    commit(store, vec![two.commit(1)]).await;
    one.assert_kept(store).await;
    two.assert_kept(store).await;
}

async fn a_checkpoint_stands_for_the_records_up_to_it(store: &dyn Store) {
    let mut story = Story::new(1);
    for _ in 0..4 {
        story.append(1, &["x", "y"]);
        commit(store, vec![story.commit(1)]).await;
    }
    let first = story.checkpoint(&[("a", "1"), ("b", r#"{"long":"0123456789 0123456789"}"#)]);
    let early = first.clone();
    store.checkpoint(story.share, first.clone()).await.unwrap();
    story.append(2, &["z"]);
    commit(store, vec![story.commit(1)]).await;
    let loaded = store.load(story.share).await.unwrap().unwrap();
    assert_eq!(loaded.checkpoint, Some(first));
    assert_eq!(loaded.records, story.records[4..]);
    assert_eq!(loaded.version, ShareVersion::new(5));

    let second = story.checkpoint(&[("b", r#""other""#)]);
    store.checkpoint(story.share, second.clone()).await.unwrap();
    // Not newer: changes nothing.
    store.checkpoint(story.share, early).await.unwrap();
    let loaded = store.load(story.share).await.unwrap().unwrap();
    assert_eq!(loaded.checkpoint, Some(second));
    assert_eq!(loaded.records, []);
    assert_eq!(loaded.version, ShareVersion::new(5));
    story.assert_kept(store).await;
}

async fn a_checkpoint_of_a_version_that_is_not_there_is_refused(store: &dyn Store) {
    let mut story = Story::new(1);
    story.claim();
    commit(store, vec![story.commit(1)]).await;
    story.claim();
    let refused = store.checkpoint(story.share, story.checkpoint(&[])).await;
    assert!(
        matches!(refused, Err(StoreError::Invalid { .. })),
        "{refused:?}"
    );
    let loaded = store.load(story.share).await.unwrap().unwrap();
    assert_eq!(loaded.checkpoint, None);
}

async fn shares_are_listed_in_order_and_in_pages(store: &dyn Store) {
    let mut expected = Vec::new();
    for number in [5, 1, 9, 3, 7, 2] {
        let mut story = Story::new(number);
        for _ in 0..number {
            story.claim();
            commit(store, vec![story.commit(1)]).await;
        }
        expected.push((story.share, story.version()));
    }
    expected.sort_unstable();
    for limit in [1, 2, 5, 6, 100] {
        let mut listed: Vec<(ShareId, ShareVersion)> = Vec::new();
        loop {
            let after = listed.last().map(|(share, _)| *share);
            let page = store.shares(after, limit).await.unwrap();
            assert!(page.len() <= limit);
            if page.is_empty() {
                break;
            }
            listed.extend(page);
        }
        assert_eq!(listed, expected, "in pages of {limit}");
    }
}

async fn a_server_record_is_replaced_by_compare_and_set(store: &dyn Store) {
    assert_eq!(store.server_record("factory").await.unwrap(), None);
    for (expected, bytes) in [(0, "first"), (1, "second")] {
        put(store, expected, bytes).await;
        let conflict = loop {
            match store
                .put_server_record("factory", 0, b"late".to_vec())
                .await
            {
                CommitOutcome::Unknown(_) => {}
                outcome => break outcome,
            }
        };
        let is_conflict =
            matches!(conflict, CommitOutcome::Conflict { actual } if actual == expected + 1);
        assert!(is_conflict, "{conflict:?}");
        let record = ServerRecord {
            version: expected + 1,
            bytes: bytes.into(),
        };
        assert_eq!(store.server_record("factory").await.unwrap(), Some(record));
    }
    assert_eq!(store.server_record("another").await.unwrap(), None);
}

/// Puts, and after an unknown or a false conflict finds out.
async fn put(store: &dyn Store, expected: u64, bytes: &str) {
    for _ in 0..100 {
        let outcome = store
            .put_server_record("factory", expected, bytes.into())
            .await;
        if matches!(outcome, CommitOutcome::Done) {
            return;
        }
        let found = store.server_record("factory").await.unwrap();
        if found.is_some_and(|found| found.version == expected + 1) {
            return;
        }
    }
    panic!("100 puts were not done");
}

async fn the_history_id_stays(store: &dyn Store) {
    let first = store.history().await.unwrap();
    assert_eq!(store.history().await.unwrap(), first);
}

async fn another_history_id_stays_too(store: &dyn Store) {
    let new = HistoryId::from_bytes([9; 16]);
    assert_ne!(store.history().await.unwrap(), new);
    store.renew_history(new).await.unwrap();
    assert_eq!(store.history().await.unwrap(), new);
}

async fn the_extent_counts_all_records_and_only_what_is_synced_is_durable(store: &dyn Store) {
    assert_eq!(store.extent().await.unwrap(), Extent::default());
    let mut stories = [Story::new(1), Story::new(2)];
    for records in 1..=8 {
        let story = &mut stories[usize::from(records % 2 == 0)];
        story.append(1, &["x", "y"]);
        commit(store, vec![story.commit(1)]).await;
        let extent = store.extent().await.unwrap();
        assert_eq!(extent.records, records);
        // After a commit of unknown outcome that is found, it is not known.
        assert!(extent.durable <= records);
    }
}

async fn a_copy_holds_everything_that_was_done_before_and_nothing_of_what_came_after(
    store: &dyn Store,
) {
    let folder = tempfile::tempdir().unwrap();
    let mut stories = [Story::new(1), Story::new(2), Story::new(3)];
    for (round, story) in stories.iter_mut().enumerate() {
        for _ in 0..=5 * round {
            story.append(1, &["alpha", "be"]);
            commit(store, vec![story.commit(1)]).await;
        }
    }
    let checkpoint = stories[2].checkpoint(&[("k", r#""some text""#)]);
    let share = stories[2].share;
    store.checkpoint(share, checkpoint).await.unwrap();
    let file = folder.path().join("shares.sqlite");
    let copied = store.copy_to(&file).await.unwrap();
    assert_eq!((copied.shares, copied.format), (3, 2));
    let then = stories.clone();
    stories[0].append(1, &["later"]);
    commit(store, vec![stories[0].commit(1)]).await;
    stories[0].assert_kept(store).await;
    let copy = open(folder.path(), &small(Executor::Inline));
    for story in &then {
        story.assert_kept(&copy).await;
    }
    assert_eq!(
        copy.history().await.unwrap(),
        store.history().await.unwrap()
    );
    let listed = copy.shares(None, 10).await.unwrap();
    assert_eq!(listed.len(), 3);
}

macro_rules! conformance {
    ($($rule:ident),* $(,)?) => {
        mod sqlite_on_its_own_thread {
            use super::*;
            $(#[tokio::test]
            async fn $rule() {
                let folder = tempfile::tempdir().unwrap();
                super::$rule(&open(folder.path(), &small(Executor::OwnThread))).await;
            })*
        }

        mod sqlite_inline {
            use super::*;
            $(#[tokio::test]
            async fn $rule() {
                let folder = tempfile::tempdir().unwrap();
                super::$rule(&open(folder.path(), &small(Executor::Inline))).await;
            })*
        }

        mod faulty {
            use super::*;
            $(#[tokio::test]
            async fn $rule() {
                for seed in FaultyStore::seeds() {
                    let folder = tempfile::tempdir().unwrap();
                    let inner = open(folder.path(), &small(Executor::Inline));
                    super::$rule(&FaultyStore::new(inner, seed)).await;
                }
            })*
        }
    };
}

conformance! {
    a_share_without_a_record_is_not_there,
    what_was_committed_is_loaded_followed_and_looked_up,
    a_commit_on_another_version_is_a_conflict_and_changes_nothing,
    an_invalid_commit_is_refused_by_its_rule,
    commits_of_one_call_have_outcomes_of_their_own,
    a_checkpoint_stands_for_the_records_up_to_it,
    a_checkpoint_of_a_version_that_is_not_there_is_refused,
    shares_are_listed_in_order_and_in_pages,
    a_server_record_is_replaced_by_compare_and_set,
    the_history_id_stays,
    another_history_id_stays_too,
    the_extent_counts_all_records_and_only_what_is_synced_is_durable,
    a_copy_holds_everything_that_was_done_before_and_nothing_of_what_came_after,
    an_erased_share_keeps_its_checkpoint_version_and_later_records,
    what_no_checkpoint_contains_is_not_erased,
}
