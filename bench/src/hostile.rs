//! Scenario `hostile`: what a client that behaves notices of peers that do not.
//!
//! For each attack a server is started. A writer appends one op after the other, first alone and
//! then under the attack; both are measured in the same run, and the server's memory at its peak.
//! Attackers and writer share the machine with the server, so a part of what is noticed is theirs.

use std::net::Ipv4Addr;
use std::path::PathBuf;
use std::time::Duration;

use serde::Serialize;
use share_hostile::{Attack, Running, Target};
use tokio::net::TcpStream;
use tokio::time::Instant;

use crate::error::BenchError;
use crate::lane::{ShareLane, connect};
use crate::load::Load;
use crate::report::{Found, Machine, Samples, Spread, round};
use crate::server::Server;

/// Bytes of an op's JSON.
const OP_BYTES: usize = 256;
/// Values in the attacker's share, each of a megabyte, so that there is something to be asked for.
const VALUES: usize = 8;
/// How often the server's memory is looked at.
const LOOK: Duration = Duration::from_millis(50);
/// The first address that attackers come from; the writer comes from 127.0.0.1.
const ELSEWHERE: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 2);

/// How the scenario is run.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Attacks by name [default: every one]
    #[arg(value_parser = attack)]
    attacks: Vec<Attack>,
    /// Seconds of each measurement, quiet and under attack
    #[arg(long, default_value_t = 5)]
    seconds: u64,
    /// Attack from the writer's address, not from others
    #[arg(long)]
    beside: bool,
    /// How many addresses attackers come from, from 127.0.0.2 on
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u8).range(1..))]
    addresses: u8,
    /// Mebibytes of the server at which an attack is broken off
    #[arg(long, default_value_t = 4096)]
    memory_mib_max: u64,
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
    /// What `deeds` counts.
    deed: &'static str,
    deeds: u64,
    connections: u64,
    refused: u64,
    ended: u64,
    sent_bytes: u64,
    received_bytes: u64,
    quiet: Measured,
    attacked: Measured,
    /// That under attack divided by that while it was quiet.
    p99_ratio: f64,
    peak_mib: u64,
    /// Why it was broken off; nothing if it was not.
    broken_off: Option<String>,
    is_beside: bool,
    addresses: u8,
    #[serde(flatten)]
    measured: Machine,
}

/// The appends of one phase.
#[derive(Debug, Serialize)]
struct Measured {
    #[serde(flatten)]
    spread: Spread,
    appends: usize,
}

/// Runs the scenario and gives a line for each attack.
pub(crate) async fn run(args: &Args) -> Result<Found<Line>, BenchError> {
    let attacks = match args.attacks.as_slice() {
        [] => Attack::ALL,
        attacks => attacks,
    };
    let measured = Machine::here();
    let mut lines = Vec::new();
    for &attack in attacks {
        lines.push(one(args, attack, measured.clone()).await?);
    }
    let highest = lines.iter().max_by_key(|line| line.peak_mib);
    let slowest = lines
        .iter()
        .max_by(|a, b| a.p99_ratio.total_cmp(&b.p99_ratio));
    let verdict = highest.zip(slowest).map(|(highest, slowest)| {
        format!(
            "most memory: {} MiB under {}; slowest: {} times the quiet p99 under {}",
            highest.peak_mib, highest.subject, slowest.p99_ratio, slowest.subject
        )
    });
    Ok(Found { lines, verdict })
}

async fn one(args: &Args, attack: Attack, measured: Machine) -> Result<Line, BenchError> {
    let folder = tempfile::tempdir_in(&args.folder)?;
    let server = Server::start(args.share.as_deref(), folder.path()).await?;
    let theirs = server.create_share().await?;
    let bootstrap = connect(TcpStream::connect(server.address()).await?)?;
    ShareLane::claim(&bootstrap, &theirs, load(VALUES, 1 << 20))
        .await?
        .append()
        .await?;
    let mut writer =
        ShareLane::create(server.address(), server.factory(), load(1, OP_BYTES)).await?;
    let duration = Duration::from_secs(args.seconds);
    let (quiet, failed) = append(&mut writer, duration).await;
    failed?;
    let address = server.address().parse();
    let target = Target {
        server: address.map_err(|_| BenchError::Unexpected("the server has no address".into()))?,
        from: (!args.beside).then_some((ELSEWHERE, args.addresses)),
        share: theirs,
    };
    let running = Running::start(attack, target)?;
    let appending = async {
        running.reached(1).await;
        append(&mut writer, duration).await
    };
    let max = args.memory_mib_max;
    let (attacked, failed) = tokio::select! {
        attacked = tokio::time::timeout(duration * 10, appending) => attacked.unwrap_or_else(|_| {
            (Samples::default(), Err(BenchError::Unexpected("no append came through".into())))
        }),
        () = grown(&server, max) => {
            let what = format!("the server held {max} MiB");
            (Samples::default(), Err(BenchError::Unexpected(what)))
        }
    };
    let peak_mib = server.peak_mib();
    let counts = running.stop();
    let broken_off = failed.err().map(|error| error.to_string());
    if broken_off.is_none() {
        server.stop().await?;
    }
    let (quiet_p99, attacked_p99) = (quiet.spread().p99_ms(), attacked.spread().p99_ms());
    Ok(Line {
        scenario: "hostile",
        subject: attack.name(),
        deed: attack.deed(),
        deeds: counts.deeds,
        connections: counts.connections,
        refused: counts.refused,
        ended: counts.ended,
        sent_bytes: counts.sent_bytes,
        received_bytes: counts.received_bytes,
        p99_ratio: round(attacked_p99 / quiet_p99.max(0.001)),
        quiet: Measured::of(&quiet),
        attacked: Measured::of(&attacked),
        peak_mib,
        broken_off,
        is_beside: args.beside,
        addresses: args.addresses,
        measured,
    })
}

/// Appends for so long, and gives what was measured, also if it failed in the end.
async fn append(writer: &mut ShareLane, duration: Duration) -> (Samples, Result<(), BenchError>) {
    let mut samples = Samples::default();
    let begin = Instant::now();
    while begin.elapsed() < duration {
        let before = Instant::now();
        match writer.append().await {
            Ok(_) => samples.add(before.elapsed(), 1),
            Err(error) => return (samples, Err(error)),
        }
    }
    samples.end(begin.elapsed());
    (samples, Ok(()))
}

/// Ends when the server holds so much.
async fn grown(server: &Server, mib_max: u64) {
    let mut looks = tokio::time::interval(LOOK);
    while server.peak_mib() < mib_max {
        looks.tick().await;
    }
}

fn load(batch_ops: usize, op_bytes: usize) -> Load {
    Load {
        writers: 1,
        batch_ops,
        op_bytes,
    }
}

fn attack(name: &str) -> Result<Attack, String> {
    let found = Attack::ALL.iter().find(|attack| attack.name() == name);
    found.copied().ok_or_else(|| {
        let names: Vec<&str> = Attack::ALL.iter().map(|attack| attack.name()).collect();
        format!("no such attack; there are {}", names.join(", "))
    })
}

impl Measured {
    fn of(samples: &Samples) -> Self {
        Self {
            spread: samples.spread(),
            appends: samples.calls(),
        }
    }
}
