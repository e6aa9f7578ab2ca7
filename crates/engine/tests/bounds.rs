//! The defaults of `docs/design.md` §3, each at the limit and one past it.

#[cfg(test)]
mod bounds {
    pub(crate) mod edges;
    pub(crate) mod share;
}

use bounds::edges::child;
use bounds::share::{Share, outbox};
use share_model::{Limits, RefusalCode};

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
