//! Scenario `revoke`: how long a revocation takes, and how soon what it cuts has ended.
//!
//! Viewers follow a share live while a writer appends to it. Their grant is revoked, and no op that
//! is appended after the revocation's ack is seen by any of them.

mod pace;
mod viewers;

use std::path::PathBuf;
use std::time::Duration;

use serde::Serialize;
use share_client::{Session, TcpConnector, on_own_thread};
use share_model::{Cursor, ShareRef};
use tokio::sync::{oneshot, watch};
use tokio::time::Instant;

use self::pace::Pace;
use self::viewers::Seen;
use crate::error::BenchError;
use crate::report::{Found, Machine, Spread, as_ms};
use crate::server::{Server, attenuate, origin};

/// What a revocation should take at most, to the end of the last viewer.
const GOAL_MS: f64 = 100.0;

/// How the scenario is run.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Revocations; a share remembers no more than a thousand
    #[arg(long, default_value_t = 200, value_parser = clap::value_parser!(u32).range(1..=1000))]
    times: u32,
    /// Viewers of each revoked grant, each with a connection of its own; several are run one after
    /// the other
    #[arg(long, value_delimiter = ',', default_values_t = [1, 100])]
    viewers: Vec<usize>,
    /// Milliseconds from one append to the next
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u64).range(1..))]
    pace_ms: u64,
    /// The `share` binary [default: the one beside this program]
    #[arg(long)]
    share: Option<PathBuf>,
    /// Where the files go
    #[arg(long, default_value = "target")]
    folder: PathBuf,
}

/// One line of output.
#[derive(Debug, Serialize)]
pub(crate) struct Line {
    scenario: &'static str,
    subject: &'static str,
    viewers: usize,
    #[serde(flatten)]
    spread: Spread,
    samples: usize,
    pace_ms: u64,
    #[serde(flatten)]
    measured: Machine,
}

/// What was measured of all revocations, in milliseconds.
#[derive(Debug, Default)]
struct Times {
    /// From sending the revocation to its ack.
    ack: Vec<f64>,
    /// From the ack to the end of each viewer; negative: the viewer's end came first.
    ack_to_end: Vec<f64>,
    /// From sending the revocation to the end of the last viewer.
    last_end: Vec<f64>,
}

/// Runs the scenario and gives three lines for each number of viewers.
pub(crate) async fn run(args: &Args) -> Result<Found<Line>, BenchError> {
    let (mut lines, mut verdicts) = (Vec::new(), Vec::new());
    let measured = Machine::here();
    for &viewers in &args.viewers {
        let folder = tempfile::tempdir_in(&args.folder)?;
        let server = Server::start(args.share.as_deref(), folder.path()).await?;
        let times = revoke_all(args, &server, viewers).await?;
        server.stop().await?;
        let last = times.last_end.iter().copied().fold(0.0, f64::max);
        verdicts.push(format!(
            "{viewers} viewers: the last one's end came {last:.1} ms after the revocation was sent \
             at the latest; the goal of {GOAL_MS} ms is {}",
            if last < GOAL_MS { "met" } else { "missed" }
        ));
        let subjects = [
            ("ack", times.ack),
            ("ack-to-end", times.ack_to_end),
            ("sent-to-last-end", times.last_end),
        ];
        lines.extend(subjects.map(|(subject, times)| Line {
            scenario: "revoke",
            subject,
            viewers,
            samples: times.len(),
            spread: Spread::of(times),
            pace_ms: args.pace_ms,
            measured: measured.clone(),
        }));
    }
    let verdict = Some(verdicts.join("\n"));
    Ok(Found { lines, verdict })
}

async fn revoke_all(args: &Args, server: &Server, viewers: usize) -> Result<Times, BenchError> {
    let owner = server.create_share().await?;
    let pace = Duration::from_millis(args.pace_ms);
    let pace = Pace::start(server.address(), &owner, pace).await?;
    let session = Session::redeem(&TcpConnector::default(), &owner).await?;
    let mut times = Times::default();
    for _ in 0..args.times {
        revoke(&session, &owner, (viewers, &pace), &mut times).await?;
    }
    pace.stop().await?;
    Ok(times)
}

/// Has viewers follow under a new grant, and revokes it.
async fn revoke(
    session: &Session,
    owner: &ShareRef,
    (viewers, pace): (usize, &Pace),
    times: &mut Times,
) -> Result<(), BenchError> {
    let reference = attenuate(session, owner, None).await?;
    let grant = reference.grant;
    let (live, is_live) = oneshot::channel();
    let (over, is_over) = watch::channel(false);
    // On a thread of their own, so that the ack does not wait behind what they are told.
    let watching = tokio::task::spawn_local(on_own_thread(move || async move {
        Ok(viewers::watch(&reference, viewers, live, is_over).await)
    }));
    // If they fail, the sender is dropped, and they say why.
    if is_live.await.is_err() {
        return seen(watching).await.map(drop);
    }
    pace.appended_after(Instant::now()).await?;

    let sent = Instant::now();
    let cut = session.revoke(grant, &origin()?).await?;
    let acked = Instant::now();
    let first_after = pace.appended_after(acked).await?;
    over.send_replace(true);
    let seen = seen(watching).await?;

    let mut served: Vec<Cursor> = cut.served.iter().map(|served| served.cursor).collect();
    let mut cursors: Vec<Cursor> = seen.iter().map(|seen| seen.cursor).collect();
    served.sort_unstable();
    cursors.sort_unstable();
    let is_late = cursors.last().is_some_and(|last| *last >= first_after);
    if is_late || served != cursors || seen.len() != viewers {
        return Err(BenchError::Unexpected(format!(
            "viewers saw ops up to {cursors:?}; the server says that it served up to {served:?}, and \
             the first op after the ack was {first_after:?}"
        )));
    }
    times.ack.push(as_ms(&(acked - sent)));
    let ends = seen.iter().map(|seen| since(acked, seen.ended_at));
    times.ack_to_end.extend(ends);
    let ends = seen.iter().map(|seen| since(sent, seen.ended_at));
    times.last_end.push(ends.fold(0.0, f64::max));
    Ok(())
}

type Watched = Result<Result<Vec<Seen>, BenchError>, share_client::ClientError>;

async fn seen(watching: tokio::task::JoinHandle<Watched>) -> Result<Vec<Seen>, BenchError> {
    let watched = watching.await;
    watched.map_err(|error| BenchError::Unexpected(error.to_string()))??
}

/// Milliseconds; negative if `later` was before.
fn since(earlier: Instant, later: Instant) -> f64 {
    as_ms(&(later - earlier)) - as_ms(&(earlier - later))
}
