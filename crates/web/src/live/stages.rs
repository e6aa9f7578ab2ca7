//! Which stages there are.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use share_model::seam::Clock;
use share_model::{Document, GrantId, LogPosition, ShareId};
use tokio::sync::OnceCell;

use super::limits::LiveLimits;
use super::running::Running;
use super::stage::{Stage, StageError};
use super::tasks::Tasks;
use crate::backend::BackendError;
use crate::budget::Budget;
use crate::reader::{Followed, Readable, Seen, Standing};
use crate::view::{Patch, View, ViewLimits};

/// A document of more bytes is rendered where it holds up no connection.
const ASIDE_BYTES: u64 = 128 << 10;

/// The key of the session's differences.
const DIFFERENCES: &str = "session_diff";

type Key = (ShareId, GrantId);
/// A stage that is there, or is being opened by whoever asked first.
type Slot = Arc<OnceCell<Arc<Stage>>>;

/// The stages of a face.
#[derive(Debug)]
pub(crate) struct Stages {
    slots: Mutex<HashMap<Key, Slot>>,
    tasks: Arc<Tasks>,
    budget: Budget,
    clock: Arc<dyn Clock>,
    limits: LiveLimits,
    view_limits: ViewLimits,
}

impl Stages {
    pub(crate) fn new(
        (limits, view_limits): (LiveLimits, ViewLimits),
        clock: Arc<dyn Clock>,
        tasks: Arc<Tasks>,
    ) -> Arc<Self> {
        Arc::new(Self {
            slots: Mutex::default(),
            tasks,
            budget: Budget::new(limits.stages_bytes_max, usize::MAX),
            clock,
            limits,
            view_limits,
        })
    }

    /// The stage on which `share` is shown under its grant; one is opened if there is none. `seen`:
    /// where a viewer wants to go on.
    ///
    /// # Errors
    ///
    /// If the share may not be read any more, or there are as many stages as may be.
    pub(crate) async fn of(
        self: &Arc<Self>,
        share: &Arc<dyn Readable>,
        seen: Option<LogPosition>,
    ) -> Result<Arc<Stage>, BackendError> {
        let key = share.key();
        loop {
            let slot = self.slot(key)?;
            let opened = slot.get_or_try_init(|| self.open((key, &slot), share, seen));
            match opened.await {
                Ok(stage) if !stage.has_ended() => {
                    self.keep(key, &slot);
                    return Ok(Arc::clone(stage));
                }
                Ok(_) => self.remove(key, &slot),
                Err(error) => {
                    self.remove(key, &slot);
                    return Err(error);
                }
            }
        }
    }

    /// How many view the share by that grant; `None`: no stage shows it.
    pub(crate) fn viewers(&self, key: Key) -> Option<usize> {
        Some(self.slots().get(&key)?.get()?.viewers())
    }

    /// The slot of a share; a new one may take the place of a stage that nobody views.
    fn slot(&self, key: Key) -> Result<Slot, BackendError> {
        let mut slots = self.slots();
        if let Some(slot) = slots.get(&key) {
            return Ok(Arc::clone(slot));
        }
        if slots.len() >= self.limits.stages_max {
            slots.retain(|_, slot| !gives_way(slot));
        }
        if slots.len() >= self.limits.stages_max {
            let reason = "as many shares are viewed as may be".to_owned();
            return Err(BackendError::Overloaded { reason });
        }
        Ok(Arc::clone(slots.entry(key).or_default()))
    }

    async fn open(
        self: &Arc<Self>,
        (key, slot): (Key, &Slot),
        share: &Arc<dyn Readable>,
        seen: Option<LogPosition>,
    ) -> Result<Arc<Stage>, BackendError> {
        let seen = seen.map(|position| Seen {
            position,
            ops_max: self.limits.missed_ops_max,
        });
        let Followed {
            standing,
            changed,
            ops,
        } = share.follow(seen).await?;
        let (view, missed) = self.view(&standing, changed).await?;
        let cursor = standing.cursor;
        let room = self.budget.room(None);
        let stage = Stage::new((standing, view), room, &self.limits).map_err(failed)?;
        if let (Some(seen), Some(missed)) = (seen, missed)
            && seen.position.cursor < cursor
        {
            let from = seen.position.cursor;
            stage.begin_at(from, &missed).map_err(failed)?;
        }
        let stage = Arc::new(stage);
        let running = Running {
            stage: Arc::clone(&stage),
            ops,
            clock: Arc::clone(&self.clock),
            limits: self.limits,
        };
        let (stages, slot) = (Arc::downgrade(self), Arc::downgrade(slot));
        self.tasks.spawn(async move {
            running.run().await;
            if let (Some(stages), Some(slot)) = (stages.upgrade(), slot.upgrade()) {
                stages.remove(key, &slot);
            }
        });
        Ok(stage)
    }

    /// The view of the document, and what is changed on a page that somebody saw before these keys
    /// were.
    async fn view(
        &self,
        standing: &Standing,
        changed: Option<Vec<String>>,
    ) -> Result<(View, Option<Vec<Patch>>), BackendError> {
        let limits = self.view_limits;
        let document = standing.document.clone();
        let is_large = document.bytes() > ASIDE_BYTES;
        let viewed = move || match changed {
            // Which of the files are gone from a list of differences, only the page knows.
            Some(changed) if !changed.iter().any(|key| key == DIFFERENCES) => {
                caught_up(document, &changed, limits)
            }
            Some(_) | None => (View::new(&document, limits), None),
        };
        if !is_large {
            return Ok(viewed());
        }
        let rendered = tokio::task::spawn_blocking(viewed).await;
        rendered.map_err(|_| BackendError::Unknown {
            reason: "the server is ending".to_owned(),
        })
    }

    /// Puts a slot back that somebody took away who could not fill it.
    fn keep(&self, key: Key, slot: &Slot) {
        self.slots().entry(key).or_insert_with(|| Arc::clone(slot));
    }

    /// Takes a slot away, if it is still this one.
    fn remove(&self, key: Key, slot: &Slot) {
        let mut slots = self.slots();
        if slots
            .get(&key)
            .is_some_and(|known| Arc::ptr_eq(known, slot))
        {
            slots.remove(&key);
        }
    }

    fn slots(&self) -> MutexGuard<'_, HashMap<Key, Slot>> {
        self.slots.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whether a stage gives way to another one, since nobody views it; then it has ended.
fn gives_way(slot: &Slot) -> bool {
    match slot.get() {
        Some(stage) => stage.end_unless_viewed(),
        // Whoever was opening it has gone.
        None => Arc::strong_count(slot) == 1,
    }
}

/// The view of `document`, and the patches for whoever has the page from before `changed` was. The
/// view is shown a document without these keys, and then one after the other: what it puts on the page
/// then replaces what may be there, whatever that is.
fn caught_up(
    mut document: Document,
    changed: &[String],
    limits: ViewLimits,
) -> (View, Option<Vec<Patch>>) {
    let values: Vec<_> = changed.iter().map(|key| document.save(key)).collect();
    for key in changed {
        document.restore(key, None);
    }
    let mut view = View::new(&document, limits);
    let mut patches = Vec::new();
    for (key, value) in changed.iter().zip(values) {
        document.restore(key, value);
        patches.extend(view.change(&document, key));
        // The view never saw what is gone, the page may have.
        patches.extend(view.gone(key));
    }
    (view, Some(patches))
}

fn failed(error: StageError) -> BackendError {
    match error {
        StageError::Full(full) => BackendError::Overloaded {
            reason: full.to_string(),
        },
        error => BackendError::Unknown {
            reason: error.to_string(),
        },
    }
}
