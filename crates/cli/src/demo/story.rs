//! What a run tells while it happens, on stderr.

use std::fmt;

use tokio::time::Instant;

use crate::ui;

/// Tells what happens, each line with the time since the beginning.
#[derive(Debug)]
pub(super) struct Story {
    begun: Instant,
    /// Ops of the whole recording.
    ops: u64,
}

impl Story {
    /// Begins now.
    pub(super) fn begin(ops: u64) -> Self {
        Self {
            begun: Instant::now(),
            ops,
        }
    }

    /// Says what happened when the share had `applied` ops.
    pub(super) fn tell(&self, applied: u64, what: impl fmt::Display) {
        let (ops, seconds) = (self.ops, self.begun.elapsed().as_secs_f32());
        let width = ops.to_string().len();
        ui::note(format!(
            "{seconds:5.1} s  {applied:>width$}/{ops} ops applied  {what}"
        ));
    }

    /// Time since the beginning.
    pub(super) fn elapsed_ms(&self) -> u64 {
        u64::try_from(self.begun.elapsed().as_millis()).unwrap_or(u64::MAX)
    }
}
