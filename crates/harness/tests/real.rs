//! Real processes that are killed and cut off keep what they promise.

use std::path::Path;

use share_harness::check::check;
use share_harness::history::What;
use share_harness::real;

/// Plays a seed and checks what every run must show.
async fn play(seed: u64) {
    let binary = Path::new(env!("CARGO_BIN_EXE_share-chaos"));
    let run = real::run(seed, binary).await;
    let run = run.unwrap_or_else(|error| panic!("seed {seed}: {error:?}"));
    if let Some(failure) = &run.failure {
        panic!("seed {seed}: {failure:?}");
    }
    let count = |is: fn(&What) -> bool| run.events.iter().filter(|event| is(&event.what)).count();
    let faults = count(|what| matches!(what, What::Fault { .. }));
    let acked = count(|what| matches!(what, What::Acked { .. }));
    assert!(faults > 0 && acked > 0, "seed {seed}: nothing happened");
    let found = check(&run.events, &run.bounds);
    let texts: Vec<_> = found
        .iter()
        .map(|violation| format!("{}: {}", violation.check, violation.text))
        .collect();
    assert!(found.is_empty(), "seed {seed}: {texts:#?}");
}

#[tokio::test]
async fn seed_1_holds() {
    play(1).await;
}

#[tokio::test]
async fn seed_2_holds() {
    play(2).await;
}
