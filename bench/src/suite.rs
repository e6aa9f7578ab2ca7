//! Runs scenarios in interleaved pairs, and writes down what was measured.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use crate::bench::{Bench, SizeArgs};
use crate::error::BenchError;
use crate::probe;
use crate::record::Record;
use crate::report::Machine;
use crate::scenario::Scenario;
use crate::subject::Subject;
use crate::table::table;
use crate::usage;

/// How a run goes.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Scenarios, in this order
    #[arg(value_enum, value_name = "SCENARIO")]
    scenarios: Vec<Scenario>,
    /// What is measured beside the disk [default: all that is installed]
    #[arg(long, value_enum, value_delimiter = ',')]
    subjects: Vec<Subject>,
    /// How often everything is measured, the subjects in turn [default: 5; quick: 1]
    #[arg(long)]
    pairs: Option<usize>,
    /// Writes a line of JSON for each measurement here, and their raw samples beside it, with
    /// `.samples` behind the name
    #[arg(long)]
    json: Option<PathBuf>,
    /// Draws each scenario into this folder
    #[arg(long)]
    plots: Option<PathBuf>,
    #[command(flatten)]
    sizes: SizeArgs,
    /// The `share` binary [default: the one beside this program]
    #[arg(long)]
    share: Option<PathBuf>,
    /// Where the files go: the disk that is measured
    #[arg(long, default_value = "target")]
    folder: PathBuf,
    /// GiB of memory that are written once before anything is measured. In a virtual machine the host
    /// gives a page at its first write, which takes longer than what is written there: until all pages
    /// were had once, whoever writes new files is slower
    #[arg(long, default_value_t = 0)]
    touch_gib: u32,
}

/// Runs all of it, and prints the table; false if something failed, which was said.
pub(crate) async fn run(args: &Args) -> Result<bool, BenchError> {
    let bench = Bench {
        sizes: args.sizes.sizes(),
        share: args.share.clone(),
        disk: args.folder.clone(),
    };
    std::fs::create_dir_all(&bench.disk)?;
    usage::touch_memory(args.touch_gib)?;
    let subjects = installed(&args.subjects)?;
    let pairs = args
        .pairs
        .unwrap_or(if args.sizes.is_quick() { 1 } else { 5 });
    let mut notes = Notes::open(args.json.as_deref())?;
    for &scenario in &args.scenarios {
        notes.disk(scenario, &bench)?;
        for pair in 1..=pairs {
            for subject in turn(&subjects, pair).filter(|subject| scenario.is_for(*subject)) {
                match scenario.run(&bench, subject, pair).await {
                    Ok(record) => notes.take(record)?,
                    Err(error) => notes.failed(scenario, subject, &error)?,
                }
            }
        }
        notes.disk(scenario, &bench)?;
    }
    write!(io::stdout(), "{}", table(&notes.records))?;
    if let Some(folder) = &args.plots {
        crate::plot::draw(folder, &notes.records)?;
    }
    Ok(!notes.has_failed)
}

/// The subjects in the order of their turns: who comes first changes from pair to pair.
fn turn(subjects: &[Subject], pair: usize) -> impl Iterator<Item = Subject> {
    let is_odd = pair % 2 == 1;
    let count = subjects.len();
    (0..count).map(move |at| subjects[if is_odd { at } else { count - 1 - at }])
}

/// Those that were asked for and are there; of the others it is said how to get them.
fn installed(asked: &[Subject]) -> io::Result<Vec<Subject>> {
    let all = [
        Subject::Limit,
        Subject::Share,
        Subject::Redis,
        Subject::Postgres,
    ];
    let asked = if asked.is_empty() { &all } else { asked };
    let mut installed = Vec::new();
    for &subject in asked {
        match subject.is_missing() {
            None => installed.push(subject),
            Some(install) => {
                writeln!(
                    io::stderr(),
                    "{}: skipped: install with `{install}`",
                    subject.name()
                )?;
            }
        }
    }
    Ok(installed)
}

/// What was measured so far.
struct Notes {
    records: Vec<Record>,
    machine: Machine,
    json: Option<(BufWriter<File>, BufWriter<File>)>,
    has_failed: bool,
}

impl Notes {
    fn open(json: Option<&Path>) -> io::Result<Self> {
        let json = match json {
            None => None,
            Some(path) => {
                let mut samples = path.as_os_str().to_owned();
                samples.push(".samples");
                let [lines, samples] = [File::create(path)?, File::create(samples)?];
                Some((BufWriter::new(lines), BufWriter::new(samples)))
            }
        };
        Ok(Self {
            records: Vec::new(),
            machine: Machine::here(),
            json,
            has_failed: false,
        })
    }

    /// Takes the disk's limit.
    fn disk(&mut self, scenario: Scenario, bench: &Bench) -> Result<(), BenchError> {
        let folder = bench.folder()?;
        let seconds = bench.sizes.duration.min(std::time::Duration::from_secs(4)) / 2;
        let samples = probe::run(folder.path(), scenario.load(bench), seconds)?;
        let pair = 0;
        self.take(Record::new(scenario.name(), "disk", pair).samples(&samples))
    }

    fn take(&mut self, record: Record) -> Result<(), BenchError> {
        let line = record.line(&self.machine);
        writeln!(io::stderr(), "{}", brief(&record))?;
        if let Some((lines, samples)) = &mut self.json {
            writeln!(lines, "{line}")?;
            if let Some(raw) = record.raw() {
                serde_json::to_writer(&mut *samples, &raw).map_err(io::Error::from)?;
                writeln!(samples)?;
            }
            lines.flush()?;
            samples.flush()?;
        }
        self.records.push(record);
        Ok(())
    }

    fn failed(
        &mut self,
        scenario: Scenario,
        subject: Subject,
        error: &BenchError,
    ) -> io::Result<()> {
        self.has_failed = true;
        writeln!(
            io::stderr(),
            "error: {} of {}: {error}",
            scenario.name(),
            subject.name()
        )
    }
}

/// A record for who watches the run.
fn brief(record: &Record) -> String {
    let figures = record
        .figures
        .iter()
        .map(|(name, value)| format!("{name} {value}"));
    let figures = figures.collect::<Vec<_>>().join(", ");
    format!(
        "{} {} {}: {figures}",
        record.scenario, record.pair, record.subject
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_comes_first_comes_last_in_the_next_pair() {
        let subjects = [Subject::Limit, Subject::Share, Subject::Redis];
        let turns = [1, 2, 3].map(|pair| turn(&subjects, pair).collect::<Vec<_>>());
        assert_eq!(turns[0], subjects);
        assert_eq!(turns[1], [Subject::Redis, Subject::Share, Subject::Limit]);
        assert_eq!(turns[2], subjects);
    }
}
