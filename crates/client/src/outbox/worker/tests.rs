use std::path::Path;
use std::sync::mpsc;

use futures_util::FutureExt;

use super::*;

fn count(path: &Path) -> u32 {
    let db = Connection::open(path).unwrap();
    db.query_row("SELECT count(*) FROM t", [], |row| row.get(0))
        .unwrap()
}

fn insert(db: &Connection) -> Result<(), OutboxError> {
    db.execute("INSERT INTO t VALUES (1)", [])?;
    Ok(())
}

fn storage(path: &Path) -> Storage {
    let db = Connection::open(path).unwrap();
    db.pragma_update_and_check(None, "journal_mode", "WAL", |_| Ok(()))
        .unwrap();
    db.execute_batch("PRAGMA foreign_keys = ON; CREATE TABLE t (a)")
        .unwrap();
    Storage::start(Executor::OwnThread, db).unwrap()
}

#[tokio::test]
async fn jobs_that_wait_together_commit_together_and_none_is_answered_before() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("db");
    let storage = Arc::new(storage(&path));
    let (go, going) = mpsc::channel::<()>();
    let first = storage.run(move |_| {
        going.recv().unwrap();
        Ok(())
    });
    let mut jobs = vec![tokio::spawn({
        let storage = Arc::clone(&storage);
        async move { storage.run(insert).await }
    })];
    tokio::task::yield_now().await;
    let mut first = Box::pin(first);
    assert!((&mut first).now_or_never().is_none());
    for _ in 0..10 {
        let storage = Arc::clone(&storage);
        jobs.push(tokio::spawn(async move { storage.run(insert).await }));
    }
    let last = storage.run({
        let path = path.clone();
        move |db| {
            // The eleven are done on this connection, and not yet seen by any other.
            let inside: u32 = db.query_row("SELECT count(*) FROM t", [], |row| row.get(0))?;
            Ok((inside, count(&path)))
        }
    });
    tokio::task::yield_now().await;
    let mut last = Box::pin(last);
    assert!((&mut last).now_or_never().is_none());
    go.send(()).unwrap();
    first.await.unwrap();
    let (inside, outside) = last.await.unwrap();
    assert_eq!(inside, 11);
    assert!(outside <= 1, "{outside} rows were committed one by one");
    for job in jobs {
        job.await.unwrap().unwrap();
    }
    assert_eq!(count(&path), 11);
}

#[tokio::test]
async fn a_patient_job_goes_before_the_next_one_and_by_itself_when_its_patience_ends() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("db");
    let storage = storage(&path);
    let mut patient = Box::pin(storage.run_with_others(insert, std::future::pending()));
    assert!((&mut patient).now_or_never().is_none());
    storage.run(|_| Ok(())).await.unwrap();
    // Answered in its turn, it is durable before what came behind it is answered.
    assert_eq!(count(&path), 1);
    patient.await.unwrap();
    let impatient = storage.run_with_others(insert, std::future::ready(()));
    impatient.await.unwrap();
    assert_eq!(count(&path), 2);
}

#[tokio::test]
async fn a_job_that_fails_by_itself_is_taken_back_and_the_next_one_is_not() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("db");
    let storage = storage(&path);
    let fail = |db: &Connection| -> Result<(), OutboxError> {
        insert(db)?;
        Err(OutboxError::Full)
    };
    let failed = storage.run(fail).await;
    assert!(matches!(failed, Err(OutboxError::Full)), "{failed:?}");
    assert_eq!(count(&path), 0);
    storage.run(insert).await.unwrap();
    assert_eq!(count(&path), 1);
}

#[tokio::test]
async fn a_job_that_fails_takes_back_its_own_writes_only() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("db");
    let storage = storage(&path);
    let fail = |db: &Connection| -> Result<(), OutboxError> {
        insert(db)?;
        Err(OutboxError::Full)
    };
    let (good, bad, also) =
        tokio::join!(storage.run(insert), storage.run(fail), storage.run(insert));
    assert!(matches!(bad, Err(OutboxError::Full)));
    good.unwrap();
    also.unwrap();
    assert_eq!(count(&path), 2);
}

/// Who has the file, until a transaction was begun in vain three times.
static HOLDER: Mutex<Option<Connection>> = Mutex::new(None);
static IN_VAIN: AtomicU64 = AtomicU64::new(0);

fn give_up_at_once(_: i32) -> bool {
    if IN_VAIN.fetch_add(1, Ordering::Relaxed) == 2 {
        drop(HOLDER.lock().unwrap().take());
    }
    false
}

#[test]
fn a_transaction_that_finds_the_file_busy_is_begun_anew() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("db");
    let mut db = Connection::open(&path).unwrap();
    db.execute_batch("CREATE TABLE t (a)").unwrap();
    db.busy_handler(Some(give_up_at_once)).unwrap();
    let holder = Connection::open(&path).unwrap();
    holder.execute_batch("BEGIN IMMEDIATE").unwrap();
    *HOLDER.lock().unwrap() = Some(holder);
    let group = Group {
        db,
        closed: false,
        coalesced: Arc::default(),
        commits: Arc::default(),
    };
    group.begin().unwrap();
    assert_eq!(IN_VAIN.load(Ordering::Relaxed), 3);
}

/// What a caller does when nothing reaches the disk any more: no ack on hope.
#[tokio::test]
async fn after_a_failed_commit_nothing_is_acked_any_more() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("db");
    let storage = storage(&path);
    storage
        .run(|db| {
            // A foreign key that is checked at commit stands in for a commit that fails.
            db.execute_batch(
                "CREATE TABLE p (a INTEGER PRIMARY KEY); \
                 CREATE TABLE c (a REFERENCES p (a) DEFERRABLE INITIALLY DEFERRED)",
            )?;
            Ok(())
        })
        .await
        .unwrap();
    let broken = storage
        .run(|db| Ok(db.execute("INSERT INTO c VALUES (9)", [])?))
        .await;
    assert!(matches!(broken, Err(OutboxError::Storage(_))), "{broken:?}");
    assert!(matches!(
        storage.run(insert).await,
        Err(OutboxError::Closed)
    ));
    assert_eq!(count(&path), 0);
}
