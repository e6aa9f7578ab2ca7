//! Batches, their entries and the envelope of a send.

use share_model::{
    Batch, BatchId, Cursor, Entry, EntryBody, Envelope, Epoch, Fingerprint, FirstLane, Limits,
    OutboxId, Seq,
};

use super::error::{WireError, WireFault};
use super::field::{bytes, from_one, got, known, list_len};
use super::grant::{BorrowedOrigin, write_origin};
use super::op::{BorrowedOp, write_op};
use crate::op_capnp::{batch, entry};
use crate::share_capnp::envelope;

/// Reads a batch.
///
/// # Errors
///
/// If a field is malformed, or the batch goes beyond `batch_ops_max`,
/// `batch_bytes_max` or `dependencies_max`. Whether the seqs fit the lane is another question.
pub fn read_batch(reader: batch::Reader<'_>, limits: &Limits) -> Result<Batch, WireError> {
    let list = got(reader.get_entries(), "batch.entries")?;
    let (actual, max) = (u64::from(list.len()), u64::from(limits.batch_ops_max));
    if actual > max {
        let fault = WireFault::BatchTooLarge {
            seq: Seq::ZERO,
            actual,
            max,
            unit: "entries",
        };
        return Err(WireError::new("batch.entries", fault));
    }
    let expected_cursor = reader.get_expected_cursor();
    let expected_cursor = match known(expected_cursor.which(), "batch.expectedCursor")? {
        batch::expected_cursor::Any(()) => None,
        batch::expected_cursor::Exactly(cursor) => Some(Cursor::new(cursor)),
    };
    let id = BatchId::from_bytes(bytes(reader.get_id(), "batch.id")?);
    let mut room = Room { used: 0, limits };
    let mut entries = Vec::with_capacity(list.len() as usize);
    for (index, entry) in list.iter().enumerate() {
        entries.push(room.read(entry).map_err(|error| error.at(index))?);
    }
    Ok(Batch {
        id,
        atomic: reader.get_atomic(),
        expected_cursor,
        entries,
    })
}

/// Reads one entry, by itself.
///
/// # Errors
///
/// As [`read_batch`].
pub fn read_entry(reader: entry::Reader<'_>, limits: &Limits) -> Result<Entry, WireError> {
    Room { used: 0, limits }.read(reader)
}

/// Reads entries and counts their bytes before it copies them.
struct Room<'a> {
    used: u64,
    limits: &'a Limits,
}

impl Room<'_> {
    fn read(&mut self, reader: entry::Reader<'_>) -> Result<Entry, WireError> {
        let seq = Seq::new(from_one(reader.get_seq(), "entry.seq")?);
        let was = match known(reader.get_was().which(), "entry.was")? {
            entry::was::Here(()) => None,
            entry::was::Elsewhere(lane) => {
                Some(read_first_lane(got(lane, "entry.was.elsewhere")?)?)
            }
        };
        let (body, origin) = match known(reader.which(), "entry")? {
            entry::Unset(()) => return Err(WireError::new("entry", WireFault::Unset)),
            entry::Op(op) => {
                let op = BorrowedOp::read(got(op, "entry.op")?)?;
                let origin = BorrowedOrigin::read_optional(
                    reader.has_origin().then(|| reader.get_origin()),
                    "entry.origin",
                )?;
                let origin_bytes = origin.as_ref().map_or(0, BorrowedOrigin::bytes);
                self.take(seq, op.bytes() + origin_bytes)?;
                let origin = origin.map(|origin| origin.copy()).transpose()?;
                (EntryBody::Op(op.copy(self.limits)?), origin)
            }
            // Whose op was given up concerns nobody: the field is not looked at.
            entry::Abandon(fingerprint) => {
                let fingerprint = bytes(fingerprint, "entry.abandon")?;
                (
                    EntryBody::Abandon(Fingerprint::from_bytes(fingerprint)),
                    None,
                )
            }
        };
        Ok(Entry {
            seq,
            was,
            body,
            origin,
        })
    }

    fn take(&mut self, seq: Seq, bytes: u64) -> Result<(), WireError> {
        let max = self.limits.batch_bytes_max;
        self.used = self.used.saturating_add(bytes);
        if self.used <= max {
            return Ok(());
        }
        let fault = WireFault::BatchTooLarge {
            seq: if bytes > max { seq } else { Seq::ZERO },
            actual: self.used,
            max,
            unit: "bytes of mutations and origins",
        };
        Err(WireError::new("batch.entries", fault))
    }
}

fn read_first_lane(reader: entry::first_lane::Reader<'_>) -> Result<FirstLane, WireError> {
    let outbox = bytes(reader.get_outbox_id(), "entry.was.outboxId")?;
    Ok(FirstLane {
        outbox: OutboxId::from_bytes(outbox),
        seq: Seq::new(from_one(reader.get_seq(), "entry.was.seq")?),
    })
}

/// Fills a batch.
///
/// # Panics
///
/// If it has more entries than a list can hold; the limits refuse it long before.
pub fn write_batch(batch: &Batch, mut builder: batch::Builder<'_>) {
    builder.set_id(&batch.id.to_bytes());
    builder.set_atomic(batch.atomic);
    let mut expected = builder.reborrow().init_expected_cursor();
    match batch.expected_cursor {
        None => expected.set_any(()),
        Some(cursor) => expected.set_exactly(cursor.get()),
    }
    let mut list = builder.init_entries(list_len(batch.entries.len()));
    for (index, entry) in (0..).zip(&batch.entries) {
        write_entry(entry, list.reborrow().get(index));
    }
}

/// Fills an entry.
pub fn write_entry(entry: &Entry, mut builder: entry::Builder<'_>) {
    builder.set_seq(entry.seq.get());
    let mut was = builder.reborrow().init_was();
    match entry.was {
        None => was.set_here(()),
        Some(first) => {
            let mut lane = was.init_elsewhere();
            lane.set_outbox_id(&first.outbox.to_bytes());
            lane.set_seq(first.seq.get());
        }
    }
    match &entry.body {
        EntryBody::Op(op) => {
            if let Some(origin) = &entry.origin {
                write_origin(origin, builder.reborrow().init_origin());
            }
            write_op(op, builder.init_op());
        }
        EntryBody::Abandon(fingerprint) => builder.set_abandon(&fingerprint.to_bytes()),
    }
}

/// Reads an envelope: two plain numbers, which no bytes can get wrong.
pub fn read_envelope(reader: envelope::Reader<'_>) -> Envelope {
    Envelope {
        capability_epoch: Epoch::new(reader.get_capability_epoch()),
        settled_through: Seq::new(reader.get_settled_through()),
    }
}

/// Fills an envelope.
pub fn write_envelope(envelope: &Envelope, mut builder: envelope::Builder<'_>) {
    builder.set_capability_epoch(envelope.capability_epoch.get());
    builder.set_settled_through(envelope.settled_through.get());
}
