//! Minting the grant behind a new ref, public address, or saved capability.

use share_engine::{Authority, Context, LogAnswers, MintChild};
use share_model::Minted;

use super::call::{Command, Ran};
use super::share::Share;

/// Mints a child grant.
#[derive(Debug)]
pub(crate) struct MintCall {
    pub(crate) authority: Authority,
    pub(crate) child: MintChild,
}

impl Command for MintCall {
    type Answer = Minted;

    fn caller(&self) -> Option<&Authority> {
        Some(&self.authority)
    }

    fn run(&self, share: &mut Share, context: &Context, _log: &LogAnswers) -> Ran<Minted> {
        let minted = share
            .state()
            .and_then(|state| state.mint_child(context, &self.authority, self.child.clone()));
        minted.into()
    }
}

/// Asks whether a child grant may be minted.
#[derive(Debug)]
pub(crate) struct CheckMintCall {
    pub(crate) authority: Authority,
    pub(crate) child: MintChild,
}

impl Command for CheckMintCall {
    type Answer = ();

    fn caller(&self) -> Option<&Authority> {
        Some(&self.authority)
    }

    fn run(&self, share: &mut Share, context: &Context, _log: &LogAnswers) -> Ran<()> {
        let checked = share
            .state()
            .and_then(|state| state.check_mint(context, &self.authority, self.child.clone()));
        checked.map(|()| ((), None)).into()
    }
}
