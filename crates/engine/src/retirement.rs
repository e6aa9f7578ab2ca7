//! Retirement: how a bounded number of open writers makes room for another one.

use std::cmp::Reverse;

use share_model::{GrantId, OutboxId};

use crate::lane::Lane;
use crate::state::ShareState;

/// Why there is no room for a writer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum RoomError {
    #[error("{open} writers are open, limit is {max}, and each has unsettled ops")]
    Share { open: u64, max: u32 },
    #[error(
        "{open} writers are open below grant {subtree}, limit is {max}, and each has unsettled ops"
    )]
    Subtree {
        subtree: GrantId,
        open: u64,
        max: u32,
    },
    #[error("{retired} writers are retired, limit is {max}, and none can be retired further")]
    Retired { retired: u64, max: u32 },
}

impl ShareState {
    /// The lanes to retire so that `outbox` may be open in `subtree`: those that are idle longest,
    /// with nothing unsettled.
    pub(crate) fn make_room(
        &self,
        outbox: OutboxId,
        subtree: Option<GrantId>,
    ) -> Result<Vec<OutboxId>, RoomError> {
        let lane = self.head.ledger.lane(outbox);
        let open = lane.filter(|lane| !lane.is_retired());
        // A lane that counts already needs no room: else its owner could not settle it after a
        // bound was lowered.
        let subtree = subtree
            .filter(|subtree| open.is_none_or(|lane| lane.claim().subtree != Some(*subtree)));
        if open.is_some() && subtree.is_none() {
            return Ok(Vec::new());
        }
        let mut room = Room::of(self, outbox);
        if subtree.is_some() {
            room.free(subtree, self.limits.open_writers_per_grant_max)?;
        }
        if open.is_none() {
            room.free(None, self.limits.open_writers_max)?;
        }
        Ok(room.leaving)
    }
}

/// The lanes besides the one for which room is made.
struct Room<'a> {
    /// Open ones; the one that is idle longest comes last.
    open: Vec<(OutboxId, &'a Lane)>,
    retired: u64,
    retired_max: u32,
    /// Those that have to go.
    leaving: Vec<OutboxId>,
}

impl<'a> Room<'a> {
    fn of(state: &'a ShareState, outbox: OutboxId) -> Self {
        let others = state.head.ledger.lanes().filter(|(id, _)| *id != outbox);
        let (retired, mut open): (Vec<_>, Vec<_>) = others.partition(|(_, lane)| lane.is_retired());
        // No two lanes were touched by one commit, so that the order is the same in every replay.
        open.sort_by_key(|(_, lane)| Reverse(lane.touched()));
        Self {
            open,
            retired: retired.len() as u64,
            retired_max: state.limits.retired_writers_max,
            leaving: Vec::new(),
        }
    }

    /// Lets lanes go until one more is allowed, of the subtree or of all.
    fn free(&mut self, subtree: Option<GrantId>, max: u32) -> Result<(), RoomError> {
        let counts = |lane: &Lane| subtree.is_none() || lane.claim().subtree == subtree;
        loop {
            let open = self.open.iter().filter(|(_, lane)| counts(lane)).count() as u64;
            if open < u64::from(max) {
                return Ok(());
            }
            let room_for_retired = self.retired < u64::from(self.retired_max);
            let idle = |lane: &Lane| counts(lane) && lane.is_settled();
            let leaves = |lane: &Lane| idle(lane) && (room_for_retired || lane.number().is_none());
            let Some(at) = self.open.iter().rposition(|(_, lane)| leaves(lane)) else {
                return Err(if self.open.iter().any(|(_, lane)| idle(lane)) {
                    RoomError::Retired {
                        retired: self.retired,
                        max: self.retired_max,
                    }
                } else {
                    no_room(subtree, open, max)
                });
            };
            let (outbox, lane) = self.open.remove(at);
            self.retired += u64::from(lane.number().is_some());
            self.leaving.push(outbox);
        }
    }
}

fn no_room(subtree: Option<GrantId>, open: u64, max: u32) -> RoomError {
    match subtree {
        Some(subtree) => RoomError::Subtree { subtree, open, max },
        None => RoomError::Share { open, max },
    }
}

#[cfg(test)]
mod tests;
