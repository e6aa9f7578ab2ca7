//! Recorded opencode traffic: JSON lines, plain or gzip, one agent session played into one share.
//!
//! All syncs of a recording count, in order, whatever share they went to: sharing again after an
//! outage or a restart gives the session a new share on opencode's side and uploads it once more,
//! which here is the same session going on. Creates and deletes change no document. A second agent
//! session, or a sync of a share that no create accounts for, is refused: two sessions have no
//! place under one `session` key.

mod line;

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Cursor, Read};
use std::path::{Path, PathBuf};

use flate2::read::MultiGzDecoder;

use crate::item::Item;

pub use line::Malformation;

/// Bytes of one line; a session's full upload with its images is far below.
const LINE_BYTES_MAX: u64 = 64 << 20;

/// What a recording looks like, for whoever passed something else.
const FORM: &str = "a recording has one JSON object per line, \
     {\"t_ms\":0,\"method\":\"POST\",\"path\":\"/api/share\",\"body\":{\"sessionID\":\"ses_…\"}}";

/// One recorded request.
#[derive(Debug, Clone, PartialEq)]
pub struct Request {
    /// Its line in the recording, from 1.
    pub line: u64,
    /// When it was sent, from the recording's own beginning.
    pub t_ms: u64,
    /// What it asked for.
    pub kind: RequestKind,
}

/// What a recorded request asked for. The secret that it carried is not kept.
#[derive(Debug, Clone, PartialEq)]
pub enum RequestKind {
    /// The agent session was shared, for the first time or again.
    Create {
        /// The agent session's id.
        session: String,
    },
    /// Items changed.
    Sync {
        /// Their newest values, in order.
        items: Vec<Item>,
    },
    /// The share was deleted.
    Delete,
    /// Any other request; it changes nothing.
    Other,
}

/// What was read so far.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    /// Requests of any kind.
    pub requests: u64,
    /// Those that share the agent session.
    pub creates: u64,
    /// Those that carry items.
    pub syncs: u64,
    /// Those that delete a share.
    pub deletes: u64,
    /// Those that change nothing.
    pub other: u64,
    /// Items of all syncs together.
    pub items: u64,
}

/// Why a recording can't be read on.
#[derive(Debug, thiserror::Error)]
pub enum RecordingError {
    /// The file can't be opened.
    #[error("open recording {}", path.display())]
    Open {
        /// The file.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// Reading or unpacking failed.
    #[error("read line {line} of the recording")]
    Read {
        /// Where.
        line: u64,
        /// Why.
        source: io::Error,
    },
    /// There is not one line.
    #[error("the recording is empty; {FORM}")]
    Empty,
    /// A line is too long.
    #[error("line {line} of the recording is longer than {max} bytes; {FORM}")]
    LineTooLong {
        /// Where.
        line: u64,
        /// How long a line may be.
        max: u64,
    },
    /// A line is no request.
    #[error("line {line} of the recording: {what}; {FORM}")]
    Malformed {
        /// Where.
        line: u64,
        /// What is wrong with it.
        what: Malformation,
    },
    /// A create names another agent session than the one before.
    #[error(
        "line {line} of the recording shares a second agent session; \
         a recording is one agent session, played into one share"
    )]
    SecondSession {
        /// Where.
        line: u64,
    },
    /// A sync goes to a share besides those that were created.
    #[error(
        "line {line} of the recording syncs a share that no create before it accounts for; \
         a recording is one agent session, played into one share"
    )]
    ForeignShare {
        /// Where.
        line: u64,
    },
}

/// Reads the requests of a recording, one line at a time; ends after the first error.
pub struct Recording<'r> {
    lines: Box<dyn BufRead + Send + 'r>,
    buffer: Vec<u8>,
    /// Lines begun, empty ones too.
    line: u64,
    line_bytes_max: u64,
    is_over: bool,
    counts: Counts,
    /// The agent session that the first create named.
    session: Option<String>,
    /// Shares that were synced: at most as many as creates, and one without any.
    shares: BTreeSet<String>,
}

impl<'r> Recording<'r> {
    /// Reads from `input`, unpacking it if it begins as gzip does.
    ///
    /// # Errors
    ///
    /// If the first bytes can't be read.
    pub fn new(mut input: impl Read + Send + 'r) -> Result<Self, RecordingError> {
        const GZIP: [u8; 2] = [0x1f, 0x8b];
        let mut start = Vec::new();
        let begun = input.by_ref().take(2).read_to_end(&mut start);
        begun.map_err(|source| RecordingError::Read { line: 1, source })?;
        let is_gzip = start == GZIP;
        let input = Cursor::new(start).chain(input);
        let lines: Box<dyn BufRead + Send + 'r> = if is_gzip {
            Box::new(BufReader::new(MultiGzDecoder::new(input)))
        } else {
            Box::new(BufReader::new(input))
        };
        Ok(Self {
            lines,
            buffer: Vec::new(),
            line: 0,
            line_bytes_max: LINE_BYTES_MAX,
            is_over: false,
            counts: Counts::default(),
            session: None,
            shares: BTreeSet::new(),
        })
    }

    /// What was read so far.
    pub fn counts(&self) -> Counts {
        self.counts
    }

    fn read(&mut self) -> Result<Option<Request>, RecordingError> {
        while self.read_line()? {
            if self.buffer.trim_ascii().is_empty() {
                continue;
            }
            return self.read_request().map(Some);
        }
        match self.counts.requests {
            0 => Err(RecordingError::Empty),
            _ => Ok(None),
        }
    }

    /// Whether there was another line.
    fn read_line(&mut self) -> Result<bool, RecordingError> {
        self.line += 1;
        self.buffer.clear();
        let (line, max) = (self.line, self.line_bytes_max);
        // One byte more than a line may have, for its end.
        let mut bounded = self.lines.by_ref().take(max + 1);
        let read = bounded.read_until(b'\n', &mut self.buffer);
        let bytes = read.map_err(|source| RecordingError::Read { line, source })? as u64;
        if bytes > max && self.buffer.last() != Some(&b'\n') {
            return Err(RecordingError::LineTooLong { line, max });
        }
        Ok(bytes > 0)
    }

    fn read_request(&mut self) -> Result<Request, RecordingError> {
        let line = self.line;
        let read =
            line::read(&self.buffer).map_err(|what| RecordingError::Malformed { line, what })?;
        self.counts.requests += 1;
        match &read.kind {
            RequestKind::Create { session } => {
                self.counts.creates += 1;
                if self.session.get_or_insert_with(|| session.clone()) != session {
                    return Err(RecordingError::SecondSession { line });
                }
            }
            RequestKind::Sync { items } => {
                self.counts.syncs += 1;
                self.counts.items += items.len() as u64;
                self.shares.extend(read.share);
                if self.shares.len() as u64 > self.counts.creates.max(1) {
                    return Err(RecordingError::ForeignShare { line });
                }
            }
            RequestKind::Delete => self.counts.deletes += 1,
            RequestKind::Other => self.counts.other += 1,
        }
        Ok(Request {
            line,
            t_ms: read.t_ms,
            kind: read.kind,
        })
    }
}

impl Recording<'static> {
    /// Reads the file at `path`.
    ///
    /// # Errors
    ///
    /// If it can't be opened or its first bytes can't be read.
    pub fn open(path: &Path) -> Result<Self, RecordingError> {
        let file = File::open(path).map_err(|source| RecordingError::Open {
            path: path.to_owned(),
            source,
        })?;
        Self::new(file)
    }
}

impl Iterator for Recording<'_> {
    type Item = Result<Request, RecordingError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.is_over {
            return None;
        }
        let next = self.read().transpose();
        self.is_over = !matches!(next, Some(Ok(_)));
        next
    }
}

/// Hides what was read.
impl std::fmt::Debug for Recording<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Recording")
            .field("line", &self.line)
            .field("counts", &self.counts)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
