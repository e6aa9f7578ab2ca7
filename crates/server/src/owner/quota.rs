//! The bytes that a share's ops may take up, by the quota of the factory grant that created it.

use share_model::Refusal;
use tracing::warn;

use super::Owner;
use crate::fault::Fault;

/// Whether there is room for what a call may add.
pub(super) enum Room {
    /// There is.
    Enough,
    /// There is not, beyond so many bytes of all ops together. What a call really adds shows when it
    /// is run: a repeated batch adds nothing.
    Until { bytes: u64, refusal: Refusal },
}

impl Owner {
    /// The share was loaded, or created: whose quotas are its own is known now.
    pub(super) fn know_usage(&self) {
        if let Some(state) = &self.share.state {
            let uses = &self.around.uses;
            self.usage.get_or_init(|| uses.of(state.factory()));
        }
    }

    /// Reserves room for a call that adds at most so many bytes.
    pub(super) async fn make_room(&mut self, adds: u64) -> Result<Room, Fault> {
        let share = self.share.id;
        let (Some(state), Some(usage)) = (&self.share.state, self.usage.get()) else {
            return Ok(Room::Enough);
        };
        let stored = state.stored_bytes();
        let needed = stored.saturating_add(adds);
        if adds == 0 || needed <= self.share.reserved_bytes {
            return Ok(Room::Enough);
        }
        match usage.reserve_bytes(share, stored, needed).await? {
            Ok(reserved) => {
                self.share.reserved_bytes = reserved;
                Ok(Room::Enough)
            }
            Err(refusal) => Ok(Room::Until {
                bytes: usage.held_bytes(share, stored),
                refusal,
            }),
        }
    }

    /// Whether the share has more bytes than this.
    pub(super) fn is_beyond(&self, bytes: u64) -> bool {
        let state = self.share.state.as_ref();
        state.is_some_and(|state| state.stored_bytes() > bytes)
    }

    /// Gives back what was reserved and is not needed.
    pub(super) async fn give_back(&self) {
        let (Some(state), Some(usage)) = (&self.share.state, self.usage.get()) else {
            return;
        };
        let share = self.share.id;
        if let Err(fault) = usage.give_back(share, state.stored_bytes()).await {
            warn!(%share, %fault, "what a share had reserved is not given back");
        }
    }
}
