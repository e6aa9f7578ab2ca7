//! Applying a journal to a store that lacks something of it.

use std::path::Path;

use share_engine::ShareState;
use share_model::{Limits, ShareId, UnixMs};
use tracing::info;

use super::contents::{Contents, Ended};
use super::error::JournalError;
use crate::fault::Fault;
use crate::owner::load_state;
use crate::server::ServerError;
use crate::store::{CommitOutcome, ShareCommit, Store, StoreError};

/// How often a commit is tried while the store says that it may not be there.
const TRIES_MAX: u32 = 16;

/// What applying a journal did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Applied {
    /// Shares whose epoch went on.
    pub(crate) shares: u64,
}

/// Applies what `store` lacks of the journal at `path`: of all shares, or of those that the journal
/// says may lack something. Nobody else uses the store.
pub(crate) async fn apply(
    store: &dyn Store,
    (path, contents): (&Path, &Contents),
    now: UnixMs,
    is_looked_at: impl Fn(ShareId) -> bool,
) -> Result<Applied, ServerError> {
    let mut applied = Applied::default();
    for (share, ended) in contents.shares() {
        check(path, share, ended)?;
        if is_looked_at(share) && catch_up(store, share, ended, now).await? {
            applied.shares += 1;
            info!(%share, "authority that the journal says has ended is ended again");
        }
    }
    Ok(applied)
}

/// Refuses what this version can't apply: ignoring it would bring authority back.
fn check(path: &Path, share: ShareId, ended: &Ended) -> Result<(), JournalError> {
    if ended.revoked.is_empty() && ended.deleted.is_none() {
        return Ok(());
    }
    Err(JournalError::BeyondUs {
        path: path.to_owned(),
        share,
    })
}

/// Whether the share lacked the bump.
async fn catch_up(
    store: &dyn Store,
    share: ShareId,
    ended: &Ended,
    now: UnixMs,
) -> Result<bool, ServerError> {
    let Some(bump) = &ended.bump else {
        return Ok(false);
    };
    for tried in 0..TRIES_MAX {
        let Some(mut state) = load_share(store, share).await? else {
            // Not in this store (yet): see `JournaledStore` for what is when it is created again.
            return Ok(false);
        };
        let expected = state.version();
        let Some(record) = state.catch_up(now, bump.clone().into_bumped()) else {
            return Ok(tried > 0);
        };
        let commit = ShareCommit {
            share,
            expected,
            records: vec![record],
        };
        match store.commit(vec![commit]).await.into_iter().next() {
            Some(CommitOutcome::Done) => return Ok(true),
            Some(CommitOutcome::Refused(error)) => return Err(error.into()),
            Some(CommitOutcome::Conflict { .. } | CommitOutcome::Unknown(_)) | None => {}
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
    loaded.map_err(|fault| match fault {
        Fault::Store(error) => error.into(),
        Fault::Record(source) => ServerError::Records { share, source },
        // Loading meets no other fault; whatever it is, the share can't be had now.
        _ => StoreError::Overloaded.into(),
    })
}
