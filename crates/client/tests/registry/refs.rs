//! What is learned of a share after it was opened: newer refs, and what its server tells.

use share_client::{RefUpdate, Registry, RegistryEntry};
use share_model::{
    Cursor, Epoch, GrantId, HistoryId, Limits, Origin, OriginKind, Redeemed, Rights, Secret,
    ShareId, ShareRef, UnixMs,
};

use crate::folder::{Folder, all, create, name};

fn redeemed(share: ShareId, history: u8, cursor: u64, epoch: u64) -> Redeemed {
    Redeemed {
        share,
        cursor: Cursor::new(cursor),
        epoch: Epoch::new(epoch),
        history: HistoryId::from_bytes([history; 16]),
        rights: Rights::ALL,
        limits: Limits::DEFAULT,
        title: "a title".into(),
        created_at: UnixMs::new(1),
        origin: Origin::new(OriginKind::User, "u".into(), 9).unwrap(),
        server: "s".into(),
        protocol_version: 1,
        grant: GrantId::from_bytes([2; 16]),
        expires_at: None,
        label: String::new(),
        owner: true,
        frozen: false,
    }
}

async fn entry(registry: &Registry) -> RegistryEntry {
    registry.find(&name("s")).await.unwrap().unwrap()
}

#[tokio::test]
async fn a_ref_of_a_later_epoch_takes_the_place_and_an_earlier_one_never_does() {
    let folder = Folder::new();
    let registry = folder.registry();
    let first = create(&registry, "s").await.reference;
    let bumped = ShareRef {
        epoch: Epoch::new(3),
        grant: GrantId::from_bytes([1; 16]),
        secret: Secret::from_bytes([2; 32]),
        ..first.clone()
    };
    let between = ShareRef {
        epoch: Epoch::new(2),
        ..bumped.clone()
    };
    let update = |reference: &ShareRef| registry.update_ref(reference.clone());
    assert_eq!(update(&first).await.unwrap(), RefUpdate::Same);
    assert_eq!(update(&bumped).await.unwrap(), RefUpdate::Replaced);
    for older in [&between, &first] {
        assert_eq!(update(older).await.unwrap(), RefUpdate::Kept);
    }
    let held = entry(&registry).await.reference.unwrap();
    assert_eq!(held.expose(), bumped.expose());
    // Also when what created the share is heard again.
    let again = registry.reopen(&name("s"), "/w".as_ref()).await.unwrap();
    assert_eq!(again.unwrap().reference.expose(), bumped.expose());
}

#[tokio::test]
async fn another_ref_of_the_same_epoch_never_takes_the_owners_place() {
    let folder = Folder::new();
    let registry = folder.registry();
    let owner = create(&registry, "s").await.reference;
    let child = ShareRef {
        grant: GrantId::from_bytes([1; 16]),
        secret: Secret::from_bytes([2; 32]),
        ..owner.clone()
    };
    let forged = ShareRef {
        secret: Secret::from_bytes([2; 32]),
        ..owner.clone()
    };
    for other in [child, forged] {
        assert_eq!(registry.update_ref(other).await.unwrap(), RefUpdate::Kept);
    }
    // The same grant where its server is now.
    let moved = ShareRef {
        addresses: vec!["elsewhere:2".into()],
        ..owner
    };
    let update = registry.update_ref(moved.clone()).await.unwrap();
    assert_eq!(update, RefUpdate::Replaced);
    let held = entry(&registry).await.reference.unwrap();
    assert_eq!(held.expose(), moved.expose());
}

#[tokio::test]
async fn a_ref_of_a_released_entry_is_kept_up_to_date_and_of_an_unknown_share_is_said() {
    let folder = Folder::new();
    let registry = folder.registry();
    let first = create(&registry, "s").await.reference;
    registry.release(&name("s")).await.unwrap();
    let bumped = ShareRef {
        epoch: Epoch::new(2),
        ..first.clone()
    };
    let update = registry.update_ref(bumped.clone()).await.unwrap();
    assert_eq!(update, RefUpdate::Replaced);
    let held = all(&registry).await[0].reference.clone().unwrap();
    assert_eq!(held.expose(), bumped.expose());
    let unknown = ShareRef {
        share: ShareId::from_bytes([1; 16]),
        ..first
    };
    let update = registry.update_ref(unknown.clone()).await.unwrap();
    assert_eq!(update, RefUpdate::Unknown);
    let told = [
        redeemed(unknown.share, 1, 1, 1),
        redeemed(bumped.share, 1, 1, 1),
    ];
    assert_eq!(registry.seen(&told).await.unwrap(), 1);
}

#[tokio::test]
async fn within_a_history_the_cursor_never_falls_and_another_history_begins_anew() {
    let folder = Folder::new();
    let registry = folder.registry();
    let share = create(&registry, "s").await.reference.share;
    assert_eq!(entry(&registry).await.sighting, None);
    // History, cursor and epoch that are told; cursor and epoch that are known after.
    let told = [
        ((1, 7, 1), (7, 1)),
        ((1, 5, 1), (7, 1)),
        ((1, 9, 2), (9, 2)),
        ((1, 9, 1), (9, 2)),
        ((2, 4, 1), (4, 2)),
        ((2, 6, 3), (6, 3)),
    ];
    for ((history, cursor, epoch), known) in told {
        let told = [redeemed(share, history, cursor, epoch)];
        assert_eq!(registry.seen(&told).await.unwrap(), 1);
        let sighting = entry(&registry).await.sighting.unwrap();
        assert_eq!((sighting.cursor.get(), sighting.epoch.get()), known);
        assert_eq!(sighting.history, HistoryId::from_bytes([history; 16]));
    }
    assert_eq!(entry(&registry).await.epoch(), Some(Epoch::new(3)));
}
