//! A history, put in order: calls with what came of them, ops with what is known of them.

mod parts;
mod scan;

use std::collections::{BTreeMap, HashMap, HashSet};

use share_model::{Cursor, Fingerprint, GrantId, OpId, OutboxId, Seq, ShareId};

use super::Violation;
use crate::history::{Call, Event, MadeOp};

pub(super) use parts::{
    Act, ActKind, Answer, Claim, CursorRead, Ending, Enqueue, Final, Grant, Listing, Restore, Sent,
    Told,
};

/// How long after a restore a reader may still be told what the server said before: messages are
/// under way, in milliseconds of the run.
const UNDER_WAY_MS: u64 = 5_000;

/// A history, put in order.
#[derive(Debug, Default)]
pub(super) struct Index<'a> {
    pub(super) events: &'a [Event],
    /// Each ends a timeline.
    pub(super) restores: Vec<Restore>,
    /// The numbers of the events in which folders were copied, and to where.
    pub(super) copies: Vec<(usize, &'a str)>,
    /// Folders that were copied, or made by a copy.
    pub(super) copied: HashSet<&'a str>,
    /// Folders whose ops an outbox sends. Who has none sends whatever it likes.
    outboxes: HashSet<&'a str>,
    /// The numbers of the events with which the processes of an actor began.
    lives: HashMap<&'a str, Vec<usize>>,
    pub(super) enqueues: Vec<Enqueue<'a>>,
    /// Which enqueue made an op, and how.
    pub(super) made: HashMap<OpId, (usize, &'a MadeOp)>,
    pub(super) claims: HashMap<Call, Claim<'a>>,
    pub(super) sends: Vec<Sent<'a>>,
    /// Which sends carried an op.
    pub(super) carriers: HashMap<OpId, Vec<usize>>,
    pub(super) by_fingerprint: HashMap<Fingerprint, OpId>,
    pub(super) finals: BTreeMap<ShareId, Final<'a>>,
    /// Shares that are gone in the end, and the event that says so.
    pub(super) gone: BTreeMap<ShareId, usize>,
    pub(super) listings: Vec<Listing<'a>>,
    pub(super) endings: Vec<Ending<'a>>,
    pub(super) grants: HashMap<GrantId, Grant>,
    pub(super) acts: Vec<Act>,
    pub(super) reads: Vec<CursorRead>,
    pub(super) told: Vec<Told<'a>>,
    /// The lanes and seqs under which an op was kept or sent.
    places: HashMap<OpId, HashSet<(OutboxId, Seq)>>,
    /// The events that are about an op.
    stories: HashMap<OpId, Vec<usize>>,
}

impl<'a> Index<'a> {
    /// In which timeline an event lies, counted from 0. A cursor means something in one only.
    pub(super) fn timeline(&self, number: usize) -> usize {
        self.restores
            .iter()
            .filter(|restore| restore.number < number)
            .count()
    }

    /// Whether an event lies in the last timeline, which is that of the final logs.
    pub(super) fn is_last_timeline(&self, number: usize) -> bool {
        self.timeline(number) == self.restores.len()
    }

    /// The number of the event after which a timeline begins.
    pub(super) fn timeline_start(&self, timeline: usize) -> Option<usize> {
        let before = timeline.checked_sub(1)?;
        self.restores.get(before).map(|restore| restore.number)
    }

    /// Whether what an event tells may have been said before the last restore.
    pub(super) fn may_be_from_before(&self, number: usize) -> bool {
        let Some(event) = self.events.get(number) else {
            return true;
        };
        let last = self
            .restores
            .iter()
            .rfind(|restore| restore.number < number);
        last.is_some_and(|last| event.at_ms < last.at_ms.saturating_add(UNDER_WAY_MS))
    }

    /// The timeline of a call, if both its events lie in the same: then a server of that timeline
    /// answered.
    pub(super) fn timeline_of_call(&self, invoked: usize, answered: usize) -> Option<usize> {
        let timeline = self.timeline(invoked);
        (timeline == self.timeline(answered)).then_some(timeline)
    }

    /// Whether an outbox sends what comes from there. What others send, such as whoever tries what a
    /// server lets pass, need not be what an outbox would send.
    pub(super) fn is_outbox(&self, folder: &str) -> bool {
        self.outboxes.contains(folder)
    }

    /// Whether one process of an actor lived from one event to another.
    pub(super) fn is_one_life(&self, actor: &str, from: usize, to: usize) -> bool {
        let lives = self.lives.get(actor).map_or(&[][..], Vec::as_slice);
        !lives.iter().any(|began| from < *began && *began <= to)
    }

    /// How often another folder's outbox was copied over a folder's before an event: then it is another
    /// outbox, which may go back in time.
    pub(super) fn generation(&self, folder: &str, number: usize) -> usize {
        let copies = self.copies.iter();
        copies
            .filter(|(copied, to)| *to == folder && *copied < number)
            .count()
    }

    /// The first cursor that was asked for after an event, and told in this timeline.
    pub(super) fn first_read(
        &self,
        share: ShareId,
        after: usize,
        timeline: usize,
    ) -> Option<&CursorRead> {
        let after = self
            .timeline_start(timeline)
            .map_or(after, |start| start.max(after));
        self.reads.iter().find(|read| {
            read.share == share
                && read.since > after
                && self.timeline(read.since) == timeline
                && self.timeline(read.number) == timeline
        })
    }

    /// The op that an entry of a batch is about, also if it gives it up.
    pub(super) fn op_of(&self, op: Option<OpId>, fingerprint: Fingerprint) -> Option<OpId> {
        op.or_else(|| self.by_fingerprint.get(&fingerprint).copied())
    }

    /// The lanes and seqs under which an op was kept or sent.
    pub(super) fn places_of(&self, op: OpId) -> impl Iterator<Item = (OutboxId, Seq)> + '_ {
        self.places.get(&op).into_iter().flatten().copied()
    }

    /// The sends that carried an op.
    pub(super) fn carriers_of(&self, op: OpId) -> impl Iterator<Item = &Sent<'a>> + '_ {
        let carriers = self.carriers.get(&op).into_iter().flatten();
        carriers.map(|at| &self.sends[*at])
    }

    /// The events that are about an op.
    pub(super) fn story_of(&self, op: OpId) -> Vec<usize> {
        self.stories.get(&op).cloned().unwrap_or_default()
    }

    /// The share's deletion was asked for.
    pub(super) fn may_be_deleted(&self, share: ShareId) -> bool {
        self.gone.contains_key(&share)
            || self
                .acts
                .iter()
                .any(|act| act.share == share && act.kind == ActKind::Delete)
    }

    /// Whether the op can't be made invalid by anything that others do: a `put` by itself.
    pub(super) fn is_sure(&self, op: OpId) -> bool {
        self.made.get(&op).is_some_and(|(enqueue, made)| {
            self.enqueues[*enqueue].is_loose() && parts::is_plain_put(made)
        })
    }
}

impl Final<'_> {
    /// The cursors at which an op is in the log.
    pub(super) fn cursors_of(&self, op: OpId) -> &[Cursor] {
        self.places.get(&op).map_or(&[], Vec::as_slice)
    }
}

/// Collects what a rule finds.
pub(super) struct Finding<'i, 'a> {
    pub(super) index: &'i Index<'a>,
    pub(super) check: &'static str,
}

impl Finding<'_, '_> {
    /// A violation about an op, with the op's whole story.
    pub(super) fn of_op(&self, share: ShareId, op: OpId, at: usize, text: String) -> Violation {
        let mut about = self.index.story_of(op);
        about.push(at);
        self.of(Some(share), at, text, about)
    }

    /// A violation with these events as its story.
    pub(super) fn of(
        &self,
        share: Option<ShareId>,
        at: usize,
        text: String,
        mut about: Vec<usize>,
    ) -> Violation {
        about.push(at);
        Violation {
            check: self.check,
            share,
            at,
            text,
            about,
        }
    }
}
