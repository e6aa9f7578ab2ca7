//! What whoever administers a share sees of it and ends in it, by the owner's page.

use share_model::{Cut, GrantId, GrantInfo, Origin, OriginKind};
use share_web::{Asker, BackendError, Governed, Proof};

use super::answers::{answered, refused};
use super::backend::HttpBackend;
use super::redeeming::Proven;
use crate::owner::{GrantsCall, RevokeCall};

/// As whom the audit names who ends grants by the page.
const PAGE: &str = "owner's page";

impl HttpBackend {
    /// The share with all of its grants.
    pub(super) async fn see(&self, asker: &Asker, by: &Proof) -> Result<Governed, BackendError> {
        let proven = self.prove(asker, by).await?;
        let redeemed = proven.opened.redeemed.map_err(refused)?;
        let reading = &proven.reading;
        let mut grants: Vec<GrantInfo> = Vec::new();
        loop {
            let call = GrantsCall {
                authority: reading.authority.clone(),
                after: grants.last().map(|grant| grant.id),
            };
            let page = answered(self.door().within(reading.call(call, 0).outcome()).await)?;
            let is_last = page.len() < GrantInfo::PAGE_MAX;
            grants.extend(page);
            if is_last {
                break;
            }
        }
        let mut title = redeemed.title;
        if title.is_empty() {
            // What opencode shares has its title in the session.
            let read = answered(self.door().within(reading.document()).await)?;
            let session = read.document.get("session").map(|stored| stored.value());
            let told = session.and_then(|session| session.pointer("/title")?.as_str());
            title = told.unwrap_or_default().to_owned();
        }
        Ok(Governed {
            share: redeemed.share,
            title,
            cursor: redeemed.cursor,
            created_at: redeemed.created_at,
            is_frozen: redeemed.frozen,
            grants,
        })
    }

    /// Ends a grant; what was read under it has ended when this returns.
    pub(super) async fn take_back(
        &self,
        asker: &Asker,
        by: &Proof,
        grant: GrantId,
    ) -> Result<Cut, BackendError> {
        let proven = self.prove(asker, by).await?;
        proven.opened.redeemed.map_err(refused)?;
        let origin = Origin::new(OriginKind::User, PAGE.to_owned(), u32::MAX)
            .expect("the id is not empty and has no bound");
        let call = RevokeCall {
            authority: proven.reading.authority.clone(),
            grant,
            origin,
        };
        let revoking = proven.reading.call(call, 0).outcome();
        let ended = answered(self.door().within(revoking).await)?;
        Ok(ended.cut)
    }

    async fn prove(&self, asker: &Asker, by: &Proof) -> Result<Proven, BackendError> {
        answered(
            self.redeem_known(asker, by.share, (by.grant, by.secret))
                .await,
        )
    }
}
