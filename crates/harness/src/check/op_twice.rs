//! `op-twice`: an op is in a log at most once.

use std::collections::HashMap;

use super::Violation;
use super::index::{Finding, Index};

pub(super) fn check(index: &Index<'_>, found: &mut Vec<Violation>) {
    let finding = Finding {
        index,
        check: "op-twice",
    };
    for (share, last) in &index.finals {
        let mut cursors = HashMap::new();
        for op in last.log {
            if let Some(first) = cursors.insert(op.op.id, op.cursor) {
                let text = format!(
                    "op {} is in the log twice: at cursor {first} and at cursor {}",
                    op.op.id, op.cursor
                );
                found.push(finding.of_op(*share, op.op.id, last.number, text));
            }
        }
    }
    let mut seen = HashMap::new();
    for told in &index.told {
        if index.may_be_from_before(told.number) {
            continue;
        }
        let op = told.op.op.id;
        let place = (told.actor, told.share, index.timeline(told.number), op);
        let first = *seen.entry(place).or_insert(told.op.cursor);
        if first != told.op.cursor {
            let text = format!(
                "{} was told op {op} twice: at cursor {first} and at cursor {}",
                told.actor, told.op.cursor
            );
            found.push(finding.of_op(told.share, op, told.number, text));
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::check::fixture::{Run, names};

    #[test]
    fn an_op_twice_in_the_log_is_found() {
        let mut run = Run::new();
        run.put(1, 1);
        run.put(1, 2);
        let again = run.log[0].op.clone();
        run.logs(again);
        run.finish();
        assert!(names(&run.check()).contains(&"op-twice"));
    }

    #[test]
    fn an_op_told_twice_is_found() {
        let mut run = Run::new();
        run.put(1, 1);
        run.put(1, 2);
        run.follow("reader", 1);
        let mut told = run.log.clone();
        told[1].op = told[0].op.clone();
        run.saw("reader", 1, told);
        run.finish();
        assert!(names(&run.check()).contains(&"op-twice"));
    }
}
