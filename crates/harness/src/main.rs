//! `share-chaos`.
#![expect(clippy::print_stdout, reason = "temporary")]

fn main() {
    let mut args = std::env::args().skip(1);
    let name = args.next().unwrap_or_default();
    let seed: u64 = args.next().unwrap_or_default().parse().unwrap_or(1);
    let count: u64 = args.next().unwrap_or_default().parse().unwrap_or(1);
    let scenario = share_harness::sim::SCENARIOS.iter().find(|s| s.name == name).expect("scenario");
    let mut checks = std::collections::BTreeMap::<String, Vec<u64>>::new();
    for seed in seed..seed+count {
        let run = share_harness::sim::run(seed, scenario);
        let violations = share_harness::check::check(&run.events, &run.bounds);
        if count == 1 {
            for e in &run.events { println!("{e}"); }
            std::fs::write("/tmp/trace.txt", &run.trace).ok();
        }
        println!("seed {seed} {:?} virtual {} events {} broken {:?}", run.plan.on, run.virtual_ms, run.events.len(), run.broken);
        for b in &run.broken { checks.entry(b.split(':').next().unwrap_or("").into()).or_default().push(seed); }
        for v in &violations { println!("   {} at {}: {}", v.check, v.at, v.text); let c = checks.entry(v.check.into()).or_default(); if c.last() != Some(&seed) { c.push(seed); } }
        if count == 1 && let Some(v) = violations.first() { println!("{}", share_harness::story::story(&run.events, v)); }
    }
    println!("{checks:?}");
}
