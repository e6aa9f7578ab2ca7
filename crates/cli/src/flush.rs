//! Drains the outbox for a command, and says how that ended.

use std::time::Duration;

use share_client::{
    ClientError, FlushOptions, FlushReport, Flusher, FlusherError, FlusherOptions, Outbox,
};
use share_model::ShareId;

use crate::error::{CliError, Kind};
use crate::identity;
use crate::printable::printable;
use crate::ui::Progress;

/// How long a command tries to move anything before it gives up; what is left is kept.
const PATIENCE: Duration = Duration::from_secs(5);

/// How draining ended.
#[derive(Debug)]
pub(crate) enum Ending {
    /// It was not asked for.
    NotTried,
    /// As the flusher reports.
    Tried(FlushReport),
}

/// Starts to drain in the background, also what goes by refs that are sealed to this machine.
pub(crate) fn start(outbox: &Outbox, options: FlusherOptions) -> Result<Flusher, CliError> {
    let options = FlusherOptions {
        owner: identity::held()?,
        ..options
    };
    Flusher::spawn(outbox, options).map_err(failed)
}

/// How a command drains that sends what it was given: it does not look at the servers of shares with
/// nothing to send, of which the outbox may hold many. `share replay` does.
pub(crate) fn without_checks() -> FlusherOptions {
    FlusherOptions {
        check_interval: None,
        ..FlusherOptions::default()
    }
}

/// Drains what the outbox holds of one share.
pub(crate) async fn once(outbox: &Outbox, share: ShareId) -> Result<Ending, CliError> {
    to_the_end(start(outbox, without_checks())?, share).await
}

/// Waits until the flusher has drained a share, or all of them, and ends it.
pub(crate) async fn to_the_end(
    flusher: Flusher,
    share: impl Into<Option<ShareId>>,
) -> Result<Ending, CliError> {
    let options = FlushOptions {
        share: share.into(),
        give_up_after: Some(PATIENCE),
        ..FlushOptions::default()
    };
    let report = with_progress(&flusher, options).await.map_err(failed)?;
    flusher.stop().await.map_err(failed)?;
    Ok(Ending::Tried(report))
}

async fn with_progress(
    flusher: &Flusher,
    options: FlushOptions,
) -> Result<FlushReport, FlusherError> {
    let mut bar = Progress::new();
    let mut progress = flusher.progress();
    let flush = flusher.flush_with(options);
    tokio::pin!(flush);
    loop {
        tokio::select! {
            report = &mut flush => return report,
            Ok(()) = progress.changed() => {
                let now = *progress.borrow_and_update();
                bar.show("replaying", now.ended(), now.sent - now.resent);
            }
        }
    }
}

fn failed(error: FlusherError) -> CliError {
    CliError::refused("replay the outbox").caused_by(error)
}

/// What a command ends with, if ops are left.
pub(crate) fn finish(ending: Ending, pending: u64) -> Result<(), CliError> {
    let Ending::Tried(report) = ending else {
        return Ok(());
    };
    if let Some(stopped) = report.stopped.first() {
        let message = format!(
            "the replay of share {} has stopped: {} ({}); {} ops are kept",
            stopped.share,
            printable(&stopped.stop.message),
            stopped.stop.code.name(),
            stopped.pending
        );
        return Err(CliError::refused(message).hint(stopped.stop.hint()));
    }
    if let Some(blocked) = report.blocked.first() {
        let message = format!(
            "{pending} ops are kept: share {} did not move",
            blocked.share
        );
        let kind = if report.not_reachable() {
            Kind::Unreachable
        } else {
            Kind::Refused
        };
        let hint = match blocked.error {
            ClientError::HeldElsewhere { .. } => {
                "that process sends them; `share outbox` lists them"
            }
            _ => "`share replay` sends them once the server is back",
        };
        return Err(CliError::new(kind, message)
            .caused_by(blocked.error.clone())
            .hint(hint));
    }
    Ok(())
}
