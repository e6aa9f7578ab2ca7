//! How values of the model stand in columns. Persisted, keep stable.

use rusqlite::Row;
use share_model::{Chain, Seq, UnixMs};

use super::error::OutboxError;

/// A counter in a column. SQLite's integers are signed; no counter gets that far.
pub(super) fn int(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

fn number(row: &Row<'_>, at: usize) -> Result<u64, OutboxError> {
    u64::try_from(row.get::<_, i64>(at)?).map_err(|_| OutboxError::Unreadable {
        what: "a negative number",
    })
}

/// The count in column `at`.
pub(super) fn count(row: &Row<'_>, at: usize) -> Result<u64, OutboxError> {
    number(row, at)
}

/// The seq in column `at`.
pub(super) fn seq(row: &Row<'_>, at: usize) -> Result<Seq, OutboxError> {
    Ok(Seq::new(number(row, at)?))
}

/// The time in column `at`, if there is one.
pub(super) fn time(row: &Row<'_>, at: usize) -> Result<Option<UnixMs>, OutboxError> {
    Ok(row
        .get::<_, Option<i64>>(at)?
        .map(|ms| UnixMs::new(u64::try_from(ms).unwrap_or(0))))
}

/// The `N` bytes in column `at`.
pub(super) fn bytes<const N: usize>(row: &Row<'_>, at: usize) -> Result<[u8; N], OutboxError> {
    row.get_ref(at)?
        .as_blob()
        .ok()
        .and_then(|blob| blob.try_into().ok())
        .ok_or(OutboxError::Unreadable {
            what: "an id of the wrong length",
        })
}

/// The `N` bytes in column `at`, if it is not null.
pub(super) fn bytes_or_null<const N: usize>(
    row: &Row<'_>,
    at: usize,
) -> Result<Option<[u8; N]>, OutboxError> {
    match row.get_ref(at)? {
        rusqlite::types::ValueRef::Null => Ok(None),
        _ => bytes(row, at).map(Some),
    }
}

/// The chain value in column `at`.
pub(super) fn chain(row: &Row<'_>, at: usize) -> Result<Chain, OutboxError> {
    Ok(Chain::from_bytes(bytes(row, at)?))
}
