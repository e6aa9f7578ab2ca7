//! Authority that ended stays ended, wherever the server dies; and a data folder that is put back
//! from a copy is noticed, which nothing else is taken for.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use share_model::seam::{Entropy, SeededEntropy};
use share_model::{RefusalCode, ShareRef};
use share_server::{
    JournalError, Server, ServerError, ServerOptions, TcpListener, default_journal,
};
use tempfile::TempDir;

use super::administrator::READ;
use super::client::{Client, bump, secret};
use super::lane::Lane;
use super::trouble::Trouble;
use super::world::{World, data_in, options, real_time, simulated};

fn journal_in(folder: &TempDir) -> PathBuf {
    default_journal(&data_in(folder))
}

/// Other ids than those of another world.
fn entropy(seed: u64) -> Arc<dyn Entropy> {
    Arc::new(SeededEntropy::new(seed))
}

fn bytes(path: &Path) -> Vec<u8> {
    std::fs::read(path).unwrap()
}

/// The ref of the owner that `bump(number)` installs; its epoch is not looked at.
fn owner(share_ref: &ShareRef, grant: share_model::GrantId, number: u8) -> ShareRef {
    ShareRef {
        grant,
        secret: secret(u64::from(number)),
        ..share_ref.clone()
    }
}

async fn bumped(client: &Client, share_ref: &ShareRef, number: u8) -> ShareRef {
    let bumped = client.session(share_ref).bump(&bump(number)).await;
    owner(share_ref, bumped.unwrap().unwrap().grant, number)
}

async fn code(client: &Client, share_ref: &ShareRef) -> RefusalCode {
    client.redeemed(share_ref).await.unwrap().unwrap_err().code
}

async fn append(client: &Client, share_ref: &ShareRef, number: u8, ops: usize) {
    if ops == 0 {
        return;
    }
    let mut lane = Lane::new(number);
    let (writer, claimed) = client.session(share_ref).claim(&lane.claim());
    claimed.await.unwrap().unwrap();
    for _ in 0..ops {
        writer.append(&lane.puts(&["a"])).await.unwrap().unwrap();
    }
}

async fn history(client: &Client, share_ref: &ShareRef) -> share_model::HistoryId {
    client.redeemed(share_ref).await.unwrap().unwrap().history
}

pub(crate) fn copy(from: &Path, to: &Path) {
    std::fs::create_dir(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        std::fs::copy(entry.path(), to.join(entry.file_name())).unwrap();
    }
}

/// Puts a copy of the data folder in its place.
fn put_back(folder: &TempDir, copied: &Path) {
    std::fs::remove_dir_all(data_in(folder)).unwrap();
    copy(copied, &data_in(folder));
}

#[test]
fn a_bump_is_in_the_journal_before_its_commit_is_tried() {
    simulated(async || {
        let world = World::start().await;
        let client = world.connect().await;
        let share_ref = client.owner_ref(1).await;
        let before = bytes(&journal_in(&world.folder)).len();
        world.store.hold(true);
        let session = client.session(&share_ref);
        let bumping = tokio::task::spawn_local(async move { session.bump(&bump(2)).await });
        world.store.holds_one().await;
        let after = bytes(&journal_in(&world.folder)).len();
        assert!(
            after > before,
            "the commit is tried, and the journal knows nothing"
        );
        world.store.hold(false);
        bumping.await.unwrap().unwrap().unwrap();
        // Nothing more: a repeat, or a second try of the commit, is known already.
        client
            .session(&share_ref)
            .bump(&bump(2))
            .await
            .unwrap()
            .unwrap();
        assert_eq!(bytes(&journal_in(&world.folder)).len(), after);
        world.end().await;
    });
}

/// The server dies when the bump is in the journal, and its commit is done or not.
async fn dies_in_a_bump(trouble: Trouble) {
    let world = World::start().await;
    let client = world.connect().await;
    let share_ref = client.owner_ref(1).await;
    append(&client, &share_ref, 1, 2).await;
    world.store.plan(&[trouble, Trouble::Stop]);
    // Whatever was answered does not arrive.
    let _ = client.session(&share_ref).bump(&bump(2)).await;
    assert!(world.store.fired() > 0);
    drop(client);
    let folder = world.end().await;
    let world = World::on(folder, |_| {}).await;
    let client = world.connect().await;
    assert_eq!(code(&client, &share_ref).await, RefusalCode::StaleEpoch);
    // Whoever bumped asks again, under the authority that it ended.
    let new = bumped(&client, &share_ref, 2).await;
    let redeemed = client.redeemed(&new).await.unwrap().unwrap();
    assert_eq!((redeemed.epoch.get(), redeemed.cursor.get()), (2, 2));
    append(&client, &new, 2, 1).await;
    world.end().await;
}

#[test]
fn a_server_that_dies_between_journal_and_commit_ends_the_epoch_at_its_next_start() {
    // The first trouble is answered by running the bump again, which then meets the end.
    simulated(async || dies_in_a_bump(Trouble::UnknownLost).await);
}

#[test]
fn a_server_that_dies_between_commit_and_ack_has_ended_the_epoch_once() {
    simulated(async || dies_in_a_bump(Trouble::UnknownCommitted).await);
}

#[test]
fn a_torn_entry_was_never_acted_on() {
    simulated(async || {
        let world = World::start().await;
        let client = world.connect().await;
        let share_ref = client.owner_ref(1).await;
        let before = bytes(&journal_in(&world.folder));
        world.store.plan(&[Trouble::Stop]);
        client.session(&share_ref).bump(&bump(2)).await.unwrap_err();
        drop(client);
        let folder = world.end().await;
        // As if the power had gone while the entry was written.
        let torn = &bytes(&journal_in(&folder))[..before.len() + 20];
        std::fs::write(journal_in(&folder), torn).unwrap();
        let world = World::on(folder, |_| {}).await;
        let client = world.connect().await;
        let redeemed = client.redeemed(&share_ref).await.unwrap().unwrap();
        assert_eq!(redeemed.epoch.get(), 1);
        world.end().await;
    });
}

#[test]
fn a_bump_that_was_refused_for_want_of_room_gives_its_epoch_to_the_next() {
    simulated(async || {
        let world = World::start().await;
        let client = world.connect().await;
        let share_ref = client.owner_ref(1).await;
        world.store.plan(&[Trouble::Full]);
        client.session(&share_ref).bump(&bump(2)).await.unwrap_err();
        let new = bumped(&client, &share_ref, 3).await;
        drop(client);
        // The journal knows both; the one that was committed stands.
        let world = World::on(world.end().await, |_| {}).await;
        let client = world.connect().await;
        let redeemed = client.redeemed(&new).await.unwrap().unwrap();
        assert_eq!(redeemed.epoch.get(), 2);
        world.end().await;
    });
}

#[test]
fn a_data_folder_that_is_put_back_has_a_new_history_and_no_authority_back() {
    simulated(async || {
        let world = World::start().await;
        let client = world.connect().await;
        let share_ref = client.owner_ref(1).await;
        append(&client, &share_ref, 1, 3).await;
        let before = history(&client, &share_ref).await;
        drop(client);
        let folder = world.end().await;
        let copied = folder.path().join("copy");
        copy(&data_in(&folder), &copied);
        let world = World::on(folder, |_| {}).await;
        let client = world.connect().await;
        assert_eq!(history(&client, &share_ref).await, before);
        let new = bumped(&client, &share_ref, 2).await;
        drop(client);
        let folder = world.end().await;
        put_back(&folder, &copied);
        let world = World::on(folder, |_| {}).await;
        let client = world.connect().await;
        assert_eq!(code(&client, &share_ref).await, RefusalCode::StaleEpoch);
        let after = history(&client, &new).await;
        assert_ne!(after, before);
        drop(client);
        // It is noticed once, and for good: also if the same copy is put back again.
        let world = World::on(world.end().await, |_| {}).await;
        let client = world.connect().await;
        assert_eq!(history(&client, &new).await, after);
        drop(client);
        let folder = world.end().await;
        put_back(&folder, &copied);
        let world = World::on(folder, |options| options.seams.entropy = entropy(3)).await;
        let client = world.connect().await;
        let third = history(&client, &new).await;
        assert!(third != after && third != before);
        world.end().await;
    });
}

#[test]
fn a_folder_that_lost_the_end_of_its_log_only_is_noticed_too() {
    simulated(async || {
        let world = World::start().await;
        let client = world.connect().await;
        let share_ref = client.owner_ref(1).await;
        append(&client, &share_ref, 1, 3).await;
        let before = history(&client, &share_ref).await;
        // While the server runs: no start lies between the copy and what is lost.
        let copied = world.folder.path().join("copy");
        copy(&world.data(), &copied);
        append(&client, &share_ref, 2, 600).await;
        drop(client);
        let folder = world.end().await;
        put_back(&folder, &copied);
        let world = World::on(folder, |_| {}).await;
        let client = world.connect().await;
        assert_ne!(history(&client, &share_ref).await, before);
        world.end().await;
    });
}

#[test]
fn an_ordinary_crash_is_never_taken_for_a_folder_that_was_put_back() {
    simulated(async || {
        let world = World::start().await;
        let client = world.connect().await;
        let share_ref = client.owner_ref(1).await;
        let before = history(&client, &share_ref).await;
        let mut world = world;
        for number in 0_u8..8 {
            let client = world.connect().await;
            // None after the mark of the start, twice; then across those that are made on the way.
            let ops = 70 * usize::from(number.saturating_sub(1));
            append(&client, &share_ref, number + 1, ops).await;
            // What a power cut leaves: what is on the disk now, of both, and nothing later.
            let folder = tempfile::tempdir().unwrap();
            copy(&world.data(), &data_in(&folder));
            std::fs::copy(journal_in(&world.folder), journal_in(&folder)).unwrap();
            drop(client);
            world.end().await;
            world = World::on(folder, |_| {}).await;
            let client = world.connect().await;
            assert_eq!(history(&client, &share_ref).await, before, "crash {number}");
        }
        world.end().await;
    });
}

async fn refused(change: impl FnOnce(&mut ServerOptions), folder: &TempDir) -> JournalError {
    let mut options = options(&data_in(folder));
    change(&mut options);
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    match Server::start(options, listener).await.unwrap_err() {
        ServerError::Journal(error) => error,
        other => panic!("not the journal: {other}"),
    }
}

#[test]
fn a_journal_that_is_missing_or_another_ones_is_refused_with_what_to_do() {
    real_time(async || {
        let folder = World::start().await.end().await;
        let other = World::with(|options| options.seams.entropy = entropy(3)).await;
        let other = other.end().await;
        let (path, kept) = (journal_in(&folder), folder.path().join("kept"));
        std::fs::rename(&path, &kept).unwrap();
        let missing = refused(|_| {}, &folder).await;
        assert!(matches!(missing, JournalError::Missing { .. }), "{missing}");
        assert!(missing.to_string().contains("`--new-journal`"), "{missing}");
        assert!(!path.exists(), "a new one was begun in silence");
        std::fs::copy(journal_in(&other), &path).unwrap();
        let foreign = refused(|_| {}, &folder).await;
        assert!(
            matches!(foreign, JournalError::OtherFolders { .. }),
            "{foreign}"
        );
        std::fs::rename(&kept, &path).unwrap();
        let exists = refused(|options| options.new_journal = true, &folder).await;
        assert!(matches!(exists, JournalError::Exists { .. }), "{exists}");
        let inside = |options: &mut ServerOptions| options.journal = options.data.join("journal");
        let inside = refused(inside, &folder).await;
        assert!(matches!(inside, JournalError::Inside { .. }), "{inside}");
        World::on(folder, |_| {}).await.end().await;
    });
}

#[test]
fn a_new_journal_knows_what_had_ended_before_it() {
    simulated(async || {
        let world = World::start().await;
        let client = world.connect().await;
        let share_ref = client.owner_ref(1).await;
        drop(client);
        let folder = world.end().await;
        let copied = folder.path().join("copy");
        copy(&data_in(&folder), &copied);
        let world = World::on(folder, |_| {}).await;
        let client = world.connect().await;
        let new = bumped(&client, &share_ref, 2).await;
        drop(client);
        let folder = world.end().await;
        std::fs::remove_file(journal_in(&folder)).unwrap();
        let world = World::on(folder, |options| options.new_journal = true).await;
        let folder = world.end().await;
        put_back(&folder, &copied);
        let world = World::on(folder, |_| {}).await;
        let client = world.connect().await;
        assert_eq!(code(&client, &share_ref).await, RefusalCode::StaleEpoch);
        client.redeemed(&new).await.unwrap().unwrap();
        world.end().await;
    });
}

#[test]
fn a_journal_that_is_in_use_is_refused() {
    real_time(async || {
        let world = World::start().await;
        let other = World::start().await.end().await;
        let path = journal_in(&world.folder);
        let refused = refused(|options| options.journal = path, &other).await;
        assert!(matches!(refused, JournalError::InUse { .. }), "{refused}");
        world.end().await;
    });
}

/// Starts a server, and takes the disk as it is when it runs: data folder and journal.
async fn started(folder: TempDir, change: impl FnOnce(&mut ServerOptions)) -> (TempDir, TempDir) {
    let world = World::on(folder, change).await;
    let disk = tempfile::tempdir().unwrap();
    copy(&world.data(), &data_in(&disk));
    std::fs::copy(journal_in(&world.folder), journal_in(&disk)).unwrap();
    (world.end().await, disk)
}

/// The data of one disk and the journal of another: a start-up writes them one after the other.
fn mixed(data: &TempDir, journal: &Path) -> TempDir {
    let disk = tempfile::tempdir().unwrap();
    copy(&data_in(data), &data_in(&disk));
    std::fs::copy(journal, journal_in(&disk)).unwrap();
    disk
}

#[test]
fn a_start_up_that_died_before_it_wrote_its_mark_changes_nothing() {
    simulated(async || {
        let world = World::start().await;
        let client = world.connect().await;
        let share_ref = client.owner_ref(1).await;
        let before = history(&client, &share_ref).await;
        drop(client);
        let folder = world.end().await;
        let apart = tempfile::tempdir().unwrap();
        let journal = apart.path().join("journal of before");
        std::fs::copy(journal_in(&folder), &journal).unwrap();
        let (_folder, disk) = started(folder, |_| {}).await;
        let world = World::on(mixed(&disk, &journal), |_| {}).await;
        let client = world.connect().await;
        assert_eq!(history(&client, &share_ref).await, before);
        world.end().await;
    });
}

#[test]
fn a_start_up_that_died_after_it_gave_a_new_history_gives_no_other_and_ends_what_ended() {
    simulated(async || {
        let world = World::start().await;
        let client = world.connect().await;
        let share_ref = client.owner_ref(1).await;
        drop(client);
        let folder = world.end().await;
        let copied = folder.path().join("copy");
        copy(&data_in(&folder), &copied);
        let world = World::on(folder, |_| {}).await;
        let client = world.connect().await;
        let new = bumped(&client, &share_ref, 2).await;
        drop(client);
        let folder = world.end().await;
        put_back(&folder, &copied);
        let apart = tempfile::tempdir().unwrap();
        let journal = apart.path().join("journal of before");
        std::fs::copy(journal_in(&folder), &journal).unwrap();
        let (folder, disk) = started(folder, |_| {}).await;
        let world = World::on(folder, |_| {}).await;
        let client = world.connect().await;
        let renewed = history(&client, &new).await;
        drop(client);
        world.end().await;
        let world = World::on(mixed(&disk, &journal), |_| {}).await;
        let client = world.connect().await;
        assert_eq!(code(&client, &share_ref).await, RefusalCode::StaleEpoch);
        assert_eq!(history(&client, &new).await, renewed);
        world.end().await;
    });
}

#[test]
fn a_start_up_that_died_right_after_it_began_a_new_journal_goes_on_with_it() {
    simulated(async || {
        let folder = World::start().await.end().await;
        let before = tempfile::tempdir().unwrap();
        copy(&data_in(&folder), &data_in(&before));
        std::fs::remove_file(journal_in(&folder)).unwrap();
        let anew = |options: &mut ServerOptions| {
            options.new_journal = true;
            options.seams.entropy = entropy(3);
        };
        let (_folder, disk) = started(folder, anew).await;
        // The data folder still names the journal that was lost.
        let world = World::on(mixed(&before, &journal_in(&disk)), |_| {}).await;
        world.end().await;
    });
}

/// How authority ends, besides by a bump.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    Revocation,
    Deletion,
}

const ENDS: [End; 2] = [End::Revocation, End::Deletion];

impl End {
    /// Ends what the owner gave to somebody else.
    async fn bring_about(
        self,
        client: &Client,
        (owner, other): (&ShareRef, &ShareRef),
    ) -> Result<(), capnp::Error> {
        let session = client.session(owner);
        let ended = match self {
            Self::Revocation => session.revoke(other.grant).await?,
            Self::Deletion => session.delete().await?,
        };
        ended.unwrap();
        Ok(())
    }

    /// What the other is told then.
    fn code(self) -> RefusalCode {
        match self {
            Self::Revocation => RefusalCode::Revoked,
            Self::Deletion => RefusalCode::Gone,
        }
    }
}

/// A share's owner, and somebody to whom it gave a grant.
async fn owner_and_other(client: &Client) -> (ShareRef, ShareRef) {
    let owner = client.owner_ref(1).await;
    let other = client.session(&owner).grant(&owner, 2, READ).await;
    (owner, other)
}

#[test]
fn a_revocation_and_a_deletion_are_in_the_journal_before_their_commit_is_tried() {
    for end in ENDS {
        simulated(async || {
            let world = World::start().await;
            let client = world.connect().await;
            let (owner, other) = owner_and_other(&client).await;
            let session = client.session(&owner);
            client.redeemed(&owner).await.unwrap().unwrap();
            let before = bytes(&journal_in(&world.folder)).len();
            world.store.hold(true);
            let ending = tokio::task::spawn_local(async move {
                match end {
                    End::Revocation => session.revoke(other.grant).await,
                    End::Deletion => session.delete().await,
                }
            });
            world.store.holds_one().await;
            let after = bytes(&journal_in(&world.folder)).len();
            assert!(after > before, "{end:?}: the journal knows nothing");
            world.store.hold(false);
            ending.await.unwrap().unwrap().unwrap();
            world.end().await;
        });
    }
}

#[test]
fn a_server_that_dies_around_the_commit_of_an_end_has_ended_it_at_its_next_start() {
    for end in ENDS {
        // Between journal and commit; between commit and ack.
        for trouble in [Trouble::UnknownLost, Trouble::UnknownCommitted] {
            simulated(async || {
                let world = World::start().await;
                let client = world.connect().await;
                let (owner, other) = owner_and_other(&client).await;
                client.redeemed(&owner).await.unwrap().unwrap();
                world.store.plan(&[trouble, Trouble::Stop]);
                // Whatever was answered does not arrive.
                let _ = end.bring_about(&client, (&owner, &other)).await;
                assert!(world.store.fired() > 0);
                drop(client);
                let world = World::on(world.end().await, |_| {}).await;
                let client = world.connect().await;
                assert_eq!(code(&client, &other).await, end.code(), "{trouble:?}");
                // Whoever asked for it asks again.
                let again = end.bring_about(&client, (&owner, &other)).await;
                again.unwrap();
                if end == End::Revocation {
                    client.redeemed(&owner).await.unwrap().unwrap();
                }
                world.end().await;
            });
        }
    }
}

#[test]
fn a_data_folder_that_is_put_back_brings_back_no_revoked_grant_and_no_deleted_share() {
    for end in ENDS {
        simulated(async || {
            let world = World::start().await;
            let client = world.connect().await;
            let (owner, other) = owner_and_other(&client).await;
            let mut lane = Lane::new(1);
            let (writer, claimed) = client.session(&owner).claim(&lane.claim());
            claimed.await.unwrap().unwrap();
            let batch = lane.puts(&["some-key-to-look-for"]);
            writer.append(&batch).await.unwrap().unwrap();
            drop((client, writer));
            let folder = world.end().await;
            let copied = folder.path().join("copy");
            copy(&data_in(&folder), &copied);
            let world = World::on(folder, |_| {}).await;
            let client = world.connect().await;
            end.bring_about(&client, (&owner, &other)).await.unwrap();
            drop(client);
            let folder = world.end().await;
            put_back(&folder, &copied);
            let world = World::on(folder, |_| {}).await;
            let client = world.connect().await;
            assert_eq!(code(&client, &other).await, end.code());
            if end == End::Deletion {
                assert_eq!(code(&client, &owner).await, RefusalCode::Gone);
                // Its content, which came back with the folder, is erased again.
                assert_eq!(files_with(&world.data(), "some-key-to-look-for"), 0);
            } else {
                client.redeemed(&owner).await.unwrap().unwrap();
            }
            world.end().await;
        });
    }
}

/// How many files of a folder have this text in them.
fn files_with(folder: &Path, text: &str) -> usize {
    let entries = std::fs::read_dir(folder).unwrap();
    let files = entries.map(|entry| bytes(&entry.unwrap().path()));
    let has = |bytes: &Vec<u8>| bytes.windows(text.len()).any(|at| at == text.as_bytes());
    files.filter(has).count()
}

#[test]
fn a_share_that_is_created_again_after_a_restore_is_deleted_still() {
    simulated(async || {
        let world = World::start().await;
        let folder = world.end().await;
        let copied = folder.path().join("copy");
        copy(&data_in(&folder), &copied);
        let world = World::on(folder, |_| {}).await;
        let client = world.connect().await;
        let (owner, other) = owner_and_other(&client).await;
        let deletion = End::Deletion.bring_about(&client, (&owner, &other));
        deletion.await.unwrap();
        drop(client);
        let folder = world.end().await;
        put_back(&folder, &copied);
        let world = World::on(folder, |_| {}).await;
        let client = world.connect().await;
        // The request is answered with the same ids, and brings nothing back to life.
        assert_eq!(client.owner_ref(1).await.share, owner.share);
        assert_eq!(code(&client, &owner).await, RefusalCode::Gone);
        drop(client);
        let world = World::on(world.end().await, |_| {}).await;
        let client = world.connect().await;
        assert_eq!(code(&client, &owner).await, RefusalCode::Gone);
        world.end().await;
    });
}

#[test]
fn a_new_journal_begins_with_all_that_has_ended() {
    for end in ENDS {
        simulated(async || {
            let world = World::start().await;
            let client = world.connect().await;
            let (owner, other) = owner_and_other(&client).await;
            drop(client);
            let folder = world.end().await;
            let copied = folder.path().join("copy");
            copy(&data_in(&folder), &copied);
            let world = World::on(folder, |_| {}).await;
            let client = world.connect().await;
            end.bring_about(&client, (&owner, &other)).await.unwrap();
            drop(client);
            let folder = world.end().await;
            std::fs::remove_file(journal_in(&folder)).unwrap();
            let world = World::on(folder, |options| options.new_journal = true).await;
            let folder = world.end().await;
            put_back(&folder, &copied);
            let world = World::on(folder, |_| {}).await;
            let client = world.connect().await;
            assert_eq!(code(&client, &other).await, end.code());
            world.end().await;
        });
    }
}
