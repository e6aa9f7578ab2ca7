//! `share-chaos report`: whether the faults that are configured happen at all.

use std::io;

use super::{Done, scenario_arg, sweep, ui};

/// Run seeds of every scenario, and say which faults were injected how often: one that some seed had
/// switched on, and that fired in no run, is a failure
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    sweep: sweep::Seeds,
    /// The scenario, or `all`; may be repeated
    #[arg(long, value_name = "NAME", default_value = scenario_arg::ALL, value_parser = scenario_arg::one_or_all())]
    scenario: Vec<String>,
}

pub(crate) fn run(args: Args) -> io::Result<Done> {
    let swept = sweep::sweep(&args.sweep, &args.scenario, true)?;
    match args.sweep.json {
        true => ui::data(&swept.report.json(swept.ms).to_string())?,
        false => ui::data(&swept.report.table(swept.ms))?,
    }
    let never_fired = swept.report.never_fired();
    for kind in &never_fired {
        ui::error(&format!("`{kind}` was switched on, and never fired"));
    }
    match swept.report.failed.is_empty() && never_fired.is_empty() {
        true => Ok(Done::Holds),
        false => Ok(Done::Fails),
    }
}
