//! Entries of a document, as snapshots and resets carry them.

use capnp::struct_list;

use super::error::WireError;
use super::field::{from_one, text};
use crate::share_capnp::document_entry;

/// A key of a document with its value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DocumentEntry {
    /// The key; not empty.
    pub key: String,
    /// The value, as JSON text; that it is JSON is not checked here.
    pub json: String,
}

/// Reads an entry.
///
/// # Errors
///
/// If a field is not text, or empty.
pub fn read_document_entry(reader: document_entry::Reader<'_>) -> Result<DocumentEntry, WireError> {
    let key = text(reader.get_key(), "documentEntry.key")?;
    let json = text(reader.get_json(), "documentEntry.json")?;
    from_one(key.len(), "documentEntry.key")?;
    from_one(json.len(), "documentEntry.json")?;
    Ok(DocumentEntry {
        key: key.to_owned(),
        json: json.to_owned(),
    })
}

/// Reads entries.
///
/// # Errors
///
/// As [`read_document_entry`], with the place in the list.
pub fn read_document_entries(
    list: struct_list::Reader<'_, document_entry::Owned>,
) -> Result<Vec<DocumentEntry>, WireError> {
    // Collecting results allocates as items are read, not by the length that the peer claims.
    list.iter()
        .enumerate()
        .map(|(index, entry)| read_document_entry(entry).map_err(|error| error.at(index)))
        .collect()
}

/// Fills an entry.
pub fn write_document_entry(key: &str, json: &str, mut builder: document_entry::Builder<'_>) {
    builder.set_key(key);
    builder.set_json(json);
}
