//! An outbox on virtual time, and agent sessions that use it.

use std::sync::Arc;
use std::time::Duration;

use share_client::{
    AgentOutbox, AgentSession, DelegateOptions, Delegation, DelegationError, Enqueued, LeaseEvent,
    NewOp, Outbox, OutboxError, OutboxOptions, Row, RowFilter, Scope,
};
use share_model::seam::{Executor, SeededEntropy, SimulatedClock};
use share_model::{Epoch, GrantId, Limits, Mutation, Secret, ShareId, ShareRef, UnixMs};

pub(crate) const SHARE: ShareId = ShareId::from_bytes([9; 16]);

/// A file and how it is opened. Needs a runtime whose time is paused.
pub(crate) struct Place {
    folder: tempfile::TempDir,
    options: OutboxOptions,
    pub(crate) outbox: Outbox,
}

impl Place {
    pub(crate) async fn new() -> Self {
        Self::with_seed(1).await
    }

    pub(crate) async fn with_seed(seed: u64) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let options = OutboxOptions {
            executor: Executor::Inline,
            clock: Arc::new(SimulatedClock::starting_at(UnixMs::new(1_000_000))),
            entropy: Arc::new(SeededEntropy::new(seed)),
            ..OutboxOptions::default()
        };
        let outbox = Outbox::open(&folder.path().join("o.sqlite"), options.clone()).unwrap();
        outbox.use_ref(reference()).await.unwrap();
        Self {
            folder,
            options,
            outbox,
        }
    }

    /// Another process's view of the same file.
    pub(crate) fn open_again(&self) -> Outbox {
        Outbox::open(&self.folder.path().join("o.sqlite"), self.options.clone()).unwrap()
    }

    /// With other limits for a share that has not told its own.
    pub(crate) fn limit(&mut self, limits: Limits) {
        self.options.limits = limits;
        self.restart();
    }

    /// All that was in memory is gone.
    pub(crate) fn restart(&mut self) {
        self.outbox = self.open_again();
    }

    pub(crate) fn agent(&self, id: &str) -> AgentOutbox {
        self.outbox.agent(session(id))
    }

    pub(crate) async fn delegate(&self, parent: &str, prefix: &str) -> Delegation {
        let options = DelegateOptions::default();
        let agent = self.agent(parent);
        agent
            .delegate(SHARE, &scope(prefix), options)
            .await
            .unwrap()
    }

    pub(crate) async fn claim(&self, child: &str, prefix: &str) -> Delegation {
        let agent = self.agent(child);
        agent.claim(SHARE, &scope(prefix), None).await.unwrap()
    }

    /// A claim that is refused.
    #[track_caller]
    pub(crate) fn claim_refused(
        &self,
        child: &str,
        prefix: &str,
    ) -> impl Future<Output = DelegationError> {
        let (agent, scope) = (self.agent(child), scope(prefix));
        async move { refused(agent.claim(SHARE, &scope, None).await) }
    }

    pub(crate) async fn put(&self, session: &str, key: &str) -> Result<Enqueued, OutboxError> {
        self.agent(session).enqueue(SHARE, put(key)).await
    }

    /// An append that is refused.
    pub(crate) async fn put_refused(&self, session: &str, key: &str) -> DelegationError {
        refused(self.put(session, key).await)
    }

    pub(crate) async fn events(&self) -> Vec<LeaseEvent> {
        self.outbox.lease_events(0, 100_000).await.unwrap()
    }

    /// Kinds of all events, in order.
    pub(crate) async fn story(&self) -> Vec<&'static str> {
        self.events()
            .await
            .iter()
            .map(|it| it.kind.name())
            .collect()
    }

    pub(crate) async fn rows(&self) -> Vec<Row> {
        let rows = self.outbox.rows(RowFilter::default(), None, 100_000).await;
        rows.unwrap()
    }
}

pub(crate) async fn pass(seconds: u64) {
    tokio::time::advance(Duration::from_secs(seconds)).await;
}

#[track_caller]
pub(crate) fn refused<T: std::fmt::Debug>(done: Result<T, OutboxError>) -> DelegationError {
    match done {
        Err(OutboxError::Delegation(error)) => *error,
        other => panic!("not refused by a lease: {other:?}"),
    }
}

pub(crate) fn session(id: &str) -> AgentSession {
    AgentSession::new(id).unwrap()
}

pub(crate) fn scope(prefix: &str) -> Scope {
    Scope::new(prefix).unwrap()
}

pub(crate) fn put(key: &str) -> NewOp {
    NewOp::of(Mutation::Put {
        key: key.into(),
        json: "1".into(),
    })
}

fn reference() -> ShareRef {
    ShareRef {
        addresses: vec!["server:1".into()],
        share: SHARE,
        grant: GrantId::from_bytes([2; 16]),
        epoch: Epoch::new(1),
        security: share_model::Security::ByAddress,
        secret: Secret::from_bytes([7; 32]),
    }
}
