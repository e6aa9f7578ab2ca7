//! A machine with a disk and a database that numbers are put into.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use rusqlite::{Connection, OpenFlags};
use share_harness::disk::Disk;
use share_model::seam::{Entropy, SeededEntropy};
use tempfile::TempDir;

/// A folder in memory with a disk.
pub(crate) struct Machine {
    pub(crate) folder: TempDir,
    pub(crate) disk: Arc<Disk>,
}

impl Machine {
    pub(crate) fn new(seed: u64) -> Self {
        let folder = match Path::new("/dev/shm").is_dir() {
            true => tempfile::tempdir_in("/dev/shm").unwrap(),
            false => tempfile::tempdir().unwrap(),
        };
        let disk = Disk::new(folder.path(), seed).unwrap();
        Self { folder, disk }
    }

    pub(crate) fn db(&self) -> PathBuf {
        self.folder.path().join("db")
    }

    /// Opens the database, made if need be.
    pub(crate) fn open(&self, synchronous: &str) -> rusqlite::Result<Connection> {
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE;
        let db = Connection::open_with_flags_and_vfs(self.db(), flags, Disk::vfs())?;
        db.pragma_update(None, "journal_mode", "WAL")?;
        db.pragma_update(None, "synchronous", synchronous)?;
        db.execute_batch("CREATE TABLE IF NOT EXISTS t (n INTEGER PRIMARY KEY, b BLOB)")?;
        Ok(db)
    }

    /// The power goes and comes back. No connection is open.
    pub(crate) fn restart(&self) {
        self.disk
            .set_faults(share_harness::disk::DiskFaults::default());
        self.disk.crash_at(None);
        self.disk.power_cut().unwrap();
        self.disk.thaw();
    }
}

/// Puts numbers in from `first`, until something fails or `count` are in, with a checkpoint now and
/// then; how many were acknowledged.
pub(crate) fn fill(db: &Connection, first: i64, count: i64, seed: u64) -> i64 {
    let entropy = SeededEntropy::new(seed ^ 0xf111);
    for number in first..first + count {
        let mut bytes = vec![0; usize::try_from(entropy.below(9000)).unwrap()];
        entropy.fill(&mut bytes);
        if db
            .execute("INSERT INTO t VALUES (?1, ?2)", (number, bytes))
            .is_err()
        {
            return number - first;
        }
        if entropy.below(8) == 0 {
            // One that fails is tried again another time.
            let _ = db.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()));
        }
    }
    count
}

/// The numbers that are there, and what is wrong with the file.
pub(crate) fn look(machine: &Machine) -> Result<Vec<i64>, String> {
    let read = || {
        let db = machine.open("FULL")?;
        let verdict: String = db.query_row("PRAGMA integrity_check(1)", [], |row| row.get(0))?;
        let mut statement = db.prepare("SELECT n FROM t ORDER BY n")?;
        let numbers = statement.query_map([], |row| row.get(0))?;
        Ok::<_, rusqlite::Error>((verdict, numbers.collect::<Result<Vec<_>, _>>()?))
    };
    match read() {
        Ok((verdict, numbers)) if verdict == "ok" => Ok(numbers),
        Ok((verdict, _)) => Err(verdict),
        Err(error) => Err(error.to_string()),
    }
}
