//! What is live of a share, and what of it ends when authority does.

use std::collections::BTreeSet;

use share_engine::{Authority, Context, Record, ShareState};
use share_model::{Cut, Refusal, UnixMs};

use super::share::Share;
use super::subscribers::{Stopped, ViewerId};

/// What ended at a command: counted when it was run, and told how far the viewers had got once they
/// have stopped.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) cut: Cut,
    viewers: BTreeSet<ViewerId>,
}

impl Ended {
    /// The viewers have stopped.
    pub(super) fn tell(&mut self, stopped: &Stopped) {
        let mine = stopped.iter();
        let mine = mine.filter(|(viewer, _)| self.viewers.contains(viewer));
        let served = mine.map(|(_, served)| *served).take(Cut::SERVED_MAX);
        self.cut.served = served.collect();
    }
}

/// How many are live, and which viewers.
struct Live {
    sessions: usize,
    appenders: usize,
    viewers: BTreeSet<ViewerId>,
}

impl Share {
    /// Runs a command that may end authority; gives besides its answer what was live and is not any
    /// more. The command's own count of grants goes into [`Ended::cut`] by its caller.
    pub(super) fn ending<T>(
        &mut self,
        context: &Context,
        command: impl FnOnce(&mut ShareState) -> Result<(T, Option<Record>), Refusal>,
    ) -> Result<((T, Ended), Option<Record>), Refusal> {
        let before = self.standing(context.now);
        let (answer, record) = command(self.state()?)?;
        let after = self.standing(context.now);
        let count = |before: usize, after: usize| {
            u32::try_from(before.saturating_sub(after)).unwrap_or(u32::MAX)
        };
        let viewers: BTreeSet<_> = &before.viewers - &after.viewers;
        let ended = Ended {
            cut: Cut {
                grants: 0,
                sessions: count(before.sessions, after.sessions),
                appenders: count(before.appenders, after.appenders),
                viewers: count(viewers.len(), 0),
                served: Vec::new(),
            },
            viewers,
        };
        Ok(((answer, ended), record))
    }

    /// What is live under authority that stands.
    fn standing(&mut self, now: UnixMs) -> Live {
        let Some(state) = &self.state else {
            return Live {
                sessions: 0,
                appenders: 0,
                viewers: BTreeSet::new(),
            };
        };
        let stands = |by: &Authority| state.check_standing(by, now).is_ok();
        let viewers = self.subscribers.live().filter(|(_, by)| stands(by));
        Live {
            sessions: self.sessions.live().filter(|by| stands(by)).count(),
            appenders: self.appenders.live().filter(|by| stands(by)).count(),
            viewers: viewers.map(|(viewer, _)| viewer).collect(),
        }
    }
}
