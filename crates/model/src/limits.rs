//! Bounds, each with its default and the name under which it is refused.

use serde::{Deserialize, Serialize};

/// The bounds of one share. Refused by admission, never kept by eviction (`docs/design.md` §§3, 4).
///
/// A server tells its limits at redeem; clients cut batches by them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Limits {
    /// Bytes of a key (`keyTooLong`).
    pub key_bytes_max: u32,
    /// Bytes of one value, as JSON text (`valueTooLarge`).
    pub value_bytes_max: u64,
    /// Entries of a batch (`batchTooLarge`).
    pub batch_ops_max: u32,
    /// Bytes of all mutations of a batch (`batchTooLarge`).
    pub batch_bytes_max: u64,
    /// Bytes of all keys and values of a document (`documentTooLarge`).
    pub document_bytes_max: u64,
    /// Levels of arrays and objects in a value (`tooDeep`).
    pub depth_max: u32,
    /// Dependencies of one op (`invalidRequest`).
    pub dependencies_max: u32,
    /// Seqs between a writer's floor and its highest (`windowExceeded`).
    pub window: u32,
    /// Open writers per share (`writersExhausted`).
    pub open_writers_max: u32,
    /// Open writers per subtree of grants (`writersExhausted`).
    pub open_writers_per_grant_max: u32,
    /// Retired writers per share (`writersExhausted`).
    pub retired_writers_max: u32,
    /// Remembered identities per share (`requeueLimit`).
    pub remembered_max: u32,
    /// Remembered identities per subtree of grants besides the owner's (`requeueLimit`).
    pub remembered_per_grant_max: u32,
    /// Abandoned ops remembered per writer (`abandonLimit`).
    pub abandoned_max: u32,
    /// Grants per share (`quotaExceeded`).
    pub grants_max: u32,
    /// Bytes of a title, label or origin id (`invalidRequest`).
    pub label_bytes_max: u32,
}

impl Limits {
    /// The defaults of `docs/design.md`.
    pub const DEFAULT: Self = Self {
        key_bytes_max: 512,
        value_bytes_max: 16 << 20,
        batch_ops_max: 1024,
        batch_bytes_max: 32 << 20,
        document_bytes_max: 512 << 20,
        // serde_json refuses to read more than 127 levels; what was written must be read again.
        depth_max: 100,
        dependencies_max: 64,
        window: 4096,
        open_writers_max: 64,
        open_writers_per_grant_max: 8,
        retired_writers_max: 4096,
        remembered_max: 65_536,
        remembered_per_grant_max: 8192,
        abandoned_max: 1024,
        grants_max: 1024,
        label_bytes_max: 1024,
    };
}

impl Default for Limits {
    fn default() -> Self {
        Self::DEFAULT
    }
}
