//! The build with planted bugs holds them, and catches the plainest ones.

#![cfg(feature = "planted")]

use std::fs;
use std::path::Path;

use share_harness::bugs::{self, PLANTED};
use share_harness::worker::Worker;

const BINARY: &str = env!("CARGO_BIN_EXE_share-chaos");

#[test]
fn the_binary_with_planted_bugs_holds_their_names() {
    let binary = fs::read(BINARY).unwrap();
    let text = String::from_utf8_lossy(&binary);
    for (name, _) in PLANTED {
        assert!(text.contains(name), "{name}");
    }
}

#[test]
fn a_bug_that_any_run_shows_is_caught_and_an_honest_run_of_its_seed_passes() {
    let mut worker = Worker::new(Path::new(BINARY));
    let name = "rejected-taken-as-applied";
    let hunt = bugs::hunt(&mut worker, name, bugs::home(name), 5);
    assert!(hunt.caught.is_some(), "{hunt:?}");
    assert!(hunt.reached > 0, "{hunt:?}");
}
