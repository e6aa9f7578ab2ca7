//! A share's ledger stays within its bound, whatever its writers do: memory by a counting allocator,
//! and the defaults of `docs/design.md` §3 at the limit and one past it.
//!
//! Ten million ops take half a minute, since the engine is built with optimisations for tests too;
//! `SHARE_OPS=400000 cargo test -p share-engine --test bounds` sends fewer.

#[cfg(test)]
mod bounds {
    pub(crate) mod share;
    pub(crate) mod writer;
}

use bounds::share::{Share, child, outbox};
use bounds::writer::{ROUND, Writer};
use peak_alloc::PeakAlloc;
use share_model::{Limits, RefusalCode};

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
    assert_eq!(share.applied(), share.state.cursor().get());
    assert!(share.state.cursor().get() >= ops - LIFETIMES * u64::from(LIMITS.abandoned_max));
    assert!(share.remembered > 0 && share.abandoned == LIFETIMES * 16);
    let bound = ledger_bytes_max(&LIMITS);
    eprintln!("{ops} ops: at most {peak} bytes were kept, bound is {bound}");
}

#[test]
fn of_open_writers_with_unsettled_ops_the_64th_is_let_in_and_the_65th_is_not() {
    let mut share = Share::new(Limits::DEFAULT);
    for n in 0..64 {
        share.open(&share.owner.clone(), n).unwrap();
    }
    let refused = share.open(&share.owner.clone(), 64).unwrap_err();
    assert_eq!(refused.code, RefusalCode::WritersExhausted);
}

#[test]
fn of_open_writers_below_one_grant_the_8th_is_let_in_and_the_9th_is_not() {
    let mut share = Share::new(Limits::DEFAULT);
    let child = child(&mut share, 2);
    for n in 0..8 {
        share.open(&child, n).unwrap();
    }
    let refused = share.open(&child, 8).unwrap_err();
    assert_eq!(refused.code, RefusalCode::WritersExhausted);
    share.open(&share.owner.clone(), 8).unwrap();
}

#[test]
fn of_retired_writers_4096_are_kept_and_no_further_one_can_be_retired() {
    let mut share = Share::new(Limits {
        open_writers_max: 1,
        ..Limits::DEFAULT
    });
    for n in 0..4097 {
        share.open_and_settle(n);
    }
    assert_eq!(share.writers(), (4097, 4096));
    let refused = share.open(&share.owner.clone(), 4097).unwrap_err();
    assert_eq!(refused.code, RefusalCode::WritersExhausted);
    // Each of them may still come back: it changes places with the one that is open.
    share.claim(&share.owner.clone(), outbox(0)).unwrap();
    assert_eq!(share.writers(), (4097, 4096));
}

#[test]
fn of_seqs_above_the_floor_4096_are_let_in_and_the_4097th_is_not() {
    let mut share = Share::new(Limits::DEFAULT);
    let mut writer = share.claim(&share.owner.clone(), outbox(0)).unwrap();
    for at in 0..4 {
        share.put(&mut writer, (0, at * 1024 + 1, 1024)).unwrap();
    }
    let refused = share.put(&mut writer.clone(), (0, 4097, 1)).unwrap_err();
    assert_eq!(refused.code, RefusalCode::WindowExceeded);
    share.put(&mut writer, (1, 4097, 1)).unwrap();
}

/// A requeue is answered from the log where the first lane's writer was retired.
#[test]
fn a_requeue_from_a_retired_writers_lane_is_answered_from_the_log() {
    let mut share = Share::new(Limits {
        open_writers_max: 1,
        ..Limits::DEFAULT
    });
    share.open_and_settle(0);
    let mut second = share.claim(&share.owner.clone(), outbox(1)).unwrap();
    assert_eq!(share.writers(), (1, 1));
    let asked = share.requeue_first(&mut second, 0);
    assert_eq!(asked, (vec![(1, 1)], true), "one lookup, and a duplicate");
}
