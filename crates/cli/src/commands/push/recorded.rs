//! A recording as ops, each with an id that it gets again whenever the recording is read again.

use std::io;
use std::path::{Path, PathBuf};
use std::thread;

use share_client::NewOp;
use share_model::{Fingerprint, Mutation, Op, OpId, OutboxId, ShareId};
use share_opencode::{Converter, Recording, RecordingError, Request, RequestKind};
use tokio::sync::mpsc;

use crate::error::{CliError, Kind};

/// Lines that are read ahead of the outbox.
const LINES_AHEAD: usize = 4;

/// The ops of one line of the recording; at least one.
#[derive(Debug)]
pub(super) struct Line {
    pub(super) number: u64,
    pub(super) ops: Vec<NewOp>,
}

/// Gives each op of a recording an id that depends on the share, on the op and on all before it:
/// the same recording gets the same ids again, also when it has grown since; another recording gets
/// others, however much of it is alike.
struct OpIds {
    /// The op before, or the share.
    previous: OpId,
}

impl OpIds {
    fn of(share: ShareId) -> Self {
        Self {
            previous: OpId::from_bytes(share.to_bytes()),
        }
    }

    fn name(&mut self, mutation: Mutation) -> NewOp {
        // A fingerprint is a hash of just what the id must depend on; an op without dependencies has
        // the same one in every lane.
        let op = Op {
            id: self.previous,
            depends_on: Vec::new(),
            mutation,
        };
        let mut bytes = Fingerprint::of(&op, OutboxId::from_bytes([0; 16])).to_bytes();
        // RFC 9562: version 8, for ids of the program's own making.
        bytes[6] = bytes[6] & 0x0f | 0x80;
        bytes[8] = bytes[8] & 0x3f | 0x80;
        self.previous = OpId::from_bytes(bytes);
        NewOp {
            id: Some(self.previous),
            ..NewOp::of(op.mutation)
        }
    }
}

/// Reads the recording at `path`, `-` for standard input, on a thread of its own, a few lines ahead
/// of who takes them. The first error is the last thing that comes.
pub(super) fn read(
    path: PathBuf,
    share: ShareId,
) -> Result<mpsc::Receiver<Result<Line, CliError>>, CliError> {
    let (sender, lines) = mpsc::channel(LINES_AHEAD);
    // Not a task that the runtime waits for: reading standard input may last for ever.
    thread::Builder::new()
        .name("recording".into())
        .spawn(move || {
            if let Err(error) = send_lines(&path, share, &sender) {
                // Nobody is left to be told if the command has ended for another reason.
                let _ = sender.blocking_send(Err(error));
            }
        })
        .map_err(|error| CliError::new(Kind::Bug, "start a thread").caused_by(error))?;
    Ok(lines)
}

fn send_lines(
    path: &Path,
    share: ShareId,
    lines: &mpsc::Sender<Result<Line, CliError>>,
) -> Result<(), CliError> {
    let unreadable = |error: RecordingError| {
        CliError::refused(format!("read the recording `{}`", path.display())).caused_by(error)
    };
    let recording = match path.to_str() {
        Some("-") => Recording::new(io::stdin()),
        _ => Recording::open(path),
    };
    let (mut converter, mut ids) = (Converter::default(), OpIds::of(share));
    for request in recording.map_err(unreadable)? {
        let line = convert(request.map_err(unreadable)?, &mut converter, &mut ids)?;
        if !line.ops.is_empty() && lines.blocking_send(Ok(line)).is_err() {
            break;
        }
    }
    Ok(())
}

fn convert(request: Request, converter: &mut Converter, ids: &mut OpIds) -> Result<Line, CliError> {
    let Request {
        line: number, kind, ..
    } = request;
    let mut ops = Vec::new();
    if let RequestKind::Sync { items } = kind {
        for item in items {
            let mutations = converter.convert(item).map_err(|error| {
                CliError::refused(format!("line {number} of the recording")).caused_by(error)
            })?;
            ops.extend(mutations.into_iter().map(|mutation| ids.name(mutation)));
        }
    }
    Ok(Line { number, ops })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn put(key: &str) -> Mutation {
        Mutation::Put {
            key: key.into(),
            json: "1".into(),
        }
    }

    fn ids(share: u8, keys: &[&str]) -> Vec<OpId> {
        let mut ids = OpIds::of(ShareId::from_bytes([share; 16]));
        keys.iter()
            .map(|key| ids.name(put(key)).id.unwrap())
            .collect()
    }

    #[test]
    fn an_op_has_the_same_id_again_only_after_the_same_ops_in_the_same_share() {
        let all = ids(1, &["a", "b", "b"]);
        assert_eq!(ids(1, &["a", "b", "b", "c"])[..3], all);
        assert_ne!(all[1], all[2]);
        let other_start = ids(1, &["x", "b", "b"]);
        let other_share = ids(2, &["a", "b", "b"]);
        for at in 0..3 {
            assert_ne!(other_start[at], all[at]);
            assert_ne!(other_share[at], all[at]);
        }
    }

    #[test]
    fn an_id_is_a_uuid_of_version_8() {
        for id in ids(7, &["a", "b", "c", "d", "e"]) {
            let bytes = id.to_bytes();
            assert_eq!((bytes[6] >> 4, bytes[8] >> 6), (8, 2));
        }
    }
}
