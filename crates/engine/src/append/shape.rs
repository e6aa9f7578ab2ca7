//! What a batch must look like, whatever the state of the share.

use share_model::{Batch, Entry, EntryBody, Limits, Seq};

/// Why a batch is malformed or too large.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum ShapeError {
    #[error("the batch has {ops} entries, limit is {max}")]
    TooManyOps { ops: u64, max: u64 },
    #[error("the batch has {bytes} bytes of mutations and origins, limit is {max}")]
    TooManyBytes { bytes: u64, max: u64 },
    #[error("expectedCursor is set on a batch that is not atomic")]
    CursorWithoutAtomic,
    #[error("seq {seq} is abandoned in an atomic batch: abandon in a batch of its own")]
    AbandonInAtomic { seq: Seq },
    #[error("seq 0 is no op's seq")]
    SeqZero,
    #[error("seq {seq} follows seq {before}: seqs of a batch ascend")]
    NotAscending { before: Seq, seq: Seq },
    #[error("seq {seq} has {count} dependencies, limit is {max}")]
    TooManyDependencies { seq: Seq, count: u64, max: u64 },
}

/// Checks what can be checked without the state: cheap, and before anything is hashed.
pub(crate) fn check(batch: &Batch, limits: &Limits) -> Result<(), ShapeError> {
    let (ops, max) = (batch.entries.len() as u64, u64::from(limits.batch_ops_max));
    if ops > max {
        return Err(ShapeError::TooManyOps { ops, max });
    }
    if batch.expected_cursor.is_some() && !batch.atomic {
        return Err(ShapeError::CursorWithoutAtomic);
    }
    let mut before = None;
    let mut bytes = 0;
    for entry in &batch.entries {
        check_place(entry, before)?;
        bytes += check_body(entry, batch.atomic, limits)?;
        before = Some(entry.seq);
    }
    // A fingerprint holds lengths below 4 GiB.
    let max = limits.batch_bytes_max.min(u64::from(u32::MAX));
    if bytes > max {
        return Err(ShapeError::TooManyBytes { bytes, max });
    }
    Ok(())
}

fn check_place(entry: &Entry, before: Option<Seq>) -> Result<(), ShapeError> {
    let seq = entry.seq;
    if seq == Seq::ZERO || entry.was.is_some_and(|was| was.seq == Seq::ZERO) {
        return Err(ShapeError::SeqZero);
    }
    match before {
        Some(before) if before >= seq => Err(ShapeError::NotAscending { before, seq }),
        Some(_) | None => Ok(()),
    }
}

/// The bytes that the entry counts.
fn check_body(entry: &Entry, atomic: bool, limits: &Limits) -> Result<u64, ShapeError> {
    let seq = entry.seq;
    match &entry.body {
        EntryBody::Abandon(_) if atomic => Err(ShapeError::AbandonInAtomic { seq }),
        EntryBody::Abandon(_) => Ok(0),
        EntryBody::Op(op) => {
            let (count, max) = (
                op.depends_on.len() as u64,
                u64::from(limits.dependencies_max),
            );
            if count > max {
                return Err(ShapeError::TooManyDependencies { seq, count, max });
            }
            Ok(entry.bytes())
        }
    }
}
