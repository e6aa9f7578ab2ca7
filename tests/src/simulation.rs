//! A runtime in which the same seed gives the same run.

use tokio::runtime::{Builder, RngSeed};
use tokio::task::LocalSet;

/// Runs `future` on this thread with paused time; whatever the runtime draws by lot, such as whom of
/// several waiters to wake first, it draws by `seed`.
///
/// # Panics
///
/// If no runtime can be made.
pub fn simulate<T>(seed: u64, future: impl Future<Output = T>) -> T {
    let runtime = Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .rng_seed(RngSeed::from_bytes(&seed.to_le_bytes()))
        .build()
        .expect("a runtime can be made");
    LocalSet::new().block_on(&runtime, future)
}
