//! One seed is one run. By itself in its process: SQLite's randomness is one for all of it.

#![expect(clippy::unwrap_used, reason = "a test fails by its panic")]

use std::collections::BTreeMap;
use std::fs;

use rusqlite::{Connection, OpenFlags};
use share_harness::disk::{CrashPoint, Disk, DiskCounts, DiskFaults, seed_sqlite};

type Files = BTreeMap<String, Vec<u8>>;

/// Runs a database into faults and a power cut; the files that are left, and what happened.
fn run(seed: u32) -> (Files, DiskCounts) {
    seed_sqlite(seed);
    let folder = tempfile::tempdir().unwrap();
    let disk = Disk::new(folder.path(), seed.into()).unwrap();
    disk.set_faults(DiskFaults {
        write_per_million: 10_000,
        short_write_per_million: 10_000,
        sync_per_million: 10_000,
        ..DiskFaults::default()
    });
    for operations in [150, 40] {
        disk.crash_at(Some(CrashPoint::Operation(operations)));
        for _ in 0..50 {
            // An error is one of a run's events, no more.
            let _ = write(&folder.path().join("db"));
        }
        assert!(disk.is_frozen(), "seed {seed}");
        disk.power_cut().unwrap();
        disk.thaw();
    }
    let mut files = Files::new();
    for entry in fs::read_dir(folder.path()).unwrap() {
        let entry = entry.unwrap();
        let name = entry.file_name().into_string().unwrap();
        // Shared memory, which SQLite makes anew.
        if !name.ends_with("-shm") {
            files.insert(name, fs::read(entry.path()).unwrap());
        }
    }
    (files, disk.counts())
}

fn write(path: &std::path::Path) -> rusqlite::Result<()> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE;
    let db = Connection::open_with_flags_and_vfs(path, flags, Disk::vfs())?;
    db.pragma_update(None, "journal_mode", "WAL")?;
    db.pragma_update(None, "synchronous", "FULL")?;
    db.execute_batch("CREATE TABLE IF NOT EXISTS t (b)")?;
    for _ in 0..5 {
        db.execute("INSERT INTO t VALUES (randomblob(3000))", [])?;
    }
    Ok(())
}

#[test]
fn one_seed_is_one_run_to_the_byte_and_another_seed_another() {
    let mut different = 0;
    for seed in (1..40).step_by(2) {
        let (files, counts) = run(seed);
        let (again, counts_again) = run(seed);
        assert!(files == again, "seed {seed}: other files");
        assert_eq!(counts, counts_again, "seed {seed}");
        different += u32::from(run(seed + 2).0 != files);
    }
    assert_eq!(different, 20);
}
