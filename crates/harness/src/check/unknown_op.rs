//! `unknown-op`: a log holds only what somebody enqueued and sent, as it was enqueued.

use share_model::{LoggedOp, ShareId};

use super::Violation;
use super::index::{Finding, Index};

pub(super) fn check(index: &Index<'_>, found: &mut Vec<Violation>) {
    let finding = Finding {
        index,
        check: "unknown-op",
    };
    let in_logs = index.finals.iter().flat_map(|(share, last)| {
        let ops = last.log.iter();
        ops.map(|op| (*share, last.number, op))
    });
    let told = index
        .told
        .iter()
        .map(|told| (told.share, told.number, told.op));
    for (share, at, op) in in_logs.chain(told) {
        if let Some(why) = wrong(index, share, op) {
            let text = format!("op {} at cursor {}: {why}", op.op.id, op.cursor);
            found.push(finding.of_op(share, op.op.id, at, text));
        }
    }
}

/// What is wrong with an op of a log.
fn wrong(index: &Index<'_>, share: ShareId, op: &LoggedOp) -> Option<String> {
    let Some((enqueue, made)) = index.made.get(&op.op.id) else {
        return Some("nobody enqueued it".into());
    };
    let enqueue = &index.enqueues[*enqueue];
    if enqueue.share != share {
        return Some(format!("it was enqueued for share {}", enqueue.share));
    }
    if let Some(refused) = enqueue.refused {
        return Some(format!(
            "its outbox did not keep it, as event {refused} says"
        ));
    }
    if op.op.mutation != made.mutation {
        return Some(format!(
            "it says {:?}, and was enqueued as {:?}",
            op.op.mutation, made.mutation
        ));
    }
    if op.op.depends_on.len() != made.depends_on.len() {
        return Some(format!(
            "it has {} dependencies, and was enqueued with {}",
            op.op.depends_on.len(),
            made.depends_on.len()
        ));
    }
    let is_sent = index.carriers_of(op.op.id).next().is_some();
    (!is_sent).then(|| "nobody sent it".into())
}

#[cfg(test)]
mod tests {
    use crate::check::fixture::{Run, names, put};
    use crate::history::{MadeOp, What};

    #[test]
    fn an_op_that_nobody_enqueued_is_found() {
        let mut run = Run::new();
        let op = run.op_of(7);
        run.logs(op);
        run.finish();
        assert_eq!(names(&run.check()), ["unknown-op"]);
    }

    #[test]
    fn an_op_that_nobody_sent_is_found() {
        let mut run = Run::new();
        run.enqueues(1, &[7]);
        let op = run.op_of(7);
        run.logs(op);
        run.finish();
        assert!(names(&run.check()).contains(&"unknown-op"));
    }

    #[test]
    fn an_op_that_the_outbox_did_not_keep_is_found() {
        let mut run = Run::new();
        let call = run.events.call();
        let ops = vec![MadeOp {
            id: run.op_of(7).id,
            mutation: run.op_of(7).mutation,
            depends_on: vec![],
        }];
        run.asks(1, call, ops);
        let why = "disk full".into();
        run.push("agent-1", What::NotEnqueued { call, why });
        let sent = run.sends_only(1, &[(1, 7)]);
        run.applies(sent, &[7]);
        run.finish();
        assert!(names(&run.check()).contains(&"unknown-op"));
    }

    #[test]
    fn an_op_with_other_content_is_found() {
        let mut run = Run::new();
        run.put(1, 1);
        run.log[0].op.mutation = put("k1", "\"other\"");
        run.finish();
        assert!(names(&run.check()).contains(&"unknown-op"));
    }
}
