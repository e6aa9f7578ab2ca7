//! What a disk is about: its settings, its dead or living machine, what is not synced.

use std::collections::HashMap;
use std::fs::Permissions;
use std::path::{Path, PathBuf};

use share_model::seam::{Entropy, SeededEntropy};

use super::counts::DiskCounts;
use super::edge::{Edge, FileKind, Moment};
use super::fault::{CrashPoint, DiskFaults, Failure};
use super::unsynced::{FileId, Unsynced};

const MILLION: u64 = 1_000_000;

/// All of a disk that changes.
#[derive(Debug, Default)]
pub(super) struct State {
    pub(super) faults: DiskFaults,
    pub(super) is_full: bool,
    pub(super) is_frozen: bool,
    pub(super) counts: DiskCounts,
    pub(super) unsynced: HashMap<FileId, Unsynced>,
    /// In the order of their removal.
    pub(super) removed: Vec<Removed>,
    /// Paths of what SQLite has open.
    pub(super) open: Vec<PathBuf>,
    crash: Option<Crash>,
}

/// A file whose removal is not durable.
#[derive(Debug)]
pub(super) struct Removed {
    pub(super) path: PathBuf,
    pub(super) bytes: Vec<u8>,
    pub(super) permissions: Permissions,
    /// What was not synced of it.
    pub(super) unsynced: Unsynced,
}

/// A crash point that is set.
#[derive(Debug)]
enum Crash {
    /// So many operations from now, this one being 1.
    Operation(u64),
    /// At this edge; so many times from now.
    Edge(Edge, u64),
    /// At this edge of an operation whose turn it is; in the next one if it is not reached.
    Doomed(Edge),
}

impl State {
    pub(super) fn crash_at(&mut self, point: Option<CrashPoint>) {
        self.crash = point.map(|point| match point {
            CrashPoint::Operation(number) => Crash::Operation(number),
            CrashPoint::Edge(edge, number) => Crash::Edge(edge, number),
        });
    }

    /// Begins an operation that will come to these moments, unless something is in its way.
    pub(super) fn begin<E>(
        &mut self,
        entropy: &SeededEntropy,
        kind: FileKind,
        moments: &[Moment],
    ) -> Result<(), Failure<E>> {
        if self.is_frozen {
            return Err(Failure::Frozen);
        }
        match &mut self.crash {
            Some(Crash::Operation(left)) if *left > 1 => *left -= 1,
            Some(Crash::Operation(_) | Crash::Doomed(_)) => {
                let moment = pick(entropy, moments);
                self.crash = Some(Crash::Doomed(Edge { kind, moment }));
            }
            Some(Crash::Edge(..)) | None => {}
        }
        Ok(())
    }

    /// Comes to an edge, and dies there if it is the one.
    pub(super) fn pass<E>(&mut self, kind: FileKind, moment: Moment) -> Result<(), Failure<E>> {
        let edge = Edge { kind, moment };
        match self.is_due(edge) {
            true => Err(self.die(edge)),
            false => Ok(()),
        }
    }

    /// Whether the machine is to die at this edge, which is reached now.
    pub(super) fn is_due(&mut self, edge: Edge) -> bool {
        match &mut self.crash {
            Some(Crash::Doomed(doomed)) => *doomed == edge,
            Some(Crash::Edge(awaited, left)) if *awaited == edge => {
                *left = left.saturating_sub(1);
                *left == 0
            }
            _ => false,
        }
    }

    /// The machine dies.
    pub(super) fn die<E>(&mut self, edge: Edge) -> Failure<E> {
        self.crash = None;
        self.is_frozen = true;
        *self.counts.crashes.entry(edge).or_default() += 1;
        Failure::Crashed(edge)
    }

    /// What a power cut may undo of a file.
    pub(super) fn unsynced_of(&mut self, id: FileId, path: &Path) -> &mut Unsynced {
        let unsynced = self.unsynced.entry(id).or_default();
        if unsynced.path != path {
            path.clone_into(&mut unsynced.path);
        }
        unsynced
    }

    /// Everything of a file is durable but what a failed sync has passed over.
    pub(super) fn sync(&mut self, id: FileId) {
        let Some(unsynced) = self.unsynced.get_mut(&id) else {
            return;
        };
        let folder = unsynced.is_new.then(|| unsynced.path.clone());
        unsynced.sync();
        if unsynced.is_empty() {
            self.unsynced.remove(&id);
        }
        if let Some(folder) = folder.as_deref().and_then(Path::parent) {
            self.sync_folder(folder);
        }
    }

    /// The names in a folder are durable. SQLite syncs it with the first sync of a new file.
    pub(super) fn sync_folder(&mut self, folder: &Path) {
        self.removed
            .retain(|removed| removed.path.parent() != Some(folder));
    }
}

/// Whether something that happens so often per million happens now.
pub(super) fn happens(entropy: &SeededEntropy, per_million: u32) -> bool {
    // Nothing is drawn for what never happens: so other draws are as without it.
    per_million > 0 && entropy.below(MILLION) < u64::from(per_million)
}

/// One of these, of which there is at least one.
fn pick(entropy: &SeededEntropy, moments: &[Moment]) -> Moment {
    let index = entropy.below(moments.len() as u64);
    let index = usize::try_from(index).expect("an index of a slice is one");
    moments[index]
}
