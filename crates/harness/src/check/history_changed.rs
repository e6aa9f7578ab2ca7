//! `history-changed`: a server's history changes when it is restored, and only then.

use std::collections::HashSet;

use share_model::HistoryId;

use super::Violation;
use super::index::{Finding, Index};
use crate::history::What;

pub(super) fn check(index: &Index<'_>, found: &mut Vec<Violation>) {
    let finding = Finding {
        index,
        check: "history-changed",
    };
    let mut seen: HashSet<HistoryId> = HashSet::new();
    let mut last: Option<(usize, HistoryId)> = None;
    for event in index.events {
        let What::ServerStarted { history } = &event.what else {
            continue;
        };
        let since = last.map_or(0, |(number, _)| number);
        let restores = index.restores.iter();
        let mut between =
            restores.filter(|restore| since < restore.number && restore.number < event.number);
        let is_new = !seen.contains(history);
        // Whichever came last decides: a machine that was put back knows an earlier history.
        let wrong = match between.next_back().map(|restore| restore.known) {
            _ if seen.is_empty() => None,
            Some(true) => (!is_new).then_some("one that it had before a restore"),
            Some(false) => is_new.then_some("a new one, though nobody restored it"),
            None => {
                let is_same = last.is_some_and(|(_, before)| before == *history);
                (!is_same).then_some("another one than before, without a restore")
            }
        };
        if let Some(what) = wrong {
            let text = format!("the server's history is {history}: {what}");
            found.push(finding.of(None, event.number, text, vec![since]));
        }
        seen.insert(*history);
        last = Some((event.number, *history));
    }
    for (share, end) in &index.finals {
        if let Some((number, history)) = last.filter(|(_, history)| *history != end.history) {
            let text = format!(
                "the share's history is {}, and the server began with {history}",
                end.history
            );
            found.push(finding.of(Some(*share), end.number, text, vec![number]));
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::check::fixture::{Run, names};

    #[test]
    fn a_restart_keeps_the_history_and_a_restore_changes_it() {
        let mut run = Run::new();
        run.serves();
        run.restored(true);
        run.serves();
        run.finish();
        assert_eq!(run.check(), []);
    }

    #[test]
    fn a_history_that_changes_without_a_restore_is_found() {
        let mut run = Run::new();
        run.history = 9;
        run.serves();
        run.finish();
        assert_eq!(names(&run.check()), ["history-changed"]);
    }

    #[test]
    fn a_history_that_stays_over_a_restore_is_found() {
        let mut run = Run::new();
        run.restored(true);
        run.history = 1;
        run.serves();
        run.finish();
        assert!(names(&run.check()).contains(&"history-changed"));
        let mut run = Run::new();
        run.restored(false);
        run.history = 7;
        run.serves();
        run.finish();
        assert!(names(&run.check()).contains(&"history-changed"));
    }
}
