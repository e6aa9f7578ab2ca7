//! Coalescing: enqueues that wait for the same group commit become one op, where what comes of the
//! document is the same.
//!
//! A durable row never changes: only calls that no one was answered yet merge, and they are answered
//! together. Only neighbours do, so that ops keep their order: an op of the same share in between
//! keeps them apart. At a limit of the share that only its server can see, as the document's size,
//! merged calls are rejected together.

use std::sync::Arc;

use rusqlite::Connection;
use share_model::{Limits, Mutation, Origin, ShareId};

use super::admission::check_op;
use super::delegation::{self, Acting, AgentSession};
use super::enqueue::{Call, Enqueued, Grouping, NewOp};
use super::error::OutboxError;
use super::lanes;

/// A call that may merge with its neighbours: of one op, loose, without an id or dependencies.
#[derive(Debug, Clone)]
pub(super) struct Single {
    acting: Option<Acting>,
    call: Call,
}

/// What became of a run of calls.
#[derive(Debug, Default)]
pub(super) struct Coalesced {
    /// Of each call, in their order.
    pub(super) answers: Vec<Result<Enqueued, OutboxError>>,
    /// Calls that have no op of their own.
    pub(super) merged: u64,
}

impl Single {
    /// Whether a call of these ops may merge.
    pub(super) fn may_be(ops: &[NewOp], grouping: Grouping) -> bool {
        let [op] = ops else {
            return false;
        };
        let is_free = op.id.is_none() && op.depends_on.is_empty();
        // Of the others none has a neighbour that it could merge with.
        let is_put_or_text = matches!(
            op.mutation,
            Mutation::Put { .. } | Mutation::AppendText { .. }
        );
        is_free && is_put_or_text && grouping == Grouping::Loose
    }

    /// A call that [`Single::may_be`] one.
    pub(super) fn of(acting: Option<Acting>, call: Call) -> Self {
        Self { acting, call }
    }

    fn session(&self) -> Option<&AgentSession> {
        self.acting.as_ref().map(Acting::session)
    }

    /// What its op carries.
    fn origin(&self) -> Option<&Origin> {
        self.session().map(AgentSession::origin)
    }

    fn op(&self) -> Option<&NewOp> {
        self.call.ops.first().map(|(op, _)| op)
    }

    pub(super) fn share(&self) -> ShareId {
        self.call.share
    }

    /// Whether this call and the one right before it in its share may be one op.
    pub(super) fn may_follow(&self, before: &Self) -> bool {
        let mutations = before.op().zip(self.op());
        self.session() == before.session()
            && self.call.share == before.call.share
            && mutations.is_some_and(|(before, this)| is_alike(&before.mutation, &this.mutation))
    }

    /// By itself.
    fn enqueue(&self, db: &Connection) -> Result<Enqueued, OutboxError> {
        let enqueued = delegation::enqueue(db, self.acting.as_ref(), self.call.clone())?;
        enqueued.into_iter().next().ok_or(OutboxError::Closed)
    }
}

/// Enqueues neighbours, each of which may follow the one before it, as few ops. Each is checked by
/// itself, so that one that is refused is refused alone. An error means all of them, and that nothing
/// may be kept of what was done.
pub(super) fn enqueue(db: &Connection, run: &[&Single]) -> Result<Coalesced, OutboxError> {
    let mut done = Coalesced::default();
    if let [only] = run {
        done.answers.push(Ok(only.enqueue(db)?));
        return Ok(done);
    }
    let mut merging: Option<Merging> = None;
    for single in run {
        let limits = limits(db, &single.call)?;
        let Some((op, id)) = single.call.ops.first() else {
            return Err(OutboxError::Closed);
        };
        if let Err(error) = check_op(op, *id, single.origin(), &limits) {
            done.answers.push(Err(error));
            continue;
        }
        let at = done.answers.len();
        // Stands for an answer that comes with the op's own.
        done.answers.push(Err(OutboxError::Closed));
        if let Some(op) = &mut merging
            && op.takes(single, &limits)
        {
            op.calls.push(at);
        } else if let Some(whole) = merging.replace(Merging::of(single, at)) {
            whole.end(db, &mut done)?;
        }
    }
    if let Some(whole) = merging {
        whole.end(db, &mut done)?;
    }
    Ok(done)
}

fn limits(db: &Connection, call: &Call) -> Result<Limits, OutboxError> {
    match lanes::tail(db, call.share) {
        Ok(lane) => Ok(lane.limits.unwrap_or(call.limits)),
        Err(OutboxError::UnknownShare { .. }) => Ok(call.limits),
        Err(error) => Err(error),
    }
}

/// An op that stands for several calls.
struct Merging {
    op: Single,
    /// The calls, by their place in the run.
    calls: Vec<usize>,
}

impl Merging {
    fn of(first: &Single, at: usize) -> Self {
        Self {
            op: first.clone(),
            calls: vec![at],
        }
    }

    /// Takes the call's op in, if the whole is still one that the share could apply.
    fn takes(&mut self, next: &Single, limits: &Limits) -> bool {
        let origin = next.origin();
        let Some(((whole, id), next)) = self.op.call.ops.first_mut().zip(next.op()) else {
            return false;
        };
        let Some(undo) = merge(&mut whole.mutation, &next.mutation) else {
            return false;
        };
        let fits = check_op(whole, *id, origin, limits).is_ok();
        if !fits {
            undo.undo(&mut whole.mutation);
        }
        fits
    }

    fn end(self, db: &Connection, done: &mut Coalesced) -> Result<(), OutboxError> {
        let enqueued = Enqueued {
            coalesced: self.calls.len() > 1,
            ..self.op.enqueue(db)?
        };
        done.merged += self.calls.len().saturating_sub(1) as u64;
        for at in self.calls {
            if let Some(answer) = done.answers.get_mut(at) {
                *answer = Ok(enqueued);
            }
        }
        Ok(())
    }
}

/// Whether one mutation can do what these two do, one right after the other.
fn is_alike(first: &Mutation, second: &Mutation) -> bool {
    match (first, second) {
        (Mutation::Put { key, .. }, Mutation::Put { key: other, .. }) => key == other,
        (
            Mutation::AppendText { key, pointer, .. },
            Mutation::AppendText {
                key: other_key,
                pointer: other_pointer,
                ..
            },
        ) => (key, pointer) == (other_key, other_pointer),
        _ => false,
    }
}

/// What makes a merge undone: the text before.
struct Undo(Arc<str>);

impl Undo {
    fn undo(self, mutation: &mut Mutation) {
        if let Mutation::Put { json: text, .. } | Mutation::AppendText { text, .. } = mutation {
            *text = self.0;
        }
    }
}

/// Makes `first` do what `first` and then `second` do; `None`, and nothing is changed, if no one
/// mutation does.
fn merge(first: &mut Mutation, second: &Mutation) -> Option<Undo> {
    if !is_alike(first, second) {
        return None;
    }
    match (first, second) {
        (Mutation::Put { json, .. }, Mutation::Put { json: later, .. }) => {
            Some(Undo(std::mem::replace(json, Arc::clone(later))))
        }
        (Mutation::AppendText { text, .. }, Mutation::AppendText { text: more, .. }) => {
            let both = [&**text, more].concat();
            Some(Undo(std::mem::replace(text, both.into())))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests;
