//! `cursor-gap` and `cursor-back`: cursors count up by one, without a gap, and never go back.

use std::collections::BTreeMap;

use share_model::{Cursor, ShareId};

use super::Violation;
use super::index::{Answer, Finding, Index};

pub(super) fn check(index: &Index<'_>, found: &mut Vec<Violation>) {
    gaps(index, found);
    for ((share, _), mut told) in told(index) {
        told.sort_by_key(|told| told.number);
        back(index, share, &told, found);
    }
}

fn gaps(index: &Index<'_>, found: &mut Vec<Violation>) {
    let finding = Finding {
        index,
        check: "cursor-gap",
    };
    for (share, last) in &index.finals {
        let mut before = Cursor::ZERO;
        for op in last.log {
            if op.cursor != before.next() {
                let text = format!(
                    "in the log, op {} at cursor {} follows cursor {before}",
                    op.op.id, op.cursor
                );
                found.push(finding.of_op(*share, op.op.id, last.number, text));
            }
            before = op.cursor;
        }
        if last.cursor != before {
            let text = format!(
                "the share's cursor is {}, and its log ends at {before}",
                last.cursor
            );
            found.push(finding.of(Some(*share), last.number, text, Vec::new()));
        }
    }
}

/// A share's cursor, as somebody was told it.
struct Told {
    /// It was told here.
    number: usize,
    /// It was asked for here: what was told before then is no higher.
    since: usize,
    cursor: Cursor,
}

/// What was asked for and told within one timeline, by share and timeline.
fn told(index: &Index<'_>) -> BTreeMap<(ShareId, usize), Vec<Told>> {
    let mut told: BTreeMap<_, Vec<_>> = BTreeMap::new();
    let mut add = |share, since, number, cursor| {
        let timeline = index.timeline(since);
        if timeline == index.timeline(number) {
            told.entry((share, timeline)).or_default().push(Told {
                number,
                since,
                cursor,
            });
        }
    };
    for read in &index.reads {
        add(read.share, read.since, read.number, read.cursor);
    }
    for sent in &index.sends {
        if let Some((number, Answer::Acked { cursor, .. })) = sent.answer {
            add(sent.share, sent.number, number, cursor);
        }
    }
    for (share, last) in &index.finals {
        add(*share, last.number, last.number, last.cursor);
    }
    told
}

fn back(index: &Index<'_>, share: ShareId, told: &[Told], found: &mut Vec<Violation>) {
    let finding = Finding {
        index,
        check: "cursor-back",
    };
    // For each place, the highest that was told up to there.
    let mut highest: Vec<&Told> = Vec::new();
    for (at, this) in told.iter().enumerate() {
        let before = told[..at].partition_point(|before| before.number < this.since);
        let known = before.checked_sub(1).map(|last| highest[last]);
        if let Some(known) = known.filter(|known| known.cursor > this.cursor) {
            let text = format!(
                "the share is at cursor {}, and event {} told of cursor {} before",
                this.cursor, known.number, known.cursor
            );
            found.push(finding.of(Some(share), this.number, text, vec![known.number]));
        }
        let last = highest.last().copied();
        highest.push(match last {
            Some(last) if last.cursor > this.cursor => last,
            _ => this,
        });
    }
}

#[cfg(test)]
mod tests {
    use share_model::Cursor;

    use crate::check::fixture::{Run, names};

    #[test]
    fn a_gap_in_the_log_is_found() {
        let mut run = Run::new();
        run.put(1, 1);
        run.put(1, 2);
        run.log[1].cursor = Cursor::new(3);
        run.finish();
        assert!(names(&run.check()).contains(&"cursor-gap"));
    }

    #[test]
    fn a_cursor_beyond_the_log_is_found() {
        let mut run = Run::new();
        run.put(1, 1);
        run.cursor_ahead = 1;
        run.finish();
        assert_eq!(names(&run.check()), ["cursor-gap"]);
    }

    #[test]
    fn a_cursor_that_goes_back_is_found() {
        let mut run = Run::new();
        run.put(1, 1);
        run.reads();
        run.log.pop();
        run.reads();
        run.put(1, 2);
        run.finish();
        assert!(names(&run.check()).contains(&"cursor-back"));
    }

    #[test]
    fn a_cursor_may_go_back_with_a_restore() {
        let mut run = Run::new();
        run.put(1, 1);
        run.reads();
        run.log.pop();
        run.restored(false);
        run.reads();
        run.requeues(1, &[1]);
        run.finish();
        assert_eq!(run.check(), []);
    }
}
