//! The file, what is cut off, what is refused, and what happens when it can't be written.

mod failed_sync;

use std::io;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use share_engine::{Change, CreateShare, Ends, Record, ShareState};
use share_model::seam::{Executor, Files, SeededEntropy, SystemFiles};
use share_model::{
    Epoch, GrantId, HistoryId, Limits, Origin, OriginKind, RequestId, SecretHash, ShareId, UnixMs,
};

use super::entry::{Bump, Entry, JournalId, Mark, Unreadable};
use super::file::{Disk, ReplaceError};
use super::guarded::{JournaledStore, Served};
use super::{Contents, Journal, JournalError, frame, new_contents};
use crate::store::{
    CommitOutcome, ShareCommit, SqliteStore, SqliteStoreOptions, Store, StoreError,
};

const INLINE: Executor = Executor::Inline;

fn share(number: u8) -> ShareId {
    ShareId::from_bytes([number; 16])
}

fn origin() -> Origin {
    Origin::new(OriginKind::User, "o".to_owned(), 10).unwrap()
}

/// The bump of a share to an epoch, for the owner with this number.
fn bump(number: u8, epoch: u64, owner: u8) -> Bump {
    Bump {
        share: share(number),
        epoch: Epoch::new(epoch),
        request: RequestId::from_bytes([owner; 16]),
        by: GrantId::from_bytes([9; 16]),
        owner: GrantId::from_bytes([owner; 16]),
        owner_secret_hash: SecretHash::from_bytes([owner; 32]),
        origin: origin(),
        at: UnixMs::new(5),
    }
}

fn mark(history: u8, records: u64) -> Mark {
    Mark {
        history: HistoryId::from_bytes([history; 16]),
        starts: 1,
        records,
        open: Vec::new(),
    }
}

fn contents() -> Contents {
    new_contents(&SeededEntropy::new(1), None, UnixMs::new(4))
}

fn system_files() -> Arc<dyn Files> {
    Arc::new(SystemFiles)
}

fn create(path: &Path) -> Journal {
    Journal::create(path, contents(), &system_files(), INLINE).unwrap()
}

fn reopen(path: &Path) -> Result<Contents, JournalError> {
    let journal = Journal::open(path, &system_files(), INLINE)?.unwrap();
    Ok(journal.contents().clone())
}

fn bumps(contents: &Contents) -> Vec<Bump> {
    let ended = contents.shares();
    ended.filter_map(|(_, ended)| ended.bump.clone()).collect()
}

/// A journal with two entries, and its bytes.
async fn written(path: &Path) -> Vec<u8> {
    let journal = create(path);
    for entry in [bump(1, 2, 21), bump(2, 5, 22)] {
        journal.append(vec![Entry::Bumped(entry)]).await.unwrap();
    }
    drop(journal);
    std::fs::read(path).unwrap()
}

/// Where the last entry begins.
fn last_frame(bytes: &[u8]) -> usize {
    let mut frame = Vec::new();
    frame::push(&mut frame, &Entry::Bumped(bump(2, 5, 22)));
    bytes.len() - frame.len()
}

#[tokio::test]
async fn what_was_written_is_read_again_and_the_newest_bump_of_a_share_counts() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("journal");
    assert!(
        Journal::open(&path, &system_files(), INLINE)
            .unwrap()
            .is_none()
    );
    let journal = create(&path);
    let id = journal.contents().id();
    for entry in [
        bump(1, 2, 21),
        bump(2, 2, 22),
        bump(1, 3, 23),
        bump(1, 2, 24),
    ] {
        journal.append(vec![Entry::Bumped(entry)]).await.unwrap();
    }
    // Of one epoch the last: what came before it was never committed.
    let again = vec![Entry::Bumped(bump(2, 2, 25)), Entry::Marked(mark(1, 7))];
    journal.append(again).await.unwrap();
    drop(journal);
    let read = reopen(&path).unwrap();
    assert_eq!(read.id(), id);
    assert_eq!(bumps(&read), [bump(1, 3, 23), bump(2, 2, 25)]);
    let (found, is_past) = read.mark(HistoryId::from_bytes([1; 16])).unwrap();
    assert_eq!((found.records, is_past), (7, false));
}

/// By hand: postcard's numbers, ids as a length and their bytes.
#[test]
fn the_bytes_of_an_entry_are_persisted_and_never_change() {
    let id = |byte: u8| [&[16][..], &[byte; 16]].concat();
    let expected = [
        vec![1, 1], // format, Bumped
        id(1),
        vec![0xac, 2], // epoch 300
        id(7),         // request
        id(9),         // by
        id(7),         // owner
        vec![7; 32],
        vec![0, 1, b'o'], // a user
        vec![5],
    ]
    .concat();
    let entry = Entry::Bumped(bump(1, 300, 7));
    assert_eq!(entry.encode(), expected);
    let revoked = Entry::Revoked {
        share: share(1),
        epoch: Epoch::new(2),
        grant: GrantId::from_bytes([3; 16]),
        origin: origin(),
        at: UnixMs::new(5),
    };
    let expected = [vec![1, 2], id(1), vec![2], id(3), vec![0, 1, b'o', 5]].concat();
    assert_eq!(revoked.encode(), expected);
    let deleted = Entry::Deleted {
        share: share(1),
        origin: origin(),
        at: UnixMs::new(5),
    };
    let expected = [vec![1, 3], id(1), vec![0, 1, b'o', 5]].concat();
    assert_eq!(deleted.encode(), expected);
    let marked = Entry::Marked(Mark {
        open: vec![share(4)],
        ..mark(2, 3)
    });
    let expected = [vec![1, 4], vec![2; 16], vec![1, 3, 1], id(4)].concat();
    assert_eq!(marked.encode(), expected);
    let factory = Entry::FactoryRevoked {
        grant: GrantId::from_bytes([6; 16]),
        at: UnixMs::new(300),
    };
    let expected = [vec![2, 5], id(6), vec![0xac, 2]].concat();
    assert_eq!(factory.encode(), expected);
    assert_eq!(Entry::decode(&expected), Ok(factory));
    // Nobody wrote it under an earlier format.
    let earlier = [&[1][..], &expected[1..]].concat();
    assert_eq!(Entry::decode(&earlier), Err(Unreadable::Malformed));
}

#[tokio::test]
async fn an_entry_that_was_cut_off_anywhere_is_dropped_and_what_was_before_it_stays() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("journal");
    let bytes = written(&path).await;
    let begin = last_frame(&bytes);
    for cut in begin..bytes.len() {
        std::fs::write(&path, &bytes[..cut]).unwrap();
        assert_eq!(
            bumps(&reopen(&path).unwrap()),
            [bump(1, 2, 21)],
            "cut at {cut}"
        );
        // The next entry follows what is whole.
        let journal = Journal::open(&path, &system_files(), INLINE)
            .unwrap()
            .unwrap();
        let next = Entry::Bumped(bump(2, 6, 26));
        journal.append(vec![next]).await.unwrap();
        drop(journal);
        let read = bumps(&reopen(&path).unwrap());
        assert_eq!(read, [bump(1, 2, 21), bump(2, 6, 26)]);
    }
    // The file was made longer, but what belongs there was not written.
    let mut zeros = bytes[..begin].to_vec();
    zeros.resize(bytes.len() + 700, 0);
    std::fs::write(&path, &zeros).unwrap();
    assert_eq!(bumps(&reopen(&path).unwrap()), [bump(1, 2, 21)]);
}

#[tokio::test]
async fn a_byte_that_changed_anywhere_is_damage_and_never_an_entry_less() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("journal");
    let bytes = written(&path).await;
    for at in 0..bytes.len() {
        let mut changed = bytes.clone();
        changed[at] ^= 0x40;
        std::fs::write(&path, &changed).unwrap();
        let refused = reopen(&path).unwrap_err();
        let is_told = matches!(
            refused,
            JournalError::Damaged { .. } | JournalError::Foreign { .. }
        );
        assert!(is_told, "byte {at}: {refused}");
        assert_eq!(std::fs::read(&path).unwrap(), changed, "it is left alone");
    }
    std::fs::write(&path, &bytes[..bytes.len()]).unwrap();
    let mut changed = bytes;
    changed[40] ^= 1;
    std::fs::write(&path, changed).unwrap();
    let told = reopen(&path).unwrap_err().to_string();
    assert!(told.contains("put back an intact copy"), "{told}");
}

#[test]
fn an_entry_of_a_newer_version_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("journal");
    let mut bytes = frame::write_file(&contents().entries());
    let body = [3, 1];
    let length = 2_u32.to_le_bytes();
    bytes.extend(length);
    bytes.extend(crc32fast::hash(&length).to_le_bytes());
    bytes.extend(crc32fast::hash(&body).to_le_bytes());
    bytes.extend(body);
    std::fs::write(&path, bytes).unwrap();
    let refused = reopen(&path).unwrap_err();
    assert!(
        matches!(refused, JournalError::Newer { found: 3, .. }),
        "{refused}"
    );
}

#[tokio::test]
async fn a_journal_has_one_opener_at_a_time_also_after_it_was_made_smaller() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("journal");
    let journal = create(&path);
    let is_in_use = || {
        matches!(
            Journal::open(&path, &system_files(), INLINE),
            Err(JournalError::InUse { .. })
        )
    };
    assert!(is_in_use());
    let file = |path: &Path| std::fs::metadata(path).unwrap().len();
    let mut largest = 0;
    for first in (0..2000).step_by(50) {
        let entries = (first..first + 50).map(|epoch| Entry::Bumped(bump(1, epoch, 1)));
        journal.append(entries.collect()).await.unwrap();
        largest = largest.max(file(&path));
    }
    assert!(largest < 128 << 10, "{largest} bytes");
    assert!(file(&path) < largest, "it was never made smaller");
    assert!(is_in_use());
    drop(journal);
    assert_eq!(bumps(&reopen(&path).unwrap()), [bump(1, 1999, 1)]);
    let names = std::fs::read_dir(folder.path()).unwrap().count();
    assert_eq!(names, 1, "a temporary file is left");
}

#[tokio::test]
async fn what_a_journal_must_hold_survives_being_made_smaller() {
    let mut all = contents();
    let revoked = |grant, epoch| Entry::Revoked {
        share: share(1),
        epoch: Epoch::new(epoch),
        grant: GrantId::from_bytes([grant; 16]),
        origin: origin(),
        at: UnixMs::new(6),
    };
    let deleted = Entry::Deleted {
        share: share(3),
        origin: origin(),
        at: UnixMs::new(7),
    };
    let factory = Entry::FactoryRevoked {
        grant: GrantId::from_bytes([6; 16]),
        at: UnixMs::new(8),
    };
    for entry in [
        revoked(1, 1),
        Entry::Bumped(bump(1, 2, 21)),
        revoked(2, 2),
        Entry::Bumped(bump(3, 2, 23)),
        deleted,
        // Of a deleted share nothing else is kept, before and after.
        Entry::Bumped(bump(3, 3, 24)),
        factory.clone(),
        factory,
        Entry::Marked(mark(1, 7)),
        Entry::Marked(mark(2, 9)),
        Entry::Bumped(bump(2, 4, 22)),
    ] {
        all.take(entry);
    }
    let read = Contents::of(Path::new("j"), all.entries()).unwrap();
    assert_eq!(read, all);
    let ended = read.share(share(1)).unwrap();
    // A grant of an epoch that a bump ended needs no revocation.
    assert_eq!(ended.revoked.len(), 1);
    let deleted = read.share(share(3)).unwrap();
    assert!(deleted.deleted.is_some() && deleted.bump.is_none());
    assert_eq!(read.factory_revoked().len(), 1);
    assert_eq!(read.open().iter().collect::<Vec<_>>(), [&share(2)]);
    let (_, is_past) = read.mark(HistoryId::from_bytes([1; 16])).unwrap();
    assert!(is_past);
}

/// A disk that fails when it is told to.
#[derive(Debug)]
struct FailingDisk(Arc<AtomicBool>);

impl Disk for FailingDisk {
    fn append(&mut self, _: &[u8]) -> io::Result<()> {
        match self.0.load(Ordering::SeqCst) {
            true => Err(io::Error::other("as planned")),
            false => Ok(()),
        }
    }

    fn replace(&mut self, _: &[u8]) -> Result<(), ReplaceError> {
        Ok(())
    }

    fn path(&self) -> &Path {
        Path::new("journal")
    }
}

/// A share, and the record of a bump.
fn bumped_share() -> (Record, Record) {
    let create = CreateShare {
        share: share(1),
        factory: GrantId::from_bytes([4; 16]),
        request: RequestId::from_bytes([5; 16]),
        owner_grant: GrantId::from_bytes([2; 16]),
        owner_secret_hash: SecretHash::from_bytes([3; 32]),
        title: String::new(),
        origin: origin(),
    };
    let (mut state, created) = ShareState::create(create, Limits::DEFAULT, UnixMs::new(1)).unwrap();
    let ends = Ends {
        bump: Some(bump(1, 2, 21).into_bumped()),
        ..Ends::default()
    };
    let bumped = state.catch_up(UnixMs::new(2), &ends).remove(0);
    (created, bumped)
}

fn commit(record: Record) -> Vec<ShareCommit> {
    vec![ShareCommit {
        share: share(1),
        expected: share_model::ShareVersion::new(record.version.get() - 1),
        records: vec![record],
    }]
}

#[tokio::test]
async fn a_journal_that_can_not_be_written_stops_the_store_and_nothing_is_committed() {
    let folder = tempfile::tempdir().unwrap();
    let options = SqliteStoreOptions {
        executor: INLINE,
        ..SqliteStoreOptions::default()
    };
    let entropy = SeededEntropy::new(1);
    let inner =
        SqliteStore::open(folder.path(), &options, Arc::new(SystemFiles), &entropy).unwrap();
    let inner: Arc<dyn Store> = Arc::new(inner);
    let fails = Arc::new(AtomicBool::new(false));
    let disk = Box::new(FailingDisk(Arc::clone(&fails)));
    let journal = Journal::start(disk, contents(), 0, INLINE).unwrap();
    let served = Served {
        history: HistoryId::from_bytes([1; 16]),
        starts: 1,
    };
    let store = JournaledStore::new(Arc::clone(&inner), journal, served);
    let (created, bumped) = bumped_share();
    assert!(matches!(bumped.change, Change::EpochBumped(_)));
    let outcome = store.commit(commit(created)).await.remove(0);
    assert!(matches!(outcome, CommitOutcome::Done), "{outcome:?}");
    fails.store(true, Ordering::SeqCst);
    let outcome = store.commit(commit(bumped.clone())).await.remove(0);
    let is_stopped = matches!(outcome, CommitOutcome::Refused(StoreError::Stopped { .. }));
    assert!(is_stopped, "{outcome:?}");
    let loaded = inner.load(share(1)).await.unwrap().unwrap();
    assert_eq!(loaded.version.get(), 1, "it was committed");
    let stopped = store.stopped().await.to_string();
    assert!(
        stopped.contains("journal can't be written: as planned"),
        "{stopped}"
    );
    // It stays so, though the disk is well again.
    fails.store(false, Ordering::SeqCst);
    let outcome = store.commit(commit(bumped)).await.remove(0);
    assert!(matches!(outcome, CommitOutcome::Refused(_)), "{outcome:?}");
}

#[tokio::test]
async fn a_mark_names_the_shares_whose_entries_may_not_be_in_the_store() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("journal");
    let journal = create(&path);
    let first = vec![Entry::Bumped(bump(1, 2, 21)), Entry::Bumped(bump(2, 2, 22))];
    journal.append(first).await.unwrap();
    journal.contents().close(share(1));
    // Also one that stands right before the mark, and was not there when the mark was asked for.
    let second = vec![Entry::Bumped(bump(3, 2, 23)), Entry::Marked(mark(1, 1))];
    journal.append(second).await.unwrap();
    drop(journal);
    let read = reopen(&path).unwrap();
    let open: Vec<_> = read.open().iter().copied().collect();
    assert_eq!(open, [share(2), share(3)]);
}

#[test]
fn ids_of_journals_differ() {
    let entropy = SeededEntropy::new(1);
    assert_ne!(JournalId::random(&entropy), JournalId::random(&entropy));
}
