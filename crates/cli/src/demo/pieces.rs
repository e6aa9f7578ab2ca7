//! A recording in pieces: each a sync of its own that changes the document, so that a fault can be
//! put between any two of them.

use serde_json::{Value, json};
use share_opencode::{Converter, Item, ItemError, Recording, RecordingError, Request, RequestKind};

/// Bytes of all pieces together; the demo keeps them, to feed them again to a client that was
/// killed.
const BYTES_MAX: usize = 256 << 20;

/// A piece of the recording and what it comes to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Piece {
    /// One line of a recording, with its end.
    pub(super) line: String,
    /// Ops of this piece and of all before it.
    pub(super) ops_through: u64,
    /// Bytes that its ops change: less than what goes over the wire for it.
    pub(super) bytes: usize,
}

/// A recording in pieces.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Pieces {
    /// The line that shares the agent session; changes nothing.
    pub(super) opening: String,
    pub(super) pieces: Vec<Piece>,
    /// Requests of the recording as it was.
    pub(super) requests: u64,
}

/// Why a recording can't be cut into pieces.
#[derive(Debug, thiserror::Error)]
pub(super) enum PiecesError {
    #[error(transparent)]
    Recording(#[from] RecordingError),
    #[error("line {line} of the recording")]
    Item { line: u64, source: ItemError },
    #[error("the recording has more than {} MiB, too much for a demo", BYTES_MAX >> 20)]
    TooLarge,
}

impl Pieces {
    /// Reads a recording to its end. Deletions are left out: the document is looked at as it was
    /// before them.
    pub(super) fn read(mut recording: Recording<'_>) -> Result<Self, PiecesError> {
        let mut cutter = Cutter::default();
        let mut session = None;
        for request in recording.by_ref() {
            let Request { line, t_ms, kind } = request?;
            match kind {
                RequestKind::Create { session: named } => session = Some((t_ms, named)),
                RequestKind::Sync { items } => {
                    for item in items {
                        cutter
                            .add(t_ms, item)
                            .map_err(|source| PiecesError::Item { line, source })?;
                    }
                    if cutter.bytes > BYTES_MAX {
                        return Err(PiecesError::TooLarge);
                    }
                }
                RequestKind::Delete | RequestKind::Other => {}
            }
        }
        cutter.cut_rest();
        let (t_ms, session) = session.unwrap_or_default();
        Ok(Self {
            opening: request(t_ms, "/api/share", &json!({ "sessionID": session })),
            pieces: cutter.pieces,
            requests: recording.counts().requests,
        })
    }

    /// Ops of the first `count` pieces.
    pub(super) fn ops_through(&self, count: usize) -> u64 {
        match count.checked_sub(1).and_then(|last| self.pieces.get(last)) {
            Some(piece) => piece.ops_through,
            None => 0,
        }
    }

    /// Ops of all pieces.
    pub(super) fn ops(&self) -> u64 {
        self.ops_through(self.pieces.len())
    }
}

#[derive(Default)]
struct Cutter {
    converter: Converter,
    pieces: Vec<Piece>,
    /// Items that change nothing wait here for one that does.
    items: Vec<Value>,
    t_ms: u64,
    ops: u64,
    bytes: usize,
}

impl Cutter {
    fn add(&mut self, t_ms: u64, item: Item) -> Result<(), ItemError> {
        let value = json!({ "type": item.kind, "data": item.data });
        let mutations = self.converter.convert(item)?;
        self.items.push(value);
        self.t_ms = t_ms;
        if !mutations.is_empty() {
            self.ops += mutations.len() as u64;
            self.cut(mutations.iter().map(share_model::Mutation::bytes).sum());
        }
        Ok(())
    }

    fn cut(&mut self, bytes: usize) {
        let data = std::mem::take(&mut self.items);
        let line = request(self.t_ms, "/api/share/demo/sync", &json!({ "data": data }));
        self.bytes += line.len();
        self.pieces.push(Piece {
            line,
            ops_through: self.ops,
            bytes,
        });
    }

    /// What is left changes nothing, and is fed all the same.
    fn cut_rest(&mut self) {
        if !self.items.is_empty() {
            self.cut(0);
        }
    }
}

fn request(t_ms: u64, path: &str, body: &Value) -> String {
    let line = json!({ "t_ms": t_ms, "method": "POST", "path": path, "body": body });
    format!("{line}\n")
}

#[cfg(test)]
mod tests {
    use share_opencode::expected;

    use super::*;

    const RECORDING: &str = r#"{"t_ms":1,"method":"POST","path":"/api/share","body":{"sessionID":"ses_1"}}
{"t_ms":2,"method":"POST","path":"/api/share/abc/sync","body":{"secret":"hush","data":[{"type":"session","data":{"id":"ses_1","n":1.50}},{"type":"session","data":{"id":"ses_1","n":1.50}},{"type":"model","data":[{"providerID":"p","id":"a"},{"providerID":"p","id":"b"}]}]}}
{"t_ms":3,"method":"POST","path":"/api/share/abc/sync","body":{"secret":"hush","data":[{"type":"session","data":{"id":"ses_1","n":1.50}}]}}
{"t_ms":4,"method":"DELETE","path":"/api/share/abc","body":{"secret":"hush"}}
"#;

    fn pieces() -> Pieces {
        Pieces::read(Recording::new(RECORDING.as_bytes()).unwrap()).unwrap()
    }

    #[test]
    fn a_piece_ends_with_each_item_that_changes_anything() {
        let pieces = pieces();
        let ops: Vec<u64> = pieces
            .pieces
            .iter()
            .map(|piece| piece.ops_through)
            .collect();
        assert_eq!(ops, [1, 3, 3]);
        assert_eq!(
            (pieces.ops_through(0), pieces.ops_through(2), pieces.ops()),
            (0, 3, 3)
        );
        assert_eq!(pieces.requests, 4);
        assert_eq!(
            pieces.pieces[0].line,
            "{\"t_ms\":2,\"method\":\"POST\",\"path\":\"/api/share/demo/sync\",\"body\":{\"data\":[{\"type\":\"session\",\"data\":{\"id\":\"ses_1\",\"n\":1.50}}]}}\n"
        );
    }

    #[test]
    fn the_pieces_together_say_what_the_recording_says() {
        let pieces = pieces();
        let mut text = pieces.opening.clone();
        text.extend(pieces.pieces.iter().map(|piece| piece.line.as_str()));
        assert!(!text.contains("hush") && !text.contains("DELETE"), "{text}");
        let of_pieces = expected(Recording::new(text.as_bytes()).unwrap()).unwrap();
        assert_eq!(
            of_pieces,
            expected(Recording::new(RECORDING.as_bytes()).unwrap()).unwrap()
        );
        assert_eq!(of_pieces.len(), 3);
    }
}
