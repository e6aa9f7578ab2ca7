//! The newest ops of a share, bounded by number and bytes.

use std::collections::VecDeque;
use std::ops::Deref;
use std::sync::Arc;

use share_model::{Cursor, LoggedOp, planted};

/// A ring gives up its oldest ops a block at a time: so many blocks it has at least when it is full.
const BLOCKS_MIN: usize = 16;

/// How much of a log's end is kept in memory per loaded share.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RingLimits {
    /// Ops.
    pub ops_max: usize,
    /// Bytes of their mutations and origins.
    pub bytes_max: usize,
}

/// An op of the log, in one piece of memory with those that became durable beside it.
#[derive(Debug, Clone)]
pub(crate) struct SharedOp {
    block: Arc<[LoggedOp]>,
    at: usize,
}

impl SharedOp {
    /// Each of the ops.
    pub(crate) fn all(ops: Vec<LoggedOp>) -> impl Iterator<Item = Self> {
        let block: Arc<[LoggedOp]> = ops.into();
        (0..block.len()).map(move |at| Self {
            block: Arc::clone(&block),
            at,
        })
    }
}

impl Deref for SharedOp {
    type Target = LoggedOp;

    fn deref(&self) -> &LoggedOp {
        &self.block[self.at]
    }
}

/// What the ring knows of the ops after a cursor.
#[derive(Debug)]
pub(crate) enum FromRing {
    /// The next ops, at least one.
    Ops(Vec<SharedOp>),
    /// There is none: the cursor is at the head, or ahead of it.
    AtHead,
    /// They are not in memory any more: the store has them.
    Older,
}

#[derive(Debug)]
pub(super) struct Ring {
    /// Each follows the one before; the last one ends at `head`, if there is any.
    blocks: VecDeque<Block>,
    head: Cursor,
    ops: usize,
    bytes: usize,
    limits: RingLimits,
}

/// Consecutive ops, at least one.
#[derive(Debug)]
struct Block {
    first: Cursor,
    ops: Arc<[LoggedOp]>,
    bytes: usize,
}

impl Block {
    /// The cursor that follows the block's last op.
    fn end(&self) -> u64 {
        self.first.get().saturating_add(self.ops.len() as u64)
    }
}

impl Ring {
    pub(super) fn new(head: Cursor, limits: RingLimits) -> Self {
        Self {
            blocks: VecDeque::new(),
            head,
            ops: 0,
            bytes: 0,
            limits,
        }
    }

    /// Takes ops that end at `head`. If they don't follow what is held, for somebody else committed
    /// in between, what is held goes: a reader then finds the ops at the store.
    pub(super) fn push(&mut self, mut ops: Vec<LoggedOp>, head: Cursor) {
        while !ops.is_empty() {
            let (count, bytes) = self.next_block(&ops);
            let rest = ops.split_off(count);
            self.push_block(ops, bytes);
            ops = rest;
        }
        if self.head != head {
            self.clear();
            self.head = head;
        }
        while self.ops > self.limits.ops_max || self.bytes > self.limits.bytes_max {
            let Some(oldest) = self.blocks.pop_front() else {
                break;
            };
            self.ops -= oldest.ops.len();
            self.bytes -= oldest.bytes;
        }
    }

    /// How many of the ops are the next block, at least one, and how many bytes they have.
    fn next_block(&self, ops: &[LoggedOp]) -> (usize, usize) {
        let ops_max = self.limits.ops_max / BLOCKS_MIN;
        let bytes_max = self.limits.bytes_max / BLOCKS_MIN;
        let (mut count, mut bytes) = (0, 0_usize);
        let mut before: Option<Cursor> = None;
        for op in ops {
            let more = bytes.saturating_add(bytes_of(op));
            let is_over = count >= ops_max || more > bytes_max;
            let follows = before.is_none_or(|before| op.cursor == before.next());
            if count > 0 && (is_over || !follows) {
                break;
            }
            (count, bytes) = (count + 1, more);
            before = Some(op.cursor);
        }
        (count, bytes)
    }

    fn push_block(&mut self, ops: Vec<LoggedOp>, bytes: usize) {
        let (Some(first), Some(last)) = (ops.first(), ops.last()) else {
            return;
        };
        let (first, last) = (first.cursor, last.cursor);
        if first != self.head.next() {
            self.clear();
        }
        self.head = last;
        self.ops += ops.len();
        self.bytes += bytes;
        self.blocks.push_back(Block {
            first,
            ops: ops.into(),
            bytes,
        });
    }

    pub(super) fn after(&self, cursor: Cursor, ops_max: usize, bytes_max: u64) -> FromRing {
        if cursor >= self.head {
            return FromRing::AtHead;
        }
        let Some(oldest) = self.blocks.front() else {
            return FromRing::Older;
        };
        if cursor.next() < oldest.first && !planted!("reader-skips-what-is-older") {
            return FromRing::Older;
        }
        let next = cursor.next().max(oldest.first).get();
        let at = self.blocks.partition_point(|block| block.end() <= next);
        let ops = self.blocks.iter().skip(at).flat_map(|block| {
            let skip = next.saturating_sub(block.first.get());
            let skip = usize::try_from(skip).unwrap_or(usize::MAX);
            (skip..block.ops.len()).map(|at| SharedOp {
                block: Arc::clone(&block.ops),
                at,
            })
        });
        let mut bytes = 0;
        let within = ops.take(ops_max.max(1)).take_while(|op| {
            let is_first = bytes == 0;
            bytes += op.bytes() + 1;
            is_first || bytes <= bytes_max
        });
        FromRing::Ops(within.collect())
    }

    fn clear(&mut self) {
        self.blocks.clear();
        self.ops = 0;
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
                    key: "k".repeat(bytes).into(),
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
    fn the_oldest_go_a_block_at_a_time_and_a_reader_begins_in_the_middle_of_one() {
        let limits = RingLimits {
            ops_max: 32,
            bytes_max: 1600,
        };
        let mut ring = Ring::new(Cursor::ZERO, limits);
        ring.push((1..=33).map(|at| op(at, 1)).collect(), Cursor::new(33));
        assert_eq!(after(&ring, 1, 9, 999), None, "1 went, and 2 with it");
        assert_eq!(after(&ring, 2, 3, 999), Some(vec![3, 4, 5]));
        assert_eq!(after(&ring, 3, 3, 999), Some(vec![4, 5, 6]));
        assert_eq!(after(&ring, 32, 3, 999), Some(vec![33]));
        // Blocks have 100 bytes.
        ring.push(vec![op(34, 60), op(35, 60)], Cursor::new(35));
        assert_eq!(ring.blocks.len(), 17);
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
