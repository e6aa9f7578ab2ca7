//! Scenario `door`: whether the time of a refused redeem tells what there is.
//!
//! Every kind of redeem that proves nothing is tried in random order, several at a time, and each kind
//! is compared to the redeem of a share that does not exist. The same kind tried twice as two
//! shows what the comparison sees where there is nothing to be seen: the noise floor.
//!
//! A share with many grants costs more to look at than one span of the server's levelling hides, if
//! it is asked for often enough at once: it is tried in bursts.

mod kinds;
mod round;

use std::path::PathBuf;
use std::rc::Rc;

use serde::Serialize;
use share_client::{Session, TcpConnector};
use share_model::seam::{Entropy, SeededEntropy, SystemEntropy};

use self::kinds::{Kind, Known, Shares};
use self::round::{Lanes, Round};
use crate::error::BenchError;
use crate::report::{Found, Machine, Spread};
use crate::server::Server;
use crate::statistics::Comparison;

/// How the scenario is run.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Tries of each kind
    #[arg(long, default_value_t = 10_000)]
    tries: usize,
    /// Shares with a sealed grant that is tried once each, so that nobody has loaded them
    #[arg(long, default_value_t = 1000)]
    cold: usize,
    /// Grants of the share that is tried in bursts, and costs more to look at
    #[arg(long, default_value_t = 1000)]
    grants: usize,
    /// Bursts of each kind at that share
    #[arg(long, default_value_t = 200)]
    bursts: usize,
    /// Connections. All calls in flight of all connections together have room in what the server lets
    /// an address try in vain: 500 a second, each of which takes 10 ms
    #[arg(long, default_value_t = 1)]
    connections: usize,
    /// Calls in flight on each connection
    #[arg(long, default_value_t = 4)]
    in_flight: usize,
    /// Decides the order of the tries [default: a random one]
    #[arg(long)]
    seed: Option<u64>,
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
    /// What the server has of the share that is asked for: `none`, `loaded`, `unloaded`.
    share: &'static str,
    /// Tries, or bursts of them.
    samples: usize,
    #[serde(flatten)]
    spread: Spread,
    /// Nothing in the line of that kind itself.
    against_unknown_share: Option<Comparison>,
    /// Of the baseline against itself.
    noise_floor: Comparison,
    connections: usize,
    in_flight: usize,
    seed: u64,
    #[serde(flatten)]
    measured: Machine,
}

/// Runs the scenario and gives a line for each kind.
pub(crate) async fn run(args: &Args) -> Result<Found<Line>, BenchError> {
    let seed = args
        .seed
        .unwrap_or_else(|| SystemEntropy::default().below(u64::MAX));
    let folder = tempfile::tempdir_in(&args.folder)?;
    let mut server = Server::start(args.share.as_deref(), folder.path()).await?;
    let shares = Shares {
        loaded: Known::make(&server).await?,
        unloaded: Known::make(&server).await?,
    };
    let large = Shares {
        loaded: Known::make_large(&server, args.grants).await?,
        unloaded: Known::make_large(&server, args.grants).await?,
    };
    let cold = kinds::cold(&server, args.cold).await?;
    server.restart().await?;
    // What is held open is loaded; of the others, nothing that is tried opens one.
    let connector = TcpConnector::default();
    let held = (
        Session::redeem(&connector, &shares.loaded.owner).await?,
        Session::redeem(&connector, &large.loaded.owner).await?,
    );
    let all = shares.kinds(args.tries, cold);
    let measuring = (args, seed, &server);
    let mut lines = measure(measuring, ("door", false), all).await?;
    let all = large.at_large(args.bursts);
    lines.extend(measure(measuring, ("door-bursts", true), all).await?);
    drop(held);
    server.stop().await?;
    let verdict = Some(verdict(&lines, seed));
    Ok(Found { lines, verdict })
}

/// Makes all tries. The first kind is the baseline, the second its repetition.
async fn measure(
    (args, seed, server): (&Args, u64, &Server),
    (scenario, is_burst): (&'static str, bool),
    kinds: Vec<Kind>,
) -> Result<Vec<Line>, BenchError> {
    let lanes = Lanes {
        connections: args.connections,
        in_flight: args.in_flight,
        is_burst,
    };
    let round = Rc::new(Round::new(kinds, SeededEntropy::new(seed)));
    let times = round.run(server.address(), lanes).await?;
    let [baseline, again, ..] = &times[..] else {
        return Err(BenchError::Unexpected("nothing was tried".into()));
    };
    let noise_floor = Comparison::of(again, baseline);
    let measured = Machine::here();
    let lines = round.kinds().iter().zip(&times).enumerate();
    let lines = lines.map(|(at, (kind, times))| {
        let compared = || Comparison::of(times, baseline);
        Line {
            scenario,
            subject: kind.name,
            share: kind.share,
            samples: times.len(),
            spread: Spread::of(times.clone()),
            against_unknown_share: (at > 0).then(compared),
            noise_floor,
            connections: args.connections,
            in_flight: args.in_flight,
            seed,
            measured: measured.clone(),
        }
    });
    Ok(lines.collect())
}

fn verdict(lines: &[Line], seed: u64) -> String {
    let compared = lines
        .iter()
        .filter_map(|line| Some((line, line.against_unknown_share?)));
    let comparisons = compared.clone().count();
    let differing: Vec<String> = compared
        .filter(|(_, compared)| compared.differs(comparisons))
        .map(|(line, compared)| {
            format!(
                "{} {} ({}): {compared}",
                line.scenario, line.subject, line.share
            )
        })
        .collect();
    let floors = lines.iter().map(|line| line.noise_floor.effect());
    let floor = floors.fold(0.0, f64::max);
    match differing.is_empty() {
        true => format!(
            "no kind of refused redeem differs from that of an unknown share (seed {seed}, \
             {comparisons} comparisons, noise floor {floor:.4})"
        ),
        false => format!(
            "{} of {comparisons} kinds differ (seed {seed}, noise floor {floor:.4}):\n  {}",
            differing.len(),
            differing.join("\n  ")
        ),
    }
}
