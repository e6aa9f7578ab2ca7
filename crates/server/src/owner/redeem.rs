//! Redeeming a grant.

use std::sync::Arc;

use share_engine::{Authority, Context, LogAnswers, NoteEvent, ShareState};
use share_model::{GrantId, OwnerProof, Redeemed, Refusal, SecretHash};

use super::allotment::Allotment;
use super::call::{Command, Ran};
use super::sessions::SessionTicket;
use super::share::Share;

/// What people read of the server.
const SERVER: &str = concat!("share ", env!("CARGO_PKG_VERSION"));

/// Turns a grant and its secret into authority.
#[derive(Debug, Clone)]
pub(crate) struct RedeemCall {
    pub(crate) grant: GrantId,
    pub(crate) secret: SecretHash,
    /// That the caller is the owner to whom the grant is sealed.
    pub(crate) proof: Option<OwnerProof>,
    /// What the program calls itself.
    pub(crate) client: String,
    /// The version that both sides speak.
    pub(crate) protocol_version: u32,
}

/// A grant whose secret was proven. It may have ended: then its authority allows nothing, but the
/// bump or deletion that was made under it can be repeated.
#[derive(Debug)]
pub(crate) struct Opened {
    pub(crate) authority: Authority,
    pub(crate) redeemed: Result<Redeemed, Refusal>,
    /// Counts the session as live while it is kept.
    pub(crate) ticket: SessionTicket,
    /// The subtree of grants that it belongs to, as the ledger counts writers.
    pub(crate) subtree: Option<GrantId>,
    /// What its subtree of grants may use of the share.
    pub(crate) allotment: Arc<Allotment>,
}

impl Command for RedeemCall {
    type Answer = Opened;

    fn run(&self, share: &mut Share, context: &Context, _log: &LogAnswers) -> Ran<Opened> {
        self.open(share, context)
            .map(|opened| (opened, None))
            .into()
    }
}

impl RedeemCall {
    fn open(&self, share: &mut Share, context: &Context) -> Result<Opened, Refusal> {
        let (grant, proof) = (self.grant, self.proof.as_ref());
        let state = share.state()?;
        let authority = match state.prove(grant, &self.secret, proof) {
            Ok(authority) => authority,
            Err(refusal) => {
                share.refused_unproven(context.now);
                return Err(refusal);
            }
        };
        let standing = state.redeem(grant, &self.secret, proof, context.now);
        let redeemed = standing.map(|authority| self.redeemed(state, &authority, context));
        // What has ended takes nothing from the owner's.
        let subtree = match &redeemed {
            Ok(_) => state.subtree(grant),
            Err(_) => Some(grant),
        };
        let by = (self.client.as_str(), context.now);
        match &redeemed {
            Ok(_) => share.used(NoteEvent::Redeemed, grant, by),
            Err(refusal) => share.refused(refusal.code, grant, by),
        }
        let allotment = share.allotments.of(subtree);
        let ticket = share.sessions.insert(authority.clone());
        Ok(Opened {
            subtree,
            allotment,
            authority,
            redeemed,
            ticket,
        })
    }

    fn redeemed(&self, state: &ShareState, authority: &Authority, context: &Context) -> Redeemed {
        let grant = state.grant_of(authority);
        Redeemed {
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
            protocol_version: self.protocol_version,
            grant: authority.grant(),
            expires_at: grant.and_then(|grant| grant.expires_at),
            label: grant.map_or(String::new(), |grant| grant.label.clone()),
            owner: grant.is_some_and(|grant| grant.parent.is_none()),
            frozen: state.is_frozen(),
        }
    }
}

/// What people read of the server, for answers that are not of a share.
pub(crate) const fn server_name() -> &'static str {
    SERVER
}
