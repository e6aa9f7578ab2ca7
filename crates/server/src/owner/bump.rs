//! Bumping the epoch.

use share_engine::{Authority, BumpEpoch, Context, LogAnswers};
use share_model::Bumped;

use super::call::{Command, Ran};
use super::cutting::Ended;
use super::share::Share;
use super::subscribers::Stopped;

/// Ends every grant and session of the epoch.
#[derive(Debug)]
pub(crate) struct BumpCall {
    pub(crate) authority: Authority,
    pub(crate) request: BumpEpoch,
}

impl Command for BumpCall {
    type Answer = (Bumped, Ended);

    const AFTER_CUT: bool = true;

    fn run(&self, share: &mut Share, context: &Context, _log: &LogAnswers) -> Ran<Self::Answer> {
        let bumped = share.ending(context, |state| {
            state.bump_epoch(context, &self.authority, self.request.clone())
        });
        let bumped = bumped.map(|((bumped, mut ended), record)| {
            ended.cut.grants = bumped.cut.grants;
            ((bumped, ended), record)
        });
        bumped.into()
    }

    fn stopped((bumped, ended): &mut Self::Answer, stopped: &Stopped) {
        ended.tell(stopped);
        bumped.cut = ended.cut.clone();
    }
}
