//! Any sequence of claims, batches, repeats, gaps, forks, holes, re-queues, abandonments and bumps,
//! against an oracle that keeps everything for ever: promises 2 (exactly-once effect) and 3 (order)
//! of `docs/design.md`, and that records and checkpoints hold the whole state.
//!
//! `SHARE_SEED=7 cargo test -p share-engine --test oracle` replays one seed.

#[cfg(test)]
mod oracle {
    mod algebra;
    mod chance;
    pub(crate) mod coverage;
    mod moves;
    mod naive;
    pub(crate) mod world;
}

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

use oracle::coverage::Coverage;
use oracle::world::World;

const SEEDS: u64 = 150;
const MOVES: usize = 150;

#[expect(clippy::print_stderr, reason = "says how to replay a seed that failed")]
fn run(seed: u64) -> Coverage {
    let outcome = catch_unwind(AssertUnwindSafe(|| {
        let mut world = World::new(seed);
        for _ in 0..MOVES {
            world.step();
        }
        world.finish()
    }));
    outcome.unwrap_or_else(|panic| {
        eprintln!(
            "seed {seed} failed; replay: SHARE_SEED={seed} cargo test -p share-engine --test oracle"
        );
        resume_unwind(panic)
    })
}

#[test]
fn any_sequence_of_commands_does_what_an_oracle_says_that_keeps_everything() {
    let seed = std::env::var("SHARE_SEED").ok();
    if let Some(seed) = seed {
        run(seed.parse().expect("SHARE_SEED is a number"));
        return;
    }
    let mut coverage = Coverage::default();
    for seed in 0..SEEDS {
        coverage.add(run(seed));
    }
    coverage.assert_complete();
}
