//! Enqueueing: an op gets its seq, fingerprint and chain, and is durable with them.

use std::collections::HashMap;

use rusqlite::Connection;
use share_model::{
    Cursor, Dependency, Entry, EntryBody, Fingerprint, Identity, Limits, Mutation, Op, OpId,
    Origin, Seq, ShareId, UnixMs,
};

use super::admission::{check_group, check_op, ends};
use super::error::OutboxError;
use super::lanes::{self, Place, Tail};
use super::ops::{self, Group, NewRow};
use super::stop::ends_with_a_ref;

/// An op to enqueue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewOp {
    /// The op's id, so that others can name it; `None`: the outbox gives one.
    pub id: Option<OpId>,
    /// What must be applied before.
    pub depends_on: Vec<DependsOn>,
    /// What changes.
    pub mutation: Mutation,
}

impl NewOp {
    /// An op without dependencies, whose id the outbox gives.
    pub fn of(mutation: Mutation) -> Self {
        Self {
            id: None,
            depends_on: Vec::new(),
            mutation,
        }
    }
}

/// An op that must be applied before another one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DependsOn {
    /// One that this outbox holds for the same share, an earlier one of the same call included.
    Op(OpId),
    /// One of any outbox.
    Identity(Identity),
}

/// How the ops of one call belong together. They become durable together in any case.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Grouping {
    /// Each is applied or rejected by itself.
    #[default]
    Loose,
    /// All are applied, or none is.
    Atomic {
        /// Applied only if the share's cursor is this one.
        expected_cursor: Option<Cursor>,
    },
}

/// An op that is durable in the outbox.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Enqueued {
    /// Its seq in the outbox's lane of the share.
    pub seq: Seq,
    /// Its id.
    pub id: OpId,
    /// What other outboxes depend on it by.
    pub identity: Identity,
    /// The op stands for several calls that waited for the same commit, this one among them: seq, id
    /// and identity are the same for all of them.
    pub coalesced: bool,
}

/// What a call enqueues.
#[derive(Debug, Clone)]
pub(super) struct Call {
    pub(super) share: ShareId,
    /// Each with the id that it gets if it has none.
    pub(super) ops: Vec<(NewOp, OpId)>,
    pub(super) grouping: Grouping,
    pub(super) now: UnixMs,
    /// For a share that has not told its limits.
    pub(super) limits: Limits,
}

/// Stores all ops of the call, or none.
pub(super) fn enqueue(db: &Connection, call: Call) -> Result<Vec<Enqueued>, OutboxError> {
    enqueue_for(db, call, None)
}

/// Stores all ops of the call as those of `origin`, or none.
pub(super) fn enqueue_for(
    db: &Connection,
    call: Call,
    origin: Option<&Origin>,
) -> Result<Vec<Enqueued>, OutboxError> {
    let mut lane = lanes::tail(db, call.share)?;
    if lane.stop_code.is_some_and(|code| !ends_with_a_ref(code)) {
        return Err(OutboxError::ShareGone { share: call.share });
    }
    let limits = lane.limits.unwrap_or(call.limits);
    let mut rows = Vec::with_capacity(call.ops.len());
    // An id that the outbox has just made is nobody's: only for others the rows are looked at.
    let names_ops = |(new, _): &(NewOp, OpId)| new.id.is_some() || !new.depends_on.is_empty();
    let mut known = Known {
        places: match call.ops.iter().any(names_ops) {
            true => lanes::places(db, call.share)?,
            false => Vec::new(),
        },
        of_call: HashMap::new(),
    };
    for (new, id) in call.ops {
        check_op(&new, id, origin, &limits)?;
        if new.id.is_some()
            && let Some((seq, _)) = ops::identity_of(db, &known.places, id)?
        {
            return Err(OutboxError::OpIdTaken { op: id, seq });
        }
        let mut row = next_row(db, &mut lane, &known, (new, id), call.now)?;
        row.entry.origin = origin.cloned();
        row.mutation_bytes = row.entry.bytes();
        let identity = Identity {
            outbox: lane.outbox,
            seq: row.entry.seq,
            fingerprint: row.fingerprint,
        };
        if known.of_call.insert(id, identity).is_some() {
            return Err(OutboxError::OpIdTaken {
                op: id,
                seq: row.entry.seq,
            });
        }
        rows.push(row);
    }
    if let Grouping::Atomic { expected_cursor } = call.grouping {
        let (first, last) = ends(&rows).ok_or(OutboxError::EmptyGroup { expected_cursor })?;
        check_group(&rows, &limits)?;
        for row in &mut rows {
            row.group = Some(Group {
                first,
                last,
                expected_cursor,
            });
        }
    }
    for row in &rows {
        ops::insert(db, lane.number, row)?;
    }
    lanes::set_tail(db, lane.number, (lane.next_seq, lane.chain))?;
    let outbox = lane.outbox;
    let enqueued = rows.iter().map(|row| Enqueued {
        seq: row.entry.seq,
        id: row.op_id,
        identity: Identity {
            outbox,
            seq: row.entry.seq,
            fingerprint: row.fingerprint,
        },
        coalesced: false,
    });
    Ok(enqueued.collect())
}

/// Which ops there are.
struct Known {
    /// Empty if the call names none.
    places: Vec<Place>,
    /// Earlier ops of the same call.
    of_call: HashMap<OpId, Identity>,
}

impl Known {
    fn identity_of(&self, db: &Connection, id: OpId) -> Result<Option<Identity>, OutboxError> {
        if let Some(identity) = self.of_call.get(&id) {
            return Ok(Some(*identity));
        }
        let found = ops::identity_of(db, &self.places, id)?;
        Ok(found.map(|(_, identity)| identity))
    }
}

fn next_row(
    db: &Connection,
    lane: &mut Tail,
    known: &Known,
    (new, id): (NewOp, OpId),
    now: UnixMs,
) -> Result<NewRow, OutboxError> {
    let seq = lane.next_seq;
    let mut depends_on = Vec::with_capacity(new.depends_on.len());
    for dependency in new.depends_on {
        depends_on.push(resolve(db, lane, known, (id, dependency))?);
    }
    let mutation_bytes = new.mutation.bytes() as u64;
    let op = Op {
        id,
        depends_on,
        mutation: new.mutation,
    };
    let fingerprint = Fingerprint::of(&op, lane.outbox);
    lane.chain = lane.chain.then(fingerprint);
    lane.next_seq = seq.next();
    Ok(NewRow {
        op_id: id,
        fingerprint,
        chain: lane.chain,
        mutation_bytes,
        group: None,
        enqueued_at: now,
        entry: Entry {
            seq,
            was: None,
            body: EntryBody::Op(op),
            origin: None,
        },
    })
}

fn resolve(
    db: &Connection,
    lane: &Tail,
    known: &Known,
    (op, dependency): (OpId, DependsOn),
) -> Result<Dependency, OutboxError> {
    let seq = lane.next_seq;
    match dependency {
        DependsOn::Op(id) if id == op => Err(OutboxError::LaterDependency {
            op,
            seq,
            dependency: seq,
        }),
        DependsOn::Op(id) => {
            let found = known.identity_of(db, id)?;
            let identity = found.ok_or(OutboxError::UnknownDependency { op, dependency: id })?;
            Ok(Dependency {
                // What was first enqueued in an earlier lane is named by that lane.
                outbox: (identity.outbox != lane.outbox).then_some(identity.outbox),
                seq: identity.seq,
                fingerprint: identity.fingerprint,
            })
        }
        DependsOn::Identity(identity) => {
            let own = identity.outbox == lane.outbox;
            if own && identity.seq >= seq {
                return Err(OutboxError::LaterDependency {
                    op,
                    seq,
                    dependency: identity.seq,
                });
            }
            Ok(Dependency {
                outbox: (!own).then_some(identity.outbox),
                seq: identity.seq,
                fingerprint: identity.fingerprint,
            })
        }
    }
}
