//! The bytes of a stored entry: one format byte, then postcard.

use share_model::Entry;

use super::error::OutboxError;

/// Persisted, keep stable.
const FORMAT: u8 = 1;

pub(super) fn encode(entry: &Entry) -> Result<Vec<u8>, OutboxError> {
    postcard::to_extend(entry, vec![FORMAT]).map_err(|_| OutboxError::Unreadable {
        what: "an entry that was just made",
    })
}

pub(super) fn decode(bytes: &[u8]) -> Result<Entry, OutboxError> {
    match bytes.split_first() {
        Some((&FORMAT, rest)) => {
            postcard::from_bytes(rest).map_err(|_| OutboxError::Unreadable { what: "an entry" })
        }
        _ => Err(OutboxError::Unreadable {
            what: "an entry of an unknown format",
        }),
    }
}

#[cfg(test)]
mod tests {
    use share_model::{EntryBody, Fingerprint, Seq};

    use super::*;

    #[test]
    fn an_entry_reads_back_and_another_format_is_refused() {
        let entry = Entry {
            seq: Seq::new(3),
            was: None,
            body: EntryBody::Abandon(Fingerprint::from_bytes([7; 16])),
        };
        let mut bytes = encode(&entry).unwrap();
        assert_eq!(bytes[0], 1);
        assert_eq!(decode(&bytes).unwrap(), entry);
        bytes[0] = 2;
        assert!(matches!(
            decode(&bytes),
            Err(OutboxError::Unreadable { .. })
        ));
        assert!(matches!(decode(&[]), Err(OutboxError::Unreadable { .. })));
    }
}
