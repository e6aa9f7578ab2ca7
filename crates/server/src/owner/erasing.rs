//! Erasing what a deleted share's log said, once its tombstone is stored.

use std::sync::Arc;

use share_model::{Limits, ShareId};
use tokio::task::JoinSet;
use tracing::{info, warn};

use super::Surroundings;
use super::load::load_state;
use super::share::Share;
use crate::factory::release;
use crate::fault::Fault;
use crate::store::{Checkpoint, Store};

/// The erasing of one owner's share.
#[derive(Debug, Default)]
pub(super) struct Erasing {
    /// It was begun by this owner; whoever loads the share next begins it again.
    is_begun: bool,
    tasks: JoinSet<()>,
}

impl Erasing {
    /// Begins to erase, if the share was deleted.
    pub(super) fn begin_if_deleted(&mut self, share: &Share, around: &Surroundings) {
        let is_deleted = share.state.as_ref().is_some_and(|state| state.is_deleted());
        if !is_deleted || self.is_begun {
            return;
        }
        self.is_begun = true;
        let (id, store) = (share.id, Arc::clone(&around.store));
        self.tasks.spawn_local(async move {
            match erase_deleted(&*store, id).await {
                Ok(()) => info!(share = %id, "content of a deleted share erased"),
                // Loading it, and each start-up, tries again.
                Err(fault) => warn!(share = %id, %fault, "content of a deleted share not erased"),
            }
        });
    }

    /// Waits until it is done.
    pub(super) async fn finish(&mut self) {
        while self.tasks.join_next().await.is_some() {}
    }
}

/// Erases what the log says of a share that was deleted; any other is left alone. Repeatable: what
/// was erased is not there to be erased again.
pub(crate) async fn erase_deleted(store: &dyn Store, share: ShareId) -> Result<(), Fault> {
    let state = load_state(store, share, Limits::DEFAULT).await?;
    let Some(state) = state.filter(|state| state.is_deleted()) else {
        return Ok(());
    };
    release(store, state.factory(), (share, state.stored_bytes())).await?;
    let version = state.version();
    let checkpoint = Checkpoint {
        version,
        head: state.checkpoint(),
        document: state.document().clone(),
    };
    store.checkpoint(share, checkpoint).await?;
    Ok(store.erase(share, version).await?)
}
