//! What happened on a disk: faults count once they had an effect, not when they were asked for.

use std::collections::BTreeMap;

use super::edge::Edge;

/// What happened on a disk since it was made.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DiskCounts {
    /// Reads of SQLite's, and whole files read by [`super::SimulatedFiles`].
    pub reads: u64,
    /// Writes that were tried.
    pub writes: u64,
    /// Syncs that were tried.
    pub syncs: u64,
    /// Writes refused for want of space.
    pub no_space: u64,
    /// Writes that failed with nothing written.
    pub write_failed: u64,
    /// Writes that failed with a part written.
    pub short_writes: u64,
    /// Reads that failed.
    pub read_failed: u64,
    /// Syncs that failed.
    pub sync_failed: u64,
    /// Power cuts.
    pub power_cuts: u64,
    /// Sectors that a power cut set back to what was synced before.
    pub sectors_lost: u64,
    /// Sectors that a power cut left new in front and old behind.
    pub sectors_torn: u64,
    /// Sectors that were not synced and that a power cut kept.
    pub sectors_kept: u64,
    /// Changes of length that a power cut undid, or half undid.
    pub lengths_lost: u64,
    /// New files that a power cut took away.
    pub files_lost: u64,
    /// Removed files that a power cut brought back.
    pub removals_lost: u64,
    /// Crash points reached.
    pub crashes: BTreeMap<Edge, u64>,
}

impl DiskCounts {
    /// Adds what happened on another disk.
    pub fn add(&mut self, other: &Self) {
        let numbers = self.numbers_mut().into_iter();
        for ((_, number), (_, more)) in numbers.zip(other.clone().numbers_mut()) {
            *number += *more;
        }
        for (edge, more) in &other.crashes {
            *self.crashes.entry(*edge).or_default() += more;
        }
    }

    /// How often each kind of fault happened, also those that never did; crash points by the edge,
    /// as `crash at wal.sync.before`, only those that were reached.
    pub fn faults(&self) -> BTreeMap<String, u64> {
        let mut all = self.clone();
        let numbers = all.numbers_mut().into_iter().skip(Self::WORK);
        let faults = numbers.map(|(name, number)| (name.to_owned(), *number));
        let crashes = self.crashes.iter();
        let crashes = crashes.map(|(edge, number)| (format!("crash at {edge}"), *number));
        faults.chain(crashes).collect()
    }

    /// The first of [`DiskCounts::numbers_mut`], which are no faults.
    const WORK: usize = 3;

    fn numbers_mut(&mut self) -> [(&'static str, &mut u64); 15] {
        [
            ("disk reads", &mut self.reads),
            ("disk writes", &mut self.writes),
            ("disk syncs", &mut self.syncs),
            ("disk full", &mut self.no_space),
            ("disk write failed", &mut self.write_failed),
            ("disk short write", &mut self.short_writes),
            ("disk read failed", &mut self.read_failed),
            ("disk sync failed", &mut self.sync_failed),
            ("power cut", &mut self.power_cuts),
            ("sector lost", &mut self.sectors_lost),
            ("sector torn", &mut self.sectors_torn),
            ("sector kept unsynced", &mut self.sectors_kept),
            ("file length lost", &mut self.lengths_lost),
            ("new file lost", &mut self.files_lost),
            ("file removal lost", &mut self.removals_lost),
        ]
    }
}
