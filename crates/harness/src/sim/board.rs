//! What people tell each other outside of the system: refs that were given, ids of ops, and how far
//! everybody is.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use share_model::{Cursor, Identity, OpId, ShareId, ShareRef};

/// One board for a run. Nothing on it is lost by a crash.
#[derive(Debug, Default)]
pub(crate) struct Board {
    /// In the order of their creation.
    pub(crate) shares: Vec<Posted>,
    /// Ops that somebody's outbox has, by which others may depend on them.
    pub(crate) ops: Vec<(ShareId, OpId, Identity)>,
    /// Cursors that somebody saw last.
    pub(crate) cursors: BTreeMap<ShareId, Cursor>,
    /// Whoever waits for refs that hold until the end has them.
    pub(crate) refs_are_final: bool,
    /// Folders whose replay has come to its end.
    pub(crate) at_rest: BTreeSet<String>,
    /// Processes that append: those that must come to rest.
    pub(crate) processes: Vec<String>,
    /// The server went back in time.
    pub(crate) went_back: bool,
    /// A quiet outbox has a hole, which may be filled soon.
    pub(crate) has_hole: bool,
    /// A backup is wanted.
    pub(crate) backup_wanted: bool,
    /// The newest backup, and the number of the next event when it was asked for.
    pub(crate) backup: Option<(PathBuf, usize)>,
    /// The last look at every share was taken.
    pub(crate) is_over: bool,
    /// Who appends, by the names to which refs are given.
    pub(crate) agents: Vec<String>,
    /// Who reads.
    pub(crate) readers: Vec<String>,
    /// Shares that are created and whose first refs were given.
    pub(crate) shares_made: u64,
    /// The newest refs of owners that a restore without the journal made.
    pub(crate) owner_refs: Vec<ShareRef>,
}

/// What is told of a share.
#[derive(Debug)]
pub(crate) struct Posted {
    pub(crate) share: ShareId,
    /// By who is to use it, newest last.
    pub(crate) refs: BTreeMap<String, Vec<ShareRef>>,
}

impl Board {
    /// Gives `to` a ref.
    pub(crate) fn give(&mut self, to: &str, reference: ShareRef) {
        let share = reference.share;
        let known = self.shares.iter_mut().find(|posted| posted.share == share);
        let refs = match known {
            Some(posted) => &mut posted.refs,
            None => {
                self.shares.push(Posted {
                    share,
                    refs: BTreeMap::new(),
                });
                let posted = self.shares.last_mut().expect("it was pushed just now");
                &mut posted.refs
            }
        };
        refs.entry(to.to_owned()).or_default().push(reference);
    }

    /// The refs that `who` was given, newest of each share.
    pub(crate) fn refs_of(&self, who: &str) -> Vec<ShareRef> {
        let mine = self.shares.iter().filter_map(|posted| posted.refs.get(who));
        mine.filter_map(|refs| refs.last().cloned()).collect()
    }
}
