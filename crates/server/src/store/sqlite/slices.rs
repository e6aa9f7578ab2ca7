//! Long work in slices, between which others have the processor.
//!
//! Nobody waits for what goes into SQLite, but for the commits beside it. Where there are fewer processors
//! than threads that have something to do, a run of the writer would keep one from them for
//! milliseconds, and what an append takes at worst would be that.

use std::thread;

/// What a slice takes, in bytes: about a tenth of a millisecond.
const SLICE_BYTES: u64 = 128 << 10;

/// What a row costs besides its bytes, in bytes that cost as much.
const ROW_BYTES: u64 = 4 << 10;

/// Counts what was done since others had their turn.
#[derive(Debug, Default)]
pub(super) struct Slices {
    done: u64,
}

impl Slices {
    /// A row with a body of so many bytes was written: lets others go first if it is time.
    pub(super) fn wrote(&mut self, body_bytes: usize) {
        self.done += ROW_BYTES.saturating_add(body_bytes as u64);
        if self.done >= SLICE_BYTES {
            self.done = 0;
            thread::yield_now();
        }
    }
}
