//! Drains the outbox for a command, and says how that ended.

use std::time::Duration;

use share_client::{
    BlockedShare, ClientError, FlushOptions, FlushReport, Flusher, FlusherError, FlusherOptions,
    Outbox, Stop,
};
use share_model::{Reaction, RefusalCode, ShareId};

use crate::error::{CliError, Kind};
use crate::printable::printable;
use crate::ui::Progress;
use crate::{connect, counts, identity, ui};

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
        let kept = match stopped.pending {
            0 => String::new(),
            pending => format!("; {}", kept(pending)),
        };
        let message = format!(
            "the replay of share {} has stopped: {} ({}){kept}",
            stopped.share,
            printable(&stopped.stop.message),
            stopped.stop.code.name(),
        );
        return Err(CliError::refused(message).hint(what_to_do(&stopped.stop)));
    }
    if let Some((first, others)) = report.blocked.split_first() {
        for other in others {
            let (share, pending) = (other.share, counts::ops(other.pending));
            ui::note(format!("share {share}, {pending}: {}", other.error));
        }
        let is_over_by_itself = |blocked: &BlockedShare| Held::of(blocked).is_over_by_itself();
        let kind = match report.blocked.iter().any(is_over_by_itself) {
            true => Kind::NotNow,
            false => Kind::Refused,
        };
        return Err(held_up(kind, first, pending));
    }
    Ok(())
}

fn what_to_do(stop: &Stop) -> String {
    let hint = stop.hint();
    match stop.code.reaction() {
        Reaction::Person | Reaction::RedeemNewest => format!("{hint}: `share use @FILE`"),
        _ => hint.to_owned(),
    }
}

/// What holds a share up.
enum Held {
    /// Its server is away.
    Away,
    Frozen,
    /// Another process sends its ops.
    Elsewhere,
    /// Who answers has another certificate than the ref pins.
    WrongCertificate,
    /// Nobody vouches for who answers.
    NotTrusted,
    Other,
}

impl Held {
    fn of(blocked: &BlockedShare) -> Self {
        match &blocked.error {
            ClientError::Refused(refusal) if refusal.code == RefusalCode::Frozen => Self::Frozen,
            ClientError::HeldElsewhere { .. } => Self::Elsewhere,
            ClientError::WrongCertificate { .. } => Self::WrongCertificate,
            ClientError::NotTrusted { .. } => Self::NotTrusted,
            error if error.is_transport() => Self::Away,
            _ => Self::Other,
        }
    }

    /// Whether it is enough to come back later.
    fn is_over_by_itself(&self) -> bool {
        matches!(self, Self::Away | Self::Frozen)
    }
}

fn held_up(kind: Kind, blocked: &BlockedShare, pending: u64) -> CliError {
    let (share, kept) = (blocked.share, kept(pending));
    let held = Held::of(blocked);
    if let Held::Frozen = held {
        // When it was frozen, as the server says it, helps nobody on.
        return CliError::new(kind, format!("{kept}: share {share} is frozen"))
            .hint("`share replay` sends what is kept once the share is unfrozen");
    }
    let hint = match held {
        Held::Elsewhere => "that process sends them; `share outbox` lists them",
        Held::WrongCertificate => connect::WRONG_CERTIFICATE,
        Held::NotTrusted => connect::NOT_TRUSTED,
        _ => "`share replay` sends what is kept once the server is back",
    };
    CliError::new(kind, format!("{kept}: share {share} did not move"))
        .caused_by(blocked.error.clone())
        .hint(hint)
}

fn kept(pending: u64) -> String {
    let verb = if pending == 1 { "is" } else { "are" };
    format!("{} {verb} kept", counts::ops(pending))
}
