//! Table `delegation`: one row per delegated cycle, for ever. What a claim once was must stay known,
//! or a session whose claim is stale would look like one that never had any.

use std::fmt;
use std::time::Duration;

use rusqlite::{Connection, OptionalExtension, Row, params};
use share_model::{Cycle, LeaseEventId, ShareId, UnixMs};

use super::super::error::OutboxError;
use super::super::sql::{bytes, bytes_or_null, count, int, time};
use super::error::DelegatedCycle;
use super::scope::Scope;
use super::session::AgentSession;

/// What this module keeps. `under`: the number of the row whose claim the parent held when it
/// delegated. `idle_ms`: for how long a claim lives without anything enqueued.
pub(super) const TABLES: &[&str] = &[
    "CREATE TABLE delegation (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    share BLOB NOT NULL,
    scope TEXT NOT NULL,
    parent TEXT NOT NULL,
    cycle INTEGER NOT NULL,
    under INTEGER,
    idle_ms INTEGER,
    delegated_at INTEGER NOT NULL,
    claim BLOB,
    child TEXT,
    claimed_at INTEGER,
    expires_at INTEGER,
    ended_at INTEGER,
    ending INTEGER,
    enqueued INTEGER NOT NULL DEFAULT 0,
    UNIQUE (share, scope, parent, cycle)
) STRICT",
    "CREATE INDEX open_delegation ON delegation (share) WHERE ended_at IS NULL",
    "CREATE INDEX delegation_to ON delegation (share, child) WHERE child IS NOT NULL",
    "CREATE INDEX delegation_by ON delegation (share, parent)",
];

/// How a delegated cycle came to its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Ending {
    // The numbers are persisted: keep stable.
    /// 1: the child was done.
    Released,
    /// 2: the parent took it back.
    Revoked,
    /// 3: the parent delegated the next cycle.
    Superseded,
    /// 4: the parent said that the child is gone.
    SessionGone,
    /// 5: the claim ran out with nothing enqueued.
    Expired,
    /// 6: the claim under which it was delegated ended.
    WithItsParent,
}

impl Ending {
    const ALL: [Self; 6] = [
        Self::Released,
        Self::Revoked,
        Self::Superseded,
        Self::SessionGone,
        Self::Expired,
        Self::WithItsParent,
    ];

    pub(super) const fn number(self) -> i64 {
        match self {
            Self::Released => 1,
            Self::Revoked => 2,
            Self::Superseded => 3,
            Self::SessionGone => 4,
            Self::Expired => 5,
            Self::WithItsParent => 6,
        }
    }

    pub(super) fn from_number(number: i64) -> Result<Self, OutboxError> {
        let found = Self::ALL.into_iter().find(|it| it.number() == number);
        found.ok_or(OutboxError::Unreadable {
            what: "how a delegation ended",
        })
    }

    /// The name as it is written in listings.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Released => "released",
            Self::Revoked => "revoked",
            Self::Superseded => "superseded",
            Self::SessionGone => "session-gone",
            Self::Expired => "expired",
            Self::WithItsParent => "with-its-parent",
        }
    }
}

/// In words: "it was …".
impl fmt::Display for Ending {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Released => "released by its session",
            Self::Revoked => "revoked by the parent",
            Self::Superseded => "superseded by the parent's next cycle",
            Self::SessionGone => "ended by the parent, whose word is that the session is gone",
            Self::Expired => "expired with nothing enqueued",
            Self::WithItsParent => "ended with the claim that the parent held",
        })
    }
}

/// Who holds a delegated cycle, or held it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claim {
    /// The event of the claim.
    pub id: LeaseEventId,
    /// Who claimed.
    pub child: AgentSession,
    /// When, by the outbox's clock.
    pub at: UnixMs,
    /// When it ends unless something is enqueued before; `None`: not by itself.
    pub expires_at: Option<UnixMs>,
}

/// A row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Delegated {
    pub(super) number: i64,
    pub(super) share: ShareId,
    pub(super) of: DelegatedCycle,
    pub(super) under: Option<i64>,
    pub(super) idle_max: Option<Duration>,
    pub(super) at: UnixMs,
    pub(super) claim: Option<Claim>,
    pub(super) ended: Option<(UnixMs, Ending)>,
    pub(super) enqueued: u64,
}

impl Delegated {
    /// Whether this session has the claim, over or not.
    pub(super) fn is_claimed_by(&self, session: &AgentSession) -> bool {
        self.child() == Some(session)
    }

    pub(super) fn child(&self) -> Option<&AgentSession> {
        self.claim.as_ref().map(|claim| &claim.child)
    }

    /// When a claim that is renewed at `now` runs out.
    pub(super) fn expiry(&self, now: UnixMs) -> Option<UnixMs> {
        let idle = self.idle_max?.as_millis();
        Some(now.plus_ms(u64::try_from(idle).unwrap_or(u64::MAX)))
    }
}

// The columns that `read` takes; a macro, since statements are literals.
macro_rules! select {
    ($rest:literal) => {
        concat!(
            "SELECT number, share, scope, parent, cycle, under, idle_ms, delegated_at, claim, \
             child, claimed_at, expires_at, ended_at, ending, enqueued FROM delegation WHERE ",
            $rest
        )
    };
}

fn read(row: &Row<'_>) -> Result<Delegated, OutboxError> {
    let claim = match bytes_or_null(row, 8)? {
        None => None,
        Some(id) => Some(Claim {
            id: LeaseEventId::from_bytes(id),
            child: session(row.get(9)?)?,
            at: time(row, 10)?.unwrap_or_default(),
            expires_at: time(row, 11)?,
        }),
    };
    let ended = match (time(row, 12)?, row.get::<_, Option<i64>>(13)?) {
        (Some(at), Some(ending)) => Some((at, Ending::from_number(ending)?)),
        _ => None,
    };
    let idle_ms: Option<i64> = row.get(6)?;
    Ok(Delegated {
        number: row.get(0)?,
        share: ShareId::from_bytes(bytes(row, 1)?),
        of: DelegatedCycle {
            scope: Scope::stored(row.get(2)?),
            parent: session(row.get(3)?)?,
            cycle: Cycle::new(count(row, 4)?),
        },
        under: row.get(5)?,
        idle_max: idle_ms.map(|ms| Duration::from_millis(u64::try_from(ms).unwrap_or(0))),
        at: time(row, 7)?.unwrap_or_default(),
        claim,
        ended,
        enqueued: count(row, 14)?,
    })
}

/// A session's id in a column.
pub(super) fn session(id: String) -> Result<AgentSession, OutboxError> {
    AgentSession::new(id).map_err(|_| OutboxError::Unreadable {
        what: "the id of an agent session",
    })
}

fn all(
    db: &Connection,
    sql: &str,
    key: &[&dyn rusqlite::ToSql],
) -> Result<Vec<Delegated>, OutboxError> {
    let mut statement = db.prepare_cached(sql)?;
    let mut rows = statement.query(key)?;
    let mut found = Vec::new();
    while let Some(row) = rows.next()? {
        found.push(read(row)?);
    }
    Ok(found)
}

/// What of the share is not over, oldest first.
pub(super) fn open(db: &Connection, share: ShareId) -> Result<Vec<Delegated>, OutboxError> {
    all(
        db,
        select!("share = ?1 AND ended_at IS NULL ORDER BY number"),
        &[&share.to_bytes()],
    )
}

/// The shares of which something is not over.
pub(super) fn open_shares(db: &Connection) -> Result<Vec<ShareId>, OutboxError> {
    let mut statement =
        db.prepare_cached("SELECT DISTINCT share FROM delegation WHERE ended_at IS NULL")?;
    let mut rows = statement.query([])?;
    let mut shares = Vec::new();
    while let Some(row) = rows.next()? {
        shares.push(ShareId::from_bytes(bytes(row, 0)?));
    }
    Ok(shares)
}

/// What the session once claimed of the share and is over, newest first.
pub(super) fn past_claims(
    db: &Connection,
    share: ShareId,
    child: &AgentSession,
) -> Result<Vec<Delegated>, OutboxError> {
    all(
        db,
        select!("share = ?1 AND child = ?2 AND ended_at IS NOT NULL ORDER BY number DESC"),
        &[&share.to_bytes(), &child.id()],
    )
}

/// Whether the session ever claimed something of the share.
pub(super) fn has_claimed(
    db: &Connection,
    share: ShareId,
    child: &AgentSession,
) -> Result<bool, OutboxError> {
    let found = db
        .prepare_cached("SELECT 1 FROM delegation WHERE share = ?1 AND child = ?2 LIMIT 1")?
        .query_row(params![share.to_bytes(), child.id()], |_| Ok(()))
        .optional()?;
    Ok(found.is_some())
}

/// Whether the session ever delegated something of the share.
pub(super) fn has_delegated(
    db: &Connection,
    share: ShareId,
    parent: &AgentSession,
) -> Result<bool, OutboxError> {
    let found = db
        .prepare_cached("SELECT 1 FROM delegation WHERE share = ?1 AND parent = ?2 LIMIT 1")?
        .query_row(params![share.to_bytes(), parent.id()], |_| Ok(()))
        .optional()?;
    Ok(found.is_some())
}

/// The newest row of the scope, over or not; of this parent, if one is named.
pub(super) fn newest(
    db: &Connection,
    share: ShareId,
    scope: &Scope,
    parent: Option<&AgentSession>,
) -> Result<Option<Delegated>, OutboxError> {
    let found = all(
        db,
        select!(
            "share = ?1 AND scope = ?2 AND (?3 IS NULL OR parent = ?3) ORDER BY number DESC LIMIT 1"
        ),
        &[
            &share.to_bytes(),
            &scope.as_str(),
            &parent.map(AgentSession::id),
        ],
    )?;
    Ok(found.into_iter().next())
}

/// The row of one cycle.
pub(super) fn of_cycle(
    db: &Connection,
    share: ShareId,
    of: &DelegatedCycle,
) -> Result<Option<Delegated>, OutboxError> {
    let found = all(
        db,
        select!("share = ?1 AND scope = ?2 AND parent = ?3 AND cycle = ?4"),
        &[
            &share.to_bytes(),
            &of.scope.as_str(),
            &of.parent.id(),
            &int(of.cycle.get()),
        ],
    )?;
    Ok(found.into_iter().next())
}

/// The newest cycle of each scope that the parent delegated, oldest first.
pub(super) fn newest_of_parent(
    db: &Connection,
    share: ShareId,
    parent: &AgentSession,
) -> Result<Vec<Delegated>, OutboxError> {
    all(
        db,
        select!(
            "number IN (SELECT max(number) FROM delegation WHERE share = ?1 AND parent = ?2 \
             GROUP BY scope) ORDER BY number"
        ),
        &[&share.to_bytes(), &parent.id()],
    )
}

/// Up to `limit` rows after the one numbered `after`, oldest first.
pub(super) fn after(
    db: &Connection,
    after: u64,
    limit: usize,
) -> Result<Vec<Delegated>, OutboxError> {
    all(
        db,
        select!("number > ?1 ORDER BY number LIMIT ?2"),
        &[&int(after), &int(limit as u64)],
    )
}

/// How many cycles of the share there are.
pub(super) fn cycles(db: &Connection, share: ShareId) -> Result<u64, OutboxError> {
    db.prepare_cached("SELECT count(*) FROM delegation WHERE share = ?1")?
        .query_row([share.to_bytes()], |row| Ok(count(row, 0)))?
}

/// Stores a new row and gives it its number.
pub(super) fn insert(db: &Connection, mut row: Delegated) -> Result<Delegated, OutboxError> {
    let idle_ms = row
        .idle_max
        .map(|idle| u64::try_from(idle.as_millis()).unwrap_or(u64::MAX));
    db.prepare_cached(
        "INSERT INTO delegation (share, scope, parent, cycle, under, idle_ms, delegated_at) \
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
    )?
    .execute(params![
        row.share.to_bytes(),
        row.of.scope.as_str(),
        row.of.parent.id(),
        int(row.of.cycle.get()),
        row.under,
        idle_ms.map(int),
        int(row.at.get()),
    ])?;
    row.number = db.last_insert_rowid();
    Ok(row)
}

/// The first claim of a row.
pub(super) fn set_claim(db: &Connection, number: i64, claim: &Claim) -> Result<(), OutboxError> {
    db.prepare_cached(
        "UPDATE delegation SET claim = ?2, child = ?3, claimed_at = ?4, expires_at = ?5 \
         WHERE number = ?1",
    )?
    .execute(params![
        number,
        claim.id.to_bytes(),
        claim.child.id(),
        int(claim.at.get()),
        claim.expires_at.map(|at| int(at.get())),
    ])?;
    Ok(())
}

/// The claim was used: `ops` more were enqueued under it.
pub(super) fn renew(
    db: &Connection,
    number: i64,
    (expires_at, ops): (Option<UnixMs>, u64),
) -> Result<(), OutboxError> {
    db.prepare_cached(
        "UPDATE delegation SET expires_at = ?2, enqueued = enqueued + ?3 WHERE number = ?1",
    )?
    .execute(params![
        number,
        expires_at.map(|at| int(at.get())),
        int(ops)
    ])?;
    Ok(())
}

/// The cycle is over.
pub(super) fn end(
    db: &Connection,
    number: i64,
    (at, ending): (UnixMs, Ending),
) -> Result<(), OutboxError> {
    db.prepare_cached("UPDATE delegation SET ended_at = ?2, ending = ?3 WHERE number = ?1")?
        .execute(params![number, int(at.get()), ending.number()])?;
    Ok(())
}
