//! The seeds of random tests.

/// The seeds of a run: the one of `SHARE_SEED`, else the first `count`.
pub(crate) fn seeds(count: u64) -> std::ops::Range<u64> {
    match std::env::var("SHARE_SEED") {
        Ok(seed) => {
            let seed = seed.parse().expect("SHARE_SEED is a number");
            seed..seed + 1
        }
        Err(_) => 0..count,
    }
}

/// What a failure prints.
pub(crate) fn replay(seed: u64, test: &str) -> String {
    format!("replay with: SHARE_SEED={seed} cargo test -p share-proto --test wire {test}")
}
