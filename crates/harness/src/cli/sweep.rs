//! Many seeds, one after another or some at a time.

use std::io;
use std::ops::ControlFlow;
use std::time::Duration;

use indicatif::ProgressBar;
use share_harness::report::{Report, failure};
use share_harness::verdict::Verdict;
use share_harness::worker::{self, Order};
use share_model::seam::{Clock, Entropy, SystemClock, SystemEntropy};

use super::{scenario_arg, ui};

/// Seeds of each scenario where nobody says how many.
const SEEDS: u64 = 100;

/// Which seeds
#[derive(Debug, clap::Args)]
pub(crate) struct Seeds {
    /// Seeds of each scenario [default: 100, or as many as fit into --minutes]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    seeds: Option<u64>,
    /// The first seed
    #[arg(long, value_name = "S", default_value_t = 1)]
    from: u64,
    /// Begin with a seed drawn by lot, and say which
    #[arg(long, conflicts_with = "from")]
    random: bool,
    /// Begin no new seed after so many minutes
    #[arg(long, value_name = "M", value_parser = clap::value_parser!(u64).range(1..))]
    minutes: Option<u64>,
    /// Runs at a time, each in a process of its own
    #[arg(long, value_name = "J", default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..))]
    jobs: u16,
    /// Print JSON
    #[arg(long)]
    pub(crate) json: bool,
}

/// What a sweep came to.
#[derive(Debug)]
pub(crate) struct Swept {
    pub(crate) report: Report,
    /// The machine's milliseconds.
    pub(crate) ms: u64,
}

/// Runs the seeds of some scenarios, seed by seed. Tells of each failure as it comes, on stdout, or on
/// stderr if that is for JSON. Ends at the first one unless it is to keep going.
pub(crate) fn sweep(args: &Seeds, scenarios: &[String], keeps_going: bool) -> io::Result<Swept> {
    let scenarios = scenario_arg::meant(scenarios);
    let from = first_seed(args);
    let seeds = args.seeds.or(args.minutes.is_none().then_some(SEEDS));
    let began = SystemClock.now();
    let limit = args
        .minutes
        .map(|minutes| Duration::from_secs(60 * minutes));
    let is_time = move || limit.is_none_or(|limit| elapsed_ms(began) < as_ms(limit));
    let orders = orders(from, seeds, scenarios.clone()).take_while(|_| is_time());
    let binary = std::env::current_exe()?;
    let runs = seeds.map(|seeds| seeds.saturating_mul(scenarios.len() as u64));
    let bar = ui::bar(runs);
    let mut report = Report::default();
    let mut told = Ok(());
    worker::each(
        (&binary, usize::from(args.jobs)),
        orders,
        |worker, order| worker.ask(&order),
        |verdict| {
            report.add(&verdict);
            told = tell(args, &bar, &report, &verdict);
            match told.is_ok() && (verdict.passed() || keeps_going) {
                true => ControlFlow::Continue(()),
                false => ControlFlow::Break(()),
            }
        },
    );
    bar.finish_and_clear();
    told?;
    let ms = elapsed_ms(began);
    Ok(Swept { report, ms })
}

/// Seeds from `from` on, each in every scenario.
fn orders(
    from: u64,
    seeds: Option<u64>,
    scenarios: Vec<&'static str>,
) -> impl Iterator<Item = Order> + Send {
    let last = seeds.map_or(u64::MAX, |seeds| from.saturating_add(seeds - 1));
    let order = |(seed, scenario): (u64, &str)| Order {
        seed,
        scenario: scenario.to_owned(),
        bug: None,
    };
    let of_seed = move |seed| {
        scenarios
            .clone()
            .into_iter()
            .map(move |it| order((seed, it)))
    };
    (from..=last).flat_map(of_seed)
}

fn first_seed(args: &Seeds) -> u64 {
    if !args.random {
        return args.from;
    }
    let mut bytes = [0; 4];
    SystemEntropy::default().fill(&mut bytes);
    let from = u64::from(u32::from_le_bytes(bytes));
    ui::note(&format!(
        "the first seed is {from}: `--from {from}` runs the same again"
    ));
    from
}

fn tell(args: &Seeds, bar: &ProgressBar, report: &Report, verdict: &Verdict) -> io::Result<()> {
    bar.inc(1);
    bar.set_message(format!(
        "{} seed {}, {} ops, {} failed",
        verdict.scenario,
        verdict.seed,
        report.numbers.ops,
        report.failed.len()
    ));
    if verdict.passed() {
        return Ok(());
    }
    let text = failure(verdict);
    bar.suspend(|| match args.json {
        true => {
            ui::note(&text);
            Ok(())
        }
        false => ui::data(&text),
    })
}

fn elapsed_ms(began: share_model::UnixMs) -> u64 {
    SystemClock.now().get().saturating_sub(began.get())
}

fn as_ms(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_seed_runs_in_every_scenario_before_the_next_one() {
        let orders = orders(7, Some(2), vec!["swarm", "quiet"]);
        let named: Vec<_> = orders
            .map(|it| format!("{} {}", it.seed, it.scenario))
            .collect();
        assert_eq!(named, ["7 swarm", "7 quiet", "8 swarm", "8 quiet"]);
    }
}
