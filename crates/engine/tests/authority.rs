//! Authority over long random lives of a share, against an oracle of a few lines: attenuation never
//! widens, what has ended never comes back, and nothing is applied under it.

#[cfg(test)]
mod authority {
    pub(crate) mod life;
    mod oracle;
}

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

use authority::life::Life;

const STEPS: u32 = 400;

/// A fixed set of seeds, or the one that is asked for.
fn seeds() -> Vec<u64> {
    match std::env::var("SHARE_SEED") {
        Ok(seed) => vec![seed.parse().expect("SHARE_SEED is a number")],
        Err(_) => (0..60).collect(),
    }
}

#[test]
fn no_chain_of_attenuations_widens_and_nothing_ended_comes_back() {
    let mut refused = 0;
    for seed in seeds() {
        let lived = catch_unwind(AssertUnwindSafe(|| {
            let mut life = Life::begin(seed);
            (0..STEPS).for_each(|_| life.step());
            life.refusals()
        }));
        refused += lived.unwrap_or_else(|panic| {
            eprintln!("replay: SHARE_SEED={seed} cargo test -p share-engine --test authority");
            resume_unwind(panic)
        });
    }
    assert!(refused > 100, "{refused} refusals: the runs show little");
}
