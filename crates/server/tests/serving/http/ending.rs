//! How a share ends, stands still, or is refused to who was let in before.

use super::super::client::bump;
use super::super::world::{World, simulated};
use super::agent::{Shared, todo};

/// The statuses of data, of a sync and of a delete.
async fn statuses(world: &World, share: &Shared) -> (u16, u16, u16) {
    let data = world.read(&share.id).await.0;
    let sync = world.sync(share, &[todo("t", 2)]).await.0;
    (data, sync, world.unshare(share).await.0)
}

#[test]
fn a_share_that_was_deleted_is_gone_and_deleting_it_again_is_done() {
    simulated(async || {
        let world = World::start().await;
        let share = world.share_session("ses_1").await;
        world.synced(&share, &[todo("t", 1)]).await;
        assert_eq!(world.unshare(&share).await.0, 200);
        assert_eq!(statuses(&world, &share).await, (404, 410, 200));
        // Only to who proves the secret.
        let other = world.share_session("ses_1").await;
        let stranger = Shared {
            secret: other.secret.clone(),
            ..share.clone()
        };
        assert_eq!(statuses(&world, &stranger).await, (404, 404, 404));
        // The tombstone stays.
        let world = World::on(world.end().await, |_| {}).await;
        assert_eq!(statuses(&world, &share).await, (404, 410, 200));
        assert_eq!(statuses(&world, &stranger).await, (404, 404, 404));
        world.synced(&other, &[todo("t", 1)]).await;
        world.end().await;
    });
}

#[test]
fn a_frozen_share_is_read_and_takes_nothing_until_it_is_unfrozen() {
    simulated(async || {
        let world = World::start().await;
        let share = world.share_session("ses_1").await;
        world.synced(&share, &[todo("t", 1)]).await;
        let client = world.connect().await;
        let owner = client.session(&share.owner_ref(&client).await);
        owner.set_frozen(true).await.unwrap().unwrap();
        let (status, body) = world.sync(&share, &[todo("t", 2)]).await;
        assert_eq!(status, 403, "{body}");
        assert_eq!(world.entries(&share).await["todo/t"]["value"], 1);
        owner.set_frozen(false).await.unwrap().unwrap();
        world.synced(&share, &[todo("t", 2)]).await;
        assert_eq!(world.entries(&share).await["todo/t"]["value"], 2);
        drop((client, owner));
        world.end().await;
    });
}

#[test]
fn an_owner_that_rotates_ends_the_secret_of_the_agent_and_the_public_address() {
    simulated(async || {
        let world = World::start().await;
        let share = world.share_session("ses_1").await;
        world.synced(&share, &[todo("t", 1)]).await;
        let client = world.connect().await;
        let owner = client.session(&share.owner_ref(&client).await);
        owner.bump(&bump(5)).await.unwrap().unwrap();
        assert_eq!(statuses(&world, &share).await, (404, 410, 410));
        drop((client, owner));
        world.end().await;
    });
}

#[test]
fn a_public_address_that_was_revoked_reads_nothing_and_the_agent_syncs_on() {
    simulated(async || {
        let world = World::start().await;
        let share = world.share_session("ses_1").await;
        let client = world.connect().await;
        let owner = client.session(&share.owner_ref(&client).await);
        owner.revoke(share.slug().grant()).await.unwrap().unwrap();
        assert_eq!(world.read(&share.id).await.0, 404);
        world.synced(&share, &[todo("t", 1)]).await;
        assert_eq!(owner.keys().await.0, ["todo/t"]);
        drop((client, owner));
        world.end().await;
    });
}
