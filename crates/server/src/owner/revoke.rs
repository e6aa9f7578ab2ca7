//! Ending a grant with all below it.

use share_engine::{Authority, Context, LogAnswers};
use share_model::{GrantId, Origin};

use super::call::{Command, Ran};
use super::cutting::Ended;
use super::share::Share;
use super::subscribers::Stopped;

/// Revokes a grant.
#[derive(Debug)]
pub(crate) struct RevokeCall {
    pub(crate) authority: Authority,
    pub(crate) grant: GrantId,
    pub(crate) origin: Origin,
}

impl Command for RevokeCall {
    type Answer = Ended;
    const AFTER_CUT: bool = true;

    fn caller(&self) -> Option<&Authority> {
        Some(&self.authority)
    }

    fn run(&self, share: &mut Share, context: &Context, _log: &LogAnswers) -> Ran<Ended> {
        let revoked = share.ending(context, |state| {
            state.revoke(context, &self.authority, self.grant, self.origin.clone())
        });
        let revoked = revoked.map(|((grants, mut ended), record)| {
            ended.cut.grants = grants;
            (ended, record)
        });
        revoked.into()
    }

    fn stopped(answer: &mut Ended, stopped: &Stopped) {
        answer.tell(stopped);
    }
}
