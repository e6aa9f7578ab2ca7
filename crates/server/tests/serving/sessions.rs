//! Refs, sessions, epochs, snapshots.

use share_model::{Bumped, Cut, RefusalCode, Secret, ShareRef};

use super::client::{bump, creation, page, secret};
use super::lane::Lane;
use super::reader::{Reader, beginning};
use super::world::{World, simulated};

#[test]
fn creating_again_gives_the_same_share_and_another_secret_is_refused() {
    simulated(async || {
        let world = World::start().await;
        let client = world.connect().await;
        let created = client.create(&creation(1)).await.unwrap().unwrap();
        assert_eq!(created.epoch.get(), 1);
        let again = client.create(&creation(1)).await.unwrap().unwrap();
        assert_eq!(again, created);
        let mut other = creation(1);
        other.owner_secret_hash = secret(2).hash();
        let refusal = client.create(&other).await.unwrap().unwrap_err();
        assert_eq!(refusal.code, RefusalCode::InvalidRequest);
        let another = client.create(&creation(2)).await.unwrap().unwrap();
        assert_ne!(another.share, created.share);
        // Also after everything was unloaded and started anew.
        let world = World::on(world.end().await, |_| {}).await;
        let client = world.connect().await;
        let again = client.create(&creation(1)).await.unwrap().unwrap();
        assert_eq!(again, created);
        world.end().await;
    });
}

#[test]
fn unknown_share_unknown_grant_and_wrong_secret_are_refused_alike_and_so_is_what_is_pipelined() {
    simulated(async || {
        let world = World::start().await;
        let client = world.connect().await;
        let good = client.owner_ref(1).await;
        let wrong_secret = ShareRef {
            secret: secret(99),
            ..good.clone()
        };
        let unknown_grant = ShareRef {
            grant: "01890a5d000070008000000000000002".parse().unwrap(),
            ..good.clone()
        };
        let unknown_share = ShareRef {
            share: "01890a5d000070008000000000000001".parse().unwrap(),
            ..good.clone()
        };
        let mut refusals = Vec::new();
        for share_ref in [wrong_secret, unknown_grant, unknown_share] {
            let mut lane = Lane::new(1);
            let (session, redeemed) = client.redeem(&share_ref);
            let (writer, claimed) = session.claim(&lane.claim());
            let append = writer.append(&lane.puts(&["a"]));
            let (_reader, sink) = Reader::at(0);
            let refusal = redeemed.await.unwrap().unwrap_err();
            assert_eq!(claimed.await.unwrap().unwrap_err(), refusal);
            assert_eq!(append.await.unwrap().unwrap_err(), refusal);
            assert_eq!(session.writers().await.unwrap().unwrap_err(), refusal);
            assert_eq!(session.bump(&bump(5)).await.unwrap().unwrap_err(), refusal);
            assert!(
                session
                    .document()
                    .await
                    .unwrap()
                    .is_err_and(|found| found == refusal)
            );
            let subscribed = session.subscribe(&beginning(), sink).await.unwrap();
            assert!(subscribed.is_err_and(|found| found == refusal));
            let saved = session.save().await.unwrap_err();
            assert!(saved.extra.contains("notAuthorized"), "{saved}");
            refusals.push(refusal);
        }
        assert_eq!(refusals[0].code, RefusalCode::NotAuthorized);
        assert!(
            refusals.iter().all(|refusal| *refusal == refusals[0]),
            "{refusals:?}"
        );
        assert!(client.redeemed(&good).await.unwrap().is_ok());
        world.end().await;
    });
}

#[test]
fn a_factory_ref_with_another_secret_creates_nothing() {
    simulated(async || {
        let world = World::start().await;
        let client = world.connect().await;
        let mut request = client.bootstrap.redeem_factory_request();
        let mut factory = super::world::factory_ref(&world.data());
        factory.secret = Secret::from_bytes([1; 32]);
        share_proto::wire::write_factory_ref(&factory, request.get().init_ref());
        request.get().set_protocol_version(1);
        let sent = request.send();
        let mut create = sent.pipeline.get_factory().create_share_request();
        share_proto::wire::write_create_share(&creation(1), create.get().init_request());
        let response = create.send().promise.await.unwrap();
        let outcome = response.get().unwrap().get_outcome().unwrap();
        let refusal = share_proto::wire::read_create_outcome(outcome)
            .unwrap()
            .unwrap_err();
        assert_eq!(refusal.code, RefusalCode::NotAuthorized);
        world.end().await;
    });
}

#[test]
fn a_protocol_version_that_is_too_old_is_told_which_side_to_upgrade() {
    simulated(async || {
        let world = World::start().await;
        let client = world.connect().await;
        let share_ref = client.owner_ref(1).await;
        let mut request = client.bootstrap.redeem_share_request();
        share_proto::wire::write_share_ref(&share_ref, request.get().init_ref());
        let response = request.send().promise.await.unwrap();
        let outcome = response.get().unwrap().get_outcome().unwrap();
        let refusal = share_proto::wire::read_redeem_outcome(outcome)
            .unwrap()
            .unwrap_err();
        assert_eq!(refusal.code, RefusalCode::VersionUnsupported);
        assert!(refusal.message.contains("upgrade the client"), "{refusal}");
        world.end().await;
    });
}

#[test]
fn a_bump_cuts_live_sessions_and_subscriptions_before_it_is_acked_and_is_repeatable() {
    simulated(async || {
        let world = World::start().await;
        let (one, two) = (world.connect().await, world.connect().await);
        let old = one.owner_ref(1).await;
        let mut lane = Lane::new(1);
        let (session, other) = (one.session(&old), two.session(&old));
        let (writer, _claimed) = other.claim(&lane.claim());
        writer.append(&lane.puts(&["a"])).await.unwrap().unwrap();
        let (reader, sink) = Reader::at(0);
        let subscribed = other.subscribe(&beginning(), sink).await.unwrap().unwrap();
        let (snapshot, _) = other.document().await.unwrap().unwrap();
        reader.until("live", |seen| seen.live == [1]).await;

        let bumped = session.bump(&bump(7)).await.unwrap().unwrap();
        assert_eq!(bumped.epoch.get(), 2);
        let stale = RefusalCode::StaleEpoch;
        let append = writer.append(&lane.puts(&["b"])).await.unwrap();
        assert_eq!(append.unwrap_err().code, stale);
        assert_eq!(other.writers().await.unwrap().unwrap_err().code, stale);
        assert_eq!(session.writers().await.unwrap().unwrap_err().code, stale);
        assert!(
            page(&snapshot, "", 100)
                .await
                .unwrap_err()
                .extra
                .contains("staleEpoch")
        );
        let ended = reader.until("the end", |seen| seen.ended.is_some()).await;
        assert_eq!(ended.ended.unwrap().code, stale);
        assert_eq!(one.redeemed(&old).await.unwrap().unwrap_err().code, stale);

        // Repeated on the session that it ended, and by the old ref on a new connection.
        let again = Bumped {
            cut: Cut::default(),
            ..bumped.clone()
        };
        assert_eq!(session.bump(&bump(7)).await.unwrap().unwrap(), again);
        let three = world.connect().await;
        assert_eq!(
            three.session(&old).bump(&bump(7)).await.unwrap().unwrap(),
            again
        );
        let another = three.session(&old).bump(&bump(8)).await.unwrap();
        assert_eq!(another.unwrap_err().code, stale);
        let mut other_secret = bump(7);
        other_secret.owner_secret_hash = secret(8).hash();
        let refused = three.session(&old).bump(&other_secret).await.unwrap();
        assert_eq!(refused.unwrap_err().code, RefusalCode::InvalidRequest);

        let new = ShareRef {
            grant: bumped.grant,
            epoch: bumped.epoch,
            secret: secret(7),
            ..old
        };
        let session = three.session(&new);
        let (writer, _claimed) = session.claim(&lane.claim_again());
        let batch = Lane::new(1).puts(&["a"]);
        assert!(writer.append(&batch).await.unwrap().is_ok());
        assert_eq!(session.keys().await.0, ["a"]);
        drop(subscribed);
        world.end().await;
    });
}

#[test]
fn a_bump_is_not_acked_while_a_subscription_of_the_old_epoch_can_still_read() {
    simulated(async || {
        let world = World::start().await;
        let client = world.connect().await;
        let share_ref = client.owner_ref(1).await;
        let session = client.session(&share_ref);
        let (reader, sink) = Reader::at(0);
        let _subscription = session
            .subscribe(&beginning(), sink)
            .await
            .unwrap()
            .unwrap();
        reader.until("live", |seen| seen.live == [0]).await;
        // The reader does not answer: the bump does not wait for it, only for the server's side.
        reader.be_slow(true);
        let mut lane = Lane::new(1);
        let (writer, _claimed) = session.claim(&lane.claim());
        writer.append(&lane.puts(&["a"])).await.unwrap().unwrap();
        session.bump(&bump(2)).await.unwrap().unwrap();
        reader.be_slow(false);
        let seen = reader.until("the end", |seen| seen.ended.is_some()).await;
        assert_eq!(seen.ended.unwrap().code, RefusalCode::StaleEpoch);
        world.end().await;
    });
}

#[test]
fn a_saved_session_can_be_redeemed_and_ends_with_its_epoch() {
    simulated(async || {
        let world = World::start().await;
        let client = world.connect().await;
        let owner = client.owner_ref(1).await;
        let session = client.session(&owner);
        let saved = session.save().await.unwrap();
        assert_eq!((saved.share, saved.epoch), (owner.share, owner.epoch));
        assert_ne!(saved.grant, owner.grant);
        assert_eq!(saved.addresses, ["pipe:1"]);
        let redeemed = client.redeemed(&saved).await.unwrap().unwrap();
        assert_eq!(redeemed.rights, share_model::Rights::ALL);
        session.bump(&bump(2)).await.unwrap().unwrap();
        let refusal = client.redeemed(&saved).await.unwrap().unwrap_err();
        assert_eq!(refusal.code, RefusalCode::StaleEpoch);
        world.end().await;
    });
}

#[test]
fn a_snapshot_is_paged_and_does_not_move() {
    simulated(async || {
        let world = World::start().await;
        let client = world.connect().await;
        let share_ref = client.owner_ref(1).await;
        let mut lane = Lane::new(1);
        let session = client.session(&share_ref);
        let (writer, _claimed) = session.claim(&lane.claim());
        writer
            .append(&lane.puts(&["a", "b", "c"]))
            .await
            .unwrap()
            .unwrap();
        let (snapshot, at) = session.document().await.unwrap().unwrap();
        assert_eq!((at.position.cursor.get(), at.keys, at.bytes), (3, 3, 6));
        writer
            .append(&lane.puts(&["aa", "d"]))
            .await
            .unwrap()
            .unwrap();
        let (mut after, mut keys, mut pages) = (String::new(), Vec::new(), 0);
        loop {
            // Two entries of two bytes each fit.
            let (entries, done) = page(&snapshot, &after, 5).await.unwrap();
            pages += 1;
            keys.extend(entries.into_iter().map(|entry| entry.key));
            after = keys.last().unwrap().clone();
            if done {
                break;
            }
        }
        assert_eq!((keys.join(" "), pages), ("a b c".to_owned(), 2));
        assert_eq!(session.keys().await.0, ["a", "aa", "b", "c", "d"]);
        world.end().await;
    });
}
