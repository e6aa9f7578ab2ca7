//! The newest rows, in memory: the index of those that `share_index` does not have yet, and the bodies
//! of those that SQLite does not have at all.
//!
//! Made again at opening by reading the headers of the log's end. A row is here before its commit is
//! answered, and leaves only after `share_index` has it durably; its body leaves once the table `log`
//! has it. Whoever looks here first and then into the file misses nothing.

use std::collections::{BTreeMap, VecDeque};
use std::ops::Bound::{Excluded, Unbounded};
use std::sync::Arc;

use share_model::{Cursor, ShareId, ShareVersion};

use super::log::{NewRow, RowHeader};
use super::redo::Row;

/// Where a share's log ends.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Head {
    pub(super) version: ShareVersion,
    pub(super) cursor: Cursor,
}

impl From<&RowHeader> for Head {
    fn from(row: &RowHeader) -> Self {
        Self {
            version: row.version,
            cursor: row.cursor,
        }
    }
}

/// A row of the tail, and its record if the file does not have it yet.
#[derive(Debug, Clone)]
pub(super) struct TailRow {
    pub(super) header: RowHeader,
    pub(super) unapplied: Option<Arc<NewRow>>,
}

/// The newest rows of all shares.
#[derive(Debug, Default)]
pub(super) struct Tail {
    /// Per share with contiguous versions, never empty.
    shares: BTreeMap<ShareId, Vec<RowHeader>>,
    row_count: usize,
    /// What the table `log` does not have, from position `applied + 1` on.
    unapplied: VecDeque<Arc<NewRow>>,
    /// The position up to which the table `log` has every row.
    applied: u64,
}

impl Tail {
    /// The tail of a log whose last row stands at `applied`.
    pub(super) fn at(applied: u64) -> Self {
        Self {
            applied,
            ..Self::default()
        }
    }

    /// Takes a row that the file has; it follows the share's last.
    pub(super) fn push(&mut self, share: ShareId, row: RowHeader) {
        self.shares.entry(share).or_default().push(row);
        self.row_count += 1;
        self.applied = self.applied.max(row.position);
    }

    /// Takes a row that the file does not have yet; it follows the last of all.
    pub(super) fn push_unapplied(&mut self, row: Row) {
        self.shares.entry(row.share).or_default().push(row.header);
        self.row_count += 1;
        self.unapplied.push_back(row.new);
    }

    /// The table `log` has every row up to `position`. Gives what is not needed for that any more, to be
    /// dropped where nobody waits for the tail.
    pub(super) fn applied(&mut self, position: u64) -> VecDeque<Arc<NewRow>> {
        let applied = position.saturating_sub(self.applied);
        let count = usize::try_from(applied).unwrap_or(usize::MAX);
        let kept = self.unapplied.split_off(count.min(self.unapplied.len()));
        self.applied = self.applied.max(position);
        std::mem::replace(&mut self.unapplied, kept)
    }

    /// How many rows are here.
    pub(super) fn row_count(&self) -> usize {
        self.row_count
    }

    /// How many of them the file has.
    pub(super) fn applied_count(&self) -> usize {
        self.row_count.saturating_sub(self.unapplied.len())
    }

    /// The newest rows of a share; empty if all are in `share_index`.
    pub(super) fn headers(&self, share: ShareId) -> &[RowHeader] {
        self.shares.get(&share).map_or(&[], Vec::as_slice)
    }

    /// As [`Tail::headers`], with what is in no file.
    pub(super) fn rows(&self, share: ShareId) -> Vec<TailRow> {
        let rows = self.headers(share).iter();
        rows.map(|header| TailRow {
            header: *header,
            unapplied: self.unapplied(header.position).cloned(),
        })
        .collect()
    }

    fn unapplied(&self, position: u64) -> Option<&Arc<NewRow>> {
        let at = position.checked_sub(self.applied + 1)?;
        self.unapplied.get(usize::try_from(at).ok()?)
    }

    /// Where the share's log ends, if that is known here.
    pub(super) fn head(&self, share: ShareId) -> Option<Head> {
        self.headers(share).last().map(Head::from)
    }

    /// The shares with ids above `after`, with their newest rows.
    pub(super) fn shares_after(
        &self,
        after: Option<ShareId>,
    ) -> impl Iterator<Item = (ShareId, &[RowHeader])> {
        let from = after.map_or(Unbounded, Excluded);
        self.shares
            .range((from, Unbounded))
            .map(|(share, rows)| (*share, rows.as_slice()))
    }

    /// The rows that the file has.
    pub(super) fn applied_rows(&self) -> Vec<(ShareId, RowHeader)> {
        let shares = self.shares.iter();
        let rows = shares.flat_map(|(share, rows)| rows.iter().map(|row| (*share, *row)));
        rows.filter(|(_, row)| row.position <= self.applied)
            .collect()
    }

    /// Forgets the rows up to `position`: `share_index` has them durably.
    pub(super) fn forget_through(&mut self, position: u64) {
        self.shares.retain(|_, rows| {
            let kept = rows.partition_point(|row| row.position <= position);
            rows.drain(..kept);
            self.row_count -= kept;
            !rows.is_empty()
        });
    }
}
