//! Reading: the document, the writers, and whether one still may.

use share_engine::{Authority, Context, LogAnswers, NoteEvent, ShareState};
use share_model::{Cursor, Document, LogPosition, Refusal, Right, SnapshotAt, WriterInfo, planted};

use super::call::{Command, Ran};
use super::share::Share;

/// Asks for the document.
#[derive(Debug)]
pub(crate) struct DocumentCall(pub(crate) Authority);

/// The document at one cursor.
#[derive(Debug, Clone)]
pub(crate) struct DocumentAt {
    pub(crate) at: SnapshotAt,
    pub(crate) document: Document,
}

impl Command for DocumentCall {
    type Answer = DocumentAt;

    fn caller(&self) -> Option<&Authority> {
        Some(&self.0)
    }

    fn run(&self, share: &mut Share, context: &Context, _log: &LogAnswers) -> Ran<DocumentAt> {
        let read = readable(share, &self.0, context).map(|state| document_at(state, context));
        if read.is_ok() {
            share.used(NoteEvent::Read, self.0.grant(), ("", context.now));
        }
        read.map(|read| (read, None)).into()
    }
}

/// Asks for the writers.
#[derive(Debug)]
pub(crate) struct WritersCall(pub(crate) Authority);

impl Command for WritersCall {
    type Answer = Vec<WriterInfo>;

    fn caller(&self) -> Option<&Authority> {
        Some(&self.0)
    }

    fn run(&self, share: &mut Share, context: &Context, _log: &LogAnswers) -> Ran<Vec<WriterInfo>> {
        let writers = readable(share, &self.0, context).map(|state| {
            let mut writers: Vec<_> = state.writers().collect();
            writers.sort_by_key(|writer| writer.number);
            (writers, None)
        });
        writers.into()
    }
}

/// Asks whether one still may read.
#[derive(Debug)]
pub(crate) struct CheckCall(pub(crate) Authority);

impl Command for CheckCall {
    type Answer = ();

    fn run(&self, share: &mut Share, context: &Context, _log: &LogAnswers) -> Ran<()> {
        readable(share, &self.0, context).map(|_| ((), None)).into()
    }
}

/// The state, to whoever may read it.
pub(super) fn readable<'a>(
    share: &'a mut Share,
    authority: &Authority,
    context: &Context,
) -> Result<&'a ShareState, Refusal> {
    let state = share.state()?;
    state.authorize(authority, Right::Read, context.now)?;
    Ok(state)
}

fn document_at(state: &ShareState, context: &Context) -> DocumentAt {
    let document = state.document().clone();
    let mut cursor = state.cursor();
    if cursor > state.log_start() && planted!("snapshot-one-off") {
        cursor = Cursor::new(cursor.get() - 1);
    }
    DocumentAt {
        at: SnapshotAt {
            position: LogPosition {
                history: Some(context.history),
                cursor,
            },
            epoch: state.epoch(),
            keys: document.len() as u64,
            bytes: document.bytes(),
        },
        document,
    }
}
