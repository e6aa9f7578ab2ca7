//! Power cuts under SQLite's three ways to sync.

use share_harness::disk::{CrashPoint, DiskCounts, DiskFaults};
use share_model::seam::{Entropy, SeededEntropy};

use super::machine::{Machine, fill, look};

/// What came of one seed.
enum Outcome {
    Whole,
    Lost,
    Corrupt,
}

/// Fills a database until the machine dies somewhere, three times over, and looks what is left.
fn run(synchronous: &str, seed: u64, counts: &mut DiskCounts) -> Outcome {
    let machine = Machine::new(seed);
    let entropy = SeededEntropy::new(seed ^ 0xdead);
    let mut there = 0;
    let mut outcome = Outcome::Whole;
    for round in 0..3 {
        // Later rounds also die while they recover.
        let operations = 1 + entropy.below(if round == 0 { 120 } else { 60 });
        machine
            .disk
            .crash_at(Some(CrashPoint::Operation(operations)));
        let acknowledged = match machine.open(synchronous) {
            Ok(db) => fill(&db, there, 40, seed + round),
            Err(_) => 0,
        };
        machine.restart();
        let Ok(numbers) = look(&machine) else {
            outcome = Outcome::Corrupt;
            break;
        };
        let found = i64::try_from(numbers.len()).unwrap();
        assert_eq!(
            numbers,
            (0..found).collect::<Vec<_>>(),
            "seed {seed}: a gap"
        );
        if found < there + acknowledged {
            outcome = Outcome::Lost;
        }
        assert!(
            found <= there + acknowledged + 1,
            "seed {seed}: more than was put in"
        );
        there = found;
    }
    counts.add(&machine.disk.counts());
    outcome
}

#[test]
fn what_was_synced_at_each_commit_survives_every_power_cut() {
    let mut counts = DiskCounts::default();
    for seed in 0..150 {
        match run("FULL", seed, &mut counts) {
            Outcome::Whole => {}
            Outcome::Lost => panic!("seed {seed}: a committed row is lost"),
            Outcome::Corrupt => panic!("seed {seed}: the file is damaged"),
        }
    }
    // The test means something: all of this happened.
    for (happened, least) in [
        (counts.power_cuts, 450),
        (counts.sectors_lost, 500),
        (counts.sectors_torn, 100),
        (counts.sectors_kept, 1000),
        (counts.lengths_lost, 50),
        (counts.files_lost, 5),
    ] {
        assert!(happened >= least, "{counts:#?}");
    }
    assert!(counts.crashes.len() >= 10, "{counts:#?}");
}

#[test]
fn what_is_synced_now_and_then_is_lost_in_many_seeds_but_never_damaged() {
    let mut lost = 0;
    for seed in 0..60 {
        match run("NORMAL", seed, &mut DiskCounts::default()) {
            Outcome::Whole => {}
            Outcome::Lost => lost += 1,
            Outcome::Corrupt => panic!("seed {seed}: the file is damaged"),
        }
    }
    assert!(lost >= 20, "{lost} of 60 seeds lost something");
}

#[test]
fn what_is_never_synced_is_damaged_in_some_seeds() {
    let mut corrupt = 0;
    for seed in 0..60 {
        if let Outcome::Corrupt = run("OFF", seed, &mut DiskCounts::default()) {
            corrupt += 1;
        }
    }
    assert!(corrupt >= 5, "{corrupt} of 60 seeds damaged");
}

/// The operating system takes for written what a sync failed to write.
#[test]
fn a_failed_sync_is_reported_and_what_it_was_for_stays_in_danger() {
    let mut lost = 0;
    for seed in 0..40 {
        let machine = Machine::new(seed);
        let db = machine.open("FULL").unwrap();
        assert_eq!(fill(&db, 0, 3, seed), 3, "seed {seed}");
        machine.disk.set_faults(DiskFaults {
            sync_per_million: 1_000_000,
            ..DiskFaults::default()
        });
        let error = db
            .execute("INSERT INTO t VALUES (3, x'00')", [])
            .unwrap_err();
        let code = error.sqlite_error().unwrap().extended_code;
        assert_eq!(code, rusqlite::ffi::SQLITE_IOERR_FSYNC, "seed {seed}");
        assert_eq!(machine.disk.counts().sync_failed, 1, "seed {seed}");
        machine.disk.set_faults(DiskFaults::default());
        machine.disk.freeze();
        drop(db);
        machine.restart();
        let numbers = look(&machine).unwrap_or_else(|error| panic!("seed {seed}: {error}"));
        assert!(numbers.starts_with(&[0, 1, 2]), "seed {seed}: {numbers:?}");
        lost += u32::from(numbers.len() == 3);
    }
    assert!(lost >= 10, "{lost} of 40");
}

/// Rows that are acknowledged after a process with a failed sync has died and another one goes on, by
/// how it begins; in how many seeds one of them is lost.
fn losses_after_a_failed_sync(begin: impl Fn(&rusqlite::Connection)) -> u32 {
    let mut lost = 0;
    for seed in 0..40 {
        let machine = Machine::new(seed);
        let db = machine.open("FULL").unwrap();
        machine.disk.set_faults(DiskFaults {
            sync_per_million: 1_000_000,
            ..DiskFaults::default()
        });
        db.execute("INSERT INTO t VALUES (0, x'00')", [])
            .unwrap_err();
        machine.disk.set_faults(DiskFaults::default());
        machine.disk.freeze();
        drop(db);
        machine.disk.thaw();
        // No power cut: this process reads what the other one wrote, as if it were durable.
        let db = machine.open("FULL").unwrap();
        begin(&db);
        db.execute("INSERT INTO t VALUES (1, x'01')", []).unwrap();
        machine.disk.freeze();
        drop(db);
        machine.restart();
        let numbers = look(&machine).unwrap_or_else(|error| panic!("seed {seed}: {error}"));
        lost += u32::from(!numbers.contains(&1));
    }
    lost
}

/// SQLite's recovery takes the frames of the failed commit for good, and builds on them.
#[test]
fn after_a_failed_sync_a_new_process_loses_rows_unless_it_writes_everything_again() {
    let lost = losses_after_a_failed_sync(|_| {});
    assert!(lost >= 10, "{lost} of 40");
    // What is copied out of the log is written anew.
    let lost = losses_after_a_failed_sync(|db| {
        let busy: i32 = db
            .query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |row| row.get(0))
            .unwrap();
        assert_eq!(busy, 0);
    });
    assert_eq!(lost, 0);
}

#[test]
fn a_killed_process_loses_nothing_even_if_nothing_was_synced() {
    for seed in 0..10 {
        let machine = Machine::new(seed);
        let db = machine.open("OFF").unwrap();
        assert_eq!(fill(&db, 0, 10, seed), 10);
        machine.disk.freeze();
        drop(db);
        assert!(machine.disk.has_unsynced());
        machine.disk.thaw();
        assert_eq!(look(&machine).unwrap().len(), 10, "seed {seed}");
    }
}

#[test]
fn a_power_cut_is_refused_while_a_connection_is_open() {
    let machine = Machine::new(1);
    let db = machine.open("FULL").unwrap();
    let refused = machine.disk.power_cut().unwrap_err();
    assert!(refused.to_string().contains("db"), "{refused}");
    drop(db);
    machine.disk.power_cut().unwrap();
    assert_eq!(machine.disk.open_files(), Vec::<std::path::PathBuf>::new());
}
