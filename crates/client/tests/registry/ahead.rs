//! Shares that are registered before their factory was asked.

use share_model::{Epoch, GrantId};

use crate::folder::{Folder, all, create, factory, name, open};

#[tokio::test]
async fn a_share_has_its_owners_ref_before_a_server_has_heard_of_it() {
    let folder = Folder::new();
    let ahead = folder
        .registry()
        .register_ahead(&factory(), open("s"))
        .await
        .unwrap();
    let reference = &ahead.reference;
    assert_eq!(reference.secret.hash(), ahead.request.owner_secret_hash);
    let ids = ahead.request.ids(GrantId::from_bytes([5; 16]));
    assert_eq!((reference.share, reference.grant), ids);
    assert_eq!(
        (reference.epoch, &reference.addresses[..]),
        (Epoch::new(1), &["server:1".into()][..])
    );
    // Durable: another process finds it.
    let found = folder.registry().find(&name("s")).await.unwrap().unwrap();
    assert_eq!(found.reference.unwrap().expose(), reference.expose());
}

#[tokio::test]
async fn each_call_registers_another_share_under_the_first_free_name() {
    let folder = Folder::new();
    let registry = folder.registry();
    let opened = create(&registry, "s").await;
    let mut shares = vec![opened.reference.share];
    for expected in ["s#2", "s#3"] {
        let ahead = registry
            .register_ahead(&factory(), open("s"))
            .await
            .unwrap();
        assert_eq!(ahead.name, name(expected));
        assert!(!shares.contains(&ahead.reference.share));
        shares.push(ahead.reference.share);
    }
    registry.release(&name("s#2")).await.unwrap();
    let ahead = registry
        .register_ahead(&factory(), open("s"))
        .await
        .unwrap();
    assert_eq!(ahead.name, name("s#2"));
    assert_eq!(all(&registry).await.len(), 4);
}

#[tokio::test]
async fn a_name_that_leaves_no_room_for_a_number_is_cut_between_characters() {
    let folder = Folder::new();
    let registry = folder.registry();
    let long = "ü".repeat(256);
    let mut names = Vec::new();
    for _ in 0..2 {
        let ahead = registry
            .register_ahead(&factory(), open(&long))
            .await
            .unwrap();
        names.push(ahead.name.session().to_owned());
    }
    assert_eq!(names, [long, format!("{}#2", "ü".repeat(255))]);
}
