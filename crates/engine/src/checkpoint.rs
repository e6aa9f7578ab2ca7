//! Checkpoints: everything of a share but its document's values, as bytes.

use serde::{Deserialize, Serialize};
use share_model::{Document, GrantId, Limits, SecretHash, planted};

use crate::record::RecordError;
use crate::state::{Head, ShareState};

mod format_1;

/// The first byte of a checkpoint: which reading follows. Persisted: a new reading gets a new
/// number, and the old ones stay readable.
const FORMAT: u8 = 2;

/// What a checkpoint says of the document that belongs to it: its size, so that another one's
/// snapshot is not taken for it.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
struct DocumentSize {
    // The order of the fields is persisted: keep stable.
    keys: u64,
    bytes: u64,
}

impl DocumentSize {
    fn of(document: &Document) -> Self {
        Self {
            keys: document.len() as u64,
            bytes: document.bytes(),
        }
    }
}

impl ShareState {
    /// Everything but the document's values: a format number, then postcard.
    ///
    /// # Panics
    ///
    /// Never: every field can be written.
    pub fn checkpoint(&self) -> Vec<u8> {
        if self.head.ledger.remembered().len() > 0 && planted!("checkpoint-loses-remembered") {
            let mut head = self.head.clone();
            head.ledger.forget_remembered();
            return encode(&self.document, &head);
        }
        encode(&self.document, &self.head)
    }

    /// The state from what [`ShareState::checkpoint`] wrote and the document of the same commit.
    ///
    /// # Errors
    ///
    /// If the bytes are no checkpoint of a known format, or do not belong to the document.
    pub fn from_checkpoint(
        head: &[u8],
        document: Document,
        limits: Limits,
    ) -> Result<Self, RecordError> {
        let (size, head) = decode(head)?;
        let contradiction = |what| RecordError::Contradiction {
            version: head.version,
            what,
        };
        if size != DocumentSize::of(&document) {
            return Err(contradiction("the checkpoint is of another document"));
        }
        if !head.ledger.is_sound() || head.log_start > head.cursor {
            return Err(contradiction("the parts of the checkpoint do not agree"));
        }
        Ok(Self {
            limits,
            document,
            head,
        })
    }

    /// The grants that a state has or had, with what proves each, where only what
    /// [`ShareState::checkpoint`] wrote is at hand: for any other [`ShareState::prove`] would refuse.
    ///
    /// # Errors
    ///
    /// If the bytes are no checkpoint of a known format.
    pub fn grants_in(head: &[u8]) -> Result<Vec<(GrantId, SecretHash)>, RecordError> {
        let (_, head) = decode(head)?;
        Ok(head.grants.proofs().collect())
    }
}

fn encode(document: &Document, head: &Head) -> Vec<u8> {
    postcard::to_extend(&(DocumentSize::of(document), head), vec![FORMAT])
        .expect("every field of a state can be written")
}

fn decode(head: &[u8]) -> Result<(DocumentSize, Head), RecordError> {
    match head.split_first() {
        Some((&FORMAT, rest)) => postcard::from_bytes(rest).map_err(|_| RecordError::Malformed),
        Some((&format_1::FORMAT, rest)) => {
            let (size, head) = postcard::from_bytes::<(DocumentSize, format_1::Head)>(rest)
                .map_err(|_| RecordError::Malformed)?;
            let head = head.into_head(size.bytes);
            Ok((size, head))
        }
        Some((&found, _)) if found > FORMAT => Err(RecordError::Newer { found }),
        Some(_) | None => Err(RecordError::Malformed),
    }
}

#[cfg(test)]
mod tests;
