//! A sync fails, the process restarts, works on, and then the power goes: what was acked after the
//! restart stands on what the failed sync left in the page cache only.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use share_client::{Grouping, NewOp, Outbox, OutboxError};
use share_harness::disk::{CrashPoint, DiskFaults, SimulatedFiles};
use share_model::seam::{Executor, SeededEntropy};
use share_model::{Mutation, OpId};
use share_server::store::{CommitOutcome, SqliteStore, SqliteStoreOptions, Store};

use super::machine::Machine;
use super::real_code::{open_outbox, reference, sqlite};

const SEEDS: u64 = 120;
/// Pieces of work before the sync that fails, and as many after the restart.
const WORK: u64 = 6;
/// Ops of the transaction whose sync fails: many pages, of which a power cut may leave some.
const FAILED: u64 = 40;
/// Operations of a second run: the power goes at one of these, or after all of them.
const OPERATIONS: u64 = 100;

const SYNCS_FAIL: DiskFaults = DiskFaults {
    no_space_per_million: 0,
    write_per_million: 0,
    short_write_per_million: 0,
    read_per_million: 0,
    sync_per_million: 1_000_000,
};

fn outbox_path(machine: &Machine) -> PathBuf {
    machine.folder.path().join("state/share.sqlite")
}

fn put(number: u64) -> NewOp {
    NewOp::of(Mutation::Put {
        key: format!("key {number}").into(),
        json: format!("\"{}\"", "x".repeat(700)).into(),
    })
}

/// Enqueues until something fails; how many ops are on disk by the outbox's word.
async fn enqueue(outbox: &Outbox) -> u64 {
    for number in 0..WORK {
        let share = reference().share;
        if outbox.enqueue(share, put(number)).await.is_err() {
            return number;
        }
    }
    WORK
}

/// Ops that the outbox has.
async fn pending(outbox: &Outbox) -> u64 {
    let shares = outbox.shares().await.unwrap();
    shares.first().map_or(0, |share| share.pending)
}

/// The process is killed, and the machine goes on.
fn kill<T>(machine: &Machine, opened: T) {
    machine.disk.freeze();
    drop(opened);
    machine.disk.thaw();
}

/// An outbox with [`WORK`] ops whose process was killed after the sync of [`FAILED`] others had
/// failed; the first of these.
async fn failed_outbox(machine: &Machine) -> NewOp {
    let outbox = open_outbox(machine, &outbox_path(machine)).unwrap();
    outbox.use_ref(reference()).await.unwrap();
    assert_eq!(enqueue(&outbox).await, WORK);
    machine.disk.set_faults(SYNCS_FAIL);
    let op = NewOp {
        id: Some(OpId::from_bytes([9; 16])),
        ..put(99)
    };
    let mut ops = vec![op.clone()];
    ops.extend((1..FAILED).map(|number| put(1000 + number)));
    let share = reference().share;
    let failed = outbox.enqueue_all(share, ops, Grouping::Loose).await;
    assert!(matches!(failed, Err(OutboxError::Storage(_))), "{failed:?}");
    let closed = outbox.enqueue(reference().share, put(100)).await;
    assert!(matches!(closed, Err(OutboxError::Closed)), "{closed:?}");
    machine.disk.set_faults(DiskFaults::default());
    kill(machine, outbox);
    op
}

#[tokio::test]
async fn an_op_enqueued_after_a_failed_sync_and_a_restart_survives_a_power_cut() {
    let mut enqueued = 0;
    for seed in 0..SEEDS {
        let machine = Machine::new(seed);
        failed_outbox(&machine).await;
        let at = CrashPoint::Operation(1 + seed % OPERATIONS);
        machine.disk.crash_at(Some(at));
        let mut told = WORK;
        if let Some(outbox) = open_outbox(&machine, &outbox_path(&machine)) {
            told += enqueue(&outbox).await;
            machine.disk.freeze();
        }
        machine.restart();
        let outbox = open_outbox(&machine, &outbox_path(&machine));
        let outbox = outbox.unwrap_or_else(|| panic!("seed {seed}: it does not open again"));
        let there = pending(&outbox).await;
        assert!(there >= told, "seed {seed}: {there} of {told}");
        enqueued += told - WORK;
    }
    assert!(enqueued > SEEDS, "{enqueued}");
}

#[tokio::test]
async fn an_outbox_opens_again_only_once_what_it_recovers_is_durable() {
    let machine = Machine::new(1);
    failed_outbox(&machine).await;
    for _ in 0..3 {
        machine.disk.set_faults(SYNCS_FAIL);
        assert!(open_outbox(&machine, &outbox_path(&machine)).is_none());
        machine.disk.set_faults(DiskFaults::default());
    }
    let outbox = open_outbox(&machine, &outbox_path(&machine)).unwrap();
    assert_eq!(pending(&outbox).await, WORK + FAILED);
    assert_eq!(enqueue(&outbox).await, WORK);
    machine.disk.freeze();
    drop(outbox);
    machine.restart();
    let outbox = open_outbox(&machine, &outbox_path(&machine)).unwrap();
    assert_eq!(pending(&outbox).await, 2 * WORK + FAILED);
}

/// What whoever was told of a failed storage is to do: enqueue it again under its id.
#[tokio::test]
async fn an_op_whose_enqueue_failed_is_taken_once_under_its_id_after_reopening() {
    let machine = Machine::new(1);
    let op = failed_outbox(&machine).await;
    let outbox = open_outbox(&machine, &outbox_path(&machine)).unwrap();
    let again = outbox.enqueue(reference().share, op).await;
    assert!(
        matches!(again, Ok(_) | Err(OutboxError::OpIdTaken { .. })),
        "{again:?}"
    );
    assert_eq!(pending(&outbox).await, WORK + FAILED);
}

/// One process meets the failed sync, the other one has the outbox open all the while: it sees
/// nothing of what failed, and writes over it. A third one may come, which writes the log again.
#[tokio::test]
async fn another_process_loses_nothing_by_a_sync_that_failed_in_the_first() {
    for seed in 0..SEEDS {
        let machine = Machine::new(seed);
        let path = outbox_path(&machine);
        let first = open_outbox(&machine, &path).unwrap();
        let second = open_outbox(&machine, &path).unwrap();
        first.use_ref(reference()).await.unwrap();
        assert_eq!(enqueue(&first).await, WORK);
        machine.disk.set_faults(SYNCS_FAIL);
        assert_eq!(enqueue(&first).await, 0);
        machine.disk.set_faults(DiskFaults::default());
        // It is killed at once, or lives on, closed.
        let first = match seed % 2 == 0 {
            true => {
                kill(&machine, first);
                None
            }
            false => Some(first),
        };
        assert_eq!(pending(&second).await, WORK);
        let mut told = WORK;
        let third = (seed % 4 < 2).then(|| open_outbox(&machine, &path).unwrap());
        told += enqueue(&second).await;
        if let Some(third) = &third {
            told += enqueue(third).await;
        }
        machine.disk.freeze();
        drop((first, second, third));
        machine.restart();
        let outbox = open_outbox(&machine, &path).unwrap();
        assert_eq!(pending(&outbox).await, told, "seed {seed}");
    }
}

fn open_store(machine: &Machine, folder: &Path, seed: u64) -> Option<SqliteStore> {
    let files = SimulatedFiles::new(Arc::clone(&machine.disk));
    let options = SqliteStoreOptions {
        settings: sqlite(),
        executor: Executor::Inline,
        ..SqliteStoreOptions::default()
    };
    SqliteStore::open(folder, &options, Arc::new(files), &SeededEntropy::new(seed)).ok()
}

fn record(number: u64) -> String {
    format!("record {number}")
}

/// Puts records from `first` on until one is not acked; how many are by the store's word.
async fn put_records(store: &SqliteStore, first: u64) -> u64 {
    for number in 0..WORK {
        let (name, bytes) = (record(first + number), vec![b'x'; 3000]);
        let put = store.put_server_record(&name, 0, bytes);
        if !matches!(put.await, CommitOutcome::Done) {
            return number;
        }
    }
    WORK
}

/// A store with [`WORK`] records whose process ended after the sync of another one had failed.
async fn failed_store(machine: &Machine, folder: &Path, seed: u64) {
    let store = open_store(machine, folder, seed).unwrap();
    assert_eq!(put_records(&store, 0).await, WORK);
    machine.disk.set_faults(SYNCS_FAIL);
    // Many pages, of which a power cut may leave some.
    let failed = store.put_server_record("failed", 0, vec![b'y'; 60_000]);
    let failed = failed.await;
    assert!(matches!(failed, CommitOutcome::Unknown(_)), "{failed:?}");
    machine.disk.set_faults(DiskFaults::default());
    kill(machine, store);
}

#[tokio::test]
async fn what_a_store_acked_after_a_failed_sync_and_a_restart_survives_a_power_cut() {
    let mut acked = 0;
    for seed in 0..SEEDS {
        let machine = Machine::new(seed);
        let folder = machine.folder.path().join("data");
        failed_store(&machine, &folder, seed).await;
        let at = CrashPoint::Operation(1 + seed % OPERATIONS);
        machine.disk.crash_at(Some(at));
        let mut told = 0;
        let first = 2 * WORK;
        if let Some(store) = open_store(&machine, &folder, seed) {
            told = put_records(&store, first).await;
            machine.disk.freeze();
        }
        machine.restart();
        let store = open_store(&machine, &folder, seed);
        let store = store.unwrap_or_else(|| panic!("seed {seed}: it does not open again"));
        for number in (0..WORK).chain(first..first + told) {
            let there = store.server_record(&record(number)).await.unwrap();
            assert!(there.is_some(), "seed {seed}: {number} of {told}");
        }
        acked += told;
    }
    assert!(acked > SEEDS, "{acked}");
}

#[tokio::test]
async fn a_store_opens_again_only_once_what_it_recovers_is_durable() {
    let machine = Machine::new(1);
    let folder = machine.folder.path().join("data");
    failed_store(&machine, &folder, 1).await;
    machine.disk.set_faults(SYNCS_FAIL);
    assert!(open_store(&machine, &folder, 1).is_none());
    machine.disk.set_faults(DiskFaults::default());
    assert!(open_store(&machine, &folder, 1).is_some());
}
