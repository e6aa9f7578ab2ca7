//! The file: private, whole, ours, and left alone when it is not.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use rusqlite::Connection;
use share_client::{Registry, RegistryError, RegistryOptions};

use crate::folder::{Folder, all, create, factory, name};

fn open(path: &Path) -> Result<Registry, RegistryError> {
    Registry::open(path, RegistryOptions::default())
}

/// Opening fails, says where, and changes not a byte.
#[track_caller]
fn refused(path: &Path) -> RegistryError {
    let before = fs::read(path).unwrap();
    let error = open(path).unwrap_err();
    assert_eq!(fs::read(path).unwrap(), before, "the file was touched");
    let said = error.to_string();
    assert!(said.contains(&path.display().to_string()), "{said}");
    error
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o777
}

fn write_private(path: &Path, bytes: &[u8]) {
    fs::write(path, bytes).unwrap();
    fs::set_permissions(path, fs::Permissions::from_mode(0o600)).unwrap();
}

/// A registry with entries, closed, whole in its one file.
async fn closed(folder: &Folder) {
    let registry = folder.registry();
    for number in 0..50 {
        create(&registry, &format!("session {number}")).await;
    }
}

#[tokio::test]
async fn a_new_registry_is_for_its_owner_only() {
    let folder = Folder::new();
    let registry = folder.registry();
    create(&registry, "a").await;
    let data = folder.path().parent().unwrap().to_owned();
    assert_eq!(mode(&data), 0o700);
    let mut files = 0;
    for file in fs::read_dir(&data).unwrap() {
        let file = file.unwrap().path();
        assert_eq!(mode(&file), 0o600, "{}", file.display());
        files += 1;
    }
    assert!(files >= 1);
}

#[tokio::test]
async fn a_registry_that_is_opened_again_holds_what_it_held() {
    let folder = Folder::new();
    closed(&folder).await;
    let registry = folder.registry();
    assert_eq!(all(&registry).await.len(), 50);
    let found = registry.find(&name("session 7")).await.unwrap().unwrap();
    assert!(found.reference.is_some());
}

#[tokio::test]
async fn a_registry_that_others_may_read_is_refused_until_it_is_private() {
    let folder = Folder::new();
    closed(&folder).await;
    let path = folder.path();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
    let error = refused(&path);
    assert!(
        matches!(error, RegistryError::NotPrivate { mode: 0o640, .. }),
        "{error:?}"
    );
    assert!(error.to_string().contains("chmod 600"), "{error}");
    fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
    assert_eq!(all(&open(&path).unwrap()).await.len(), 50);
}

#[tokio::test]
async fn a_newer_registry_is_refused_with_upgrade_and_left_alone() {
    let folder = Folder::new();
    closed(&folder).await;
    Connection::open(folder.path())
        .unwrap()
        .pragma_update(None, "user_version", 2)
        .unwrap();
    let error = refused(&folder.path());
    let is_newer = matches!(
        error,
        RegistryError::Newer {
            version: 2,
            supported: 1,
            ..
        }
    );
    assert!(is_newer, "{error:?}");
    let said = error.to_string();
    assert!(said.contains("upgrade this program"), "{said}");
}

#[tokio::test]
async fn a_registry_that_has_lost_its_version_is_refused_as_damaged() {
    let folder = Folder::new();
    closed(&folder).await;
    Connection::open(folder.path())
        .unwrap()
        .pragma_update(None, "user_version", 0)
        .unwrap();
    let error = refused(&folder.path());
    assert!(matches!(error, RegistryError::Damaged { .. }), "{error:?}");
}

#[tokio::test]
async fn another_programs_database_is_no_registry_and_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("other.sqlite");
    Connection::open(&path)
        .unwrap()
        .execute_batch("CREATE TABLE t (a)")
        .unwrap();
    let error = refused(&path);
    assert!(matches!(error, RegistryError::NotARegistry { .. }));
    assert!(error.to_string().contains("give another path"), "{error}");
    let text = folder.path().join("notes.txt");
    write_private(
        &text,
        "not a database, but long enough ".repeat(40).as_bytes(),
    );
    let error = refused(&text);
    assert!(matches!(error, RegistryError::NotARegistry { .. }));
    // An outbox neither.
    let outbox = folder.path().join("outbox/share.sqlite");
    drop(share_client::Outbox::open(&outbox, share_client::OutboxOptions::default()).unwrap());
    let error = refused(&outbox);
    assert!(matches!(error, RegistryError::NotARegistry { .. }));
}

#[tokio::test]
async fn a_registry_that_is_cut_off_anywhere_is_refused_with_what_to_do_and_left_alone() {
    let folder = Folder::new();
    closed(&folder).await;
    let whole = fs::read(folder.path()).unwrap();
    let cut = folder.path().with_file_name("cut.sqlite");
    for length in [
        0,
        1,
        99,
        100,
        511,
        4096,
        whole.len() / 2,
        whole.len() - 4096,
        whole.len() - 1,
    ] {
        write_private(&cut, &whole[..length]);
        let error = refused(&cut);
        let is_typed = matches!(
            error,
            RegistryError::Damaged { .. } | RegistryError::NotARegistry { .. }
        );
        assert!(is_typed, "{length} bytes: {error:?}");
        // What SQLite takes as a new database.
        let is_empty = matches!(error, RegistryError::Damaged { .. });
        assert!(is_empty || length != 0, "{error:?}");
        assert!(error.to_string().contains("move it away"), "{error}");
    }
}

#[tokio::test]
async fn a_damaged_page_is_refused_and_left_alone() {
    let folder = Folder::new();
    closed(&folder).await;
    let mut bytes = fs::read(folder.path()).unwrap();
    let middle = bytes.len() / 4096 / 2 * 4096;
    bytes[middle..middle + 4096].fill(0xaa);
    write_private(&folder.path(), &bytes);
    let error = refused(&folder.path());
    assert!(matches!(error, RegistryError::Damaged { .. }), "{error:?}");
    let said = error.to_string();
    assert!(said.contains("restore it from a copy"), "{said}");
}

/// Damage that comes while the file is open is named as well.
#[tokio::test]
async fn an_entry_that_can_not_be_read_is_an_error_and_never_a_free_name() {
    let folder = Folder::new();
    closed(&folder).await;
    Connection::open(folder.path())
        .unwrap()
        .execute_batch("UPDATE entry SET ref = 'share://nonsense' WHERE number = 1")
        .unwrap();
    let registry = folder.registry();
    let error = registry.find(&name("session 0")).await.unwrap_err();
    assert!(matches!(error, RegistryError::Unreadable { what: "a ref" }));
    let again = crate::folder::open("session 0");
    let error = registry.reserve(&factory(), again).await.unwrap_err();
    assert!(!error.to_string().contains("nonsense"), "{error}");
    assert!(registry.find(&name("session 1")).await.unwrap().is_some());
}

#[tokio::test]
async fn a_folder_in_the_place_of_the_file_is_an_error_that_names_it() {
    let folder = tempfile::tempdir().unwrap();
    let error = open(folder.path()).unwrap_err();
    assert!(matches!(error, RegistryError::Open { .. }), "{error:?}");
    let said = error.to_string();
    assert!(
        said.contains(&folder.path().display().to_string()),
        "{said}"
    );
}
