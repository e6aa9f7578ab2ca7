//! `reader-prefix`, `saw-undurable`, and `cursor-gap` of what readers are told: a reader sees a prefix
//! of one log, without gap or repeat, and what it saw stays.

use std::collections::HashMap;

use share_model::{Cursor, LoggedOp, OpId, ShareId};

use super::Violation;
use super::index::{Finding, Index};
use crate::history::What;

pub(super) fn check(index: &Index<'_>, found: &mut Vec<Violation>) {
    streams(index, found);
    last_timeline(index, found);
    earlier_timelines(index, found);
}

/// Each stream goes on where it stood.
fn streams(index: &Index<'_>, found: &mut Vec<Violation>) {
    let mut positions: HashMap<(&str, ShareId), Cursor> = HashMap::new();
    for event in index.events {
        let place = |share: &ShareId| (event.actor.as_str(), *share);
        match &event.what {
            What::Follow { share, from, .. } => {
                positions.insert(place(share), from.cursor);
            }
            What::Reset { share, at } => {
                positions.insert(place(share), at.cursor);
            }
            What::FollowEnded { share, .. } => {
                positions.remove(&place(share));
            }
            What::Saw { share, ops, .. } => {
                let Some(position) = positions.get_mut(&place(share)) else {
                    continue;
                };
                for op in ops {
                    if op.cursor != position.next() {
                        found.push(out_of_step(index, (event.number, *share), op, *position));
                    }
                    *position = op.cursor;
                }
            }
            What::Live { share, at } => {
                let Some(position) = positions.get(&place(share)) else {
                    continue;
                };
                if at.cursor > *position {
                    let finding = Finding {
                        index,
                        check: "cursor-gap",
                    };
                    let text = format!(
                        "{} was told that it has all up to cursor {}, and was told ops up to {position}",
                        event.actor, at.cursor
                    );
                    found.push(finding.of(Some(*share), event.number, text, Vec::new()));
                }
            }
            _ => {}
        }
    }
}

fn out_of_step(
    index: &Index<'_>,
    (number, share): (usize, ShareId),
    op: &LoggedOp,
    position: Cursor,
) -> Violation {
    let (check, what) = match op.cursor > position {
        true => ("cursor-gap", "a gap"),
        false => ("reader-prefix", "a repeat"),
    };
    let actor = &index.events[number].actor;
    let text = format!(
        "{actor} was told op {} at cursor {} after cursor {position}: {what}",
        op.op.id, op.cursor
    );
    Finding { index, check }.of_op(share, op.op.id, number, text)
}

/// What was told of the last timeline is what its log says in the end.
fn last_timeline(index: &Index<'_>, found: &mut Vec<Violation>) {
    for told in &index.told {
        let Some(last) = index.finals.get(&told.share) else {
            continue;
        };
        if !index.is_last_timeline(told.number) || index.may_be_from_before(told.number) {
            continue;
        }
        let at = usize::try_from(told.op.cursor.get()).unwrap_or(usize::MAX);
        let logged = at.checked_sub(1).and_then(|at| last.log.get(at));
        let (op, cursor) = (told.op.op.id, told.op.cursor);
        let in_log = last.cursors_of(op);
        let (check, text) = match logged {
            Some(logged) if logged == told.op => continue,
            _ if in_log.is_empty() => (
                "saw-undurable",
                format!(
                    "{} was told op {op} at cursor {cursor}, and it is not in the log",
                    told.actor
                ),
            ),
            Some(logged) if logged.op.id == op => (
                "reader-prefix",
                format!(
                    "{} was told op {op} at cursor {cursor} as {:?}, and the log has {logged:?}",
                    told.actor, told.op
                ),
            ),
            _ => (
                "reader-prefix",
                format!(
                    "{} was told op {op} at cursor {cursor}, and the log has it at cursor {}",
                    told.actor, in_log[0]
                ),
            ),
        };
        let mut violation = Finding { index, check }.of_op(told.share, op, told.number, text);
        violation.about.push(last.number);
        found.push(violation);
    }
}

/// What was told or acked of an earlier timeline agrees with itself.
fn earlier_timelines(index: &Index<'_>, found: &mut Vec<Violation>) {
    let mut known = Known {
        index,
        ops: HashMap::new(),
    };
    let is_earlier =
        |number: usize| !index.is_last_timeline(number) && !index.may_be_from_before(number);
    for sent in &index.sends {
        let Some((number, outcomes)) = sent.acked() else {
            continue;
        };
        if !is_earlier(sent.number) || index.timeline(number) != index.timeline(sent.number) {
            continue;
        }
        for (entry, outcome) in outcomes {
            let op = index.op_of(entry.op, entry.fingerprint);
            if let (Some(op), Some(cursor)) = (op, outcome.cursor()) {
                found.extend(known.learn(number, sent.share, (cursor, op)));
            }
        }
    }
    for told in &index.told {
        if is_earlier(told.number) {
            let at = (told.op.cursor, told.op.op.id);
            found.extend(known.learn(told.number, told.share, at));
        }
    }
}

/// Which op stands at a cursor, by timeline, and which event said so first.
struct Known<'i, 'a> {
    index: &'i Index<'a>,
    ops: HashMap<(ShareId, usize, Cursor), (OpId, usize)>,
}

impl Known<'_, '_> {
    fn learn(
        &mut self,
        number: usize,
        share: ShareId,
        (cursor, op): (Cursor, OpId),
    ) -> Option<Violation> {
        let place = (share, self.index.timeline(number), cursor);
        let (first, event) = *self.ops.entry(place).or_insert((op, number));
        if first == op {
            return None;
        }
        let finding = Finding {
            index: self.index,
            check: "reader-prefix",
        };
        let actor = &self.index.events[number].actor;
        let text = format!(
            "{actor} was told of op {op} at cursor {cursor}, where event {event} told of op {first}"
        );
        let mut violation = finding.of_op(share, op, number, text);
        violation.about.push(event);
        Some(violation)
    }
}

#[cfg(test)]
mod tests {
    use share_model::{Cursor, LogPosition};

    use crate::check::fixture::{Run, history, names, share};
    use crate::history::What;

    fn two() -> Run {
        let mut run = Run::new();
        run.put(1, 1);
        run.put(1, 2);
        run.follow("reader", 1);
        run
    }

    #[test]
    fn a_reader_that_goes_on_where_it_stood_breaks_nothing() {
        let mut run = two();
        run.saw("reader", 1, run.log[..1].to_vec());
        run.saw("reader", 1, run.log[1..].to_vec());
        run.live("reader", 2);
        run.finish();
        assert_eq!(run.check(), []);
    }

    #[test]
    fn a_gap_a_repeat_and_a_lie_about_being_live_are_found() {
        let mut run = two();
        run.saw("reader", 1, run.log[1..].to_vec());
        run.finish();
        assert_eq!(names(&run.check()), ["cursor-gap"]);
        let mut run = two();
        run.saw("reader", 1, run.log[..1].to_vec());
        run.saw("reader", 1, run.log.clone());
        run.finish();
        assert_eq!(names(&run.check()), ["reader-prefix"]);
        let mut run = two();
        run.live("reader", 2);
        run.finish();
        assert_eq!(names(&run.check()), ["cursor-gap"]);
    }

    #[test]
    fn an_op_that_was_told_and_is_not_in_the_log_is_found() {
        let mut run = two();
        let sent = run.sends(1, &[3]);
        let op = run.op_of(3);
        run.logs(op);
        run.saw("reader", 1, run.log.clone());
        run.log.pop();
        run.applies(sent, &[3]);
        run.log.pop();
        run.finish();
        assert!(names(&run.check()).contains(&"saw-undurable"));
    }

    #[test]
    fn an_op_that_was_told_at_another_cursor_is_found() {
        let mut run = two();
        let mut told = run.log.clone();
        told.swap(0, 1);
        told[0].cursor = Cursor::new(1);
        told[1].cursor = Cursor::new(2);
        run.saw("reader", 1, told);
        run.finish();
        assert!(names(&run.check()).contains(&"reader-prefix"));
    }

    #[test]
    fn two_readers_that_contradict_each_other_before_a_restore_are_found() {
        let mut run = two();
        let mut told = run.log.clone();
        run.saw("reader", 1, told.clone());
        run.follow("other", 1);
        told[0].op = run.op_of(9);
        run.saw("other", 1, told);
        run.restored(true);
        run.finish();
        assert!(names(&run.check()).contains(&"reader-prefix"));
    }

    #[test]
    fn what_was_told_before_a_restore_need_not_stay() {
        let mut run = two();
        run.saw("reader", 1, run.log.clone());
        run.log.clear();
        run.restored(true);
        run.requeues(1, &[2, 1]);
        let at = LogPosition {
            history: Some(history(2)),
            cursor: Cursor::ZERO,
        };
        run.push(
            "reader",
            What::Reset {
                share: share(1),
                at,
            },
        );
        run.later();
        run.saw("reader", 1, run.log.clone());
        run.finish();
        assert_eq!(run.check(), []);
    }
}
