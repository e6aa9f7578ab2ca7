//! One seed is one run. By itself in its process: SQLite's randomness is one for all of it.

use share_harness::sim::SCENARIOS;
use share_harness::verdict::play;

#[test]
fn a_seed_gives_the_same_bytes_twice_and_another_one_gives_others() {
    let swarm = &SCENARIOS[0];
    // With 3, an outbox can't be opened: the error that is traced names a file of the run's folder.
    for seed in 1..=3 {
        let (first, second) = (play(seed, swarm), play(seed, swarm));
        assert!(first.run.trace.len() > 1000, "{}", first.run.trace);
        let mut lines = first.run.trace.lines().zip(second.run.trace.lines());
        let differing = lines.find(|(one, other)| one != other);
        assert_eq!(differing, None, "seed {seed}");
        assert_eq!(first.run.trace.len(), second.run.trace.len(), "seed {seed}");
        assert_eq!(first.verdict, second.verdict, "seed {seed}");
    }
    assert_ne!(play(1, swarm).run.trace, play(2, swarm).run.trace);
}
