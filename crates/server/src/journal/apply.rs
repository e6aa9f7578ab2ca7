//! Applying a journal to a store that lacks something of it.

use share_engine::ShareState;
use share_model::{Limits, ShareId, UnixMs};
use tracing::info;

use super::contents::{Contents, Ended};
use crate::fault::Fault;
use crate::owner::{erase_deleted, load_state};
use crate::server::ServerError;
use crate::store::{CommitOutcome, ShareCommit, Store, StoreError};

/// How often a commit is tried while the store says that it may not be there.
const TRIES_MAX: u32 = 16;

/// What applying a journal did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Applied {
    /// Shares that lacked something.
    pub(crate) shares: u64,
}

/// Applies what `store` lacks of a journal: of all shares, or of those that the journal says may lack
/// something. What is deleted is also erased. Nobody else uses the store.
pub(crate) async fn apply(
    store: &dyn Store,
    contents: &Contents,
    now: UnixMs,
    is_looked_at: impl Fn(ShareId) -> bool,
) -> Result<Applied, ServerError> {
    let mut applied = Applied::default();
    for (share, ended) in contents.shares() {
        if is_looked_at(share) && catch_up(store, share, ended, now).await? {
            applied.shares += 1;
            info!(%share, "authority that the journal says has ended is ended again");
        }
    }
    Ok(applied)
}

/// Whether the share lacked something.
async fn catch_up(
    store: &dyn Store,
    share: ShareId,
    ended: &Ended,
    now: UnixMs,
) -> Result<bool, ServerError> {
    let ends = ended.ends();
    let mut has_lacked = false;
    for _ in 0..TRIES_MAX {
        let Some(mut state) = load_share(store, share).await? else {
            // Not in this store (yet): see `JournaledStore` for what is when it is created again.
            return Ok(false);
        };
        let expected = state.version();
        let records = state.catch_up(now, &ends);
        if records.is_empty() {
            if state.is_deleted() {
                erase_share(store, share).await?;
            }
            return Ok(has_lacked);
        }
        has_lacked = true;
        let commit = ShareCommit {
            share,
            expected,
            records,
        };
        // Done or not: what is stored then is what counts.
        if let Some(CommitOutcome::Refused(error)) =
            store.commit(vec![commit]).await.into_iter().next()
        {
            return Err(error.into());
        }
    }
    Err(StoreError::Overloaded.into())
}

/// The state of a share, to look at its authority.
pub(crate) async fn load_share(
    store: &dyn Store,
    share: ShareId,
) -> Result<Option<ShareState>, ServerError> {
    let loaded = load_state(store, share, Limits::DEFAULT).await;
    loaded.map_err(|fault| failed(share, fault))
}

/// Erases the content of a deleted share, from a store that nobody serves.
pub(crate) async fn erase_share(store: &dyn Store, share: ShareId) -> Result<(), ServerError> {
    let erased = erase_deleted(store, share).await;
    erased.map_err(|fault| failed(share, fault))
}

fn failed(share: ShareId, fault: Fault) -> ServerError {
    match fault {
        Fault::Store(error) => error.into(),
        Fault::Record(source) => ServerError::Records { share, source },
        // Loading meets no other fault; whatever it is, the share can't be had now.
        _ => StoreError::Overloaded.into(),
    }
}
