//! The state of a share: its records and its checkpoints.

use share_engine::{Record, ShareState};
use share_model::{Document, Limits};

/// One record.
pub(super) fn record(bytes: &[u8]) {
    if let Ok(record) = Record::decode(bytes) {
        assert_eq!(Record::decode(&record.encode()), Ok(record.clone()));
        // Neither may fail, whatever the record says.
        record.logged();
        begin(&record);
    }
}

/// The pieces of the input, each behind its length: a checkpoint of an empty document, and records.
pub(super) fn checkpoint(bytes: &[u8]) {
    let mut pieces = Pieces(bytes);
    let Some(head) = pieces.next() else {
        return;
    };
    let proofs = ShareState::grants_in(head);
    let read = ShareState::from_checkpoint(head, Document::default(), Limits::DEFAULT);
    if let Ok(state) = read {
        assert!(proofs.is_ok());
        go_on(state, pieces);
    }
}

/// Records from a share's first.
pub(super) fn records(bytes: &[u8]) {
    let mut pieces = Pieces(bytes);
    let first = pieces.next().and_then(|piece| Record::decode(piece).ok());
    if let Some(state) = first.and_then(|first| begin(&first)) {
        go_on(state, pieces);
    }
}

fn begin(first: &Record) -> Option<ShareState> {
    let state = ShareState::begin(first, Limits::DEFAULT).ok()?;
    check(&state);
    Some(state)
}

fn go_on(mut state: ShareState, pieces: Pieces<'_>) {
    check(&state);
    for piece in pieces {
        let Ok(record) = Record::decode(piece) else {
            return;
        };
        // What a record that does not fit leaves is of no use any more.
        if state.apply(&record).is_err() {
            return;
        }
        check(&state);
    }
}

/// A state comes back from its checkpoint.
fn check(state: &ShareState) {
    let head = state.checkpoint();
    let document = state.document().clone();
    let again = ShareState::from_checkpoint(&head, document, *state.limits());
    assert_eq!(again.as_ref(), Ok(state));
}

/// Two bytes of length, then so many bytes, again and again; what is cut off counts.
struct Pieces<'a>(&'a [u8]);

impl<'a> Iterator for Pieces<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<Self::Item> {
        let (length, rest) = self.0.split_first_chunk()?;
        let length = usize::from(u16::from_le_bytes(*length)).min(rest.len());
        let (piece, rest) = rest.split_at(length);
        self.0 = rest;
        Some(piece)
    }
}
