//! From a context that moves between threads to one that does not.

use std::future::Future;
use std::thread;

use tokio::runtime;
use tokio::sync::oneshot;
use tokio::task::LocalSet;

use super::error::ClientError;

/// Runs work with Cap'n Proto's objects, which belong to one thread, on a thread of its own with a
/// runtime and a [`LocalSet`]. The future that is returned is `Send`.
///
/// ```no_run
/// # async fn keys(reference: share_model::ShareRef) -> Result<u64, share_client::ClientError> {
/// use share_client::{Session, TcpConnector, on_own_thread};
///
/// let at = on_own_thread(move || async move {
///     let session = Session::redeem(&TcpConnector::default(), &reference).await?;
///     session.document(|_, _| ()).await
/// })
/// .await?;
/// # Ok(at.keys)
/// # }
/// ```
///
/// # Errors
///
/// As the work fails, and if no thread could be started.
///
/// # Cancel safety
///
/// Dropped half-way, the work is dropped at its next await.
pub async fn on_own_thread<T, W>(
    work: impl FnOnce() -> W + Send + 'static,
) -> Result<T, ClientError>
where
    T: Send + 'static,
    W: Future<Output = Result<T, ClientError>>,
{
    let (mut reply, answer) = oneshot::channel();
    let run = move || {
        let runtime = match runtime::Builder::new_current_thread().enable_all().build() {
            Ok(runtime) => runtime,
            Err(error) => {
                let reason = format!("start a runtime: {error}");
                // Who no longer waits needs no answer.
                let _ = reply.send(Err(ClientError::Failed { reason }));
                return;
            }
        };
        LocalSet::new().block_on(&runtime, async move {
            let done = tokio::select! {
                done = work() => done,
                () = reply.closed() => return,
            };
            let _ = reply.send(done);
        });
    };
    let started = thread::Builder::new()
        .name("share-client".into())
        .spawn(run);
    if let Err(error) = started {
        let reason = format!("start a thread: {error}");
        return Err(ClientError::Failed { reason });
    }
    answer.await.unwrap_or_else(|_| {
        Err(ClientError::Failed {
            reason: "the work's thread has ended".into(),
        })
    })
}
