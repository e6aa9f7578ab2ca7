//! The bytes of a stored entry: one format byte, then postcard.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};
use share_model::{Entry, EntryBody, FirstLane, Seq};

use super::error::OutboxError;

// Persisted, keep stable.
/// An entry without an origin, as all were before there were any.
const WITHOUT_ORIGIN: u8 = 1;
/// An entry, whole.
const WHOLE: u8 = 2;

/// An entry under [`WITHOUT_ORIGIN`]: what it is for most ops, at a byte less each.
#[derive(Serialize, Deserialize)]
struct OwnEntry<'a> {
    seq: Seq,
    was: Option<FirstLane>,
    body: Cow<'a, EntryBody>,
}

pub(super) fn encode(entry: &Entry) -> Result<Vec<u8>, OutboxError> {
    let bytes = match &entry.origin {
        Some(_) => postcard::to_extend(entry, vec![WHOLE]),
        None => {
            let own = OwnEntry {
                seq: entry.seq,
                was: entry.was,
                body: Cow::Borrowed(&entry.body),
            };
            postcard::to_extend(&own, vec![WITHOUT_ORIGIN])
        }
    };
    bytes.map_err(|_| OutboxError::Unreadable {
        what: "an entry that was just made",
    })
}

pub(super) fn decode(bytes: &[u8]) -> Result<Entry, OutboxError> {
    let unreadable = |_| OutboxError::Unreadable { what: "an entry" };
    match bytes.split_first() {
        Some((&WITHOUT_ORIGIN, rest)) => {
            let own: OwnEntry<'_> = postcard::from_bytes(rest).map_err(unreadable)?;
            Ok(Entry {
                seq: own.seq,
                was: own.was,
                body: own.body.into_owned(),
                origin: None,
            })
        }
        Some((&WHOLE, rest)) => postcard::from_bytes(rest).map_err(unreadable),
        _ => Err(OutboxError::Unreadable {
            what: "an entry of an unknown format",
        }),
    }
}

#[cfg(test)]
mod tests {
    use share_model::{Fingerprint, Origin, OriginKind};

    use super::*;

    fn entry(origin: Option<Origin>) -> Entry {
        Entry {
            seq: Seq::new(3),
            was: None,
            body: EntryBody::Abandon(Fingerprint::from_bytes([7; 16])),
            origin,
        }
    }

    /// The bytes by hand: what outboxes hold that were written before there were origins.
    #[test]
    fn a_row_without_an_origin_keeps_the_bytes_that_it_always_had() {
        let bytes = [[1, 3, 0, 1].as_slice(), &[7; 16]].concat();
        assert_eq!(encode(&entry(None)).unwrap(), bytes);
        assert_eq!(decode(&bytes).unwrap(), entry(None));
    }

    #[test]
    fn a_row_with_an_origin_reads_back_whole() {
        let origin = Origin::new(OriginKind::Agent, "s".into(), 9).unwrap();
        let bytes = [[2, 3, 0, 1].as_slice(), &[7; 16], &[1, 1, 1, b's']].concat();
        assert_eq!(encode(&entry(Some(origin.clone()))).unwrap(), bytes);
        assert_eq!(decode(&bytes).unwrap(), entry(Some(origin)));
    }

    #[test]
    fn another_format_is_refused() {
        let mut bytes = encode(&entry(None)).unwrap();
        bytes[0] = 3;
        assert!(matches!(
            decode(&bytes),
            Err(OutboxError::Unreadable { .. })
        ));
        assert!(matches!(decode(&[]), Err(OutboxError::Unreadable { .. })));
    }
}
