//! Whether a lease still means something: who may take it over, and when.

use std::path::Path;
use std::sync::Arc;

use share_model::seam::{ProcessId, ProcessState, Processes};
use share_model::{ShareId, UnixMs, planted};

use super::{LEASE, Lease, ms};
use crate::outbox::error::OutboxError;
use crate::outbox::options::OutboxOptions;

/// Who asks for a lease, and when.
#[derive(Debug)]
pub(crate) struct Claimant {
    pub(super) processes: Arc<dyn Processes>,
    /// The file that it has open.
    pub(super) file: Option<String>,
    pub(super) now: UnixMs,
}

/// Who holds a share's lease.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct HeldBy {
    pub(crate) pid: u32,
    pub(crate) host: String,
    pub(crate) since: UnixMs,
}

impl HeldBy {
    fn of(lease: &Lease) -> Self {
        Self {
            pid: lease.process.pid,
            host: lease.process.host.clone(),
            since: lease.acquired_at,
        }
    }

    pub(super) fn refuses(self, share: ShareId) -> OutboxError {
        OutboxError::LeaseHeld {
            share,
            pid: self.pid,
            host: self.host,
        }
    }
}

impl Claimant {
    pub(super) fn process(&self) -> ProcessId {
        self.processes.me()
    }

    /// Who holds `lease`; `None` if it is free: its holder is verified gone, or can't be looked at
    /// and was silent for long enough.
    pub(super) fn holder_of(&self, lease: &Lease) -> Option<HeldBy> {
        // It came along in a copy: what it says, it says of the other file.
        if lease.file != self.file {
            return None;
        }
        let is_free = if lease.process == self.process() {
            // This very process, or an earlier one of which no more is known: this one knows whom
            // it has.
            !self.processes.holders().is_live(lease.holder)
        } else {
            match self.processes.state_of(&lease.process) {
                ProcessState::Gone => true,
                // However long it was silent: it may have been stopped, and go on.
                ProcessState::Alive => false,
                ProcessState::Unknown => self.now >= lease.expires_at.plus_ms(ms(LEASE)),
            }
        };
        if !is_free && planted!("lease-stolen") {
            return None;
        }
        (!is_free).then(|| HeldBy::of(lease))
    }

    /// When the lease of a holder that can't be looked at ends, if it says a time that no holder
    /// could mean: then this machine's clock was set back, and would not get there for long. A
    /// holder that lives renews it.
    pub(super) fn corrected_expiry(&self, lease: &Lease) -> Option<UnixMs> {
        let latest = self.now.plus_ms(ms(LEASE));
        (lease.expires_at > latest).then_some(latest)
    }
}

/// What tells the file from a copy of it: on a simulated disk its path, for there a run is to be the
/// same whatever numbers the system gives its files.
pub(crate) fn file_identity(path: &Path, options: &OutboxOptions) -> Option<String> {
    if options.sqlite.vfs.is_some() {
        return Some(path.display().to_string());
    }
    of_metadata(&std::fs::metadata(path).ok()?)
}

#[cfg(unix)]
fn of_metadata(file: &std::fs::Metadata) -> Option<String> {
    use std::os::unix::fs::MetadataExt;

    Some(format!("{}:{}", file.dev(), file.ino()))
}

#[cfg(not(unix))]
fn of_metadata(_: &std::fs::Metadata) -> Option<String> {
    None
}
