//! The memory of a share's ledger stays within its bound, whatever its writers do: by a counting
//! allocator, which counts a whole process. So this is the only test in it.
//!
//! Ten million ops take half a minute, since the engine is built with optimisations for tests too;
//! `SHARE_OPS=400000 cargo test -p share-engine --test memory` sends fewer.

#[cfg(test)]
mod bounds {
    pub(crate) mod share;
    pub(crate) mod writer;
}

use bounds::share::Share;
use bounds::writer::{ROUND, Writer};
use peak_alloc::PeakAlloc;
use share_model::Limits;

#[global_allocator]
static HEAP: PeakAlloc = PeakAlloc;

const LIFETIMES: u64 = 1024;
const AT_ONCE: u64 = 64;

/// Small enough that a ledger which kept everything would be far above the bound.
const LIMITS: Limits = Limits {
    window: 1024,
    abandoned_max: 16,
    remembered_max: 4096,
    retired_writers_max: 1024,
    ..Limits::DEFAULT
};

/// The bound that `ledger.rs` states, for a share whose origins have a few bytes.
fn ledger_bytes_max(limits: &Limits) -> u64 {
    let open = u64::from(limits.open_writers_max);
    let lanes = open + u64::from(limits.retired_writers_max);
    let (window, abandoned) = (u64::from(limits.window), u64::from(limits.abandoned_max));
    open * window * 64 + lanes * (512 + abandoned * 64) + u64::from(limits.remembered_max) * 160
}

/// Promise 2: nothing is evicted, so what is kept must be bounded by admission.
#[test]
fn the_ledgers_memory_stays_below_its_bound_through_a_thousand_writers() {
    let ops = std::env::var("SHARE_OPS").ok();
    let ops: u64 = ops.map_or(10_000_000, |ops| {
        ops.parse().expect("SHARE_OPS is a number")
    });
    let rounds = ops.div_ceil(LIFETIMES * ROUND);
    let before = HEAP.current_usage();
    let mut share = Share::new(LIMITS);
    let mut peak = 0;
    for wave in 0..LIFETIMES / AT_ONCE {
        let numbers = wave * AT_ONCE..(wave + 1) * AT_ONCE;
        let mut writers: Vec<_> = numbers.map(|n| Writer::new(&mut share, n)).collect();
        for _ in 0..rounds {
            for writer in &mut writers {
                writer.round(&mut share);
            }
            let kept = HEAP.current_usage() - before;
            peak = peak.max(kept);
            let bound = ledger_bytes_max(&LIMITS);
            assert!(
                (kept as u64) < bound,
                "{kept} bytes are kept, bound is {bound}"
            );
        }
        for writer in &mut writers {
            writer.finish(&mut share);
        }
    }
    assert_eq!(share.writers(), (LIFETIMES, LIFETIMES - AT_ONCE));
    assert_eq!(share.applied, share.state.cursor().get());
    assert!(share.state.cursor().get() >= ops - LIFETIMES * u64::from(LIMITS.abandoned_max));
    assert!(share.remembered > 0 && share.abandoned == LIFETIMES * 16);
    let bound = ledger_bytes_max(&LIMITS);
    eprintln!("{ops} ops: at most {peak} bytes were kept, bound is {bound}");
}
