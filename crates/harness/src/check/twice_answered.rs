//! `twice-applied-answer`: every ack of a timeline names the same cursor for an op.

use std::collections::HashMap;

use super::Violation;
use super::index::{Finding, Index};

pub(super) fn check(index: &Index<'_>, found: &mut Vec<Violation>) {
    let finding = Finding {
        index,
        check: "twice-applied-answer",
    };
    let mut known = HashMap::new();
    for sent in &index.sends {
        let Some((acked, outcomes)) = sent.acked() else {
            continue;
        };
        let Some(timeline) = index.timeline_of_call(sent.number, acked) else {
            continue;
        };
        for (entry, outcome) in outcomes {
            let op = index.op_of(entry.op, entry.fingerprint);
            let (Some(op), Some(cursor)) = (op, outcome.cursor()) else {
                continue;
            };
            let place = (timeline, sent.share, op);
            let (other, first) = *known.entry(place).or_insert((cursor, acked));
            if other != cursor {
                let text = format!(
                    "op {op} was acked at cursor {other} by event {first}, and at cursor {cursor} by \
                     event {acked}"
                );
                found.push(finding.of_op(sent.share, op, acked.max(first), text));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use share_model::{Cursor, OpOutcome};

    use crate::check::fixture::{Run, names};

    fn again(outcome: OpOutcome) -> Run {
        let mut run = Run::new();
        run.put(1, 1);
        run.put(1, 2);
        let again = run.sends_only(1, &[(1, 1)]);
        run.acks(again, vec![outcome]);
        run.finish();
        run
    }

    #[test]
    fn the_same_answer_again_breaks_nothing() {
        let cursor = Cursor::new(1);
        for outcome in [OpOutcome::Applied(cursor), OpOutcome::Duplicate(cursor)] {
            assert_eq!(again(outcome).check(), []);
        }
    }

    #[test]
    fn an_op_that_is_acked_at_two_cursors_is_found() {
        let cursor = Cursor::new(2);
        for outcome in [OpOutcome::Applied(cursor), OpOutcome::Duplicate(cursor)] {
            assert!(names(&again(outcome).check()).contains(&"twice-applied-answer"));
        }
    }

    #[test]
    fn after_a_restore_an_op_may_have_another_cursor() {
        let mut run = Run::new();
        run.put(1, 1);
        run.put(1, 2);
        run.log.clear();
        run.restored(true);
        run.requeues(1, &[2, 1]);
        run.finish();
        assert_eq!(run.check(), []);
    }
}
