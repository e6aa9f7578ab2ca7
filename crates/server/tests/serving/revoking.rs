//! Authority that ends, at every moment of what it allows: nothing is applied or read under it once
//! that was acked.

use std::time::Duration;

use share_model::seam::{Clock as _, SimulatedClock};
use share_model::{
    Attenuate, Cut, Mutation, OwnerKey, RefusalCode, Served, ShareRef, Slug, UnixMs,
};
use share_proto::wire;

use super::administrator::{ADMIN, APPEND, READ, attenuation, publication, ref_of};
use super::client::{Client, Session, bump, page};
use super::lane::Lane;
use super::reader::{Reader, beginning};
use super::world::{World, simulated, soon};

/// What is looked for in files.
const WORD: &str = "a word that only this share has";

/// A world with a share; its owner, and somebody who may read and append, each on a connection of its
/// own.
struct Scene {
    world: World,
    owner_ref: ShareRef,
    owner: Session,
    child_ref: ShareRef,
    child_client: Client,
    _owner_client: Client,
}

impl Scene {
    async fn set() -> Self {
        Self::in_world(World::start().await).await
    }

    async fn in_world(world: World) -> Self {
        let owner_client = world.connect().await;
        let owner_ref = owner_client.owner_ref(1).await;
        let owner = owner_client.session(&owner_ref);
        let child_ref = owner.grant(&owner_ref, 2, APPEND).await;
        let child_client = world.connect().await;
        Self {
            world,
            owner_ref,
            owner,
            child_ref,
            child_client,
            _owner_client: owner_client,
        }
    }

    fn child(&self) -> Session {
        self.child_client.session(&self.child_ref)
    }

    /// Puts a text into the share.
    async fn say(&self, text: &str) {
        let mut lane = Lane::new(1);
        let (writer, _claimed) = self.child().claim(&lane.claim());
        let put = Mutation::Put {
            key: "k".into(),
            json: format!("\"{text}\"").into(),
        };
        let batch = lane.batch(vec![put]);
        writer.append(&batch).await.unwrap().unwrap();
    }

    /// Keys and cursor, as the owner sees them.
    async fn keys(&self) -> (Vec<String>, u64) {
        self.owner.keys().await
    }
}

/// One way to end a grant.
#[derive(Debug, Clone, Copy)]
enum Way {
    Revoke,
    Bump,
    Delete,
}

const WAYS: [(Way, RefusalCode); 3] = [
    (Way::Revoke, RefusalCode::Revoked),
    (Way::Bump, RefusalCode::StaleEpoch),
    (Way::Delete, RefusalCode::Gone),
];

impl Scene {
    async fn end(&self, way: Way) -> Cut {
        match way {
            Way::Revoke => self
                .owner
                .revoke(self.child_ref.grant)
                .await
                .unwrap()
                .unwrap(),
            Way::Bump => self.owner.bump(&bump(9)).await.unwrap().unwrap().cut,
            Way::Delete => self.owner.delete().await.unwrap().unwrap(),
        }
    }
}

#[test]
fn a_revocation_during_an_append_in_flight_lets_it_through_before_the_ack_or_not_at_all() {
    for (way, code) in WAYS {
        simulated(async || {
            let scene = Scene::set().await;
            let mut lane = Lane::new(1);
            let (writer, claimed) = scene.child().claim(&lane.claim());
            claimed.await.unwrap().unwrap();
            // The commit of the first waits; the second is behind the end of its authority.
            scene.world.store.hold(true);
            let first = tokio::task::spawn_local(writer.append(&lane.puts(&["a"])));
            scene.world.store.holds_one().await;
            let (owner, child_ref) = (&scene.owner, &scene.child_ref);
            let ending = async {
                match way {
                    Way::Revoke => drop(owner.revoke(child_ref.grant).await.unwrap().unwrap()),
                    Way::Bump => drop(owner.bump(&bump(9)).await.unwrap().unwrap()),
                    Way::Delete => drop(owner.delete().await.unwrap().unwrap()),
                }
            };
            let late = async {
                // In the share's queue behind the end, and before that is durable.
                tokio::task::yield_now().await;
                writer.append(&lane.puts(&["b"])).await.unwrap()
            };
            let release = async {
                for _ in 0..50 {
                    tokio::task::yield_now().await;
                }
                scene.world.store.hold(false);
            };
            let ((), late, ()) = tokio::join!(ending, late, release);
            let first = first.await.unwrap().unwrap().unwrap();
            assert_eq!(first.cursor.get(), 1, "{way:?}: before the end");
            let refused = late.unwrap_err();
            assert_eq!(refused.code, code, "{way:?}");
            // Whatever comes later is refused too, and nothing is there.
            let after = writer.append(&lane.puts(&["c"])).await.unwrap();
            assert!(after.is_err(), "{way:?}");
            if let Way::Revoke = way {
                assert_eq!(scene.keys().await, (vec!["a".to_owned()], 1));
            }
            scene.world.end().await;
        });
    }
}

#[test]
fn a_revocation_during_a_subscription_ends_it_before_the_ack_and_says_how_far_it_was_served() {
    for (way, code) in WAYS {
        simulated(async || {
            let scene = Scene::set().await;
            let session = scene.child();
            let (reader, sink) = Reader::at(0);
            let _held = session
                .subscribe(&beginning(), sink)
                .await
                .unwrap()
                .unwrap();
            let mut lane = Lane::new(1);
            let (writer, _claimed) = session.claim(&lane.claim());
            writer
                .append(&lane.puts(&["a", "b"]))
                .await
                .unwrap()
                .unwrap();
            reader.until("both ops", |seen| seen.cursor == 2).await;
            let (snapshot, _) = session.document().await.unwrap().unwrap();
            let cut = scene.end(way).await;
            let served = Served {
                grant: scene.child_ref.grant,
                cursor: share_model::Cursor::new(2),
            };
            // A bump and a deletion end the owner's own grant and session as well.
            let more = u32::from(!matches!(way, Way::Revoke));
            let expected = Cut {
                grants: 1 + more,
                sessions: 1 + more,
                appenders: 1,
                viewers: 1,
                served: vec![served],
            };
            assert_eq!(cut, expected, "{way:?}");
            let seen = reader.until("the end", |seen| seen.ended.is_some()).await;
            assert_eq!((seen.cursor, seen.ended.unwrap().code), (2, code));
            assert_eq!(session.document().await.unwrap().err().unwrap().code, code);
            assert_eq!(session.writers().await.unwrap().unwrap_err().code, code);
            let read = page(&snapshot, "", 100).await.unwrap_err();
            assert!(read.extra.contains(code.name()), "{way:?}: {read}");
            let again = scene.child_client.redeemed(&scene.child_ref).await;
            assert_eq!(again.unwrap().unwrap_err().code, code);
            scene.world.end().await;
        });
    }
}

#[test]
fn a_revocation_between_redeem_and_first_call_leaves_nothing_to_call() {
    for (way, code) in WAYS {
        simulated(async || {
            let scene = Scene::set().await;
            let (session, redeemed) = scene.child_client.redeem(&scene.child_ref);
            redeemed.await.unwrap().unwrap();
            scene.end(way).await;
            let mut lane = Lane::new(1);
            let (writer, claimed) = session.claim(&lane.claim());
            let append = writer.append(&lane.puts(&["a"]));
            assert_eq!(claimed.await.unwrap().unwrap_err().code, code, "{way:?}");
            assert_eq!(append.await.unwrap().unwrap_err().code, code, "{way:?}");
            scene.world.end().await;
        });
    }
}

#[test]
fn what_is_pipelined_behind_a_revocation_is_refused() {
    simulated(async || {
        let scene = Scene::set().await;
        // On one connection, so that all calls go out in this order and none waits for an answer.
        let client = scene.world.connect().await;
        let owner = client.session(&scene.owner_ref);
        let child = client.session(&scene.child_ref);
        let mut lane = Lane::new(1);
        let (writer, claimed) = child.claim(&lane.claim());
        claimed.await.unwrap().unwrap();
        let before = writer.append(&lane.puts(&["a"]));
        let revoked = owner.revoke(scene.child_ref.grant);
        let behind = writer.append(&lane.puts(&["b"]));
        let (before, revoked, behind) = tokio::join!(before, revoked, behind);
        assert!(revoked.unwrap().is_ok());
        let (before, behind) = (before.unwrap(), behind.unwrap());
        // Which of two sessions' calls comes first is the server's choice; none is applied later.
        assert!(before.is_ok() || behind.is_err(), "{before:?} {behind:?}");
        let (keys, cursor) = scene.keys().await;
        assert_eq!(keys.len() as u64, cursor);
        let after = writer.append(&lane.puts(&["c"])).await.unwrap();
        assert_eq!(after.unwrap_err().code, RefusalCode::Revoked);
        assert_eq!(scene.keys().await, (keys, cursor));
        scene.world.end().await;
    });
}

#[test]
fn revoking_again_answers_that_nothing_more_was_cut() {
    simulated(async || {
        let scene = Scene::set().await;
        let first = scene.end(Way::Revoke).await;
        assert_eq!(first.grants, 1);
        assert_eq!(scene.end(Way::Revoke).await, Cut::default());
        scene.world.end().await;
    });
}

#[test]
fn what_hangs_below_a_revoked_grant_ends_with_it_saved_ones_too() {
    simulated(async || {
        let scene = Scene::set().await;
        let admin_ref = scene.owner.grant(&scene.owner_ref, 3, ADMIN).await;
        let admin = scene.child_client.session(&admin_ref);
        let below_ref = admin.grant(&scene.owner_ref, 4, APPEND).await;
        let saved_ref = scene.child_client.session(&below_ref).save().await.unwrap();
        let (reader, sink) = Reader::at(0);
        let saved = scene.child_client.session(&saved_ref);
        let _held = saved.subscribe(&beginning(), sink).await.unwrap().unwrap();
        let cut = scene.owner.revoke(admin_ref.grant).await.unwrap().unwrap();
        assert_eq!((cut.grants, cut.viewers), (3, 1));
        reader.until("the end", |seen| seen.ended.is_some()).await;
        for ended in [&admin_ref, &below_ref, &saved_ref] {
            let refused = scene.child_client.redeemed(ended).await.unwrap();
            assert_eq!(refused.unwrap_err().code, RefusalCode::Revoked);
        }
        // The other child is not below it.
        assert!(
            scene
                .child_client
                .redeemed(&scene.child_ref)
                .await
                .unwrap()
                .is_ok()
        );
        scene.world.end().await;
    });
}

#[test]
fn a_grant_runs_out_at_its_time_for_sessions_appenders_and_subscriptions() {
    simulated(async || {
        let now = 1_800_000_000_000;
        // As the server's, which begins here too.
        let clock = SimulatedClock::starting_at(UnixMs::new(now));
        let scene = Scene::set().await;
        let asked = Attenuate {
            expires_at: Some(UnixMs::new(now + 60_000)),
            ..attenuation(5, APPEND)
        };
        let minted = scene.owner.attenuate(&asked).await.unwrap().unwrap();
        let short_ref = ref_of(&scene.owner_ref, minted, 5);
        let session = scene.child_client.session(&short_ref);
        let (reader, sink) = Reader::at(0);
        let _held = session
            .subscribe(&beginning(), sink)
            .await
            .unwrap()
            .unwrap();
        let mut lane = Lane::new(1);
        let (writer, _claimed) = session.claim(&lane.claim());
        writer.append(&lane.puts(&["a"])).await.unwrap().unwrap();
        tokio::time::advance(Duration::from_millis(59_000)).await;
        writer.append(&lane.puts(&["b"])).await.unwrap().unwrap();
        assert!(reader.seen().ended.is_none());
        // Nobody calls: the subscription ends by itself.
        let ended = reader.until("the end", |seen| seen.ended.is_some());
        assert_eq!(ended.await.ended.unwrap().code, RefusalCode::Expired);
        let late = clock.now().get() - (now + 60_000);
        assert!(late <= 1, "it ended {late} ms late");
        let refused = writer.append(&lane.puts(&["c"])).await.unwrap();
        assert_eq!(refused.unwrap_err().code, RefusalCode::Expired);
        assert_eq!(
            session.writers().await.unwrap().unwrap_err().code,
            RefusalCode::Expired
        );
        let again = scene.child_client.redeemed(&short_ref).await.unwrap();
        assert_eq!(again.unwrap_err().code, RefusalCode::Expired);
        assert_eq!(scene.keys().await.1, 2);
        scene.world.end().await;
    });
}

#[test]
fn a_frozen_share_applies_nothing_after_the_ack_and_goes_on_as_it_was() {
    simulated(async || {
        let scene = Scene::set().await;
        let session = scene.child();
        let mut lane = Lane::new(1);
        let (writer, claimed) = session.claim(&lane.claim());
        lane.incarnation = claimed.await.unwrap().unwrap().incarnation;
        writer.append(&lane.puts(&["a"])).await.unwrap().unwrap();
        assert!(scene.owner.set_frozen(true).await.unwrap().unwrap());
        let batch = lane.puts(&["b"]);
        let refused = writer.append(&batch).await.unwrap().unwrap_err();
        assert_eq!(refused.code, RefusalCode::Frozen);
        let (_, claimed) = session.claim(&lane.claim());
        assert_eq!(
            claimed.await.unwrap().unwrap_err().code,
            RefusalCode::Frozen
        );
        // Reading goes on, and who redeems is told.
        let (keys, cursor) = session.keys().await;
        assert_eq!((keys.len(), cursor), (1, 1));
        let redeemed = scene.child_client.redeemed(&scene.child_ref).await;
        assert!(redeemed.unwrap().unwrap().frozen);
        let refused = session.set_frozen(false).await.unwrap().unwrap_err();
        assert_eq!(refused.code, RefusalCode::RightMissing);
        assert!(!scene.owner.set_frozen(false).await.unwrap().unwrap());
        let (writer, _claimed) = session.claim(&lane.claim());
        let ack = writer.append(&batch).await.unwrap().unwrap();
        assert_eq!(ack.cursor.get(), 2);
        scene.world.end().await;
    });
}

#[test]
fn a_deleted_share_is_gone_for_good_and_its_content_too() {
    simulated(async || {
        let scene = Scene::set().await;
        scene.say(WORD).await;
        scene.owner.delete().await.unwrap().unwrap();
        // Repeated, also by the ref of before on another connection.
        let again = scene.child_client.session(&scene.owner_ref);
        assert_eq!(again.delete().await.unwrap(), Ok(Cut::default()));
        let Scene {
            world,
            owner_ref,
            child_ref,
            ..
        } = scene;
        let folder = world.end().await;
        assert_eq!(who_has(WORD.as_bytes(), &folder), Vec::<String>::new());
        let world = World::on(folder, |_| {}).await;
        let client = world.connect().await;
        for gone in [&owner_ref, &child_ref] {
            let refused = client.redeemed(gone).await.unwrap().unwrap_err();
            assert_eq!(refused.code, RefusalCode::Gone);
        }
        // Who asks for the same share again is told the same, and it stays gone.
        let created = client.owner_ref(1).await;
        assert_eq!(created.share, owner_ref.share);
        let refused = client.redeemed(&created).await.unwrap().unwrap_err();
        assert_eq!(refused.code, RefusalCode::Gone);
        world.end().await;
    });
}

/// A crash came between the deletion's commit and the erasing.
#[test]
fn what_a_crash_left_of_a_deleted_share_is_erased_at_the_next_start() {
    simulated(async || {
        let scene = Scene::set().await;
        scene.say(WORD).await;
        scene.world.store.never_erase();
        scene.owner.delete().await.unwrap().unwrap();
        let folder = scene.world.end().await;
        assert!(!who_has(WORD.as_bytes(), &folder).is_empty());
        let world = World::on(folder, |_| {}).await;
        for _ in 0..100 {
            tokio::task::yield_now().await;
        }
        let folder = world.end().await;
        assert_eq!(who_has(WORD.as_bytes(), &folder), Vec::<String>::new());
    });
}

/// The files of the data folder that have these bytes.
fn who_has(word: &[u8], folder: &tempfile::TempDir) -> Vec<String> {
    let files = std::fs::read_dir(super::world::data_in(folder)).unwrap();
    let paths = files.map(|file| file.unwrap().path());
    let have = paths.filter(|path| {
        let bytes = std::fs::read(path).unwrap();
        bytes.windows(word.len()).any(|window| window == word)
    });
    have.map(|path| path.display().to_string()).collect()
}

#[test]
fn an_unpublished_address_reads_nothing_more_and_shows_no_more_than_an_unknown_one() {
    simulated(async || {
        let scene = Scene::set().await;
        let slug = Slug::from_bytes([7; 16]);
        let minted = scene.owner.publish(&publication(&slug, None)).await;
        let minted = minted.unwrap().unwrap();
        assert_eq!(minted.grant, slug.grant());
        let again = scene.owner.publish(&publication(&slug, None)).await;
        assert_eq!(again.unwrap().unwrap(), minted, "repeatable");
        let (session, redeemed) = scene.child_client.redeem_slug(slug.expose());
        let redeemed = redeemed.await.unwrap().unwrap();
        assert_eq!(redeemed.share, scene.owner_ref.share);
        assert_eq!(redeemed.rights, share_model::Rights::of(READ));
        let (reader, sink) = Reader::at(0);
        let _held = session
            .subscribe(&beginning(), sink)
            .await
            .unwrap()
            .unwrap();
        let mut lane = Lane::new(1);
        let (_, claimed) = session.claim(&lane.claim());
        assert_eq!(
            claimed.await.unwrap().unwrap_err().code,
            RefusalCode::RightMissing
        );
        let infos = scene.owner.grants().await.unwrap().unwrap();
        let info = infos.iter().find(|info| info.id == minted.grant).unwrap();
        assert!(info.published && info.viewers == 1 && info.sessions == 1);
        let cut = scene.owner.revoke(minted.grant).await.unwrap().unwrap();
        assert_eq!((cut.grants, cut.viewers), (1, 1));
        reader.until("the end", |seen| seen.ended.is_some()).await;
        let (_, redeemed) = scene.child_client.redeem_slug(slug.expose());
        assert_eq!(
            redeemed.await.unwrap().unwrap_err().code,
            RefusalCode::Revoked
        );
        // Unknown and malformed: one refusal, that of an unknown ref.
        let mut unknown = scene.child_ref.clone();
        unknown.grant = slug.grant();
        let expected = scene
            .child_client
            .redeemed(&unknown)
            .await
            .unwrap()
            .unwrap_err();
        for other in [&[8; 16][..], &[8; 15], &[]] {
            let (_, redeemed) = scene.child_client.redeem_slug(other);
            assert_eq!(redeemed.await.unwrap().unwrap_err(), expected);
        }
        scene.world.end().await;
    });
}

#[test]
fn only_who_administers_publishes_and_what_is_refused_leaves_nothing_in_the_index() {
    simulated(async || {
        let scene = Scene::set().await;
        let slug = Slug::from_bytes([7; 16]);
        let refused = scene.child().publish(&publication(&slug, None)).await;
        assert_eq!(
            refused.unwrap().unwrap_err().code,
            RefusalCode::RightMissing
        );
        let past = publication(&slug, Some(UnixMs::new(1)));
        let refused = scene.owner.publish(&past).await.unwrap().unwrap_err();
        assert_eq!(refused.code, RefusalCode::InvalidRequest);
        let name = format!("slug/{}", slug.grant());
        use share_server::store::Store as _;
        let record = scene.world.store.server_record(&name).await.unwrap();
        assert!(record.is_none());
        scene.world.end().await;
    });
}

#[test]
fn a_sealed_ref_opens_to_its_owner_alone() {
    simulated(async || {
        let scene = Scene::set().await;
        let key = OwnerKey::from_bytes([5; 32]);
        let asked = Attenuate {
            sealed_for: Some(key.id()),
            ..attenuation(6, READ)
        };
        let minted = scene.owner.attenuate(&asked).await.unwrap().unwrap();
        let sealed = ref_of(&scene.owner_ref, minted, 6);
        let mut unknown = sealed.clone();
        unknown.grant = Slug::from_bytes([1; 16]).grant();
        let expected = scene
            .child_client
            .redeemed(&unknown)
            .await
            .unwrap()
            .unwrap_err();
        let refused = scene.child_client.redeemed(&sealed).await.unwrap();
        assert_eq!(
            refused.unwrap_err(),
            expected,
            "without a proof: as unknown"
        );
        let proof = key.prove(sealed.share, sealed.grant, &sealed.secret.hash());
        let mut request = scene.child_client.bootstrap.redeem_share_request();
        wire::write_share_ref(&sealed, request.get().init_ref());
        request.get().set_protocol_version(1);
        request.get().set_owner_proof(&proof.to_bytes());
        let response = request.send().promise.await.unwrap();
        let outcome = response.get().unwrap().get_outcome().unwrap();
        let redeemed = wire::read_redeem_outcome(outcome).unwrap().unwrap();
        assert_eq!(redeemed.grant, sealed.grant);
        scene.world.end().await;
    });
}

#[test]
fn the_owner_sees_who_used_what_and_nobody_else_does() {
    simulated(async || {
        let scene = Scene::set().await;
        let session = scene.child();
        let mut lane = Lane::new(1);
        let (writer, _claimed) = session.claim(&lane.claim());
        writer.append(&lane.puts(&["a"])).await.unwrap().unwrap();
        session.keys().await;
        let mut wrong = scene.child_ref.clone();
        wrong.secret = super::client::secret(77);
        for _ in 0..3 {
            assert!(scene.child_client.redeemed(&wrong).await.unwrap().is_err());
        }
        scene.end(Way::Revoke).await;
        assert!(
            scene
                .child_client
                .redeemed(&scene.child_ref)
                .await
                .unwrap()
                .is_err()
        );
        let entries = scene.owner.audit().await.unwrap().unwrap();
        let told: Vec<_> = entries
            .iter()
            .map(|entry| (entry.event.to_string(), entry.grant, entry.count))
            .collect();
        let (own, child) = (Some(scene.owner_ref.grant), Some(scene.child_ref.grant));
        let expected = [
            ("created", own, 1),
            ("granted", child, 1),
            ("appendedFirst", child, 1),
            ("revoked", child, 1),
            ("redeemed", own, 1),
            ("redeemed", child, 1),
            ("refused", child, 1),
            ("refusedUnproven", None, 3),
        ];
        let expected = expected.map(|(event, grant, count)| (event.to_owned(), grant, count));
        let mut sorted = told.clone();
        sorted[4..].sort();
        let mut wanted = expected.to_vec();
        wanted[4..].sort();
        assert_eq!(sorted, wanted);
        let infos = scene.owner.grants().await.unwrap().unwrap();
        let info = infos
            .iter()
            .find(|info| info.id == scene.child_ref.grant)
            .unwrap();
        assert_eq!((info.usage.redeems, info.usage.refusals), (1, 1));
        assert_eq!(info.usage.last_read_cursor.get(), 1);
        assert!(info.usage.first_appended_at.is_some() && info.revoked_at.is_some());
        let admin_ref = scene.owner.grant(&scene.owner_ref, 3, ADMIN).await;
        let refused = scene
            .child_client
            .session(&admin_ref)
            .audit()
            .await
            .unwrap();
        assert_eq!(refused.unwrap_err().code, RefusalCode::RightMissing);
        scene.world.end().await;
    });
}

#[test]
fn how_grants_were_used_is_written_down_within_seconds_and_at_the_end() {
    simulated(async || {
        let scene = Scene::set().await;
        assert!(
            scene
                .child_client
                .redeemed(&scene.child_ref)
                .await
                .unwrap()
                .is_ok()
        );
        let before = scene.world.store.extent_records().await;
        soon("the notes", async {
            while scene.world.store.extent_records().await == before {
                tokio::time::advance(Duration::from_secs(1)).await;
            }
        })
        .await;
        // One record for all that was gathered, and then none.
        tokio::time::advance(Duration::from_secs(60)).await;
        assert_eq!(scene.world.store.extent_records().await, before + 1);
        assert!(
            scene
                .child_client
                .redeemed(&scene.child_ref)
                .await
                .unwrap()
                .is_ok()
        );
        let Scene {
            world, owner_ref, ..
        } = scene;
        let world = World::on(world.end().await, |_| {}).await;
        let owner = world.connect().await;
        let infos = owner.session(&owner_ref).grants().await.unwrap().unwrap();
        let redeems: u64 = infos.iter().map(|info| info.usage.redeems).sum();
        assert_eq!(
            redeems,
            1 + 2 + 1,
            "the owner's, two of the child's, and this one's"
        );
        world.end().await;
    });
}
