//! The ops around where a replay stands.

use std::collections::VecDeque;

use share_model::{Cursor, LoggedOp};

/// What an op takes besides its texts.
const OP_BYTES: usize = 256;

/// Consecutive ops, some of which were applied.
#[derive(Debug)]
pub(super) struct Window {
    ops: VecDeque<LoggedOp>,
    /// How many of them were applied.
    applied: usize,
    bytes: usize,
    /// Of those that were not applied.
    bytes_ahead: usize,
    bytes_max: usize,
    is_hungry: bool,
}

fn bytes(op: &LoggedOp) -> usize {
    op.op.mutation.bytes() + OP_BYTES
}

impl Window {
    pub(super) fn new(bytes_max: usize) -> Self {
        Self {
            ops: VecDeque::new(),
            applied: 0,
            bytes: 0,
            bytes_ahead: 0,
            bytes_max,
            is_hungry: true,
        }
    }

    pub(super) fn restart(&mut self) {
        *self = Self::new(self.bytes_max);
    }

    /// Whether more ops are to be read: when half of the window lies ahead, it waits until little does.
    pub(super) fn is_hungry(&self) -> bool {
        self.is_hungry
    }

    /// The cursor of the last op.
    pub(super) fn last(&self) -> Option<Cursor> {
        self.ops.back().map(|op| op.cursor)
    }

    /// The next op to be applied.
    pub(super) fn next(&self) -> Option<&LoggedOp> {
        self.ops.get(self.applied)
    }

    pub(super) fn push(&mut self, op: LoggedOp) {
        self.bytes += bytes(&op);
        self.bytes_ahead += bytes(&op);
        self.ops.push_back(op);
        self.is_hungry &= self.bytes_ahead < self.bytes_max / 2;
        self.trim();
    }

    /// The next op was applied.
    pub(super) fn step(&mut self) {
        self.bytes_ahead -= self.next().map_or(0, bytes);
        self.applied += 1;
        self.is_hungry |= self.bytes_ahead < self.bytes_max / 8;
    }

    /// Goes back to where the op with this cursor was the last one applied, if the window reaches so far.
    pub(super) fn go_back(&mut self, cursor: Cursor) -> bool {
        let Some(first) = self.ops.front() else {
            return false;
        };
        if first.cursor > cursor.next() {
            return false;
        }
        self.applied = self.ops.partition_point(|op| op.cursor <= cursor);
        self.bytes_ahead = self.ops.iter().skip(self.applied).map(bytes).sum();
        true
    }

    #[cfg(test)]
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    /// Lets the oldest go that were applied.
    fn trim(&mut self) {
        while self.bytes > self.bytes_max && self.applied > 0 {
            let Some(op) = self.ops.pop_front() else {
                return;
            };
            self.bytes -= bytes(&op);
            self.applied -= 1;
        }
    }
}
