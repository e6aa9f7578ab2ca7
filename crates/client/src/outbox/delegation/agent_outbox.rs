//! The outbox as an agent session uses it.

use std::time::Duration;

use share_model::seam::Sleep;
use share_model::{Cycle, ShareId};

use super::super::enqueue::{Enqueued, Grouping, NewOp};
use super::super::error::OutboxError;
use super::super::{Manner, Outbox};
use super::error::DelegationError;
use super::open::Open;
use super::scope::Scope;
use super::session::AgentSession;
use super::steps::{self, At, Step};
use super::{Acting, Delegation, Stamp, event};

/// Which sessions a parent says are gone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Gone {
    /// None.
    Nobody,
    /// These.
    Sessions(Vec<AgentSession>),
    /// Every one that it delegated to: after a crash of the whole machine, say.
    Everybody,
}

impl Gone {
    pub(super) fn names(&self, session: &AgentSession) -> bool {
        match self {
            Self::Nobody => false,
            Self::Sessions(sessions) => sessions.contains(session),
            Self::Everybody => true,
        }
    }
}

/// How a scope is delegated.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct DelegateOptions {
    /// The number of the cycle. `None`: the next one. A caller that counts by itself, and may be
    /// killed before it hears the answer, gives a number: said again it is the same delegation.
    pub cycle: Option<Cycle>,
    /// A claim ends after this time with nothing enqueued under it. `None`: not by itself.
    pub idle_max: Option<Duration>,
}

/// The outbox in the hands of one agent session, made by [`Outbox::agent`]: what it enqueues carries
/// its origin and keeps to the delegation leases, as the parent or as the child of one.
///
/// ```
/// use share_client::{AgentSession, DelegateOptions, NewOp, Outbox, OutboxOptions, Scope};
/// use share_model::{Mutation, ShareRef};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let folder = tempfile::tempdir()?;
/// # let outbox = Outbox::open(&folder.path().join("o.sqlite"), OutboxOptions::default())?;
/// # let text = format!("share://h:1/{0}/{0}?epoch=1#{1}", "0".repeat(32), "A".repeat(43));
/// # let reference: ShareRef = text.parse()?;
/// # let share = reference.share;
/// # outbox.use_ref(reference).await?;
/// let parent = outbox.agent(AgentSession::new("ses_parent")?);
/// let scope = Scope::new("part/m1")?;
/// parent.delegate(share, &scope, DelegateOptions::default()).await?;
///
/// // In another process, that knows its own name and where to work.
/// let child = outbox.agent(AgentSession::new("ses_child")?);
/// child.claim(share, &scope, None).await?;
/// let put = Mutation::Put { key: "part/m1/x".into(), json: "1".into() };
/// child.enqueue(share, NewOp::of(put.clone())).await?;
/// assert!(parent.enqueue(share, NewOp::of(put.clone())).await.is_err());
///
/// child.release(share, &scope).await?;
/// parent.enqueue(share, NewOp::of(put)).await?;
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct AgentOutbox {
    outbox: Outbox,
    acting: Acting,
}

impl AgentOutbox {
    pub(super) fn new(outbox: Outbox, session: AgentSession) -> Self {
        let options = outbox.options();
        let stamp = Stamp::new(options.clock.clone(), options.entropy.clone());
        Self {
            outbox,
            acting: Acting { session, stamp },
        }
    }

    /// Whose hands it is in.
    pub fn session(&self) -> &AgentSession {
        &self.acting.session
    }

    /// As [`Outbox::enqueue`], for this session.
    ///
    /// # Errors
    ///
    /// As [`AgentOutbox::enqueue_all`].
    ///
    /// # Cancel safety
    ///
    /// As [`Outbox::enqueue`].
    pub async fn enqueue(&self, share: ShareId, op: NewOp) -> Result<Enqueued, OutboxError> {
        let enqueued = self.enqueue_all(share, vec![op], Grouping::Loose).await?;
        enqueued.into_iter().next().ok_or(OutboxError::Closed)
    }

    /// As [`Outbox::enqueue_all`], for this session. An op that is stored is good, whatever becomes
    /// of the claim before it is sent.
    ///
    /// # Errors
    ///
    /// As [`Outbox::enqueue_all`]; and [`OutboxError::Delegation`] if the session may not append to
    /// one of the keys: nothing is stored then but the event that says so.
    pub async fn enqueue_all(
        &self,
        share: ShareId,
        ops: Vec<NewOp>,
        grouping: Grouping,
    ) -> Result<Vec<Enqueued>, OutboxError> {
        self.enqueue_by(None, share, ops, grouping).await
    }

    /// Enqueues ops that may wait for company as long as `patience` says.
    pub(in super::super) async fn enqueue_by(
        &self,
        patience: Option<Sleep>,
        share: ShareId,
        ops: Vec<NewOp>,
        grouping: Grouping,
    ) -> Result<Vec<Enqueued>, OutboxError> {
        let count = ops.len() as u64;
        let manner = Manner {
            session: Some(self.acting.clone()),
            patience,
        };
        let done = self.outbox.enqueue_by(manner, share, ops, grouping).await;
        if let Err(OutboxError::Delegation(error)) = &done {
            self.record_refused(share, (**error).clone(), count).await?;
        }
        done
    }

    /// The outbox that it is.
    pub(in super::super) fn outbox(&self) -> &Outbox {
        &self.outbox
    }

    /// The refusal took back what its transaction wrote, so it is recorded in another, before anyone
    /// hears of it.
    async fn record_refused(
        &self,
        share: ShareId,
        error: DelegationError,
        ops: u64,
    ) -> Result<(), OutboxError> {
        let Acting { session, stamp } = self.acting.clone();
        self.outbox
            .run(move |db| {
                // A claim that ran out has its event first.
                Open::load(db, &stamp, share)?;
                event::insert_refused(db, &stamp, (share, &session), (&error, ops))
            })
            .await
    }

    /// Delegates a scope to a session whose id need not be known yet: whoever claims it first. What
    /// is left of earlier cycles of the same scope ends.
    ///
    /// # Errors
    ///
    /// If the cycle's number is behind or its cycle over, if the scope overlaps another one that
    /// this session delegated and is not over, if this session was delegated itself and does not hold
    /// the scope, or if there are too many delegations.
    pub async fn delegate(
        &self,
        share: ShareId,
        scope: &Scope,
        options: DelegateOptions,
    ) -> Result<Delegation, OutboxError> {
        let scope = scope.clone();
        self.step(share, move |at| {
            let cycle = (options.cycle, options.idle_max);
            steps::delegate(at, &scope, cycle)
        })
        .await
    }

    /// Claims what was delegated: exactly this scope, by `parent` if several have. The first session
    /// has it; the same session may claim again, after a restart say, until the cycle is over.
    ///
    /// # Errors
    ///
    /// If nobody delegated the scope, another session has the claim, the cycle is over, several
    /// parents wait and none is named, or the delegation comes from this session.
    pub async fn claim(
        &self,
        share: ShareId,
        scope: &Scope,
        parent: Option<&AgentSession>,
    ) -> Result<Delegation, OutboxError> {
        let (scope, parent) = (scope.clone(), parent.cloned());
        self.step(share, move |at| steps::claim(at, &scope, parent.as_ref()))
            .await
    }

    /// Ends this session's claim of the scope: it is done. Repeatable; a claim that has ended already
    /// is answered as it is.
    ///
    /// # Errors
    ///
    /// If the session never claimed the scope.
    pub async fn release(&self, share: ShareId, scope: &Scope) -> Result<Delegation, OutboxError> {
        let scope = scope.clone();
        self.step(share, move |at| steps::release(at, &scope)).await
    }

    /// Takes back what this session delegated of the scope, claimed or not. Repeatable; what is over
    /// already is answered as it is.
    ///
    /// # Errors
    ///
    /// If the session never delegated the scope.
    pub async fn revoke(&self, share: ShareId, scope: &Scope) -> Result<Delegation, OutboxError> {
        let scope = scope.clone();
        self.step(share, move |at| steps::revoke(at, &scope)).await
    }

    /// What became of this session's delegations: the newest cycle of each scope that it delegated,
    /// with who claimed it and how the ops stand. Claims of the sessions that are `gone` end first:
    /// only the parent can know, and so it never stays locked out.
    ///
    /// # Errors
    ///
    /// If the outbox does not know the share, or the storage fails.
    pub async fn reconcile(
        &self,
        share: ShareId,
        gone: Gone,
    ) -> Result<Vec<Delegation>, OutboxError> {
        let acting = self.acting.clone();
        self.outbox
            .run(move |db| {
                let at = At {
                    db,
                    acting: &acting,
                    share,
                };
                let rows = steps::reconcile(at, &gone)?;
                rows.into_iter()
                    .map(|row| Delegation::of(db, row))
                    .collect()
            })
            .await
    }

    /// Runs a step; a refusal is told after what it recorded is durable.
    async fn step<F>(&self, share: ShareId, step: F) -> Result<Delegation, OutboxError>
    where
        F: FnOnce(At<'_>) -> Step<super::table::Delegated> + Send + 'static,
    {
        let acting = self.acting.clone();
        let done = self
            .outbox
            .run(move |db| {
                let at = At {
                    db,
                    acting: &acting,
                    share,
                };
                match step(at)? {
                    Ok(row) => Ok(Ok(Delegation::of(db, row)?)),
                    Err(error) => Ok(Err(error)),
                }
            })
            .await?;
        done.map_err(|error| OutboxError::Delegation(Box::new(error)))
    }
}
