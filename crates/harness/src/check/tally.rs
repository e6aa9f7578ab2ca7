//! What a run was made of, in numbers.

use std::collections::{BTreeMap, HashSet};
use std::ops::AddAssign;

use serde::{Deserialize, Serialize};
use share_client::{Outcome, RowState};
use share_model::{OpId, OpOutcome};

use crate::history::{Call, Event, Trouble, What};

/// What runs were made of, in numbers.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Numbers {
    /// Ops that agents asked their outboxes to keep.
    pub ops: u64,
    /// Ops in the final logs.
    pub applied: u64,
    /// Repeats that changed nothing: answers `duplicate` in acks, and ops that ended as duplicates
    /// without such an ack in the history.
    pub duplicates: u64,
    /// Calls of which nobody knows what came: without an outcome, or lost.
    pub ambiguous: u64,
    /// Calls of any kind: enqueues, claims, appends and acts of authority.
    pub calls: u64,
    /// Answers `rejected` in acks.
    pub rejected: u64,
    /// Rows that are in doubt in the end.
    pub in_doubt: u64,
    /// Rows that were given up in the end.
    pub dead_letters: u64,
    /// Ops that readers were told, each as often as it was told.
    pub told: u64,
    /// Restores of the server.
    pub restores: u64,
    /// Copies of outboxes.
    pub copies: u64,
}

impl AddAssign for Numbers {
    fn add_assign(&mut self, more: Self) {
        self.ops += more.ops;
        self.applied += more.applied;
        self.duplicates += more.duplicates;
        self.ambiguous += more.ambiguous;
        self.calls += more.calls;
        self.rejected += more.rejected;
        self.in_doubt += more.in_doubt;
        self.dead_letters += more.dead_letters;
        self.told += more.told;
        self.restores += more.restores;
        self.copies += more.copies;
    }
}

/// What a run was made of: what it did, and what was done to it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Tally {
    /// What it did.
    pub numbers: Numbers,
    /// Faults that fired, by kind.
    pub faults: BTreeMap<&'static str, u64>,
}

/// Counts what happened in a run.
pub fn tally(events: &[Event]) -> Tally {
    let mut tally = Tally::default();
    let mut open: HashSet<Call> = HashSet::new();
    for event in events {
        tally.calls(event, &mut open);
        tally.answers(&event.what);
        tally.world(&event.what);
    }
    tally.numbers.ambiguous += open.len() as u64;
    tally.numbers.duplicates += told_only(events);
    tally
}

impl Tally {
    fn calls(&mut self, event: &Event, open: &mut HashSet<Call>) {
        match &event.what {
            What::Enqueue { call, .. }
            | What::Claim { call, .. }
            | What::Append { call, .. }
            | What::End { call, .. }
            | What::Freeze { call, .. }
            | What::Delete { call, .. } => {
                self.numbers.calls += 1;
                open.insert(*call);
            }
            What::Enqueued { call, .. }
            | What::NotEnqueued { call, .. }
            | What::Claimed { call, .. }
            | What::Acked { call, .. }
            | What::AuthorityEnded { call, .. }
            | What::Frozen { call }
            | What::Deleted { call } => {
                open.remove(call);
            }
            What::NotClaimed { call, why }
            | What::NotAcked { call, why }
            | What::NotDone { call, why } => {
                let is_open = open.remove(call);
                self.numbers.ambiguous += u64::from(is_open && matches!(why, Trouble::Lost(_)));
            }
            _ => {}
        }
    }

    fn answers(&mut self, what: &What) {
        match what {
            What::Enqueue { ops, .. } => self.numbers.ops += ops.len() as u64,
            What::Acked { outcomes, .. } => {
                for outcome in outcomes {
                    match outcome {
                        OpOutcome::Duplicate(_) => self.numbers.duplicates += 1,
                        OpOutcome::Rejected(_) => self.numbers.rejected += 1,
                        OpOutcome::Applied(_) | OpOutcome::InDoubt | OpOutcome::Abandoned => {}
                    }
                }
            }
            What::Rows { rows, .. } => {
                for row in rows {
                    self.numbers.in_doubt += u64::from(row.state == RowState::InDoubt);
                    self.numbers.dead_letters += u64::from(row.state == RowState::DeadLetter);
                }
            }
            What::Final { log, .. } => self.numbers.applied += log.len() as u64,
            _ => {}
        }
    }

    fn world(&mut self, what: &What) {
        match what {
            What::Saw { ops, .. } => self.numbers.told += ops.len() as u64,
            What::Restored { .. } => self.numbers.restores += 1,
            What::Copied { .. } => self.numbers.copies += 1,
            What::Fault { kind, .. } => *self.faults.entry(kind).or_default() += 1,
            _ => {}
        }
    }
}

/// Ops that ended as duplicates, of which no ack says so.
fn told_only(events: &[Event]) -> u64 {
    let mut sent = std::collections::HashMap::new();
    let mut acked: HashSet<OpId> = HashSet::new();
    let mut ended: HashSet<OpId> = HashSet::new();
    for event in events {
        match &event.what {
            What::Append { call, entries, .. } => {
                sent.insert(*call, entries);
            }
            What::Acked { call, outcomes, .. } => {
                let entries = sent.get(call).into_iter().copied().flatten();
                let pairs = entries.zip(outcomes);
                acked.extend(pairs.filter_map(|(entry, outcome)| {
                    entry
                        .op
                        .filter(|_| matches!(outcome, OpOutcome::Duplicate(_)))
                }));
            }
            What::Ended {
                op,
                outcome: Outcome::Duplicate(_),
                ..
            } => {
                ended.insert(*op);
            }
            _ => {}
        }
    }
    ended.difference(&acked).count() as u64
}

#[cfg(test)]
mod tests {
    use share_model::{Cursor, OpOutcome};

    use super::*;
    use crate::check::fixture::Run;

    #[test]
    fn what_happened_is_counted() {
        let mut run = Run::new();
        run.put(1, 1);
        let lost = run.sends(1, &[2]);
        run.push(
            "agent-1",
            What::NotAcked {
                call: lost,
                why: Trouble::Lost("cut".into()),
            },
        );
        let again = run.sends_only(1, &[(2, 2)]);
        let op = run.op_of(2);
        run.logs(op);
        run.acks(again, vec![OpOutcome::Duplicate(Cursor::new(2))]);
        run.sends(1, &[3]);
        for _ in 0..2 {
            run.push(
                "chaos",
                What::Fault {
                    kind: "cut",
                    detail: String::new(),
                },
            );
        }
        run.finish();
        let tally = tally(&run.events.events());
        assert_eq!((tally.numbers.ops, tally.numbers.applied), (3, 2));
        assert_eq!((tally.numbers.duplicates, tally.numbers.ambiguous), (1, 2));
        // Two claims to begin with; three enqueues; four sends.
        assert_eq!(tally.numbers.calls, 9);
        assert_eq!(tally.faults, BTreeMap::from([("cut", 2)]));
    }
}
