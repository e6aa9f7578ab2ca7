//! Bounds of waiting calls and of what a connection holds.

use capnp::ErrorKind;
use futures_util::future::join_all;
use share_model::OpOutcome;

use super::lane::Lane;
use super::world::{World, simulated};

#[test]
fn a_full_queue_is_overload_and_a_replay_gets_through_once() {
    simulated(async || {
        let world = World::with(|options| {
            options.limits.hub.owner.queue_calls_max = 4;
            options.limits.hub.owner.round_calls_max = 2;
        })
        .await;
        let client = world.connect().await;
        let share_ref = client.owner_ref(1).await;
        let mut lane = Lane::new(1);
        let (writer, claimed) = client.session(&share_ref).claim(&lane.claim());
        claimed.await.unwrap().unwrap();
        world.store.hold(true);
        let batches: Vec<_> = (0..20).map(|_| lane.puts(&["a"])).collect();
        let appends = join_all(batches.iter().map(|batch| writer.append(batch)));
        let mut appends = Box::pin(appends);
        tokio::select! {
            biased;
            _ = &mut appends => panic!("acked while commits are held"),
            () = world.store.holds_one() => {}
        }
        world.store.hold(false);
        let outcomes = appends.await;
        let overloaded = outcomes
            .iter()
            .filter(|outcome| matches!(outcome, Err(error) if error.kind == ErrorKind::Overloaded));
        assert!(overloaded.count() >= 20 - 4 - 2, "{outcomes:?}");
        assert!(outcomes.iter().any(|outcome| matches!(outcome, Ok(Ok(_)))));
        // As a client does it: what has no answer is sent again, in order.
        let (writer, _claimed) = client.session(&share_ref).claim(&lane.claim_again());
        for (cursor, batch) in (1..).zip(&batches) {
            let ack = writer.append(batch).await.unwrap().unwrap();
            let outcome = &ack.outcomes[0];
            assert_eq!(
                outcome.cursor().map(share_model::Cursor::get),
                Some(cursor),
                "{outcome:?}"
            );
            assert!(matches!(
                outcome,
                OpOutcome::Applied(_) | OpOutcome::Duplicate(_)
            ));
        }
        world.end().await;
    });
}

#[test]
fn batches_that_wait_are_bounded_in_bytes() {
    simulated(async || {
        let world = World::with(|options| {
            options.limits.hub.owner.queue_bytes_max = 100 << 10;
        })
        .await;
        let client = world.connect().await;
        let share_ref = client.owner_ref(1).await;
        let mut lane = Lane::new(1);
        let (writer, claimed) = client.session(&share_ref).claim(&lane.claim());
        claimed.await.unwrap().unwrap();
        let large = |lane: &mut Lane| {
            lane.batch(vec![share_model::Mutation::Put {
                key: "a".into(),
                json: format!("\"{}\"", "x".repeat(60 << 10)).into(),
            }])
        };
        world.store.hold(true);
        let (one, two) = (large(&mut lane), large(&mut lane));
        let (first, second) = (writer.append(&one), writer.append(&two));
        let error = second.await.unwrap_err();
        assert_eq!(error.kind, ErrorKind::Overloaded, "{error}");
        assert!(error.extra.contains("bytes"), "{error}");
        world.store.hold(false);
        first.await.unwrap().unwrap();
        writer.append(&two).await.unwrap().unwrap();
        world.end().await;
    });
}

#[test]
fn sessions_of_a_connection_are_bounded_and_dropping_one_makes_room() {
    simulated(async || {
        let world = World::with(|options| options.limits.rpc.sessions_max = 2).await;
        let client = world.connect().await;
        let share_ref = client.owner_ref(1).await;
        let (one, first) = client.redeem(&share_ref);
        let (_two, second) = client.redeem(&share_ref);
        first.await.unwrap().unwrap();
        second.await.unwrap().unwrap();
        let error = client.redeemed(&share_ref).await.unwrap_err();
        assert_eq!(error.kind, ErrorKind::Overloaded, "{error}");
        assert!(error.extra.contains("2 are held"), "{error}");
        drop(one);
        client.redeemed(&share_ref).await.unwrap().unwrap();
        world.end().await;
    });
}

#[test]
fn a_method_without_an_outcome_in_time_is_overload() {
    simulated(async || {
        let world = World::start().await;
        let client = world.connect().await;
        let share_ref = client.owner_ref(1).await;
        let mut lane = Lane::new(1);
        let (writer, claimed) = client.session(&share_ref).claim(&lane.claim());
        claimed.await.unwrap().unwrap();
        world.store.hold(true);
        let batch = lane.puts(&["a"]);
        let error = writer.append(&batch).await.unwrap_err();
        assert_eq!(error.kind, ErrorKind::Overloaded, "{error}");
        assert!(error.extra.contains("30000 ms"), "{error}");
        world.store.hold(false);
        let ack = writer.append(&batch).await.unwrap().unwrap();
        assert!(
            matches!(ack.outcomes[0], OpOutcome::Duplicate(_)),
            "{ack:?}"
        );
        world.end().await;
    });
}

#[test]
fn a_connection_too_many_is_closed() {
    simulated(async || {
        let world = World::with(|options| options.limits.connections_max = 1).await;
        let client = world.connect().await;
        let share_ref = client.owner_ref(1).await;
        let other = world.connect().await;
        assert!(other.redeemed(&share_ref).await.is_err());
        client.redeemed(&share_ref).await.unwrap().unwrap();
        world.end().await;
    });
}
