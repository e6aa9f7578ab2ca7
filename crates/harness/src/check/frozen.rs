//! `frozen`: a frozen share does not change.

use super::Violation;
use super::index::{Act, ActKind, Finding, Index};

pub(super) fn check(index: &Index<'_>, found: &mut Vec<Violation>) {
    for act in &index.acts {
        if let (ActKind::Freeze(true), Some(acked)) = (act.kind, act.acked)
            && !is_contested(index, act, acked)
        {
            while_frozen(index, act, acked, found);
        }
    }
}

/// Whether something else that freezes or thaws the share may take effect after this freeze's ack.
fn is_contested(index: &Index<'_>, freeze: &Act, acked: usize) -> bool {
    index.acts.iter().any(|other| {
        let ended = other.acked.or(other.refused);
        other.share == freeze.share
            && other.kind == ActKind::Freeze(false)
            && other.number < acked
            && ended.is_none_or(|ended| ended > freeze.number)
    })
}

fn while_frozen(index: &Index<'_>, freeze: &Act, acked: usize, found: &mut Vec<Violation>) {
    let finding = Finding {
        index,
        check: "frozen",
    };
    let share = freeze.share;
    let thaws = index.acts.iter().filter(|act| {
        act.share == share && act.kind == ActKind::Freeze(false) && act.number > acked
    });
    let restores = index.restores.iter().map(|restore| restore.number);
    let until = thaws
        .map(|act| act.number)
        .chain(restores.filter(|restore| *restore > acked))
        .min()
        .unwrap_or(usize::MAX);
    let mut reads = index
        .reads
        .iter()
        .filter(|read| read.share == share && read.since > acked && read.number < until);
    if let Some(first) = reads.next()
        && let Some(other) = reads.find(|read| read.cursor != first.cursor)
    {
        let text = format!(
            "the share was at cursor {}, and then at {}, while it was frozen",
            first.cursor, other.cursor
        );
        let about = vec![freeze.number, acked, first.number];
        found.push(finding.of(Some(share), other.number, text, about));
    }
    for sent in &index.sends {
        if sent.share != share || sent.number < acked {
            continue;
        }
        if let Some(applied) = sent.applied().filter(|applied| *applied < until) {
            let text = "a batch that was sent while the share was frozen was applied".to_owned();
            let about = vec![freeze.number, acked, sent.number];
            found.push(finding.of(Some(share), applied, text, about));
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::check::fixture::{Run, names};

    #[test]
    fn a_share_changes_again_once_it_is_thawed() {
        let mut run = Run::new();
        run.freezes(true);
        run.reads();
        run.freezes(false);
        run.put(1, 1);
        run.reads();
        run.finish();
        assert_eq!(run.check(), []);
    }

    #[test]
    fn an_append_to_a_frozen_share_is_found() {
        let mut run = Run::new();
        run.freezes(true);
        run.put(1, 1);
        run.freezes(false);
        run.finish();
        assert_eq!(names(&run.check()), ["frozen"]);
    }

    #[test]
    fn a_cursor_that_moves_while_frozen_is_found() {
        let mut run = Run::new();
        let sent = run.sends(1, &[1]);
        run.freezes(true);
        run.reads();
        run.applies(sent, &[1]);
        run.reads();
        run.freezes(false);
        run.finish();
        assert_eq!(names(&run.check()), ["frozen"]);
    }
}
