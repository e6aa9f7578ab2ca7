//! Refusals, each by its reaction.

use std::time::Duration;

use share_client::{ClientError, FlushOptions, FlushReport};
use share_model::{Refusal, RefusalCode, RefusalDetail, Seq};

use crate::server::{Call, Fault};
use crate::world::{SHARE, World, op, op_id, op_ids, reference};

fn refuse(code: RefusalCode) -> Fault {
    Fault::Answer(ClientError::Refused(Refusal::new(code, "because")))
}

/// Flushes one op while every call of this kind gets this refusal, for a minute.
async fn flush_refused(call: Call, code: RefusalCode) -> (FlushReport, Vec<&'static str>, usize) {
    let world = World::new(1);
    world
        .server
        .borrow_mut()
        .script(call, vec![refuse(code); 1000]);
    let outbox = world.with_ops([op(1)]).await;
    let give_up_after = Some(Duration::from_secs(60));
    let options = FlushOptions {
        give_up_after,
        ..FlushOptions::default()
    };
    let report = world.flush_with(&outbox, options).await;
    let connections = world.server.borrow().connections;
    (report, world.states(&outbox).await, connections)
}

/// What a code leads to when it never goes away.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Leads {
    /// The share stands still at once; its op is kept.
    StandsAtOnce,
    /// The share stands still after a bounded number of tries; its op is kept.
    StandsInTheEnd,
    /// The share waits; its op is kept.
    Waits,
    /// The op is in doubt, the share stands still for good.
    GivesUpTheShare,
}

fn expected_at_append(code: RefusalCode) -> Leads {
    use RefusalCode as C;
    match code {
        C::NotAuthorized | C::StaleEpoch | C::Revoked | C::Expired | C::RightMissing => {
            Leads::StandsAtOnce
        }
        C::QuotaExceeded | C::VersionUnsupported => Leads::StandsAtOnce,
        C::Frozen => Leads::Waits,
        C::Gone => Leads::GivesUpTheShare,
        C::HistoryChanged | C::WriterFenced | C::WriterForked | C::AlreadySettled => {
            Leads::StandsInTheEnd
        }
        C::OutOfOrder | C::WindowExceeded | C::WritersExhausted | C::RequeueLimit => {
            Leads::StandsInTheEnd
        }
        // Also the request to abandon the op is refused here, so nothing can be done.
        C::AbandonLimit | C::KeyTooLong | C::ValueTooLarge | C::BatchTooLarge => {
            Leads::StandsInTheEnd
        }
        C::DocumentTooLarge | C::InvalidRequest => Leads::StandsInTheEnd,
        code => panic!("a code without an expectation: {}", code.name()),
    }
}

#[tokio::test(start_paused = true)]
async fn each_refusal_of_a_batch_leads_where_the_table_says_and_keeps_the_op() {
    for code in RefusalCode::ALL {
        let (report, states, connections) = flush_refused(Call::Append, *code).await;
        let stopped = report.stopped.first().map(|stopped| stopped.stop.code);
        let end = match (stopped, states[0]) {
            (Some(_), "in-doubt") => Leads::GivesUpTheShare,
            (Some(_), _) if connections == 1 => Leads::StandsAtOnce,
            (Some(_), _) => Leads::StandsInTheEnd,
            (None, _) => Leads::Waits,
        };
        assert_eq!(end, expected_at_append(*code), "{}", code.name());
        assert!(
            connections <= 20,
            "{}: {connections} connections",
            code.name()
        );
        if end != Leads::Waits {
            assert_eq!(stopped, Some(*code));
        }
        if end != Leads::GivesUpTheShare {
            assert_eq!(report.pending, 1, "{}", code.name());
        }
    }
}

/// A claim says what is so: its refusal is never mended by asking again the same way.
#[tokio::test(start_paused = true)]
async fn a_refused_claim_stands_still_at_once() {
    use RefusalCode as C;
    for code in [C::RightMissing, C::InvalidRequest] {
        let (report, states, connections) = flush_refused(Call::Claim, code).await;
        assert_eq!(report.stopped[0].stop.code, code);
        assert_eq!((states[0], connections), ("sent", 1), "{}", code.name());
    }
}

/// A server that says so of every lane is asked for a few, not for ever.
#[tokio::test(start_paused = true)]
async fn a_lane_that_is_always_lost_stands_still_in_the_end() {
    for code in [RefusalCode::HistoryChanged, RefusalCode::WriterFenced] {
        let (report, states, connections) = flush_refused(Call::Claim, code).await;
        assert_eq!(report.stopped[0].stop.code, code);
        assert_eq!((states.len(), report.pending), (1, 1), "{}", code.name());
        assert!((2..=20).contains(&connections), "{connections}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_frozen_share_goes_on_when_it_is_unfrozen() {
    let world = World::new(1);
    let frozen = vec![refuse(RefusalCode::Frozen); 3];
    world.server.borrow_mut().script(Call::Claim, frozen);
    let outbox = world.with_ops([op(1)]).await;
    let report = world.flush(&outbox).await;
    assert_eq!(
        (report.progress.applied, report.progress.connections),
        (1, 4)
    );
}

/// However often it is asked, and answers: as with a server that is away.
#[tokio::test(start_paused = true)]
async fn a_share_that_stays_frozen_holds_a_flush_up_no_longer_than_it_has_patience() {
    for seed in 1..=20 {
        let world = World::new(seed);
        let frozen = vec![refuse(RefusalCode::Frozen); 1000];
        world.server.borrow_mut().script(Call::Claim, frozen);
        let outbox = world.with_ops([op(1)]).await;
        let began = tokio::time::Instant::now();
        let options = FlushOptions {
            give_up_after: Some(Duration::from_secs(20)),
            ..FlushOptions::default()
        };
        let report = world.flush_with(&outbox, options).await;
        let waited = began.elapsed();
        assert!(waited < Duration::from_secs(22), "seed {seed}: {waited:?}");
        let refused = ClientError::Refused(Refusal::new(RefusalCode::Frozen, "because"));
        assert_eq!(report.blocked[0].error, refused);
        assert_eq!((report.pending, report.stopped), (1, Vec::new()));
    }
}

/// A freeze that comes in the middle of a stream: what was in flight is sent again, and applied once.
#[tokio::test(start_paused = true)]
async fn a_share_that_is_frozen_between_two_batches_goes_on_where_it_was() {
    let mut world = World::new(1);
    world.options.batch_ops_max = Some(1);
    let (none, frozen) = (Fault::None, refuse(RefusalCode::Frozen));
    let script = [none, frozen.clone(), frozen.clone(), frozen];
    world.server.borrow_mut().script(Call::Append, script);
    let outbox = world.with_ops((1..=3).map(op)).await;
    let report = world.flush(&outbox).await;
    assert_eq!((report.progress.applied, report.pending), (3, 0));
    assert_eq!(world.server.borrow().log, op_ids(1..=3));
}

/// A share that was deleted takes nothing any more: nobody asks for it again, whatever ref comes.
#[tokio::test(start_paused = true)]
async fn of_a_share_that_is_gone_the_ops_are_in_doubt_and_no_newer_ref_brings_it_back() {
    for call in [Call::Redeem, Call::Claim, Call::Append] {
        let world = World::new(1);
        let gone = [refuse(RefusalCode::Gone)];
        world.server.borrow_mut().script(call, gone);
        let outbox = world.with_ops((1..=2).map(op)).await;
        let report = world.flush(&outbox).await;
        assert_eq!(report.stopped[0].stop.code, RefusalCode::Gone, "{call:?}");
        assert_eq!(world.states(&outbox).await, ["in-doubt"; 2], "{call:?}");

        outbox.use_ref(reference(2, 8)).await.unwrap();
        let report = world.flush(&outbox).await;
        assert_eq!(report.stopped[0].stop.code, RefusalCode::Gone, "{call:?}");
        assert_eq!(world.states(&outbox).await, ["in-doubt"; 2], "{call:?}");
        assert_eq!(world.server.borrow().connections, 1, "{call:?}");
        assert!(outbox.enqueue(SHARE, op(3)).await.is_err(), "{call:?}");
    }
}

/// An owner who rotates hands out a new ref: the replay goes on with it, and nothing is lost.
#[tokio::test(start_paused = true)]
async fn a_share_whose_grant_was_revoked_goes_on_with_a_newer_ref() {
    for code in [
        RefusalCode::Revoked,
        RefusalCode::StaleEpoch,
        RefusalCode::Expired,
    ] {
        let world = World::new(1);
        world
            .server
            .borrow_mut()
            .script(Call::Redeem, [refuse(code)]);
        let outbox = world.with_ops((1..=2).map(op)).await;
        let report = world.flush(&outbox).await;
        assert_eq!((report.stopped[0].stop.code, report.pending), (code, 2));

        outbox.use_ref(reference(2, 8)).await.unwrap();
        let report = world.flush(&outbox).await;
        assert_eq!((report.progress.applied, report.pending), (2, 0));
        assert_eq!(world.server.borrow().log, op_ids(1..=2));
    }
}

#[tokio::test(start_paused = true)]
async fn a_gap_is_mended_by_claiming_again() {
    let world = World::new(1);
    world
        .server
        .borrow_mut()
        .script(Call::Append, [refuse(RefusalCode::OutOfOrder)]);
    let outbox = world.with_ops([op(1)]).await;
    let report = world.flush(&outbox).await;
    assert_eq!(
        (report.progress.applied, report.progress.connections),
        (1, 2)
    );
}

#[tokio::test(start_paused = true)]
async fn an_op_that_poisons_its_batch_is_found_and_abandoned_alone() {
    let world = World::new(1);
    let poison = Refusal::new(RefusalCode::InvalidRequest, "`op.x` is malformed");
    world.server.borrow_mut().poison.insert(op_id(3), poison);
    let outbox = world.with_ops((1..=5).map(op)).await;
    let report = world.flush(&outbox).await;
    assert_eq!((report.progress.applied, report.progress.rejected), (4, 1));
    assert_eq!(world.server.borrow().log, op_ids([1, 2, 4, 5]));
    let rows = world.rows(&outbox).await;
    assert_eq!(rows[2].state.name(), "dead-letter");
    assert_eq!(
        rows[2].error.as_deref(),
        Some("`op.x` is malformed (invalidRequest)")
    );
}

#[tokio::test(start_paused = true)]
async fn an_op_that_a_refusal_names_is_abandoned_and_its_batch_goes_on() {
    let world = World::new(1);
    let detail = RefusalDetail::Limit {
        seq: Seq::new(2),
        actual: 9,
        max: 8,
    };
    let poison = Refusal::new(RefusalCode::ValueTooLarge, "too large").with_detail(detail);
    world.server.borrow_mut().poison.insert(op_id(2), poison);
    let outbox = world.with_ops((1..=4).map(op)).await;
    let report = world.flush(&outbox).await;
    assert_eq!((report.progress.applied, report.progress.rejected), (3, 1));
    // The refused batch, seq 1, the abandoned seq 2, and the rest: nothing was tried one by one.
    assert_eq!(world.server.borrow().arrived.len(), 4);
    assert_eq!(world.server.borrow().log, op_ids([1, 3, 4]));
}

#[tokio::test(start_paused = true)]
async fn a_batch_too_large_for_the_servers_limits_is_cut_again_by_them() {
    let world = World::new(1);
    world.server.borrow_mut().limits.batch_ops_max = 2;
    let outbox = world.with_ops((1..=5).map(op)).await;
    let report = world.flush(&outbox).await;
    assert_eq!((report.progress.applied, report.progress.rejected), (5, 0));
    let sizes: Vec<usize> = world
        .server
        .borrow()
        .arrived
        .iter()
        .map(|arrived| arrived.batch.entries.len())
        .collect();
    assert_eq!(sizes, [5, 2, 2, 1]);
}

#[tokio::test(start_paused = true)]
async fn the_window_is_never_overrun_and_bounds_how_long_a_rejected_op_is_tried() {
    let mut world = World::new(1);
    world.options.limits.window = 10;
    world.options.batch_ops_max = Some(4);
    world.options.retry.attempts_max = u32::MAX;
    world.server.borrow_mut().limits.window = 10;
    let missing = share_model::RejectReason::InvalidMutation(share_model::MutationError::KeyAbsent);
    world
        .server
        .borrow_mut()
        .rejections
        .insert(op_id(1), vec![missing; 1000].into());
    let outbox = world.with_ops((1..=40).map(op)).await;
    let report = world.flush(&outbox).await;
    assert_eq!((report.progress.applied, report.progress.rejected), (39, 1));
    assert_eq!(
        report.progress.connections, 1,
        "no batch was refused for the window"
    );
}
