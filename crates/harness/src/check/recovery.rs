//! `recovery-without-cause`: an outbox makes a new plan only if it was copied, or its server went
//! back in time.

use super::Violation;
use super::index::{Finding, Index};

pub(super) fn check(index: &Index<'_>, found: &mut Vec<Violation>) {
    if !index.restores.is_empty() {
        return;
    }
    let finding = Finding {
        index,
        check: "recovery-without-cause",
    };
    for listing in &index.listings {
        if index.copied.contains(listing.folder) {
            continue;
        }
        if let Some(recovery) = listing.recoveries.first() {
            let text = format!(
                "the outbox in {} has another plan, and neither it nor its server went back in time: \
                 {recovery:?}",
                listing.folder
            );
            found.push(finding.of(Some(listing.share), listing.number, text, Vec::new()));
        }
    }
}

#[cfg(test)]
mod tests {
    use share_client::Recovery;

    use crate::check::fixture::{Run, names};
    use crate::history::What;

    fn replanned() -> Run {
        let mut run = Run::new();
        run.put(1, 1);
        run.recoveries.push(Recovery::Requeued {
            reason: "writerFenced".into(),
            ops: 0,
        });
        run
    }

    #[test]
    fn a_recovery_for_nothing_is_found() {
        let mut run = replanned();
        run.finish();
        assert_eq!(names(&run.check()), ["recovery-without-cause"]);
    }

    #[test]
    fn a_restore_or_a_copy_on_either_side_is_a_cause() {
        let mut run = replanned();
        run.restored(true);
        run.finish();
        assert_eq!(run.check(), []);
        let mut run = replanned();
        let (from, to) = ("agent-1".into(), "agent-2".into());
        run.push("chaos", What::Copied { from, to });
        run.finish();
        assert_eq!(run.check(), []);
    }

    #[test]
    fn a_copy_of_another_folder_is_no_cause() {
        let mut run = replanned();
        let (from, to) = ("agent-1".into(), "agent-3".into());
        run.push("chaos", What::Copied { from, to });
        run.finish();
        assert_eq!(names(&run.check()), ["recovery-without-cause"]);
    }
}
