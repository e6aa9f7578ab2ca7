//! A sync fails, the process restarts, writes on, and then the power goes.

use std::fs::{self, File};
use std::io::{self, Write};
use std::ops::Range;
use std::path::Path;
use std::sync::{Arc, Mutex};

use share_model::seam::{FileLock, Files, SystemFiles};

use super::super::entry::Entry;
use super::super::{Journal, JournalError};
use super::{INLINE, bump, bumps, contents};

/// Files of an operating system that takes for written what a failed sync was to make durable.
#[derive(Debug, Default)]
struct CachedFiles(Mutex<Cache>);

#[derive(Debug, Default)]
struct Cache {
    /// Every sync fails.
    fails: bool,
    /// Bytes of the journal that are in memory only, until they are written again.
    lost: Option<Range<usize>>,
}

impl CachedFiles {
    fn set_fails(&self, fails: bool) {
        self.0.lock().unwrap().fails = fails;
    }

    fn power_cut(&self, path: &Path) {
        let Some(lost) = self.0.lock().unwrap().lost.take() else {
            return;
        };
        let mut bytes = fs::read(path).unwrap();
        match lost.end == bytes.len() {
            true => bytes.truncate(lost.start),
            false => bytes[lost].fill(0),
        }
        fs::write(path, bytes).unwrap();
    }
}

impl Files for CachedFiles {
    fn read(&self, path: &Path, bytes_max: u64) -> io::Result<Vec<u8>> {
        SystemFiles.read(path, bytes_max)
    }

    fn write_private(&self, path: &Path, bytes: &[u8]) -> io::Result<()> {
        SystemFiles.write_private(path, bytes)
    }

    fn create_private_dir(&self, path: &Path) -> io::Result<()> {
        SystemFiles.create_private_dir(path)
    }

    fn try_lock(&self, path: &Path) -> io::Result<Option<FileLock>> {
        SystemFiles.try_lock(path)
    }

    fn append(&self, _: &Path, file: &mut File, bytes: &[u8]) -> io::Result<()> {
        let mut cache = self.0.lock().unwrap();
        let start = usize::try_from(file.metadata()?.len()).unwrap();
        file.write_all(bytes)?;
        if cache.fails {
            cache.lost = Some(start..start + bytes.len());
            return Err(io::Error::other("as planned"));
        }
        Ok(())
    }

    fn write_again(&self, path: &Path, file: &mut File) -> io::Result<()> {
        let mut cache = self.0.lock().unwrap();
        SystemFiles.write_again(path, file)?;
        if cache.fails {
            return Err(io::Error::other("as planned"));
        }
        cache.lost = None;
        Ok(())
    }
}

#[tokio::test]
async fn what_a_journal_acked_after_a_failed_sync_and_a_restart_survives_a_power_cut() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("journal");
    let cached = Arc::new(CachedFiles::default());
    let files: Arc<dyn Files> = Arc::clone(&cached) as _;
    let append = async |journal: &Journal, number, epoch| {
        let entry = Entry::Bumped(bump(number, epoch, 21));
        journal.append(vec![entry]).await
    };
    let journal = Journal::create(&path, contents(), &files, INLINE).unwrap();
    append(&journal, 1, 2).await.unwrap();
    cached.set_fails(true);
    append(&journal, 2, 5).await.unwrap_err();
    append(&journal, 2, 6).await.unwrap_err();
    drop(journal);
    // Nothing is acted on before what was read is durable.
    for _ in 0..2 {
        let refused = Journal::open(&path, &files, INLINE).unwrap_err();
        assert!(matches!(refused, JournalError::Io { .. }), "{refused}");
    }
    cached.set_fails(false);
    let journal = Journal::open(&path, &files, INLINE).unwrap().unwrap();
    append(&journal, 3, 7).await.unwrap();
    drop(journal);
    cached.power_cut(&path);
    let journal = Journal::open(&path, &files, INLINE).unwrap().unwrap();
    let read = bumps(&journal.contents());
    assert_eq!(read, [bump(1, 2, 21), bump(2, 5, 21), bump(3, 7, 21)]);
}
