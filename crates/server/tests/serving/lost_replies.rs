//! What changes authority is repeatable: its commit waits, or its outcome is not known, and the
//! connection is cut or the server dies. The same request made again has the same answer and took
//! effect once (`docs/design.md` §5).

use std::collections::BTreeSet;

use share_model::{
    AuditEvent, CreatedShare, Cut, Epoch, GrantId, Minted, RefusalCode, ShareRef, Slug, ToldEvent,
};
use tempfile::TempDir;

use super::administrator::{READ, attenuation, publication, ref_of};
use super::client::{Client, Outcome, bump, creation, secret};
use super::trouble::Trouble;
use super::world::{World, data_in, simulated};

/// What is asked for. Each request is made from constants: what its client had stored before the
/// call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Ask {
    Create,
    Attenuate,
    Publish,
    Revoke,
    Bump,
    Delete,
}

/// What befalls the call once its commit is tried.
#[derive(Debug, Clone, Copy)]
enum Fault {
    /// The connection is cut while the commit waits, which goes on then.
    CutBeforeCommit,
    /// The server dies while the commit waits: of it nothing is on the disk but what came before.
    CrashBeforeCommit,
    /// The commit is lost, and the store stops before it can be looked at.
    CommitLost,
    /// The commit is made, and the store stops before anybody knows: the reply never leaves.
    CommittedUnseen,
}

const FAULTS: [Fault; 4] = [
    Fault::CutBeforeCommit,
    Fault::CrashBeforeCommit,
    Fault::CommitLost,
    Fault::CommittedUnseen,
];

/// An answer, without what it says of this very call.
#[derive(Debug, PartialEq, Eq)]
enum Answer {
    Created(CreatedShare),
    Minted(Minted),
    Bumped(Epoch, GrantId),
    Ended,
}

const NUMBER: u8 = 5;
const SLUG: [u8; 16] = [6; 16];

/// The ref of the share that there is, and that of the reader who is to be revoked.
struct Scene {
    owner: ShareRef,
    reader: ShareRef,
}

impl Scene {
    async fn set(world: &World) -> Self {
        let client = world.connect().await;
        let owner = client.owner_ref(1).await;
        let reader = client.session(&owner).grant(&owner, 2, READ).await;
        Self { owner, reader }
    }

    /// The answer, and how many grants this very call has ended.
    async fn call(&self, client: &Client, ask: Ask) -> Outcome<(Answer, u32)> {
        let session = client.session(&self.owner);
        let ended = |cut: Cut| (Answer::Ended, cut.grants);
        Ok(match ask {
            Ask::Create => {
                let created = client.create(&creation(NUMBER)).await?;
                created.map(|created| (Answer::Created(created), 0))
            }
            Ask::Attenuate => {
                let minted = session.attenuate(&attenuation(NUMBER, READ)).await?;
                minted.map(|minted| (Answer::Minted(minted), 0))
            }
            Ask::Publish => {
                let asked = publication(&Slug::from_bytes(SLUG), None);
                let minted = session.publish(&asked).await?;
                minted.map(|minted| (Answer::Minted(minted), 0))
            }
            Ask::Revoke => session.revoke(self.reader.grant).await?.map(ended),
            Ask::Bump => {
                let bumped = session.bump(&bump(NUMBER)).await?;
                bumped.map(|it| (Answer::Bumped(it.epoch, it.grant), it.cut.grants))
            }
            Ask::Delete => session.delete().await?.map(ended),
        })
    }
}

/// The ref that the answer's grant and what was stored make.
fn made(scene: &Scene, grant: GrantId, epoch: Epoch) -> ShareRef {
    ShareRef {
        grant,
        epoch,
        secret: secret(u64::from(NUMBER)),
        ..scene.owner.clone()
    }
}

async fn refused(client: &Client, share_ref: &ShareRef, code: RefusalCode, what: &str) {
    let redeemed = client.redeemed(share_ref).await.unwrap();
    assert_eq!(
        redeemed.map_err(|refusal| refusal.code),
        Err(code),
        "{what}"
    );
}

/// Under `owner` there are these grants and no other, and the event was once.
async fn once(
    client: &Client,
    owner: &ShareRef,
    event: AuditEvent,
    (grants, what): (&[GrantId], &str),
) {
    let session = client.session(owner);
    let listed = session.grants().await.unwrap().unwrap();
    let listed: BTreeSet<_> = listed.iter().map(|grant| grant.id).collect();
    let expected: BTreeSet<_> = grants.iter().copied().collect();
    assert_eq!(listed, expected, "{what}: grants");
    let audit = session.audit().await.unwrap().unwrap();
    let mine = |grant: Option<GrantId>| grant.is_none_or(|grant| Some(&grant) == grants.last());
    let counts: Vec<_> = audit
        .iter()
        .filter(|entry| entry.event == ToldEvent::Known(event) && mine(entry.grant))
        .map(|entry| entry.count)
        .collect();
    assert_eq!(counts, [1], "{what}: {event:?} in {audit:?}");
}

/// Everything is as after one undisturbed call.
async fn check(client: &Client, scene: &Scene, ask: Ask, (answer, what): (&Answer, &str)) {
    let Scene { owner, reader } = scene;
    match (ask, answer) {
        (Ask::Create, Answer::Created(created)) => {
            let owner = ShareRef {
                share: created.share,
                ..made(scene, created.grant, created.epoch)
            };
            let grants = [created.grant];
            once(client, &owner, AuditEvent::Created, (&grants, what)).await;
        }
        (Ask::Attenuate, Answer::Minted(minted)) => {
            let child = ref_of(owner, *minted, NUMBER);
            client.redeemed(&child).await.unwrap().unwrap();
            let grants = [owner.grant, reader.grant, minted.grant];
            once(client, owner, AuditEvent::Granted, (&grants, what)).await;
        }
        (Ask::Publish, Answer::Minted(minted)) => {
            let opened = client.redeem_slug(&SLUG).1.await.unwrap().unwrap();
            assert_eq!(opened.share, owner.share, "{what}");
            let grants = [owner.grant, reader.grant, minted.grant];
            once(client, owner, AuditEvent::Published, (&grants, what)).await;
        }
        (Ask::Revoke, Answer::Ended) => {
            refused(client, reader, RefusalCode::Revoked, what).await;
            let grants = [owner.grant, reader.grant];
            once(client, owner, AuditEvent::Revoked, (&grants, what)).await;
        }
        (Ask::Bump, Answer::Bumped(epoch, grant)) => {
            assert_eq!(epoch.get(), 2, "{what}");
            refused(client, owner, RefusalCode::StaleEpoch, what).await;
            let new = made(scene, *grant, *epoch);
            once(client, &new, AuditEvent::Bumped, (&[*grant], what)).await;
        }
        (Ask::Delete, Answer::Ended) => {
            refused(client, owner, RefusalCode::Gone, what).await;
            refused(client, reader, RefusalCode::Gone, what).await;
        }
        (ask, answer) => panic!("{what}: {ask:?} was answered by {answer:?}"),
    }
}

/// What a machine has on its disk now.
fn disk(world: &World) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    let copy = |from: &std::path::Path, to: &std::path::Path| {
        std::fs::copy(from, to).unwrap();
    };
    std::fs::create_dir(data_in(&folder)).unwrap();
    for entry in std::fs::read_dir(world.data()).unwrap() {
        let entry = entry.unwrap();
        copy(&entry.path(), &data_in(&folder).join(entry.file_name()));
    }
    let journal = share_server::default_journal;
    copy(&journal(&world.data()), &journal(&data_in(&folder)));
    folder
}

/// Calls while the commit waits; then the fault. The world that is left, in which nobody has heard.
async fn call_is_held(world: World, scene: &Scene, ask: Ask, is_crash: bool) -> World {
    let client = world.connect().await;
    world.store.hold(true);
    let calling = scene.call(&client, ask);
    tokio::select! {
        biased;
        answer = calling => panic!("{ask:?} is answered before its commit: {answer:?}"),
        () = world.store.holds_one() => {}
    }
    if is_crash {
        let disk = disk(&world);
        client.cut().await;
        world.store.hold(false);
        world.end().await;
        return World::on(disk, |_| {}).await;
    }
    client.cut().await;
    world.store.hold(false);
    world
}

/// The store stops after the trouble; the server is started again.
async fn call_is_troubled(world: World, scene: &Scene, ask: Ask, trouble: Trouble) -> World {
    let client = world.connect().await;
    world.store.plan(&[trouble, Trouble::Stop]);
    // Whatever was answered does not arrive.
    let _ = scene.call(&client, ask).await;
    assert!(world.store.fired() > 0, "{ask:?}: no trouble was made");
    client.cut().await;
    World::on(world.end().await, |_| {}).await
}

async fn survives(ask: Ask, fault: Fault) {
    let what = &format!("{ask:?}, {fault:?}");
    let world = World::start().await;
    let scene = Scene::set(&world).await;
    let world = match fault {
        Fault::CutBeforeCommit => call_is_held(world, &scene, ask, false).await,
        Fault::CrashBeforeCommit => call_is_held(world, &scene, ask, true).await,
        Fault::CommitLost => call_is_troubled(world, &scene, ask, Trouble::UnknownLost).await,
        Fault::CommittedUnseen => {
            call_is_troubled(world, &scene, ask, Trouble::UnknownCommitted).await
        }
    };
    let client = world.connect().await;
    let again = || async { scene.call(&client, ask).await.unwrap() };
    let (answer, ended) = again()
        .await
        .unwrap_or_else(|refusal| panic!("{what}: repeated: {refusal:?}"));
    // What ends authority was in the journal before its commit was tried: nothing is left to end.
    assert_eq!(ended, 0, "{what}: the repeat ended it again");
    let (third, ended) = again().await.unwrap();
    assert_eq!((&third, ended), (&answer, 0), "{what}: made a third time");
    check(&client, &scene, ask, (&answer, what)).await;
    world.end().await;
}

fn survives_all(ask: Ask) {
    for fault in FAULTS {
        simulated(async || survives(ask, fault).await);
    }
}

#[test]
fn a_creation_whose_reply_was_lost_gives_the_same_share_when_it_is_asked_for_again() {
    survives_all(Ask::Create);
}

#[test]
fn a_grant_whose_reply_was_lost_is_the_same_grant_when_it_is_asked_for_again() {
    survives_all(Ask::Attenuate);
}

#[test]
fn a_public_address_whose_reply_was_lost_is_the_same_when_it_is_asked_for_again() {
    survives_all(Ask::Publish);
}

#[test]
fn a_revocation_whose_reply_was_lost_ended_its_grant_once() {
    survives_all(Ask::Revoke);
}

#[test]
fn a_bump_whose_reply_was_lost_ended_the_epoch_once_and_has_its_owner() {
    survives_all(Ask::Bump);
}

#[test]
fn a_deletion_whose_reply_was_lost_is_answered_when_it_is_asked_for_again() {
    survives_all(Ask::Delete);
}
