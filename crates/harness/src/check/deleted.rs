//! `deleted`: a deleted share takes nothing, tells nothing and stays deleted.

use std::collections::HashMap;

use share_model::ShareId;

use super::Violation;
use super::index::{ActKind, Finding, Index};
use crate::history::What;

pub(super) fn check(index: &Index<'_>, found: &mut Vec<Violation>) {
    let mut done = HashMap::new();
    for act in &index.acts {
        if let (ActKind::Delete, Some(acked)) = (act.kind, act.acked) {
            done.entry(act.share).or_insert(acked);
        }
    }
    for (share, acked) in done {
        let until = index
            .restores
            .iter()
            .find(|restore| restore.number > acked && restore.journal_lost)
            .map_or(usize::MAX, |restore| restore.number);
        let deletion = Deletion {
            finding: Finding {
                index,
                check: "deleted",
            },
            share,
            acked,
            until,
        };
        deletion.nothing_is_taken(found);
        deletion.nothing_is_told(found);
    }
}

/// A share that is deleted between two events.
struct Deletion<'i, 'a> {
    finding: Finding<'i, 'a>,
    share: ShareId,
    acked: usize,
    until: usize,
}

impl Deletion<'_, '_> {
    fn found(&self, at: usize, text: &str, about: Vec<usize>) -> Violation {
        let mut about = about;
        about.push(self.acked);
        let text = format!(
            "{text}, though it was deleted at event {acked}",
            acked = self.acked
        );
        self.finding.of(Some(self.share), at, text, about)
    }

    fn is_after(&self, number: usize) -> bool {
        self.acked < number && number < self.until
    }

    fn nothing_is_taken(&self, found: &mut Vec<Violation>) {
        let index = self.finding.index;
        for sent in &index.sends {
            if let Some((acked, _)) = sent.acked()
                && sent.share == self.share
                && self.is_after(sent.number)
                && acked < self.until
            {
                found.push(self.found(acked, "the share acked a batch", vec![sent.number]));
            }
        }
        for read in &index.reads {
            if read.share == self.share && read.since > self.acked && read.number < self.until {
                found.push(self.found(read.number, "the share told its cursor", Vec::new()));
            }
        }
        if let Some(last) = index.finals.get(&self.share)
            && last.number < self.until
        {
            found.push(self.found(last.number, "the share is there in the end", Vec::new()));
        }
    }

    fn nothing_is_told(&self, found: &mut Vec<Violation>) {
        let mut begun: HashMap<&str, usize> = HashMap::new();
        for event in self.finding.index.events {
            match &event.what {
                What::Follow { share, .. } if *share == self.share => {
                    begun.insert(&event.actor, event.number);
                }
                What::Reset { share, .. }
                | What::Document { share, .. }
                | What::Saw { share, .. }
                | What::Live { share, .. }
                    if *share == self.share && event.number < self.until =>
                {
                    let begun = begun.get(event.actor.as_str());
                    if let Some(begun) = begun.filter(|begun| self.is_after(**begun)) {
                        let text = "the share told a reader something";
                        found.push(self.found(event.number, text, vec![*begun]));
                    }
                }
                _ => {}
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::check::fixture::{Run, names};

    #[test]
    fn a_deleted_share_that_is_gone_breaks_nothing() {
        let mut run = Run::new();
        run.put(1, 1);
        run.deletes();
        run.finish();
        assert_eq!(run.check(), []);
    }

    #[test]
    fn a_deleted_share_that_is_there_in_the_end_is_found() {
        let mut run = Run::new();
        run.put(1, 1);
        run.deletes();
        run.is_gone = false;
        run.finish();
        assert_eq!(names(&run.check()), ["deleted"]);
    }

    #[test]
    fn a_deleted_share_that_takes_or_tells_something_is_found() {
        let mut run = Run::new();
        run.deletes();
        run.put(1, 1);
        run.finish();
        assert!(names(&run.check()).contains(&"deleted"));
        let mut run = Run::new();
        run.deletes();
        run.follow("reader", 1);
        run.live("reader", 0);
        run.finish();
        assert_eq!(names(&run.check()), ["deleted"]);
        let mut run = Run::new();
        run.deletes();
        run.reads();
        run.finish();
        assert_eq!(names(&run.check()), ["deleted"]);
    }
}
