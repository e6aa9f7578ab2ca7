//! Refusals, crash points, and that disks don't mix.

use std::fs;
use std::sync::{Arc, Mutex};

use rusqlite::ErrorCode;
use share_harness::disk::{CrashPoint, DiskFaults, Edge};

use super::machine::{Machine, fill, look};

#[test]
fn a_full_disk_refuses_until_there_is_room_and_loses_nothing() {
    let machine = Machine::new(1);
    let db = machine.open("FULL").unwrap();
    assert_eq!(fill(&db, 0, 5, 1), 5);
    machine.disk.set_full(true);
    let insert = "INSERT INTO t VALUES (5, randomblob(100000))";
    let error = db.execute(insert, []).unwrap_err();
    assert_eq!(error.sqlite_error_code(), Some(ErrorCode::DiskFull));
    assert!(machine.disk.counts().no_space > 0);
    machine.disk.set_full(false);
    db.execute(insert, []).unwrap();
    drop(db);
    machine.restart();
    assert_eq!(look(&machine).unwrap(), [0, 1, 2, 3, 4, 5]);
}

/// Whatever fails now and then: what was acknowledged is there, what failed may be.
#[test]
fn errors_of_the_device_are_reported_and_damage_nothing() {
    let mut counts = share_harness::disk::DiskCounts::default();
    for seed in 0..60 {
        let machine = Machine::new(seed);
        drop(machine.open("FULL").unwrap());
        machine.disk.set_faults(DiskFaults {
            no_space_per_million: 20_000,
            write_per_million: 20_000,
            short_write_per_million: 20_000,
            read_per_million: 20_000,
            // After one of these a process must not go on.
            sync_per_million: 0,
        });
        let mut acknowledged = Vec::new();
        let mut next = 0;
        while next < 40 {
            let Ok(db) = machine.open("FULL") else {
                next += 1;
                continue;
            };
            let done = fill(&db, next, 40 - next, seed);
            acknowledged.extend(next..next + done);
            // One that failed may be there: its number is not used again.
            next += done + 1;
        }
        machine.restart();
        let numbers = look(&machine).unwrap_or_else(|error| panic!("seed {seed}: {error}"));
        let missing = acknowledged.iter().find(|number| !numbers.contains(number));
        assert_eq!(missing, None, "seed {seed}");
        counts.add(&machine.disk.counts());
    }
    for happened in [
        counts.no_space,
        counts.write_failed,
        counts.short_writes,
        counts.read_failed,
    ] {
        assert!(happened > 10, "{counts:#?}");
    }
}

#[test]
fn at_a_crash_point_the_disk_freezes_and_says_where() {
    for name in ["wal.write.before", "wal.write.torn", "wal.sync.after"] {
        let machine = Machine::new(7);
        let db = machine.open("FULL").unwrap();
        let reached = Arc::new(Mutex::new(Vec::new()));
        let told = Arc::clone(&reached);
        machine
            .disk
            .on_crash(move |edge| told.lock().unwrap().push(edge.to_owned()));
        let edge: Edge = name.parse().unwrap();
        machine.disk.crash_at(Some(CrashPoint::Edge(edge, 2)));
        assert!(fill(&db, 0, 5, 7) < 5, "{name}");
        assert!(machine.disk.is_frozen(), "{name}");
        assert_eq!(*reached.lock().unwrap(), [name]);
        assert_eq!(machine.disk.counts().crashes[&edge], 1);
        let content = || {
            let names = ["db", "db-wal"];
            names.map(|name| fs::read(machine.folder.path().join(name)).unwrap())
        };
        let before = content();
        assert!(db.execute("INSERT INTO t VALUES (77, x'00')", []).is_err());
        drop(db);
        let again = machine.open("FULL").unwrap();
        assert_eq!(fill(&again, 60, 1, 7), 0, "{name}: a dead machine writes");
        drop(again);
        assert!(before == content(), "{name}");
        machine.disk.thaw();
        look(&machine).unwrap();
    }
}

/// At this edge the commit is durable, and nobody was told.
#[test]
fn what_was_synced_when_the_machine_died_is_there_after_a_power_cut() {
    for seed in 0..20 {
        let machine = Machine::new(seed);
        let db = machine.open("FULL").unwrap();
        let edge = "wal.sync.after".parse().unwrap();
        machine.disk.crash_at(Some(CrashPoint::Edge(edge, 1)));
        db.execute("INSERT INTO t VALUES (0, x'00')", [])
            .unwrap_err();
        drop(db);
        machine.restart();
        assert_eq!(look(&machine).unwrap(), [0], "seed {seed}");
    }
}

#[test]
fn two_disks_don_t_mix_and_files_outside_are_the_system_s() {
    let (one, other) = (Machine::new(1), Machine::new(2));
    let db = one.open("FULL").unwrap();
    let beside = other.open("FULL").unwrap();
    one.disk.freeze();
    assert!(db.execute("INSERT INTO t VALUES (0, x'00')", []).is_err());
    beside
        .execute("INSERT INTO t VALUES (0, x'00')", [])
        .unwrap();
    assert!(other.disk.counts().syncs > 0);
    // A disk within a disk's folder is another one.
    let inner = one.folder.path().join("inner");
    fs::create_dir(&inner).unwrap();
    let disk = share_harness::disk::Disk::new(&inner, 3).unwrap();
    let vfs = share_harness::disk::Disk::vfs();
    let open = |path| {
        rusqlite::Connection::open_with_flags_and_vfs(path, Default::default(), vfs).unwrap()
    };
    let within = open(inner.join("db"));
    within.execute_batch("CREATE TABLE t (n)").unwrap();
    assert!(disk.counts().syncs > 0);
    drop((within, disk));
    let outside = tempfile::tempdir().unwrap();
    let outside = open(outside.path().join("db"));
    outside.execute_batch("CREATE TABLE t (n)").unwrap();
}

#[test]
fn every_edge_has_a_name_that_finds_it() {
    for edge in Edge::all() {
        assert_eq!(edge.to_string().parse(), Ok(edge));
    }
    assert!("wal.replace.before".parse::<Edge>().is_err());
}
