//! Delegation leases: which agent session may append where, when several work on one share through
//! one outbox (`docs/design.md` §7).
//!
//! A *parent* delegates a [`Scope`] of a share for one *cycle*: one other session may append there,
//! whose id the parent need not know. The *child* claims it from the same file, saying who it is and
//! where. No token is handed over: whoever can write the file is inside, and what a session says of
//! itself is a name, not a proof.
//!
//! # A cycle
//!
//! Cycles count up from 1 for each share, scope and parent. The outbox gives the number; a parent
//! that counts its own turns gives it instead, and may then say the same again after a crash.
//! Delegating a cycle ends what is left of the one before. One session has a cycle, the first to
//! claim it; it may claim again. A cycle is over when
//!
//! * the child *releases* it, or the parent *revokes* it,
//! * the parent delegates the next one, or says that the child's session is gone (*reconcile*),
//! * its claim is older than the parent allowed with nothing enqueued (the parent may allow any
//!   time; each enqueue begins it anew), or
//! * the claim that the parent held when it delegated is over: a child delegates only within what it
//!   holds.
//!
//! Over is over: nobody claims that cycle again. A parent's own open scopes never overlap, so one
//! key is delegated once by one parent.
//!
//! # Who may enqueue
//!
//! For each op that a *named* session enqueues ([`Outbox::agent`]), in this order:
//!
//! 1. Its key lies in a scope that the session delegated and another one has claimed: refused
//!    (`ScopeHeld`) until that cycle is over.
//! 2. It lies in a scope that the session holds: stored, on that claim's account.
//! 3. The session has ever claimed something of this share: refused (`StaleClaim`, `OutsideScope`).
//!    Who was delegated once acts by its claims alone, so a session left over from an earlier cycle
//!    appends nothing. This is why the rows of table `delegation` are never dropped.
//! 4. The session has itself delegated something of this share: stored.
//! 5. It lies in a scope that is delegated and not over: refused (`NotClaimed`, `ScopeHeld`).
//! 6. Stored.
//!
//! All ops of a call, or none. What was stored while the claim was good is good, whenever it is
//! sent; every op that a named session enqueued carries that session as its origin.
//!
//! Enqueues that name no session ([`Outbox::enqueue`]) are those of whoever owns the file, a bridge
//! or an import, and are not locked out. It can't be told for whom they are; and the durable record
//! of the user's own session must not wait for another session to let go of a lease.
//!
//! # What is kept
//!
//! Each step and each refusal is an event with a UUID ([`Outbox::lease_events`]), written in the
//! step's own transaction. A refused append is recorded before it is told. The newest ten thousand
//! are kept; the delegation, claim and end of a cycle that is not over stay whatever there is.

use std::sync::Arc;
use std::time::Duration;

use rusqlite::Connection;
use share_model::seam::{Clock, Entropy};
use share_model::{LeaseEventId, ShareId, UnixMs};

use super::Outbox;
use super::error::OutboxError;

mod admission;
mod agent_outbox;
mod claimed_ops;
mod error;
mod event;
mod open;
mod scope;
mod session;
mod steps;
mod table;

pub(super) use admission::{Acting, enqueue};
pub use agent_outbox::{AgentOutbox, DelegateOptions, Gone};
pub use claimed_ops::ClaimedOps;
pub use error::{DelegatedCycle, DelegationError};
pub use event::{LeaseEvent, LeaseEventKind};
pub use scope::{Scope, ScopeError};
pub use session::AgentSession;
pub use table::{Claim, Ending};

/// What this module keeps.
pub(super) const TABLES: &[&str] = &[
    table::TABLES[0],
    table::TABLES[1],
    table::TABLES[2],
    table::TABLES[3],
    claimed_ops::TABLES[0],
    claimed_ops::TABLES[1],
    claimed_ops::TABLES[2],
    event::TABLES[0],
    event::TABLES[1],
];

/// One delegated cycle, and what became of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Delegation {
    /// Counts up within the file.
    pub number: u64,
    /// The share.
    pub share: ShareId,
    /// Scope, parent and cycle.
    pub of: DelegatedCycle,
    /// When it was delegated, by the outbox's clock.
    pub at: UnixMs,
    /// A claim ends after this time with nothing enqueued; `None`: not by itself.
    pub idle_max: Option<Duration>,
    /// Who has claimed it.
    pub claim: Option<Claim>,
    /// When and how it came to its end; `None`: it is not over.
    pub ended: Option<(UnixMs, Ending)>,
    /// The ops that were enqueued under the claim.
    pub ops: ClaimedOps,
}

impl Delegation {
    fn of(db: &Connection, row: table::Delegated) -> Result<Self, OutboxError> {
        Ok(Self {
            number: u64::try_from(row.number).unwrap_or_default(),
            share: row.share,
            ops: claimed_ops::of(db, row.number, row.enqueued)?,
            of: row.of,
            at: row.at,
            idle_max: row.idle_max,
            claim: row.claim,
            ended: row.ended,
        })
    }
}

/// What time it is, and ids of events.
#[derive(Debug, Clone)]
struct Stamp {
    clock: Arc<dyn Clock>,
    entropy: Arc<dyn Entropy>,
}

impl Stamp {
    fn new(clock: Arc<dyn Clock>, entropy: Arc<dyn Entropy>) -> Self {
        Self { clock, entropy }
    }

    fn now(&self) -> UnixMs {
        self.clock.now()
    }

    fn event_id(&self) -> LeaseEventId {
        LeaseEventId::new(&*self.clock, &*self.entropy)
    }
}

impl Outbox {
    /// The outbox in the hands of an agent session.
    pub fn agent(&self, session: AgentSession) -> AgentOutbox {
        AgentOutbox::new(self.clone(), session)
    }

    /// Every delegated cycle: up to `limit` after the one numbered `after`, oldest first.
    ///
    /// # Errors
    ///
    /// If the storage fails.
    pub async fn delegations(
        &self,
        after: u64,
        limit: usize,
    ) -> Result<Vec<Delegation>, OutboxError> {
        let options = self.options();
        let stamp = Stamp::new(options.clock.clone(), options.entropy.clone());
        self.run(move |db| {
            // What ran out is over, and is told so.
            for share in table::open_shares(db)? {
                open::Open::load(db, &stamp, share)?;
            }
            let rows = table::after(db, after, limit)?;
            rows.into_iter()
                .map(|row| Delegation::of(db, row))
                .collect()
        })
        .await
    }

    /// What happened to delegations: up to `limit` events after the one numbered `after`, oldest
    /// first.
    ///
    /// # Errors
    ///
    /// If the storage fails.
    pub async fn lease_events(
        &self,
        after: u64,
        limit: usize,
    ) -> Result<Vec<LeaseEvent>, OutboxError> {
        self.run(move |db| event::list(db, after, limit)).await
    }
}

#[cfg(test)]
mod tests;
