//! `share-chaos run`: seeds, until one fails.

use std::io;

use share_harness::verdict::REAL;

use super::{Done, scenario_arg, sweep, ui};

/// Run seeds, and check each: a failing one is told with the command that replays it
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    sweep: sweep::Seeds,
    /// The scenario, or `all`; may be repeated
    #[arg(long, value_name = "NAME", default_value = "swarm", value_parser = scenario_arg::one_or_all())]
    scenario: Vec<String>,
    /// With real processes instead: the same as `--scenario real`
    #[arg(long, conflicts_with = "scenario")]
    real: bool,
    /// Go on after a seed that failed
    #[arg(long)]
    keep_going: bool,
}

pub(crate) fn run(args: Args) -> io::Result<Done> {
    let scenarios = match args.real {
        true => vec![REAL.to_owned()],
        false => args.scenario,
    };
    let swept = sweep::sweep(&args.sweep, &scenarios, args.keep_going)?;
    match args.sweep.json {
        true => ui::data(&swept.report.json(swept.ms).to_string())?,
        false => ui::data(&swept.report.table(swept.ms))?,
    }
    match swept.report.failed.is_empty() {
        true => Ok(Done::Holds),
        false => Ok(Done::Fails),
    }
}
