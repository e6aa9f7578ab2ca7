//! What a process writes down of itself, one JSON line per event, so that it outlives the process.
//!
//! A line is one `write` that has returned before the process goes on: killed, it has either done the
//! next thing after the line was there, or not done it. The kernel keeps what was written; nothing
//! here cuts the machine's power.

use std::cell::Cell;
use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::sync::{Arc, Mutex, PoisonError};

use serde::{Deserialize, Serialize};
use share_client::Outcome;
use share_model::{Identity, OpId, Seq, ShareId};

use super::error::RealError;
use super::moment::Moment;
use crate::history::{Call, Group, MadeOp, What};
use crate::recording::{OnWire, Recorder};

/// Kinds of faults that a process notes of itself.
pub(super) const KINDS: &[&str] = &[
    "clock jump",
    "disk full",
    "disk read failed",
    "disk short write",
    "disk sync failed",
    "disk write failed",
    "kill at edge",
];

/// An event as a process notes it; the fields are those of [`What`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) enum Note {
    Began {
        folder: String,
    },
    Enqueue {
        call: Call,
        share: ShareId,
        ops: Vec<MadeOp>,
        group: Group,
    },
    Enqueued {
        call: Call,
        identities: Vec<Identity>,
    },
    NotEnqueued {
        call: Call,
        why: String,
    },
    Wire(OnWire),
    Ended {
        share: ShareId,
        seq: Seq,
        op: OpId,
        outcome: Outcome,
    },
    /// One of [`KINDS`].
    Fault {
        kind: String,
        detail: String,
    },
}

impl Note {
    /// The number of the call that it is about.
    pub(super) fn call(&self) -> Option<Call> {
        match self {
            Self::Enqueue { call, .. }
            | Self::Enqueued { call, .. }
            | Self::NotEnqueued { call, .. } => Some(*call),
            Self::Wire(said) => Some(said.call()),
            Self::Began { .. } | Self::Ended { .. } | Self::Fault { .. } => None,
        }
    }

    /// The event, with the numbers of its calls put beyond `base`: each process counts from 1.
    pub(super) fn told(self, base: Call) -> What {
        match self {
            Self::Began { folder } => What::Began { folder },
            Self::Enqueue {
                call,
                share,
                ops,
                group,
            } => What::Enqueue {
                call: base + call,
                share,
                ops,
                group,
            },
            Self::Enqueued { call, identities } => What::Enqueued {
                call: base + call,
                identities,
            },
            Self::NotEnqueued { call, why } => What::NotEnqueued {
                call: base + call,
                why,
            },
            Self::Ended {
                share,
                seq,
                op,
                outcome,
            } => What::Ended {
                share,
                seq,
                op,
                outcome,
            },
            Self::Fault { kind, detail } => What::Fault {
                kind: KINDS
                    .iter()
                    .find(|known| **known == kind)
                    .unwrap_or(&"unknown"),
                detail,
            },
            Self::Wire(said) => said.told(base),
        }
    }
}

#[derive(Serialize, Deserialize)]
struct Line {
    at: Moment,
    note: Note,
}

/// The notes of a process. Clones write to the same file.
#[derive(Debug, Clone)]
pub(super) struct Notes {
    file: Arc<Mutex<File>>,
    path: PathBuf,
}

impl Notes {
    /// Begins a file of notes.
    pub(super) fn begin(path: &Path) -> Result<Self, RealError> {
        let mut options = OpenOptions::new();
        let file = options.append(true).create_new(true).open(path);
        let file = file.map_err(RealError::file("begin the notes", path))?;
        Ok(Self {
            file: Arc::new(Mutex::new(file)),
            path: path.to_owned(),
        })
    }

    /// Writes a note.
    ///
    /// # Panics
    ///
    /// If it can't be written: a process that goes on without its notes would make the history lie.
    pub(super) fn write(&self, note: Note) {
        let mut file = self.file.lock().unwrap_or_else(PoisonError::into_inner);
        let line = Line {
            at: Moment::now(),
            note,
        };
        let mut bytes = serde_json::to_vec(&line).expect("a note is plain data");
        bytes.push(b'\n');
        if let Err(error) = file.write_all(&bytes) {
            panic!("write the notes `{}`: {error}", self.path.display());
        }
    }
}

/// Numbers the calls of a process, from 1.
#[derive(Debug, Default)]
pub(super) struct Calls(Cell<Call>);

impl Calls {
    /// The next number.
    pub(super) fn next(&self) -> Call {
        self.0.set(self.0.get() + 1);
        self.0.get()
    }
}

/// Notes what is said over the connections of a process.
pub(super) struct Noting {
    pub(super) notes: Notes,
    pub(super) calls: Rc<Calls>,
}

impl Recorder for Noting {
    fn call(&self) -> Call {
        self.calls.next()
    }

    fn said(&self, said: OnWire) {
        self.notes.write(Note::Wire(said));
    }
}

/// The notes of a process that has ended; none if it ended before it began any.
pub(super) fn read(path: &Path) -> Result<Vec<(Moment, Note)>, RealError> {
    let bytes = match fs::read(path) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(RealError::file("read the notes", path)(error)),
    };
    // A line without its end was being written when the process was killed.
    let whole = bytes.iter().rposition(|byte| *byte == b'\n');
    let whole = whole.map_or(&bytes[..0], |end| &bytes[..end]);
    if whole.is_empty() {
        return Ok(Vec::new());
    }
    let lines = whole.split(|byte| *byte == b'\n').enumerate();
    lines
        .map(|(at, line)| {
            let line: Line = serde_json::from_slice(line).map_err(|source| RealError::Note {
                path: path.to_owned(),
                line: at + 1,
                source,
            })?;
            Ok((line.at, line.note))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use share_client::Failure;
    use share_model::{Cursor, Fingerprint, OpOutcome, OutboxId, RejectReason};

    use super::*;

    fn noted(notes: &[Note], torn: &[u8]) -> Vec<Note> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("notes");
        let writer = Notes::begin(&path).unwrap();
        notes.iter().for_each(|note| writer.write(note.clone()));
        let mut file = OpenOptions::new().append(true).open(&path).unwrap();
        file.write_all(torn).unwrap();
        let read = read(&path).unwrap();
        assert!(read.is_sorted_by_key(|(at, _)| *at));
        read.into_iter().map(|(_, note)| note).collect()
    }

    #[test]
    fn notes_read_back_as_they_were_written_but_for_a_torn_last_line() {
        let identity = Identity {
            outbox: OutboxId::from_bytes([1; 16]),
            seq: Seq::new(7),
            fingerprint: Fingerprint::from_bytes([2; 16]),
        };
        let written = [
            Note::Enqueued {
                call: 1,
                identities: vec![identity],
            },
            Note::Ended {
                share: ShareId::from_bytes([3; 16]),
                seq: Seq::new(7),
                op: OpId::from_bytes([4; 16]),
                outcome: Outcome::DeadLetter(Failure::Rejected(RejectReason::Abandoned)),
            },
            Note::Wire(OnWire::Acked {
                call: 2,
                cursor: Cursor::new(9),
                outcomes: vec![OpOutcome::Applied(Cursor::new(9)), OpOutcome::InDoubt],
            }),
        ];
        assert_eq!(noted(&written, b""), written);
        assert_eq!(noted(&written, br#"{"at":1,"no"#), written);
        assert_eq!(noted(&[], b"{"), []);
    }
}
