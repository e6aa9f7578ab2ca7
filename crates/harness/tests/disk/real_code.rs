//! The outbox and the store as they ship, on a disk whose power goes at any operation.

use std::path::Path;
use std::sync::Arc;

use share_client::{NewOp, Outbox, OutboxOptions};
use share_harness::disk::{CrashPoint, Disk, SimulatedFiles};
use share_model::seam::{Executor, SeededEntropy, SqliteSettings};
use share_model::{Mutation, ShareId, ShareRef};
use share_server::store::{SqliteStore, SqliteStoreOptions, Store};

use super::machine::Machine;

pub(crate) fn sqlite() -> SqliteSettings {
    SqliteSettings {
        vfs: Some(Disk::vfs().to_owned()),
        ..SqliteSettings::default()
    }
}

pub(crate) fn open_outbox(machine: &Machine, path: &Path) -> Option<Outbox> {
    let options = OutboxOptions {
        executor: Executor::Inline,
        sqlite: sqlite(),
        files: Arc::new(SimulatedFiles::new(Arc::clone(&machine.disk))),
        coalesce: false,
        ..OutboxOptions::default()
    };
    Outbox::open(path, options).ok()
}

pub(crate) fn reference() -> ShareRef {
    let ids = "0".repeat(32);
    let secret = "A".repeat(43);
    let text = format!("share://h:1/{ids}/{ids}?epoch=1#{secret}");
    text.parse().unwrap()
}

/// Enqueues until something fails; how many ops are on disk by the outbox's word.
async fn enqueue(outbox: &Outbox, share: ShareId) -> u64 {
    if outbox.use_ref(reference()).await.is_err() {
        return 0;
    }
    for number in 0..12 {
        let put = Mutation::Put {
            key: format!("key {number}").into(),
            json: r#""value""#.into(),
        };
        if outbox.enqueue(share, NewOp::of(put)).await.is_err() {
            return number;
        }
    }
    12
}

#[tokio::test]
async fn an_op_that_was_enqueued_is_there_after_a_power_cut_at_any_operation() {
    let share = reference().share;
    let mut enqueued = 0;
    for seed in 0..80 {
        let machine = Machine::new(seed);
        let path = machine.folder.path().join("state/share.sqlite");
        machine
            .disk
            .crash_at(Some(CrashPoint::Operation(2 * seed + 1)));
        let told = match open_outbox(&machine, &path) {
            Some(outbox) => enqueue(&outbox, share).await,
            None => 0,
        };
        machine.restart();
        let outbox = open_outbox(&machine, &path);
        let outbox = outbox.unwrap_or_else(|| panic!("seed {seed}: it does not open again"));
        let shares = outbox.shares().await.unwrap();
        let there = shares.first().map_or(0, |share| share.pending);
        assert!(there >= told, "seed {seed}: {there} of {told}");
        enqueued += told;
    }
    assert!(enqueued > 100, "{enqueued}");
}

#[tokio::test]
async fn a_store_opens_again_after_a_power_cut_at_any_operation_of_its_making() {
    let mut died = 0;
    for seed in 0..60 {
        let machine = Machine::new(seed);
        let folder = machine.folder.path().join("data");
        let files = SimulatedFiles::new(Arc::clone(&machine.disk));
        let open = || {
            let options = SqliteStoreOptions {
                settings: sqlite(),
                executor: Executor::Inline,
                ..SqliteStoreOptions::default()
            };
            SqliteStore::open(
                &folder,
                &options,
                Arc::new(files.clone()),
                &SeededEntropy::new(seed),
            )
        };
        machine.disk.crash_at(Some(CrashPoint::Operation(seed + 1)));
        let history = match open() {
            Ok(store) => Some(store.history().await.unwrap()),
            Err(_) => None,
        };
        died += u32::from(history.is_none());
        machine.restart();
        let store = open().unwrap_or_else(|error| panic!("seed {seed}: {error}"));
        let again = store.history().await.unwrap();
        assert!(
            history.is_none_or(|history| history == again),
            "seed {seed}"
        );
    }
    assert!(died > 10, "{died}");
}
