//! The one place that lets time pass: delays and stalls are faults whose matter is time itself.

use std::time::Duration;

/// Lets `duration` pass on the runtime's clock, which a test may have paused.
#[expect(
    clippy::disallowed_methods,
    reason = "a delay is the fault itself here, never a way to wait for a state"
)]
pub(crate) async fn pause(duration: Duration) {
    tokio::time::sleep(duration).await;
}
