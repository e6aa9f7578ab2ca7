//! Whoever breaks things: draws faults, fires them, and mends everything again.

mod history_back;
mod machines;
mod network;

use std::collections::BTreeMap;
use std::sync::Arc;

use turmoil::Sim;

use super::agent::Agent;
use super::machine::Machine;
use super::plan::FAULTS;
use super::server::ServerOrders;
use super::world::World;
use crate::chance::Chance;
use crate::disk::DiskCounts;
use crate::history::What;

/// Virtual milliseconds within which all must come to its end once nothing is broken any more.
pub(crate) const CALM_BOUND_MS: u64 = 600_000;

/// A host of the simulation: one process.
#[derive(Debug, Clone)]
pub(crate) struct Host {
    pub(crate) name: String,
    pub(crate) machine: Arc<Machine>,
    /// `None`: the server.
    pub(crate) agent: Option<Agent>,
}

/// What is to be done later.
#[derive(Debug)]
enum Later {
    /// The machine starts, with all its processes.
    Boot(String),
    /// The process starts.
    Begin(String),
    /// Messages pass again between the server and this host.
    Repair(String),
    /// Held messages between the server and this host are let go.
    Release(String),
    /// Delays are short again.
    ShortLatency,
    /// Messages are not lost any more.
    NoLoss,
    /// The machine's disk works again.
    Heal(String),
    /// The outbox of this process is copied.
    Copy(String),
    /// The server's machine is put back to the copy that was made of it.
    PutBack,
}

/// The one who breaks things.
pub(crate) struct Chaos {
    world: Arc<World>,
    chance: Chance,
    orders: Arc<ServerOrders>,
    hosts: Vec<Host>,
    later: Vec<(u64, Later)>,
    next_at: u64,
    now: u64,
    calm_at: Option<u64>,
    back: history_back::Back,
    copies: u64,
    /// Disks that don't work, by their machine: since which fault, and what had happened before.
    sick: BTreeMap<String, (&'static str, DiskCounts)>,
}

impl Chaos {
    pub(crate) fn new(world: &Arc<World>, orders: &Arc<ServerOrders>, hosts: Vec<Host>) -> Self {
        let chance = world.chance("chaos");
        Self {
            // Not before there is something to break.
            next_at: chance.between(300, 2_000),
            chance,
            world: Arc::clone(world),
            orders: Arc::clone(orders),
            hosts,
            later: Vec::new(),
            now: 0,
            calm_at: None,
            back: history_back::Back::default(),
            copies: 0,
            sick: BTreeMap::new(),
        }
    }

    /// Between two steps of the simulation. Whether it is to go on.
    pub(crate) fn step(&mut self, sim: &mut Sim<'_>, now: u64) -> bool {
        self.now = now;
        self.bury(sim);
        self.begin_again(sim);
        self.do_what_is_due(sim);
        if self.calm_at.is_none() {
            if now >= self.world.plan.active_ms && self.shares_are_made() {
                self.calm(sim);
            } else if now >= self.next_at {
                let gap = self.world.plan.fault_gap_ms;
                self.next_at = now + self.chance.between(gap / 4, 2 * gap);
                self.break_something(sim);
            } else {
                self.keep_a_hole(sim);
            }
        }
        if self.world.board().is_over {
            return false;
        }
        let begun = self.calm_at.unwrap_or(now);
        now < begun + CALM_BOUND_MS && now < self.world.plan.active_ms + 2 * CALM_BOUND_MS
    }

    fn shares_are_made(&self) -> bool {
        self.world.board().shares_made == self.world.plan.shares
    }

    fn later(&mut self, in_ms: u64, what: Later) {
        self.later.push((self.now + in_ms, what));
    }

    fn do_what_is_due(&mut self, sim: &mut Sim<'_>) {
        let (due, later) = std::mem::take(&mut self.later)
            .into_iter()
            .partition(|(at, _)| *at <= self.now);
        self.later = later;
        let due: Vec<(u64, Later)> = due;
        for (_, what) in due {
            self.mend(sim, what);
        }
    }

    fn mend(&mut self, sim: &mut Sim<'_>, what: Later) {
        match what {
            Later::Boot(machine) => self.boot(sim, &machine),
            Later::Begin(name) => {
                let is_dead = self.host(&name).is_some_and(|host| host.machine.is_dead());
                // On a machine that is down nothing begins before it starts.
                if !is_dead && !sim.is_host_running(name.as_str()) {
                    sim.bounce(name.as_str());
                }
            }
            Later::Repair(host) => sim.repair(host.as_str(), "server"),
            Later::Release(host) => sim.release(host.as_str(), "server"),
            Later::ShortLatency => self.short_latency(sim),
            Later::NoLoss => sim.set_fail_rate(0.0),
            Later::Heal(machine) => self.heal(&machine),
            Later::Copy(name) => self.copy_outbox_of(sim, &name),
            Later::PutBack => self.put_back_soon(sim),
        }
    }

    fn break_something(&mut self, sim: &mut Sim<'_>) {
        let on = FAULTS.iter().filter(|fault| self.world.plan.has(fault));
        let on: Vec<_> = on.copied().collect();
        let Some(fault) = self.chance.pick(&on).copied() else {
            return;
        };
        match fault {
            "latency" | "message-loss" | "partition" | "one-way-cut" | "held-messages"
            | "connection-cut" => self.break_network(sim, fault),
            "backup-restored"
            | "backup-restored-without-journal"
            | "machine-put-back"
            | "outbox-copied" => self.go_back(sim, fault),
            _ => self.break_machine(sim, fault),
        }
    }

    /// Mends everything, for good.
    fn calm(&mut self, sim: &mut Sim<'_>) {
        self.calm_at = Some(self.now);
        for host in self.hosts.clone() {
            self.heal(&host.machine.name.clone());
            host.machine.disk.crash_at(None);
            host.machine.die_at_write(-1);
        }
        self.world.wire.cut_next_after(0);
        self.mend_network(sim);
        for (_, what) in std::mem::take(&mut self.later) {
            self.mend(sim, what);
        }
        let bound_ms = CALM_BOUND_MS;
        self.world.push("chaos", What::Calm { bound_ms });
        self.world.calm();
    }

    /// Nobody came to rest in time: says who.
    pub(crate) fn tell_who_does_not_rest(&self) {
        let processes = self.world.board().processes.clone();
        for name in processes {
            if !self.world.board().at_rest.contains(&name) {
                let host = self.hosts.iter().find(|host| host.name == name);
                let agent = host.and_then(|host| host.agent.as_ref());
                let folder = agent.map_or(name.clone(), |agent| agent.folder.clone());
                let what = What::AtRest {
                    folder,
                    rested: false,
                    detail: "its replay goes on and on".to_owned(),
                };
                self.world.push(&name, what);
            }
        }
    }

    pub(crate) fn hosts(&self) -> &[Host] {
        &self.hosts
    }

    fn host(&self, name: &str) -> Option<Host> {
        self.hosts.iter().find(|host| host.name == name).cloned()
    }

    /// One of the agents' processes.
    fn an_agent(&self) -> Option<Host> {
        let agents = self.hosts.iter().filter(|host| host.agent.is_some());
        let agents: Vec<_> = agents.collect();
        self.chance.pick(&agents).map(|host| (*host).clone())
    }
}
