//! Freezing and unfreezing.

use share_engine::{Authority, Context, LogAnswers};
use share_model::Origin;

use super::call::{Command, Ran};
use super::share::Share;

/// Refuses appends from now on, or lets them in again.
#[derive(Debug)]
pub(crate) struct FreezeCall {
    pub(crate) authority: Authority,
    pub(crate) frozen: bool,
    pub(crate) origin: Origin,
}

impl Command for FreezeCall {
    type Answer = bool;

    fn caller(&self) -> Option<&Authority> {
        Some(&self.authority)
    }

    fn run(&self, share: &mut Share, context: &Context, _log: &LogAnswers) -> Ran<bool> {
        let set = share.state().and_then(|state| {
            state.set_frozen(context, &self.authority, self.frozen, self.origin.clone())
        });
        set.into()
    }
}
