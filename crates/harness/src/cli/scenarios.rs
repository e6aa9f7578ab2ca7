//! `share-chaos scenarios`: lists them.

use std::io;

use share_harness::sim::SCENARIOS;

use super::{Done, ui};

/// List the scenarios, with what they switch on
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Only the names, one a line
    #[arg(long)]
    names: bool,
}

pub(crate) fn run(args: Args) -> io::Result<Done> {
    for scenario in SCENARIOS {
        if args.names {
            ui::data(scenario.name)?;
            continue;
        }
        ui::data(&format!("{}: {}", scenario.name, scenario.about))?;
        if !scenario.always.is_empty() {
            ui::data(&format!("  always: {}", scenario.always.join(", ")))?;
        }
        let may = scenario
            .may
            .map_or_else(|| "anything".to_owned(), |may| may.join(", "));
        ui::data(&format!("  a seed may switch on: {may}"))?;
    }
    Ok(Done::Holds)
}
