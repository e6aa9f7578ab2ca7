//! Loading a share's state from its checkpoint and the records after it.

use share_engine::ShareState;
use share_model::{Limits, LoggedOp, ShareId};

use super::Owner;
use super::checkpoint::SinceCheckpoint;
use crate::fault::Fault;
use crate::store::{Loaded, Store};

/// Records that are applied before other tasks of the thread get their turn.
const RECORDS_PER_TURN: usize = 64;

/// A state, and what was committed since its checkpoint.
pub(super) struct LoadedState {
    pub(super) state: ShareState,
    pub(super) since: SinceCheckpoint,
}

/// The state of a share as it is stored; `None` if there is no such share.
pub(super) async fn load(
    store: &dyn Store,
    share: ShareId,
    limits: Limits,
) -> Result<Option<LoadedState>, Fault> {
    let Some(loaded) = store.load(share).await? else {
        return Ok(None);
    };
    let Loaded {
        checkpoint,
        records,
        ..
    } = loaded;
    let mut since = SinceCheckpoint::default();
    let mut rest = records.iter();
    let mut state = match (checkpoint, records.first()) {
        (Some(checkpoint), _) => {
            ShareState::from_checkpoint(&checkpoint.head, checkpoint.document, limits)?
        }
        (None, Some(first)) => {
            since.add(first);
            rest.next();
            ShareState::begin(first, limits)?
        }
        (None, None) => return Ok(None),
    };
    for (at, record) in rest.enumerate() {
        state.apply(record)?;
        since.add(record);
        if (at + 1).is_multiple_of(RECORDS_PER_TURN) {
            tokio::task::yield_now().await;
        }
    }
    Ok(Some(LoadedState { state, since }))
}

/// The state of a share as it is stored, for who is no owner and works while there is none.
pub(crate) async fn load_state(
    store: &dyn Store,
    share: ShareId,
    limits: Limits,
) -> Result<Option<ShareState>, Fault> {
    Ok(load(store, share, limits).await?.map(|loaded| loaded.state))
}

impl Owner {
    /// Throws the state away and loads what is stored.
    pub(super) async fn reload(&mut self) -> Result<(), Fault> {
        self.share.appenders.roll_back();
        self.share.notes.roll_back(self.around.seams.clock.now());
        let (store, limits) = (&*self.around.store, self.share.limits);
        let loaded = load(store, self.share.id, limits).await?;
        self.share.state = loaded.map(|loaded| {
            self.checkpoints.set(loaded.since);
            loaded.state
        });
        Ok(())
    }

    /// Lets readers see the state, which is durable.
    pub(super) fn show(&mut self, ops: Vec<LoggedOp>) {
        if let Some(state) = &self.share.state {
            self.feed.publish(ops, state.cursor());
        }
    }

    /// Ends those who may not read any more: after whatever ended authority is durable, and before
    /// anything later is shown.
    pub(super) fn cut(&mut self) {
        let now = self.around.seams.clock.now();
        if let Some(state) = &self.share.state {
            self.share.subscribers.recheck(state, now);
        }
    }
}
