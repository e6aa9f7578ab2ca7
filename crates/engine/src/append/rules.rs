//! Rules 1 to 5: what becomes of each op of a batch that passed as a whole (`docs/design.md` §3).

use std::collections::BTreeSet;

use share_model::{Cursor, EntryBody, Identity, Op, OpOutcome, OutboxId, RejectReason, planted};

use super::Target;
use super::place::Place;
use crate::lane::Kept;
use crate::ledger::Standing;
use crate::log_answers::LogAnswers;
use crate::record::{Recorded, RecordedEntry};
use crate::state::ShareState;

/// A batch being executed.
pub(super) struct Run<'a> {
    pub(super) state: &'a mut ShareState,
    target: Target,
    log: &'a LogAnswers,
    outcomes: Vec<OpOutcome>,
    entries: Vec<RecordedEntry>,
}

/// What rules 1 and 2 make of an entry.
pub(super) enum Judgement<'a> {
    /// Rule 1: recorded with this outcome; nothing new.
    Again(OpOutcome),
    /// Rule 2: known under its identity; or an abandonment. To be recorded.
    Known(OpOutcome, Recorded),
    /// Neither applied nor given up so far.
    Fresh(&'a Op),
}

impl<'a> Run<'a> {
    pub(super) fn new(
        state: &'a mut ShareState,
        target: Target,
        log: &'a LogAnswers,
        places: usize,
    ) -> Self {
        Self {
            state,
            target,
            log,
            outcomes: Vec::with_capacity(places),
            entries: Vec::with_capacity(places),
        }
    }

    /// The outcomes in the order of the batch, and the entries that are new.
    pub(super) fn finish(mut self) -> (Vec<OpOutcome>, Vec<RecordedEntry>) {
        if planted!("outcome-order-swapped") {
            let is_rejected = |outcome: &OpOutcome| matches!(outcome, OpOutcome::Rejected(_));
            self.outcomes.sort_by_key(is_rejected);
        }
        (self.outcomes, self.entries)
    }

    /// A batch that is not atomic: each op for itself.
    pub(super) fn each(&mut self, places: &[Place<'_>]) {
        let alone = BTreeSet::new();
        for place in places {
            match self.judge(place) {
                Judgement::Again(outcome) => {
                    if let EntryBody::Op(op) = &place.entry.body
                        && planted!("append-twice-on-retry")
                    {
                        let _ = self.try_op(op, place, &alone);
                    }
                    self.outcomes.push(outcome);
                }
                Judgement::Known(outcome, recorded) => self.record(place, outcome, recorded),
                Judgement::Fresh(op) => match self.try_op(op, place, &alone) {
                    Ok(()) => self.record_applied(place, op),
                    Err(reason) => self.reject(place, reason),
                },
            }
        }
    }

    /// Rules 1 and 2.
    pub(super) fn judge<'p>(&self, place: &Place<'p>) -> Judgement<'p> {
        let ledger = &self.state.head.ledger;
        let known = ledger
            .lane(self.target.outbox)
            .and_then(|lane| lane.entry(place.seq()));
        match known.map(|entry| entry.outcome) {
            Some(Kept::Applied(cursor) | Kept::Duplicate(cursor)) => {
                return Judgement::Again(OpOutcome::Duplicate(cursor));
            }
            Some(Kept::InDoubt) => return Judgement::Again(OpOutcome::InDoubt),
            Some(Kept::Abandoned) => return Judgement::Again(OpOutcome::Abandoned),
            Some(Kept::Hole) | None => {}
        }
        if place.seq() <= self.target.floor_before && planted!("settled-answered-duplicate") {
            return Judgement::Again(OpOutcome::Duplicate(self.state.head.cursor));
        }
        let mut standing = ledger.standing(&place.identity, self.log);
        if place.entry.was.is_none()
            && standing != Standing::NotApplied
            && planted!("requeue-memory-not-checked")
        {
            standing = Standing::NotApplied;
        }
        match (standing, &place.entry.body) {
            (Standing::Applied(at), _) => {
                Judgement::Known(OpOutcome::Duplicate(at), Recorded::Duplicate(at))
            }
            (Standing::Unknown, _) => Judgement::Known(OpOutcome::InDoubt, Recorded::InDoubt),
            (Standing::Abandoned, EntryBody::Op(_)) => Judgement::Known(
                OpOutcome::Rejected(RejectReason::Abandoned),
                Recorded::Rejected,
            ),
            (Standing::Abandoned | Standing::NotApplied, EntryBody::Abandon(_)) => {
                Judgement::Known(OpOutcome::Abandoned, Recorded::Abandoned)
            }
            (Standing::NotApplied, EntryBody::Op(op)) => Judgement::Fresh(op),
        }
    }

    /// Rules 3, 4 and 5, as far as the document is concerned. `group` are the identities that were
    /// applied earlier in the same atomic group, and are not yet in the ledger.
    pub(super) fn try_op(
        &mut self,
        op: &Op,
        place: &Place<'_>,
        group: &BTreeSet<Identity>,
    ) -> Result<(), RejectReason> {
        if let Some(reason) = self.missing_dependency(op, place.identity.outbox, group) {
            return Err(reason);
        }
        let state = &mut *self.state;
        let look = place.look.unwrap_or_else(|| op.mutation.look());
        state
            .document
            .apply_looked(&op.mutation, look, &state.limits)
            .map_err(RejectReason::InvalidMutation)
    }

    /// Rule 3. Of several dependencies that are not applied, one that never will be counts first,
    /// so that the client does not wait for another one in vain.
    fn missing_dependency(
        &self,
        op: &Op,
        first_lane: OutboxId,
        group: &BTreeSet<Identity>,
    ) -> Option<RejectReason> {
        let (mut missing, mut unknown) = (None, None);
        for dependency in &op.depends_on {
            let identity = dependency.resolve(first_lane);
            if group.contains(&identity) {
                continue;
            }
            match self.state.head.ledger.standing(&identity, self.log) {
                Standing::Applied(_) => {}
                Standing::Abandoned if planted!("dependency-on-abandoned-met") => {}
                Standing::NotApplied if planted!("dependencies-not-checked") => {}
                Standing::Abandoned => return Some(RejectReason::DependencyAbandoned(identity)),
                Standing::Unknown => {
                    unknown.get_or_insert(RejectReason::DependencyUnknown(identity));
                }
                Standing::NotApplied => {
                    missing.get_or_insert(RejectReason::DependencyMissing(identity));
                }
            }
        }
        unknown.or(missing)
    }

    /// Rule 5: the document has the op; cursor, ledger and record get it.
    pub(super) fn record_applied(&mut self, place: &Place<'_>, op: &Op) {
        let cursor = self.state.head.cursor.next();
        self.state.head.cursor = cursor;
        self.state.count_bytes(op, place.entry.origin.as_ref());
        let recorded = Recorded::new_applied(op.clone(), place.entry.origin.clone());
        let mut told = cursor;
        if planted!("cursor-skips") {
            let before = self.outcomes.len() as u64;
            told = Cursor::new(self.target.cursor_before.get() + before + 1);
        }
        self.record(place, OpOutcome::Applied(told), recorded);
    }

    pub(super) fn reject(&mut self, place: &Place<'_>, reason: RejectReason) {
        self.record(place, OpOutcome::Rejected(reason), Recorded::Rejected);
    }

    /// The identity that an op would have if the lane in which it is sent were its first.
    pub(super) fn identity_here(&self, place: &Place<'_>) -> Identity {
        Identity {
            outbox: self.target.outbox,
            seq: place.seq(),
            fingerprint: place.identity.fingerprint,
        }
    }

    pub(super) fn answer_again(&mut self, outcome: OpOutcome) {
        self.outcomes.push(outcome);
    }

    /// Records a new outcome; a hole that stays a hole is none.
    pub(super) fn record(&mut self, place: &Place<'_>, outcome: OpOutcome, recorded: Recorded) {
        self.outcomes.push(outcome);
        let target = &self.target;
        let ledger = &mut self.state.head.ledger;
        let is_known = ledger
            .lane(target.outbox)
            .is_some_and(|lane| place.seq() <= lane.highest());
        if is_known && recorded == Recorded::Rejected {
            return;
        }
        let entry = RecordedEntry {
            seq: place.seq(),
            was: place.entry.was,
            fingerprint: place.identity.fingerprint,
            outcome: recorded,
        };
        ledger
            .set_number(target.outbox, target.writer)
            .and_then(|()| {
                ledger.record(
                    target.outbox,
                    target.subtree,
                    &entry,
                    self.state.head.cursor,
                )
            })
            .expect("the batch was checked against this lane");
        self.entries.push(entry);
    }
}
