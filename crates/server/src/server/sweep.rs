//! After a start: the content of shares that were deleted is erased, where a crash came between.

use std::sync::Arc;

use share_model::ShareId;
use tokio::sync::watch;
use tracing::warn;

use crate::owner::erase_deleted;
use crate::store::Store;

/// Erases what is left of the content of each of these shares, one after the other, until the server
/// drains; the next start goes on.
pub(super) async fn erase_all(
    store: Arc<dyn Store>,
    deleted: Vec<ShareId>,
    mut drain: watch::Receiver<bool>,
) {
    let erasing = async {
        for share in deleted {
            if let Err(fault) = erase_deleted(&*store, share).await {
                warn!(%share, %fault, "content of a deleted share not erased, the next start tries again");
            }
        }
    };
    tokio::select! {
        biased;
        // Fails if the server is gone.
        _ = drain.wait_for(|drain| *drain) => {}
        () = erasing => {}
    }
}
