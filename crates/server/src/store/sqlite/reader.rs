//! Reading, on connections of its own, so that no commit waits for a reader.
//!
//! Each read takes a copy of the share's tail first and begins its transaction then: what has left
//! the tail by that time is in `share_index`, and what comes into it later is not asked for. So it is
//! with the records that only the redo log has: their bodies are in that copy.

use std::cell::Cell;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use rusqlite::Connection;

use share_engine::Record;
use share_model::{Cursor, Fingerprint, LoggedOp, Seq, ShareId, ShareVersion, WriterId};

use super::fault::ReadError;
use super::log::RowHeader;
use super::shared::Shared;
use super::tail::TailRow;
use super::{checkpoint, log, meta, share_index};
use crate::store::{Checkpoint, Loaded, LoadedAuthority};

/// Reads, on a connection that can't write.
#[derive(Debug)]
pub(super) struct Reader {
    connection: Connection,
    shared: Arc<Shared>,
}

/// The bounds of one answer to [`Reader::follow`].
#[derive(Debug, Clone, Copy)]
pub(super) struct FollowBounds {
    pub(super) ops_max: usize,
    pub(super) bytes_max: u64,
}

impl Reader {
    pub(super) fn new(connection: Connection, shared: Arc<Shared>) -> Self {
        Self { connection, shared }
    }

    pub(super) fn connection(&self) -> &Connection {
        &self.connection
    }

    /// What [`Store::load`](crate::store::Store::load) says.
    pub(super) fn load(&mut self, share: ShareId) -> Result<Option<Loaded>, ReadError> {
        let log = self.begin(share)?;
        let checkpoint = checkpoint::read(&log.transaction, share)?;
        let from = checkpoint.as_ref().map_or(ShareVersion::ZERO, version);
        // What was erased, the checkpoint contains.
        let mut records = Vec::new();
        log.each_from(from.next(), &mut |row| {
            records.push(log.read(&row)?);
            Ok(true)
        })?;
        if checkpoint.is_none() && records.is_empty() {
            return Ok(None);
        }
        Ok(Some(Loaded {
            version: records.last().map_or(from, |record| record.version),
            checkpoint,
            records,
        }))
    }

    /// What [`Store::load_authority`](crate::store::Store::load_authority) says.
    pub(super) fn load_authority(
        &mut self,
        share: ShareId,
        since: ShareVersion,
    ) -> Result<Option<LoadedAuthority>, ReadError> {
        let Some(version) = self.newest(share)? else {
            return Ok(None);
        };
        let mut loaded = LoadedAuthority {
            version,
            ..LoadedAuthority::default()
        };
        if version <= since {
            return Ok(Some(loaded));
        }
        let log = self.begin(share)?;
        let mut from = since;
        let checkpoint = checkpoint::current(&log.transaction, share)?;
        if checkpoint.is_some_and(|(version, _)| version > since)
            && let Some((version, head)) = checkpoint::read_head(&log.transaction, share)?
        {
            from = version;
            loaded.head = Some(head);
            loaded.version = loaded.version.max(version);
        }
        log.each_from(from.next(), &mut |row| {
            loaded.version = loaded.version.max(row.version);
            if row.content.op_count == 0 {
                let record = log.read(&row)?;
                loaded.records.push(record);
            }
            Ok(true)
        })?;
        Ok(Some(loaded))
    }

    /// The version of a share. Looks everywhere, whatever it finds, and copies nothing: it costs the
    /// same for every share, and for one that does not exist.
    fn newest(&mut self, share: ShareId) -> Result<Option<ShareVersion>, ReadError> {
        let in_tail = self.shared.tail().head(share).map(|head| head.version);
        let transaction = self.connection.transaction()?;
        let indexed = share_index::last(&transaction, share)?.map(|head| head.version);
        let checkpoint = checkpoint::current(&transaction, share)?.map(|(version, _)| version);
        Ok(in_tail.max(indexed).max(checkpoint))
    }

    /// What [`Store::follow`](crate::store::Store::follow) says.
    pub(super) fn follow(
        &mut self,
        share: ShareId,
        after: Cursor,
        bounds: FollowBounds,
    ) -> Result<Vec<LoggedOp>, ReadError> {
        let log = self.begin(share)?;
        let mut ops = Vec::new();
        let mut bytes = 0;
        let Some(from) = log.version_above(after)? else {
            return Ok(ops);
        };
        log.each_from(from, &mut |row| {
            if row.content.op_count == 0 {
                return Ok(true);
            }
            if !ops.is_empty() && (ops.len() >= bounds.ops_max || bytes >= bounds.bytes_max) {
                return Ok(false);
            }
            for op in log.read(&row)?.logged() {
                if op.cursor <= after {
                    continue;
                }
                let op_bytes = op.bytes();
                let is_over = ops.len() >= bounds.ops_max || bytes + op_bytes > bounds.bytes_max;
                if is_over && !ops.is_empty() {
                    return Ok(false);
                }
                bytes += op_bytes;
                ops.push(op);
            }
            Ok(true)
        })?;
        Ok(ops)
    }

    /// What [`Store::lookup`](crate::store::Store::lookup) says.
    pub(super) fn lookup(
        &mut self,
        share: ShareId,
        wanted: &[(WriterId, Seq)],
    ) -> Result<Vec<Option<(Fingerprint, Cursor)>>, ReadError> {
        let log = self.begin(share)?;
        let mut missing: BTreeSet<(WriterId, Seq)> = wanted.iter().copied().collect();
        let mut found = BTreeMap::new();
        log.each_from(log.first(), &mut |row| {
            if row.content.op_count == 0 {
                return Ok(true);
            }
            let writer = row.content.writer;
            let seqs = Seq::new(row.content.first_seq)..=Seq::new(row.content.last_seq);
            let may_hold = (writer, *seqs.start())..=(writer, *seqs.end());
            if missing.range(may_hold).next().is_none() {
                return Ok(true);
            }
            let record = log.read(&row)?;
            for (seq, fingerprint, cursor) in log::applied(&record) {
                if missing.remove(&(writer, seq)) {
                    found.insert((writer, seq), (fingerprint, cursor));
                }
            }
            Ok(!missing.is_empty())
        })?;
        Ok(wanted.iter().map(|key| found.get(key).copied()).collect())
    }

    /// What [`Store::shares`](crate::store::Store::shares) says.
    pub(super) fn shares(
        &mut self,
        after: Option<ShareId>,
        limit: usize,
    ) -> Result<Vec<(ShareId, ShareVersion)>, ReadError> {
        let mut shares: BTreeMap<ShareId, ShareVersion> = BTreeMap::new();
        for (share, rows) in self.shared.tail().shares_after(after).take(limit) {
            shares.extend(rows.last().map(|row| (share, row.version)));
        }
        let transaction = self.connection.transaction()?;
        let mut at = after;
        for _ in 0..limit {
            let Some((share, version)) = share_index::next_share(&transaction, at)? else {
                break;
            };
            let newest = shares.entry(share).or_insert(version);
            *newest = version.max(*newest);
            at = Some(share);
        }
        Ok(shares.into_iter().take(limit).collect())
    }

    fn begin(&mut self, share: ShareId) -> Result<ShareLog<'_>, ReadError> {
        let mut tail = self.shared.tail().rows(share);
        let transaction = self.connection.transaction()?;
        let erased = meta::erased_through(&transaction, share)?;
        // The tail may be older than the transaction.
        tail.retain(|row| row.header.version > erased);
        Ok(ShareLog {
            share,
            erased,
            tail,
            transaction,
        })
    }
}

fn version(checkpoint: &Checkpoint) -> ShareVersion {
    checkpoint.version
}

/// One share's log as one read sees it.
struct ShareLog<'a> {
    share: ShareId,
    /// The version through which the records were erased.
    erased: ShareVersion,
    tail: Vec<TailRow>,
    transaction: rusqlite::Transaction<'a>,
}

impl ShareLog<'_> {
    /// The first version that was not erased.
    fn first(&self) -> ShareVersion {
        self.erased.next()
    }

    /// The record that a row stands for: from memory, if the file does not have it yet.
    fn read(&self, row: &RowHeader) -> Result<Record, ReadError> {
        let at = self
            .tail
            .binary_search_by_key(&row.version, |row| row.header.version);
        let unapplied = at.ok().and_then(|at| self.tail[at].unapplied.as_ref());
        match unapplied {
            Some(new) => new.record(self.share, row),
            None => log::read(&self.transaction, self.share, row),
        }
    }

    /// The first version with a cursor above `after`.
    fn version_above(&self, after: Cursor) -> Result<Option<ShareVersion>, ReadError> {
        if self
            .tail
            .first()
            .is_none_or(|row| row.header.cursor_before() > after)
        {
            let from = (self.first(), after);
            let indexed = share_index::version_above(&self.transaction, self.share, from)?;
            if indexed.is_some() {
                return Ok(indexed);
            }
        }
        let at = self.tail.partition_point(|row| row.header.cursor <= after);
        Ok(self.tail.get(at).map(|row| row.header.version))
    }

    /// Calls `visit` with the rows from version `from` on, in order, until it answers `false`. A
    /// version that is missing in between is damage.
    fn each_from(
        &self,
        from: ShareVersion,
        visit: &mut dyn FnMut(RowHeader) -> Result<bool, ReadError>,
    ) -> Result<(), ReadError> {
        let mut next = from;
        let goes_on = Cell::new(true);
        let mut check = |row: RowHeader| {
            if row.version != next {
                return Err(ReadError::record(self.share, next, "it is missing"));
            }
            next = next.next();
            goes_on.set(visit(row)?);
            Ok(goes_on.get())
        };
        let tail_first = self.tail.first().map(|row| row.header.version);
        if tail_first.is_none_or(|first| from < first) {
            share_index::each_from(&self.transaction, self.share, from, &mut |row| {
                // What the tail has may have come into the index meanwhile.
                match tail_first {
                    Some(first) if row.version >= first => Ok(false),
                    _ => check(row),
                }
            })?;
        }
        let headers = self.tail.iter().map(|row| row.header);
        for row in headers.skip_while(|row| row.version < from) {
            if !goes_on.get() || !check(row)? {
                break;
            }
        }
        Ok(())
    }
}
