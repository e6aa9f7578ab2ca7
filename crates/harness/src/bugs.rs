//! Broken builds: the harness is worth what it catches of bugs that were planted on purpose.
//!
//! Each bug has a home, the scenario whose faults and operations show it. Seeds of that are run, from 1
//! on, with the bug on, until one fails; the same seed must then pass without the bug, or it proves
//! nothing.

mod list;

use serde_json::{Value, json};

pub use list::PLANTED;

use crate::worker::{Order, Worker};

/// Seeds within which a bug must be caught.
pub const SEEDS_MAX: u64 = 200;

/// Scenarios of bugs that need more than anything at random.
const HOMES: &[(&str, &[&str])] = &[
    (
        "forks",
        &[
            "requeue-memory-not-checked",
            "abandoned-comes-back",
            "checkpoint-loses-remembered",
            "requeue-without-was",
            "chain-not-compared",
        ],
    ),
    (
        "network",
        &[
            "eviction-by-age",
            "floor-moved-by-server",
            "append-twice-on-retry",
            "tail-repeats",
            "snapshot-one-off",
            "batch-recut",
            "settled-before-ack",
        ],
    ),
    (
        "crash",
        &[
            "ledger-apart",
            "ack-before-commit",
            "synchronous-normal",
            "redo-not-synced",
            "redo-frame-unchecked",
            "redo-one-segment-recovered",
            "redo-reused-before-applied",
            "send-before-commit",
            "reader-skips-what-is-older",
            "outbox-synchronous-off",
            "seq-reused-after-restart",
        ],
    ),
    (
        "disk",
        &[
            "failed-sync-ignored",
            "unknown-taken-as-done",
            "enqueue-ignores-failed-commit",
        ],
    ),
    (
        "restore",
        &[
            "restore-not-noticed",
            "restore-keeps-grants",
            "revocation-not-in-journal",
        ],
    ),
    (
        "authority",
        &[
            "epoch-at-redeem-only",
            "revocation-at-redeem-only",
            "revoke-acked-before-durable",
            "subscriptions-not-cut",
            "expiry-not-checked",
            "freeze-ignored-by-live-appender",
            "tombstone-forgotten",
        ],
    ),
    ("delegation", &["descendants-survive"]),
    (
        "rejections",
        &[
            "window-unbounded",
            "outcome-order-swapped",
            "cursor-skips",
            "atomic-group-applied-partly",
            "expected-cursor-ignored",
            "dependencies-not-checked",
            "dependency-on-abandoned-met",
            "merge-shallow",
            "rejected-taken-as-applied",
        ],
    ),
    (
        "probe",
        &[
            "duplicate-for-other",
            "settled-answered-duplicate",
            "fenced-writer-still-appends",
            "refusal-keeps-appender",
            "rights-not-checked",
        ],
    ),
    ("processes", &["lease-stolen"]),
    ("put-back", &["repeats-not-asked-again"]),
];

/// The scenario in which a bug is looked for.
pub fn home(bug: &str) -> &'static str {
    let home = HOMES.iter().find(|(_, bugs)| bugs.contains(&bug));
    home.map_or("swarm", |(scenario, _)| scenario)
}

/// What came of looking for a bug.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hunt {
    /// The bug.
    pub name: &'static str,
    /// Where it was looked for.
    pub scenario: String,
    /// The seed that showed it, which is also how many were needed; `None`: none did.
    pub caught: Option<u64>,
    /// The check that saw it first, and what it said.
    pub check: Option<(String, String)>,
    /// Seeds that were run with the bug.
    pub seeds: u64,
    /// Those of them in which the bug changed what happened.
    pub reached: u64,
    /// Seeds that failed, and also fail without the bug: they prove nothing, and are bugs of their own.
    pub false_alarms: Vec<u64>,
}

/// Looks for a bug among seeds 1 to `seeds` of a scenario.
pub fn hunt(worker: &mut Worker, name: &'static str, scenario: &str, seeds: u64) -> Hunt {
    let mut hunt = Hunt {
        name,
        scenario: scenario.to_owned(),
        caught: None,
        check: None,
        seeds: 0,
        reached: 0,
        false_alarms: Vec::new(),
    };
    for seed in 1..=seeds {
        let mut order = Order {
            seed,
            scenario: scenario.to_owned(),
            bug: Some(name.to_owned()),
        };
        let verdict = worker.ask(&order);
        hunt.seeds += 1;
        // A run that hung could not tell whether it was reached.
        hunt.reached += u64::from(verdict.reached > 0);
        // Trouble of the harness itself is no promise that broke.
        let mut promises = verdict.broken.iter().filter(|it| it.check != "harness");
        let Some(first) = promises.next() else {
            continue;
        };
        order.bug = None;
        if worker.ask(&order).passed() {
            hunt.caught = Some(seed);
            hunt.check = Some((first.check.clone(), first.text.clone()));
            break;
        }
        hunt.false_alarms.push(seed);
    }
    hunt
}

/// How many of them were caught.
pub fn caught(hunts: &[Hunt]) -> usize {
    hunts.iter().filter(|hunt| hunt.caught.is_some()).count()
}

/// The documented shape.
pub fn json(hunts: &[Hunt]) -> Value {
    let bugs = hunts.iter().map(|hunt| {
        json!({
            "name": hunt.name,
            "caught": hunt.caught.is_some(),
            "seeds": hunt.seeds,
            "check": hunt.check.as_ref().map(|(check, _)| check),
            "scenario": hunt.scenario,
            "reached": hunt.reached,
            "false_alarms": hunt.false_alarms,
        })
    });
    json!({"bugs": bugs.collect::<Vec<_>>()})
}

/// The rows of the table, its head first: bug, scenario, seeds needed, reached in, caught by.
pub fn rows(hunts: &[Hunt]) -> Vec<[String; 5]> {
    let head = ["bug", "scenario", "seeds needed", "reached in", "caught by"];
    let mut rows = vec![head.map(str::to_owned)];
    rows.extend(hunts.iter().map(|hunt| {
        let needed = match hunt.caught {
            Some(seed) => seed.to_string(),
            None => format!("not in {}", hunt.seeds),
        };
        let check = hunt.check.as_ref();
        let by = check.map_or_else(|| "-".to_owned(), |(check, _)| check.clone());
        let alarms = match hunt.false_alarms.len() {
            0 => String::new(),
            count => format!(" (besides {count} false alarms)"),
        };
        [
            hunt.name.to_owned(),
            hunt.scenario.clone(),
            needed,
            hunt.reached.to_string(),
            format!("{by}{alarms}"),
        ]
    }));
    rows
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sim::SCENARIOS;

    #[test]
    fn each_home_is_a_scenario_and_holds_listed_bugs_once() {
        let mut homed = Vec::new();
        for (scenario, bugs) in HOMES {
            assert!(
                SCENARIOS.iter().any(|it| it.name == *scenario),
                "{scenario}"
            );
            for bug in *bugs {
                assert!(PLANTED.iter().any(|(name, _)| name == bug), "{bug}");
                assert!(!homed.contains(bug), "{bug}");
                homed.push(bug);
            }
        }
        assert_eq!(home("lease-stolen"), "processes");
    }

    #[test]
    fn hunts_have_the_documented_shape() {
        let hunts = [Hunt {
            name: "cursor-skips",
            scenario: "rejections".into(),
            caught: Some(3),
            check: Some(("acked-lost".into(), "op 01 is not at 4".into())),
            seeds: 3,
            reached: 2,
            false_alarms: Vec::new(),
        }];
        let expected = json!({"bugs": [{
            "name": "cursor-skips", "caught": true, "seeds": 3, "check": "acked-lost",
            "scenario": "rejections", "reached": 2, "false_alarms": [],
        }]});
        assert_eq!(json(&hunts), expected);
        assert_eq!(
            rows(&hunts)[1].join("|"),
            "cursor-skips|rejections|3|2|acked-lost"
        );
    }
}
