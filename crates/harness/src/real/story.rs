//! What the script and its processes saw, put in one order.

use std::cell::RefCell;
use std::path::PathBuf;
use std::rc::Rc;

use super::error::RealError;
use super::moment::Moment;
use super::note;
use crate::history::{Call, Event, What};

/// The script's own events, and where its processes note theirs. Clones tell the same story.
#[derive(Debug, Clone)]
pub(super) struct Story(Rc<RefCell<Inner>>);

#[derive(Debug)]
struct Inner {
    began: Moment,
    told: Vec<Told>,
    notes: Vec<(String, PathBuf)>,
    calls: Call,
}

#[derive(Debug)]
struct Told {
    at: Moment,
    actor: String,
    what: What,
    /// Whose next event's number stands in `what`.
    since: Option<Moment>,
}

impl Story {
    pub(super) fn begin() -> Self {
        Self(Rc::new(RefCell::new(Inner {
            began: Moment::now(),
            told: Vec::new(),
            notes: Vec::new(),
            calls: 0,
        })))
    }

    /// A number for a call of the script.
    pub(super) fn call(&self) -> Call {
        let mut inner = self.0.borrow_mut();
        inner.calls += 1;
        inner.calls
    }

    /// Adds an event.
    pub(super) fn tell(&self, actor: &str, what: What) {
        self.add(actor, what, None);
    }

    /// Adds an event that speaks of what lay before `since`.
    pub(super) fn tell_since(&self, actor: &str, what: What, since: Moment) {
        self.add(actor, what, Some(since));
    }

    /// Adds a fault that has fired.
    pub(super) fn fault(&self, kind: &'static str, detail: impl Into<String>) {
        let detail = detail.into();
        self.tell("chaos", What::Fault { kind, detail });
    }

    /// What was told last, for a message.
    pub(super) fn last(&self) -> String {
        let inner = self.0.borrow();
        inner
            .told
            .last()
            .map_or_else(String::new, |it| format!("{:?}", it.what))
    }

    /// A process of `actor` notes what it sees in `path`.
    pub(super) fn expect_notes(&self, actor: &str, path: PathBuf) {
        self.0.borrow_mut().notes.push((actor.to_owned(), path));
    }

    fn add(&self, actor: &str, what: What, since: Option<Moment>) {
        let at = Moment::now();
        let actor = actor.to_owned();
        self.0.borrow_mut().told.push(Told {
            at,
            actor,
            what,
            since,
        });
    }

    /// All events, in order; every process must have ended.
    pub(super) fn events(&self) -> Result<Vec<Event>, RealError> {
        let mut inner = self.0.borrow_mut();
        let mut told = std::mem::take(&mut inner.told);
        let mut base = inner.calls;
        for (actor, path) in &inner.notes {
            let notes = note::read(path)?;
            let calls = notes.iter().filter_map(|(_, note)| note.call()).max();
            told.extend(notes.into_iter().map(|(at, note)| Told {
                at,
                actor: actor.clone(),
                what: note.told(base),
                since: None,
            }));
            base += calls.unwrap_or(0);
        }
        told.sort_by_key(|it| it.at);
        let moments: Vec<_> = told.iter().map(|it| it.at).collect();
        let number_after = |since| moments.partition_point(|at| *at < since);
        let began = inner.began;
        let events = told.into_iter().enumerate().map(|(number, it)| Event {
            number,
            at_ms: it.at.ms_since(began),
            actor: it.actor,
            what: match it.since {
                Some(since) => spoken_of(it.what, number_after(since)),
                None => it.what,
            },
        });
        Ok(events.collect())
    }
}

fn spoken_of(what: What, next: usize) -> What {
    match what {
        What::Restored {
            known,
            journal_lost,
            ..
        } => What::Restored {
            known,
            taken_at: next,
            journal_lost,
        },
        What::CursorRead {
            share,
            history,
            cursor,
            ..
        } => What::CursorRead {
            share,
            history,
            cursor,
            since: next,
        },
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::real::note::{Note, Notes};

    #[test]
    fn what_processes_noted_stands_between_what_the_script_told_with_calls_of_its_own() {
        let folder = tempfile::tempdir().unwrap();
        let story = Story::begin();
        story.call();
        story.fault("cut", "");
        let mut writers = Vec::new();
        for name in ["one", "two"] {
            let path = folder.path().join(name);
            writers.push(Notes::begin(&path).unwrap());
            story.expect_notes(name, path);
        }
        let kept = Moment::now();
        for notes in writers.iter().rev() {
            let why = String::new();
            notes.write(Note::NotEnqueued { call: 1, why });
        }
        let put_back = What::Restored {
            known: false,
            taken_at: 0,
            journal_lost: false,
        };
        story.tell_since("chaos", put_back, kept);
        let events = story.events().unwrap();
        let seen: Vec<_> = events
            .iter()
            .map(|event| (event.number, event.actor.as_str(), &event.what))
            .collect();
        assert!(matches!(
            seen[..],
            [
                (0, "chaos", What::Fault { .. }),
                (1, "two", What::NotEnqueued { call: 3, .. }),
                (2, "one", What::NotEnqueued { call: 2, .. }),
                (3, "chaos", What::Restored { taken_at: 1, .. }),
            ]
        ));
    }
}
