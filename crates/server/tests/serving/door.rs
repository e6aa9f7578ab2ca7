//! A redeem that proves nothing says nothing: whatever is asked for, the refusal is the same, comes
//! after the same time, and loads no share. What the real time tells is measured in `bench`: `door`.

use share_model::seam::{Clock as _, SimulatedClock};
use share_model::{GrantId, Refusal, ShareId, ShareRef, Slug, UnixMs};
use share_proto::wire;

use super::client::{Client, Outcome, secret};
use super::world::{World, simulated};

/// Refs that prove nothing, of a share that exists and of one that does not.
fn strangers(owner: &ShareRef) -> Vec<ShareRef> {
    let with = |change: fn(&mut ShareRef)| {
        let mut share_ref = owner.clone();
        change(&mut share_ref);
        share_ref
    };
    vec![
        with(|it| it.share = ShareId::from_bytes([9; 16])),
        with(|it| it.grant = GrantId::from_bytes([9; 16])),
        with(|it| it.secret = secret(99)),
        with(|it| {
            it.share = ShareId::from_bytes([9; 16]);
            it.secret = secret(99);
        }),
    ]
}

async fn slug(client: &Client, slug: &Slug) -> Outcome<()> {
    let mut request = client.bootstrap.redeem_slug_request();
    request.get().set_slug(slug.expose());
    request.get().set_protocol_version(1);
    let response = request.send().promise.await?;
    let outcome = wire::read_redeem_outcome(response.get()?.get_outcome()?).unwrap();
    Ok(outcome.map(drop))
}

/// A ref of which a field has the wrong length.
async fn malformed(client: &Client, owner: &ShareRef) -> Outcome<()> {
    let mut request = client.bootstrap.redeem_share_request();
    wire::write_share_ref(owner, request.get().init_ref());
    request.get().get_ref().unwrap().set_grant(&[1; 15]);
    request.get().set_protocol_version(1);
    let response = request.send().promise.await?;
    let outcome = wire::read_redeem_outcome(response.get()?.get_outcome()?).unwrap();
    Ok(outcome.map(drop))
}

/// Demands the one refusal, after the one time.
async fn assert_told_nothing(what: &str, redeeming: impl Future<Output = Outcome<()>>) {
    let clock = SimulatedClock::starting_at(UnixMs::new(0));
    let refused = redeeming.await.unwrap().unwrap_err();
    assert_eq!(refused, Refusal::not_authorized(), "{what}");
    assert_eq!(clock.now().get(), 10, "{what}");
}

async fn assert_all_told_nothing(client: &Client, owner: &ShareRef, when: &str) {
    for (at, stranger) in strangers(owner).iter().enumerate() {
        let redeeming = async { Ok(client.redeemed(stranger).await?.map(drop)) };
        assert_told_nothing(&format!("{when}, stranger {at}"), redeeming).await;
    }
    assert_told_nothing(&format!("{when}, malformed"), malformed(client, owner)).await;
    let unknown = Slug::from_bytes([7; 16]);
    assert_told_nothing(&format!("{when}, slug"), slug(client, &unknown)).await;
}

#[test]
fn who_proves_nothing_is_told_the_same_after_the_same_time_and_loads_nothing() {
    simulated(async || {
        let world = World::start().await;
        let client = world.connect().await;
        let owner = client.owner_ref(1).await;
        client.redeemed(&owner).await.unwrap().unwrap();
        assert_all_told_nothing(&client, &owner, "loaded").await;
        drop(client);
        let world = World::on(world.end().await, |_| {}).await;
        let client = world.connect().await;
        let before = world.store.loads();
        assert_all_told_nothing(&client, &owner, "not loaded").await;
        assert_eq!(world.store.loads(), before, "a stranger had a share loaded");
        // Who has proven a grant does not wait.
        let clock = SimulatedClock::starting_at(UnixMs::new(0));
        client.redeemed(&owner).await.unwrap().unwrap();
        assert_eq!(clock.now().get(), 0);
        assert_eq!(world.store.loads(), before + 1);
        // All tries are in its audit, also those of before it was loaded: three each time named it.
        let audit = client.session(&owner).audit().await.unwrap().unwrap();
        let unproven = audit.iter().rev().find(|entry| entry.grant.is_none());
        assert_eq!(unproven.unwrap().count, 6);
        world.end().await;
    });
}

/// Or else a share with many grants would show by what it costs, and cost whoever waits behind it.
#[test]
fn what_a_share_grants_is_read_once_however_many_ask_and_however_often() {
    simulated(async || {
        let world = World::start().await;
        let client = world.connect().await;
        let owner = client.owner_ref(1).await;
        let session = client.session(&owner);
        for number in 2..40 {
            session
                .grant(&owner, number, super::administrator::READ)
                .await;
        }
        assert_all_told_nothing(&client, &owner, "loaded").await;
        assert_eq!(world.store.authorities_read(), 0, "its owner knows");
        drop((client, session));
        let world = World::on(world.end().await, |_| {}).await;
        let client = world.connect().await;
        let mut wrong = owner.clone();
        wrong.secret = secret(99);
        let mut asked = tokio::task::JoinSet::new();
        let mut clients = Vec::new();
        // As many at once as each may ask that has proven nothing.
        for at in 0..32 {
            if at % 8 == 0 {
                clients.push(world.connect().await);
            }
            let redeeming = clients[at / 8].redeem(&wrong).1;
            asked.spawn_local(async move { redeeming.await.unwrap().unwrap_err() });
        }
        assert_eq!(asked.join_all().await, vec![Refusal::not_authorized(); 32]);
        assert_all_told_nothing(&client, &owner, "again").await;
        assert_eq!(world.store.authorities_read(), 1);
        world.end().await;
    });
}

#[test]
fn a_grant_is_found_wherever_it_was_given_since_the_last_checkpoint() {
    simulated(async || {
        // A checkpoint at every record, and none at all.
        for records in [1, 1 << 30] {
            let change = |options: &mut share_server::ServerOptions| {
                options.limits.hub.owner.checkpoint_records = records;
            };
            let world = World::with(change).await;
            let client = world.connect().await;
            let owner = client.owner_ref(1).await;
            let session = client.session(&owner);
            let child = session.grant(&owner, 2, super::administrator::READ).await;
            drop((client, session));
            let world = World::on(world.end().await, change).await;
            let client = world.connect().await;
            client.redeemed(&child).await.unwrap().unwrap();
            drop(client);
            let world = World::on(world.end().await, change).await;
            let client = world.connect().await;
            client.redeemed(&owner).await.unwrap().unwrap();
            drop(client);
            world.end().await;
        }
    });
}
