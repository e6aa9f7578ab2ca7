//! `settled-acked`: a seq that its writer settled is refused when it is sent again.

use std::collections::HashMap;

use share_model::Seq;

use super::Violation;
use super::index::{Finding, Index};

pub(super) fn check(index: &Index<'_>, found: &mut Vec<Violation>) {
    let finding = Finding {
        index,
        check: "settled-acked",
    };
    let mut acks = Vec::new();
    for sent in &index.sends {
        if let Some((acked, _)) = sent.acked()
            && let Some(timeline) = index.timeline_of_call(sent.number, acked)
        {
            acks.push((acked, (timeline, sent.share, sent.outbox), sent));
        }
    }
    acks.sort_unstable_by_key(|(acked, ..)| *acked);
    // How far each lane was settled, from which event on.
    let mut settled: HashMap<_, Vec<(usize, Seq)>> = HashMap::new();
    for (acked, lane, sent) in &acks {
        let settled = settled.entry(*lane).or_default();
        if settled
            .last()
            .is_none_or(|last| last.1 < sent.settled_through)
        {
            settled.push((*acked, sent.settled_through));
        }
    }
    for (acked, lane, sent) in acks {
        let settled = settled.get(&lane).map_or(&[][..], Vec::as_slice);
        let before = settled.partition_point(|(number, _)| *number < sent.number);
        let Some((since, floor)) = before.checked_sub(1).map(|at| settled[at]) else {
            continue;
        };
        if let Some(entry) = sent.entries.iter().find(|entry| entry.seq <= floor) {
            let text = format!(
                "seq {} of outbox {} was acked, and its writer had settled through {floor} at event \
                 {since}",
                entry.seq, sent.outbox
            );
            let about = vec![since, sent.number];
            found.push(finding.of(Some(sent.share), acked, text, about));
        }
    }
}

#[cfg(test)]
mod tests {
    use share_model::{Cursor, OpOutcome, RefusalCode, Seq};

    use crate::check::fixture::{Run, names};

    fn settled() -> Run {
        let mut run = Run::new();
        run.put(1, 1);
        run.settled = Seq::new(1);
        run.put(1, 2);
        run
    }

    #[test]
    fn a_settled_seq_that_is_acked_is_found() {
        let mut run = settled();
        let again = run.sends_only(1, &[(1, 1)]);
        run.acks(again, vec![OpOutcome::Duplicate(Cursor::new(1))]);
        run.finish();
        assert_eq!(names(&run.check()), ["settled-acked"]);
    }

    #[test]
    fn a_settled_seq_may_be_refused_and_others_sent_again() {
        let mut run = settled();
        let again = run.sends_only(1, &[(2, 2)]);
        run.acks(again, vec![OpOutcome::Duplicate(Cursor::new(2))]);
        let again = run.sends_only(1, &[(1, 1)]);
        run.refuses(again, RefusalCode::AlreadySettled);
        run.finish();
        assert_eq!(run.check(), []);
    }

    #[test]
    fn a_batch_that_was_under_way_when_its_seqs_were_settled_may_be_acked() {
        let mut run = Run::new();
        run.put(1, 1);
        let again = run.sends_only(1, &[(1, 1)]);
        run.settled = Seq::new(1);
        run.put(1, 2);
        run.acks(again, vec![OpOutcome::Duplicate(Cursor::new(1))]);
        run.finish();
        assert_eq!(run.check(), []);
    }
}
