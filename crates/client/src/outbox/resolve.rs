//! What a person decides about an op that was given up, or of which it can't be told whether it was
//! applied: it is sent as a new op, or let go.
//!
//! A decision is one for good: made again it answers the same, and another one is refused. It is
//! recorded in the same transaction as what it brings about, so a crash leaves both or neither.
//!
//! The ops of an atomic group are applied together or not at all, so a decision about one of them
//! is a decision about the whole group: it is sent as a new group, or let go.

use std::collections::HashMap;

use rusqlite::{Connection, params};
use share_model::{
    Cursor, EntryBody, Identity, Limits, OpId, Origin, RejectReason, Seq, ShareId, UnixMs,
};

use super::Outbox;
use super::enqueue::{self, DependsOn, Enqueued, Grouping, NewOp};
use super::error::OutboxError;
use super::lanes::{self, Lane};
use super::lookup;
use super::members;
use super::ops::{self, Group};
use super::outcome::{Failure, Outcome};
use super::progress::RowState;
use super::sql::int;
use super::status::{self, Resolution, Row};

/// Why a decision about an op was not taken. Nothing has changed then.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
#[expect(missing_docs, reason = "the messages name the fields")]
pub enum ResolveError {
    /// The outbox does not hold the op for this share, or not any more.
    #[error("the outbox holds no op {op} of share {share}")]
    NotHeld { share: ShareId, op: OpId },
    /// The op has no outcome yet, so there is nothing to decide.
    #[error(
        "op {op} is {}: it is still tried, and there is nothing to decide before it ends",
        state.name()
    )]
    StillTried { op: OpId, state: RowState },
    /// The op was applied, so there is nothing to decide.
    #[error("op {op} was applied: there is nothing to decide")]
    Applied { op: OpId },
    /// Decided already: the op was sent as a new one.
    #[error("op {op} was sent already, as the new op {replacement}")]
    SentAlready { op: OpId, replacement: OpId },
    /// Decided already: the op was let go.
    #[error(
        "op {op} was let go already: enqueue what it says as a new op if it is wanted after all"
    )]
    DroppedAlready { op: OpId },
    /// A part of the op's atomic group was applied, so it can't be sent as a whole any more.
    #[error(
        "op {op} belongs to an atomic group of which op {applied} was applied: let it go, and \
         enqueue what is missing as a new op"
    )]
    GroupApplied { op: OpId, applied: OpId },
    /// The op's atomic group is bound to a cursor that the share has left behind for good.
    #[error(
        "op {op} belongs to an atomic group for the share's cursor {expected}, which is {actual} by \
         now: look at the share, let the group go, and enqueue it for the cursor that is"
    )]
    CursorPassed {
        op: OpId,
        expected: Cursor,
        actual: Cursor,
    },
    /// The op depends on one about which nobody has decided.
    #[error("op {op} depends on op {dependency}, which is {}: decide that one first", state.name())]
    DependencyUndecided {
        op: OpId,
        dependency: OpId,
        state: RowState,
    },
    /// The op depends on one that was let go, so it can never be applied.
    #[error(
        "op {op} depends on op {dependency}, which was let go: let it go as well, and enqueue what \
         it says as a new op without that dependency"
    )]
    DependencyDropped { op: OpId, dependency: OpId },
    /// The outbox did not take it.
    #[error(transparent)]
    Outbox(#[from] OutboxError),
}

impl Outbox {
    /// Sends an op that was given up, or is in doubt, as a new one: with an id and a place of its
    /// own at the end of the lane, the same mutation and origin. Of an atomic group all ops are sent
    /// as a new group; what is answered is the one that `op` was sent as.
    ///
    /// Dependencies stay; one that was itself sent as a new op becomes a dependency on that.
    ///
    /// Safe to repeat: the new op is enqueued once, and every call answers it.
    ///
    /// # Errors
    ///
    /// If there is nothing to decide, it was decided otherwise, a dependency is to be decided first,
    /// or the outbox takes no more.
    ///
    /// # Cancel safety
    ///
    /// Dropped half-way, the new op may or may not be enqueued; repeating the call finds out.
    pub async fn send_as_new(&self, share: ShareId, op: OpId) -> Result<Enqueued, ResolveError> {
        let options = self.options().clone();
        let decided = self
            .run_in_room(None, move |db| {
                let now = options.clock.now();
                let new_id = || OpId::new(&*options.clock, &*options.entropy);
                rule(send_as_new(
                    db,
                    (share, op),
                    (now, &options.limits),
                    &new_id,
                ))
            })
            .await??;
        self.changed();
        Ok(decided)
    }

    /// Lets an op go that was given up, or is in doubt; of an atomic group, all ops that were not
    /// applied. It is not counted any more, and goes when its retention is over.
    ///
    /// Safe to repeat.
    ///
    /// # Errors
    ///
    /// If there is nothing to decide, it was decided otherwise, or the storage fails.
    ///
    /// # Cancel safety
    ///
    /// Dropped half-way, it may or may not be decided; repeating the call finds out.
    pub async fn drop_op(&self, share: ShareId, op: OpId) -> Result<(), ResolveError> {
        let now = self.options().clock.now();
        self.run(move |db| rule(drop_op(db, (share, op), now)))
            .await?
    }
}

/// A rule says no before anything is written, so there is nothing to take back; a failure of the
/// outbox may come later.
fn rule<T>(decided: Result<T, ResolveError>) -> Result<Result<T, ResolveError>, OutboxError> {
    match decided {
        Err(ResolveError::Outbox(error)) => Err(error),
        decided => Ok(decided),
    }
}

fn send_as_new(
    db: &Connection,
    (share, op): (ShareId, OpId),
    (now, limits): (UnixMs, &Limits),
    new_id: &dyn Fn() -> OpId,
) -> Result<Enqueued, ResolveError> {
    let held = held(db, share, op)?;
    match held.row.resolution {
        Some(Resolution::Dropped) => return Err(ResolveError::DroppedAlready { op }),
        Some(Resolution::SentAsNew(replacement)) => {
            let sent = enqueued(db, share, replacement)?;
            return sent.ok_or(ResolveError::SentAlready { op, replacement });
        }
        None => {}
    }
    let (group, rows) = whole(db, &held)?;
    check_group(op, &rows)?;
    if let Some(group) = group {
        check_cursor(op, group, &rows)?;
    }
    let ids: Vec<OpId> = rows.iter().map(|_| new_id()).collect();
    let Anew { ops, origin } = anew(db, &held.lane, &rows, &ids)?;
    let call = enqueue::Call {
        share,
        ops,
        grouping: group.map_or(Grouping::Loose, |group| Grouping::Atomic {
            expected_cursor: group.expected_cursor,
        }),
        now,
        limits: *limits,
    };
    // A person decides, so no claim of an agent session stands in the way.
    let sent = enqueue::enqueue_for(db, call, origin.as_ref())?;
    for (row, id) in rows.iter().zip(&ids) {
        record(db, &held.lane, row.seq, (Resolution::SentAsNew(*id), now))?;
    }
    let sent = rows.iter().zip(sent).find(|(row, _)| row.op_id == op);
    sent.map(|(_, sent)| sent)
        .ok_or(ResolveError::NotHeld { share, op })
}

fn drop_op(db: &Connection, (share, op): (ShareId, OpId), now: UnixMs) -> Result<(), ResolveError> {
    let held = held(db, share, op)?;
    match held.row.resolution {
        Some(Resolution::Dropped) => return Ok(()),
        Some(Resolution::SentAsNew(replacement)) => {
            return Err(ResolveError::SentAlready { op, replacement });
        }
        None => {}
    }
    if held.row.state == RowState::Settled {
        return Err(ResolveError::Applied { op });
    }
    let (_, rows) = whole(db, &held)?;
    if let Some(row) = rows.iter().find(|row| !row.state.is_final()) {
        let (op, state) = (row.op_id, row.state);
        return Err(ResolveError::StillTried { op, state });
    }
    for row in rows.iter().filter(|row| row.state != RowState::Settled) {
        record(db, &held.lane, row.seq, (Resolution::Dropped, now))?;
    }
    Ok(())
}

/// An op where it is held.
struct Held {
    lane: Lane,
    row: Row,
}

fn held(db: &Connection, share: ShareId, op: OpId) -> Result<Held, ResolveError> {
    lanes::get(db, share)?;
    let not_held = ResolveError::NotHeld { share, op };
    let Some((lane, seq)) = lookup::by_id(db, share, op)? else {
        return Err(not_held);
    };
    let row = status::row_at(db, &lane, seq)?.ok_or(not_held)?;
    Ok(Held { lane, row })
}

/// The ops that are decided together with one: its atomic group, or itself.
fn whole(db: &Connection, held: &Held) -> Result<(Option<Group>, Vec<Row>), ResolveError> {
    let at = held.row.seq;
    let members = members::between(db, held.lane.number, (at, at))?;
    let Some(group) = members.first().and_then(|member| member.group) else {
        return Ok((None, vec![held.row.clone()]));
    };
    let mut rows = Vec::new();
    for member in members::between(db, held.lane.number, (group.first, group.last))? {
        rows.extend(status::row_at(db, &held.lane, member.seq)?);
    }
    Ok((Some(group), rows))
}

/// Whether all of them have ended, and none was applied.
fn check_group(op: OpId, rows: &[Row]) -> Result<(), ResolveError> {
    for row in rows {
        match row.state {
            RowState::DeadLetter | RowState::InDoubt => {}
            RowState::Settled if row.op_id == op => return Err(ResolveError::Applied { op }),
            RowState::Settled => {
                let applied = row.op_id;
                return Err(ResolveError::GroupApplied { op, applied });
            }
            state => {
                let op = row.op_id;
                return Err(ResolveError::StillTried { op, state });
            }
        }
    }
    Ok(())
}

/// Cursors only grow: a group that came too late once comes too late for ever.
fn check_cursor(op: OpId, group: Group, rows: &[Row]) -> Result<(), ResolveError> {
    let Some(expected) = group.expected_cursor else {
        return Ok(());
    };
    for row in rows {
        if let Some(Outcome::DeadLetter(Failure::Rejected(RejectReason::CursorMismatch {
            actual,
            ..
        }))) = row.outcome
            && actual > expected
        {
            return Err(ResolveError::CursorPassed {
                op,
                expected,
                actual,
            });
        }
    }
    Ok(())
}

/// Ops to be enqueued again.
struct Anew {
    ops: Vec<(NewOp, OpId)>,
    /// Whose they are: those of a group were enqueued by one.
    origin: Option<Origin>,
}

/// The same ops, to be enqueued under `ids`.
fn anew(db: &Connection, lane: &Lane, rows: &[Row], ids: &[OpId]) -> Result<Anew, ResolveError> {
    let mut together = HashMap::new();
    let mut origin = None;
    let mut new = Vec::with_capacity(rows.len());
    for (row, id) in rows.iter().zip(ids) {
        let (entry, _) = ops::entry_at(db, lane.number, row.seq)?;
        let identity = entry.identity(lane.outbox());
        let EntryBody::Op(op) = entry.body else {
            return Err(OutboxError::Unreadable { what: "an op" }.into());
        };
        let mut depends_on = Vec::with_capacity(op.depends_on.len());
        for dependency in &op.depends_on {
            let dependency = dependency.resolve(identity.outbox);
            depends_on.push(match together.get(&dependency) {
                Some(id) => DependsOn::Op(*id),
                None => DependsOn::Identity(stands_for(db, lane.share, (op.id, dependency))?),
            });
        }
        together.insert(identity, *id);
        origin = entry.origin;
        let op = NewOp {
            id: Some(*id),
            depends_on,
            mutation: op.mutation,
        };
        new.push((op, *id));
    }
    Ok(Anew { ops: new, origin })
}

/// The identity that stands for a dependency now: of what it was sent as, if it was sent as a new
/// op, else its own.
fn stands_for(
    db: &Connection,
    share: ShareId,
    (op, mut dependency): (OpId, Identity),
) -> Result<Identity, ResolveError> {
    // Of one that is not held any more the server knows.
    let Some((lane, seq)) = lookup::by_identity(db, share, dependency)? else {
        return Ok(dependency);
    };
    let places = lanes::places(db, share)?;
    let mut row = status::row_at(db, &lane, seq)?;
    while let Some(held) = row {
        let id = held.op_id;
        let replacement = match (held.resolution, held.state) {
            (Some(Resolution::Dropped), _) => {
                return Err(ResolveError::DependencyDropped { op, dependency: id });
            }
            (None, state @ (RowState::DeadLetter | RowState::InDoubt)) => {
                return Err(ResolveError::DependencyUndecided {
                    op,
                    dependency: id,
                    state,
                });
            }
            (None, _) => return Ok(dependency),
            (Some(Resolution::SentAsNew(replacement)), _) => replacement,
        };
        let Some((_, identity)) = ops::identity_of(db, &places, replacement)? else {
            let error = OutboxError::UnknownDependency {
                op,
                dependency: replacement,
            };
            return Err(error.into());
        };
        dependency = identity;
        row = match lookup::by_id(db, share, replacement)? {
            None => None,
            Some((lane, seq)) => status::row_at(db, &lane, seq)?,
        };
    }
    Ok(dependency)
}

/// An op that was enqueued before, as its call answered then; its seq may be another by now.
fn enqueued(db: &Connection, share: ShareId, id: OpId) -> Result<Option<Enqueued>, OutboxError> {
    let found = ops::identity_of(db, &lanes::places(db, share)?, id)?;
    Ok(found.map(|(seq, identity)| Enqueued {
        seq,
        id,
        identity,
        coalesced: false,
    }))
}

/// A person has decided.
fn record(
    db: &Connection,
    lane: &Lane,
    at: Seq,
    (resolution, now): (Resolution, UnixMs),
) -> Result<(), OutboxError> {
    let (number, replacement) = match resolution {
        Resolution::SentAsNew(id) => (1, Some(id.to_bytes())),
        Resolution::Dropped => (2, None),
    };
    db.prepare_cached(
        "UPDATE progress SET resolution = ?3, resolved_at = ?4, replacement = ?5 \
         WHERE lane = ?1 AND seq = ?2 AND resolution IS NULL",
    )?
    .execute(params![
        lane.number,
        int(at.get()),
        number,
        int(now.get()),
        replacement
    ])?;
    Ok(())
}
