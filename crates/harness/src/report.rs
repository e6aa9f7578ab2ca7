//! What many runs come to.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use serde_json::{Value, json};

use crate::check::Numbers;
use crate::verdict::Verdict;

/// What a person types to see a run again, in a checkout.
pub fn replay_command(seed: u64, scenario: &str) -> String {
    format!("cargo run --release -p share-harness -- replay {seed} --scenario {scenario}")
}

/// A run that failed, with the first of what did not hold in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failed {
    /// The run's seed.
    pub seed: u64,
    /// The name of its scenario.
    pub scenario: String,
    /// The check that saw it.
    pub check: String,
    /// What it said.
    pub text: String,
}

/// What many runs come to.
#[derive(Debug, Clone, Default)]
pub struct Report {
    /// Runs.
    pub seeds: u64,
    /// Those that failed.
    pub failed: Vec<Failed>,
    /// What all of them were made of.
    pub numbers: Numbers,
    /// Faults that fired, by kind.
    pub faults: BTreeMap<String, u64>,
    /// Kinds of faults that some seed had switched on.
    pub configured: BTreeSet<String>,
    /// Milliseconds of the runs' own time.
    pub virtual_ms: u64,
}

impl Report {
    /// Adds a run.
    pub fn add(&mut self, verdict: &Verdict) {
        self.seeds += 1;
        if let Some(first) = verdict.broken.first() {
            self.failed.push(Failed {
                seed: verdict.seed,
                scenario: verdict.scenario.clone(),
                check: first.check.clone(),
                text: first.text.clone(),
            });
        }
        self.numbers += verdict.numbers;
        for (kind, count) in &verdict.faults {
            *self.faults.entry(kind.clone()).or_default() += count;
        }
        self.configured.extend(verdict.configured.iter().cloned());
        self.virtual_ms += verdict.virtual_ms;
    }

    /// Kinds of faults that a seed had switched on, and that fired in no run.
    pub fn never_fired(&self) -> Vec<&str> {
        let configured = self.configured.iter().map(String::as_str);
        let silent =
            configured.filter(|kind| self.faults.get(*kind).is_none_or(|count| *count == 0));
        silent.collect()
    }

    /// The documented shape; `ms` is the machine's time that it took.
    pub fn json(&self, ms: u64) -> Value {
        let failed = self.failed.iter().map(|failed| {
            json!({
                "seed": failed.seed,
                "scenario": failed.scenario,
                "check": failed.check,
                "text": failed.text,
            })
        });
        json!({
            "seeds": self.seeds,
            "failed": failed.collect::<Vec<_>>(),
            "ops": self.numbers.ops,
            "ambiguous": self.numbers.ambiguous,
            "duplicates": self.numbers.duplicates,
            "faults": self.faults,
            "applied": self.numbers.applied,
            "rejected": self.numbers.rejected,
            "in_doubt": self.numbers.in_doubt,
            "dead_letters": self.numbers.dead_letters,
            "calls": self.numbers.calls,
            "told": self.numbers.told,
            "never_fired": self.never_fired(),
            "virtual_ms": self.virtual_ms,
            "ms": ms,
        })
    }

    /// For a person; `ms` is the machine's time that it took.
    pub fn table(&self, ms: u64) -> String {
        let numbers = &self.numbers;
        let mut table = String::new();
        let mut line = |name: &str, value: &dyn std::fmt::Display| {
            writeln!(table, "{name:<30} {value:>12}")
                .expect("a string takes what is written to it");
        };
        line("seeds", &self.seeds);
        line("failed", &self.failed.len());
        line("ops", &numbers.ops);
        line("applied", &numbers.applied);
        line("rejected", &numbers.rejected);
        line("in doubt", &numbers.in_doubt);
        line("dead letters", &numbers.dead_letters);
        line("duplicates absorbed", &numbers.duplicates);
        line("calls", &numbers.calls);
        line("ambiguous calls", &numbers.ambiguous);
        line("ops told to readers", &numbers.told);
        for (kind, count) in &self.faults {
            line(&format!("fault: {kind}"), count);
        }
        for kind in self.never_fired() {
            line(&format!("fault: {kind}"), &"never fired");
        }
        line("virtual time", &format!("{} s", self.virtual_ms / 1000));
        line("time", &format!("{}.{} s", ms / 1000, ms % 1000 / 100));
        let tenths = self.seeds.saturating_mul(10_000) / ms.max(1);
        line(
            "seeds a second",
            &format!("{}.{}", tenths / 10, tenths % 10),
        );
        table
    }
}

/// What is said of a run that failed: the check, the command that replays it, and the story.
pub fn failure(verdict: &Verdict) -> String {
    let mut text = String::new();
    for broken in &verdict.broken {
        text.push_str(&format!(
            "seed {} failed: {}: {}\n",
            verdict.seed, broken.check, broken.text
        ));
    }
    let command = replay_command(verdict.seed, &verdict.scenario);
    format!("{text}replay it: {command}\n{}", verdict.story)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::verdict::Broken;

    fn verdict(seed: u64) -> Verdict {
        Verdict {
            seed,
            scenario: "swarm".into(),
            numbers: Numbers {
                ops: 10,
                ambiguous: 2,
                duplicates: 1,
                ..Numbers::default()
            },
            faults: BTreeMap::from([("partition".to_owned(), 3)]),
            configured: ["partition", "server-kill"].map(str::to_owned).into(),
            virtual_ms: 1500,
            ..Verdict::default()
        }
    }

    #[test]
    fn what_was_configured_and_never_fired_is_told() {
        let mut report = Report::default();
        report.add(&verdict(1));
        assert_eq!(report.never_fired(), ["server-kill"]);
        let mut fired = verdict(2);
        fired.faults.insert("server-kill".into(), 1);
        report.add(&fired);
        assert_eq!(report.never_fired(), Vec::<&str>::new());
        assert_eq!(report.faults["partition"], 6);
    }

    #[test]
    fn a_report_has_the_documented_shape() {
        let mut report = Report::default();
        report.add(&verdict(1));
        let mut failed = verdict(17);
        failed.broken = vec![
            Broken::new("op-twice", "op 0101 is at 1 and 2"),
            Broken::new("document", "another one"),
        ];
        report.add(&failed);
        let value = report.json(2_000);
        assert_eq!(value["seeds"], 2);
        let expected = json!([{
            "seed": 17, "scenario": "swarm", "check": "op-twice", "text": "op 0101 is at 1 and 2",
        }]);
        assert_eq!(value["failed"], expected);
        assert_eq!(value["ops"], 20);
        assert_eq!(value["ambiguous"], 4);
        assert_eq!(value["duplicates"], 2);
        assert_eq!(value["faults"], json!({"partition": 6}));
        assert_eq!(value["never_fired"], json!(["server-kill"]));
        assert_eq!(value["virtual_ms"], 3000);
        let table = report.table(2_000);
        assert!(
            table.contains("fault: server-kill              never fired\n"),
            "{table}"
        );
        assert!(
            table.contains("seeds a second                          1.0\n"),
            "{table}"
        );
    }

    #[test]
    fn a_failure_says_what_replays_it() {
        let mut failed = verdict(17);
        failed.broken = vec![Broken::new("op-twice", "op 0101 is at 1 and 2")];
        failed.story = "     0.001 s  agent-1 …\n".into();
        assert_eq!(
            failure(&failed),
            "seed 17 failed: op-twice: op 0101 is at 1 and 2\n\
             replay it: cargo run --release -p share-harness -- replay 17 --scenario swarm\n     0.001 s  agent-1 …\n"
        );
    }
}
