//! Who may take a lease over, row by row.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use share_model::seam::{
    Executor, HolderId, ProcessId, ProcessState, Processes, SimulatedClock, SimulatedProcesses,
};
use share_model::{Epoch, GrantId, Mutation, Secret, ShareId, ShareRef, UnixMs};

use super::*;
use crate::outbox::{NewOp, Opening, Outbox, OutboxOptions};

const SHARE: ShareId = ShareId::from_bytes([9; 16]);

/// The process with number `pid` that was started as the `started`th.
fn process(pid: u32, started: u64) -> ProcessId {
    ProcessId {
        pid,
        started: Some(started),
        boot: Some("boot".into()),
        namespace: Some("namespace".into()),
        host: "host".into(),
    }
}

/// A file that processes share.
struct File {
    folder: tempfile::TempDir,
    clock: SimulatedClock,
}

impl File {
    /// Within a runtime whose time is paused.
    fn new() -> Self {
        Self {
            folder: tempfile::tempdir().unwrap(),
            clock: SimulatedClock::starting_at(UnixMs::new(1_000_000)),
        }
    }

    fn path(&self) -> PathBuf {
        self.folder.path().join("share.sqlite")
    }

    fn open(&self, path: PathBuf, processes: &Arc<SimulatedProcesses>) -> Outbox {
        let options = OutboxOptions {
            executor: Executor::Inline,
            clock: Arc::new(self.clock),
            processes: Arc::clone(processes) as Arc<dyn Processes>,
            ..OutboxOptions::default()
        };
        Outbox::open(&path, options).unwrap()
    }

    /// The file as the process `processes` has it open, with an op of the share.
    async fn outbox(&self, processes: &Arc<SimulatedProcesses>) -> Outbox {
        let outbox = self.open(self.path(), processes);
        let reference = ShareRef {
            addresses: vec!["server:1".into()],
            share: SHARE,
            grant: GrantId::from_bytes([2; 16]),
            epoch: Epoch::new(1),
            security: share_model::Security::ByAddress,
            secret: Secret::from_bytes([7; 32]),
        };
        outbox.use_ref(reference).await.unwrap();
        let put = Mutation::Put {
            key: "k".into(),
            json: "1".into(),
        };
        outbox.enqueue(SHARE, NewOp::of(put)).await.unwrap();
        outbox
    }
}

/// Whether the holder gets its turn; the pid of who has it, if not.
async fn takes(outbox: &Outbox, holder: &Holder) -> Result<(), u32> {
    match outbox.open_lane(holder.turn(SHARE), false).await {
        Ok(Opening::Open(_)) => Ok(()),
        Err(OutboxError::LeaseHeld { pid, .. }) => Err(pid),
        other => panic!("{other:?}"),
    }
}

/// Process 1 takes the lease and does nothing more; `later`, process 2 can tell `state` of it.
async fn taken_over(state: ProcessState, later: Duration) -> bool {
    let file = File::new();
    let first = Arc::new(SimulatedProcesses::new(process(1, 1)));
    let second = Arc::new(first.beside(process(2, 2)));
    let (of_first, of_second) = (file.outbox(&first).await, file.outbox(&second).await);
    let (holder, other) = (Holder::new(&of_first), Holder::new(&of_second));
    assert_eq!(takes(&of_first, &holder).await, Ok(()));
    tokio::time::advance(later).await;
    second.set(&process(1, 1), state);
    let taken = takes(&of_second, &other).await;
    assert!(matches!(taken, Ok(()) | Err(1)), "{taken:?}");
    // Whoever has it now has it alone.
    let first_has_it = of_first
        .rest(holder.turn(SHARE), std::future::ready(()))
        .await;
    match (&taken, first_has_it) {
        (Ok(()), Err(OutboxError::LeaseLost { share: SHARE })) | (Err(1), Ok(_)) => {}
        wrong => panic!("{wrong:?}"),
    }
    taken.is_ok()
}

const NOW: Duration = Duration::ZERO;
const A_DAY: Duration = Duration::from_secs(24 * 3600);

#[tokio::test(start_paused = true)]
async fn a_holder_that_is_gone_is_succeeded_at_once() {
    assert!(taken_over(ProcessState::Gone, NOW).await);
}

#[tokio::test(start_paused = true)]
async fn a_holder_that_lives_is_never_succeeded_however_long_it_was_silent() {
    assert!(!taken_over(ProcessState::Alive, NOW).await);
    assert!(!taken_over(ProcessState::Alive, A_DAY).await);
}

#[tokio::test(start_paused = true)]
async fn a_holder_that_cant_be_looked_at_has_a_full_lease_of_time_after_its_lease() {
    let millisecond = Duration::from_millis(1);
    for (later, is_taken) in [
        (NOW, false),
        (LEASE, false),
        (LEASE + LEASE - millisecond, false),
        (LEASE + LEASE, true),
    ] {
        let taken = taken_over(ProcessState::Unknown, later).await;
        assert_eq!(taken, is_taken, "after {later:?}");
    }
}

/// As in a container of its own, or later: numbers are used again.
#[tokio::test(start_paused = true)]
async fn a_process_with_the_same_number_is_not_mistaken_for_the_holder() {
    let file = File::new();
    let first = Arc::new(SimulatedProcesses::new(process(1, 1)));
    let second = Arc::new(first.beside(process(1, 5)));
    let (of_first, of_second) = (file.outbox(&first).await, file.outbox(&second).await);
    let (holder, other) = (Holder::new(&of_first), Holder::new(&of_second));
    assert_eq!(takes(&of_first, &holder).await, Ok(()));
    assert_eq!(takes(&of_second, &other).await, Err(1));
    // That the second lives says nothing of the first.
    second.set(&process(1, 1), ProcessState::Gone);
    assert_eq!(takes(&of_second, &other).await, Ok(()));
    assert_eq!(takes(&of_first, &holder).await, Err(1));
}

#[tokio::test(start_paused = true)]
async fn of_two_holders_in_one_process_the_other_has_its_turn_when_the_first_is_dropped() {
    let file = File::new();
    let processes = Arc::new(SimulatedProcesses::new(process(1, 1)));
    let (outbox, other) = (file.outbox(&processes).await, file.outbox(&processes).await);
    let (holder, waiting) = (Holder::new(&outbox), Holder::new(&other));
    assert_eq!(takes(&outbox, &holder).await, Ok(()));
    tokio::time::advance(A_DAY).await;
    assert_eq!(takes(&other, &waiting).await, Err(1));
    drop(holder);
    assert_eq!(takes(&other, &waiting).await, Ok(()));
}

/// Others can tell of its process only, which lives.
#[tokio::test(start_paused = true)]
async fn a_holder_that_is_dropped_is_out_of_the_way_of_other_processes_too() {
    let file = File::new();
    let first = Arc::new(SimulatedProcesses::new(process(1, 1)));
    let second = Arc::new(first.beside(process(2, 2)));
    let (of_first, of_second) = (file.outbox(&first).await, file.outbox(&second).await);
    let (holder, other) = (Holder::new(&of_first), Holder::new(&of_second));
    assert_eq!(takes(&of_first, &holder).await, Ok(()));
    drop(holder);
    assert_eq!(takes(&of_second, &other).await, Ok(()));
}

/// It was dropped where it could write nothing: what the process knows of its holders is enough.
#[tokio::test(start_paused = true)]
async fn a_lease_of_a_holder_that_this_process_does_not_know_is_free() {
    let file = File::new();
    let processes = Arc::new(SimulatedProcesses::new(process(1, 1)));
    let outbox = file.outbox(&processes).await;
    let (holder, other) = (Holder::new(&outbox), Holder::new(&outbox));
    assert_eq!(takes(&outbox, &holder).await, Ok(()));
    assert_eq!(takes(&outbox, &other).await, Err(1));
    processes.holders().leave(holder.id());
    assert_eq!(takes(&outbox, &other).await, Ok(()));
}

#[tokio::test(start_paused = true)]
async fn a_lease_that_came_along_in_a_copy_of_the_file_means_nothing_there() {
    let file = File::new();
    let first = Arc::new(SimulatedProcesses::new(process(1, 1)));
    let second = Arc::new(first.beside(process(2, 2)));
    let outbox = file.outbox(&first).await;
    let holder = Holder::new(&outbox);
    assert_eq!(takes(&outbox, &holder).await, Ok(()));
    let db = rusqlite::Connection::open(file.path()).unwrap();
    let copy = file.folder.path().join("copy.sqlite");
    db.execute("VACUUM INTO ?1", [copy.to_str().unwrap()])
        .unwrap();
    let of_copy = file.open(copy, &second);
    assert_eq!(takes(&of_copy, &Holder::new(&of_copy)).await, Ok(()));
    // In the file itself it stands.
    let again = file.open(file.path(), &second);
    assert_eq!(takes(&again, &Holder::new(&again)).await, Err(1));
}

#[tokio::test(start_paused = true)]
async fn what_is_held_is_renewed_and_a_holder_that_cant_be_looked_at_keeps_it() {
    let file = File::new();
    let first = Arc::new(SimulatedProcesses::new(process(1, 1)));
    let second = Arc::new(first.beside(process(2, 2)));
    second.set(&process(1, 1), ProcessState::Unknown);
    let (of_first, of_second) = (file.outbox(&first).await, file.outbox(&second).await);
    let (holder, other) = (Holder::new(&of_first), Holder::new(&of_second));
    assert_eq!(takes(&of_first, &holder).await, Ok(()));
    for _ in 0..20 {
        tokio::time::advance(RENEWAL).await;
        of_first.leases(holder.id()).await.unwrap();
        assert_eq!(takes(&of_second, &other).await, Err(1));
    }
    let seen = of_second.leases(other.id()).await.unwrap();
    assert_eq!(seen.held[&SHARE].since, UnixMs::new(1_000_000));
}

/// Or nobody would get a turn before the clock is where it was.
#[tokio::test(start_paused = true)]
async fn a_clock_that_was_set_back_does_not_prolong_a_lease() {
    let file = File::new();
    let first = Arc::new(SimulatedProcesses::new(process(1, 1)));
    let second = Arc::new(first.beside(process(2, 2)));
    second.set(&process(1, 1), ProcessState::Unknown);
    let ahead = File {
        folder: tempfile::tempdir().unwrap(),
        clock: SimulatedClock::starting_at(UnixMs::new(900_000_000)),
    };
    drop(file.outbox(&first).await);
    let of_first = ahead.open(file.path(), &first);
    let holder = Holder::new(&of_first);
    assert_eq!(takes(&of_first, &holder).await, Ok(()));
    let of_second = file.open(file.path(), &second);
    let other = Holder::new(&of_second);
    of_second.leases(other.id()).await.unwrap();
    tokio::time::advance(LEASE + LEASE).await;
    assert_eq!(takes(&of_second, &other).await, Ok(()));
}

#[tokio::test(start_paused = true)]
async fn a_turn_that_is_released_is_free_and_only_its_holder_can_release_it() {
    let file = File::new();
    let first = Arc::new(SimulatedProcesses::new(process(1, 1)));
    let second = Arc::new(first.beside(process(2, 2)));
    let (of_first, of_second) = (file.outbox(&first).await, file.outbox(&second).await);
    let (holder, other) = (Holder::new(&of_first), Holder::new(&of_second));
    assert_eq!(takes(&of_first, &holder).await, Ok(()));
    of_second.release(other.turn(SHARE)).await.unwrap();
    assert_eq!(takes(&of_second, &other).await, Err(1));
    of_first.release(holder.turn(SHARE)).await.unwrap();
    assert_eq!(takes(&of_second, &other).await, Ok(()));
    let unknown = HolderId::from_bytes([1; 16]);
    assert!(
        of_first
            .leases(unknown)
            .await
            .unwrap()
            .held
            .contains_key(&SHARE)
    );
}
