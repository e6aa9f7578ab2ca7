//! An outbox in a folder of its own.

use std::path::PathBuf;

use share_client::{NewOp, Outbox, OutboxOptions, Row, RowFilter};
use share_model::{Epoch, GrantId, Mutation, OpId, Secret, ShareId, ShareRef};

pub(crate) const SHARE: ShareId = ShareId::from_bytes([9; 16]);

pub(crate) struct Folder(tempfile::TempDir);

impl Folder {
    pub(crate) fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    pub(crate) fn path(&self) -> PathBuf {
        self.0.path().join("state/share.sqlite")
    }

    pub(crate) async fn outbox(&self) -> Outbox {
        self.outbox_with(OutboxOptions::default()).await
    }

    pub(crate) async fn outbox_with(&self, options: OutboxOptions) -> Outbox {
        let outbox = Outbox::open(&self.path(), options).unwrap();
        outbox.use_ref(reference()).await.unwrap();
        outbox
    }
}

pub(crate) fn reference() -> ShareRef {
    ShareRef {
        addresses: vec!["server:1".into()],
        share: SHARE,
        grant: GrantId::from_bytes([2; 16]),
        epoch: Epoch::new(1),
        security: share_model::Security::ByAddress,
        secret: Secret::from_bytes([7; 32]),
    }
}

pub(crate) fn put(key: &str, json: &str) -> NewOp {
    NewOp::of(Mutation::Put {
        key: key.into(),
        json: json.into(),
    })
}

pub(crate) fn named(id: u8, op: NewOp) -> NewOp {
    NewOp {
        id: Some(OpId::from_bytes([id; 16])),
        ..op
    }
}

pub(crate) async fn rows(outbox: &Outbox) -> Vec<Row> {
    outbox
        .rows(RowFilter::default(), None, 1_000_000)
        .await
        .unwrap()
}

pub(crate) async fn seqs(outbox: &Outbox) -> Vec<u64> {
    rows(outbox).await.iter().map(|row| row.seq.get()).collect()
}
