//! `acked-lost`: an op that was acked is in the log, at the cursor that the ack named.
//!
//! An ack counts by itself within the last timeline. What an outbox recorded counts over restores too:
//! there the client brings back what it holds, and says what it does not hold any more.

use share_client::{Outcome, Recovery, Row, RowState};
use share_model::{Cursor, OpId, ShareId};

use super::Violation;
use super::index::{Finding, Index};

const CHECK: &str = "acked-lost";

pub(super) fn check(index: &Index<'_>, found: &mut Vec<Violation>) {
    acks(index, found);
    for ending in &index.endings {
        let Some(cursor) = cursor_of(ending.outcome) else {
            continue;
        };
        // The ack may have been on its way when the server went back.
        let is_last =
            index.is_last_timeline(ending.number) && !index.may_be_from_before(ending.number);
        let told = Recorded {
            share: ending.share,
            op: ending.op,
            cursor,
            is_exact: is_last,
        };
        let Some(text) = told.wrong(index) else {
            continue;
        };
        let copied_over = index.generation(ending.folder, ending.number)
            < index.generation(ending.folder, index.events.len());
        if is_last || !(copied_over || is_excused(index, ending.share, ending.op, ending.folder)) {
            found.push(told.violation(index, ending.number, text));
        }
    }
    for listing in &index.listings {
        for row in listing.rows.iter().filter(|row| is_settled(row)) {
            let Some(cursor) = row.outcome.as_ref().and_then(cursor_of) else {
                continue;
            };
            let was_restored = !index.restores.is_empty();
            let told = Recorded {
                share: listing.share,
                op: row.op_id,
                cursor,
                is_exact: !was_restored,
            };
            let Some(text) = told.wrong(index) else {
                continue;
            };
            if !was_restored || !is_excused(index, listing.share, row.op_id, listing.folder) {
                found.push(told.violation(index, listing.number, text));
            }
        }
    }
}

fn acks(index: &Index<'_>, found: &mut Vec<Violation>) {
    for sent in &index.sends {
        let Some((number, outcomes)) = sent.acked() else {
            continue;
        };
        if !index.is_last_timeline(sent.number) || !index.is_last_timeline(number) {
            continue;
        }
        for (entry, outcome) in outcomes {
            let op = index.op_of(entry.op, entry.fingerprint);
            if let (Some(op), Some(cursor)) = (op, outcome.cursor()) {
                let told = Recorded {
                    share: sent.share,
                    op,
                    cursor,
                    is_exact: true,
                };
                if let Some(text) = told.wrong(index) {
                    found.push(told.violation(index, number, text));
                }
            }
        }
    }
}

/// That an op was applied, as somebody was told.
struct Recorded {
    share: ShareId,
    op: OpId,
    cursor: Cursor,
    is_exact: bool,
}

impl Recorded {
    /// How the final log contradicts it.
    fn wrong(&self, index: &Index<'_>) -> Option<String> {
        let last = index.finals.get(&self.share)?;
        let Self { op, cursor, .. } = self;
        match last.cursors_of(*op) {
            [] => Some(format!(
                "op {op} was acked at cursor {cursor}, and is not in the log"
            )),
            places if self.is_exact && !places.contains(cursor) => Some(format!(
                "op {op} was acked at cursor {cursor}, and is in the log at cursor {}",
                places[0]
            )),
            _ => None,
        }
    }

    fn violation(&self, index: &Index<'_>, at: usize, text: String) -> Violation {
        let finding = Finding {
            index,
            check: CHECK,
        };
        let mut violation = finding.of_op(self.share, self.op, at, text);
        let last = index.finals.get(&self.share);
        violation.about.extend(last.map(|last| last.number));
        violation
    }
}

fn cursor_of(outcome: &Outcome) -> Option<Cursor> {
    match outcome {
        Outcome::Applied(cursor) | Outcome::Duplicate(cursor) => Some(*cursor),
        Outcome::DeadLetter(_) | Outcome::InDoubt => None,
    }
}

fn is_settled(row: &Row) -> bool {
    row.state == RowState::Settled
}

/// Whether a restore may have cost the op: whoever held it says that it ended otherwise since, holds
/// it no more, or waits for a person.
fn is_excused(index: &Index<'_>, share: ShareId, op: OpId, folder: &str) -> bool {
    let mut listings = index.listings.iter().filter(|it| it.share == share);
    let own = index
        .listings
        .iter()
        .find(|it| it.share == share && it.folder == folder);
    own.is_none_or(|own| own.stopped.is_some())
        || listings.any(|listing| {
            let mut rows = listing.rows.iter().filter(|row| row.op_id == op);
            rows.any(|row| !is_settled(row)) || is_lost(index, op, listing.recoveries)
        })
}

fn is_lost(index: &Index<'_>, op: OpId, recoveries: &[Recovery]) -> bool {
    let ranges = recoveries.iter().flat_map(|recovery| match recovery {
        Recovery::Requeued { .. } => Vec::new(),
        Recovery::FedAgain { lost, .. } => lost.clone(),
        Recovery::RequeuedAll {
            lost, unchecked, ..
        } => [lost.as_slice(), unchecked].concat(),
    });
    let ranges: Vec<_> = ranges.collect();
    index.places_of(op).any(|(outbox, seq)| {
        let holds = |range: &&share_client::LostOps| {
            range.outbox == outbox && range.first <= seq && seq <= range.last
        };
        ranges.iter().any(|range| holds(&range))
    })
}

#[cfg(test)]
mod tests {
    use share_client::{LostOps, Recovery};
    use share_model::{Cursor, OpOutcome, Seq};

    use crate::check::fixture::{Run, ids, names, outbox};

    #[test]
    fn an_acked_op_that_is_not_in_the_log_is_found() {
        let mut run = Run::new();
        run.put(1, 1);
        run.put(1, 2);
        run.log.pop();
        run.finish();
        assert!(names(&run.check()).contains(&"acked-lost"));
    }

    #[test]
    fn an_op_at_another_cursor_than_its_ack_said_is_found() {
        let mut run = Run::new();
        run.put(1, 1);
        let sent = run.sends(1, &[2]);
        let op = run.op_of(2);
        run.logs(op);
        run.acks(sent, vec![OpOutcome::Duplicate(Cursor::new(1))]);
        run.finish();
        assert!(names(&run.check()).contains(&"acked-lost"));
    }

    #[test]
    fn over_a_restore_the_outbox_brings_back_what_it_holds() {
        let mut run = Run::new();
        run.put(1, 1);
        run.put(1, 2);
        run.log.pop();
        run.restored(true);
        run.finish();
        assert!(names(&run.check()).contains(&"acked-lost"));
    }

    #[test]
    fn over_a_restore_the_outbox_may_say_what_it_holds_no_more() {
        let mut run = Run::new();
        run.put(1, 1);
        run.put(1, 2);
        run.log.pop();
        run.restored(true);
        run.recoveries.push(Recovery::FedAgain {
            reason: "restored".into(),
            after: Seq::new(1),
            ops: 0,
            lost: vec![LostOps {
                outbox: outbox(1),
                first: Seq::new(1),
                last: Seq::new(5),
            }],
        });
        run.finish();
        assert_eq!(run.check(), []);
    }

    #[test]
    fn an_ack_of_an_earlier_timeline_says_nothing_about_a_cursor() {
        let mut run = Run::new();
        run.put(1, 1);
        run.put(1, 2);
        run.log.clear();
        run.restored(true);
        run.requeues(1, &[2, 1]);
        run.finish();
        assert_eq!(run.check(), []);
        assert_eq!(ids(&run.log), [2, 1]);
    }
}
