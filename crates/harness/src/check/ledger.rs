//! `ledger-bound`, `floor-by-server` and `ledger-forgot`: what a ledger keeps is bounded by the
//! writer's word alone, and nothing between floor and highest is forgotten.

use std::collections::HashMap;

use share_model::{OutboxId, Seq, ShareId};

use super::Violation;
use super::index::{Claim, Finding, Index};
use crate::history::{Bounds, What};

/// What was said about a lane so far.
#[derive(Default)]
struct Lane {
    /// The highest settled-through that was ever sent.
    settled: Seq,
    /// The highest seq that was acked, and the event: by timeline, for what was sent in it.
    acked: HashMap<usize, Vec<(usize, Seq)>>,
}

pub(super) fn check(index: &Index<'_>, bounds: &Bounds, found: &mut Vec<Violation>) {
    let sends: HashMap<usize, usize> = index
        .sends
        .iter()
        .enumerate()
        .flat_map(|(at, sent)| {
            let answered = sent.acked().map(|(number, _)| (number, at));
            [Some((sent.number, at)), answered].into_iter().flatten()
        })
        .collect();
    let mut lanes: HashMap<(ShareId, OutboxId), Lane> = HashMap::new();
    for event in index.events {
        match &event.what {
            What::Append { .. } => {
                let Some(sent) = sends.get(&event.number).map(|at| &index.sends[*at]) else {
                    continue;
                };
                let lane = lanes.entry((sent.share, sent.outbox)).or_default();
                lane.settled = lane.settled.max(sent.settled_through);
            }
            What::Acked { .. } => {
                let Some(sent) = sends.get(&event.number).map(|at| &index.sends[*at]) else {
                    continue;
                };
                let Some(highest) = sent.entries.iter().map(|entry| entry.seq).max() else {
                    continue;
                };
                let lane = lanes.entry((sent.share, sent.outbox)).or_default();
                let timeline = index.timeline_of_call(sent.number, event.number);
                if let Some(timeline) = timeline {
                    let acked = lane.acked.entry(timeline).or_default();
                    acked.push((event.number, highest));
                }
                let told = Standing {
                    share: sent.share,
                    outbox: sent.outbox,
                    floor: lane.settled,
                    highest,
                };
                found.extend(told.over(index, bounds, event.number));
            }
            What::Claimed { call, .. } => {
                if let Some(claim) = index.claims.get(call) {
                    let lane = lanes.entry((claim.share, claim.outbox)).or_default();
                    claimed(index, bounds, (claim, lane), found);
                }
            }
            _ => {}
        }
    }
}

/// Where a ledger stands.
struct Standing {
    share: ShareId,
    outbox: OutboxId,
    floor: Seq,
    highest: Seq,
}

impl Standing {
    fn over(&self, index: &Index<'_>, bounds: &Bounds, at: usize) -> Option<Violation> {
        let above = self.highest.above(self.floor);
        let finding = Finding {
            index,
            check: "ledger-bound",
        };
        (above > u64::from(bounds.window)).then(|| {
            let text = format!(
                "outbox {} has {above} seqs between {} and {}, and the window is {}",
                self.outbox, self.floor, self.highest, bounds.window
            );
            finding.of(Some(self.share), at, text, Vec::new())
        })
    }
}

fn claimed(
    index: &Index<'_>,
    bounds: &Bounds,
    (claim, lane): (&Claim<'_>, &Lane),
    found: &mut Vec<Violation>,
) {
    let Some((number, floor, highest)) = claim.held else {
        return;
    };
    let standing = Standing {
        share: claim.share,
        outbox: claim.outbox,
        floor,
        highest,
    };
    found.extend(standing.over(index, bounds, number));
    let outbox = claim.outbox;
    if floor > lane.settled {
        let finding = Finding {
            index,
            check: "floor-by-server",
        };
        let text = format!(
            "the floor of outbox {outbox} is {floor}, and its writer settled through {} at most",
            lane.settled
        );
        found.push(finding.of(Some(claim.share), number, text, vec![claim.number]));
    }
    // One that was under way while the server went back in time was answered on either side of it.
    let timeline = index.timeline_of_call(claim.number, number);
    let acked = timeline.and_then(|timeline| lane.acked.get(&timeline));
    let before = acked.into_iter().flatten();
    let before = before.filter(|(at, seq)| *at < claim.number && *seq > highest);
    if let Some((at, seq)) = before.max_by_key(|(_, seq)| *seq) {
        let finding = Finding {
            index,
            check: "ledger-forgot",
        };
        let text = format!(
            "the highest seq of outbox {outbox} is {highest}, and seq {seq} was acked at event {at}"
        );
        found.push(finding.of(Some(claim.share), number, text, vec![*at, claim.number]));
    }
}

#[cfg(test)]
mod tests {
    use share_model::Seq;

    use crate::check::fixture::{Run, WINDOW, names};

    #[test]
    fn a_lane_that_settles_is_within_its_bound() {
        let mut run = Run::new();
        for op in 1..=WINDOW + 2 {
            run.settled = Seq::new(u64::from(op) - 1);
            run.put(1, op.try_into().unwrap());
        }
        let highest = Seq::new(u64::from(WINDOW) + 2);
        run.claims_as(1, (run.settled, highest));
        run.finish();
        assert_eq!(run.check(), []);
    }

    #[test]
    fn a_lane_beyond_its_window_is_found() {
        let mut run = Run::new();
        for op in 1..=WINDOW + 1 {
            run.put(1, op.try_into().unwrap());
        }
        run.finish();
        assert_eq!(names(&run.check()), ["ledger-bound"]);
    }

    #[test]
    fn a_floor_that_the_writer_did_not_move_is_found() {
        let mut run = Run::new();
        run.put(1, 1);
        run.claims_as(1, (Seq::new(1), Seq::new(1)));
        run.finish();
        assert_eq!(names(&run.check()), ["floor-by-server"]);
    }

    #[test]
    fn a_ledger_that_forgot_an_acked_seq_is_found() {
        let mut run = Run::new();
        run.put(1, 1);
        run.claims_as(1, (Seq::ZERO, Seq::ZERO));
        run.finish();
        assert_eq!(names(&run.check()), ["ledger-forgot"]);
    }

    /// It waited for its connection while the machine was put back.
    #[test]
    fn a_claim_that_was_under_way_at_a_restore_may_be_answered_on_either_side() {
        let mut run = Run::new();
        run.put(1, 1);
        run.asks_for_lane("agent-1", 1);
        run.log.clear();
        run.restored(false);
        run.holds_lane("agent-1", 1, ((Seq::ZERO, Seq::ZERO), None));
        run.requeues(1, &[1]);
        run.finish();
        assert_eq!(run.check(), []);
    }

    #[test]
    fn a_ledger_that_forgot_after_a_restore_is_found() {
        let mut run = Run::new();
        run.restored(false);
        run.put(1, 1);
        run.claims_as(1, (Seq::ZERO, Seq::ZERO));
        run.finish();
        assert_eq!(names(&run.check()), ["ledger-forgot"]);
    }

    #[test]
    fn a_restore_may_cost_the_ledger_what_it_knew() {
        let mut run = Run::new();
        run.put(1, 1);
        run.log.clear();
        run.restored(true);
        run.claims_as(1, (Seq::ZERO, Seq::ZERO));
        run.requeues(1, &[1]);
        run.finish();
        assert_eq!(run.check(), []);
    }
}
