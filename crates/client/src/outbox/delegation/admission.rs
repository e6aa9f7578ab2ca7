//! Who may enqueue where.

use std::collections::BTreeMap;

use rusqlite::Connection;
use share_model::ShareId;

use super::super::enqueue::{self, Call, Enqueued};
use super::super::error::OutboxError;
use super::super::lanes;
use super::Stamp;
use super::claimed_ops;
use super::error::DelegationError;
use super::open::Open;
use super::session::AgentSession;
use super::table::{self, Delegated};

/// The agent session that enqueues, and by which clock.
#[derive(Debug, Clone)]
pub(in super::super) struct Acting {
    pub(super) session: AgentSession,
    pub(super) stamp: Stamp,
}

impl Acting {
    /// Who enqueues.
    pub(in super::super) fn session(&self) -> &AgentSession {
        &self.session
    }
}

/// Stores all ops of the call, or none: as those of `acting`, if its claims allow each of them.
pub(in super::super) fn enqueue(
    db: &Connection,
    acting: Option<&Acting>,
    call: Call,
) -> Result<Vec<Enqueued>, OutboxError> {
    let Some(Acting { session, stamp }) = acting else {
        return enqueue::enqueue(db, call);
    };
    let share = call.share;
    let open = Open::load(db, stamp, share)?;
    let mut accounts = Vec::with_capacity(call.ops.len());
    for (op, _) in &call.ops {
        accounts.push(admit(&open, session, op.mutation.key())?);
    }
    let enqueued = enqueue::enqueue_for(db, call, Some(session.origin()))?;
    account(&open, share, &accounts, &enqueued)?;
    Ok(enqueued)
}

/// The number of the delegation on whose account the session may append to `key`; `None`: on its
/// own. The rules are those of the module above, in its order.
fn admit(open: &Open<'_>, session: &AgentSession, key: &str) -> Result<Option<i64>, OutboxError> {
    let covering = || open.rows.iter().filter(|row| row.of.scope.covers(key));
    let is_held_of = |row: &&Delegated| row.of.parent == *session && row.claim.is_some();
    if let Some(row) = covering().find(is_held_of) {
        return Err(refused(held_by_another(session, key, row)));
    }
    if let Some(row) = open.held(session, key) {
        return Ok(Some(row.number));
    }
    if table::has_claimed(open.db, open.share, session)? {
        return Err(refused(outside_of_claims(open, session, key)?));
    }
    if table::has_delegated(open.db, open.share, session)? {
        return Ok(None);
    }
    match covering().max_by_key(|row| row.claim.is_some()) {
        Some(row) => Err(refused(held_by_another(session, key, row))),
        None => Ok(None),
    }
}

/// Why a delegated session may not append where it holds nothing.
fn outside_of_claims(
    open: &Open<'_>,
    session: &AgentSession,
    key: &str,
) -> Result<DelegationError, OutboxError> {
    let past = table::past_claims(open.db, open.share, session)?;
    let held = open.rows.iter().rfind(|row| row.is_claimed_by(session));
    let stale = past
        .iter()
        .find(|row| row.of.scope.covers(key))
        .or(past.first().filter(|_| held.is_none()));
    let (session, key) = (session.clone(), key.to_owned());
    match (stale.map(|row| (row, row.ended)), held) {
        (Some((row, Some((_, ending)))), _) => Ok(DelegationError::StaleClaim {
            session,
            key,
            of: row.of.clone(),
            ending,
        }),
        (_, Some(row)) => Ok(DelegationError::OutsideScope {
            session,
            key,
            of: row.of.clone(),
        }),
        _ => Err(OutboxError::Unreadable {
            what: "a claim that is neither over nor held",
        }),
    }
}

/// Why a session may not append to what is delegated and not its own.
fn held_by_another(session: &AgentSession, key: &str, row: &Delegated) -> DelegationError {
    let (session, key, of) = (session.clone(), key.to_owned(), row.of.clone());
    match &row.claim {
        Some(claim) => DelegationError::ScopeHeld {
            session,
            key,
            of,
            holder: claim.child.clone(),
            expires_at: claim.expires_at,
        },
        None => DelegationError::NotClaimed { session, key, of },
    }
}

fn refused(error: DelegationError) -> OutboxError {
    OutboxError::Delegation(Box::new(error))
}

/// Puts what was enqueued on the accounts, one per op; a claim that is used lives on.
fn account(
    open: &Open<'_>,
    share: ShareId,
    accounts: &[Option<i64>],
    enqueued: &[Enqueued],
) -> Result<(), OutboxError> {
    if accounts.iter().all(Option::is_none) {
        return Ok(());
    }
    let lane = lanes::get(open.db, share)?.number;
    let mut used: BTreeMap<i64, u64> = BTreeMap::new();
    for (account, op) in accounts.iter().zip(enqueued) {
        if let Some(number) = account {
            claimed_ops::insert(open.db, (lane, op.seq), *number)?;
            *used.entry(*number).or_default() += 1;
        }
    }
    for row in &open.rows {
        if let Some(ops) = used.get(&row.number) {
            table::renew(open.db, row.number, (row.expiry(open.stamp.now()), *ops))?;
        }
    }
    Ok(())
}
