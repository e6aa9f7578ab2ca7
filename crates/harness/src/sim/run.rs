//! One run of a seed, from nothing to its history.

use std::panic::AssertUnwindSafe;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use turmoil::{Builder, Sim};

use super::agent::{self, Agent};
use super::chaos::{Chaos, Host};
use super::owner::{self, OWNER};
use super::plan::{Plan, Scenario};
use super::server::{self, ServerOrders};
use super::world::World;
use super::{operator, prober, reader};
use crate::disk::DiskCounts;
use crate::history::{Bounds, Event};

/// Virtual time between two turns of a host.
const TICK: Duration = Duration::from_millis(2);

/// What a run leaves behind.
#[derive(Debug)]
pub struct SimRun {
    /// What the seed had decided.
    pub plan: Plan,
    /// All that happened.
    pub events: Vec<Event>,
    /// What the checker needs to know besides.
    pub bounds: Bounds,
    /// What is wrong so plainly that no history is needed to see it: a panic, a file that can't be
    /// opened. Each begins with a name.
    pub broken: Vec<String>,
    /// Compared between two runs of a seed: every byte of every connection is in it.
    pub trace: String,
    /// What happened on all disks.
    pub disks: DiskCounts,
    /// Virtual milliseconds.
    pub virtual_ms: u64,
}

/// Runs a seed within a scenario. The same seed gives the same run, as long as no other one runs in
/// this process: SQLite's own randomness is one for all.
///
/// # Panics
///
/// If there is no room for a temporary folder.
pub fn run(seed: u64, scenario: &Scenario) -> SimRun {
    let plan = Plan::draw(seed, scenario);
    let folder = temporary_folder();
    crate::disk::seed_sqlite(u32::try_from(seed & 0xffff_ffff).unwrap_or(1));
    let world = World::new(plan.clone(), folder.path());
    let (mut virtual_ms, mut disks) = (0, DiskCounts::default());
    let played = std::panic::catch_unwind(AssertUnwindSafe(|| {
        play(&world, &mut virtual_ms, &mut disks);
    }));
    if let Err(panic) = played {
        let text = panic
            .downcast_ref::<String>()
            .map(String::as_str)
            .or_else(|| panic.downcast_ref::<&str>().copied());
        let text = text.unwrap_or("without a message");
        world.broken(format!("panic: {text}"));
    }
    let events = world.history.take();
    let mut trace = world.take_trace();
    for event in &events {
        trace.push_str(&format!("{event:?}\n"));
    }
    let trace = without_folder(&trace, folder.path());
    SimRun {
        bounds: Bounds {
            window: plan.window,
        },
        plan,
        events,
        broken: world.take_broken(),
        trace,
        disks,
        virtual_ms,
    }
}

/// The folder of a run has another name each time, and errors name the files in it.
fn without_folder(trace: &str, folder: &Path) -> String {
    trace.replace(&*folder.to_string_lossy(), "RUN")
}

/// In memory, if the machine has such a folder: nothing here is to outlive a run.
fn temporary_folder() -> tempfile::TempDir {
    let builder = || {
        let mut builder = tempfile::Builder::new();
        builder.prefix("share-chaos-");
        builder
    };
    builder()
        .tempdir_in("/dev/shm")
        .or_else(|_| builder().tempdir())
        .expect("a temporary folder can be made")
}

fn play(world: &Arc<World>, virtual_ms: &mut u64, disks: &mut DiskCounts) {
    let plan = &world.plan;
    let mut sim = Builder::new()
        .tick_duration(TICK)
        .simulation_duration(Duration::from_secs(24 * 3600))
        .min_message_latency(Duration::from_millis(1))
        .max_message_latency(Duration::from_millis(plan.latency_ms))
        .tcp_capacity(4096)
        .enable_random_order()
        .rng_seed(plan.seed)
        .build();
    let orders = Arc::new(ServerOrders::default());
    let hosts = people(world, &mut sim, &orders);
    let mut chaos = Chaos::new(world, &orders, hosts);
    loop {
        if let Err(error) = sim.step() {
            world.broken(format!("harness: a host failed: {error}"));
            break;
        }
        let now = u64::try_from(sim.elapsed().as_millis()).unwrap_or(u64::MAX);
        world.history.set_now(now);
        *virtual_ms = now;
        if !chaos.step(&mut sim, now) {
            break;
        }
    }
    chaos.tell_who_does_not_rest();
    for host in chaos.hosts() {
        host.machine.disk.freeze();
        disks.add(&host.machine.disk.counts());
    }
    for (kind, count) in disks.faults().into_iter().filter(|(_, count)| *count > 0) {
        world.trace(&format!("disks: {count} × {kind}"));
    }
}

/// Puts everybody in the world.
fn people(world: &Arc<World>, sim: &mut Sim<'_>, orders: &Arc<ServerOrders>) -> Vec<Host> {
    let plan = &world.plan;
    let agents = (1..=plan.agents).map(|number| format!("agent-{number}"));
    let agents: Vec<String> = agents.collect();
    let readers = (1..=plan.readers).map(|number| format!("reader-{number}"));
    let readers: Vec<String> = readers.collect();
    {
        let mut board = world.board();
        board.agents.clone_from(&agents);
        board.readers.clone_from(&readers);
        board.processes.clone_from(&agents);
    }
    let mut hosts = vec![Host {
        name: "server".to_owned(),
        machine: Arc::clone(&world.server),
        agent: None,
    }];
    let (serving, ordered) = (Arc::clone(world), Arc::clone(orders));
    sim.host("server", move || {
        server::run(Arc::clone(&serving), Arc::clone(&ordered))
    });
    let owning = Arc::clone(world);
    sim.host(OWNER, move || owner::run(Arc::clone(&owning)));
    let operating = Arc::clone(world);
    sim.host(operator::OPERATOR, move || {
        operator::run(Arc::clone(&operating))
    });
    for name in readers {
        let (reading, reader) = (Arc::clone(world), name.clone());
        sim.host(name.as_str(), move || {
            reader::run(Arc::clone(&reading), reader.clone())
        });
    }
    if plan.has("prober") {
        world.board().agents.push(prober::PROBER.to_owned());
        let probing = Arc::clone(world);
        sim.host(prober::PROBER, move || prober::run(Arc::clone(&probing)));
    }
    for name in agents {
        let first = Agent {
            name: name.clone(),
            folder: name.clone(),
            refs: name.clone(),
        };
        hosts.push(begin(world, sim, first));
        if plan.has("second-process") && name == "agent-1" {
            let second = Agent {
                name: format!("{name}-second"),
                folder: name.clone(),
                refs: name.clone(),
            };
            world.board().processes.push(second.name.clone());
            hosts.push(begin(world, sim, second));
        }
    }
    hosts
}

fn begin(world: &Arc<World>, sim: &mut Sim<'_>, agent: Agent) -> Host {
    let machine = world.machine(&agent.folder);
    let (living, who) = (Arc::clone(world), agent.clone());
    sim.host(agent.name.as_str(), move || {
        agent::run(Arc::clone(&living), who.clone())
    });
    Host {
        name: agent.name.clone(),
        machine,
        agent: Some(agent),
    }
}
