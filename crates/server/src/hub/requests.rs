//! Requests for handles.

use share_model::ShareId;
use tokio::sync::oneshot;

use crate::fault::Fault;
use crate::owner::ShareHandle;

/// Somebody wants a share.
#[derive(Debug)]
pub(super) struct Request {
    pub(super) share: ShareId,
    /// Whether the share is loaded if it is not.
    pub(super) may_load: bool,
    /// Without a handle, the share is not loaded.
    pub(super) reply: oneshot::Sender<Result<Option<ShareHandle>, Fault>>,
}

impl Request {
    pub(super) fn grant(self, handle: ShareHandle) {
        // Whoever asked may have gone; the share is unloaded again after a while.
        let _ = self.reply.send(Ok(Some(handle)));
    }

    pub(super) fn not_loaded(self) {
        // As above.
        let _ = self.reply.send(Ok(None));
    }

    pub(super) fn refuse(self, fault: Fault) {
        // As above.
        let _ = self.reply.send(Err(fault));
    }
}
