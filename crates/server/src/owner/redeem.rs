//! Redeeming a grant.

use share_engine::{Authority, Context, LogAnswers, ShareState};
use share_model::{GrantId, OwnerProof, PROTOCOL_VERSION, Redeemed, Refusal, SecretHash};

use super::call::{Command, Ran};
use super::share::Share;

/// What people read of the server.
const SERVER: &str = concat!("share ", env!("CARGO_PKG_VERSION"));

/// Turns a grant and its secret into authority.
#[derive(Debug, Clone)]
pub(crate) struct RedeemCall {
    pub(crate) grant: GrantId,
    pub(crate) secret: SecretHash,
    /// Of the owner to whom the grant may be sealed.
    pub(crate) proof: Option<OwnerProof>,
    /// The version that the other side speaks.
    pub(crate) protocol_version: u32,
}

/// A grant whose secret was proven. It may have ended: then its authority allows nothing, but the
/// bump that was made under it can be repeated.
#[derive(Debug)]
pub(crate) struct Opened {
    pub(crate) authority: Authority,
    pub(crate) redeemed: Result<Redeemed, Refusal>,
}

impl Command for RedeemCall {
    type Answer = Opened;

    fn run(&self, share: &mut Share, context: &Context, _log: &LogAnswers) -> Ran<Opened> {
        let opened = share.state().and_then(|state| self.open(state, context));
        opened.map(|opened| (opened, None)).into()
    }
}

impl RedeemCall {
    fn open(&self, state: &ShareState, context: &Context) -> Result<Opened, Refusal> {
        let proof = self.proof.as_ref();
        let authority = state.prove(self.grant, &self.secret, proof)?;
        let standing = state.redeem(self.grant, &self.secret, proof, context.now);
        let grant = state.grant_of(&authority);
        let redeemed = standing.map(|authority| Redeemed {
            share: state.id(),
            cursor: state.cursor(),
            epoch: authority.epoch(),
            history: context.history,
            rights: authority.rights(),
            limits: *state.limits(),
            title: state.title().to_owned(),
            created_at: state.created_at(),
            origin: state.origin().clone(),
            server: SERVER.to_owned(),
            protocol_version: self.protocol_version.min(PROTOCOL_VERSION),
            grant: authority.grant(),
            expires_at: grant.and_then(|grant| grant.expires_at),
            label: grant.map_or(String::new(), |grant| grant.label.clone()),
            owner: grant.is_some_and(|grant| grant.parent.is_none()),
            frozen: state.is_frozen(),
        });
        Ok(Opened {
            authority,
            redeemed,
        })
    }
}

/// What people read of the server, for answers that are not of a share.
pub(crate) const fn server_name() -> &'static str {
    SERVER
}
