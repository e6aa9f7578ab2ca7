//! Bumping the epoch.

use share_engine::{Authority, BumpEpoch, Context, LogAnswers};
use share_model::Bumped;

use super::call::{Command, Ran};
use super::share::Share;

/// Ends every grant and session of the epoch.
#[derive(Debug)]
pub(crate) struct BumpCall {
    pub(crate) authority: Authority,
    pub(crate) request: BumpEpoch,
}

impl Command for BumpCall {
    type Answer = Bumped;

    const AFTER_CUT: bool = true;

    fn run(&self, share: &mut Share, context: &Context, _log: &LogAnswers) -> Ran<Bumped> {
        let bumped = share
            .state()
            .and_then(|state| state.bump_epoch(context, &self.authority, self.request.clone()));
        bumped.into()
    }
}
