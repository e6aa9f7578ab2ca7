//! Bounds of a hub that does not get its turn.

use std::sync::Arc;

use futures_util::FutureExt;
use share_model::UnixMs;
use share_model::seam::{Executor, SeededEntropy, SimulatedClock, SystemFiles};

use super::*;
use crate::store::{SqliteStore, SqliteStoreOptions};

#[tokio::test(start_paused = true)]
async fn of_requests_for_shares_2_wait_and_a_3rd_is_told_to_come_later() {
    let folder = tempfile::tempdir().unwrap();
    let options = SqliteStoreOptions {
        executor: Executor::Inline,
        ..SqliteStoreOptions::default()
    };
    let entropy = SeededEntropy::new(1);
    let store =
        SqliteStore::open(folder.path(), &options, Arc::new(SystemFiles), &entropy).unwrap();
    let store: Arc<dyn Store> = Arc::new(store);
    let seams = Seams {
        clock: Arc::new(SimulatedClock::starting_at(UnixMs::new(1))),
        entropy: Arc::new(entropy),
        files: Arc::new(SystemFiles),
    };
    let uses = FactoryUses::new(Arc::clone(&store), Arc::clone(&seams.clock));
    let limits = HubLimits {
        requests_max: 2,
        ..HubLimits::default()
    };
    let drain = watch::Sender::new(false);
    let around = (seams, Arc::new(uses));
    let (hub, _task) = Hub::start(store, around, limits, drain.subscribe())
        .await
        .unwrap();
    let share = ShareId::from_bytes([1; 16]);
    let mut waiting = [0; 2].map(|_| Box::pin(hub.open(share, false)));
    for request in &mut waiting {
        assert!(request.now_or_never().is_none());
    }
    let fault = hub.open(share, false).await.unwrap_err();
    assert!(matches!(fault, Fault::TooMany { max: 2, .. }), "{fault}");
}
