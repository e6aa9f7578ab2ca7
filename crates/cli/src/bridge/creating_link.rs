//! The replay's link that makes a share before it opens its lane: it was handed out, and filled,
//! while the server was away.

use std::rc::Rc;
use std::sync::Arc;

use async_trait::async_trait;
use share_client::{ClientError, LaneRequest, Link, LinkedLane};

use super::server::{ServerSide, unshared};

/// Opens lanes by another link, once their share is there.
pub(super) struct CreatingLink {
    pub(super) server: Arc<ServerSide>,
    pub(super) inner: Rc<dyn Link>,
}

#[async_trait(?Send)]
impl Link for CreatingLink {
    async fn open(&self, request: LaneRequest) -> Result<LinkedLane, ClientError> {
        let mut is_live = None;
        for kept in self.server.shares.of_share(request.reference.share) {
            match self.server.prepare(&kept).await {
                Ok(()) => is_live = Some(true),
                // The same share may have been handed out again.
                Err(ClientError::Refused(refusal)) if refusal == unshared() => {
                    is_live = is_live.or(Some(false));
                }
                Err(error) => return Err(error),
            }
        }
        match is_live {
            Some(false) => Err(unshared().into()),
            // A share that the bridge did not hand out is as the outbox says.
            Some(true) | None => self.inner.open(request).await,
        }
    }
}
