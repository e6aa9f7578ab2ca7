//! `dead-letter-applied`, `dead-letter-without-cause` and `in-doubt-without-cause`: what is given up
//! or in doubt is so for a reason, and what is given up is not applied.

use share_client::{Failure, Outcome};
use share_model::{MutationError, OpId, Reaction, RejectReason, ShareId};

use super::Violation;
use super::index::{Finding, Index};

/// An end that is not an application, as it was told or as a row has it.
struct Doom<'a> {
    number: usize,
    share: ShareId,
    op: OpId,
    outcome: &'a Outcome,
    /// The server went back in time since, so that it may have forgotten that the op was given up.
    may_be_forgotten: bool,
}

pub(super) fn check(index: &Index<'_>, found: &mut Vec<Violation>) {
    let mut dooms = Vec::new();
    for ending in &index.endings {
        dooms.push(Doom {
            number: ending.number,
            share: ending.share,
            op: ending.op,
            outcome: ending.outcome,
            may_be_forgotten: !index.is_last_timeline(ending.number)
                || index.may_be_from_before(ending.number),
        });
    }
    for listing in &index.listings {
        for row in listing.rows.iter().filter(|row| row.state.is_final()) {
            if let Some(outcome) = &row.outcome {
                dooms.push(Doom {
                    number: listing.number,
                    share: listing.share,
                    op: row.op_id,
                    outcome,
                    may_be_forgotten: !index.restores.is_empty(),
                });
            }
        }
    }
    for doom in dooms {
        match doom.outcome {
            Outcome::Applied(_) | Outcome::Duplicate(_) => {}
            Outcome::DeadLetter(failure) => {
                applied(index, &doom, found);
                without_cause(index, &doom, failure, found);
            }
            Outcome::InDoubt => in_doubt(index, &doom, found),
        }
    }
}

fn applied(index: &Index<'_>, doom: &Doom<'_>, found: &mut Vec<Violation>) {
    let Some(last) = index.finals.get(&doom.share) else {
        return;
    };
    if let (Some(cursor), false) = (last.cursors_of(doom.op).first(), doom.may_be_forgotten) {
        let finding = Finding {
            index,
            check: "dead-letter-applied",
        };
        let text = format!(
            "op {} was given up, and is in the log at cursor {cursor}",
            doom.op
        );
        found.push(finding.of_op(doom.share, doom.op, doom.number, text));
    }
}

fn without_cause(
    index: &Index<'_>,
    doom: &Doom<'_>,
    failure: &Failure,
    found: &mut Vec<Violation>,
) {
    let has_gone_back = !index.restores.is_empty() || !index.copies.is_empty();
    let may_be = index.may_be_deleted(doom.share) || is_a_limit(failure);
    if has_gone_back || may_be || !index.is_sure(doom.op) {
        return;
    }
    let finding = Finding {
        index,
        check: "dead-letter-without-cause",
    };
    let text = format!(
        "op {}, which fits any document, was given up: {failure}",
        doom.op
    );
    found.push(finding.of_op(doom.share, doom.op, doom.number, text));
}

/// Whether an op that fits any document can be given up for this.
fn is_a_limit(failure: &Failure) -> bool {
    match failure {
        Failure::Refused { code, .. } => code.reaction() == Reaction::AbandonOp,
        Failure::Rejected(RejectReason::InvalidMutation(error)) => matches!(
            error,
            MutationError::KeyTooLong { .. }
                | MutationError::ValueTooLarge { .. }
                | MutationError::DocumentTooLarge { .. }
                | MutationError::TooDeep { .. }
        ),
        Failure::Rejected(_) | Failure::AbandonedElsewhere | Failure::Doubted => false,
    }
}

fn in_doubt(index: &Index<'_>, doom: &Doom<'_>, found: &mut Vec<Violation>) {
    let has_gone_back = !index.restores.is_empty() || !index.copies.is_empty();
    if has_gone_back || index.may_be_deleted(doom.share) {
        return;
    }
    let finding = Finding {
        index,
        check: "in-doubt-without-cause",
    };
    let text = format!(
        "op {} is in doubt, and nothing was deleted, restored or copied",
        doom.op
    );
    found.push(finding.of_op(doom.share, doom.op, doom.number, text));
}

#[cfg(test)]
mod tests {
    use share_client::{Failure, Outcome, RowState};
    use share_model::{MutationError, RejectReason};

    use crate::check::fixture::{Run, names, text};
    use crate::history::What;

    fn dead(error: MutationError) -> Outcome {
        let reason = RejectReason::InvalidMutation(error);
        Outcome::DeadLetter(Failure::Rejected(reason))
    }

    #[test]
    fn an_op_that_was_given_up_and_applied_is_found() {
        let mut run = Run::new();
        run.mutation(2, text("k1", "", "x"));
        run.put(1, 1);
        run.put(1, 2);
        run.ended(1, 2, dead(MutationError::NotAString));
        run.finish();
        assert_eq!(names(&run.check()), ["dead-letter-applied"]);
    }

    #[test]
    fn an_op_that_a_copy_gave_up_and_that_is_applied_is_found() {
        let mut run = Run::new();
        run.put(1, 1);
        let (from, to) = ("agent-1".into(), "agent-2".into());
        run.push("chaos", What::Copied { from, to });
        run.ended(2, 1, Outcome::DeadLetter(Failure::AbandonedElsewhere));
        run.finish();
        assert_eq!(names(&run.check()), ["dead-letter-applied"]);
    }

    #[test]
    fn an_op_that_was_given_up_just_before_a_restore_may_be_applied() {
        let mut run = Run::new();
        run.mutation(2, text("k1", "", "x"));
        run.put(1, 1);
        run.put(1, 2);
        run.restored(true);
        run.ended(1, 2, dead(MutationError::NotAString));
        run.finish();
        assert_eq!(run.check(), []);
    }

    #[test]
    fn an_op_that_fits_and_is_given_up_is_found() {
        let mut run = Run::new();
        run.enqueues(1, &[1]);
        run.settles(0, RowState::DeadLetter, dead(MutationError::KeyAbsent));
        run.finish();
        assert_eq!(names(&run.check()), ["dead-letter-without-cause"]);
        let mut run = Run::new();
        run.enqueues(1, &[1]);
        let too_large = MutationError::DocumentTooLarge { bytes: 2, max: 1 };
        run.settles(0, RowState::DeadLetter, dead(too_large));
        run.finish();
        assert_eq!(run.check(), []);
    }

    #[test]
    fn a_doubt_without_a_cause_is_found() {
        let mut run = Run::new();
        run.enqueues(1, &[1]);
        run.settles(0, RowState::InDoubt, Outcome::InDoubt);
        run.finish();
        assert_eq!(names(&run.check()), ["in-doubt-without-cause"]);
        let mut run = Run::new();
        run.enqueues(1, &[1]);
        run.settles(0, RowState::InDoubt, Outcome::InDoubt);
        run.deletes();
        run.finish();
        assert_eq!(run.check(), []);
    }
}
