//! Deleting the share.

use share_engine::{Authority, Context, LogAnswers};
use share_model::Origin;

use super::call::{Command, Ran};
use super::cutting::Ended;
use super::share::Share;
use super::subscribers::Stopped;

/// Deletes the share.
#[derive(Debug)]
pub(crate) struct DeleteCall {
    pub(crate) authority: Authority,
    pub(crate) origin: Origin,
}

impl Command for DeleteCall {
    type Answer = Ended;
    const AFTER_CUT: bool = true;

    fn run(&self, share: &mut Share, context: &Context, _log: &LogAnswers) -> Ran<Ended> {
        let deleted = share.ending(context, |state| {
            state.delete(context, &self.authority, self.origin.clone())
        });
        let deleted = deleted.map(|((grants, mut ended), record)| {
            ended.cut.grants = grants;
            (ended, record)
        });
        deleted.into()
    }

    fn stopped(answer: &mut Ended, stopped: &Stopped) {
        answer.tell(stopped);
    }
}
