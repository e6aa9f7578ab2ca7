//! Real processes that are killed and cut off keep what they promise.

use std::path::Path;

use share_harness::check::check;
use share_harness::history::What;
use share_harness::real;

/// Plays a seed, in which the faults of these kinds fire, and checks what was seen.
async fn play(seed: u64, kinds: &[&str]) {
    let binary = Path::new(env!("CARGO_BIN_EXE_share-chaos"));
    let run = real::run(seed, binary).await;
    let run = run.unwrap_or_else(|error| panic!("seed {seed}: {error:?}"));
    if let Some(failure) = &run.failure {
        panic!("seed {seed}: {failure:?}");
    }
    for wanted in kinds {
        let is_wanted = |what: &What| matches!(what, What::Fault { kind, .. } if kind == wanted);
        let fired = run.events.iter().any(|event| is_wanted(&event.what));
        assert!(fired, "seed {seed}: no {wanted}");
    }
    let is_acked = |what: &What| matches!(what, What::Acked { .. });
    let acks = run.events.iter().filter(|event| is_acked(&event.what));
    assert!(acks.count() > 10, "seed {seed}: the agents did nothing");
    let found = check(&run.events, &run.bounds);
    let texts: Vec<_> = found
        .iter()
        .map(|violation| format!("{}: {}", violation.check, violation.text))
        .collect();
    assert!(found.is_empty(), "seed {seed}: {texts:#?}");
}

#[tokio::test]
async fn a_server_that_is_killed_at_edges_and_put_back_keeps_what_it_promised() {
    play(37, &["kill server", "kill agent", "server put back"]).await;
}

#[tokio::test]
async fn a_copied_outbox_and_a_restored_server_keep_what_they_promised() {
    play(11, &["outbox copied", "server restored", "clock jump"]).await;
}
