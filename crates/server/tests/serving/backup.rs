//! Backups of a server that goes on, and restoring them.

use std::cell::Cell;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::time::Duration;

use ring::digest;
use share_model::seam::SeededEntropy;
use share_model::{Cursor, LoggedOp, RefusalCode, ShareRef};
use share_server::store::Store;
use share_server::{RestoreJournal, RestoreOptions, Restored, default_journal, restore};
use tempfile::TempDir;
use tokio::sync::watch;

use super::client::{Client, bump, piece, rest, secret};
use super::lane::Lane;
use super::world::{
    World, connect_tcp, data_in, open, options, over_tcp, real_time, simulated, soon,
};

/// A backup of the world, in a file of its folder.
async fn backed_up(world: &World, client: &Client) -> PathBuf {
    let (backup, made) = client.begin_backup().await.unwrap().unwrap();
    let bytes = rest(&backup).await;
    assert_eq!(bytes.len() as u64, made.bytes);
    assert_eq!(
        digest::digest(&digest::SHA256, &bytes).as_ref(),
        made.sha256
    );
    let file = world.folder.path().join("backup");
    std::fs::write(&file, bytes).unwrap();
    file
}

/// How the world's folder is restored from its backup.
fn restoring(folder: &TempDir, change: impl FnOnce(&mut RestoreOptions)) -> RestoreOptions {
    let data = data_in(folder);
    let mut options = RestoreOptions {
        file: folder.path().join("backup"),
        journal: RestoreJournal::At(default_journal(&data)),
        advertise: Vec::new(),
        seams: options(&data).seams,
        data,
    };
    // Other ids than those of the world that was.
    options.seams.entropy = std::sync::Arc::new(SeededEntropy::new(99));
    change(&mut options);
    options
}

async fn restored(folder: &TempDir) -> Restored {
    restore(restoring(folder, |_| {})).await.unwrap()
}

/// A client that appends to the share, each key in a batch of its own.
async fn append(client: &Client, share_ref: &ShareRef, lane: &mut Lane, keys: &[&str]) {
    let (writer, claimed) = client.session(share_ref).claim(&lane.claim());
    claimed.await.unwrap().unwrap();
    for key in keys {
        writer.append(&lane.puts(&[key])).await.unwrap().unwrap();
    }
}

async fn code(client: &Client, share_ref: &ShareRef) -> RefusalCode {
    client.redeemed(share_ref).await.unwrap().unwrap_err().code
}

/// Bumps the share's epoch; the ref of the new owner.
async fn bumped(client: &Client, share_ref: &ShareRef, number: u8) -> ShareRef {
    let bumped = client.session(share_ref).bump(&bump(number)).await;
    let bumped = bumped.unwrap().unwrap();
    ShareRef {
        epoch: bumped.epoch,
        grant: bumped.grant,
        secret: secret(u64::from(number)),
        ..share_ref.clone()
    }
}

fn names(folder: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(folder).unwrap();
    let mut names: Vec<_> = entries
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

#[test]
fn a_backup_holds_what_was_acked_before_and_is_restored_under_a_new_history() {
    simulated(async || {
        let world = World::start().await;
        let client = world.connect().await;
        let share_ref = client.owner_ref(1).await;
        let mut lane = Lane::new(1);
        append(&client, &share_ref, &mut lane, &["a", "b"]).await;
        let before = client.redeemed(&share_ref).await.unwrap().unwrap();
        backed_up(&world, &client).await;
        append(&client, &share_ref, &mut Lane::new(2), &["c"]).await;
        drop(client);
        let folder = world.end().await;

        let told = restored(&folder).await;
        assert_eq!((told.shares, told.ended, &told.owner_refs), (1, 0, &None));
        let kept = told.kept_aside.unwrap();
        let all = ["created", "factory.ref", "redo-0", "shares.sqlite"];
        assert_eq!(names(&kept), all);
        assert!(kept.starts_with(data_in(&folder)), "{}", kept.display());
        let world = World::on(folder, |_| {}).await;
        let client = world.connect().await;
        let after = client.redeemed(&share_ref).await.unwrap().unwrap();
        assert_eq!(after.history, told.history);
        assert_ne!(after.history, before.history);
        let (keys, cursor) = client.session(&share_ref).keys().await;
        assert_eq!((keys, cursor), (vec!["a".to_owned(), "b".to_owned()], 2));
        // The factory's ref is the one that it was.
        client.owner_ref(2).await;
        world.end().await;
    });
}

#[test]
fn what_a_restore_kept_aside_has_a_new_history_when_it_is_put_back() {
    simulated(async || {
        let world = World::start().await;
        let client = world.connect().await;
        let share_ref = client.owner_ref(1).await;
        let before = client.redeemed(&share_ref).await.unwrap().unwrap();
        backed_up(&world, &client).await;
        drop(client);
        let folder = world.end().await;
        let kept = restored(&folder).await.kept_aside.unwrap();
        let world = World::on(folder, |_| {}).await;
        let folder = world.end().await;
        // It is as it was when it was served last, and only the journal knows that this is past.
        for name in names(&kept) {
            std::fs::rename(kept.join(&name), data_in(&folder).join(&name)).unwrap();
        }
        let world = World::on(folder, |options| {
            options.seams.entropy = std::sync::Arc::new(SeededEntropy::new(5));
        });
        let world = world.await;
        let client = world.connect().await;
        let after = client.redeemed(&share_ref).await.unwrap().unwrap();
        assert_ne!(after.history, before.history);
        world.end().await;
    });
}

#[test]
fn what_a_later_bump_ended_stays_ended_after_a_restore_and_its_owner_is_owner() {
    simulated(async || {
        let world = World::start().await;
        let client = world.connect().await;
        let share_ref = client.owner_ref(1).await;
        append(&client, &share_ref, &mut Lane::new(1), &["a"]).await;
        backed_up(&world, &client).await;
        let second = bumped(&client, &share_ref, 2).await;
        let third = bumped(&client, &second, 3).await;
        drop(client);
        let folder = world.end().await;

        let told = restored(&folder).await;
        assert_eq!(told.ended, 1);
        let world = World::on(folder, |_| {}).await;
        let client = world.connect().await;
        assert_eq!(code(&client, &share_ref).await, RefusalCode::StaleEpoch);
        assert_eq!(code(&client, &second).await, RefusalCode::NotAuthorized);
        let redeemed = client.redeemed(&third).await.unwrap().unwrap();
        assert_eq!(redeemed.epoch.get(), 3);
        append(&client, &third, &mut Lane::new(2), &["b"]).await;
        world.end().await;
    });
}

#[test]
fn a_bump_whose_answer_was_lost_before_a_restore_is_answered_after_it() {
    simulated(async || {
        let world = World::start().await;
        let client = world.connect().await;
        let share_ref = client.owner_ref(1).await;
        backed_up(&world, &client).await;
        let second = bumped(&client, &share_ref, 2).await;
        drop(client);
        let folder = world.end().await;
        restored(&folder).await;
        let world = World::on(folder, |_| {}).await;
        let client = world.connect().await;
        let again = client.session(&share_ref).bump(&bump(2)).await;
        assert_eq!(again.unwrap().unwrap().grant, second.grant);
        world.end().await;
    });
}

#[test]
fn a_share_that_is_created_again_after_a_restore_has_no_authority_back() {
    simulated(async || {
        let world = World::start().await;
        let client = world.connect().await;
        backed_up(&world, &client).await;
        let share_ref = client.owner_ref(1).await;
        let second = bumped(&client, &share_ref, 2).await;
        drop(client);
        let folder = world.end().await;
        restored(&folder).await;
        let world = World::on(folder, |_| {}).await;
        let client = world.connect().await;
        assert_eq!(client.owner_ref(1).await.grant, share_ref.grant);
        assert_eq!(code(&client, &share_ref).await, RefusalCode::StaleEpoch);
        client.redeemed(&second).await.unwrap().unwrap();
        world.end().await;
    });
}

#[test]
fn without_the_journal_every_grant_ends_and_each_share_has_a_new_owner() {
    simulated(async || {
        let world = World::start().await;
        let client = world.connect().await;
        let one = client.owner_ref(1).await;
        append(&client, &one, &mut Lane::new(1), &["a"]).await;
        let two = client.owner_ref(2).await;
        backed_up(&world, &client).await;
        let lost = bumped(&client, &one, 3).await;
        drop(client);
        let folder = world.end().await;
        let journal = default_journal(&data_in(&folder));
        std::fs::remove_file(&journal).unwrap();
        let told = restore(restoring(&folder, |options| {
            options.journal = RestoreJournal::Lost(journal);
        }));
        let told = told.await.unwrap();
        assert_eq!((told.shares, told.ended), (2, 2));
        let refs = std::fs::read_to_string(told.owner_refs.unwrap()).unwrap();
        let world = World::on(folder, |_| {}).await;
        let client = world.connect().await;
        for old in [&one, &two] {
            assert_eq!(code(&client, old).await, RefusalCode::StaleEpoch);
        }
        assert_eq!(code(&client, &lost).await, RefusalCode::NotAuthorized);
        let mut keys = 0;
        for line in refs.lines() {
            let line: serde_json::Value = serde_json::from_str(line).unwrap();
            let owner: ShareRef = line["ref"].as_str().unwrap().parse().unwrap();
            // Any client that holds a ref of a lost epoch takes the new one.
            assert!(owner.epoch > lost.epoch);
            assert_eq!(owner.addresses, ["pipe:1"]);
            client.redeemed(&owner).await.unwrap().unwrap();
            keys += client.session(&owner).keys().await.0.len();
        }
        assert_eq!((refs.lines().count(), keys), (2, 1));
        world.end().await;
    });
}

#[test]
fn one_backup_at_a_time_and_its_room_is_free_when_it_is_read_or_dropped() {
    simulated(async || {
        let world = World::start().await;
        let client = world.connect().await;
        client.owner_ref(1).await;
        let (first, made) = client.begin_backup().await.unwrap().unwrap();
        assert_eq!((made.shares, made.bytes > 4096), (1, true));
        let refused = client.begin_backup().await.unwrap().err().unwrap();
        assert_eq!(
            (refused.code, refused.retry_after_ms),
            (RefusalCode::QuotaExceeded, Some(5000))
        );
        let (begun, done) = piece(&first, 100).await.unwrap();
        assert_eq!((begun.len(), done), (100, false));
        drop(first);
        let second = soon("room for another", async {
            loop {
                if let Ok(second) = client.begin_backup().await.unwrap() {
                    return second.0;
                }
                tokio::task::yield_now().await;
            }
        });
        let second = second.await;
        rest(&second).await;
        // Read to its end, though it is still held.
        client.begin_backup().await.unwrap().unwrap();
        let after = piece(&second, 0).await.unwrap_err();
        assert!(after.extra.contains("begin a new one"), "{after}");
        let left: Vec<_> = names(&world.data());
        assert!(
            !left.iter().any(|name| name.starts_with("backup")),
            "{left:?}"
        );
        world.end().await;
    });
}

#[test]
fn a_backup_that_nobody_reads_makes_room_for_another() {
    simulated(async || {
        let idle = Duration::from_secs(60);
        let world = World::with(|options| options.limits.rpc.backup_idle = idle).await;
        let client = world.connect().await;
        let (first, _) = client.begin_backup().await.unwrap().unwrap();
        for _ in 0..3 {
            tokio::time::advance(idle / 2).await;
            piece(&first, 1).await.unwrap();
        }
        let refused = client.begin_backup().await.unwrap().err().unwrap();
        assert_eq!(refused.code, RefusalCode::QuotaExceeded);
        for _ in 0..4 {
            tokio::time::advance(idle).await;
        }
        let (second, _) = client.begin_backup().await.unwrap().unwrap();
        let late = piece(&first, 1).await.unwrap_err();
        assert!(late.extra.contains("left alone for too long"), "{late}");
        rest(&second).await;
        drop(client);
        soon("the end", world.end()).await;
    });
}

#[test]
fn what_a_crash_left_of_a_backup_is_removed_at_start_up() {
    simulated(async || {
        let folder = World::start().await.end().await;
        for name in ["backup.7.tmp", "backup.7.tmp-journal"] {
            std::fs::write(data_in(&folder).join(name), "rest").unwrap();
        }
        let world = World::on(folder, |_| {}).await;
        let left = names(&world.data());
        assert!(
            !left.iter().any(|name| name.starts_with("backup")),
            "{left:?}"
        );
        world.end().await;
    });
}

#[test]
fn a_factory_ref_that_opens_nothing_makes_no_backup() {
    simulated(async || {
        let world = World::start().await;
        let mut factory = super::world::factory_ref(&world.data());
        factory.secret = secret(1);
        let stream = world.stream().await;
        let client = Client::new(stream, factory);
        let refused = client.begin_backup().await.unwrap().err().unwrap();
        assert_eq!(refused.code, RefusalCode::NotAuthorized);
        world.end().await;
    });
}

#[test]
fn only_its_owner_may_read_what_a_restore_wrote() {
    simulated(async || {
        use std::os::unix::fs::PermissionsExt as _;
        let world = World::start().await;
        let client = world.connect().await;
        client.owner_ref(1).await;
        backed_up(&world, &client).await;
        drop(client);
        let folder = world.end().await;
        let journal = default_journal(&data_in(&folder));
        let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode(&journal), 0o600);
        std::fs::remove_file(&journal).unwrap();
        let told = restore(restoring(&folder, |options| {
            options.journal = RestoreJournal::Lost(journal);
        }));
        let told = told.await.unwrap();
        assert_eq!(mode(&told.kept_aside.unwrap()), 0o700);
        for name in [
            "owner-refs.jsonl",
            "shares.sqlite",
            "factory.ref",
            "created",
        ] {
            assert_eq!(mode(&data_in(&folder).join(name)), 0o600, "{name}");
        }
    });
}

/// The whole log of a share in a data folder that no server has.
async fn log(data: &Path, share_ref: &ShareRef) -> Vec<LoggedOp> {
    let store = open(data, &options(data).store);
    let ops = store.follow(share_ref.share, Cursor::ZERO, 1 << 20, 1 << 30);
    ops.await.unwrap()
}

#[test]
fn a_backup_under_load_is_the_log_up_to_one_op_with_all_that_was_acked_before() {
    real_time(async || {
        let folder = tempfile::tempdir().unwrap();
        let data = data_in(&folder);
        let server = over_tcp(&data).await;
        let client = connect_tcp(server.address(), &data).await;
        let share_ref = client.owner_ref(1).await;
        let mut lane = Lane::new(1);
        let (writer, claimed) = client.session(&share_ref).claim(&lane.claim());
        claimed.await.unwrap().unwrap();
        let acked = watch::Sender::new(0_u64);
        let (seen, stop) = (acked.subscribe(), Rc::new(Cell::new(false)));
        let is_over = Rc::clone(&stop);
        let appending = tokio::task::spawn_local(async move {
            while !is_over.get() {
                writer
                    .append(&lane.puts(&["a", "b"]))
                    .await
                    .unwrap()
                    .unwrap();
                acked.send_modify(|acked| *acked += 2);
            }
        });
        let until = async |ops: u64| {
            let reached = soon("more acks", async {
                seen.clone().wait_for(|acked| *acked >= ops).await.map(drop)
            });
            reached.await.unwrap();
        };
        let mut backups = Vec::new();
        for round in 1..=3 {
            until(round * 40).await;
            let before = *seen.borrow();
            let (backup, _) = client.begin_backup().await.unwrap().unwrap();
            // Appends go on while the backup is held.
            // No borrow across the wait, in which the sender has to get at it.
            let now = *seen.borrow();
            until(now + 20).await;
            let file = folder.path().join(format!("backup-{round}"));
            std::fs::write(&file, rest(&backup).await).unwrap();
            backups.push((before, file));
        }
        stop.set(true);
        appending.await.unwrap();
        drop(client);
        server.drain().await.unwrap();
        let whole = log(&data, &share_ref).await;
        for (before, file) in backups {
            let place = tempfile::tempdir().unwrap();
            let told = restore(restoring(&place, |options| {
                options.file = file;
                options.journal = RestoreJournal::At(default_journal(&data));
            }));
            assert_eq!(told.await.unwrap().shares, 1);
            let found = log(&data_in(&place), &share_ref).await;
            let is_complete = found.len() as u64 >= before && found.len() < whole.len();
            assert!(
                is_complete,
                "{} of {}, {before} before",
                found.len(),
                whole.len()
            );
            assert!(
                found == whole[..found.len()],
                "it is not the log up to an op"
            );
        }
    });
}
