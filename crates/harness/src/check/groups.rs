//! `dependency` and `atomic-group`: what belongs together is applied together, and in its order.

use std::collections::HashSet;

use share_model::{Cursor, ShareId};

use super::Violation;
use super::index::{Enqueue, Final, Finding, Index};
use crate::history::Group;

pub(super) fn check(index: &Index<'_>, found: &mut Vec<Violation>) {
    for (share, last) in &index.finals {
        dependencies(index, (*share, last), found);
    }
    // A group that was re-queued may have been split, and its ops got other cursors.
    if !index.restores.is_empty() || !index.copies.is_empty() {
        return;
    }
    let enqueues = index.enqueues.iter();
    for enqueue in enqueues.filter(|enqueue| index.is_outbox(enqueue.folder)) {
        if let (Group::Atomic { expected }, Some(last)) =
            (enqueue.group, index.finals.get(&enqueue.share))
        {
            found.extend(group(index, enqueue, expected, last));
        }
    }
}

fn dependencies(
    index: &Index<'_>,
    (share, last): (ShareId, &Final<'_>),
    found: &mut Vec<Violation>,
) {
    let finding = Finding {
        index,
        check: "dependency",
    };
    let mut before = HashSet::new();
    for op in last.log {
        let made = index.made.get(&op.op.id).map(|(_, made)| made);
        let needs = made.into_iter().flat_map(|made| &made.depends_on);
        for missing in needs.filter(|needed| !before.contains(*needed)) {
            let text = format!(
                "op {} was applied at cursor {}, before op {missing}, on which it depends",
                op.op.id, op.cursor
            );
            let mut violation = finding.of_op(share, op.op.id, last.number, text);
            violation.about.extend(index.story_of(*missing));
            found.push(violation);
        }
        before.insert(op.op.id);
    }
}

fn group(
    index: &Index<'_>,
    enqueue: &Enqueue<'_>,
    expected: Option<Cursor>,
    last: &Final<'_>,
) -> Option<Violation> {
    let places: Vec<_> = enqueue
        .ops
        .iter()
        .map(|op| last.cursors_of(op.id).first().copied())
        .collect();
    let cursors: Vec<_> = places.iter().copied().flatten().collect();
    let first = *cursors.first()?;
    let id = enqueue.ops.first()?.id;
    let text = if let Some(missing) = places.iter().position(Option::is_none) {
        format!(
            "op {} of an atomic group is not in the log, and others of the group are",
            enqueue.ops[missing].id
        )
    } else if cursors.windows(2).any(|pair| pair[1] != pair[0].next()) {
        format!("the ops of the atomic group that begins with op {id} are apart: {cursors:?}")
    } else if expected.is_some_and(|expected| first != expected.next()) {
        format!(
            "the atomic group that begins with op {id} is at cursor {first}, and expected to follow {}",
            expected.unwrap_or_default()
        )
    } else {
        return None;
    };
    let finding = Finding {
        index,
        check: "atomic-group",
    };
    let mut violation = finding.of_op(enqueue.share, id, last.number, text);
    for op in enqueue.ops {
        violation.about.extend(index.story_of(op.id));
    }
    Some(violation)
}

#[cfg(test)]
mod tests {
    use share_model::Cursor;

    use crate::check::fixture::{PROBER, Run, names};
    use crate::history::Group;

    fn atomic(expected: Option<u64>) -> Run {
        let mut run = Run::new();
        run.put(2, 9);
        run.group = Group::Atomic {
            expected: expected.map(Cursor::new),
        };
        run
    }

    #[test]
    fn a_dependency_that_comes_later_or_not_at_all_is_found() {
        let mut run = Run::new();
        run.depends(2, 1);
        run.put(1, 1);
        run.put(1, 2);
        run.finish();
        assert_eq!(run.check(), []);
        let mut run = Run::new();
        run.depends(1, 2);
        run.put(1, 1);
        run.put(1, 2);
        run.finish();
        assert_eq!(names(&run.check()), ["dependency"]);
    }

    #[test]
    fn a_whole_group_at_its_cursor_breaks_nothing() {
        let mut run = atomic(Some(1));
        let sent = run.sends(1, &[1, 2]);
        run.applies(sent, &[1, 2]);
        run.finish();
        assert_eq!(run.check(), []);
    }

    #[test]
    fn half_a_group_is_found() {
        let mut run = atomic(None);
        run.sends(1, &[1, 2]);
        let op = run.op_of(1);
        run.logs(op);
        run.finish();
        assert!(names(&run.check()).contains(&"atomic-group"));
    }

    #[test]
    fn a_group_that_is_apart_or_at_another_cursor_is_found() {
        let mut run = atomic(None);
        let sent = run.sends(1, &[1, 2]);
        run.group = Group::Loose;
        run.applies(sent, &[1]);
        run.put(2, 8);
        let op = run.op_of(2);
        run.logs(op);
        run.finish();
        assert!(names(&run.check()).contains(&"atomic-group"));
        let mut run = atomic(Some(0));
        let sent = run.sends(1, &[1, 2]);
        run.applies(sent, &[1, 2]);
        run.finish();
        assert_eq!(names(&run.check()), ["atomic-group"]);
    }

    #[test]
    fn who_has_no_outbox_may_send_a_part_of_a_group() {
        let mut run = atomic(None);
        run.probes();
        run.enqueues(PROBER, &[1, 2]);
        let sent = run.sends_only(PROBER, &[(1, 1)]);
        run.applies(sent, &[1]);
        run.finish();
        assert_eq!(run.check(), []);
    }
}
