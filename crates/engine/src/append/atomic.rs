//! Atomic groups: all ops are applied, or none is (`docs/design.md` §3).

use std::collections::BTreeSet;

use share_model::{Cursor, Identity, Op, OpOutcome, RejectReason, StoredValue, planted};

use super::place::Place;
use super::rules::{Judgement, Run};

/// How far a group came in the document; the ledger hears of it only when all of it is in.
#[derive(Default)]
struct Attempt<'a> {
    /// What the document held before each op that was applied, in order.
    undo: Vec<(&'a str, Option<StoredValue>)>,
    /// The identities applied so far.
    applied: BTreeSet<Identity>,
}

/// Why a group was not applied.
enum Failed {
    /// An op of it can't be applied any more, or that can't be told.
    Group,
    /// Compare-and-append.
    Cursor { expected: Cursor, actual: Cursor },
    /// An op of it, by its place in the batch.
    Op { at: usize, reason: RejectReason },
}

impl Failed {
    /// What the op at this place of the batch is told.
    fn reason(&self, place: usize) -> RejectReason {
        match self {
            Self::Op { at, reason } if *at == place => reason.clone(),
            Self::Op { .. } | Self::Group => RejectReason::AtomicGroupFailed,
            Self::Cursor { expected, actual } => RejectReason::CursorMismatch {
                expected: *expected,
                actual: *actual,
            },
        }
    }
}

impl Run<'_> {
    /// Applies the group as a whole, or leaves a hole for each of its ops. Ops that are known as
    /// applied count as applied: a group that is repeated answers duplicates, whatever the cursor.
    pub(super) fn group(&mut self, places: &[Place<'_>], expected: Option<Cursor>) {
        let judgements: Vec<_> = places.iter().map(|place| self.judge(place)).collect();
        let failed = self.attempt(places, &judgements, expected).err();
        if matches!(failed, Some(Failed::Op { .. })) && planted!("atomic-group-applied-partly") {
            return self.each(places);
        }
        for (at, (place, judgement)) in places.iter().zip(judgements).enumerate() {
            match (judgement, &failed) {
                (Judgement::Again(outcome), _) => self.answer_again(outcome),
                (Judgement::Known(outcome, recorded), _) => self.record(place, outcome, recorded),
                (Judgement::Fresh(_), Some(failed)) => self.reject(place, failed.reason(at)),
                (Judgement::Fresh(_), None) => self.record_attempted(place),
            }
        }
    }

    /// Brings the fresh ops of the group into the document, or leaves it as it was. Where none is
    /// fresh, what this answers concerns nobody.
    fn attempt(
        &mut self,
        places: &[Place<'_>],
        judgements: &[Judgement<'_>],
        expected: Option<Cursor>,
    ) -> Result<(), Failed> {
        if !judgements.iter().all(is_applied_or_fresh) {
            return Err(Failed::Group);
        }
        let actual = self.state.head.cursor;
        if let Some(expected) = expected.filter(|expected| *expected != actual)
            && !planted!("expected-cursor-ignored")
        {
            return Err(Failed::Cursor { expected, actual });
        }
        let mut attempt = Attempt::default();
        for (at, (place, judgement)) in places.iter().zip(judgements).enumerate() {
            let Judgement::Fresh(op) = judgement else {
                continue;
            };
            if let Err(reason) = self.attempt_op(&mut attempt, place, op) {
                for (key, saved) in attempt.undo.into_iter().rev() {
                    self.state.document.restore(key, saved);
                }
                return Err(Failed::Op { at, reason });
            }
        }
        Ok(())
    }

    fn attempt_op<'a>(
        &mut self,
        attempt: &mut Attempt<'a>,
        place: &Place<'_>,
        op: &'a Op,
    ) -> Result<(), RejectReason> {
        // The same op twice in one group: the second is a duplicate of the first.
        if attempt.applied.contains(&place.identity) {
            return Ok(());
        }
        let key = op.mutation.key();
        let saved = self.state.document.save(key);
        self.try_op(op, place, &attempt.applied)?;
        attempt.undo.push((key, saved));
        attempt.applied.insert(place.identity);
        attempt.applied.insert(self.identity_here(place));
        Ok(())
    }

    /// Records an op whose mutation the attempt has brought into the document.
    fn record_attempted(&mut self, place: &Place<'_>) {
        match self.judge(place) {
            Judgement::Fresh(op) => self.record_applied(place, op),
            Judgement::Known(outcome, recorded) => self.record(place, outcome, recorded),
            Judgement::Again(outcome) => self.answer_again(outcome),
        }
    }
}

fn is_applied_or_fresh(judgement: &Judgement<'_>) -> bool {
    match judgement {
        Judgement::Fresh(_) => true,
        Judgement::Again(outcome) | Judgement::Known(outcome, _) => match outcome {
            OpOutcome::Applied(_) | OpOutcome::Duplicate(_) => true,
            OpOutcome::Rejected(_) | OpOutcome::InDoubt | OpOutcome::Abandoned => false,
        },
    }
}
