//! What readers of a log get: positions, snapshots and applied ops.

use capnp::struct_list;

use share_model::{
    Cursor, Epoch, HistoryId, Limits, LogPosition, LoggedOp, Seq, SnapshotAt, UnixMs, WriterId,
};

use super::error::{WireError, WireFault};
use super::field::{from_one, got, optional_bytes};
use super::grant::{BorrowedOrigin, write_origin};
use super::op::{read_op, write_op};
use crate::op_capnp::logged_op;
use crate::share_capnp::{log_position, snapshot_at};

/// Reads a position.
///
/// # Errors
///
/// If the history is malformed, or there is none and the cursor is not zero.
pub fn read_log_position(reader: log_position::Reader<'_>) -> Result<LogPosition, WireError> {
    let history = optional_bytes(reader.get_history(), "position.history")?;
    let cursor = reader.get_cursor();
    if history.is_none() && cursor != 0 {
        return Err(WireError::new(
            "position.cursor",
            WireFault::NotZero(cursor),
        ));
    }
    Ok(LogPosition {
        history: history.map(HistoryId::from_bytes),
        cursor: Cursor::new(cursor),
    })
}

/// Fills a position.
pub fn write_log_position(position: &LogPosition, mut builder: log_position::Builder<'_>) {
    if let Some(history) = position.history {
        builder.set_history(&history.to_bytes());
    }
    builder.set_cursor(position.cursor.get());
}

/// Reads what a snapshot is of.
///
/// # Errors
///
/// If a field is malformed.
pub fn read_snapshot_at(reader: snapshot_at::Reader<'_>) -> Result<SnapshotAt, WireError> {
    Ok(SnapshotAt {
        position: read_log_position(got(reader.get_position(), "snapshot.position")?)?,
        epoch: Epoch::new(from_one(reader.get_epoch(), "snapshot.epoch")?),
        keys: reader.get_keys(),
        bytes: reader.get_bytes(),
    })
}

/// Fills what a snapshot is of.
pub fn write_snapshot_at(at: &SnapshotAt, mut builder: snapshot_at::Builder<'_>) {
    write_log_position(&at.position, builder.reborrow().init_position());
    builder.set_epoch(at.epoch.get());
    builder.set_keys(at.keys);
    builder.set_bytes(at.bytes);
}

/// Reads an applied op.
///
/// # Errors
///
/// If a field is malformed, or there are too many dependencies.
pub fn read_logged_op(
    reader: logged_op::Reader<'_>,
    limits: &Limits,
) -> Result<LoggedOp, WireError> {
    Ok(LoggedOp {
        cursor: Cursor::new(from_one(reader.get_cursor(), "loggedOp.cursor")?),
        writer: WriterId::new(from_one(reader.get_writer(), "loggedOp.writer")?),
        seq: Seq::new(from_one(reader.get_seq(), "loggedOp.seq")?),
        at: UnixMs::new(reader.get_at()),
        op: read_op(got(reader.get_op(), "loggedOp.op")?, limits)?,
        origin: BorrowedOrigin::read_optional(
            reader.has_origin().then(|| reader.get_origin()),
            "loggedOp.origin",
        )?
        .map(|origin| origin.copy())
        .transpose()?,
    })
}

/// Reads applied ops.
///
/// # Errors
///
/// As [`read_logged_op`], with the place in the list.
pub fn read_logged_ops(
    list: struct_list::Reader<'_, logged_op::Owned>,
    limits: &Limits,
) -> Result<Vec<LoggedOp>, WireError> {
    // Collecting results allocates as items are read, not by the length that the peer claims.
    list.iter()
        .enumerate()
        .map(|(index, op)| read_logged_op(op, limits).map_err(|error| error.at(index)))
        .collect()
}

/// Fills an applied op.
///
/// # Panics
///
/// As [`write_op`](super::write_op).
pub fn write_logged_op(logged: &LoggedOp, mut builder: logged_op::Builder<'_>) {
    builder.set_cursor(logged.cursor.get());
    builder.set_writer(logged.writer.get());
    builder.set_seq(logged.seq.get());
    builder.set_at(logged.at.get());
    if let Some(origin) = &logged.origin {
        write_origin(origin, builder.reborrow().init_origin());
    }
    write_op(&logged.op, builder.init_op());
}

/// Fills applied ops into a list of their number.
///
/// # Panics
///
/// If the list is shorter.
pub fn write_logged_ops(ops: &[LoggedOp], mut list: struct_list::Builder<'_, logged_op::Owned>) {
    for (index, op) in (0..).zip(ops) {
        write_logged_op(op, list.reborrow().get(index));
    }
}
