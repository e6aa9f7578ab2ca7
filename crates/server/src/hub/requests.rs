//! Requests for handles.

use share_model::ShareId;
use tokio::sync::oneshot;

use crate::fault::Fault;
use crate::owner::ShareHandle;

/// Somebody wants a share.
#[derive(Debug)]
pub(super) struct Request {
    pub(super) share: ShareId,
    pub(super) reply: oneshot::Sender<Result<ShareHandle, Fault>>,
}

impl Request {
    pub(super) fn grant(self, handle: ShareHandle) {
        // Whoever asked may have gone; the share is unloaded again after a while.
        let _ = self.reply.send(Ok(handle));
    }

    pub(super) fn refuse(self, fault: Fault) {
        // As above.
        let _ = self.reply.send(Err(fault));
    }
}
