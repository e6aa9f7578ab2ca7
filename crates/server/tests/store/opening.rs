//! Opening a store's folder again, and what is refused there.

use std::fs;
use std::path::{Path, PathBuf};

use rusqlite::Connection;
use share_model::HistoryId;
use share_model::seam::Executor;
use share_server::store::{Extent, SqliteStore, SqliteStoreOptions, Store, StoreError};

use super::faulty::persist;
use super::opened::{open, small, try_open};
use super::story::Story;

pub(crate) fn file(folder: &Path) -> PathBuf {
    folder.join("shares.sqlite")
}

/// Two shares with enough records to cross the small bounds, and a checkpoint of one.
pub(crate) async fn fill(store: &SqliteStore, stories: &mut [Story]) {
    for _ in 0..7 {
        for story in &mut *stories {
            story.claim();
            story.append(1, &["one", "two"]);
            persist(store, story.commit(2)).await;
        }
    }
    let checkpoint = stories[0].checkpoint(&[("k", r#""some text""#)]);
    store
        .checkpoint(stories[0].share, checkpoint)
        .await
        .unwrap();
    stories[0].append(2, &["three"]);
    persist(store, stories[0].commit(1)).await;
}

fn try_reopen(folder: &Path) -> Result<SqliteStore, StoreError> {
    try_open(folder, &SqliteStoreOptions::default())
}

#[tokio::test]
async fn everything_committed_is_there_after_opening_again() {
    for index_rows in [1, 5, 1000] {
        let folder = tempfile::tempdir().unwrap();
        let options = SqliteStoreOptions {
            index_rows,
            ..small(Executor::OwnThread)
        };
        let mut stories = [Story::new(1), Story::new(2)];
        let store = open(folder.path(), &options);
        fill(&store, &mut stories).await;
        store.put_server_record("factory", 0, b"x".to_vec()).await;
        let history = store.history().await.unwrap();
        drop(store);
        for _ in 0..3 {
            let store = open(folder.path(), &options);
            for story in &mut stories {
                story.assert_kept(&store).await;
                story.append(3, &["after"]);
                persist(&store, story.commit(1)).await;
                story.assert_kept(&store).await;
            }
            assert_eq!(store.history().await.unwrap(), history);
            let record = store.server_record("factory").await.unwrap().unwrap();
            assert_eq!((record.version, record.bytes.as_slice()), (1, &b"x"[..]));
        }
    }
}

#[tokio::test]
async fn what_was_found_at_opening_is_durable_only_after_the_next_commit() {
    let folder = tempfile::tempdir().unwrap();
    let mut story = Story::new(1);
    story.claim();
    let store = open(folder.path(), &small(Executor::Inline));
    persist(&store, story.commit(1)).await;
    store
        .renew_history(HistoryId::from_bytes([9; 16]))
        .await
        .unwrap();
    drop(store);
    let store = open(folder.path(), &small(Executor::Inline));
    assert_eq!(
        store.history().await.unwrap(),
        HistoryId::from_bytes([9; 16])
    );
    let extent = |records, durable| Extent { records, durable };
    assert_eq!(store.extent().await.unwrap(), extent(1, 0));
    // A commit of anything syncs all that stands before it.
    store.put_server_record("name", 0, b"x".to_vec()).await;
    assert_eq!(store.extent().await.unwrap(), extent(1, 1));
}

#[tokio::test]
async fn a_copy_that_nobody_waits_for_ends_and_commits_go_on() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path(), &small(Executor::OwnThread));
    let mut stories = [Story::new(1), Story::new(2)];
    fill(&store, &mut stories).await;
    for copy in 0..20 {
        let file = folder.path().join(format!("copy-{copy}"));
        {
            let copying = store.copy_to(&file);
            let mut copying = std::pin::pin!(copying);
            // Begun, and dropped.
            let waker = std::task::Waker::noop();
            let _ = copying
                .as_mut()
                .poll(&mut std::task::Context::from_waker(waker));
        }
        stories[0].append(1, &["x"]);
        persist(&store, stories[0].commit(1)).await;
    }
    // One that somebody waits for is whole.
    let last = tempfile::tempdir().unwrap();
    store.copy_to(&file(last.path())).await.unwrap();
    stories[0]
        .assert_kept(&open(last.path(), &small(Executor::Inline)))
        .await;
    stories[0].assert_kept(&store).await;
}

#[tokio::test]
async fn a_store_has_one_opener_at_a_time() {
    let folder = tempfile::tempdir().unwrap();
    let store = try_reopen(folder.path()).unwrap();
    let second = try_reopen(folder.path()).unwrap_err();
    assert!(matches!(second, StoreError::Locked { .. }), "{second}");
    assert!(
        second
            .to_string()
            .ends_with("is in use by another process: end it first, or choose another folder")
    );
    drop(store);
    try_reopen(folder.path()).unwrap();
}

#[cfg(unix)]
#[tokio::test]
async fn only_the_owner_can_read_a_store() {
    use std::os::unix::fs::PermissionsExt;

    let parent = tempfile::tempdir().unwrap();
    let folder = parent.path().join("data/shares");
    let store = open(&folder, &small(Executor::Inline));
    fill(&store, &mut [Story::new(1), Story::new(2)]).await;
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&folder), 0o700);
    let mut names = Vec::new();
    for entry in fs::read_dir(&folder).unwrap() {
        let path = entry.unwrap().path();
        assert_eq!(mode(&path), 0o600, "{}", path.display());
        names.push(path.file_name().unwrap().to_owned());
    }
    names.sort();
    let expected = [
        "created",
        "lock",
        "redo-0",
        "redo-1",
        "redo-2",
        "shares.sqlite",
        "shares.sqlite-shm",
        "shares.sqlite-wal",
    ];
    assert_eq!(names, expected);
}

#[tokio::test]
async fn a_file_of_a_newer_version_is_refused_and_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let mut stories = [Story::new(1), Story::new(2)];
    fill(&try_reopen(folder.path()).unwrap(), &mut stories).await;
    let set = |version: u32| {
        let raw = Connection::open(file(folder.path())).unwrap();
        raw.pragma_update(None, "user_version", version).unwrap();
    };
    set(3);
    let before = fs::read(file(folder.path())).unwrap();
    let refused = try_reopen(folder.path()).unwrap_err();
    let is_newer = matches!(
        refused,
        StoreError::Newer {
            found: 3,
            supported: 2,
            ..
        }
    );
    assert!(is_newer, "{refused}");
    assert!(
        refused
            .to_string()
            .ends_with("has format 3, this version reads up to 2: upgrade")
    );
    assert_eq!(fs::read(file(folder.path())).unwrap(), before);
    set(2);
    stories[0]
        .assert_kept(&try_reopen(folder.path()).unwrap())
        .await;
}

#[tokio::test]
async fn a_file_of_something_else_is_refused_and_left_alone() {
    for make in [
        |path: &Path| fs::write(path, "this is no database, but a text of some length").unwrap(),
        |path: &Path| {
            let raw = Connection::open(path).unwrap();
            raw.execute_batch("CREATE TABLE theirs (x)").unwrap();
        },
    ] {
        let folder = tempfile::tempdir().unwrap();
        make(&file(folder.path()));
        let before = fs::read(file(folder.path())).unwrap();
        let refused = try_reopen(folder.path()).unwrap_err();
        assert!(matches!(refused, StoreError::Foreign { .. }), "{refused}");
        assert_eq!(fs::read(file(folder.path())).unwrap(), before);
    }
}

#[tokio::test]
async fn a_truncated_file_is_damage_and_never_a_new_store() {
    let folder = tempfile::tempdir().unwrap();
    let mut stories = [Story::new(1), Story::new(2)];
    fill(&try_reopen(folder.path()).unwrap(), &mut stories).await;
    let whole = fs::read(file(folder.path())).unwrap();
    assert_eq!(whole.len() % (16 << 10), 0);
    for len in [0, 50, 100, 16 << 10, 20_000, whole.len() - 1] {
        fs::write(file(folder.path()), &whole[..len]).unwrap();
        let refused = try_reopen(folder.path()).unwrap_err();
        assert!(
            matches!(refused, StoreError::Corrupt { .. }),
            "cut at {len}: {refused}"
        );
        assert!(
            refused.to_string().ends_with("restore it from a backup"),
            "{refused}"
        );
    }
    fs::remove_file(file(folder.path())).unwrap();
    let refused = try_reopen(folder.path()).unwrap_err();
    assert!(
        matches!(refused, StoreError::Corrupt { .. }),
        "missing: {refused}"
    );
    fs::write(file(folder.path()), &whole).unwrap();
    stories[1]
        .assert_kept(&try_reopen(folder.path()).unwrap())
        .await;
}

#[tokio::test]
async fn an_empty_file_that_a_crash_left_at_creation_becomes_a_store() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(file(folder.path()), "").unwrap();
    let mut stories = [Story::new(1), Story::new(2)];
    fill(&try_reopen(folder.path()).unwrap(), &mut stories).await;
}
