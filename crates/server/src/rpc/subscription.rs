//! The capability that holds a subscription open.

use share_proto::share_capnp::subscription;
use tokio::task::AbortHandle;

/// Ends its subscription when it is dropped: by the client, or with the connection.
#[derive(Debug)]
pub(super) struct Subscription(pub(super) AbortHandle);

impl subscription::Server for Subscription {}

impl Drop for Subscription {
    fn drop(&mut self) {
        self.0.abort();
    }
}
