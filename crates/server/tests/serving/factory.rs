//! Factory grants within quotas: each limit and one past it, what frees room again, and how they end.

use std::time::Duration;

use share_model::seam::Clock as _;
use share_model::{
    CreatedShare, FactoryAttenuate, FactoryGrantInfo, FactoryRef, GrantId, Mutation, Quotas,
    Refusal, RefusalCode, RefusalDetail, RequestId, Seq, ShareRef,
};
use share_proto::share_capnp::share_factory;
use share_proto::wire;
use tempfile::TempDir;

use super::client::{Client, Outcome, Writer, creation, origin, secret};
use super::journal::copy;
use super::lane::Lane;
use super::trouble::Trouble;
use super::world::{World, factory_ref, simulated};

fn attenuation(number: u8, quotas: Quotas) -> FactoryAttenuate {
    FactoryAttenuate {
        request: RequestId::from_bytes([number; 16]),
        secret_hash: secret(u64::from(number)).hash(),
        quotas,
        label: format!("child {number}"),
        origin: origin(),
    }
}

fn shares(max: u64) -> Quotas {
    Quotas {
        shares_max: max,
        ..Quotas::default()
    }
}

async fn attenuate(client: &Client, asked: &FactoryAttenuate) -> Outcome<GrantId> {
    let mut request = client.factory().attenuate_request();
    wire::write_factory_attenuate(asked, request.get().init_request());
    let response = request.send().promise.await?;
    Ok(wire::read_factory_mint_outcome(response.get()?.get_outcome()?).unwrap())
}

/// Creates a share by a factory that was redeemed before.
async fn create_by(factory: &share_factory::Client, number: u8) -> Outcome<CreatedShare> {
    let mut request = factory.create_share_request();
    wire::write_create_share(&creation(number), request.get().init_request());
    let response = request.send().promise.await?;
    Ok(wire::read_create_outcome(response.get()?.get_outcome()?).unwrap())
}

async fn revoke(client: &Client, grant: GrantId) -> Outcome<bool> {
    let mut request = client.factory().revoke_request();
    wire::write_factory_revoke(grant, request.get());
    let response = request.send().promise.await?;
    Ok(wire::read_factory_revoke_outcome(response.get()?.get_outcome()?).unwrap())
}

async fn list(client: &Client) -> Outcome<Vec<FactoryGrantInfo>> {
    let response = client.factory().grants_request().send().promise.await?;
    Ok(wire::read_factory_grants_outcome(response.get()?.get_outcome()?).unwrap())
}

/// Shares and bytes that are counted for a grant.
async fn counted(root: &Client, grant: GrantId) -> (u64, u64) {
    let list = list(root).await.unwrap().unwrap();
    let info = list.iter().find(|info| info.id == grant).unwrap();
    (info.shares, info.bytes)
}

/// A connection with the ref of a child, made by the request with this number.
async fn connect_as(world: &World, grant: GrantId, number: u8) -> Client {
    let child = FactoryRef {
        grant,
        secret: secret(u64::from(number)),
        ..factory_ref(&world.data())
    };
    Client::new(world.stream().await, child)
}

/// The ref of a child with quotas, made by the request with this number.
pub(crate) async fn child_of(
    root: &Client,
    of: &FactoryRef,
    number: u8,
    quotas: Quotas,
) -> FactoryRef {
    let minted = attenuate(root, &attenuation(number, quotas)).await;
    FactoryRef {
        grant: minted.unwrap().unwrap(),
        secret: secret(u64::from(number)),
        ..of.clone()
    }
}

/// A world, a connection of its root, a child with quotas, and its connection.
async fn with_child(quotas: Quotas) -> (World, Client, GrantId, Client) {
    let world = World::start().await;
    let root = world.connect().await;
    let grant = attenuate(&root, &attenuation(100, quotas)).await;
    let grant = grant.unwrap().unwrap();
    let child = connect_as(&world, grant, 100).await;
    (world, root, grant, child)
}

#[track_caller]
fn assert_exceeded<T: std::fmt::Debug>(outcome: Result<T, Refusal>, actual: u64, max: u64) {
    let refused = outcome.unwrap_err();
    assert_eq!(refused.code, RefusalCode::QuotaExceeded, "{refused}");
    let detail = RefusalDetail::Limit {
        seq: Seq::ZERO,
        actual,
        max,
    };
    assert_eq!(refused.detail, detail);
}

async fn restarted(world: World, clients: Vec<Client>) -> World {
    drop(clients);
    let folder: TempDir = world.end().await;
    World::on(folder, |_| {}).await
}

#[test]
fn as_many_shares_as_the_quota_says_and_one_more_is_refused() {
    simulated(async || {
        let (world, root, grant, child) = with_child(shares(2)).await;
        for number in 1..=2 {
            child.create(&creation(number)).await.unwrap().unwrap();
        }
        assert_exceeded(child.create(&creation(3)).await.unwrap(), 3, 2);
        // Again, the same is no other share, and is answered the same.
        let again = child.create(&creation(1)).await.unwrap();
        assert_eq!(again, child.create(&creation(1)).await.unwrap());
        again.unwrap();
        assert_eq!(counted(&root, grant).await.0, 2);
        // A root has no bound, and is not counted.
        root.create(&creation(3)).await.unwrap().unwrap();
        let world = restarted(world, vec![root, child]).await;
        let child = connect_as(&world, grant, 100).await;
        assert_exceeded(child.create(&creation(3)).await.unwrap(), 3, 2);
        world.end().await;
    });
}

#[test]
fn a_deleted_share_frees_its_place_once() {
    simulated(async || {
        let (world, root, grant, child) = with_child(shares(2)).await;
        let first = child.owner_ref(1).await;
        child.owner_ref(2).await;
        for _ in 0..2 {
            child.session(&first).delete().await.unwrap().unwrap();
        }
        // Erasing goes on behind the ack: the end of the server waits for it, the start repeats it.
        let world = restarted(world, vec![root, child]).await;
        let world = restarted(world, Vec::new()).await;
        let root = world.connect().await;
        assert_eq!(counted(&root, grant).await.0, 1);
        let child = connect_as(&world, grant, 100).await;
        child.create(&creation(3)).await.unwrap().unwrap();
        assert_exceeded(child.create(&creation(4)).await.unwrap(), 3, 2);
        // Its request makes no new share, nor is it counted.
        child.create(&creation(1)).await.unwrap().unwrap();
        assert_eq!(counted(&root, grant).await.0, 2);
        world.end().await;
    });
}

/// It is taken off behind the ack, and not by whoever creates.
#[test]
fn the_place_of_a_deleted_share_is_free_while_the_server_runs_on() {
    simulated(async || {
        let (world, root, grant, child) = with_child(shares(1)).await;
        let first = child.owner_ref(1).await;
        assert_exceeded(child.create(&creation(2)).await.unwrap(), 2, 1);
        child.session(&first).delete().await.unwrap().unwrap();
        let mut looks = 0;
        while child.create(&creation(2)).await.unwrap().is_err() {
            looks += 1;
            assert!(looks < 1000, "the place is not freed");
        }
        assert_eq!(counted(&root, grant).await.0, 1);
        // So it is listed too, before anybody needs the place.
        let second = child.owner_ref(2).await;
        child.session(&second).delete().await.unwrap().unwrap();
        let mut looks = 0;
        while counted(&root, grant).await.0 == 1 {
            looks += 1;
            assert!(looks < 1000, "the place is not told as free");
        }
        world.end().await;
    });
}

#[test]
fn a_crash_between_counting_and_creating_leaves_one_place_taken_and_not_two() {
    for trouble in [Trouble::Stop, Trouble::Full] {
        simulated(async || {
            let (world, root, grant, child) = with_child(shares(1)).await;
            world.store.plan(&[trouble]);
            child.create(&creation(1)).await.unwrap_err();
            assert_eq!(world.store.fired(), 1);
            let world = restarted(world, vec![root, child]).await;
            let root = world.connect().await;
            assert_eq!(counted(&root, grant).await.0, 1, "{trouble:?}");
            let child = connect_as(&world, grant, 100).await;
            child.create(&creation(1)).await.unwrap().unwrap();
            assert_eq!(counted(&root, grant).await.0, 1, "{trouble:?}");
            assert_exceeded(child.create(&creation(2)).await.unwrap(), 2, 1);
            world.end().await;
        });
    }
}

#[test]
fn a_share_that_never_came_about_gives_its_place_to_another() {
    simulated(async || {
        let (world, root, grant, child) = with_child(shares(1)).await;
        world.store.plan(&[Trouble::Full]);
        child.create(&creation(1)).await.unwrap_err();
        child.create(&creation(2)).await.unwrap().unwrap();
        assert_eq!(counted(&root, grant).await.0, 1);
        assert_exceeded(child.create(&creation(1)).await.unwrap(), 2, 1);
        world.end().await;
    });
}

/// A claimed writer of a share, and its lane.
async fn claimed(client: &Client, share_ref: &ShareRef, number: u8) -> (Writer, Lane) {
    let mut lane = Lane::new(number);
    let writer = claim(client, share_ref, &mut lane).await;
    (writer, lane)
}

async fn claim(client: &Client, share_ref: &ShareRef, lane: &mut Lane) -> Writer {
    let (writer, claimed) = client.session(share_ref).claim(&lane.claim());
    lane.incarnation = claimed.await.unwrap().unwrap().incarnation;
    writer
}

/// A mutation of so many bytes.
fn put(key: &str, bytes: usize) -> Mutation {
    Mutation::Put {
        key: key.into(),
        json: format!("\"{}\"", "x".repeat(bytes - key.len() - 2)).into(),
    }
}

const MIB: usize = 1 << 20;

fn bytes(max: usize) -> Quotas {
    Quotas {
        bytes_max: max as u64,
        ..Quotas::default()
    }
}

#[test]
fn ops_fill_the_quota_to_the_last_byte_and_one_more_is_refused() {
    simulated(async || {
        let (world, root, grant, child) = with_child(bytes(2 * MIB)).await;
        let (one, two) = (child.owner_ref(1).await, child.owner_ref(2).await);
        let (writer, mut lane) = claimed(&child, &one, 1).await;
        let full = lane.batch(vec![put("a", MIB)]);
        writer.append(&full).await.unwrap().unwrap();
        assert_eq!(counted(&root, grant).await, (2, MIB as u64));
        let (other, mut other_lane) = claimed(&child, &two, 2).await;
        let batch = other_lane.batch(vec![put("a", MIB)]);
        other.append(&batch).await.unwrap().unwrap();
        // One byte more takes another unit.
        let more = lane.batch(vec![put("b", 8)]);
        let behind = lane.batch(vec![put("c", 8)]);
        let sent = (writer.append(&more), writer.append(&behind));
        let (refused, behind) = (sent.0.await.unwrap(), sent.1.await.unwrap());
        assert_exceeded(refused.clone(), 3 * MIB as u64, 2 * MIB as u64);
        assert_eq!(behind, refused, "what is pipelined behind");
        // What was applied is still answered, and still there.
        let writer = claim(&child, &one, &mut lane).await;
        let ack = writer.append(&full).await.unwrap().unwrap();
        assert_eq!(ack.cursor.get(), 1);
        assert_exceeded(
            writer.append(&more).await.unwrap(),
            3 * MIB as u64,
            2 * MIB as u64,
        );
        assert_eq!(counted(&root, grant).await, (2, 2 * MIB as u64));
        // What a deleted share had is free for the other.
        child.session(&two).delete().await.unwrap().unwrap();
        let world = restarted(world, vec![root, child]).await;
        let root = world.connect().await;
        assert_eq!(counted(&root, grant).await, (1, MIB as u64));
        let child = connect_as(&world, grant, 100).await;
        let writer = claim(&child, &one, &mut lane).await;
        writer.append(&more).await.unwrap().unwrap();
        assert_eq!(counted(&root, grant).await, (1, 2 * MIB as u64));
        world.end().await;
    });
}

#[test]
fn a_batch_that_is_repeated_for_ever_is_reserved_for_once() {
    simulated(async || {
        let (world, root, grant, child) = with_child(bytes(8 * MIB)).await;
        let share_ref = child.owner_ref(1).await;
        let (writer, mut lane) = claimed(&child, &share_ref, 1).await;
        let batch = lane.batch(vec![put("a", MIB / 2)]);
        for _ in 0..20 {
            writer.append(&batch).await.unwrap().unwrap();
        }
        assert!(counted(&root, grant).await.1 <= MIB as u64);
        world.end().await;
    });
}

fn per_second(ops: u32) -> Quotas {
    Quotas {
        appends_per_second: ops,
        ..Quotas::default()
    }
}

/// Milliseconds that something takes.
async fn taken<T>(doing: impl Future<Output = T>) -> (T, u64) {
    let clock = share_model::seam::SimulatedClock::starting_at(share_model::UnixMs::new(0));
    let done = doing.await;
    (done, clock.now().get())
}

#[test]
fn twice_the_rate_passes_at_once_and_one_op_more_waits_its_time_in_order() {
    simulated(async || {
        let (world, _root, _, child) = with_child(per_second(10)).await;
        let (one, two) = (child.owner_ref(1).await, child.owner_ref(2).await);
        let (writer, mut lane) = claimed(&child, &one, 1).await;
        let (other, mut other_lane) = claimed(&child, &two, 2).await;
        // Of all its shares together.
        let at_once = async {
            for keys in [&["a", "b", "c", "d", "e"]; 2] {
                writer.append(&lane.puts(keys)).await.unwrap().unwrap();
                other.append(&other_lane.puts(keys)).await.unwrap().unwrap();
            }
        };
        assert_eq!(taken(at_once).await.1, 0);
        let sent = [lane.puts(&["f"]), lane.puts(&["g"])].map(|batch| writer.append(&batch));
        let [first, second] = sent;
        let (ack, ms) = taken(first).await;
        assert_eq!(ack.unwrap().unwrap().cursor.get(), 11);
        assert!((100..=102).contains(&ms), "{ms} ms");
        let (ack, ms) = taken(second).await;
        assert_eq!(ack.unwrap().unwrap().cursor.get(), 12);
        assert!((98..=102).contains(&ms), "{ms} ms");
        world.end().await;
    });
}

#[test]
fn who_has_to_wait_longer_than_a_call_may_take_is_told_to_come_later() {
    simulated(async || {
        let (world, _root, _, child) = with_child(per_second(1)).await;
        let share_ref = child.owner_ref(1).await;
        let (writer, mut lane) = claimed(&child, &share_ref, 1).await;
        let keys: Vec<String> = (0..40).map(|key| key.to_string()).collect();
        let keys: Vec<&str> = keys.iter().map(String::as_str).collect();
        writer.append(&lane.puts(&keys)).await.unwrap().unwrap();
        // The 38 that were too many are made up for first.
        let batch = lane.puts(&["a"]);
        let refused = writer.append(&batch).await.unwrap_err();
        assert_eq!(refused.kind, capnp::ErrorKind::Overloaded);
        tokio::time::advance(Duration::from_secs(10)).await;
        writer.append(&batch).await.unwrap().unwrap();
        world.end().await;
    });
}

#[test]
fn a_grant_is_made_once_however_often_it_is_asked_for() {
    simulated(async || {
        let (world, root, grant, child) = with_child(shares(1)).await;
        let asked = attenuation(100, shares(1));
        assert_eq!(attenuate(&root, &asked).await.unwrap(), Ok(grant));
        let other = attenuation(100, shares(2));
        let refused = attenuate(&root, &other).await.unwrap().unwrap_err();
        assert_eq!(refused.code, RefusalCode::InvalidRequest);
        // It creates shares and nothing else.
        let right_missing = |refused: Refusal| {
            assert_eq!(refused.code, RefusalCode::RightMissing, "{refused}");
        };
        right_missing(attenuate(&child, &asked).await.unwrap().unwrap_err());
        right_missing(revoke(&child, grant).await.unwrap().unwrap_err());
        right_missing(list(&child).await.unwrap().unwrap_err());
        right_missing(child.begin_backup().await.unwrap().err().unwrap());
        let list = list(&root).await.unwrap().unwrap();
        let seen: Vec<_> = list.iter().map(|info| (info.root, info.shares)).collect();
        assert_eq!(seen, [(true, 0), (false, 0)]);
        assert_eq!(list[1].label, "child 100");
        world.end().await;
    });
}

#[test]
fn there_are_64_grants_at_a_time_and_one_that_is_revoked_makes_room() {
    simulated(async || {
        let world = World::start().await;
        let root = world.connect().await;
        let mut last = None;
        for number in 1..=63 {
            let asked = attenuation(number, shares(1));
            last = Some(attenuate(&root, &asked).await.unwrap().unwrap());
        }
        let one_more = attenuation(64, shares(1));
        assert_exceeded(attenuate(&root, &one_more).await.unwrap(), 65, 64);
        assert_eq!(revoke(&root, last.unwrap()).await.unwrap(), Ok(true));
        attenuate(&root, &one_more).await.unwrap().unwrap();
        world.end().await;
    });
}

#[test]
fn a_revoked_grant_ends_at_once_on_live_connections_and_its_shares_stay() {
    simulated(async || {
        let (world, root, grant, child) = with_child(shares(5)).await;
        let share_ref = child.owner_ref(1).await;
        let live = child.factory();
        create_by(&live, 2).await.unwrap().unwrap();
        assert_eq!(revoke(&root, grant).await.unwrap(), Ok(true));
        let unproven = |refused: Refusal| {
            assert_eq!(refused.code, RefusalCode::NotAuthorized, "{refused}");
        };
        unproven(create_by(&live, 4).await.unwrap().unwrap_err());
        unproven(child.create(&creation(2)).await.unwrap().unwrap_err());
        child.redeemed(&share_ref).await.unwrap().unwrap();
        // Again: it was not in force; and its request does not bring it back.
        assert_eq!(revoke(&root, grant).await.unwrap(), Ok(false));
        let asked = attenuation(100, shares(5));
        assert_eq!(attenuate(&root, &asked).await.unwrap(), Ok(grant));
        unproven(child.create(&creation(2)).await.unwrap().unwrap_err());
        // Neither a root nor what is not there is ended.
        for other in [
            factory_ref(&world.data()).grant,
            GrantId::from_bytes([9; 16]),
        ] {
            let refused = revoke(&root, other).await.unwrap().unwrap_err();
            assert_eq!(refused.code, RefusalCode::InvalidRequest);
        }
        root.create(&creation(3)).await.unwrap().unwrap();
        let world = restarted(world, vec![root, child]).await;
        let child = connect_as(&world, grant, 100).await;
        unproven(child.create(&creation(2)).await.unwrap().unwrap_err());
        world.end().await;
    });
}

#[test]
fn a_data_folder_that_is_put_back_brings_no_revoked_grant_back() {
    simulated(async || {
        let (world, root, grant, child) = with_child(shares(5)).await;
        drop((root, child));
        let folder = world.end().await;
        let (data, copied) = (folder.path().join("data"), folder.path().join("copy"));
        copy(&data, &copied);
        let world = World::on(folder, |_| {}).await;
        let root = world.connect().await;
        assert_eq!(revoke(&root, grant).await.unwrap(), Ok(true));
        drop(root);
        let folder = world.end().await;
        std::fs::remove_dir_all(&data).unwrap();
        copy(&copied, &data);
        let world = World::on(folder, |_| {}).await;
        let child = connect_as(&world, grant, 100).await;
        let refused = child.create(&creation(1)).await.unwrap().unwrap_err();
        assert_eq!(refused.code, RefusalCode::NotAuthorized);
        world.end().await;
    });
}

#[test]
fn what_a_share_has_reserved_and_does_not_need_is_given_back_when_it_unloads() {
    simulated(async || {
        let (world, root, grant, child) = with_child(bytes(8 * MIB)).await;
        let share_ref = child.owner_ref(1).await;
        let (writer, mut lane) = claimed(&child, &share_ref, 1).await;
        let large = lane.batch(vec![put("a", 3 * MIB / 4)]);
        for _ in 0..2 {
            // The second time there is room made for it again, and nothing comes of it.
            writer.append(&large).await.unwrap().unwrap();
        }
        assert_eq!(counted(&root, grant).await.1, 2 * MIB as u64);
        drop(writer);
        let world = restarted(world, vec![root, child]).await;
        let root = world.connect().await;
        assert_eq!(counted(&root, grant).await.1, MIB as u64);
        world.end().await;
    });
}
