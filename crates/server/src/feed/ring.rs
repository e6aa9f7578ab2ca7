//! The newest ops of a share, bounded by number and bytes.

use std::collections::VecDeque;
use std::sync::Arc;

use share_model::{Cursor, LoggedOp, planted};

/// How much of a log's end is kept in memory per loaded share.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RingLimits {
    /// Ops.
    pub ops_max: usize,
    /// Bytes of their mutations and origins.
    pub bytes_max: usize,
}

/// What the ring knows of the ops after a cursor.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum FromRing {
    /// The next ops, at least one.
    Ops(Vec<Arc<LoggedOp>>),
    /// There is none: the cursor is at the head, or ahead of it.
    AtHead,
    /// They are not in memory any more: the store has them.
    Older,
}

#[derive(Debug)]
pub(super) struct Ring {
    /// Consecutive; the last one is `head`, if there is any.
    ops: VecDeque<Arc<LoggedOp>>,
    head: Cursor,
    bytes: usize,
    limits: RingLimits,
}

impl Ring {
    pub(super) fn new(head: Cursor, limits: RingLimits) -> Self {
        Self {
            ops: VecDeque::new(),
            head,
            bytes: 0,
            limits,
        }
    }

    /// Takes ops that end at `head`. If they don't follow what is held, for somebody else committed
    /// in between, what is held goes: a reader then finds the ops at the store.
    pub(super) fn push(&mut self, ops: Vec<LoggedOp>, head: Cursor) {
        for op in ops {
            if op.cursor != self.head.next() {
                self.clear();
            }
            self.head = op.cursor;
            self.bytes += bytes_of(&op);
            self.ops.push_back(Arc::new(op));
        }
        if self.head != head {
            self.clear();
            self.head = head;
        }
        while self.ops.len() > self.limits.ops_max || self.bytes > self.limits.bytes_max {
            let Some(oldest) = self.ops.pop_front() else {
                break;
            };
            self.bytes -= bytes_of(&oldest);
        }
    }

    pub(super) fn after(&self, cursor: Cursor, ops_max: usize, bytes_max: u64) -> FromRing {
        if cursor >= self.head {
            return FromRing::AtHead;
        }
        let Some(oldest) = self.ops.front() else {
            return FromRing::Older;
        };
        if cursor.next() < oldest.cursor && !planted!("reader-skips-what-is-older") {
            return FromRing::Older;
        }
        let skip = cursor.next().get().saturating_sub(oldest.cursor.get());
        let skip = usize::try_from(skip).unwrap_or(usize::MAX);
        let mut bytes = 0;
        let ops = self.ops.iter().skip(skip).take(ops_max.max(1));
        FromRing::Ops(
            ops.take_while(|op| {
                let is_first = bytes == 0;
                bytes += op.bytes() + 1;
                is_first || bytes <= bytes_max
            })
            .cloned()
            .collect(),
        )
    }

    fn clear(&mut self) {
        self.ops.clear();
        self.bytes = 0;
    }
}

fn bytes_of(op: &LoggedOp) -> usize {
    usize::try_from(op.bytes()).unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests {
    use share_model::{Mutation, Op, OpId, Seq, UnixMs, WriterId};

    use super::*;

    const LIMITS: RingLimits = RingLimits {
        ops_max: 4,
        bytes_max: 100,
    };

    fn op(cursor: u64, bytes: usize) -> LoggedOp {
        LoggedOp {
            cursor: Cursor::new(cursor),
            writer: WriterId::new(1),
            seq: Seq::new(cursor),
            at: UnixMs::ZERO,
            op: Op {
                id: OpId::from_bytes([0; 16]),
                depends_on: Vec::new(),
                mutation: Mutation::Remove {
                    key: "k".repeat(bytes),
                },
            },
            origin: None,
        }
    }

    fn after(ring: &Ring, cursor: u64, ops_max: usize, bytes_max: u64) -> Option<Vec<u64>> {
        match ring.after(Cursor::new(cursor), ops_max, bytes_max) {
            FromRing::Ops(ops) => Some(ops.iter().map(|op| op.cursor.get()).collect()),
            FromRing::AtHead => Some(Vec::new()),
            FromRing::Older => None,
        }
    }

    #[test]
    fn what_is_over_the_limit_is_older() {
        let mut ring = Ring::new(Cursor::new(10), LIMITS);
        assert_eq!(after(&ring, 10, 9, 999), Some(vec![]));
        assert_eq!(after(&ring, 9, 9, 999), None);
        ring.push((11..=16).map(|at| op(at, 1)).collect(), Cursor::new(16));
        assert_eq!(after(&ring, 11, 9, 999), None);
        assert_eq!(after(&ring, 12, 9, 999), Some(vec![13, 14, 15, 16]));
        assert_eq!(after(&ring, 15, 9, 999), Some(vec![16]));
        ring.push(vec![op(17, 99)], Cursor::new(17));
        assert_eq!(after(&ring, 15, 9, 999), Some(vec![16, 17]));
        assert_eq!(after(&ring, 14, 9, 999), None, "16 and 17 have 100 bytes");
        ring.push(vec![op(18, 101)], Cursor::new(18));
        assert_eq!(after(&ring, 17, 9, 999), None);
        assert_eq!(after(&ring, 18, 9, 999), Some(vec![]));
    }

    #[test]
    fn a_chunk_has_at_least_one_op_and_keeps_to_its_bounds() {
        let mut ring = Ring::new(Cursor::ZERO, LIMITS);
        ring.push((1..=4).map(|at| op(at, 10)).collect(), Cursor::new(4));
        assert_eq!(after(&ring, 0, 3, 999), Some(vec![1, 2, 3]));
        assert_eq!(after(&ring, 1, 9, 5), Some(vec![2]));
        assert_eq!(after(&ring, 0, 9, 22), Some(vec![1, 2]));
    }

    #[test]
    fn ops_that_do_not_follow_push_out_what_is_held() {
        let mut ring = Ring::new(Cursor::ZERO, LIMITS);
        ring.push(vec![op(1, 1), op(2, 1)], Cursor::new(2));
        ring.push(vec![op(4, 1)], Cursor::new(4));
        assert_eq!(after(&ring, 1, 9, 999), None);
        assert_eq!(after(&ring, 3, 9, 999), Some(vec![4]));
        ring.push(Vec::new(), Cursor::new(6));
        assert_eq!(after(&ring, 4, 9, 999), None);
        assert_eq!(after(&ring, 6, 9, 999), Some(vec![]));
    }
}
