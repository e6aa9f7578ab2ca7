//! Scenarios as arguments.

use clap::builder::PossibleValuesParser;
use share_harness::sim::SCENARIOS;
use share_harness::verdict::REAL;

/// Stands for every simulated scenario.
pub(crate) const ALL: &str = "all";

/// Takes the name of one scenario; whoever names another one is told which there are.
pub(crate) fn one() -> PossibleValuesParser {
    PossibleValuesParser::new(names().chain([REAL]))
}

/// Takes the name of a scenario, or [`ALL`].
pub(crate) fn one_or_all() -> PossibleValuesParser {
    PossibleValuesParser::new(names().chain([REAL, ALL]))
}

/// The scenarios that are meant, each once, in their own order; [`REAL`] last.
pub(crate) fn meant(named: &[String]) -> Vec<&'static str> {
    let is_named = |name: &str| named.iter().any(|it| it == name);
    let simulated = names().filter(|name| is_named(name) || is_named(ALL));
    simulated
        .chain([REAL].into_iter().filter(|name| is_named(name)))
        .collect()
}

fn names() -> impl Iterator<Item = &'static str> {
    SCENARIOS.iter().map(|scenario| scenario.name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_are_those_that_are_simulated() {
        let all = meant(&[ALL.to_owned(), "quiet".to_owned()]);
        assert_eq!(all.len(), SCENARIOS.len());
        assert_eq!(
            meant(&[REAL.to_owned(), "swarm".to_owned()]),
            ["swarm", REAL]
        );
    }
}
