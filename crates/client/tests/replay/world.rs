//! An outbox in a temporary folder, a server in memory, and a flusher between them on virtual time.

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use share_client::{
    FlushOptions, FlushReport, Flusher, FlusherOptions, Link, NewOp, Outbox, OutboxOptions,
    RetryPolicy, Row, RowFilter,
};
use share_model::seam::{Executor, SeededEntropy, SimulatedClock};
use share_model::{Epoch, Mutation, OpId, ShareId, ShareRef, UnixMs};
use tokio::task::LocalSet;

use crate::server::Server;

pub(crate) const SHARE: ShareId = ShareId::from_bytes([9; 16]);

pub(crate) struct World {
    pub(crate) folder: tempfile::TempDir,
    pub(crate) server: Rc<RefCell<Server>>,
    pub(crate) options: OutboxOptions,
    pub(crate) flushing: FlusherOptions,
}

/// A retry that ends soon: two more tries, 100 ms and 200 ms later.
pub(crate) const RETRY: RetryPolicy = RetryPolicy {
    attempts_max: 3,
    age_max: Duration::from_secs(60),
    delay: Duration::from_millis(100),
    delay_max: Duration::from_secs(1),
};

impl World {
    /// Within a runtime whose time is paused.
    pub(crate) fn new(seed: u64) -> Self {
        Self {
            folder: tempfile::tempdir().unwrap(),
            server: Server::new(),
            options: OutboxOptions {
                executor: Executor::Inline,
                clock: Arc::new(SimulatedClock::starting_at(UnixMs::new(1_000_000))),
                entropy: Arc::new(SeededEntropy::new(seed)),
                retry: RETRY,
                ..OutboxOptions::default()
            },
            flushing: FlusherOptions {
                answer_timeout: Duration::from_secs(5),
                ..FlusherOptions::default()
            },
        }
    }

    /// What leads to the server: see `crate::over`.
    pub(crate) fn link(&self) -> Rc<dyn Link> {
        crate::over::link(&self.server)
    }

    pub(crate) fn open(&self) -> Outbox {
        let path = self.folder.path().join("state/share.sqlite");
        Outbox::open(&path, self.options.clone()).unwrap()
    }

    /// An outbox that knows the share, with `ops` enqueued.
    pub(crate) async fn with_ops(&self, ops: impl IntoIterator<Item = NewOp>) -> Outbox {
        let outbox = self.open();
        outbox.use_ref(reference(1, 7)).await.unwrap();
        for op in ops {
            outbox.enqueue(SHARE, op).await.unwrap();
        }
        outbox
    }

    pub(crate) async fn flush(&self, outbox: &Outbox) -> FlushReport {
        self.flush_with(outbox, FlushOptions::default()).await
    }

    /// Flushes with a flusher that ends with it; in 10 minutes of virtual time at most.
    pub(crate) async fn flush_with(&self, outbox: &Outbox, options: FlushOptions) -> FlushReport {
        let link = self.link();
        let (flusher, running) = Flusher::run_local_over(outbox, self.flushing.clone(), link);
        LocalSet::new()
            .run_until(async {
                let running = tokio::task::spawn_local(running);
                let flush = flusher.flush_with(options);
                let report = match tokio::time::timeout(Duration::from_secs(600), flush).await {
                    Ok(report) => report.unwrap(),
                    Err(_) => panic!("no end after 10 minutes: {:?}", outbox.shares().await),
                };
                flusher.stop().await.unwrap();
                running.await.unwrap();
                report
            })
            .await
    }

    pub(crate) async fn rows(&self, outbox: &Outbox) -> Vec<Row> {
        outbox
            .rows(RowFilter::default(), None, 100_000)
            .await
            .unwrap()
    }

    pub(crate) async fn states(&self, outbox: &Outbox) -> Vec<&'static str> {
        self.rows(outbox)
            .await
            .iter()
            .map(|row| row.state.name())
            .collect()
    }
}

pub(crate) fn reference(epoch: u64, secret: u8) -> ShareRef {
    ShareRef {
        addresses: vec!["server:1".into()],
        share: SHARE,
        grant: share_model::GrantId::from_bytes([2; 16]),
        epoch: Epoch::new(epoch),
        security: share_model::Security::ByAddress,
        secret: share_model::Secret::from_bytes([secret; 32]),
    }
}

/// The op with this number: its id is the number, its mutation a put.
pub(crate) fn op(number: u8) -> NewOp {
    let put = Mutation::Put {
        key: format!("k{number}").into(),
        json: number.to_string().into(),
    };
    NewOp {
        id: Some(op_id(number)),
        ..NewOp::of(put)
    }
}

pub(crate) fn op_id(number: u8) -> OpId {
    OpId::from_bytes([number; 16])
}

/// The ids of the ops with these numbers.
pub(crate) fn op_ids(numbers: impl IntoIterator<Item = u8>) -> Vec<OpId> {
    numbers.into_iter().map(op_id).collect()
}
