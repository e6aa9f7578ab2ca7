//! `share-chaos`.
#![expect(clippy::print_stdout, reason = "temporary")]

fn main() {
    let mut args = std::env::args().skip(1);
    let name = args.next().unwrap_or_default();
    let seed: u64 = args.next().unwrap_or_default().parse().unwrap_or(1);
    let count: u64 = args.next().unwrap_or_default().parse().unwrap_or(1);
    let scenario = share_harness::sim::SCENARIOS.iter().find(|s| s.name == name).expect("scenario");
    for seed in seed..seed+count {
        let run = share_harness::sim::run(seed, scenario);
        println!("seed {seed} {:?} virtual {} events {} broken {:?}", run.plan.on, run.virtual_ms, run.events.len(), run.broken);
        if count == 1 {
            for e in &run.events { let t = format!("{:?}", e.what); println!("{:>8} {} {}", e.at_ms, e.actor, &t[..t.len().min(300)]); }
            println!("{}", run.trace.lines().take(100).collect::<Vec<_>>().join("\n"));
        }
    }
}
