//! Files beside SQLite's.

use std::fs::{self, OpenOptions};
use std::io::ErrorKind;
use std::sync::Arc;

use share_harness::disk::{CrashPoint, DiskFaults, SimulatedFiles};
use share_model::seam::Files;

use super::machine::Machine;

#[test]
fn an_append_that_was_answered_survives_and_one_that_was_not_may_be_torn() {
    let (mut whole, mut torn, mut gone) = (0, 0, 0);
    for seed in 0..60 {
        let machine = Machine::new(seed);
        let files = SimulatedFiles::new(Arc::clone(&machine.disk));
        let path = machine.folder.path().join("journal");
        fs::write(&path, b"").unwrap();
        let mut file = OpenOptions::new()
            .read(true)
            .append(true)
            .open(&path)
            .unwrap();
        files.append(&path, &mut file, &[1; 700]).unwrap();
        machine
            .disk
            .crash_at(Some(CrashPoint::Operation(1 + seed % 2)));
        files.append(&path, &mut file, &[2; 700]).unwrap_err();
        files.append(&path, &mut file, &[3; 700]).unwrap_err();
        machine.restart();
        let bytes = fs::read(&path).unwrap();
        assert_eq!(bytes[..700], [1; 700], "seed {seed}");
        assert!(!bytes.contains(&3), "seed {seed}");
        match bytes[700..].iter().filter(|byte| **byte == 2).count() {
            0 => gone += 1,
            700 => whole += 1,
            _ => torn += 1,
        }
    }
    assert!(whole > 5 && torn > 5 && gone > 5, "{whole} {torn} {gone}");
}

#[test]
fn a_file_is_replaced_whole_or_not_at_all() {
    let machine = Machine::new(3);
    let files = SimulatedFiles::new(Arc::clone(&machine.disk));
    let path = machine.folder.path().join("ref");
    files.write_private(&path, b"old").unwrap();
    machine.disk.set_full(true);
    let full = files.write_private(&path, b"new").unwrap_err();
    assert_eq!(full.kind(), ErrorKind::StorageFull);
    machine.disk.set_full(false);
    machine.disk.set_faults(DiskFaults {
        sync_per_million: 1_000_000,
        ..DiskFaults::default()
    });
    files.write_private(&path, b"new").unwrap_err();
    machine.disk.set_faults(DiskFaults::default());
    assert_eq!(files.read(&path, 9).unwrap(), b"old");
    let edge = "file.replace.after".parse().unwrap();
    machine.disk.crash_at(Some(CrashPoint::Edge(edge, 1)));
    files.write_private(&path, b"new").unwrap_err();
    machine.restart();
    assert_eq!(files.read(&path, 9).unwrap(), b"new");
    let counts = machine.disk.counts();
    assert_eq!((counts.no_space, counts.sync_failed), (1, 1));
}

#[test]
fn a_dead_machine_changes_no_file() {
    let machine = Machine::new(4);
    let files = SimulatedFiles::new(Arc::clone(&machine.disk));
    machine.disk.freeze();
    let folder = machine.folder.path();
    files
        .write_private(&folder.join("ref"), b"new")
        .unwrap_err();
    files.create_private_dir(&folder.join("new")).unwrap_err();
    assert_eq!(fs::read_dir(folder).unwrap().count(), 0);
}
