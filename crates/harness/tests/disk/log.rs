//! SQLite writes the same log on a simulated disk as on the system's.

use std::fs;

use rusqlite::{Connection, OpenFlags};
use share_harness::disk::Disk;

use super::machine::Machine;

/// The length of the write-ahead log after some commits.
fn log_bytes(machine: &Machine, vfs: Option<&str>) -> u64 {
    let path = machine.db();
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE;
    let db = match vfs {
        Some(vfs) => Connection::open_with_flags_and_vfs(&path, flags, vfs).unwrap(),
        None => Connection::open_with_flags(&path, flags).unwrap(),
    };
    db.pragma_update(None, "journal_mode", "WAL").unwrap();
    db.pragma_update(None, "synchronous", "FULL").unwrap();
    db.execute_batch("CREATE TABLE t (n)").unwrap();
    for number in 0..5 {
        db.execute("INSERT INTO t VALUES (?1)", [number]).unwrap();
    }
    fs::metadata(path.with_file_name("db-wal")).unwrap().len()
}

/// As it ships, SQLite takes the disk for one that damages nothing beside a write, and then ends no
/// transaction with a page that it leaves half unsynced.
#[test]
fn a_log_is_as_long_as_on_the_systems_disk() {
    let simulated = log_bytes(&Machine::new(1), Some(Disk::vfs()));
    let real = log_bytes(&Machine::new(1), None);
    assert_eq!(simulated, real);
}
