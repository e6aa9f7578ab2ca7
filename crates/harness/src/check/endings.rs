//! `outbox-lost`, `not-ended` and `no-progress`: what an outbox kept it still has in the end, and
//! every op of it has ended.

use std::collections::HashSet;

use super::Violation;
use super::index::{ActKind, Finding, Index, Listing};
use crate::history::What;

pub(super) fn check(index: &Index<'_>, found: &mut Vec<Violation>) {
    for listing in &index.listings {
        lost(index, listing, found);
        unended(index, listing, found);
    }
    let finding = Finding {
        index,
        check: "no-progress",
    };
    for event in index.events {
        if let What::AtRest {
            folder,
            rested: false,
            detail,
        } = &event.what
        {
            let text = format!("the outbox in {folder} did not come to its end: {detail}");
            found.push(finding.of(None, event.number, text, Vec::new()));
        }
    }
}

/// What was enqueued into this very outbox is in it.
fn lost(index: &Index<'_>, listing: &Listing<'_>, found: &mut Vec<Violation>) {
    let finding = Finding {
        index,
        check: "outbox-lost",
    };
    let held: HashSet<_> = listing.rows.iter().map(|row| row.op_id).collect();
    let copied_over = index.copies.iter().rfind(|(_, to)| *to == listing.folder);
    for enqueue in &index.enqueues {
        let is_here = enqueue.share == listing.share
            && enqueue.folder == listing.folder
            && enqueue.number < listing.number
            && copied_over.is_none_or(|(copied, _)| enqueue.number > *copied);
        if !is_here || enqueue.identities.is_none() {
            continue;
        }
        for op in enqueue.ops.iter().filter(|op| !held.contains(&op.id)) {
            let text = format!(
                "the outbox in {} kept op {} at event {}, and does not hold it",
                listing.folder, op.id, enqueue.number
            );
            found.push(finding.of_op(listing.share, op.id, listing.number, text));
        }
    }
}

fn unended(index: &Index<'_>, listing: &Listing<'_>, found: &mut Vec<Violation>) {
    let finding = Finding {
        index,
        check: "not-ended",
    };
    let waits = listing.stopped.is_some() || is_frozen(index, listing);
    if waits || index.may_be_deleted(listing.share) {
        return;
    }
    for row in listing.rows.iter().filter(|row| !row.state.is_final()) {
        let text = format!(
            "op {} (seq {} of outbox {}) is still {} in the end, after {} attempts",
            row.op_id,
            row.seq,
            row.outbox,
            row.state.name(),
            row.attempts
        );
        found.push(finding.of_op(listing.share, row.op_id, listing.number, text));
    }
}

/// Whether the share may be frozen in the end.
fn is_frozen(index: &Index<'_>, listing: &Listing<'_>) -> bool {
    let mut freezes = index
        .acts
        .iter()
        .filter(|act| act.share == listing.share && matches!(act.kind, ActKind::Freeze(_)));
    freezes
        .next_back()
        .is_some_and(|last| last.kind == ActKind::Freeze(true) || last.acked.is_none())
}

#[cfg(test)]
mod tests {
    use share_client::RowState;
    use share_model::RefusalCode;

    use crate::check::fixture::{Run, names};
    use crate::history::What;

    #[test]
    fn an_op_that_the_outbox_lost_is_found() {
        let mut run = Run::new();
        run.put(1, 1);
        run.put(1, 2);
        run.rows.retain(|row| row.row.op_id != run.log[1].op.id);
        run.finish();
        assert_eq!(names(&run.check()), ["outbox-lost"]);
    }

    #[test]
    fn an_op_without_an_end_is_found() {
        let mut run = Run::new();
        run.put(1, 1);
        run.enqueues(1, &[2]);
        run.finish();
        assert_eq!(names(&run.check()), ["not-ended"]);
    }

    #[test]
    fn a_replay_that_waits_for_a_person_may_have_ops_without_an_end() {
        let mut run = Run::new();
        run.enqueues(1, &[1]);
        assert_eq!(run.rows[0].row.state, RowState::Queued);
        run.stopped = Some(RefusalCode::Revoked);
        run.finish();
        assert_eq!(run.check(), []);
    }

    #[test]
    fn an_outbox_that_does_not_come_to_its_end_is_found() {
        let mut run = Run::new();
        run.push(
            "chaos",
            What::AtRest {
                folder: "agent-1".into(),
                rested: false,
                detail: "1 op is sent".into(),
            },
        );
        run.finish();
        assert_eq!(names(&run.check()), ["no-progress"]);
    }
}
