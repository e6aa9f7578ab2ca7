//! The right to read a share, as held by what outlives a session's methods.

use std::sync::Arc;

use share_engine::Authority;

use crate::owner::{
    Allotment, CheckCall, Command, DocumentAt, DocumentCall, Outcome, Reply, ShareHandle,
};

/// Who reads which share. The owner checks it at each call.
#[derive(Debug, Clone)]
pub(super) struct Reading {
    pub(super) handle: ShareHandle,
    pub(super) authority: Authority,
    /// What the reader's subtree of grants may use of the share.
    pub(super) allotment: Arc<Allotment>,
}

impl Reading {
    /// Hands a command over, as [`ShareHandle::call`], within what the reader may use.
    pub(super) fn call<C: Command>(&self, command: C, bytes: usize) -> Reply<C::Answer> {
        self.handle.call_by(&self.allotment, command, bytes)
    }

    /// Whether the reader still may.
    pub(super) async fn check(&self) -> Outcome<()> {
        let call = CheckCall(self.authority.clone());
        self.call(call, 0).outcome().await
    }

    /// The document as it stands.
    pub(super) async fn document(&self) -> Outcome<DocumentAt> {
        let call = DocumentCall(self.authority.clone());
        self.call(call, 0).outcome().await
    }
}
