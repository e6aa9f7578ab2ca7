//! Bounds of a connection, a share and the server: each at the limit, and one past it. Which there
//! are is in `docs/limits.md`.

use std::time::Duration;

use capnp::{Error, ErrorKind};
use share_model::{Bumped, LogPosition, Refusal, RefusalCode};
use share_proto::share_capnp::share_session;
use share_proto::wire;

use super::administrator::{READ, attenuation};
use super::client::{Client, Outcome, bump, creation};
use super::lane::Lane;
use super::reader::Reader;
use super::world::{World, simulated, soon};

#[track_caller]
fn assert_overloaded<T>(told: Result<T, Error>, what: &str) {
    let Err(error) = told else {
        panic!("it was answered: {what}");
    };
    assert_eq!(error.kind, ErrorKind::Overloaded, "{error}");
    assert!(error.extra.contains(what), "{error}");
}

#[test]
fn of_calls_in_flight_of_a_connection_the_3rd_is_let_in_and_the_4th_is_told_to_come_later() {
    simulated(async || {
        let world = World::with(|options| options.limits.rpc.calls_max = 3).await;
        let client = world.connect().await;
        let share_ref = client.owner_ref(1).await;
        let mut lane = Lane::new(1);
        let session = client.session(&share_ref);
        let (writer, claimed) = session.claim(&lane.claim());
        claimed.await.unwrap().unwrap();
        world.store.hold(true);
        let batches = [0; 3].map(|_| lane.puts(&["a"]));
        let appends = batches.each_ref().map(|batch| writer.append(batch));
        let writers = session.writers().await;
        assert_overloaded(writers, "calls in flight of a connection: 3 are held");
        world.store.hold(false);
        for append in appends {
            append.await.unwrap().unwrap();
        }
        session.writers().await.unwrap().unwrap();
        world.end().await;
    });
}

#[test]
fn of_subscriptions_of_a_connection_the_2nd_is_let_in_and_the_3rd_is_refused() {
    simulated(async || {
        let world = World::with(|options| options.limits.rpc.subscriptions_max = 2).await;
        let client = world.connect().await;
        let session = client.session(&client.owner_ref(1).await);
        let from = LogPosition::default();
        let mut held = Vec::new();
        for _ in 0..2 {
            let (_reader, sink) = Reader::at(0);
            held.push(session.subscribe(&from, sink).await.unwrap().unwrap());
        }
        let refused = session.subscribe(&from, Reader::at(0).1).await.unwrap();
        assert_eq!(
            refused.map(drop).unwrap_err().code,
            RefusalCode::QuotaExceeded
        );
        held.clear();
        let freed = async {
            // It ends when the server has heard of it.
            while session
                .subscribe(&from, Reader::at(0).1)
                .await
                .unwrap()
                .is_err()
            {}
        };
        soon("room for a subscription", freed).await;
        world.end().await;
    });
}

#[test]
fn of_subscriptions_of_a_share_the_2nd_is_let_in_and_the_3rd_is_refused() {
    simulated(async || {
        let world = World::with(|options| options.limits.hub.owner.subscribers_max = 2).await;
        let owner = world.connect().await;
        let share_ref = owner.owner_ref(1).await;
        let from = LogPosition::default();
        let mut held = Vec::new();
        for _ in 0..2 {
            let client = world.connect().await;
            let session = client.session(&share_ref);
            let subscribed = session.subscribe(&from, Reader::at(0).1).await;
            held.push((client, subscribed.unwrap().unwrap()));
        }
        let session = owner.session(&share_ref);
        let refused = session.subscribe(&from, Reader::at(0).1).await.unwrap();
        assert_eq!(
            refused.map(drop).unwrap_err().code,
            RefusalCode::QuotaExceeded
        );
        drop(held);
        world.end().await;
    });
}

#[test]
fn of_snapshots_of_a_connection_the_2nd_is_let_in_and_the_3rd_is_told_to_come_later() {
    simulated(async || {
        let world = World::with(|options| options.limits.rpc.snapshots_max = 2).await;
        let client = world.connect().await;
        let session = client.session(&client.owner_ref(1).await);
        let one = session.document().await.unwrap().unwrap();
        let _two = session.document().await.unwrap().unwrap();
        assert_overloaded(
            session.document().await,
            "snapshots of a connection: 2 are held",
        );
        drop(one);
        session.document().await.unwrap().unwrap();
        world.end().await;
    });
}

#[test]
fn of_live_appenders_of_a_share_the_2nd_is_let_in_and_the_3rd_is_refused() {
    simulated(async || {
        let world = World::with(|options| options.limits.hub.owner.appenders_max = 2).await;
        let client = world.connect().await;
        let session = client.session(&client.owner_ref(1).await);
        let mut lanes = [1, 2, 3].map(Lane::new);
        let mut held = Vec::new();
        for lane in &mut lanes[..2] {
            let (writer, claimed) = session.claim(&lane.claim());
            claimed.await.unwrap().unwrap();
            held.push(writer);
        }
        let refused = session.claim(&lanes[2].claim()).1.await.unwrap();
        assert_eq!(refused.unwrap_err().code, RefusalCode::WritersExhausted);
        held.pop();
        let claimed = session.claim(&lanes[2].claim()).1.await.unwrap();
        claimed.unwrap();
        world.end().await;
    });
}

/// Asks for everything that a session answers, at once.
async fn all_methods(
    client: &Client,
    session: &super::client::Session,
) -> Vec<(&'static str, Error)> {
    let raw: &share_session::Client = &session.0;
    let origin = super::client::origin();
    let mut freeze = raw.freeze_request();
    wire::write_origin(&origin, freeze.get().init_origin());
    let mut unfreeze = raw.unfreeze_request();
    wire::write_origin(&origin, unfreeze.get().init_origin());
    let mut delete = raw.delete_request();
    wire::write_origin(&origin, delete.get().init_origin());
    let mut revoke = raw.revoke_capability_request();
    revoke.get().set_grant(&[1; 16]);
    wire::write_origin(&origin, revoke.get().init_origin());
    let mut lane = Lane::new(9);
    let asked = attenuation(9, READ);
    let bumping = bump(9);
    let claiming = session.claim(&lane.claim()).1;
    let from = LogPosition::default();
    let created = creation(9);
    let told = tokio::join!(
        claiming,
        session.document(),
        session.subscribe(&from, Reader::at(0).1),
        session.bump(&bumping),
        session.writers(),
        session.attenuate(&asked),
        session.grants(),
        session.audit(),
        session.save(),
        freeze.send().promise,
        unfreeze.send().promise,
        delete.send().promise,
        revoke.send().promise,
        client.create(&created),
    );
    vec![
        ("claimWriter", told.0.map(drop).unwrap_err()),
        ("document", told.1.map(drop).unwrap_err()),
        ("subscribe", told.2.map(drop).unwrap_err()),
        (
            "bumpEpoch",
            told.3.map(|_: Result<Bumped, Refusal>| ()).unwrap_err(),
        ),
        ("writers", told.4.map(drop).unwrap_err()),
        ("attenuate", told.5.map(drop).unwrap_err()),
        ("grants", told.6.map(drop).unwrap_err()),
        ("audit", told.7.map(drop).unwrap_err()),
        ("save", told.8.map(drop).unwrap_err()),
        ("freeze", told.9.map(drop).unwrap_err()),
        ("unfreeze", told.10.map(drop).unwrap_err()),
        ("delete", told.11.map(drop).unwrap_err()),
        ("revokeCapability", told.12.map(drop).unwrap_err()),
        ("createShare", told.13.map(drop).unwrap_err()),
    ]
}

#[test]
fn every_method_of_a_session_ends_in_time_while_the_share_does_not_answer() {
    simulated(async || {
        let deadline = Duration::from_secs(7);
        let world = World::with(|options| options.limits.rpc.call_deadline = deadline).await;
        let client = world.connect().await;
        let share_ref = client.owner_ref(1).await;
        let session = client.session(&share_ref);
        let (snapshot, _) = session.document().await.unwrap().unwrap();
        let mut lane = Lane::new(1);
        let (writer, claimed) = session.claim(&lane.claim());
        claimed.await.unwrap().unwrap();
        world.store.hold(true);
        let append: Outcome<_> = {
            // The share commits, and answers nobody until it is done.
            let batch = lane.puts(&["a"]);
            let appending = writer.append(&batch);
            let late = all_methods(&client, &session);
            let page = super::client::page(&snapshot, "", 1);
            let redeem = client.redeemed(&share_ref);
            let (append, late, page, redeem) = tokio::join!(appending, late, page, redeem);
            for (method, error) in late {
                assert_eq!(error.kind, ErrorKind::Overloaded, "{method}: {error}");
                assert!(error.extra.contains("7000 ms"), "{method}: {error}");
            }
            assert_overloaded(page, "7000 ms");
            assert_overloaded(redeem, "7000 ms");
            append
        };
        assert_overloaded(append, "7000 ms");
        world.store.hold(false);
        world.end().await;
    });
}
