//! `fenced-acked`: who lost a lane to a later claim appends nothing to it any more.

use std::collections::HashMap;

use share_model::Incarnation;

use super::Violation;
use super::index::{Finding, Index};

/// The highest incarnation of a lane from an event on.
#[derive(Clone, Copy)]
struct Given {
    number: usize,
    incarnation: Incarnation,
}

pub(super) fn check(index: &Index<'_>, found: &mut Vec<Violation>) {
    let finding = Finding {
        index,
        check: "fenced-acked",
    };
    let mut claims: Vec<_> = index
        .claims
        .values()
        .filter_map(|claim| {
            let (number, ..) = claim.held?;
            let incarnation = claim.given?;
            let timeline = index.timeline_of_call(claim.number, number)?;
            let lane = (timeline, claim.share, claim.outbox);
            Some((
                lane,
                Given {
                    number,
                    incarnation,
                },
            ))
        })
        .collect();
    claims.sort_unstable_by_key(|(_, given)| given.number);
    let mut lanes: HashMap<_, Vec<Given>> = HashMap::new();
    for (lane, given) in claims {
        let lane = lanes.entry(lane).or_default();
        let highest = lane.last().map(|last| last.incarnation);
        if highest.is_none_or(|highest| highest < given.incarnation) {
            lane.push(given);
        }
    }
    for sent in &index.sends {
        let Some((acked, _)) = sent.acked() else {
            continue;
        };
        let Some(claim) = index.claims.get(&sent.claim) else {
            continue;
        };
        let (Some(own), Some(timeline)) =
            (claim.given, index.timeline_of_call(claim.number, acked))
        else {
            continue;
        };
        let lane = lanes.get(&(timeline, sent.share, sent.outbox));
        let lane = lane.map_or(&[][..], Vec::as_slice);
        let before = lane.partition_point(|given| given.number < sent.number);
        let Some(last) = before.checked_sub(1).map(|at| lane[at]) else {
            continue;
        };
        if own < last.incarnation {
            let text = format!(
                "a batch of outbox {} was acked for incarnation {own}, and incarnation {} had been \
                 given at event {}",
                sent.outbox, last.incarnation, last.number
            );
            let about = vec![claim.number, last.number, sent.number];
            found.push(finding.of(Some(sent.share), acked, text, about));
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::check::fixture::{PROBER, Run, names};

    #[test]
    fn an_append_of_a_lost_lane_that_is_acked_is_found() {
        let mut run = Run::new();
        run.probes();
        run.enqueues(PROBER, &[1]);
        let old = run.lanes[&PROBER];
        run.claims(PROBER);
        run.lanes.insert(PROBER, old);
        let late = run.sends_only(PROBER, &[(1, 1)]);
        run.applies(late, &[1]);
        run.finish();
        assert_eq!(names(&run.check()), ["fenced-acked"]);
    }

    #[test]
    fn an_append_that_was_under_way_before_the_other_claim_may_be_acked() {
        let mut run = Run::new();
        run.probes();
        run.enqueues(PROBER, &[1]);
        let under_way = run.sends_only(PROBER, &[(1, 1)]);
        run.claims(PROBER);
        run.applies(under_way, &[1]);
        run.finish();
        assert_eq!(run.check(), []);
    }

    #[test]
    fn a_restored_server_may_give_an_incarnation_again() {
        let mut run = Run::new();
        run.claims(1);
        run.restored(true);
        run.incarnations.clear();
        run.claims(1);
        run.put(1, 1);
        run.finish();
        assert_eq!(run.check(), []);
    }
}
