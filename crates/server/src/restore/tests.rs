//! A restore that ends at any of its steps; and files that are not what they were.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use share_engine::CreateShare;
use share_model::seam::{Executor, Files, SeededEntropy, SimulatedClock, SystemFiles};
use share_model::{
    GrantId, HistoryId, Limits, Origin, OriginKind, RequestId, Secret, ShareId, UnixMs,
};
use tempfile::TempDir;

use super::{RestoreError, RestoreJournal, RestoreOptions, Restored, restore, restore_in_steps};
use crate::backup::Backups;
use crate::journal::{Journal, new_contents};
use crate::seams::Seams;
use crate::store::{
    CommitOutcome, ShareCommit, SqliteStore, SqliteStoreOptions, Store, StoreError,
};

/// The file of a data folder that no store writes: it shows which content stands there.
const CONTENT: &str = "content";

fn seams(seed: u64) -> Seams {
    Seams {
        clock: Arc::new(SimulatedClock::starting_at(UnixMs::new(1_800_000_000_000))),
        entropy: Arc::new(SeededEntropy::new(seed)),
        files: Arc::new(SystemFiles),
    }
}

fn open(folder: &Path) -> Result<SqliteStore, StoreError> {
    let options = SqliteStoreOptions {
        executor: Executor::Inline,
        ..SqliteStoreOptions::default()
    };
    SqliteStore::open(
        folder,
        &options,
        Arc::new(SystemFiles),
        &SeededEntropy::new(1),
    )
}

/// A store with a share.
async fn store_with_a_share(folder: &Path) -> SqliteStore {
    let store = open(folder).unwrap();
    let create = CreateShare {
        share: ShareId::from_bytes([1; 16]),
        factory: GrantId::from_bytes([4; 16]),
        request: RequestId::from_bytes([5; 16]),
        owner_grant: GrantId::from_bytes([2; 16]),
        owner_secret_hash: Secret::from_bytes([3; 32]).hash(),
        title: "a title".to_owned(),
        origin: Origin::new(OriginKind::User, "o".to_owned(), 10).unwrap(),
    };
    let created = share_engine::ShareState::create(create, Limits::DEFAULT, UnixMs::new(1));
    let commit = ShareCommit {
        share: ShareId::from_bytes([1; 16]),
        expected: share_model::ShareVersion::ZERO,
        records: vec![created.unwrap().1],
    };
    let outcome = store.commit(vec![commit]).await.remove(0);
    assert!(matches!(outcome, CommitOutcome::Done), "{outcome:?}");
    store
}

/// A backup of a store with a share, a journal, and a data folder with something else in it.
async fn place() -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    let source = folder.path().join("source");
    let store = Arc::new(store_with_a_share(&source).await);
    let history = store.history().await.unwrap();
    let clock = seams(1).clock;
    let backups = Backups::new(store, (clock, history), &source, Executor::Inline).unwrap();
    let mut bytes = Vec::new();
    let mut rest = Some(backups.make().await.unwrap().unwrap());
    while let Some(backup) = rest {
        let (piece, next) = backups.read(backup, 100_000).await.unwrap();
        bytes.extend(piece);
        rest = next;
    }
    fs::write(folder.path().join("backup"), bytes).unwrap();
    let contents = new_contents(&SeededEntropy::new(2), None, UnixMs::new(1));
    let files: Arc<dyn Files> = Arc::new(SystemFiles);
    let path = folder.path().join("journal");
    drop(Journal::create(&path, contents, &files, Executor::Inline).unwrap());
    let data = folder.path().join("data");
    drop(open(&data).unwrap());
    fs::write(data.join(CONTENT), "old").unwrap();
    folder
}

fn options(folder: &TempDir) -> RestoreOptions {
    RestoreOptions {
        file: folder.path().join("backup"),
        data: folder.path().join("data"),
        journal: RestoreJournal::At(folder.path().join("journal")),
        advertise: Vec::new(),
        seams: seams(7),
    }
}

/// All files below a folder but locks, with their content.
fn files(folder: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut found = BTreeMap::new();
    let Ok(entries) = fs::read_dir(folder) else {
        return found;
    };
    for entry in entries {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(files(&path));
        } else if !path.ends_with("lock") {
            let bytes = fs::read(&path).unwrap();
            found.insert(path, bytes);
        }
    }
    found
}

/// Opens the folder as a server does; whether it has the share of the backup, and its history.
async fn look(data: &Path) -> (bool, HistoryId) {
    let store = open(data).unwrap();
    let shares = store.shares(None, 10).await.unwrap();
    (!shares.is_empty(), store.history().await.unwrap())
}

/// Restores, but ends at the step with this number as a crash would; the names of all steps until
/// then, and whether it came to its end.
async fn crash_at(folder: &TempDir, number: usize) -> (Vec<&'static str>, bool) {
    let mut steps = Vec::new();
    let mut step = |name| {
        steps.push(name);
        match steps.len() > number {
            true => Err(io::Error::other("crash")),
            false => Ok(()),
        }
    };
    let ended = restore_in_steps(&options(folder), &mut step).await.is_ok();
    (steps, ended)
}

#[tokio::test]
async fn a_crash_at_any_step_of_a_restore_leaves_the_old_state_or_the_new_one() {
    let mut outcomes = Vec::new();
    for number in 0.. {
        let folder = place().await;
        let data = folder.path().join("data");
        let (steps, is_whole) = crash_at(&folder, number).await;
        let last = *steps.last().unwrap();
        let (is_new, _) = look(&data).await;
        let content = data.join(CONTENT);
        assert_eq!(content.exists(), !is_new, "a mixture after {last}");
        let left: Vec<_> = files(&data)
            .into_keys()
            .filter(|path| path.to_string_lossy().contains("/restore."))
            .collect();
        assert!(left.is_empty(), "after {last} there is left: {left:?}");
        let aside = data.join("before-restore-20270115T080000Z");
        assert_eq!(aside.join(CONTENT).exists(), is_new, "after {last}");
        outcomes.push((last, is_new));
        // Whatever was the case, the next attempt succeeds.
        assert!(crash_at(&folder, 1000).await.1);
        assert!(look(&data).await.0);
        if is_whole {
            break;
        }
    }
    let decided = outcomes.iter().position(|(last, _)| *last == "decided");
    let first_new = outcomes.iter().position(|(_, is_new)| *is_new);
    assert_eq!(first_new, decided, "{outcomes:?}");
    assert!(
        outcomes[decided.unwrap()..]
            .iter()
            .all(|(_, is_new)| *is_new)
    );
    for name in [
        "made",
        "copied",
        "prepared",
        "synced",
        "moved aside",
        "aside",
        "installing",
        "moved in",
        "installed",
        "finished",
    ] {
        assert!(
            outcomes.iter().any(|(last, _)| *last == name),
            "{name} in {outcomes:?}"
        );
    }
}

#[tokio::test]
async fn a_restore_keeps_the_certificate_that_refs_pin() {
    let folder = place().await;
    let data = folder.path().join("data");
    for (name, text) in [("tls.cert.pem", "certificate"), ("tls.key.pem", "key")] {
        fs::write(data.join(name), text).unwrap();
    }
    restore(options(&folder)).await.unwrap();
    for (name, text) in [("tls.cert.pem", "certificate"), ("tls.key.pem", "key")] {
        assert_eq!(fs::read_to_string(data.join(name)).unwrap(), text);
    }
}

#[tokio::test]
async fn each_restore_gives_a_history_of_its_own() {
    let folder = place().await;
    let data = folder.path().join("data");
    let mut known = vec![look(&folder.path().join("source")).await.1];
    for seed in 10..13 {
        let options = RestoreOptions {
            seams: seams(seed),
            ..options(&folder)
        };
        let told = restore(options).await.unwrap();
        let (_, found) = look(&data).await;
        assert_eq!(found, told.history);
        assert!(!known.contains(&found));
        known.push(found);
    }
    // Nothing that was there before is lost.
    let kept = fs::read_dir(&data).unwrap();
    let kept = kept.filter(|entry| {
        let name = entry.as_ref().unwrap().file_name();
        name.to_string_lossy()
            .starts_with("before-restore-20270115T080000Z")
    });
    assert_eq!(kept.count(), 3);
}

#[tokio::test]
async fn a_folder_that_is_new_or_empty_keeps_nothing_aside() {
    let folder = place().await;
    for name in ["new/below", "empty"] {
        let data = folder.path().join(name);
        if name == "empty" {
            fs::create_dir(&data).unwrap();
        }
        let options = RestoreOptions {
            data: data.clone(),
            ..options(&folder)
        };
        let Restored {
            kept_aside, shares, ..
        } = restore(options).await.unwrap();
        assert_eq!((kept_aside, shares), (None, 1));
        assert!(look(&data).await.0);
        let kept = files(&data).into_keys();
        assert!(
            !kept
                .into_iter()
                .any(|path| path.to_string_lossy().contains("before-restore"))
        );
    }
}

/// Restores what is refused; nothing of the place is changed.
async fn refused(folder: &TempDir, options: RestoreOptions) -> RestoreError {
    let before = files(folder.path());
    let error = restore(options).await.unwrap_err();
    assert!(files(folder.path()) == before, "changed by: {error}");
    error
}

#[tokio::test]
async fn a_backup_that_was_changed_or_cut_anywhere_is_refused_and_nothing_is_changed() {
    let folder = place().await;
    let path = folder.path().join("backup");
    let whole = fs::read(&path).unwrap();
    let is_told = |error: &RestoreError| {
        matches!(
            error,
            RestoreError::Damaged { .. } | RestoreError::Foreign { .. }
        )
    };
    let places = (0..300).chain((300..whole.len()).step_by(whole.len() / 40));
    for at in places {
        let mut changed = whole.clone();
        changed[at] ^= 1;
        fs::write(&path, &changed).unwrap();
        let error = refused(&folder, options(&folder)).await;
        assert!(is_told(&error), "byte {at}: {error}");
    }
    for bytes in [0, 10, 200, whole.len() / 2, whole.len() - 1] {
        fs::write(&path, &whole[..bytes]).unwrap();
        let error = refused(&folder, options(&folder)).await;
        assert!(is_told(&error), "{bytes} bytes: {error}");
    }
    let longer = [whole, b"x".to_vec()].concat();
    fs::write(&path, longer).unwrap();
    let error = refused(&folder, options(&folder)).await;
    assert!(is_told(&error), "{error}");
}

#[tokio::test]
async fn a_record_that_was_damaged_before_the_backup_is_found_and_nothing_is_changed() {
    let folder = place().await;
    let source = folder.path().join("source/shares.sqlite");
    let raw = rusqlite::Connection::open(source).unwrap();
    raw.execute("UPDATE log SET body = zeroblob(length(body))", [])
        .unwrap();
    drop(raw);
    let store = Arc::new(open(&folder.path().join("source")).unwrap());
    let history = store.history().await.unwrap();
    let (clock, source) = (seams(1).clock, folder.path().join("source"));
    let backups = Backups::new(store, (clock, history), &source, Executor::Inline).unwrap();
    let backup = backups.make().await.unwrap().unwrap();
    let (bytes, rest) = backups.read(backup, 0).await.unwrap();
    assert!(rest.is_none());
    drop(backups);
    fs::write(folder.path().join("backup"), bytes).unwrap();
    let error = refused(&folder, options(&folder)).await;
    assert!(matches!(error, RestoreError::Content { .. }), "{error}");
}

#[tokio::test]
async fn without_a_word_about_the_journal_nothing_is_restored() {
    let folder = place().await;
    let journal = folder.path().join("journal");
    let lost = RestoreOptions {
        journal: RestoreJournal::Lost(journal.clone()),
        ..options(&folder)
    };
    let there = refused(&folder, lost.clone()).await;
    assert!(
        matches!(there, RestoreError::JournalThere { .. }),
        "{there}"
    );
    fs::remove_file(&journal).unwrap();
    let missing = refused(&folder, options(&folder)).await;
    assert!(
        matches!(missing, RestoreError::NoJournal { .. }),
        "{missing}"
    );
    let told = restore(lost).await.unwrap();
    assert!(told.owner_refs.is_some());
}

#[tokio::test]
async fn a_folder_that_is_in_use_is_refused() {
    let folder = place().await;
    let store = open(&folder.path().join("data")).unwrap();
    let error = restore(options(&folder)).await.unwrap_err();
    let told = error.to_string();
    assert!(
        told.contains("is in use by another server: end it first"),
        "{told}"
    );
    drop(store);
    restore(options(&folder)).await.unwrap();
}
