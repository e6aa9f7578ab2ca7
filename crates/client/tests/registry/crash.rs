//! Several processes at once, and processes that end between any two steps.

use std::process::{Child, Command, Stdio};

use share_client::{OpenAnswer, Registry, RegistryOptions, Reserved};

use crate::folder::{Folder, all, answer, create, factory, name, open};

const CHILD: &str = "SHARE_CLIENT_REGISTRY_CHILD";
/// After which step the child ends as if killed.
const DIES_AFTER: &str = "SHARE_CLIENT_REGISTRY_DIES_AFTER";
/// Steps of opening a session: nothing yet, registry opened, name reserved, share created, ref stored.
const STEPS: u32 = 5;

fn die_after(step: u32) {
    let dies_after = std::env::var(DIES_AFTER).ok();
    if dies_after.and_then(|it| it.parse().ok()) == Some(step) {
        // No destructor runs, nothing is flushed or closed.
        std::process::abort();
    }
}

/// Not a test of its own: what the next ones start, and kill.
#[tokio::test]
async fn child_that_opens_a_session() {
    let Ok(path) = std::env::var(CHILD) else {
        return;
    };
    die_after(0);
    let registry = Registry::open(path.as_ref(), RegistryOptions::default()).unwrap();
    die_after(1);
    let opened = match registry.reserve(&factory(), open("s")).await.unwrap() {
        Reserved::Open(opened) => opened,
        Reserved::Pending(pending) => {
            die_after(2);
            // The server's part: the same request, the same share.
            let (created, served) = answer(pending.request.request);
            die_after(3);
            let opened = registry
                .complete(&pending, &created, &served)
                .await
                .unwrap();
            die_after(4);
            opened
        }
    };
    println!(
        "\nopened {} {}",
        opened.answer.name(),
        opened.reference.expose()
    );
}

fn start(folder: &Folder, dies_after: Option<u32>) -> Child {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command
        .args([
            "--exact",
            "crash::child_that_opens_a_session",
            "--nocapture",
        ])
        .env(CHILD, folder.path())
        .stdout(Stdio::piped())
        .stderr(Stdio::null());
    if let Some(step) = dies_after {
        command.env(DIES_AFTER, step.to_string());
    }
    command.spawn().unwrap()
}

/// What the child has answered, if it came to that.
fn end(child: Child) -> Option<(String, String)> {
    let output = child.wait_with_output().unwrap();
    let out = String::from_utf8(output.stdout).unwrap();
    let mut words = out
        .lines()
        .find(|line| line.starts_with("opened "))?
        .split(' ')
        .skip(1);
    Some((words.next()?.to_owned(), words.next()?.to_owned()))
}

#[test]
fn ten_processes_at_once_open_one_share_and_one_says_created() {
    let folder = Folder::new();
    let children: Vec<_> = (0..10).map(|_| start(&folder, None)).collect();
    let answers: Vec<_> = children
        .into_iter()
        .map(|child| end(child).unwrap())
        .collect();
    let created = answers.iter().filter(|(answer, _)| answer == "created");
    assert_eq!(created.count(), 1, "{answers:?}");
    let reused = answers.iter().filter(|(answer, _)| answer == "reused");
    assert_eq!(reused.count(), 9);
    assert!(
        answers
            .iter()
            .all(|(_, share_ref)| *share_ref == answers[0].1)
    );
}

#[tokio::test]
async fn a_process_that_dies_between_any_two_steps_leaves_one_share_and_at_most_one_says_created() {
    for step in 0..STEPS {
        let folder = Folder::new();
        assert_eq!(end(start(&folder, Some(step))), None, "step {step}");
        let known = match folder.path().exists() {
            true => all(&folder.registry()).await,
            false => Vec::new(),
        };
        assert_eq!(known.len(), usize::from(step >= 2), "step {step}");
        let (first, share_ref) = end(start(&folder, None)).unwrap();
        // The dead one's transaction stored the ref, and it could not say so.
        let expected = if step == 4 { "reused" } else { "created" };
        assert_eq!(first, expected, "step {step}");
        let (second, again) = end(start(&folder, None)).unwrap();
        assert_eq!((&*second, again), ("reused", share_ref), "step {step}");
        assert_eq!(all(&folder.registry()).await.len(), 1, "step {step}");
    }
}

#[test]
fn processes_that_die_among_others_leave_one_share() {
    let folder = Folder::new();
    let dying = (0..10).map(|at| start(&folder, (at % 2 == 0).then_some(at / 2)));
    let children: Vec<_> = dying.collect();
    let answers: Vec<_> = children.into_iter().filter_map(end).collect();
    assert!(answers.len() >= 5, "{answers:?}");
    let last = end(start(&folder, None)).unwrap();
    assert_eq!(last.0, "reused");
    assert!(answers.iter().all(|(_, share_ref)| *share_ref == last.1));
    let created = answers.iter().filter(|(answer, _)| answer == "created");
    assert!(created.count() <= 1, "{answers:?}");
}

#[tokio::test]
async fn two_who_write_at_once_lose_nothing_of_each_other() {
    let folder = Folder::new();
    let fill = |who: &'static str| {
        let registry = folder.registry();
        async move {
            for number in 0..30 {
                create(&registry, &format!("{who} {number}")).await;
            }
        }
    };
    let tasks = [tokio::spawn(fill("one")), tokio::spawn(fill("two"))];
    for task in tasks {
        task.await.unwrap();
    }
    let registry = folder.registry();
    assert_eq!(all(&registry).await.len(), 60);
    for who in ["one", "two"] {
        for number in 0..30 {
            let name = name(&format!("{who} {number}"));
            let again = registry
                .reopen(&name, "/w".as_ref())
                .await
                .unwrap()
                .unwrap();
            assert_eq!(again.answer, OpenAnswer::Reused);
        }
    }
}
