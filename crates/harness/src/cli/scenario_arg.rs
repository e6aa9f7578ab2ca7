//! Scenarios as arguments.

use clap::builder::PossibleValuesParser;
use share_harness::sim::{SCENARIOS, Scenario};

/// Stands for every scenario.
pub(crate) const ALL: &str = "all";

/// Takes the name of one scenario; whoever names another one is told which there are.
pub(crate) fn one() -> PossibleValuesParser {
    PossibleValuesParser::new(SCENARIOS.iter().map(|it| it.name))
}

/// Takes the name of a scenario, or [`ALL`].
pub(crate) fn one_or_all() -> PossibleValuesParser {
    let names = SCENARIOS.iter().map(|it| it.name);
    PossibleValuesParser::new(names.chain([ALL]))
}

/// The scenarios of these names, each once, in their own order.
pub(crate) fn named(names: &[String]) -> Vec<&'static Scenario> {
    let is_named = |it: &&Scenario| names.iter().any(|name| name == it.name || name == ALL);
    SCENARIOS.iter().filter(is_named).collect()
}
