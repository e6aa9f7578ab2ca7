//! What an owner has in memory of its share.

use share_engine::ShareState;
use share_model::{Limits, Refusal, ShareId, ShareVersion};

use super::Surroundings;
use super::allotment::Allotments;
use super::appenders::Appenders;
use super::notes::Notes;
use super::sessions::Sessions;
use super::subscribers::Subscribers;

/// A share in memory.
#[derive(Debug)]
pub(crate) struct Share {
    pub(super) id: ShareId,
    /// `None`: the share does not exist (yet).
    pub(super) state: Option<ShareState>,
    pub(super) appenders: Appenders,
    pub(super) allotments: Allotments,
    pub(super) subscribers: Subscribers,
    pub(super) sessions: Sessions,
    pub(super) notes: Notes,
    /// Bytes that its ops may have without asking the quota again.
    pub(super) reserved_bytes: u64,
    /// The bounds of shares that are created or loaded.
    pub(super) limits: Limits,
}

impl Share {
    pub(super) fn new(id: ShareId, around: &Surroundings) -> Self {
        let limits = &around.limits;
        Self {
            id,
            state: None,
            appenders: Appenders::new(limits.appenders_max),
            allotments: Allotments::new(limits, &around.seams.clock),
            subscribers: Subscribers::new(limits.subscribers_max, limits.cut_deadline),
            sessions: Sessions::new(),
            notes: Notes::default(),
            reserved_bytes: 0,
            limits: limits.share,
        }
    }

    /// The state, or what one is told about a share that does not exist.
    pub(super) fn state(&mut self) -> Result<&mut ShareState, Refusal> {
        self.state.as_mut().ok_or_else(Refusal::not_authorized)
    }

    pub(super) fn version(&self) -> ShareVersion {
        self.state
            .as_ref()
            .map_or(ShareVersion::ZERO, ShareState::version)
    }
}
