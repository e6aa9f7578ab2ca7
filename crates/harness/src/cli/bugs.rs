//! `share-chaos bugs`: what the harness is worth.

use std::io;

#[cfg(not(feature = "planted"))]
use super::{Done, ui};
#[cfg(feature = "planted")]
pub(crate) use hunting::run;

/// How to get a build with planted bugs.
#[cfg(not(feature = "planted"))]
const BUILD: &str = "cargo run --release --features planted -p share-harness -- bugs";

/// Look for each planted bug: run seeds with it on until a check goes red
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The bugs; all if none is named
    names: Vec<String>,
    /// Seeds within which each must be caught
    #[arg(long, value_name = "N", default_value_t = 200, value_parser = clap::value_parser!(u64).range(1..))]
    seeds: u64,
    /// Bugs at a time
    #[arg(long, value_name = "J", default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..))]
    jobs: u16,
    /// Look for them in this scenario, not where they are at home
    #[arg(long, value_name = "NAME", value_parser = super::scenario_arg::one())]
    scenario: Option<String>,
    /// Print JSON
    #[arg(long)]
    json: bool,
    /// Print the table as it stands in docs/failure-injection.md
    #[arg(long, conflicts_with = "json")]
    markdown: bool,
    /// List the bugs, with what each does and where it is at home
    #[arg(long)]
    list: bool,
}

#[cfg(not(feature = "planted"))]
pub(crate) fn run(_: Args) -> io::Result<Done> {
    say_how_to_build();
    Ok(Done::Misused)
}

#[cfg(not(feature = "planted"))]
pub(crate) fn say_how_to_build() {
    ui::error("no bug is planted in this build");
    ui::note(&format!(
        "\nhint: they need a build of their own: `{BUILD}`"
    ));
}

#[cfg(feature = "planted")]
mod hunting {
    use std::fmt::Write as _;
    use std::ops::ControlFlow;

    use share_harness::bugs::{self, Hunt, PLANTED};
    use share_harness::worker;

    use super::super::{Done, ui};
    use super::{Args, io};

    pub(crate) fn run(args: Args) -> io::Result<Done> {
        let is_known = |name: &&String| PLANTED.iter().any(|(known, _)| known == *name);
        if let Some(unknown) = args.names.iter().find(|name| !is_known(name)) {
            ui::error(&format!(
                "no planted bug `{unknown}`: `bugs --list` lists them"
            ));
            return Ok(Done::Misused);
        }
        let is_asked = |name: &str| args.names.is_empty() || args.names.iter().any(|it| it == name);
        let asked = PLANTED.iter().filter(|(name, _)| is_asked(name));
        if args.list {
            for (name, about) in asked {
                ui::data(&format!("{name} ({}): {about}", bugs::home(name)))?;
            }
            return Ok(Done::Holds);
        }
        let hunts = hunt(&args, asked.map(|(name, _)| *name).collect())?;
        let text = match (args.json, args.markdown) {
            (true, _) => bugs::json(&hunts).to_string(),
            (_, true) => markdown(&hunts),
            _ => plain(&hunts),
        };
        ui::data(&text)?;
        match bugs::caught(&hunts) == hunts.len() {
            true => Ok(Done::Holds),
            false => Ok(Done::Fails),
        }
    }

    fn hunt(args: &Args, names: Vec<&'static str>) -> io::Result<Vec<Hunt>> {
        let binary = std::env::current_exe()?;
        let bar = ui::bar(Some(names.len() as u64));
        let mut hunts = Vec::new();
        worker::each(
            (&binary, usize::from(args.jobs)),
            names.into_iter(),
            |worker, name| {
                let scenario = args.scenario.as_deref().unwrap_or(bugs::home(name));
                bugs::hunt(worker, name, scenario, args.seeds)
            },
            |hunt| {
                bar.inc(1);
                bar.suspend(|| tell(&hunt));
                hunts.push(hunt);
                ControlFlow::Continue(())
            },
        );
        bar.finish_and_clear();
        hunts.sort_by_key(|hunt| PLANTED.iter().position(|(name, _)| *name == hunt.name));
        Ok(hunts)
    }

    fn tell(hunt: &Hunt) {
        for seed in &hunt.false_alarms {
            let Hunt { name, scenario, .. } = hunt;
            ui::note(&format!(
                "{name}: seed {seed} of `{scenario}` fails without the bug too"
            ));
        }
        match (&hunt.caught, &hunt.check) {
            (Some(seed), Some((check, text))) => {
                ui::note(&format!(
                    "{}: caught by seed {seed}: {check}: {text}",
                    hunt.name
                ));
            }
            _ => ui::note(&format!(
                "{}: not caught in {} seeds of `{}`, reached in {} of them",
                hunt.name, hunt.seeds, hunt.scenario, hunt.reached
            )),
        }
    }

    fn score(hunts: &[Hunt]) -> String {
        format!(
            "{} of {} planted bugs caught",
            bugs::caught(hunts),
            hunts.len()
        )
    }

    fn plain(hunts: &[Hunt]) -> String {
        let rows = bugs::rows(hunts);
        let width = |at: usize| rows.iter().map(|row| row[at].len()).max().unwrap_or(0);
        let widths = [0, 1, 2, 3].map(width);
        let mut table = String::new();
        for [name, scenario, seeds, reached, by] in &rows {
            let [a, b, c, d] = widths;
            writeln!(
                table,
                "{name:<a$}  {scenario:<b$}  {seeds:>c$}  {reached:>d$}  {by}"
            )
            .expect("a string takes what is written to it");
        }
        format!("{table}\nmutation score: {}", score(hunts))
    }

    fn markdown(hunts: &[Hunt]) -> String {
        let mut table = String::new();
        for (at, row) in bugs::rows(hunts).iter().enumerate() {
            table.push_str(&format!("| {} |\n", row.join(" | ")));
            if at == 0 {
                table.push_str("| --- | --- | --- | --- | --- |\n");
            }
        }
        format!("{table}\n{}.\n", score(hunts))
    }
}
