//! What all viewers of a share by one grant look at.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use share_model::{Cursor, Document, HistoryId, Limits, LoggedOp, UnixMs};
use tokio::sync::watch;

use super::event::{self, Change, Kind};
use super::limits::LiveLimits;
use super::ring::{After, Ring};
use crate::budget::{Full, Room};
use crate::reader::{End, Standing};
use crate::view::{Patch, View};

/// What a stage holds of a document, in sizes of the document: its own copy of what changes, and the
/// view of it.
const COPIES: usize = 3;

/// A document that is viewed, with its view and the newest events.
#[derive(Debug)]
pub(crate) struct Stage {
    history: HistoryId,
    /// Held while a change is rendered or a page written, never across an await.
    state: Mutex<State>,
    /// Changes whenever viewers have to look again.
    news: watch::Sender<()>,
    /// How many view it. Marked as changed also when somebody has only looked.
    audience: watch::Sender<usize>,
    viewers_max: usize,
}

struct State {
    document: Document,
    /// Of the document.
    view: View,
    /// Its head is the cursor of the document.
    ring: Ring,
    first_at: Option<UnixMs>,
    last_at: Option<UnixMs>,
    /// The event that brings any page to where the ring ends, if somebody needed it.
    whole: Option<Bytes>,
    /// How many viewers were told of.
    count: usize,
    ended: Option<Ended>,
    room: Room,
    held: usize,
}

/// A stage that has ended holds nothing any more.
#[derive(Debug, Clone)]
pub(super) enum Ended {
    /// Viewers are told why.
    Told(Bytes),
    /// They connect again.
    Silent,
}

/// Why a stage can't go on.
#[derive(Debug, thiserror::Error)]
pub(crate) enum StageError {
    /// The log does not go on where the document stands.
    #[error("op {got} follows where {expected} was expected")]
    Gap {
        /// The cursor that came.
        got: Cursor,
        /// The one that was to come.
        expected: Cursor,
    },
    /// The document takes no op that its share has taken.
    #[error("an op of the log can't be applied")]
    Op(#[from] share_model::MutationError),
    /// A patch can't be written.
    #[error("a change can't be written")]
    Json(#[from] serde_json::Error),
    /// There is no room for what it holds.
    #[error(transparent)]
    Full(#[from] Full),
}

/// A place in a stage.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    At(Cursor),
    /// Nowhere that anything follows: the whole page is needed.
    Nowhere,
}

/// What a viewer sees when it looks.
pub(super) enum Look {
    /// An event, and the place to which it leads.
    Event(Bytes, Place),
    /// An event that is as large as the page.
    Whole(Bytes, Place),
    /// How many view the share.
    Count(usize),
    /// Nothing that it has not seen.
    Nothing,
    Ended(Ended),
}

/// A viewer among the audience, until this is dropped.
#[derive(Debug)]
pub(super) struct Joined(Arc<Stage>);

/// Where a stage stands, for a page.
#[derive(Debug, Clone, Copy)]
pub(crate) struct At {
    pub(crate) history: HistoryId,
    pub(crate) cursor: Cursor,
    pub(crate) first_at: Option<UnixMs>,
    pub(crate) last_at: Option<UnixMs>,
}

impl Stage {
    /// A stage at `standing`, whose ring begins there.
    pub(super) fn new(
        (standing, view): (Standing, View),
        mut room: Room,
        limits: &LiveLimits,
    ) -> Result<Self, StageError> {
        let held = held(&standing.document, limits);
        let of_view = view.bytes().saturating_add(limits.ring_bytes_max);
        let held = held.max(of_view);
        room.grow(held)?;
        let state = State {
            document: standing.document,
            view,
            ring: Ring::new(standing.cursor, limits.ring_bytes_max),
            first_at: standing.first_at,
            last_at: standing.last_at,
            whole: None,
            count: 0,
            ended: None,
            room,
            held,
        };
        Ok(Self {
            history: standing.history,
            state: Mutex::new(state),
            news: watch::Sender::new(()),
            audience: watch::Sender::new(0),
            viewers_max: limits.viewers_per_stage_max,
        })
    }

    /// Puts an event before all others: that which leads from `from` to where the stage stands.
    pub(super) fn begin_at(&self, from: Cursor, patches: &[Patch]) -> Result<(), StageError> {
        let mut state = self.state();
        let cursor = state.ring.head();
        let at = state.last_at.unwrap_or_default();
        let change = Change {
            at,
            cursor,
            patches,
        };
        let text = event::change(Kind::View, self.history, &change)?;
        state.ring.restart(from);
        state.ring.push(text, cursor);
        Ok(())
    }

    /// Applies ops, and renders what they change as one event.
    ///
    /// # Errors
    ///
    /// If it can't; the stage is of no more use then.
    pub(super) fn advance(&self, ops: &[LoggedOp], limits: &LiveLimits) -> Result<(), StageError> {
        let mut state = self.state();
        let patches = state.apply(ops)?;
        let Some(last) = ops.last() else {
            return Ok(());
        };
        let change = Change {
            at: last.at,
            cursor: last.cursor,
            patches: &patches,
        };
        let text = event::change(Kind::View, self.history, &change)?;
        state.first_at = state.first_at.or(ops.first().map(|op| op.at));
        state.last_at = Some(last.at);
        state.whole = None;
        state.ring.push(text, last.cursor);
        let held = held(&state.document, limits);
        let more = held.saturating_sub(state.held);
        state.room.grow(more)?;
        state.held += more;
        drop(state);
        self.news.send_replace(());
        Ok(())
    }

    /// Shows nothing from here on.
    pub(super) fn end(&self, ended: Ended) {
        let mut state = self.state();
        state.ended = Some(ended);
        state.ring.clear();
        state.whole = None;
        state.document = Document::default();
        drop(state);
        self.news.send_replace(());
    }

    /// Ends the stage, if nobody views it; `false`: somebody does.
    pub(super) fn end_unless_viewed(&self) -> bool {
        let is_viewed = self.viewers() > 0;
        if !is_viewed {
            self.end(Ended::Silent);
            self.audience.send_modify(|_| {});
        }
        !is_viewed
    }

    pub(crate) fn has_ended(&self) -> bool {
        self.state().ended.is_some()
    }

    /// How many view it.
    pub(crate) fn viewers(&self) -> usize {
        *self.audience.borrow()
    }

    /// A viewer more; `None`: there are as many as may be.
    pub(super) fn join(self: &Arc<Self>) -> Option<Joined> {
        let has_joined = self.audience.send_if_modified(|viewers| {
            let has_room = *viewers < self.viewers_max;
            *viewers += usize::from(has_room);
            has_room
        });
        has_joined.then(|| Joined(Arc::clone(self)))
    }

    /// Tells of changes of the audience.
    pub(super) fn audience(&self) -> watch::Receiver<usize> {
        self.audience.subscribe()
    }

    /// Tells when to look.
    pub(super) fn news(&self) -> watch::Receiver<()> {
        self.news.subscribe()
    }

    /// Viewers are to know how many they are; `false`: they do.
    pub(super) fn tell_count(&self, count: usize) -> bool {
        let mut state = self.state();
        if state.count == count {
            return false;
        }
        state.count = count;
        drop(state);
        self.news.send_replace(());
        true
    }

    /// In which history it counts.
    pub(super) fn history(&self) -> HistoryId {
        self.history
    }

    /// What there is for whoever stands at `place` and was told of `count` viewers.
    pub(super) fn look(&self, place: Place, count: Option<usize>) -> Result<Look, StageError> {
        let mut state = self.state();
        if let Some(ended) = &state.ended {
            return Ok(Look::Ended(ended.clone()));
        }
        let after = match place {
            Place::At(cursor) => state.ring.after(cursor),
            Place::Nowhere => After::Elsewhere,
        };
        Ok(match after {
            After::Event(text, to) => Look::Event(text, Place::At(to)),
            After::Elsewhere => {
                let head = Place::At(state.ring.head());
                Look::Whole(state.whole(self.history)?, head)
            }
            After::Nothing if count.unwrap_or(0) != state.count => Look::Count(state.count),
            After::Nothing => Look::Nothing,
        })
    }

    /// Writes a page of the view; `None`: the stage has ended.
    pub(crate) fn page<T>(&self, write: impl FnOnce(&View, At) -> T) -> Option<T> {
        let state = self.state();
        if state.ended.is_some() {
            return None;
        }
        let at = At {
            history: self.history,
            cursor: state.ring.head(),
            first_at: state.first_at,
            last_at: state.last_at,
        };
        let written = write(&state.view, at);
        drop(state);
        // Whoever has the page is about to follow: the stage waits.
        self.audience.send_modify(|_| {});
        Some(written)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// Applies the ops to document and view; gives what changes on the page. The view is shown the
    /// document when one key of it has changed: tokens of one part, which come in a row, are rendered
    /// once.
    fn apply(&mut self, ops: &[LoggedOp]) -> Result<Vec<Patch>, StageError> {
        let limits = boundless();
        let mut patches = Vec::new();
        let mut expected = self.ring.head().next();
        let mut changed: Option<&str> = None;
        for op in ops {
            if op.cursor != expected {
                let got = op.cursor;
                return Err(StageError::Gap { got, expected });
            }
            expected = expected.next();
            let key = op.op.mutation.key();
            if let Some(other) = changed.filter(|changed| *changed != key) {
                patches.extend(self.view.change(&self.document, other));
            }
            self.document.apply_again(&op.op.mutation, &limits)?;
            changed = Some(key);
        }
        if let Some(key) = changed {
            patches.extend(self.view.change(&self.document, key));
        }
        Ok(patches)
    }

    fn whole(&mut self, history: HistoryId) -> Result<Bytes, StageError> {
        if let Some(whole) = &self.whole {
            return Ok(whole.clone());
        }
        let change = Change {
            at: self.last_at.unwrap_or_default(),
            cursor: self.ring.head(),
            patches: &self.view.whole(),
        };
        let text = event::change(Kind::Reset, history, &change)?;
        self.whole = Some(text.clone());
        Ok(text)
    }
}

/// Hides what it says.
impl fmt::Debug for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = f.debug_struct("State");
        shown.field("head", &self.ring.head());
        shown.field("ended", &self.ended).finish_non_exhaustive()
    }
}

impl Drop for Joined {
    fn drop(&mut self) {
        self.0.audience.send_modify(|viewers| *viewers -= 1);
    }
}

impl From<End> for Ended {
    fn from(end: End) -> Self {
        match end {
            End::Refused(refusal) => Self::Told(event::ended(&refusal)),
            End::Lost => Self::Silent,
        }
    }
}

fn held(document: &Document, limits: &LiveLimits) -> usize {
    let bytes = usize::try_from(document.bytes()).unwrap_or(usize::MAX);
    bytes
        .saturating_mul(COPIES)
        .saturating_add(limits.ring_bytes_max)
}

/// What stands in a log was let in by its share's own bounds.
pub(super) fn boundless() -> Limits {
    Limits {
        key_bytes_max: u32::MAX,
        value_bytes_max: u64::MAX,
        document_bytes_max: u64::MAX,
        ..Limits::DEFAULT
    }
}
