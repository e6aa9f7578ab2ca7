//! The steps of a delegation's life. Each is one transaction: it is done as a whole and recorded, or
//! it is refused and the leases stay as they were, but for claims that had run out.

use std::time::Duration;

use rusqlite::Connection;
use share_model::{Cycle, ShareId};

use super::super::error::OutboxError;
use super::super::lanes;
use super::error::{DelegatedCycle, DelegationError};
use super::event::{self, LeaseEventKind, NewEvent};
use super::open::Open;
use super::scope::Scope;
use super::session::AgentSession;
use super::table::{self, Claim, Delegated, Ending};
use super::{Acting, Gone};

/// A share's delegations that are not over.
const OPEN_MAX: u64 = 1024;
/// A share's delegated cycles, over or not.
const CYCLES_MAX: u64 = 65_536;

/// What a step came to. A refusal is no failure of its transaction: what it records stays.
pub(super) type Step<T> = Result<Result<T, DelegationError>, OutboxError>;

/// Where a session stands, in every step: who, on which share.
#[derive(Debug, Clone, Copy)]
pub(super) struct At<'a> {
    pub(super) db: &'a Connection,
    pub(super) acting: &'a Acting,
    pub(super) share: ShareId,
}

impl<'a> At<'a> {
    fn open(&self) -> Result<Open<'a>, OutboxError> {
        // Names the share if the outbox does not know it.
        lanes::get(self.db, self.share)?;
        Open::load(self.db, &self.acting.stamp, self.share)
    }

    fn session(&self) -> &'a AgentSession {
        &self.acting.session
    }

    fn newest(
        &self,
        scope: &Scope,
        parent: Option<&AgentSession>,
    ) -> Result<Option<Delegated>, OutboxError> {
        table::newest(self.db, self.share, scope, parent)
    }

    /// The row as it is now.
    fn again(&self, of: &DelegatedCycle) -> Result<Delegated, OutboxError> {
        let row = table::of_cycle(self.db, self.share, of)?;
        row.ok_or(OutboxError::Unreadable {
            what: "a delegation that was just written",
        })
    }

    fn record(&self, number: i64, kind: LeaseEventKind) -> Result<(), OutboxError> {
        let event = NewEvent::of(kind, Some(self.session()));
        event::insert(self.db, &self.acting.stamp, number, event)?;
        Ok(())
    }
}

/// The session delegates a scope for the next cycle, or for the one numbered `cycle`.
pub(super) fn delegate(
    at: At<'_>,
    scope: &Scope,
    (cycle, idle_max): (Option<Cycle>, Option<Duration>),
) -> Step<Delegated> {
    let session = at.session();
    let mut open = at.open()?;
    let newest = at.newest(scope, Some(session))?;
    let current = newest.as_ref().map_or(Cycle::ZERO, |row| row.of.cycle);
    let next = cycle.unwrap_or(current.next());
    if let Some(row) = newest.filter(|row| row.of.cycle == next) {
        // Said again: the caller did not hear that it was done.
        return Ok(match row.ended {
            None => Ok(row),
            Some((_, ending)) => Err(DelegationError::CycleOver { of: row.of, ending }),
        });
    }
    if next <= current {
        return Ok(Err(DelegationError::CycleBehind {
            scope: scope.clone(),
            asked: next,
            current,
        }));
    }
    let under = open.held_scope(session, scope).map(|row| row.number);
    if let Err(error) = check_room(&at, &open, (scope, under))? {
        return Ok(Err(error));
    }
    let earlier = open.number_of(|row| row.of.parent == *session && row.of.scope == *scope);
    if let Some(earlier) = earlier {
        open.end(earlier, Ending::Superseded, Some(session))?;
    }
    let row = table::insert(
        at.db,
        Delegated {
            number: 0,
            share: at.share,
            of: DelegatedCycle {
                scope: scope.clone(),
                parent: session.clone(),
                cycle: next,
            },
            under,
            idle_max,
            at: at.acting.stamp.now(),
            claim: None,
            ended: None,
            enqueued: 0,
        },
    )?;
    at.record(row.number, LeaseEventKind::Delegated)?;
    Ok(Ok(row))
}

/// Whether the session may delegate the scope at all.
fn check_room(
    at: &At<'_>,
    open: &Open<'_>,
    (scope, under): (&Scope, Option<i64>),
) -> Result<Result<(), DelegationError>, OutboxError> {
    let session = at.session();
    if under.is_none() && table::has_claimed(at.db, at.share, session)? {
        return Ok(Err(DelegationError::NotHeld {
            session: session.clone(),
            scope: scope.clone(),
        }));
    }
    let own = open.rows.iter().filter(|row| row.of.parent == *session);
    let mut others = own.filter(|row| row.of.scope != *scope);
    if let Some(other) = others.find(|row| row.of.scope.overlaps(scope)) {
        return Ok(Err(DelegationError::Overlaps {
            scope: scope.clone(),
            with: other.of.clone(),
        }));
    }
    if open.rows.len() as u64 >= OPEN_MAX {
        return Ok(Err(DelegationError::TooManyOpen { max: OPEN_MAX }));
    }
    if table::cycles(at.db, at.share)? >= CYCLES_MAX {
        return Ok(Err(DelegationError::TooManyCycles { max: CYCLES_MAX }));
    }
    Ok(Ok(()))
}

/// The session claims a scope that was delegated, by `parent` if one is named.
pub(super) fn claim(at: At<'_>, scope: &Scope, parent: Option<&AgentSession>) -> Step<Delegated> {
    let session = at.session();
    let open = at.open()?;
    let is_meant = |row: &&Delegated| {
        row.of.scope == *scope && parent.is_none_or(|parent| row.of.parent == *parent)
    };
    let meant: Vec<&Delegated> = open.rows.iter().filter(is_meant).collect();
    if let Some(row) = meant.iter().find(|row| row.is_claimed_by(session)) {
        let expires_at = row.expiry(at.acting.stamp.now());
        table::renew(at.db, row.number, (expires_at, 0))?;
        at.record(row.number, LeaseEventKind::ClaimedAgain)?;
        return Ok(Ok(at.again(&row.of)?));
    }
    let (own, others): (Vec<&Delegated>, Vec<&Delegated>) = meant
        .into_iter()
        .partition(|row| open.comes_from(row, session));
    let free: Vec<_> = others.iter().filter(|row| row.claim.is_none()).collect();
    match (free.as_slice(), own.first()) {
        ([row], _) => {
            first_claim(&at, row)?;
            Ok(Ok(at.again(&row.of)?))
        }
        ([], Some(own)) if others.is_empty() => Ok(Err(DelegationError::OwnDelegation {
            session: session.clone(),
            of: own.of.clone(),
        })),
        ([], _) => refuse_claim(&at, &others, (scope, parent)),
        (several, _) => Ok(Err(DelegationError::SeveralParents {
            scope: scope.clone(),
            parents: several.iter().map(|row| row.of.parent.clone()).collect(),
        })),
    }
}

fn first_claim(at: &At<'_>, row: &Delegated) -> Result<(), OutboxError> {
    let (session, stamp) = (at.session(), &at.acting.stamp);
    let event = NewEvent::of(LeaseEventKind::Claimed, Some(session));
    let id = event::insert(at.db, stamp, row.number, event)?;
    let claim = Claim {
        id,
        child: session.clone(),
        at: stamp.now(),
        expires_at: row.expiry(stamp.now()),
    };
    table::set_claim(at.db, row.number, &claim)
}

/// There is nothing for the session to claim.
fn refuse_claim(
    at: &At<'_>,
    taken: &[&Delegated],
    (scope, parent): (&Scope, Option<&AgentSession>),
) -> Step<Delegated> {
    if let Some(row) = taken.first() {
        at.record(row.number, LeaseEventKind::ClaimRefused)?;
        let holder = row.child().unwrap_or(&row.of.parent).clone();
        let of = row.of.clone();
        return Ok(Err(DelegationError::Taken { of, holder }));
    }
    match at.newest(scope, parent)? {
        Some(Delegated {
            number,
            of,
            ended: Some((_, ending)),
            ..
        }) => {
            at.record(number, LeaseEventKind::ClaimRefused)?;
            Ok(Err(DelegationError::CycleOver { of, ending }))
        }
        _ => Ok(Err(DelegationError::NotDelegated {
            scope: scope.clone(),
        })),
    }
}

/// The session is done with what it claimed of the scope. Its claim that ended before, however it
/// did, is answered as it is: done is done.
pub(super) fn release(at: At<'_>, scope: &Scope) -> Step<Delegated> {
    let session = at.session();
    let mut open = at.open()?;
    let is_held = |row: &Delegated| row.of.scope == *scope && row.is_claimed_by(session);
    while let Some(number) = open.number_of(is_held) {
        open.end(number, Ending::Released, Some(session))?;
    }
    let past = table::past_claims(at.db, at.share, session)?;
    let released = past.into_iter().find(|row| row.of.scope == *scope);
    Ok(released.ok_or_else(|| DelegationError::NeverClaimed {
        session: session.clone(),
        scope: scope.clone(),
    }))
}

/// The session takes back what it delegated of the scope, claimed or not. What was over is answered
/// as it is.
pub(super) fn revoke(at: At<'_>, scope: &Scope) -> Step<Delegated> {
    let session = at.session();
    let mut open = at.open()?;
    let is_own = |row: &Delegated| row.of.scope == *scope && row.of.parent == *session;
    while let Some(number) = open.number_of(is_own) {
        open.end(number, Ending::Revoked, Some(session))?;
    }
    let newest = at.newest(scope, Some(session))?;
    Ok(newest.ok_or_else(|| DelegationError::NeverDelegated {
        session: session.clone(),
        scope: scope.clone(),
    }))
}

/// The session looks at what became of its delegations: the newest cycle of each scope. Claims of
/// sessions that are gone end.
pub(super) fn reconcile(at: At<'_>, gone: &Gone) -> Result<Vec<Delegated>, OutboxError> {
    let session = at.session();
    let mut open = at.open()?;
    let is_gone = |row: &Delegated| {
        row.of.parent == *session && row.child().is_some_and(|child| gone.names(child))
    };
    while let Some(number) = open.number_of(is_gone) {
        open.end(number, Ending::SessionGone, Some(session))?;
    }
    table::newest_of_parent(at.db, at.share, session)
}
