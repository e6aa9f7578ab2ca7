//! The right to read a share, as held by what outlives a session's methods.

use share_engine::Authority;

use crate::owner::{CheckCall, DocumentAt, DocumentCall, Outcome, ShareHandle};

/// Who reads which share. The owner checks it at each call.
#[derive(Debug, Clone)]
pub(super) struct Reading {
    pub(super) handle: ShareHandle,
    pub(super) authority: Authority,
}

impl Reading {
    /// Whether the reader still may.
    pub(super) async fn check(&self) -> Outcome<()> {
        let call = CheckCall(self.authority.clone());
        self.handle.call(call, 0).outcome().await
    }

    /// The document as it stands.
    pub(super) async fn document(&self) -> Outcome<DocumentAt> {
        let call = DocumentCall(self.authority.clone());
        self.handle.call(call, 0).outcome().await
    }
}
