//! `document`: a document is what its log makes of an empty one.

use std::collections::{BTreeMap, HashMap};

use share_model::{Cursor, Mutation, OpId, ShareId};

use super::Violation;
use super::algebra::{self, Document};
use super::index::{Finding, Index};
use crate::history::What;

/// A document that somebody was told.
struct Told<'a> {
    number: usize,
    cursor: Cursor,
    document: &'a BTreeMap<String, String>,
}

/// An op of a log.
type Step<'a> = (OpId, &'a Mutation);

pub(super) fn check(index: &Index<'_>, found: &mut Vec<Violation>) {
    let mut told = told(index);
    let last_timeline = index.restores.len();
    for (share, last) in &index.finals {
        let mut documents = told.remove(&(*share, last_timeline)).unwrap_or_default();
        documents.push(Told {
            number: last.number,
            cursor: Cursor::new(last.log.len() as u64),
            document: last.document,
        });
        let log = last.log.iter();
        let steps: Vec<Step<'_>> = log.map(|op| (op.op.id, &op.op.mutation)).collect();
        let replay = Replay {
            index,
            share: *share,
            at: last.number,
        };
        for beyond in replay.compare(&steps, documents, found) {
            let text = format!(
                "a reader was told the document at cursor {}, and the log ends at {}",
                beyond.cursor, last.cursor
            );
            let finding = Finding {
                index,
                check: "saw-undurable",
            };
            found.push(finding.of(Some(*share), beyond.number, text, vec![last.number]));
        }
    }
    let seen = seen(index);
    for ((share, timeline), documents) in told {
        if timeline == last_timeline {
            continue;
        }
        let ops = (1..).map_while(|cursor| seen.get(&(share, timeline, Cursor::new(cursor))));
        let steps: Vec<Step<'_>> = ops.copied().collect();
        let at = documents.last().map_or(0, |told| told.number);
        // What lies beyond what was told is not known, and not judged.
        Replay { index, share, at }.compare(&steps, documents, found);
    }
}

/// What readers were told, by share and timeline, without what may be from the timeline before.
fn told<'a>(index: &Index<'a>) -> BTreeMap<(ShareId, usize), Vec<Told<'a>>> {
    let mut told: BTreeMap<_, Vec<_>> = BTreeMap::new();
    for event in index.events {
        let What::Document {
            share,
            at,
            document,
        } = &event.what
        else {
            continue;
        };
        if index.may_be_from_before(event.number) {
            continue;
        }
        let place = (*share, index.timeline(event.number));
        told.entry(place).or_default().push(Told {
            number: event.number,
            cursor: at.cursor,
            document,
        });
    }
    told
}

/// The ops that readers were told, by share, timeline and cursor.
fn seen<'a>(index: &Index<'a>) -> HashMap<(ShareId, usize, Cursor), Step<'a>> {
    let told = index.told.iter();
    told.filter(|told| !index.may_be_from_before(told.number))
        .map(|told| {
            let place = (told.share, index.timeline(told.number), told.op.cursor);
            (place, (told.op.op.id, &told.op.op.mutation))
        })
        .collect()
}

/// A log that is replayed from empty.
struct Replay<'i, 'a> {
    index: &'i Index<'a>,
    share: ShareId,
    /// The event at which a wrong log shows.
    at: usize,
}

impl Replay<'_, '_> {
    /// Compares each document where its cursor is reached, and gives back those that lie beyond.
    fn compare<'d>(
        &self,
        steps: &[Step<'_>],
        mut documents: Vec<Told<'d>>,
        found: &mut Vec<Violation>,
    ) -> Vec<Told<'d>> {
        let finding = Finding {
            index: self.index,
            check: "document",
        };
        documents.sort_by_key(|told| told.cursor);
        let beyond = documents.partition_point(|told| told.cursor.get() <= steps.len() as u64);
        let beyond = documents.split_off(beyond);
        let mut documents = documents.into_iter().peekable();
        let mut replay = Document::new();
        for (cursor, step) in (0..).zip(steps.iter().map(Some).chain([None])) {
            while let Some(told) = documents.next_if(|told| told.cursor == Cursor::new(cursor)) {
                if let Some(what) = algebra::difference(told.document, &replay) {
                    let text = format!("the document at cursor {cursor} is wrong: {what}");
                    found.push(finding.of(Some(self.share), told.number, text, vec![self.at]));
                }
            }
            let Some((op, mutation)) = step else {
                break;
            };
            if let Err(why) = algebra::apply(&mut replay, mutation) {
                let cursor = cursor + 1;
                let text = format!("op {op} at cursor {cursor} of the log does not fit: {why}");
                found.push(finding.of_op(self.share, *op, self.at, text));
                break;
            }
        }
        beyond
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use share_model::{Cursor, LogPosition};

    use crate::check::fixture::{Run, history, names, share, text};
    use crate::history::What;

    fn tells(run: &mut Run, cursor: u64, entries: &[(&str, &str)]) {
        let at = LogPosition {
            history: Some(history(1)),
            cursor: Cursor::new(cursor),
        };
        let share = share(1);
        run.push("reader", What::Reset { share, at });
        let document: BTreeMap<_, _> = entries
            .iter()
            .map(|(key, json)| ((*key).to_owned(), (*json).to_owned()))
            .collect();
        run.push(
            "reader",
            What::Document {
                share,
                at,
                document,
            },
        );
    }

    #[test]
    fn a_final_document_that_the_log_does_not_make_is_found() {
        let mut run = Run::new();
        run.put(1, 1);
        run.document.insert("k1".into(), "\"wrong\"".into());
        run.finish();
        assert_eq!(names(&run.check()), ["document"]);
    }

    #[test]
    fn a_document_of_a_reader_is_compared_at_its_cursor() {
        let mut run = Run::new();
        run.put(1, 1);
        run.follow("reader", 1);
        tells(&mut run, 0, &[]);
        tells(&mut run, 1, &[("k1", "\"v1\"")]);
        run.put(1, 2);
        tells(&mut run, 1, &[("k1", "\"v1\"")]);
        run.finish();
        assert_eq!(run.check(), []);
        let mut run = Run::new();
        run.put(1, 1);
        run.put(1, 2);
        run.follow("reader", 1);
        tells(&mut run, 2, &[("k1", "\"v1\"")]);
        run.finish();
        assert_eq!(names(&run.check()), ["document"]);
    }

    #[test]
    fn a_document_before_a_restore_is_compared_with_what_was_told() {
        let mut run = Run::new();
        run.put(1, 1);
        run.follow("reader", 1);
        run.saw("reader", 1, run.log.clone());
        tells(&mut run, 1, &[("k1", "\"other\"")]);
        run.restored(true);
        run.finish();
        assert_eq!(names(&run.check()), ["document"]);
    }

    #[test]
    fn a_document_beyond_the_log_is_found() {
        let mut run = Run::new();
        run.put(1, 1);
        run.follow("reader", 1);
        tells(&mut run, 2, &[("k1", "\"v1\"")]);
        run.finish();
        assert_eq!(names(&run.check()), ["saw-undurable"]);
    }

    #[test]
    fn a_logged_op_that_does_not_fit_is_found() {
        let mut run = Run::new();
        run.mutation(7, text("none", "", "x"));
        run.put(1, 7);
        run.finish();
        assert_eq!(names(&run.check()), ["document"]);
    }
}
