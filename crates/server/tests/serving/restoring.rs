//! A restored backup brings no authority back: of shares, public addresses and factories.

use std::path::PathBuf;

use share_model::seam::SeededEntropy;
use share_model::{
    Attenuate, FactoryAttenuate, GrantId, Quotas, RefusalCode, RequestId, ShareRef, Slug,
};
use share_proto::wire;
use share_server::{RestoreJournal, RestoreOptions, default_journal, restore};
use tempfile::TempDir;

use super::administrator::{APPEND, attenuation, publication, ref_of};
use super::client::{Client, Session, origin, rest, secret};
use super::lane::Lane;
use super::world::{World, data_in, options, simulated};

const SLUG: Slug = Slug::from_bytes([7; 16]);

/// What was there when the backup was made.
struct Before {
    owner_ref: ShareRef,
    child_ref: ShareRef,
    deleted_ref: ShareRef,
    factory_child: GrantId,
}

async fn code(client: &Client, share_ref: &ShareRef) -> RefusalCode {
    client.redeemed(share_ref).await.unwrap().unwrap_err().code
}

async fn put(session: &Session, number: u8, text: &str) {
    let mut lane = Lane::new(number);
    let (writer, claimed) = session.claim(&lane.claim());
    claimed.await.unwrap().unwrap();
    let words = share_model::Mutation::Put {
        key: "k".into(),
        json: format!("\"{text}\"").into(),
    };
    writer
        .append(&lane.batch(vec![words]))
        .await
        .unwrap()
        .unwrap();
}

async fn factory_child(client: &Client) -> GrantId {
    let asked = FactoryAttenuate {
        request: RequestId::from_bytes([30; 16]),
        secret_hash: secret(30).hash(),
        quotas: Quotas::default(),
        label: String::new(),
        origin: origin(),
    };
    let mut request = client.factory().attenuate_request();
    wire::write_factory_attenuate(&asked, request.get().init_request());
    let response = request.send().promise.await.unwrap();
    let outcome = response.get().unwrap().get_outcome().unwrap();
    wire::read_factory_mint_outcome(outcome).unwrap().unwrap()
}

async fn end_factory_child(client: &Client, grant: GrantId) {
    let mut request = client.factory().revoke_request();
    wire::write_factory_revoke(grant, request.get());
    let response = request.send().promise.await.unwrap();
    let outcome = response.get().unwrap().get_outcome().unwrap();
    assert!(wire::read_factory_revoke_outcome(outcome).unwrap().unwrap());
}

/// Whether the factory's child still opens anything.
async fn opens_factory(client: &Client, world: &World, grant: GrantId) -> bool {
    let mut factory = super::world::factory_ref(&world.data());
    factory.grant = grant;
    factory.secret = secret(30);
    let mut request = client.bootstrap.redeem_factory_request();
    wire::write_factory_ref(&factory, request.get().init_ref());
    request.get().set_protocol_version(1);
    let response = request.send().promise.await.unwrap();
    let outcome = response.get().unwrap().get_outcome().unwrap();
    wire::read_factory_outcome(outcome).unwrap().is_ok()
}

/// A world with a backup of it, in which authority has ended since.
async fn ended_after_a_backup() -> (World, Client, Before) {
    let world = World::start().await;
    let client = world.connect().await;
    let owner_ref = client.owner_ref(1).await;
    let owner = client.session(&owner_ref);
    let child_ref = owner.grant(&owner_ref, 2, APPEND).await;
    owner
        .publish(&publication(&SLUG, None))
        .await
        .unwrap()
        .unwrap();
    let deleted_ref = client.owner_ref(3).await;
    let deleted = client.session(&deleted_ref);
    put(&deleted, 1, "a word that was deleted").await;
    let factory_child = factory_child(&client).await;
    let (backup, _) = client.begin_backup().await.unwrap().unwrap();
    let bytes = rest(&backup).await;
    std::fs::write(world.folder.path().join("backup"), bytes).unwrap();
    owner.revoke(child_ref.grant).await.unwrap().unwrap();
    owner.revoke(SLUG.grant()).await.unwrap().unwrap();
    deleted.delete().await.unwrap().unwrap();
    end_factory_child(&client, factory_child).await;
    let before = Before {
        owner_ref,
        child_ref,
        deleted_ref,
        factory_child,
    };
    (world, client, before)
}

async fn restored(folder: &TempDir, journal: RestoreJournal) -> Option<PathBuf> {
    let data = data_in(folder);
    let mut options = RestoreOptions {
        file: folder.path().join("backup"),
        journal,
        advertise: Vec::new(),
        seams: options(&data).seams,
        data,
    };
    // Other ids than those of the world that was.
    options.seams.entropy = std::sync::Arc::new(SeededEntropy::new(99));
    restore(options).await.unwrap().owner_refs
}

#[test]
fn what_had_ended_after_a_backup_has_ended_when_it_is_restored() {
    simulated(async || {
        let (world, client, before) = ended_after_a_backup().await;
        drop(client);
        let folder = world.end().await;
        let journal = default_journal(&data_in(&folder));
        restored(&folder, RestoreJournal::At(journal)).await;
        let world = World::on(folder, |_| {}).await;
        let client = world.connect().await;
        assert_eq!(code(&client, &before.child_ref).await, RefusalCode::Revoked);
        let (_, redeemed) = client.redeem_slug(SLUG.expose());
        assert_eq!(
            redeemed.await.unwrap().unwrap_err().code,
            RefusalCode::Revoked
        );
        assert_eq!(code(&client, &before.deleted_ref).await, RefusalCode::Gone);
        assert!(!opens_factory(&client, &world, before.factory_child).await);
        // Who asks for the revoked grant again gets its name, and no authority.
        let owner = client.session(&before.owner_ref);
        let again = owner.attenuate(&attenuation(2, APPEND)).await.unwrap();
        let again = ref_of(&before.owner_ref, again.unwrap(), 2);
        assert_eq!(code(&client, &again).await, RefusalCode::Revoked);
        let folder = world.end().await;
        // Nor does the deleted content stay where the backup put it.
        for file in std::fs::read_dir(data_in(&folder)).unwrap() {
            let path = file.unwrap().path();
            if path.is_file() {
                let bytes = std::fs::read(&path).unwrap();
                let word = b"a word that was deleted";
                let is_there = bytes.windows(word.len()).any(|window| window == word);
                assert!(!is_there, "{} still has the content", path.display());
            }
        }
    });
}

#[test]
fn a_grant_that_was_made_and_revoked_after_a_backup_is_not_made_again() {
    simulated(async || {
        let world = World::start().await;
        let client = world.connect().await;
        let owner_ref = client.owner_ref(1).await;
        let (backup, _) = client.begin_backup().await.unwrap().unwrap();
        let bytes = rest(&backup).await;
        std::fs::write(world.folder.path().join("backup"), bytes).unwrap();
        let owner = client.session(&owner_ref);
        let leaked = owner.grant(&owner_ref, 2, APPEND).await;
        owner.revoke(leaked.grant).await.unwrap().unwrap();
        drop((client, owner));
        let folder = world.end().await;
        let journal = default_journal(&data_in(&folder));
        restored(&folder, RestoreJournal::At(journal)).await;
        let world = World::on(folder, |_| {}).await;
        let client = world.connect().await;
        let asked: Attenuate = attenuation(2, APPEND);
        let again = client.session(&owner_ref).attenuate(&asked).await.unwrap();
        assert_eq!(again.unwrap_err().code, RefusalCode::Revoked);
        assert_eq!(code(&client, &leaked).await, RefusalCode::NotAuthorized);
        world.end().await;
    });
}

#[test]
fn without_the_journal_no_grant_of_a_backup_is_left() {
    simulated(async || {
        let (world, client, before) = ended_after_a_backup().await;
        drop(client);
        let folder = world.end().await;
        let journal = default_journal(&data_in(&folder));
        std::fs::remove_file(&journal).unwrap();
        let owners = restored(&folder, RestoreJournal::Lost(journal)).await;
        assert!(owners.is_some());
        let world = World::on(folder, |_| {}).await;
        let client = world.connect().await;
        for old in [&before.owner_ref, &before.child_ref, &before.deleted_ref] {
            assert_eq!(code(&client, old).await, RefusalCode::StaleEpoch);
        }
        let (_, redeemed) = client.redeem_slug(SLUG.expose());
        assert_eq!(
            redeemed.await.unwrap().unwrap_err().code,
            RefusalCode::StaleEpoch
        );
        assert!(!opens_factory(&client, &world, before.factory_child).await);
        world.end().await;
    });
}
