//! What a redeemed grant may do with a share, as held by what outlives a session's methods.

use std::sync::Arc;

use share_engine::Authority;
use share_model::{Ack, Batch, EntryBody};

use crate::owner::{
    Allotment, AppendCall, CheckCall, Command, DocumentAt, DocumentCall, Outcome, Reply,
    ShareHandle,
};

/// Who reads and changes which share. The owner checks it at each call.
#[derive(Debug, Clone)]
pub(crate) struct Reading {
    pub(crate) handle: ShareHandle,
    pub(crate) authority: Authority,
    /// What the reader's subtree of grants may use of the share.
    pub(crate) allotment: Arc<Allotment>,
}

impl Reading {
    /// Hands a command over, as [`ShareHandle::call`], within what the reader may use.
    pub(crate) fn call<C: Command>(&self, command: C, bytes: usize) -> Reply<C::Answer> {
        self.handle.call_by(&self.allotment, command, bytes)
    }

    /// Hands a batch to the share's owner, once the caller's subtree of grants and the factory grant of
    /// the share may append its ops.
    pub(crate) async fn append(&self, command: AppendCall) -> Reply<Ack> {
        let ops = u32::try_from(command.batch.entries.len()).unwrap_or(u32::MAX);
        let bytes = size_of_batch(&command.batch);
        let rated = u32::try_from(bytes).unwrap_or(u32::MAX);
        self.allotment.take_append(ops, rated).await;
        if let Some(usage) = self.handle.factory_use() {
            usage.take_appends(ops).await;
        }
        self.call(command.prepare(), bytes)
    }

    /// Whether the reader still may.
    pub(crate) async fn check(&self) -> Outcome<()> {
        let call = CheckCall(self.authority.clone());
        self.call(call, 0).outcome().await
    }

    /// The document as it stands.
    pub(crate) async fn document(&self) -> Outcome<DocumentAt> {
        let call = DocumentCall(self.authority.clone());
        self.call(call, 0).outcome().await
    }
}

/// What the batch keeps in memory, about.
fn size_of_batch(batch: &Batch) -> usize {
    let entries = batch.entries.iter().map(|entry| {
        let dependencies = match &entry.body {
            EntryBody::Op(op) => {
                let origin = entry.origin.as_ref().map_or(0, |origin| origin.id().len());
                op.mutation.bytes() + origin + size_of_val(op.depends_on.as_slice())
            }
            EntryBody::Abandon(_) => 0,
        };
        size_of_val(entry) + dependencies
    });
    entries.sum()
}
