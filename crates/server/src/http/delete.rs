//! Deleting a share by its secret.

use share_model::{Origin, OriginKind, Secret, Slug};
use share_web::{Asker, BackendError};

use super::answers::{failed, refused};
use super::backend::HttpBackend;
use super::credentials::owner_grant;
use crate::owner::{DeleteCall, Outcome};

impl HttpBackend {
    /// Deletes the share. Who deletes it again is told that it is done: opencode repeats a request
    /// whose answer was lost, and could never unshare otherwise.
    pub(super) async fn end(
        &self,
        asker: &Asker,
        id: &Slug,
        secret: &Secret,
    ) -> Result<(), BackendError> {
        let ended = self.delete_share(asker, id, secret).await;
        ended.map_err(|fault| failed(&fault))?.map_err(refused)
    }

    async fn delete_share(&self, asker: &Asker, id: &Slug, secret: &Secret) -> Outcome<()> {
        let hash = secret.hash();
        let by = (owner_grant(&hash), hash);
        let proven = match self.redeem(asker, id.grant(), by).await? {
            Ok(proven) => proven,
            Err(refusal) => return Ok(Err(refusal)),
        };
        let origin = match proven.opened.redeemed {
            Ok(redeemed) => redeemed.origin,
            // Gone already: then nobody keeps it. Ended otherwise: it is refused.
            Err(_) => Origin::new(OriginKind::System, "http".to_owned(), u32::MAX)
                .expect("the id is not empty and has no bound"),
        };
        let authority = proven.reading.authority.clone();
        let call = proven.reading.call(DeleteCall { authority, origin }, 0);
        let deleted = self.door().within(call.outcome()).await?;
        self.writers().forget(id.grant(), &hash);
        Ok(deleted.map(drop))
    }
}
