//! The index of the newest rows, in memory: those that `share_index` does not have yet.
//!
//! Made again at opening by reading the headers of the log's end. A row is here before its commit is
//! answered, and leaves only after `share_index` has it durably: whoever looks here first and then
//! into the file misses nothing.

use std::collections::BTreeMap;
use std::ops::Bound::{Excluded, Unbounded};

use share_model::{Cursor, ShareId, ShareVersion};

use super::log::RowHeader;

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

/// The newest rows of all shares.
#[derive(Debug, Clone, Default)]
pub(super) struct Tail {
    /// Per share with contiguous versions, never empty.
    shares: BTreeMap<ShareId, Vec<RowHeader>>,
    row_count: usize,
}

impl Tail {
    /// Takes a committed row; it follows the share's last.
    pub(super) fn push(&mut self, share: ShareId, row: RowHeader) {
        self.shares.entry(share).or_default().push(row);
        self.row_count += 1;
    }

    /// How many rows are here.
    pub(super) fn row_count(&self) -> usize {
        self.row_count
    }

    /// The newest rows of a share; empty if all are in `share_index`.
    pub(super) fn rows(&self, share: ShareId) -> &[RowHeader] {
        self.shares.get(&share).map_or(&[], Vec::as_slice)
    }

    /// Where the share's log ends, if that is known here.
    pub(super) fn head(&self, share: ShareId) -> Option<Head> {
        self.rows(share).last().map(Head::from)
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

    /// Forgets everything: `share_index` has it durably.
    pub(super) fn clear(&mut self) {
        *self = Self::default();
    }
}
