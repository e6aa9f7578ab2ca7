//! What a share says, to whoever has its public address.

use share_model::Slug;
use share_web::{Asker, BackendError, Data};

use super::answers::{failed, refused};
use super::backend::HttpBackend;
use crate::owner::{DocumentAt, Outcome};

impl HttpBackend {
    /// The document, shared with the share's own: it costs its keys.
    pub(super) async fn read(&self, asker: &Asker, id: &Slug) -> Result<Data, BackendError> {
        let read = self.document(asker, id).await;
        let read = read.map_err(|fault| failed(&fault))?.map_err(refused)?;
        Ok(Data::Document(read.document))
    }

    async fn document(&self, asker: &Asker, id: &Slug) -> Outcome<DocumentAt> {
        let proven = match self
            .redeem(asker, id.grant(), (id.grant(), id.hash()))
            .await?
        {
            Ok(proven) => proven,
            Err(refusal) => return Ok(Err(refusal)),
        };
        if let Err(refusal) = proven.opened.redeemed {
            return Ok(Err(refusal));
        }
        self.door().within(proven.reading.document()).await
    }
}
