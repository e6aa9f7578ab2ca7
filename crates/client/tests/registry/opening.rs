//! A session has one share, whoever opens it, from wherever.

use std::path::Path;
use std::sync::Arc;

use share_client::{OpenAnswer, OpenSession, Registry, RegistryError, RegistryOptions, Reserved};
use share_model::seam::SimulatedClock;
use share_model::{CreatedShare, Origin, OriginKind, ShareId, UnixMs};

use crate::folder::{
    Folder, all, answer, create, factory, name, open, open_in, other_factory, reserve,
};

#[tokio::test]
async fn the_first_opens_and_all_later_ones_get_the_same_ref() {
    let folder = Folder::new();
    let first = create(&folder.registry(), "s").await;
    let registry = folder.registry();
    for _ in 0..2 {
        let again = open_in(&registry, open("s")).await;
        assert_eq!(again.answer, OpenAnswer::Reused);
        assert_eq!(again.reference.expose(), first.reference.expose());
    }
    assert_eq!(all(&registry).await.len(), 1);
}

#[tokio::test]
async fn what_was_asked_is_asked_again_until_an_answer_is_known() {
    let folder = Folder::new();
    let first = reserve(&folder.registry(), "s").await;
    let second = reserve(&folder.registry(), "s").await;
    assert_eq!(first.request, second.request);
    assert_eq!(first.request.title, "a title");
    assert_eq!(first.request.origin.id(), "ann");
    let registry = folder.registry();
    assert!(
        registry
            .reopen(&first.name, Path::new("/w"))
            .await
            .unwrap()
            .is_none()
    );
    let (created, served) = answer(first.request.request);
    let opened = registry.complete(&first, &created, &served).await.unwrap();
    assert_eq!(opened.answer, OpenAnswer::Created);
    // The secret whose hash was asked with is the one in the ref.
    assert_eq!(
        opened.reference.secret.hash(),
        second.request.owner_secret_hash
    );
}

#[tokio::test]
async fn of_all_who_hear_an_answer_one_is_told_created() {
    let folder = Folder::new();
    let registries = [folder.registry(), folder.registry(), folder.registry()];
    let mut pending = Vec::new();
    for registry in &registries {
        pending.push(reserve(registry, "s").await);
    }
    let mut answers = Vec::new();
    let mut refs = Vec::new();
    for (registry, pending) in registries.iter().zip(&pending) {
        let (created, served) = answer(pending.request.request);
        let opened = registry.complete(pending, &created, &served).await.unwrap();
        answers.push(opened.answer);
        refs.push(opened.reference.expose());
    }
    assert_eq!(
        answers,
        [OpenAnswer::Created, OpenAnswer::Reused, OpenAnswer::Reused]
    );
    refs.dedup();
    assert_eq!(refs.len(), 1);
}

#[tokio::test]
async fn an_answer_with_another_share_never_replaces_the_first() {
    let folder = Folder::new();
    let registry = folder.registry();
    let pending = reserve(&registry, "s").await;
    let (created, served) = answer(pending.request.request);
    let first = registry
        .complete(&pending, &created, &served)
        .await
        .unwrap();
    let other = CreatedShare {
        share: ShareId::from_bytes([1; 16]),
        ..created
    };
    let error = registry
        .complete(&pending, &other, &served)
        .await
        .unwrap_err();
    assert!(matches!(error, RegistryError::OtherShare { .. }));
    let held = registry.find(&name("s")).await.unwrap().unwrap();
    assert_eq!(held.reference.unwrap().expose(), first.reference.expose());
}

#[tokio::test]
async fn while_nothing_is_known_the_newest_title_counts_and_then_no_more() {
    let folder = Folder::new();
    let registry = folder.registry();
    let titled = |title: &str| OpenSession {
        title: title.into(),
        ..open("s")
    };
    reserve(&registry, "s").await;
    let again = registry
        .reserve(&factory(), titled("second"))
        .await
        .unwrap();
    let Reserved::Pending(again) = again else {
        panic!("{again:?}")
    };
    assert_eq!(again.request.title, "second");
    open_in(&registry, titled("third")).await;
    open_in(&registry, titled("fourth")).await;
    assert_eq!(all(&registry).await[0].title, "third");
}

#[tokio::test]
async fn while_a_factory_may_have_created_the_share_no_other_is_asked() {
    let folder = Folder::new();
    let registry = folder.registry();
    let pending = reserve(&registry, "s").await;
    let error = registry
        .reserve(&other_factory(), open("s"))
        .await
        .unwrap_err();
    let RegistryError::OtherFactory { factory: asked, .. } = &error else {
        panic!("{error:?}")
    };
    assert_eq!(*asked, factory().grant);
    assert!(error.to_string().contains("release the name"), "{error}");
    let (created, served) = answer(pending.request.request);
    registry
        .complete(&pending, &created, &served)
        .await
        .unwrap();
    // Once there is a share the factory does not matter.
    let opened = registry.reserve(&other_factory(), open("s")).await.unwrap();
    assert!(matches!(opened, Reserved::Open(_)));
}

#[tokio::test]
async fn a_lost_worktree_leaves_share_and_ref_and_the_new_path_is_recorded() {
    let folder = Folder::new();
    let registry = folder.registry();
    let first = create(&registry, "s").await;
    let elsewhere = OpenSession {
        state_file: "/work/new/state.sqlite".into(),
        ..open("s")
    };
    let again = open_in(&registry, elsewhere.clone()).await;
    assert_eq!(again.reference.expose(), first.reference.expose());
    assert_eq!(again.moved_from, Some(open("s").state_file));
    assert_eq!(all(&registry).await[0].state_file, elsewhere.state_file);
    let same = open_in(&registry, elsewhere).await;
    assert_eq!(same.moved_from, None);
    // Without a factory too.
    let third = Path::new("/third");
    let again = registry.reopen(&name("s"), third).await.unwrap().unwrap();
    assert_eq!(again.reference.expose(), first.reference.expose());
    assert_eq!(all(&registry).await[0].state_file, third);
}

#[cfg(unix)]
#[tokio::test]
async fn a_path_that_is_no_text_is_kept_as_it_is() {
    use std::os::unix::ffi::OsStringExt;
    let folder = Folder::new();
    let registry = folder.registry();
    let path = std::ffi::OsString::from_vec(vec![b'/', 0xff, 0x9b]);
    let session = OpenSession {
        state_file: path.clone().into(),
        ..open("s")
    };
    open_in(&registry, session).await;
    assert_eq!(all(&registry).await[0].state_file, Path::new(&path));
}

#[tokio::test]
async fn released_and_opened_again_makes_a_new_share_and_keeps_the_old_ones_ref() {
    let folder = Folder::new();
    let registry = folder.registry();
    let first = create(&registry, "s").await;
    let released = registry.release(&name("s")).await.unwrap();
    assert_eq!(released.share(), Some(first.reference.share));
    let again = registry.release(&name("s")).await.unwrap_err();
    assert!(matches!(again, RegistryError::NotRegistered { .. }));
    assert!(registry.find(&name("s")).await.unwrap().is_none());

    let second = create(&registry, "s").await;
    assert_ne!(second.reference.share, first.reference.share);
    let entries = all(&folder.registry()).await;
    let refs: Vec<_> = entries
        .iter()
        .map(|entry| entry.reference.as_ref().unwrap().expose())
        .collect();
    assert_eq!(refs, [first.reference.expose(), second.reference.expose()]);
    assert!(entries[0].released_at.is_some() && entries[1].released_at.is_none());
    let open = registry.list(Default::default(), None, 10).await.unwrap();
    assert_eq!(open.len(), 1);
    let found = registry.find_share(first.reference.share).await.unwrap();
    assert_eq!(found.len(), 1);
    assert!(found[0].reference.is_some());
}

#[tokio::test]
async fn a_share_that_comes_after_its_name_was_released_is_kept_and_not_given_to_the_name() {
    let folder = Folder::new();
    let registry = folder.registry();
    let pending = reserve(&registry, "s").await;
    registry.release(&name("s")).await.unwrap();
    let second = reserve(&registry, "s").await;
    assert_ne!(second.request.request, pending.request.request);
    let (created, served) = answer(pending.request.request);
    for _ in 0..2 {
        let error = registry
            .complete(&pending, &created, &served)
            .await
            .unwrap_err();
        assert!(
            matches!(error, RegistryError::ReleasedMeanwhile { .. }),
            "{error:?}"
        );
    }
    let entries = all(&registry).await;
    assert_eq!(entries[0].share(), Some(created.share));
    assert!(entries[0].released_at.is_some());
    assert_eq!(entries[1].share(), None);
}

#[tokio::test]
async fn a_text_over_its_bound_is_refused_and_nothing_is_stored() {
    let folder = Folder::new();
    let registry = folder.registry();
    let with_title = |bytes: usize| OpenSession {
        title: "t".repeat(bytes),
        ..open("title")
    };
    let with_path = |bytes: usize| OpenSession {
        state_file: "p".repeat(bytes).into(),
        ..open("path")
    };
    let with_origin = |bytes: usize| OpenSession {
        origin: Origin::new(OriginKind::Agent, "o".repeat(bytes), u32::MAX).unwrap(),
        ..open("origin")
    };
    for long in [with_title(1025), with_path(4097), with_origin(1025)] {
        let error = registry.reserve(&factory(), long).await.unwrap_err();
        assert!(matches!(error, RegistryError::TooLong { .. }), "{error:?}");
    }
    let long = "p".repeat(4097);
    let error = registry.reopen(&name("path"), Path::new(&long)).await;
    assert!(matches!(error, Err(RegistryError::TooLong { .. })));
    assert_eq!(all(&registry).await.len(), 0);
    for fits in [with_title(1024), with_path(4096), with_origin(1024)] {
        open_in(&registry, fits).await;
    }
    assert_eq!(all(&registry).await.len(), 3);
}

#[tokio::test]
async fn a_full_registry_refuses_new_names_and_opens_those_that_it_has() {
    let folder = Folder::new();
    let options = RegistryOptions {
        entries_max: 2,
        ..RegistryOptions::default()
    };
    let registry = Registry::open(&folder.path(), options).unwrap();
    create(&registry, "a").await;
    create(&registry, "b").await;
    // What is released is kept, so that it makes no room.
    registry.release(&name("a")).await.unwrap();
    for session in ["a", "c"] {
        let error = registry
            .reserve(&factory(), open(session))
            .await
            .unwrap_err();
        assert!(
            matches!(error, RegistryError::Full { entries: 2 }),
            "{error:?}"
        );
    }
    let opened = open_in(&registry, open("b")).await;
    assert_eq!(opened.answer, OpenAnswer::Reused);
    assert_eq!(all(&registry).await.len(), 2);
}

#[tokio::test(start_paused = true)]
async fn when_it_was_opened_and_last_seen_is_told() {
    let folder = Folder::new();
    let options = RegistryOptions {
        executor: share_model::seam::Executor::Inline,
        clock: Arc::new(SimulatedClock::starting_at(UnixMs::new(1_000))),
        ..RegistryOptions::default()
    };
    let registry = Registry::open(&folder.path(), options).unwrap();
    create(&registry, "s").await;
    tokio::time::advance(std::time::Duration::from_millis(500)).await;
    open_in(&registry, open("s")).await;
    tokio::time::advance(std::time::Duration::from_millis(500)).await;
    let released = registry.release(&name("s")).await.unwrap();
    assert_eq!(
        (
            released.created_at,
            released.last_seen_at,
            released.released_at
        ),
        (
            UnixMs::new(1_000),
            UnixMs::new(1_500),
            Some(UnixMs::new(2_000))
        )
    );
}

#[tokio::test]
async fn neither_a_secret_nor_a_ref_is_shown_by_what_the_registry_gives() {
    let folder = Folder::new();
    let registry = folder.registry();
    let pending = reserve(&registry, "s").await;
    let (created, served) = answer(pending.request.request);
    let opened = registry
        .complete(&pending, &created, &served)
        .await
        .unwrap();
    let secret = opened.reference.secret.clone();
    let entry = registry.find(&name("s")).await.unwrap();
    let error = registry
        .complete(
            &pending,
            &CreatedShare {
                share: ShareId::from_bytes([1; 16]),
                ..created
            },
            &served,
        )
        .await;
    let shown = format!("{pending:?} {opened:?} {entry:?} {error:?} {registry:?}");
    assert!(!shown.contains(&secret.to_text()), "{shown}");
    assert!(!shown.contains("share://"), "{shown}");
    // Nor as a list of bytes.
    let bytes = format!("{:?}", secret.expose());
    assert!(!shown.contains(bytes.trim_matches(['[', ']'])), "{shown}");
}
