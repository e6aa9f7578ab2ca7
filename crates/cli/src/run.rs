//! Runs a command's asynchronous part.

use std::future::Future;

use tokio::task::LocalSet;

use crate::error::{CliError, Kind};

/// Runs `future` on this thread; Cap'n Proto objects within it may stay on it.
pub(crate) fn block_on<T>(
    future: impl Future<Output = Result<T, CliError>>,
) -> Result<T, CliError> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| CliError::new(Kind::Bug, "start the runtime").caused_by(error))?;
    let done = LocalSet::new().block_on(&runtime, future);
    // A name that is still being looked up, for a connection that nobody wants any more, holds
    // nobody up.
    runtime.shutdown_background();
    done
}
