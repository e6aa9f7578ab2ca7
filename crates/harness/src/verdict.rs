//! What is to be said of one run: what it was made of, what was broken on purpose, and which promises
//! did not hold.

use std::collections::{BTreeMap, BTreeSet};
use std::error::Error;
use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::check::{self, Numbers, Violation};
use crate::history::{Bounds, Event};
use crate::panics;
use crate::real;
use crate::sim::{self, FAULTS, Scenario, SimRun};
use crate::story::story;

/// What did not hold in a run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Broken {
    /// The name of the check that saw it: one of [`check::ALL`], or `panic`, `hang` and the like, which
    /// need no history.
    pub check: String,
    /// What is wrong, for a person.
    pub text: String,
}

impl Broken {
    /// What the check of this name says.
    pub fn new(check: &str, text: impl Into<String>) -> Self {
        Self {
            check: check.to_owned(),
            text: text.into(),
        }
    }
}

/// What is to be said of one run.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Verdict {
    /// The run's seed.
    pub seed: u64,
    /// The name of its scenario.
    pub scenario: String,
    /// What did not hold; empty: the run passed.
    pub broken: Vec<Broken>,
    /// The events before the first of it, one line each; empty if the run passed.
    pub story: String,
    /// What the run was made of.
    pub numbers: Numbers,
    /// Faults that fired, by kind.
    pub faults: BTreeMap<String, u64>,
    /// Kinds of faults that the seed had switched on.
    pub configured: BTreeSet<String>,
    /// Milliseconds of the run's own time.
    pub virtual_ms: u64,
    /// How often a planted bug changed what happened.
    pub reached: u64,
}

impl Verdict {
    /// Of a run that came to nothing: it hung, or took its process with it.
    pub fn of_nothing(seed: u64, scenario: &str, broken: Broken) -> Self {
        Self {
            seed,
            scenario: scenario.to_owned(),
            broken: vec![broken],
            ..Self::default()
        }
    }

    /// Whether all promises held.
    pub fn passed(&self) -> bool {
        self.broken.is_empty()
    }
}

/// A run with what is to be said of it.
#[derive(Debug)]
pub struct Judged {
    /// The run.
    pub run: SimRun,
    /// What is to be said of it.
    pub verdict: Verdict,
}

/// Runs a seed within a scenario, and judges it. Panics of this thread do not pass: also one that was
/// caught is a broken promise.
pub fn play(seed: u64, scenario: &Scenario) -> Judged {
    let (run, heard) = panics::listen(|| sim::run(seed, scenario));
    let mut broken: Vec<_> = heard
        .iter()
        .map(|text| Broken::new("panic", text))
        .collect();
    // A panic that ended the run is among what was heard, with its place.
    let plain = run.broken.iter().filter(|text| !text.starts_with("panic:"));
    broken.extend(plain.map(|text| named(text)));
    let mut verdict = judge((seed, scenario.name), &run.events, &run.bounds, broken);
    let switched_on = FAULTS.iter().filter(|fault| run.plan.on.contains(*fault));
    verdict.configured = switched_on.map(|fault| (*fault).to_owned()).collect();
    let of_disks = run.disks.faults().into_iter();
    verdict
        .faults
        .extend(of_disks.filter(|(_, count)| *count > 0));
    verdict.virtual_ms = run.virtual_ms;
    Judged { run, verdict }
}

/// The name that stands for runs with real processes, among those of scenarios.
pub const REAL: &str = "real";

/// Runs a seed with real processes of `binary`, which is `share-chaos`, and judges it; with the events.
pub fn play_real(seed: u64, binary: &Path) -> (Vec<Event>, Verdict) {
    let of_nothing = |text: String| {
        let broken = Broken::new("harness", text);
        (Vec::new(), Verdict::of_nothing(seed, REAL, broken))
    };
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    let (run, heard) = match runtime {
        Ok(runtime) => panics::listen(|| runtime.block_on(real::run(seed, binary))),
        Err(error) => return of_nothing(format!("no runtime: {error}")),
    };
    let run = match run {
        Ok(run) => run,
        Err(error) => return of_nothing(with_causes(&error)),
    };
    let mut broken: Vec<_> = heard
        .iter()
        .map(|text| Broken::new("panic", text))
        .collect();
    let failure = run.failure.iter();
    broken.extend(failure.map(|error| Broken::new("not-played-out", with_causes(error))));
    let verdict = judge((seed, REAL), &run.events, &run.bounds, broken);
    (run.events, verdict)
}

/// What an error says, with its causes.
pub fn with_causes(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(&format!(": {error}"));
        cause = error.source();
    }
    text
}

/// Judges a history; `broken` is what is known to be wrong without it.
pub fn judge(
    (seed, scenario): (u64, &str),
    events: &[Event],
    bounds: &Bounds,
    mut broken: Vec<Broken>,
) -> Verdict {
    let tally = check::tally(events);
    let violations = check::check(events, bounds);
    let story = match (broken.first(), violations.first()) {
        (Some(first), _) => story(events, &at_the_end(events, first)),
        (None, Some(first)) => story(events, first),
        (None, None) => String::new(),
    };
    let seen = violations.iter();
    broken.extend(seen.map(|violation| Broken::new(violation.check, &violation.text)));
    let faults = tally.faults.iter();
    Verdict {
        seed,
        scenario: scenario.to_owned(),
        broken,
        story,
        numbers: tally.numbers,
        faults: faults
            .map(|(kind, count)| ((*kind).to_owned(), *count))
            .collect(),
        virtual_ms: events.last().map_or(0, |event| event.at_ms),
        ..Verdict::default()
    }
}

/// What a run said by itself, `name: text`.
fn named(text: &str) -> Broken {
    match text.split_once(": ") {
        Some((name, text)) if !name.contains(' ') => Broken::new(name, text),
        _ => Broken::new("broken", text),
    }
}

/// What no history shows is told behind the last event.
fn at_the_end(events: &[Event], broken: &Broken) -> Violation {
    Violation {
        check: "without-history",
        share: None,
        at: events.len(),
        text: format!("{}: {}", broken.check, broken.text),
        about: Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::fixture::Run;

    #[test]
    fn a_broken_history_is_judged_with_its_story() {
        let mut run = Run::new();
        run.put(1, 1);
        run.put(1, 2);
        run.log.remove(0);
        run.finish();
        let events = run.events.events();
        let verdict = judge((17, "swarm"), &events, &Bounds { window: 4 }, Vec::new());
        assert!(!verdict.passed());
        let checks: Vec<_> = verdict.broken.iter().map(|it| it.check.as_str()).collect();
        assert!(checks.contains(&"acked-lost"), "{checks:?}");
        assert!(verdict.story.contains("VIOLATED"), "{}", verdict.story);
        assert_eq!(verdict.numbers.ops, 2);
    }

    #[test]
    fn what_needs_no_history_comes_first_and_is_told_at_the_end() {
        let mut run = Run::new();
        run.put(1, 1);
        run.finish();
        let broken = vec![named("panic: no room"), named("a text: without a name")];
        let verdict = judge(
            (1, "quiet"),
            &run.events.events(),
            &Bounds { window: 4 },
            broken,
        );
        assert_eq!(verdict.broken[0], Broken::new("panic", "no room"));
        assert_eq!(verdict.broken[1].check, "broken");
        let last = verdict.story.lines().last().unwrap_or_default();
        assert!(
            last.ends_with("VIOLATED without-history: panic: no room"),
            "{last}"
        );
    }

    #[test]
    fn an_honest_history_passes() {
        let mut run = Run::new();
        run.put(1, 1);
        run.finish();
        let verdict = judge(
            (1, "quiet"),
            &run.events.events(),
            &Bounds { window: 4 },
            vec![],
        );
        assert!(verdict.passed(), "{verdict:?}");
        assert_eq!(verdict.story, "");
    }
}
