//! `share-chaos replay`: one run as a story.

use std::io;
use std::path::PathBuf;

use share_harness::history::Event;
use share_harness::report::failure;
use share_harness::sim::{Plan, SCENARIOS, Scenario};
use share_harness::verdict::{Judged, Verdict, play, play_real};

use super::{Done, scenario_arg, ui};

/// Run one seed, and tell all that happened, one line each
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The seed
    seed: u64,
    /// The scenario
    #[arg(long, value_name = "NAME", default_value = "swarm", value_parser = scenario_arg::one())]
    scenario: String,
    /// With this planted bug on (needs a build with the feature `planted`)
    #[arg(long, value_name = "NAME")]
    bug: Option<String>,
    /// Write what two runs are compared by to this file: every byte of every connection
    #[arg(long, value_name = "FILE")]
    trace: Option<PathBuf>,
    /// Run the seed twice, and compare them byte for byte; tells nothing else
    #[arg(long)]
    twice: bool,
}

pub(crate) fn run(args: Args) -> io::Result<Done> {
    let Some(_planted) = plant(args.bug.as_deref()) else {
        return Ok(Done::Misused);
    };
    // The parser let no name through but those of scenarios, and this one.
    let Some(scenario) = SCENARIOS.iter().find(|it| it.name == args.scenario) else {
        return real(&args);
    };
    let judged = play(args.seed, scenario);
    if let Some(path) = &args.trace {
        std::fs::write(path, &judged.run.trace)?;
    }
    if args.twice {
        return twice(args.seed, scenario, &judged);
    }
    ui::data(&plan(scenario, &judged.run.plan))?;
    tell(&judged.run.events, &judged.verdict)
}

/// `None`: it can't be planted, which was said.
#[cfg(feature = "planted")]
fn plant(name: Option<&str>) -> Option<share_model::planted::Planted> {
    let Some(name) = name else {
        return Some(share_model::planted::plant(None));
    };
    let known = share_harness::bugs::PLANTED
        .iter()
        .find(|(known, _)| *known == name);
    match known {
        Some((known, _)) => Some(share_model::planted::plant(Some(known))),
        None => {
            ui::error(&format!(
                "no planted bug `{name}`: `bugs --list` lists them"
            ));
            None
        }
    }
}

/// What holds in a build without planted bugs.
#[cfg(not(feature = "planted"))]
struct Honest;

/// `None`: it can't be planted, which was said.
#[cfg(not(feature = "planted"))]
fn plant(name: Option<&str>) -> Option<Honest> {
    match name {
        None => Some(Honest),
        Some(_) => {
            super::bugs::say_how_to_build();
            None
        }
    }
}

/// Time is real there, so that two runs of a seed differ.
fn real(args: &Args) -> io::Result<Done> {
    if args.twice || args.trace.is_some() || args.bug.is_some() {
        ui::error(
            "runs with real processes have no trace, and take a planted bug by SHARE_PLANTED",
        );
        return Ok(Done::Misused);
    }
    let (events, verdict) = play_real(args.seed, &std::env::current_exe()?);
    ui::data(&format!("seed {} with real processes\n", args.seed))?;
    tell(&events, &verdict)
}

fn tell(events: &[Event], verdict: &Verdict) -> io::Result<Done> {
    for event in events {
        ui::data(&event.to_string())?;
    }
    let numbers = &verdict.numbers;
    ui::data(&format!(
        "\n{} events in {} ms: {} ops, {} applied, {} ambiguous calls, {} duplicates absorbed",
        events.len(),
        verdict.virtual_ms,
        numbers.ops,
        numbers.applied,
        numbers.ambiguous,
        numbers.duplicates,
    ))?;
    for (kind, count) in &verdict.faults {
        ui::data(&format!("  {count:>6} × {kind}"))?;
    }
    if verdict.passed() {
        ui::data("all promises held")?;
        return Ok(Done::Holds);
    }
    ui::data(&failure(verdict))?;
    Ok(Done::Fails)
}

fn plan(scenario: &Scenario, plan: &Plan) -> String {
    let on: Vec<_> = plan.on.iter().copied().collect();
    format!(
        "seed {} of `{}` ({})\n{} shares, {} agents, {} readers; things break for {} ms\nswitched on: {}\n",
        plan.seed,
        scenario.name,
        scenario.about,
        plan.shares,
        plan.agents,
        plan.readers,
        plan.active_ms,
        match on.is_empty() {
            true => "nothing".to_owned(),
            false => on.join(", "),
        }
    )
}

fn twice(seed: u64, scenario: &Scenario, first: &Judged) -> io::Result<Done> {
    let second = play(seed, scenario);
    let (one, other) = (&first.run.trace, &second.run.trace);
    if one == other {
        ui::data(&format!(
            "seed {seed} of `{}`: the same {} bytes twice",
            scenario.name,
            one.len()
        ))?;
        return Ok(Done::Holds);
    }
    let lines = one.lines().zip(other.lines()).enumerate();
    let mut differing = lines.filter(|(_, (one, other))| one != other);
    match differing.next() {
        Some((at, (one, other))) => {
            ui::data(&format!(
                "line {} of the traces differs:\n  {one}\n  {other}",
                at + 1
            ))?;
        }
        None => ui::data("one trace goes on where the other one ends")?,
    }
    Ok(Done::Fails)
}
