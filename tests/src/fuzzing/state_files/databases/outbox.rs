//! A client's outbox.

use std::path::Path;
use std::sync::Arc;

use share_client::{NewOp, Outbox, OutboxOptions, RowFilter};
use share_model::seam::{Executor, SeededEntropy, SimulatedClock};
use share_model::{GrantId, Mutation, OpId, Secret, ShareId, ShareRef, UnixMs};

use super::wait;

const SHARE: ShareId = ShareId::from_bytes([9; 16]);

pub(super) fn fill(path: &Path) {
    let outbox = Outbox::open(path, options()).expect("an outbox is made");
    wait(async {
        outbox.use_ref(reference()).await.expect("a ref is taken");
        for id in 1..=3 {
            let op = NewOp {
                id: Some(OpId::from_bytes([id; 16])),
                ..put()
            };
            outbox.enqueue(SHARE, op).await.expect("an op is taken");
        }
    });
}

/// Whether it could be opened.
pub(super) fn is_used(path: &Path) -> bool {
    let Ok(outbox) = Outbox::open(path, options()) else {
        return false;
    };
    // Each either works or says what is wrong.
    wait(async {
        _ = outbox.shares().await;
        _ = outbox.rows(RowFilter::default(), None, 100).await;
        _ = outbox.op_details(SHARE, OpId::from_bytes([1; 16])).await;
        _ = outbox.recoveries(0, 100).await;
        _ = outbox.delegations(0, 100).await;
        _ = outbox.lease_events(0, 100).await;
        _ = outbox.enqueue(SHARE, put()).await;
        _ = outbox.use_ref(reference()).await;
        _ = outbox.drop_op(SHARE, OpId::from_bytes([2; 16])).await;
    });
    true
}

fn options() -> OutboxOptions {
    OutboxOptions {
        executor: Executor::Inline,
        clock: Arc::new(SimulatedClock::starting_at(UnixMs::new(1_000_000))),
        entropy: Arc::new(SeededEntropy::new(1)),
        ..OutboxOptions::default()
    }
}

fn put() -> NewOp {
    NewOp::of(Mutation::Put {
        key: "k".into(),
        json: "[1]".into(),
    })
}

fn reference() -> ShareRef {
    let (grant, secret) = (GrantId::from_bytes([2; 16]), Secret::from_bytes([7; 32]));
    let text = format!(
        "share://server:1/{SHARE}/{grant}?epoch=1#{}",
        secret.to_text()
    );
    text.parse().expect("it is a ref")
}
