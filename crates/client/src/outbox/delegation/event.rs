//! Table `delegation_event`: what happened to every delegation, for a person and for the parent.
//! Rows are inserted and, where there are too many, deleted; never changed.

use rusqlite::{Connection, Row, params};
use share_model::{LeaseEventId, ShareId, UnixMs};

use super::super::error::OutboxError;
use super::super::sql::{bytes, count, int, time};
use super::Stamp;
use super::error::{DelegatedCycle, DelegationError};
use super::scope::Scope;
use super::session::AgentSession;
use super::table::{self, Delegated, Ending};

/// What this module keeps. What an event is about stands in the row of its delegation, which stays.
pub(super) const TABLES: &[&str] = &[
    "CREATE TABLE delegation_event (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    id BLOB NOT NULL,
    at INTEGER NOT NULL,
    delegation INTEGER NOT NULL,
    kind INTEGER NOT NULL,
    session TEXT,
    ops INTEGER NOT NULL,
    key TEXT
) STRICT",
    "CREATE INDEX event_of_delegation ON delegation_event (delegation, number)",
];

/// Events that are kept; beyond it the oldest go that nobody needs any more.
const EVENTS_MAX: u64 = 10_000;

/// What happened to a delegation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum LeaseEventKind {
    // The numbers are persisted: keep stable. 11 to 19: the cycle is over from here on. From 20: it
    // stayed as it was.
    /// 1: the parent delegated a scope.
    Delegated,
    /// 2: a session claimed it.
    Claimed,
    /// 10 and the ending's number: it is over.
    Ended(Ending),
    /// 20: the same session claimed it again, after a restart say.
    ClaimedAgain,
    /// 21: a claim was refused, since another session has it or it is over.
    ClaimRefused,
    /// 22: an append was refused, since the claim is not the session's.
    NotClaimed,
    /// 23: an append was refused, since its key lies outside of what the session holds.
    OutsideScope,
    /// 24: an append was refused, since the session's claim is over.
    StaleClaim,
    /// 25: an append was refused, since another session holds the scope.
    ScopeHeld,
}

impl LeaseEventKind {
    const fn number(self) -> i64 {
        match self {
            Self::Delegated => 1,
            Self::Claimed => 2,
            Self::Ended(ending) => 10 + ending.number(),
            Self::ClaimedAgain => 20,
            Self::ClaimRefused => 21,
            Self::NotClaimed => 22,
            Self::OutsideScope => 23,
            Self::StaleClaim => 24,
            Self::ScopeHeld => 25,
        }
    }

    fn from_number(number: i64) -> Result<Self, OutboxError> {
        Ok(match number {
            1 => Self::Delegated,
            2 => Self::Claimed,
            11..=19 => Self::Ended(Ending::from_number(number - 10)?),
            20 => Self::ClaimedAgain,
            21 => Self::ClaimRefused,
            22 => Self::NotClaimed,
            23 => Self::OutsideScope,
            24 => Self::StaleClaim,
            25 => Self::ScopeHeld,
            _ => {
                return Err(OutboxError::Unreadable {
                    what: "an event of a delegation",
                });
            }
        })
    }

    /// The name as it is written in listings.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Delegated => "delegated",
            Self::Claimed => "claimed",
            Self::Ended(ending) => ending.name(),
            Self::ClaimedAgain => "claimed-again",
            Self::ClaimRefused => "claim-refused",
            Self::NotClaimed => "append-refused-not-claimed",
            Self::OutsideScope => "append-refused-outside-scope",
            Self::StaleClaim => "append-refused-stale-claim",
            Self::ScopeHeld => "append-refused-scope-held",
        }
    }

    /// Of an append that was refused.
    fn of_refused(error: &DelegationError) -> Option<Self> {
        match error {
            DelegationError::NotClaimed { .. } => Some(Self::NotClaimed),
            DelegationError::OutsideScope { .. } => Some(Self::OutsideScope),
            DelegationError::StaleClaim { .. } => Some(Self::StaleClaim),
            DelegationError::ScopeHeld { .. } => Some(Self::ScopeHeld),
            _ => None,
        }
    }
}

/// Something that happened to a delegation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LeaseEvent {
    /// Counts up within the file.
    pub number: u64,
    /// Ordered by time; that of a claim names the claim.
    pub id: LeaseEventId,
    /// When, by the outbox's clock.
    pub at: UnixMs,
    /// What.
    pub kind: LeaseEventKind,
    /// The share.
    pub share: ShareId,
    /// Of which cycle; with a refused append, the one on whose account it was refused.
    pub of: DelegatedCycle,
    /// Who has claimed the cycle, or had; as it is now.
    pub child: Option<AgentSession>,
    /// Who did it, or tried to; `None`: the clock, or the end of another delegation.
    pub session: Option<AgentSession>,
    /// With an end, the ops that were enqueued under the claim; with a refused append, those of the
    /// call, of which none was stored. Else 0.
    pub ops: u64,
    /// With a refused append, the first key that was refused.
    pub key: Option<String>,
}

/// What is written of an event.
#[derive(Debug, Clone, Copy)]
pub(super) struct NewEvent<'a> {
    pub(super) kind: LeaseEventKind,
    pub(super) session: Option<&'a AgentSession>,
    pub(super) ops: u64,
    pub(super) key: Option<&'a str>,
}

impl<'a> NewEvent<'a> {
    /// An event of nothing but its kind and who did it.
    pub(super) fn of(kind: LeaseEventKind, session: Option<&'a AgentSession>) -> Self {
        Self {
            kind,
            session,
            ops: 0,
            key: None,
        }
    }
}

/// Stores an event of the delegation numbered `delegation`.
pub(super) fn insert(
    db: &Connection,
    stamp: &Stamp,
    delegation: i64,
    event: NewEvent<'_>,
) -> Result<LeaseEventId, OutboxError> {
    let id = stamp.event_id();
    db.prepare_cached(
        "INSERT INTO delegation_event (id, at, delegation, kind, session, ops, key) \
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
    )?
    .execute(params![
        id.to_bytes(),
        int(stamp.now().get()),
        delegation,
        event.kind.number(),
        event.session.map(AgentSession::id),
        int(event.ops),
        event.key,
    ])?;
    prune(db)?;
    Ok(id)
}

/// Keeps the table to its bound. What tells how a cycle stands that is not over is never dropped;
/// there are few of those, for so are the cycles. Repeats and refusals say nothing of that.
fn prune(db: &Connection) -> Result<(), OutboxError> {
    let events = db
        .prepare_cached("SELECT count(*) FROM delegation_event")?
        .query_row([], |row| Ok(count(row, 0)))??;
    if let Some(excess) = events.checked_sub(EVENTS_MAX).filter(|excess| *excess > 0) {
        db.prepare_cached(
            "DELETE FROM delegation_event WHERE number IN ( \
             SELECT event.number FROM delegation_event AS event \
             JOIN delegation ON delegation.number = event.delegation \
             WHERE event.kind >= 20 OR delegation.ended_at IS NOT NULL \
             ORDER BY event.number LIMIT ?1)",
        )?
        .execute([int(excess)])?;
    }
    Ok(())
}

/// Stores that a call of `ops` ops was refused.
pub(super) fn insert_refused(
    db: &Connection,
    stamp: &Stamp,
    (share, session): (ShareId, &AgentSession),
    (error, ops): (&DelegationError, u64),
) -> Result<(), OutboxError> {
    let (Some(kind), Some(of)) = (LeaseEventKind::of_refused(error), error.of_append()) else {
        return Ok(());
    };
    let Some(Delegated { number, .. }) = table::of_cycle(db, share, of)? else {
        return Ok(());
    };
    let event = NewEvent {
        kind,
        session: Some(session),
        ops,
        key: error.key(),
    };
    insert(db, stamp, number, event)?;
    Ok(())
}

/// Up to `limit` events after the one numbered `after`, oldest first.
pub(super) fn list(
    db: &Connection,
    after: u64,
    limit: usize,
) -> Result<Vec<LeaseEvent>, OutboxError> {
    let mut statement = db.prepare_cached(
        "SELECT event.number, event.id, event.at, event.kind, share, scope, parent, cycle, child, \
         session, ops, key FROM delegation_event AS event \
         JOIN delegation ON delegation.number = event.delegation \
         WHERE event.number > ?1 ORDER BY event.number LIMIT ?2",
    )?;
    let mut rows = statement.query(params![int(after), int(limit as u64)])?;
    let mut events = Vec::new();
    while let Some(row) = rows.next()? {
        events.push(read(row)?);
    }
    Ok(events)
}

fn read(row: &Row<'_>) -> Result<LeaseEvent, OutboxError> {
    let session = |at| {
        row.get::<_, Option<String>>(at)?
            .map(table::session)
            .transpose()
    };
    Ok(LeaseEvent {
        number: count(row, 0)?,
        id: LeaseEventId::from_bytes(bytes(row, 1)?),
        at: time(row, 2)?.unwrap_or_default(),
        kind: LeaseEventKind::from_number(row.get(3)?)?,
        share: ShareId::from_bytes(bytes(row, 4)?),
        of: DelegatedCycle {
            scope: Scope::stored(row.get(5)?),
            parent: table::session(row.get(6)?)?,
            cycle: share_model::Cycle::new(count(row, 7)?),
        },
        child: session(8)?,
        session: session(9)?,
        ops: count(row, 10)?,
        key: row.get(11)?,
    })
}
