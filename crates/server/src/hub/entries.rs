//! The loaded shares of a hub.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use share_model::{Cursor, ShareId};
use tokio::sync::mpsc;
use tokio::task::{self, JoinError, JoinSet};
use tracing::{debug, error};

use super::HubLimits;
use super::requests::Request;
use crate::fault::Fault;
use crate::feed::Feed;
use crate::owner::{Budget, Owner, ShareHandle, Surroundings};

/// Which shares have an owner.
pub(super) struct Entries {
    around: Surroundings,
    shares: BTreeMap<ShareId, Entry>,
    owners: JoinSet<()>,
    /// Whose task is which share's. Looked up only, so its order shows nowhere.
    tasks: HashMap<task::Id, ShareId>,
    loaded_max: usize,
    waiting_max: usize,
    /// Of the whole server.
    room: Budget,
    /// Counts the handles that were given.
    opened: u64,
}

enum Entry {
    Loaded(Loaded),
    /// The owner ends. Those who want the share meanwhile wait, at most `waiting_max`.
    Ending(Vec<Request>),
}

struct Loaded {
    handle: ShareHandle,
    /// Held here, by `handle`, and by every handle that was given.
    used: Arc<()>,
    /// The hub's count when a handle was given last.
    opened: u64,
    /// Nobody had a handle at the last sweep, nor since.
    was_idle: bool,
}

impl Loaded {
    fn is_idle(&self) -> bool {
        Arc::strong_count(&self.used) == 2
    }
}

impl Entries {
    pub(super) fn new(around: Surroundings, limits: &HubLimits, room: Budget) -> Self {
        Self {
            around,
            shares: BTreeMap::new(),
            owners: JoinSet::new(),
            tasks: HashMap::new(),
            loaded_max: limits.loaded_max,
            waiting_max: limits.requests_max,
            room,
            opened: 0,
        }
    }

    /// Gives a handle, of a new owner if there is none.
    pub(super) fn open(&mut self, request: Request) {
        let share = request.share;
        self.opened += 1;
        match self.shares.get_mut(&share) {
            Some(Entry::Loaded(loaded)) => {
                loaded.opened = self.opened;
                loaded.was_idle = false;
                request.grant(loaded.handle.clone());
            }
            Some(Entry::Ending(waiting)) if waiting.len() < self.waiting_max => {
                waiting.push(request);
            }
            Some(Entry::Ending(_)) => request.refuse(Fault::TooMany {
                what: "requests for a share that unloads",
                max: self.waiting_max,
            }),
            None if !request.may_load => request.not_loaded(),
            None => match self.make_room() {
                Ok(()) => request.grant(self.load(share)),
                Err(fault) => request.refuse(fault),
            },
        }
    }

    /// Waits until an owner has ended. Cancel safe; never ends while there is none.
    pub(super) async fn ended(&mut self) -> Result<task::Id, JoinError> {
        match self.owners.join_next_with_id().await {
            Some(Ok((id, ()))) => Ok(id),
            Some(Err(error)) => Err(error),
            None => std::future::pending().await,
        }
    }

    /// Takes note of an owner's end, and loads the share again if somebody waits for it.
    pub(super) fn remove(&mut self, ended: Result<task::Id, JoinError>) {
        let id = match ended {
            Ok(id) => id,
            Err(error) => {
                error!(%error, "the owner of a share ended unexpectedly: this is a bug");
                error.id()
            }
        };
        let Some(share) = self.tasks.remove(&id) else {
            return;
        };
        if let Some(Entry::Ending(waiting)) = self.shares.remove(&share) {
            for request in waiting {
                self.open(request);
            }
        }
    }

    /// Unloads what nobody has used since the last sweep.
    pub(super) fn sweep(&mut self) {
        let mut unused = Vec::new();
        for (share, entry) in &mut self.shares {
            if let Entry::Loaded(loaded) = entry {
                let is_idle = loaded.is_idle();
                if is_idle && loaded.was_idle {
                    unused.push(*share);
                }
                loaded.was_idle = is_idle;
            }
        }
        for share in unused {
            self.unload(share);
        }
    }

    /// Waits until every owner has ended.
    pub(super) async fn finish(mut self) {
        // Owners end when the server drains, whoever still has a handle.
        for entry in std::mem::take(&mut self.shares).into_values() {
            if let Entry::Ending(waiting) = entry {
                for request in waiting {
                    request.refuse(Fault::Draining);
                }
            }
        }
        while !self.owners.is_empty() {
            let ended = self.ended().await;
            self.remove(ended);
        }
    }

    /// Unloads the share that was idle longest, if there are too many.
    fn make_room(&mut self) -> Result<(), Fault> {
        let loaded = self.shares.iter().filter_map(|(share, entry)| match entry {
            Entry::Loaded(loaded) => Some((share, loaded)),
            Entry::Ending(_) => None,
        });
        if self.shares.len() < self.loaded_max {
            return Ok(());
        }
        let oldest = loaded
            .filter(|(_, loaded)| loaded.is_idle())
            .min_by_key(|(_, loaded)| loaded.opened)
            .map(|(share, _)| *share);
        let Some(oldest) = oldest else {
            return Err(Fault::TooMany {
                what: "shares in use",
                max: self.loaded_max,
            });
        };
        self.unload(oldest);
        Ok(())
    }

    /// Lets the owner end; its handle goes, and with it the last sender of its calls.
    fn unload(&mut self, share: ShareId) {
        debug!(%share, "share unloads");
        self.shares.insert(share, Entry::Ending(Vec::new()));
    }

    fn load(&mut self, share: ShareId) -> ShareHandle {
        let limits = &self.around.limits;
        let (sender, calls) = mpsc::channel(limits.queue_calls_max);
        // The owner moves the head when it has loaded the share; nobody reads before.
        let feed = Feed::new(share, Cursor::ZERO, limits.ring);
        let used = Arc::new(());
        let room = [Budget::of(limits.queue_bytes_max), self.room.clone()];
        let usage = Arc::default();
        let shared = (Arc::clone(&usage), Arc::clone(&used));
        let handle = ShareHandle::new(Arc::clone(&feed), sender, room, shared);
        let owner = Owner::run(self.around.clone(), feed, (calls, usage));
        let task = self.owners.spawn_local(owner);
        self.tasks.insert(task.id(), share);
        let loaded = Loaded {
            handle: handle.clone(),
            used,
            opened: self.opened,
            was_idle: false,
        };
        self.shares.insert(share, Entry::Loaded(loaded));
        handle
    }
}
