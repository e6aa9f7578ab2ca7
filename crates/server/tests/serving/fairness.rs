//! What floods a share, or a grant, leaves room for the others.

use capnp::ErrorKind;
use futures_util::future::join_all;
use share_model::{Ack, Batch};

use super::administrator::APPEND;
use super::client::{Client, Outcome, Writer};
use super::lane::Lane;
use super::world::{World, simulated, soon};

/// A claimed writer of a share, and its batches.
async fn writer(client: &Client, share_ref: &share_model::ShareRef, lane: &mut Lane) -> Writer {
    let (writer, claimed) = client.session(share_ref).claim(&lane.claim());
    claimed.await.unwrap().unwrap();
    writer
}

/// Appends so many batches at once, from a task of its own.
fn flood(writer: &Writer, batches: &[Batch]) -> tokio::task::JoinHandle<Vec<Outcome<Ack>>> {
    let appends: Vec<_> = batches.iter().map(|batch| writer.append(batch)).collect();
    tokio::task::spawn_local(join_all(appends))
}

#[test]
fn a_flooded_share_has_one_commit_before_anothers() {
    simulated(async || {
        let world = World::with(|options| options.limits.hub.owner.round_calls_max = 4).await;
        let (noisy, quiet) = (world.connect().await, world.connect().await);
        let (mut many, mut one) = (Lane::new(1), Lane::new(2));
        let flooding = writer(&noisy, &noisy.owner_ref(1).await, &mut many).await;
        let other = writer(&quiet, &quiet.owner_ref(2).await, &mut one).await;
        world.store.hold(true);
        let batches: Vec<_> = (0..100).map(|_| many.puts(&["a"])).collect();
        let flooded = flood(&flooding, &batches);
        soon("a commit of the flood", world.store.holds(1)).await;
        // The other's commit is before the store while 24 of the flood are not even begun.
        let appended = tokio::task::spawn_local(other.append(&one.puts(&["b"])));
        soon("a commit of the other share", world.store.holds(2)).await;
        assert!(!flooded.is_finished());
        world.store.hold(false);
        appended.await.unwrap().unwrap().unwrap();
        let outcomes = flooded.await.unwrap();
        assert!(outcomes.iter().all(|outcome| matches!(outcome, Ok(Ok(_)))));
        world.end().await;
    });
}

#[test]
fn a_commit_takes_so_many_bytes_and_the_rest_waits_for_the_next() {
    simulated(async || {
        let world = World::with(|options| options.limits.hub.owner.round_bytes_max = 2500).await;
        let client = world.connect().await;
        let share_ref = client.owner_ref(1).await;
        let mut lane = Lane::new(1);
        let writer = writer(&client, &share_ref, &mut lane).await;
        let kilobyte = |lane: &mut Lane| {
            lane.batch(vec![share_model::Mutation::Put {
                key: "a".into(),
                json: format!("\"{}\"", "x".repeat(997)).into(),
            }])
        };
        // The first is a commit of its own, and six of 1000 bytes each wait behind it.
        world.store.hold(true);
        let batches: Vec<_> = (0..7).map(|_| kilobyte(&mut lane)).collect();
        let before = world.store.commits();
        let flooded = flood(&writer, &batches);
        soon("the first commit", world.store.holds(1)).await;
        world.store.hold(false);
        let outcomes = flooded.await.unwrap();
        assert!(outcomes.iter().all(|outcome| matches!(outcome, Ok(Ok(_)))));
        assert_eq!(world.store.commits() - before, 1 + 3);
        world.end().await;
    });
}

#[test]
fn who_floods_a_share_by_one_grant_on_many_connections_leaves_room_for_another_grant() {
    simulated(async || {
        let world = World::with(|options| {
            options.limits.hub.owner.queue_calls_max = 8;
            options.limits.hub.owner.round_calls_max = 1;
        })
        .await;
        let owner = world.connect().await;
        let owner_ref = owner.owner_ref(1).await;
        let session = owner.session(&owner_ref);
        let noisy_ref = session.grant(&owner_ref, 2, APPEND).await;
        let quiet_ref = session.grant(&owner_ref, 3, APPEND).await;
        let mut lanes = [1, 2, 3].map(Lane::new);
        let clients = [
            world.connect().await,
            world.connect().await,
            world.connect().await,
        ];
        let [one, two, quiet] = &clients;
        let [first, second, third] = &mut lanes;
        let flooding = [
            writer(one, &noisy_ref, first).await,
            writer(two, &noisy_ref, second).await,
        ];
        let other = writer(quiet, &quiet_ref, third).await;
        world.store.hold(true);
        let batches: [Vec<_>; 2] =
            [first, second].map(|lane| (0..20).map(|_| lane.puts(&["a"])).collect());
        let flooded: Vec<_> = (0..2)
            .map(|at| flood(&flooding[at], &batches[at]))
            .collect();
        soon("a commit of the flood", world.store.holds(1)).await;
        let appended = tokio::task::spawn_local(other.append(&third.puts(&["b"])));
        // It has its place before the next call of the flood is refused.
        let refused = flooding[0].append(&batches[0][0]).await.unwrap_err();
        assert_eq!(refused.kind, ErrorKind::Overloaded, "{refused}");
        world.store.hold(false);
        appended.await.unwrap().unwrap().unwrap();
        for flooded in flooded {
            flooded.await.unwrap();
        }
        world.end().await;
    });
}

#[test]
fn appends_over_a_grants_rate_wait_in_order_and_another_grants_do_not() {
    simulated(async || {
        let world = World::with(|options| options.limits.hub.owner.appends_per_second = 10).await;
        let client = world.connect().await;
        let owner_ref = client.owner_ref(1).await;
        let session = client.session(&owner_ref);
        let bounded_ref = session.grant(&owner_ref, 2, APPEND).await;
        let mut lanes = [1, 2, 3].map(Lane::new);
        let [one, two, owners] = &mut lanes;
        // Two writers of one grant have one rate.
        let first = writer(&client, &bounded_ref, one).await;
        let second = writer(&client, &bounded_ref, two).await;
        let other = writer(&client, &owner_ref, owners).await;
        let clock = {
            use share_model::seam::SimulatedClock;
            SimulatedClock::starting_at(share_model::UnixMs::new(0))
        };
        let now = || share_model::seam::Clock::now(&clock).get();
        let ten: Vec<_> = (0..10).map(|_| "a").collect();
        first.append(&one.puts(&ten)).await.unwrap().unwrap();
        second.append(&two.puts(&ten)).await.unwrap().unwrap();
        assert_eq!(now(), 0, "at the limit");
        let waits = tokio::task::spawn_local(first.append(&one.puts(&["a"])));
        other.append(&owners.puts(&ten)).await.unwrap().unwrap();
        assert_eq!(now(), 0, "another grant's");
        waits.await.unwrap().unwrap().unwrap();
        assert_eq!(now(), 101);
        // What the rate has no room for within the deadline is told to come later.
        let many: Vec<_> = (0..400).map(|_| "a").collect();
        second.append(&two.puts(&many)).await.unwrap().unwrap();
        let error = first.append(&one.puts(&["a"])).await.unwrap_err();
        assert_eq!(error.kind, ErrorKind::Overloaded, "{error}");
        assert!(error.extra.contains("30000 ms"), "{error}");
        world.end().await;
    });
}
