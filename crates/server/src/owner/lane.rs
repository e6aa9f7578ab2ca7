//! Where a lane stands, for a writer that keeps nothing on a disk of its own.

use share_engine::{Authority, Context, LogAnswers};
use share_model::{Incarnation, OutboxId};

use super::call::{Command, Ran};
use super::share::Share;

/// Asks for the incarnation of an outbox's lane, with which it can be claimed.
#[derive(Debug)]
pub(crate) struct LaneCall {
    pub(crate) authority: Authority,
    pub(crate) outbox: OutboxId,
}

impl Command for LaneCall {
    type Answer = Incarnation;

    fn caller(&self) -> Option<&Authority> {
        Some(&self.authority)
    }

    fn run(&self, share: &mut Share, context: &Context, _log: &LogAnswers) -> Ran<Incarnation> {
        let incarnation = share
            .state()
            .and_then(|state| state.incarnation(context, &self.authority, self.outbox));
        incarnation.map(|incarnation| (incarnation, None)).into()
    }
}
