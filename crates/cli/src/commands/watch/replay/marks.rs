//! Documents on the way of a replay, to seek back to.

use share_model::{Cursor, Document, UnixMs};

use crate::commands::watch::limits::WatchLimits;
use crate::commands::watch::transcript::Transcript;

/// Ops between two documents, as long as there are few.
const STEP: u64 = 256;

/// Documents at ascending cursors; the first one is where the replay begins, and stays.
#[derive(Debug)]
pub(super) struct Marks {
    marks: Vec<(Document, Cursor, Option<UnixMs>)>,
    step: u64,
    limits: WatchLimits,
}

impl Marks {
    pub(super) fn new(limits: WatchLimits) -> Self {
        Self {
            marks: Vec::new(),
            step: STEP,
            limits,
        }
    }

    pub(super) fn restart(&mut self) {
        *self = Self::new(self.limits);
    }

    /// Keeps the document, if the one before is far enough away.
    pub(super) fn pass(&mut self, transcript: &Transcript) {
        let cursor = transcript.cursor();
        let last = self.marks.last().map(|(_, last, _)| last.get());
        if last.is_some_and(|last| cursor.get() < last.saturating_add(self.step)) {
            return;
        }
        let document = transcript.document().clone();
        self.marks.push((document, cursor, transcript.at()));
        while self.is_over() && self.marks.len() > 1 {
            self.thin();
        }
    }

    /// The last document at or before a cursor.
    pub(super) fn before(&self, cursor: Cursor) -> Option<(Document, Cursor, Option<UnixMs>)> {
        self.marks.iter().rfind(|(_, at, _)| *at <= cursor).cloned()
    }

    fn is_over(&self) -> bool {
        self.marks.len() > self.limits.marks_max || self.bytes() > self.limits.mark_bytes_max
    }

    /// As if the documents had nothing in common.
    pub(super) fn bytes(&self) -> u64 {
        let bytes = self.marks.iter().map(|(document, ..)| document.bytes());
        bytes.fold(0, u64::saturating_add)
    }

    /// Lets every second one go, and goes twice as far from now on.
    fn thin(&mut self) {
        let mut number = 0_u64;
        self.marks.retain(|_| {
            number += 1;
            number % 2 == 1
        });
        self.step = self.step.saturating_mul(2);
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.marks.len()
    }
}
