//! Cutting: which ops go into the next batch. Done once; what is cut stays as it is.

use rusqlite::Connection;
use share_model::seam::{Clock, Entropy};
use share_model::{BatchId, Entry, Limits, Seq, planted};

use super::batches::{self, Kind, StoredBatch};
use super::error::OutboxError;
use super::lanes::{self, Lane, Uncut};
use super::members::{self, Fresh, Member};
use super::ops::Group;
use super::own_way;
use super::progress::{self, RowState};

/// How large a batch may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Size {
    pub(crate) ops_max: u32,
    pub(crate) bytes_max: u64,
}

impl Size {
    /// The share's limits, or less if the caller asked for less. At least one op.
    pub(crate) fn of(limits: &Limits, ops_max: Option<u32>, bytes_max: Option<u64>) -> Self {
        Self {
            ops_max: limits.batch_ops_max.min(ops_max.unwrap_or(u32::MAX)).max(1),
            bytes_max: limits.batch_bytes_max.min(bytes_max.unwrap_or(u64::MAX)),
        }
    }
}

/// What cutting needs besides the rows.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Cutter<'a> {
    pub(crate) size: Size,
    pub(crate) limits: Limits,
    /// What is cut is sent now, if the window has room for it: it is marked as sent at once.
    pub(crate) sends: bool,
    pub(crate) clock: &'a dyn Clock,
    pub(crate) entropy: &'a dyn Entropy,
}

/// What there is of ops that were in no batch.
#[derive(Debug)]
pub(crate) enum Queued {
    Nothing,
    /// They are not cut before the window has room for them: a batch that waits for it would be written
    /// twice, and read again.
    NoRoom,
    Cut(Cut),
}

/// A batch that was just cut.
#[derive(Debug)]
pub(crate) struct Cut {
    pub(crate) batch: StoredBatch,
    /// Its ops and their entries, if it is marked as sent.
    pub(crate) sent: Option<(Vec<Fresh>, Vec<Entry>)>,
}

impl Cutter<'_> {
    /// The next batch for holes below what was answered: ops to abandon, then rejected ops whose
    /// next try is due.
    pub(crate) fn next_of_holes(
        &self,
        db: &Connection,
        lane: &Lane,
    ) -> Result<Option<StoredBatch>, OutboxError> {
        let now = self.clock.now();
        let mut rows = members::rejected_to_give_up(db, lane, now)?;
        if rows.is_empty() {
            rows = members::rejected_due(db, lane, now, self.size.ops_max)?;
        }
        let uncut = lanes::uncut(db, lane.number)?;
        let cut = self.store(db, (lane, uncut), &rows)?;
        Ok(cut.map(|(batch, _)| batch))
    }

    /// The next batch of ops that were in none, in seq order.
    pub(crate) fn next_of_queued(
        &self,
        db: &Connection,
        lane: &Lane,
    ) -> Result<Queued, OutboxError> {
        let uncut = lanes::uncut(db, lane.number)?;
        let first = match progress::first_queued(db, lane.number)? {
            Some(first) => first,
            None if uncut.cut_through < uncut.last => uncut.cut_through.next(),
            None => return Ok(Queued::Nothing),
        };
        let has_room = |last| !self.sends || window_has_room(lane, &self.limits, last);
        if !has_room(first) {
            return Ok(Queued::NoRoom);
        }
        let queued = members::queued(db, lane.number, (first, uncut), self.size)?;
        let (rows, mut entries): (Vec<_>, Vec<_>) = queued.into_iter().unzip();
        // They were taken in seq order, from the first on.
        entries.truncate(run(&rows, self.size));
        let last = rows.get(..entries.len()).and_then(<[Member]>::last);
        if last.is_some_and(|last| !has_room(last.seq)) {
            return Ok(Queued::NoRoom);
        }
        let Some((batch, is_sent)) = self.store(db, (lane, uncut), &rows)? else {
            return Ok(Queued::Nothing);
        };
        let sent = is_sent.then(|| {
            let fresh = rows.iter().take(entries.len()).map(Fresh::of);
            (fresh.collect(), entries)
        });
        Ok(Queued::Cut(Cut { batch, sent }))
    }

    /// Stores the batch that begins with the first of the rows; whether it is marked as sent.
    fn store(
        &self,
        db: &Connection,
        (lane, uncut): (&Lane, Uncut),
        rows: &[Member],
    ) -> Result<Option<(StoredBatch, bool)>, OutboxError> {
        let Some(first) = rows.first() else {
            return Ok(None);
        };
        let (whole, group) = whole_group(db, lane, first)?;
        let members = match group {
            Some(_) => whole.as_slice(),
            None => &rows[..run(rows, self.size)],
        };
        let last = members.last().map_or(first.seq, |member| member.seq);
        let kind = match first.give_up {
            true => Kind::Abandon,
            false => Kind::Apply,
        };
        let is_sent = self.sends
            && group.is_none()
            && first.state == RowState::Queued
            && kind == Kind::Apply
            && window_has_room(lane, &self.limits, last);
        // None of these has a row of its own, and none lies between them.
        let whole = first.seq > uncut.cut_through;
        let batch = StoredBatch {
            number: 0,
            id: BatchId::new(self.clock, self.entropy),
            kind,
            atomic: group.is_some(),
            expected_cursor: group.and_then(|group| group.expected_cursor),
            ends: (first.seq, last),
            whole,
            attempts: u32::from(whole && is_sent),
        };
        let batch = batches::insert(db, lane.number, batch)?;
        if whole {
            lanes::set_cut(db, lane.number, last)?;
            return Ok(Some((batch, is_sent)));
        }
        own_way::write_out_queued(db, lane.number, last)?;
        if group.is_some() || first.state != RowState::Queued {
            for member in members {
                progress::reserve(db, lane.number, member.seq, batch.number)?;
            }
            return Ok(Some((batch, false)));
        }
        // They were taken in seq order: what is queued between the ends is a member.
        if is_sent {
            progress::send_queued(db, lane.number, batch.number, batch.ends)?;
        } else {
            progress::reserve_queued(db, lane.number, batch.number, batch.ends)?;
        }
        Ok(Some((batch, is_sent)))
    }
}

/// The atomic group that begins with `first`, if each of its ops is to be sent. Where a part of it
/// has ended, which only the restore of a server or a copy of the outbox brings about, each of the
/// others stands for itself.
fn whole_group(
    db: &Connection,
    lane: &Lane,
    first: &Member,
) -> Result<(Vec<Member>, Option<Group>), OutboxError> {
    let Some(group) = first.group.filter(|_| !first.give_up) else {
        return Ok((Vec::new(), None));
    };
    if first.attempts > 0 && planted!("batch-recut") {
        return Ok((Vec::new(), None));
    }
    let members = members::between(db, lane.number, (group.first, group.last))?;
    let is_sent = |member: &Member| {
        !member.give_up && matches!(member.state, RowState::Queued | RowState::Rejected)
    };
    let is_whole = members.len() as u64 == group.last.above(group.first) + 1;
    if is_whole && members.iter().all(is_sent) {
        return Ok((members, Some(group)));
    }
    Ok((Vec::new(), None))
}

/// How many of the rows, at least one, go together: no op to abandon, none that must be alone, no
/// part of an atomic group.
fn run(rows: &[Member], size: Size) -> usize {
    let stands_alone = |member: &Member| member.give_up || member.alone || member.group.is_some();
    let mut bytes = 0_u64;
    let fitting = rows.iter().take_while(|member| {
        bytes = bytes.saturating_add(member.mutation_bytes);
        bytes <= size.bytes_max && !stands_alone(member)
    });
    fitting.count().clamp(1, size.ops_max.max(1) as usize)
}

/// Whether the window has room for a batch that ends at `last`.
pub(crate) fn window_has_room(lane: &Lane, limits: &Limits, last: Seq) -> bool {
    last.above(lane.settled_through) <= u64::from(limits.window) || planted!("window-unbounded")
}
