//! A fixed set of seeds passes in each scenario, through the command as it is run by hand.

#![expect(clippy::unwrap_used, reason = "a test fails by its panic")]

use std::process::{Command, Output};

use serde_json::Value;
use share_harness::sim::SCENARIOS;

fn share_chaos(arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_share-chaos"));
    command.args(arguments).output().unwrap()
}

#[test]
fn fixed_seeds_pass_in_every_scenario() {
    let output = share_chaos(&[
        "run",
        "--seeds",
        "1",
        "--jobs",
        "2",
        "--scenario",
        "all",
        "--json",
    ]);
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.success(), "{stderr}");
    let value: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(value["seeds"], SCENARIOS.len());
    assert_eq!(value["failed"], Value::Array(Vec::new()));
    for count in ["ops", "ambiguous", "duplicates", "applied"] {
        assert!(value[count].as_u64().unwrap() > 0, "{count}");
    }
    let faults = value["faults"].as_object().unwrap();
    assert!(faults.values().any(|count| count.as_u64().unwrap() > 0));
}

#[test]
fn a_replay_tells_the_plan_the_events_and_the_verdict() {
    let output = share_chaos(&["replay", "1", "--scenario", "quiet"]);
    let told = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success(), "{told}");
    let (first, last) = (told.lines().next().unwrap(), told.lines().last().unwrap());
    assert_eq!(first, "seed 1 of `quiet` (nothing breaks)");
    assert_eq!(last, "all promises held");
    assert!(told.contains("agent-1"), "{told}");
}

#[test]
fn a_scenario_that_does_not_exist_is_wrong_usage_and_lists_those_that_do() {
    let output = share_chaos(&["run", "--scenario", "nowhere"]);
    let told = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(2), "{told}");
    for scenario in SCENARIOS {
        assert!(told.contains(scenario.name), "{told}");
    }
}

#[cfg(not(feature = "planted"))]
#[test]
fn a_build_without_planted_bugs_says_how_to_make_one_with() {
    let output = share_chaos(&["bugs"]);
    let told = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(2), "{told}");
    assert!(told.contains("--features planted"), "{told}");
}
