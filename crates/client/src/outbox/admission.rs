//! What an op must keep to be stored: the limits of its share, and the rules that no state of the
//! document can mend.

use share_model::{Document, Limits, Mutation, MutationError, OpId, Origin, Seq};

use super::enqueue::NewOp;
use super::error::OutboxError;
use super::ops::NewRow;

/// Refuses an op that its share could never apply.
pub(super) fn check_op(
    op: &NewOp,
    id: OpId,
    origin: Option<&Origin>,
    limits: &Limits,
) -> Result<(), OutboxError> {
    let (count, max) = (op.depends_on.len(), limits.dependencies_max);
    if count > max as usize {
        return Err(OutboxError::TooManyDependencies { op: id, count, max });
    }
    check_mutation(&op.mutation, limits)
        .map_err(|error| OutboxError::InvalidOp { op: id, error })?;
    let origin_bytes = origin.map_or(0, |origin| origin.id().len());
    let bytes = (op.mutation.bytes() + origin_bytes) as u64;
    let max = limits.batch_bytes_max;
    if bytes > max {
        return Err(OutboxError::OpTooLarge { op: id, bytes, max });
    }
    Ok(())
}

/// An atomic group goes in one batch.
pub(super) fn check_group(rows: &[NewRow], limits: &Limits) -> Result<(), OutboxError> {
    let bytes = rows.iter().map(|row| row.mutation_bytes).sum::<u64>();
    let (ops_max, bytes_max) = (limits.batch_ops_max, limits.batch_bytes_max);
    if rows.len() > ops_max as usize || bytes > bytes_max {
        return Err(OutboxError::GroupTooLarge {
            ops: rows.len(),
            bytes,
            ops_max,
            bytes_max,
        });
    }
    Ok(())
}

/// Seqs of one group, for a batch.
pub(super) fn ends(rows: &[NewRow]) -> Option<(Seq, Seq)> {
    Some((rows.first()?.entry.seq, rows.last()?.entry.seq))
}

/// Tries the mutation on an empty document as a `put` of its own value: key, JSON, size and levels
/// are checked by the rules of the share's document itself.
fn check_mutation(mutation: &Mutation, limits: &Limits) -> Result<(), MutationError> {
    let put = |key: &str, json: &str| {
        let put = Mutation::Put {
            key: key.into(),
            json: json.into(),
        };
        Document::default().apply(&put, limits)
    };
    match mutation {
        Mutation::Put { .. } => Document::default().apply(mutation, limits),
        Mutation::Merge { key, json } => put(key, json),
        Mutation::AppendItem { key, pointer, json } => {
            check_pointer(pointer)?;
            put(key, json)
        }
        Mutation::AppendText { key, pointer, text } => {
            check_pointer(pointer)?;
            put(key, "null")?;
            let (bytes, max) = (text.len() as u64, limits.value_bytes_max);
            if bytes > max {
                return Err(MutationError::ValueTooLarge { bytes, max });
            }
            Ok(())
        }
        Mutation::Remove { key } => put(key, "null"),
    }
}

/// A JSON Pointer is empty or begins with a slash (RFC 6901); anything else names nothing, ever.
fn check_pointer(pointer: &str) -> Result<(), MutationError> {
    if pointer.is_empty() || pointer.starts_with('/') {
        Ok(())
    } else {
        Err(MutationError::PointerAbsent)
    }
}
