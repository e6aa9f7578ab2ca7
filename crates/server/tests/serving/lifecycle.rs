//! Start, restart, unload, drain.

use std::time::Duration;

use share_model::RefusalCode;
use share_server::{Server, ServerError, ServerOptions, TcpListener, pipes};

use super::client::creation;
use super::lane::Lane;
use super::reader::{Reader, beginning};
use super::world::{World, data_in, factory_ref, over_tcp, real_time, simulated, soon};

#[test]
fn everything_is_there_after_a_restart() {
    simulated(async || {
        let world = World::start().await;
        let client = world.connect().await;
        let share_ref = client.owner_ref(1).await;
        let mut lane = Lane::new(1);
        let (writer, claimed) = client.session(&share_ref).claim(&lane.claim());
        lane.history = Some(claimed.await.unwrap().unwrap().history);
        let batch = lane.puts(&["a", "b"]);
        writer.append(&batch).await.unwrap().unwrap();
        let factory = factory_ref(&world.data()).expose();
        let world = World::on(world.end().await, |options| {
            options.seams.entropy = std::sync::Arc::new(share_model::seam::SeededEntropy::new(8));
        })
        .await;
        assert_eq!(factory_ref(&world.data()).expose(), factory);
        let client = world.connect().await;
        let session = client.session(&share_ref);
        let (writer, claimed) = session.claim(&lane.claim_again());
        let again = writer.append(&batch).await.unwrap().unwrap();
        assert!(
            again
                .outcomes
                .iter()
                .all(|outcome| matches!(outcome, share_model::OpOutcome::Duplicate(_)))
        );
        assert_eq!(
            claimed.await.unwrap().unwrap().history,
            lane.history.unwrap()
        );
        assert_eq!(session.keys().await, (vec!["a".into(), "b".into()], 2));
        world.end().await;
    });
}

#[test]
fn a_missing_factory_file_is_replaced_and_refs_handed_out_before_still_work() {
    simulated(async || {
        let world = World::start().await;
        let old = factory_ref(&world.data());
        let folder = world.end().await;
        std::fs::remove_file(data_in(&folder).join("factory.ref")).unwrap();
        let world = World::on(folder, |options| {
            options.advertise = vec!["example.org:7420".to_owned()];
            options.seams.entropy = std::sync::Arc::new(share_model::seam::SeededEntropy::new(8));
        })
        .await;
        let new = factory_ref(&world.data());
        assert_ne!(new.grant, old.grant);
        assert_eq!(new.addresses, ["example.org:7420"]);
        for factory in [old, new] {
            let client = world.connect().await;
            let mut request = client.bootstrap.redeem_factory_request();
            share_proto::wire::write_factory_ref(&factory, request.get().init_ref());
            request.get().set_protocol_version(1);
            let response = request.send().promise.await.unwrap();
            let outcome = response.get().unwrap().get_outcome().unwrap();
            let redeemed = share_proto::wire::read_factory_outcome(outcome)
                .unwrap()
                .unwrap();
            assert_eq!(redeemed.addresses, ["example.org:7420"]);
        }
        world.end().await;
    });
}

#[test]
fn a_factory_file_that_is_no_ref_is_an_error_that_says_what_to_do() {
    simulated(async || {
        let folder = World::start().await.end().await;
        std::fs::write(data_in(&folder).join("factory.ref"), "nonsense").unwrap();
        let (_connector, listener) = pipes(1024);
        let error = Server::start(ServerOptions::new(data_in(&folder)), listener)
            .await
            .unwrap_err();
        assert!(
            matches!(error, ServerError::FactoryFile { .. }),
            "{error:?}"
        );
        assert!(error.to_string().contains("remove it"), "{error}");
    });
}

#[test]
fn a_file_that_was_written_before_its_grant_was_stored_is_taken_as_it_is() {
    simulated(async || {
        let world = World::start().await;
        let factory = factory_ref(&world.data());
        world.end().await;
        // A fresh store, as after a crash between file and record.
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(data_in(&folder)).unwrap();
        std::fs::write(data_in(&folder).join("factory.ref"), factory.expose()).unwrap();
        let world = World::on(folder, |_| {}).await;
        assert_eq!(factory_ref(&world.data()).expose(), factory.expose());
        let client = world.connect().await;
        client.create(&creation(1)).await.unwrap().unwrap();
        world.end().await;
    });
}

#[test]
fn only_its_owner_may_read_the_factory_file() {
    simulated(async || {
        use std::os::unix::fs::PermissionsExt as _;
        let world = World::start().await;
        let file = world.data().join("factory.ref");
        assert_eq!(
            std::fs::metadata(file).unwrap().permissions().mode() & 0o777,
            0o600
        );
        world.end().await;
    });
}

#[test]
fn a_port_in_use_and_a_folder_in_use_are_told_apart() {
    real_time(async || {
        let folder = tempfile::tempdir().unwrap();
        let server = over_tcp(&data_in(&folder)).await;
        let error = TcpListener::bind(server.address()).await.unwrap_err();
        assert!(matches!(error, ServerError::PortInUse { .. }), "{error:?}");
        assert!(error.to_string().contains(server.address()), "{error}");
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let error = Server::start(ServerOptions::new(data_in(&folder)), listener)
            .await
            .unwrap_err();
        assert!(
            matches!(error, ServerError::DataDirLocked { .. }),
            "{error:?}"
        );
        server.drain().await.unwrap();
        over_tcp(&data_in(&folder)).await.drain().await.unwrap();
    });
}

#[test]
fn a_drain_tells_subscribers_to_come_again_and_lets_calls_finish() {
    simulated(async || {
        let world = World::start().await;
        let client = world.connect().await;
        let share_ref = client.owner_ref(1).await;
        let session = client.session(&share_ref);
        let mut lane = Lane::new(1);
        let (writer, claimed) = session.claim(&lane.claim());
        claimed.await.unwrap().unwrap();
        let (reader, sink) = Reader::at(0);
        let _subscribed = session
            .subscribe(&beginning(), sink)
            .await
            .unwrap()
            .unwrap();
        reader.until("live", |seen| seen.live == [0]).await;
        world.store.hold(true);
        let append = tokio::task::spawn_local(writer.append(&lane.puts(&["a"])));
        world.store.holds_one().await;
        let store = std::sync::Arc::clone(&world.store);
        let draining = tokio::task::spawn_local(world.end());
        let seen = reader.until("the end", |seen| seen.ended.is_some()).await;
        let refusal = seen.ended.unwrap();
        assert_eq!(
            (refusal.code, refusal.retry_after_ms),
            (RefusalCode::Frozen, Some(1000))
        );
        store.hold(false);
        let ack = append.await.unwrap().unwrap().unwrap();
        assert_eq!(ack.cursor.get(), 1);
        drop((client, store));
        let folder = soon("the end of the server", draining).await.unwrap();
        let world = World::on(folder, |_| {}).await;
        let client = world.connect().await;
        assert_eq!(client.session(&share_ref).keys().await.1, 1);
        world.end().await;
    });
}

#[test]
fn a_share_that_nobody_uses_is_unloaded_with_a_checkpoint_and_loads_again() {
    simulated(async || {
        let world = World::with(|options| {
            options.limits.hub.idle = Duration::from_secs(5);
            options.limits.hub.owner.checkpoint_records = 16;
        })
        .await;
        let client = world.connect().await;
        let share_ref = client.owner_ref(1).await;
        let mut lane = Lane::new(1);
        let (writer, _claimed) = client.session(&share_ref).claim(&lane.claim());
        writer.append(&lane.puts(&["a"])).await.unwrap().unwrap();
        let mut checkpoints = world.store.checkpoints();
        assert_eq!(*checkpoints.borrow(), 0);
        drop(writer);
        client.cut().await;
        let unloaded = checkpoints.wait_for(|count| *count == 1);
        drop(soon("the checkpoint of an unload", unloaded).await);
        let client = world.connect().await;
        assert_eq!(
            client.session(&share_ref).keys().await,
            (vec!["a".into()], 1)
        );
        world.end().await;
    });
}

#[test]
fn a_share_that_is_in_use_stays_loaded_and_one_too_many_is_overload() {
    simulated(async || {
        let world = World::with(|options| options.limits.hub.loaded_max = 1).await;
        let client = world.connect().await;
        let one = client.owner_ref(1).await;
        let (session, redeemed) = client.redeem(&one);
        redeemed.await.unwrap().unwrap();
        let error = client.create(&creation(2)).await.unwrap_err();
        assert_eq!(error.kind, capnp::ErrorKind::Overloaded, "{error}");
        assert!(error.extra.contains("shares in use"), "{error}");
        drop(session);
        soon("room for the other", async {
            while client.create(&creation(2)).await.is_err() {
                tokio::task::yield_now().await;
            }
        })
        .await;
        world.end().await;
    });
}
