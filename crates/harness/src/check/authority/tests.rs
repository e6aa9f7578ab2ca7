//! Ends of authority, by hand.

use share_model::{Epoch, Right, Rights, UnixMs};

use crate::check::fixture::{Run, grant, names, share};
use crate::history::{Authority, What};

/// Agent 2 appends under grant 2, below the owner's.
fn with_grant() -> Run {
    let mut run = Run::new();
    run.granted(2, 1, Rights::of(&[Right::Read, Right::Append]), None);
    run.grant_of_agent(2, 2);
    run.put(2, 1);
    run
}

#[test]
fn what_was_applied_before_the_end_stays() {
    let mut run = with_grant();
    run.ends(Authority::Grant(grant(2)));
    run.reads();
    run.put(1, 2);
    run.finish();
    assert_eq!(run.check(), []);
}

#[test]
fn an_append_that_is_acked_after_the_end_is_found() {
    let mut run = with_grant();
    run.ends(Authority::Grant(grant(2)));
    let sent = run.sends(2, &[2]);
    run.applies(sent, &[2]);
    run.finish();
    assert_eq!(names(&run.check()), ["ended-authority"]);
}

#[test]
fn a_claim_that_holds_after_the_end_is_found() {
    let mut run = with_grant();
    run.ends(Authority::Grant(grant(2)));
    run.claims(2);
    run.finish();
    assert_eq!(names(&run.check()), ["ended-authority"]);
}

#[test]
fn an_op_that_was_under_way_and_is_applied_after_the_end_is_found() {
    let mut run = with_grant();
    let sent = run.sends(2, &[2]);
    run.ends(Authority::Grant(grant(2)));
    run.reads();
    run.applies(sent, &[2]);
    run.finish();
    assert_eq!(names(&run.check()), ["ended-authority"]);
}

#[test]
fn an_end_goes_down_to_what_hangs_below() {
    let mut run = with_grant();
    run.granted(3, 2, Rights::of(&[Right::Append]), None);
    run.grant_of_agent(2, 3);
    run.claims(2);
    run.ends(Authority::Grant(grant(2)));
    let sent = run.sends(2, &[2]);
    run.applies(sent, &[2]);
    run.finish();
    assert!(names(&run.check()).contains(&"ended-authority"));
}

#[test]
fn a_bump_ends_earlier_epochs() {
    let mut run = with_grant();
    let sent = run.sends(2, &[2]);
    run.ends(Authority::Before(Epoch::new(2)));
    run.reads();
    run.applies(sent, &[2]);
    run.finish();
    assert_eq!(names(&run.check()), ["ended-authority"]);
}

#[test]
fn an_end_outlives_a_restore() {
    let mut run = with_grant();
    run.ends(Authority::Grant(grant(2)));
    run.restored(true);
    run.reads();
    let sent = run.sends(2, &[2]);
    run.applies(sent, &[2]);
    run.finish();
    assert!(names(&run.check()).contains(&"ended-authority"));
}

#[test]
fn a_lost_journal_ends_every_grant() {
    let mut run = with_grant();
    run.push(
        "chaos",
        What::Restored {
            known: true,
            taken_at: 0,
            journal_lost: true,
        },
    );
    run.history += 1;
    run.serves();
    run.claims(2);
    run.finish();
    assert_eq!(names(&run.check()), ["ended-authority"]);
}

#[test]
fn a_grant_that_ran_out_and_one_without_the_right_are_found() {
    let mut run = Run::new();
    run.granted(2, 1, Rights::ALL, Some(UnixMs::new(10)));
    run.grant_of_agent(2, 2);
    run.put(2, 1);
    run.log[0].at = UnixMs::new(11);
    run.finish();
    assert_eq!(names(&run.check()), ["ended-authority"]);
    let mut run = Run::new();
    run.granted(2, 1, Rights::of(&[Right::Read]), None);
    run.grant_of_agent(2, 2);
    run.put(2, 1);
    run.finish();
    assert_eq!(names(&run.check()), ["right-missing"]);
}

#[test]
fn a_reader_under_an_ended_grant_is_told_nothing_new() {
    let mut run = with_grant();
    run.follow("reader", 2);
    run.ends(Authority::Grant(grant(2)));
    run.reads();
    run.put(1, 2);
    run.saw("reader", 2, run.log.clone());
    run.finish();
    assert_eq!(names(&run.check()), ["ended-authority"]);
    let mut run = with_grant();
    run.ends(Authority::Grant(grant(2)));
    run.follow("reader", 2);
    run.live("reader", 0);
    run.finish();
    assert_eq!(names(&run.check()), ["ended-authority"]);
}

#[test]
fn a_reader_without_the_right_to_read_is_told_nothing() {
    let mut run = Run::new();
    run.granted(2, 1, Rights::of(&[Right::Append]), None);
    run.put(1, 1);
    run.follow("reader", 2);
    run.saw("reader", 2, run.log.clone());
    run.finish();
    assert_eq!(names(&run.check()), ["right-missing"]);
    assert_eq!(run.check()[0].share, Some(share(1)));
}
