//! A simulated disk: files that are real, with writes that a power cut may lose or tear.
//!
//! A [`Disk`] stands under a folder. SQLite reaches it through a VFS ([`Disk::vfs`]), everything else
//! through [`SimulatedFiles`]. Writes go to the real files at once, as into a page cache, so that
//! whatever reads them by another way sees them; what they replaced is kept until the file's sync.
//! [`Disk::power_cut`] then decides of each sector that was not synced whether it is as new, as old,
//! or torn. Nothing is ever synced for real: a folder in memory is the place for it.
//!
//! What is not modelled: a folder's own durability apart from its files' (a file's first sync makes
//! its name durable, too), and the order in which SQLite's shared memory is written, which SQLite
//! makes anew after a power cut anyway.
//!
//! SQLite's own randomness is one for the process: for a run that is byte for byte the same, call
//! [`seed_sqlite`] first.

mod counts;
mod edge;
mod fault;
mod files;
mod left_open;
mod operation;
mod power;
mod registry;
mod state;
mod unsynced;
mod vfs;

use std::fmt;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use share_model::seam::SeededEntropy;

pub use counts::DiskCounts;
pub use edge::{Edge, FileKind, Moment, UnknownEdge};
pub use fault::{CrashPoint, DiskFaults};
pub use files::SimulatedFiles;
pub use power::PowerCutError;
pub use vfs::seed_sqlite;

pub(crate) use left_open::close_left_open;

use state::State;

/// Told of a crash point by the name of its edge.
type OnCrash = Arc<dyn Fn(&str) + Send + Sync>;

/// The disk under a folder; of one machine.
///
/// All is drawn from one seeded randomness: the same operations in the same order with the same seed
/// and settings meet the same faults.
pub struct Disk {
    root: PathBuf,
    entropy: SeededEntropy,
    /// Held across the real I/O of an operation, never across `on_crash`.
    state: Mutex<State>,
    on_crash: Mutex<Option<OnCrash>>,
}

impl Disk {
    /// A disk without faults for the files below `root`, which must be there. It is found by its
    /// folder until it is dropped; of several above a file the innermost one counts, and of several
    /// for one folder the newest.
    ///
    /// # Errors
    ///
    /// As looking for the folder fails.
    pub fn new(root: &Path, seed: u64) -> io::Result<Arc<Self>> {
        // SQLite gives paths without symbolic links.
        let root = fs::canonicalize(root)?;
        let disk = Arc::new(Self {
            root: root.clone(),
            entropy: SeededEntropy::new(seed),
            state: Mutex::default(),
            on_crash: Mutex::default(),
        });
        registry::add(root, Arc::downgrade(&disk));
        Ok(disk)
    }

    /// The name of the VFS through which SQLite reaches the disk of the file that it opens; files
    /// that are on none of them are the system's.
    ///
    /// # Panics
    ///
    /// If SQLite has no VFS for this system's files, or takes no other one.
    pub fn vfs() -> &'static str {
        vfs::register();
        vfs::NAME
    }

    /// The folder, without symbolic links.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Sets which faults happen from now on.
    pub fn set_faults(&self, faults: DiskFaults) {
        self.state().faults = faults;
    }

    /// From now on until it is lifted, every write that would make a file longer is refused.
    pub fn set_full(&self, is_full: bool) {
        self.state().is_full = is_full;
    }

    /// Sets where the machine dies next, in place of what was set before; `None`: nowhere.
    pub fn crash_at(&self, point: Option<CrashPoint>) {
        self.state().crash_at(point);
    }

    /// Sets who is told when a crash point is reached, by the name of the edge: after the disk has
    /// frozen, on the thread that reached it, before its operation fails.
    pub fn on_crash(&self, told: impl Fn(&str) + Send + Sync + 'static) {
        *self.lock_on_crash() = Some(Arc::new(told));
    }

    /// Whether nothing can be changed any more.
    pub fn is_frozen(&self) -> bool {
        self.state().is_frozen
    }

    /// Refuses every change from now on, as at a crash point: for a machine that is dead. What still
    /// lives of it and closes its files then changes nothing.
    pub fn freeze(&self) {
        self.state().is_frozen = true;
    }

    /// Takes changes again: the machine starts.
    pub fn thaw(&self) {
        self.state().is_frozen = false;
    }

    /// What happened so far.
    pub fn counts(&self) -> DiskCounts {
        self.state().counts.clone()
    }

    /// The files that SQLite has open here, once for each time.
    pub fn open_files(&self) -> Vec<PathBuf> {
        self.state().open.clone()
    }

    /// Whether a power cut now could lose something.
    pub fn has_unsynced(&self) -> bool {
        let state = self.state();
        !state.unsynced.is_empty() || !state.removed.is_empty()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn lock_on_crash(&self) -> MutexGuard<'_, Option<OnCrash>> {
        self.on_crash.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        registry::sweep();
    }
}

impl fmt::Debug for Disk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Disk")
            .field("root", &self.root)
            .finish_non_exhaustive()
    }
}
