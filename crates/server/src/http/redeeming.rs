//! From a public address to the share, and what a request may do with it.

use std::sync::Arc;

use share_model::{GrantId, SecretHash, ShareId};
use share_web::Asker;

use super::backend::HttpBackend;
use crate::fault::Fault;
use crate::owner::{Opened, Outcome, RedeemCall};
use crate::rpc::{Asking, NO_SHARE, Reading, level};
use crate::server::Source;

/// What the audit calls whoever comes by the HTTP face.
const CLIENT: &str = "http";
/// The version of the protocol in which grants are redeemed here.
const PROTOCOL_VERSION: u32 = 1;

/// A grant that was proven; it may have ended.
pub(super) struct Proven {
    pub(super) reading: Reading,
    pub(super) opened: Opened,
}

impl HttpBackend {
    /// Redeems a grant of the share that has the slug with this grant.
    pub(super) async fn redeem(
        &self,
        asker: &Asker,
        slug: GrantId,
        by: (GrantId, SecretHash),
    ) -> Outcome<Proven> {
        let redeeming = async {
            // Of an address that nobody has, a share is asked that nobody has.
            let share = self.door().hub.resolve(slug).await?.unwrap_or(NO_SHARE);
            self.redeem_of(share, by).await
        };
        self.tried(asker, redeeming).await
    }

    /// Redeems a grant of a share that whoever asks knows.
    pub(super) async fn redeem_known(
        &self,
        asker: &Asker,
        share: ShareId,
        by: (GrantId, SecretHash),
    ) -> Outcome<Proven> {
        self.tried(asker, self.redeem_of(share, by)).await
    }

    /// What comes of a redeem. Costs whoever proves nothing what it costs over RPC: the same tries, the
    /// same work, the same span of time.
    async fn tried(
        &self,
        asker: &Asker,
        redeeming: impl Future<Output = Outcome<Proven>>,
    ) -> Outcome<Proven> {
        let door = self.door();
        let asking = self.ask(asker)?;
        let redeemed = level(&*door.seams.clock, door.within(redeeming)).await?;
        if let Ok(proven) = &redeemed
            && proven.opened.redeemed.is_ok()
        {
            asking.proven();
        }
        Ok(redeemed)
    }

    /// Redeems a grant of a share that is known.
    pub(super) async fn redeem_of(
        &self,
        share: ShareId,
        (grant, secret): (GrantId, SecretHash),
    ) -> Outcome<Proven> {
        let command = RedeemCall {
            grant,
            secret,
            proof: None,
            client: CLIENT.to_owned(),
            protocol_version: PROTOCOL_VERSION,
        };
        let redeemed = self.door().hub.redeem(share, || command.clone()).await?;
        Ok(redeemed.map(|(handle, opened)| {
            let reading = Reading {
                handle,
                authority: opened.authority.clone(),
                allotment: Arc::clone(&opened.allotment),
            };
            Proven { reading, opened }
        }))
    }

    /// Begins something that may prove nothing: so often, and no more.
    pub(super) fn ask(&self, asker: &Asker) -> Result<Asking<'_>, Fault> {
        let source = asker.address.map(Source::of_address);
        self.door().redeem_rates.ask(source)
    }
}
