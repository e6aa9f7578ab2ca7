//! Limits, as far as a peer is told them.

use share_model::Limits;

use super::error::WireError;
use super::field::from_one;
use crate::share_capnp::limits;

/// Reads limits; those that are not on the wire get their defaults.
///
/// # Errors
///
/// If a limit is zero, so that nothing could ever be within it.
pub fn read_limits(reader: limits::Reader<'_>) -> Result<Limits, WireError> {
    Ok(Limits {
        key_bytes_max: from_one(reader.get_key_bytes_max(), "limits.keyBytesMax")?,
        value_bytes_max: from_one(reader.get_value_bytes_max(), "limits.valueBytesMax")?,
        batch_ops_max: from_one(reader.get_batch_ops_max(), "limits.batchOpsMax")?,
        batch_bytes_max: from_one(reader.get_batch_bytes_max(), "limits.batchBytesMax")?,
        document_bytes_max: from_one(reader.get_document_bytes_max(), "limits.documentBytesMax")?,
        // Zero is a bound that plain values and ops without dependencies keep.
        depth_max: reader.get_depth_max(),
        dependencies_max: reader.get_dependencies_max(),
        window: from_one(reader.get_window(), "limits.window")?,
        ..Limits::DEFAULT
    })
}

/// Fills limits.
pub fn write_limits(limits: &Limits, mut builder: limits::Builder<'_>) {
    builder.set_key_bytes_max(limits.key_bytes_max);
    builder.set_value_bytes_max(limits.value_bytes_max);
    builder.set_batch_ops_max(limits.batch_ops_max);
    builder.set_batch_bytes_max(limits.batch_bytes_max);
    builder.set_document_bytes_max(limits.document_bytes_max);
    builder.set_depth_max(limits.depth_max);
    builder.set_dependencies_max(limits.dependencies_max);
    builder.set_window(limits.window);
}
