//! The append protocol of `docs/design.md` §3: the real engine as the server, and a model client
//! that follows the page, over a network that loses, delays and cuts. Copies of outboxes, restores
//! from backup, abandonment, pruning, retirement: every interleaving within small scopes, and random
//! long runs.
//!
//! * `SHARE_SEED=7 cargo test -p share-engine --test protocol random` replays one seed;
//! * `SHARE_DEEP=1 cargo test --release -p share-engine --test protocol` looks deeper, for hours.

#[cfg(test)]
mod protocol {
    mod drain;
    mod events;
    pub(crate) mod explore;
    mod network;
    mod outbox;
    mod reaction;
    pub(crate) mod rules;
    pub(crate) mod scope;
    pub(crate) mod scopes;
    mod server;
    mod serving;
    mod world;
}

use protocol::explore::{Found, exhaustive, random, shrink};
use protocol::rules::{Feed, Rules, Signs, Was};
use protocol::scope::Scope;
use protocol::scopes;

const STATES_MAX: usize = 200_000;
const SEEDS: u64 = 300;
/// What a wrong client must be caught within.
const SEEDS_MAX: u64 = 3000;

/// Explores a scope to its end; with `SHARE_DEEP` one with more in it.
#[expect(
    clippy::print_stderr,
    reason = "says how much was seen, and what broke"
)]
#[track_caller]
fn every_interleaving(name: &str, scope: Scope) {
    let is_deep = std::env::var_os("SHARE_DEEP").is_some();
    let (scope, states_max) = if is_deep {
        let ops = scope.ops + 1;
        let kills = scope.kills + 1;
        (
            Scope {
                ops,
                kills,
                ..scope
            },
            usize::MAX,
        )
    } else {
        (scope, STATES_MAX)
    };
    let explored = exhaustive(Rules::ALL, scope, states_max);
    let (states, steps) = (explored.states, explored.steps);
    eprintln!(
        "{name}: {states} states, {steps} steps, exhausted: {}",
        explored.is_exhausted
    );
    assert!(explored.found.is_none(), "{name}: {:#?}", explored.found);
    assert!(explored.is_exhausted, "{name}: more than {states} states");
}

macro_rules! interleavings {
    ($($test:ident: $scope:ident,)*) => {$(
        #[test]
        fn $test() {
            every_interleaving(stringify!($scope), scopes::$scope);
        }
    )*};
}

interleavings! {
    whatever_is_lost_each_op_is_applied_once_and_in_order: LOSSES,
    whenever_the_server_dies_what_it_acked_stays: SERVER_DIES,
    two_copies_of_an_outbox_converge: COPY,
    two_copies_of_an_outbox_converge_over_lost_connections: COPY_AND_LOSS,
    three_copies_of_an_outbox_converge: THREE_COPIES,
    after_two_restores_all_that_was_acked_is_back_once: TWO_RESTORES,
    copies_converge_after_a_restore: COPY_AND_RESTORE,
    a_hole_filled_after_the_backup_is_filled_again: LATE_HOLE,
    a_server_that_went_back_without_saying_so_is_found_out: KEPT_HISTORY,
    an_ack_without_its_claims_answer_does_not_count: LOSS_AND_RESTORE,
    what_was_pruned_is_all_that_a_restore_may_lose: PRUNED,
    what_is_given_up_is_applied_or_a_dead_letter_and_never_both: ABANDONED,
    what_one_copy_gives_up_no_other_brings_back: COPY_AND_ABANDONED,
    a_group_is_applied_as_a_whole_or_not_at_all: GROUPS,
    a_group_that_copies_hold_is_decided_once: COPIED_GROUP,
    dependencies_across_outboxes_are_applied_before: DEPENDENCIES,
    a_bump_loses_nothing_and_doubles_nothing: BUMP,
    retired_writers_come_back_without_losing_their_lane: RETIRED,
}

#[track_caller]
fn fail(name: &str, seed: u64, scope: Scope, found: Found) -> ! {
    let found = shrink(Rules::ALL, scope, found);
    panic!(
        "{name}: seed {seed} failed; replay: SHARE_SEED={seed} cargo test -p share-engine --test \
         protocol random\n{found:#?}"
    );
}

#[test]
fn random_long_runs_keep_every_promise() {
    let seed = std::env::var("SHARE_SEED").ok();
    let seed: Option<u64> = seed.map(|seed| seed.parse().expect("SHARE_SEED is a number"));
    let is_deep = std::env::var_os("SHARE_DEEP").is_some();
    let seeds = match seed {
        Some(seed) => seed..seed + 1,
        None if is_deep => 0..1_000_000,
        None => 0..SEEDS,
    };
    for (name, scope) in scopes::RANDOM {
        for seed in seeds.clone() {
            if let Some(found) = random(Rules::ALL, *scope, seed) {
                fail(name, seed, *scope, found);
            }
        }
    }
}

/// A rule that is left out breaks a promise that the check finds.
#[expect(clippy::print_stderr, reason = "shows the trap")]
#[track_caller]
fn caught(kinds: &[&str], found: Option<Found>) {
    let found = found.expect("a client without this rule breaks nothing");
    eprintln!("{found:?}");
    assert!(kinds.contains(&found.violation.kind), "{found:?}");
}

#[track_caller]
fn caught_in_every(kinds: &[&str], scope: Scope, rules: Rules) {
    caught(kinds, exhaustive(rules, scope, STATES_MAX).found);
}

#[track_caller]
fn caught_at_random(kinds: &[&str], scope: Scope, rules: Rules) {
    let mut seeds = 0..SEEDS_MAX;
    let found = seeds.find_map(|seed| random(rules, scope, seed));
    caught(kinds, found.map(|found| shrink(rules, scope, found)));
}

macro_rules! wrong_clients {
    ($($test:ident: $field:ident = $value:expr, $how:ident($kinds:expr, $scope:ident);)*) => {$(
        #[test]
        fn $test() {
            let rules = Rules { $field: $value, ..Rules::ALL };
            $how($kinds, scopes::$scope, rules);
        }
    )*};
}

const MIXED: &[&str] = &["MIXED-LANE", "ORDER"];

wrong_clients! {
    without_an_appender_that_ends_two_copies_mix_their_ops_in_one_lane:
        refusal_ends_appender = false, caught_at_random(MIXED, LONG_COPIES);
    without_the_claims_answer_first_an_ack_is_believed_that_a_restore_took:
        claim_answer_first = false,
        caught_at_random(&["ACKED-LOST", "MIXED-LANE", "DEAD-BUT-APPLIED"], LONG_PRUNED);
    without_ignoring_connections_that_were_left_a_lane_is_given_up_for_nothing:
        ignore_left = false, caught_in_every(&["REQUEUED-WITHOUT-CAUSE"], SERVER_DIES);
    without_the_history_in_a_claim_batches_enter_a_lane_that_went_back:
        claim_names_history = false,
        caught_at_random(&["REQUEUED-WITHOUT-CAUSE"], LONG_RESTORES);
    without_a_stored_nonce_an_outbox_fences_itself:
        nonce_is_stored = false, caught_in_every(&["REQUEUED-WITHOUT-CAUSE"], LOSSES);
    without_a_claim_after_a_fenced_append_a_retired_writer_gives_its_lane_up:
        fenced_append_claims = false, caught_in_every(&["REQUEUED-WITHOUT-CAUSE"], RETIRED);
    a_requeue_that_names_its_latest_lane_is_applied_twice:
        was = Was::Latest,
        caught_at_random(&["TWICE", "ABANDONED-THOUGH-APPLIED"], LONG_ANYTHING);
    a_requeue_that_names_nothing_is_applied_twice:
        was = Was::Nothing, caught_in_every(&["TWICE"], COPY);
    a_dead_letter_without_the_servers_word_may_be_applied:
        abandon_by_request = false,
        caught_in_every(&["DEAD-BUT-APPLIED", "REQUEUED-WITHOUT-CAUSE"], ABANDONED);
    a_retry_of_a_whole_batch_finds_its_ops_settled:
        retry_alone = false, caught_in_every(&["REQUEUED-WITHOUT-CAUSE"], ABANDONED);
    feeding_only_beyond_highest_loses_a_hole_filled_after_the_backup:
        feed = Feed::AboveHighest, caught_in_every(&["ACKED-LOST"], LATE_HOLE);
    dead_letters_that_are_not_given_up_again_may_be_applied_after_a_restore:
        abandon_again = false, caught_in_every(&["DEAD-BUT-APPLIED"], LATE_DEAD_LETTER);
    without_rows_of_earlier_lanes_a_restore_loses_what_was_acked:
        earlier_lanes_too = false, caught_at_random(&["ACKED-LOST"], LONG_PRUNED);
    without_comparing_what_was_pruned_a_lane_is_stuck_after_a_restore:
        compare_pruned = false, caught_in_every(&["STUCK"], PRUNED);
    signs_by_what_is_settled_miss_a_server_that_went_back:
        signs = Signs::Settled, caught_at_random(&["STUCK", "ACKED-LOST"], LONG_KEPT_HISTORY);
    without_signs_a_server_that_went_back_is_not_found_out:
        signs = Signs::Ignored, caught_in_every(&["STUCK"], KEPT_HISTORY);
}
