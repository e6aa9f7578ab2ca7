//! The file: private, whole, ours, and left alone when it is not.

use std::fs;
use std::path::Path;

use rusqlite::Connection;
use share_client::{Outbox, OutboxError, OutboxOptions};

use crate::folder::{Folder, SHARE, put, rows, seqs};

fn open(path: &Path) -> Result<Outbox, OutboxError> {
    Outbox::open(path, OutboxOptions::default())
}

/// Opening fails, and changes not a byte.
#[track_caller]
fn refused(path: &Path) -> OutboxError {
    let before = fs::read(path).unwrap();
    let error = open(path).unwrap_err();
    assert_eq!(fs::read(path).unwrap(), before, "the file was touched");
    error
}

/// An outbox with ops, closed, whole in its one file.
async fn closed(folder: &Folder) {
    let outbox = folder.outbox().await;
    for _ in 0..200 {
        outbox
            .enqueue(SHARE, put("key", &format!("\"{}\"", "x".repeat(100))))
            .await
            .unwrap();
    }
}

#[cfg(unix)]
#[tokio::test]
async fn a_new_outbox_is_private_and_ignored_by_version_control() {
    use std::os::unix::fs::PermissionsExt;
    let folder = Folder::new();
    let outbox = folder.outbox().await;
    outbox.enqueue(SHARE, put("a", "1")).await.unwrap();
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    let state = folder.path().parent().unwrap().to_owned();
    assert_eq!(mode(&state), 0o700);
    assert_eq!(fs::read_to_string(state.join(".gitignore")).unwrap(), "*\n");
    let files: Vec<_> = fs::read_dir(&state)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.file_name().unwrap() != ".gitignore")
        .collect();
    assert!(files.contains(&folder.path()));
    for file in files {
        assert_eq!(mode(&file), 0o600, "{}", file.display());
    }
}

#[tokio::test]
async fn a_folder_that_others_use_gets_no_ignore_file() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("main.rs"), "fn main() {}").unwrap();
    drop(open(&folder.path().join("share.sqlite")).unwrap());
    assert!(!folder.path().join(".gitignore").exists());
}

#[tokio::test]
async fn an_outbox_that_is_opened_again_holds_what_it_held_and_goes_on() {
    let folder = Folder::new();
    closed(&folder).await;
    let outbox = folder.outbox().await;
    let next = outbox.enqueue(SHARE, put("a", "1")).await.unwrap();
    assert_eq!(next.seq.get(), 201);
    assert_eq!(seqs(&outbox).await, (1..=201).collect::<Vec<_>>());
}

#[tokio::test]
async fn a_newer_file_is_refused_with_upgrade_and_left_alone() {
    let folder = Folder::new();
    closed(&folder).await;
    Connection::open(folder.path())
        .unwrap()
        .pragma_update(None, "user_version", 4)
        .unwrap();
    let error = refused(&folder.path());
    assert!(matches!(
        error,
        OutboxError::Newer {
            version: 4,
            supported: 3,
            ..
        }
    ));
    assert!(
        error.to_string().contains("upgrade this program"),
        "{error}"
    );
}

#[tokio::test]
async fn another_programs_database_is_refused_and_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("other.sqlite");
    Connection::open(&path)
        .unwrap()
        .execute_batch("CREATE TABLE t (a)")
        .unwrap();
    assert!(matches!(refused(&path), OutboxError::NotAnOutbox { .. }));
    let text = folder.path().join("notes.txt");
    fs::write(
        &text,
        "not a database, but long enough to look at ".repeat(40),
    )
    .unwrap();
    assert!(matches!(refused(&text), OutboxError::NotAnOutbox { .. }));
}

/// A disk that is full, or a crash, ends the copying of the log into the file amid a page.
#[tokio::test]
async fn a_page_that_was_written_in_part_is_taken_from_the_log() {
    let folder = Folder::new();
    let outbox = folder.outbox().await;
    for _ in 0..50 {
        let op = put("key", &format!("\"{}\"", "x".repeat(500)));
        outbox.enqueue(SHARE, op).await.unwrap();
    }
    // As the machine would have it if it died now.
    let crashed = tempfile::tempdir().unwrap();
    let path = crashed.path().join("share.sqlite");
    let mut file = fs::read(folder.path()).unwrap();
    let log = fs::read(folder.path().with_file_name("share.sqlite-wal")).unwrap();
    assert!(!log.is_empty());
    file.extend([7; 100]);
    fs::write(&path, &file).unwrap();
    assert!(matches!(refused(&path), OutboxError::Damaged { .. }));
    fs::write(path.with_file_name("share.sqlite-wal"), log).unwrap();
    let outbox = open(&path).unwrap();
    assert_eq!(rows(&outbox).await.len(), 50);
}

#[tokio::test]
async fn a_file_that_is_cut_off_anywhere_is_refused_with_what_to_do_and_left_alone() {
    let folder = Folder::new();
    closed(&folder).await;
    let whole = fs::read(folder.path()).unwrap();
    let cut = folder.path().with_file_name("cut.sqlite");
    for length in [
        0,
        1,
        99,
        100,
        511,
        4096,
        whole.len() / 2,
        whole.len() - 4096,
        whole.len() - 1,
    ] {
        fs::write(&cut, &whole[..length]).unwrap();
        let error = refused(&cut);
        let is_typed = matches!(
            error,
            OutboxError::Damaged { .. } | OutboxError::NotAnOutbox { .. }
        );
        assert!(is_typed, "{length} bytes: {error:?}");
        assert!(
            error.to_string().contains("move it away"),
            "{length} bytes: {error}"
        );
    }
}

#[tokio::test]
async fn a_damaged_page_is_refused_and_left_alone() {
    let folder = Folder::new();
    closed(&folder).await;
    let mut bytes = fs::read(folder.path()).unwrap();
    let middle = bytes.len() / 4096 / 2 * 4096;
    bytes[middle..middle + 4096].fill(0xaa);
    fs::write(folder.path(), bytes).unwrap();
    assert!(matches!(
        refused(&folder.path()),
        OutboxError::Damaged { .. }
    ));
}

#[tokio::test]
async fn two_handles_of_two_opens_share_one_lane_without_a_gap() {
    let folder = Folder::new();
    let (one, two) = (folder.outbox().await, folder.outbox().await);
    let fill = |outbox: Outbox| async move {
        for _ in 0..20 {
            outbox.enqueue(SHARE, put("a", "1")).await.unwrap();
        }
    };
    tokio::join!(fill(one.clone()), fill(two));
    assert_eq!(seqs(&one).await, (1..=40).collect::<Vec<_>>());
}
