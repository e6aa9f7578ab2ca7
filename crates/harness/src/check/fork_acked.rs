//! `fork-acked`: a seq of a lane is acked for one content only, whoever sends it.

use std::collections::HashMap;

use super::Violation;
use super::index::{Finding, Index};

pub(super) fn check(index: &Index<'_>, found: &mut Vec<Violation>) {
    let finding = Finding {
        index,
        check: "fork-acked",
    };
    let mut known = HashMap::new();
    for sent in &index.sends {
        let Some((acked, outcomes)) = sent.acked() else {
            continue;
        };
        let Some(timeline) = index.timeline_of_call(sent.number, acked) else {
            continue;
        };
        for (entry, _) in outcomes {
            let place = (timeline, sent.share, sent.outbox, entry.seq);
            let (fingerprint, first) = *known.entry(place).or_insert((entry.fingerprint, acked));
            if fingerprint != entry.fingerprint {
                let text = format!(
                    "seq {} of outbox {} was acked as fingerprint {fingerprint} at event {first}, and \
                     as {} at event {acked}",
                    entry.seq, sent.outbox, entry.fingerprint
                );
                let at = acked.max(first);
                let about = vec![first, acked, sent.number];
                found.push(finding.of(Some(sent.share), at, text, about));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::check::fixture::{PROBER, Run, names};

    #[test]
    fn a_seq_that_is_acked_with_two_contents_is_found() {
        let mut run = Run::new();
        run.probes();
        run.put(PROBER, 1);
        let other = run.sends_only(PROBER, &[(1, 2)]);
        run.enqueues(PROBER, &[2]);
        run.applies(other, &[2]);
        run.finish();
        assert_eq!(names(&run.check()), ["fork-acked"]);
    }

    #[test]
    fn another_timeline_knows_nothing_of_a_seq() {
        let mut run = Run::new();
        run.probes();
        run.put(PROBER, 1);
        run.log.clear();
        run.restored(true);
        run.claims(PROBER);
        let other = run.sends_only(PROBER, &[(1, 2)]);
        run.enqueues(PROBER, &[2]);
        run.applies(other, &[2]);
        run.finish();
        assert_eq!(run.check(), []);
    }
}
