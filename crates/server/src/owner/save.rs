//! Minting the grant behind a saved capability.

use share_engine::{Authority, Context, LogAnswers, MintChild};
use share_model::{Epoch, GrantId};

use super::call::{Command, Ran};
use super::share::Share;

/// Mints a child with all the rights of its parent.
#[derive(Debug)]
pub(crate) struct SaveCall {
    pub(crate) authority: Authority,
    pub(crate) child: MintChild,
}

/// The grant that was minted.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Saved {
    pub(crate) grant: GrantId,
    pub(crate) epoch: Epoch,
}

impl Command for SaveCall {
    type Answer = Saved;

    fn run(&self, share: &mut Share, context: &Context, _log: &LogAnswers) -> Ran<Saved> {
        let minted = share
            .state()
            .and_then(|state| state.mint_child(context, &self.authority, self.child.clone()));
        let answer = minted.map(|(grant, record)| {
            let saved = Saved {
                grant: grant.grant,
                epoch: grant.epoch,
            };
            (saved, record)
        });
        answer.into()
    }
}
