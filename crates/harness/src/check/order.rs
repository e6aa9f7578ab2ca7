//! `order`: ops that nothing holds up enter the log in the order of their seqs.

use std::collections::HashMap;

use share_model::{OpId, OpOutcome};

use super::Violation;
use super::index::{Answer, Finding, Index};

pub(super) fn check(index: &Index<'_>, found: &mut Vec<Violation>) {
    let finding = Finding {
        index,
        check: "order",
    };
    for (share, last) in &index.finals {
        let mut highest = HashMap::new();
        for op in last.log {
            let before = highest.entry(op.writer).or_insert(op);
            if op.seq >= before.seq {
                *before = op;
            } else if index.is_sure(op.op.id) && !was_held_up(index, op.op.id) {
                let text = format!(
                    "op {} has seq {} of writer {}, and entered the log at cursor {}, after seq {} \
                     of the same writer at cursor {}",
                    op.op.id, op.seq, op.writer, op.cursor, before.seq, before.cursor
                );
                let mut violation = finding.of_op(*share, op.op.id, last.number, text);
                violation.about.extend(index.story_of(before.op.id));
                found.push(violation);
            }
        }
    }
}

/// Whether some answer rejected the op, such as for a limit of the share: then it may be retried
/// behind others. Who has no outbox may have sent it with others that held it up.
fn was_held_up(index: &Index<'_>, op: OpId) -> bool {
    index.carriers_of(op).any(|sent| match sent.answer {
        _ if !index.is_outbox(sent.folder) => true,
        Some((_, Answer::Acked { outcomes, .. })) => {
            let mut entries = sent.entries.iter().zip(outcomes);
            entries.any(|(entry, outcome)| {
                entry.op == Some(op) && matches!(outcome, OpOutcome::Rejected(_))
            })
        }
        _ => false,
    })
}

#[cfg(test)]
mod tests {
    use crate::check::fixture::{PROBER, Run, names};
    use crate::history::Trouble;

    #[test]
    fn a_later_seq_before_an_earlier_one_is_found() {
        let mut run = Run::new();
        let sent = run.sends(1, &[1, 2]);
        run.applies(sent, &[1, 2]);
        run.log.swap(0, 1);
        for (at, op) in (1..).zip(&mut run.log) {
            op.cursor = share_model::Cursor::new(at);
        }
        run.finish();
        assert!(names(&run.check()).contains(&"order"));
    }

    #[test]
    fn writers_do_not_wait_for_one_another() {
        let mut run = Run::new();
        let first = run.sends(1, &[1]);
        run.put(2, 2);
        run.put(2, 3);
        run.applies(first, &[1]);
        run.finish();
        assert_eq!(run.check(), []);
    }

    #[test]
    fn who_has_no_outbox_may_fill_a_hole_late() {
        let mut run = Run::new();
        run.probes();
        let group = run.sends(PROBER, &[1, 2]);
        run.fails(group, Trouble::Lost("cut".into()));
        for (seq, op) in [(2, 2), (1, 1)] {
            let sent = run.sends_only(PROBER, &[(seq, op)]);
            run.applies(sent, &[op]);
        }
        run.finish();
        assert_eq!(run.check(), []);
    }
}
