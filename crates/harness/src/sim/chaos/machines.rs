//! Faults of machines and their disks.

use turmoil::Sim;

use super::{Chaos, Host, Later};
use crate::disk::{CrashPoint, DiskFaults, Edge, FileKind, Moment};
use crate::sim::machine::Machine;

/// How long a machine is down.
const DOWN_MS: (u64, u64) = (50, 3_000);

impl Chaos {
    pub(super) fn break_machine(&mut self, sim: &mut Sim<'_>, fault: &'static str) {
        let of_server = fault.starts_with("server-");
        let host = match of_server {
            true => self.host("server"),
            false => self.an_agent(),
        };
        let Some(host) = host.filter(|host| sim.is_host_running(host.name.as_str())) else {
            return;
        };
        let machine = host.machine.clone();
        match fault {
            "server-restart" => {
                self.world.fault(fault, "in order");
                self.orders.drain.notify_one();
            }
            "server-kill" | "agent-kill" => self.kill(sim, &host, fault),
            "server-kill-at-write" | "agent-kill-at-write" => {
                let write = self.chance.between(1, 30);
                machine.die_at_write(i64::try_from(write).unwrap_or(1));
            }
            "server-kill-at-edge" | "agent-kill-at-edge" => {
                let point = self.an_edge(of_server);
                machine.disk.crash_at(Some(point));
            }
            "server-power-cut" | "agent-power-cut" => {
                self.world.fault(fault, &machine.name);
                self.stop(sim, &machine, true);
                let down = self.chance.between(DOWN_MS.0, DOWN_MS.1);
                self.later(down, Later::Boot(machine.name.clone()));
            }
            "server-disk-full" | "agent-disk-full" => {
                self.sicken(&machine, fault);
                machine.disk.set_full(true);
            }
            "server-disk-error" | "agent-disk-error" => {
                self.sicken(&machine, fault);
                let rate = u32::try_from(self.chance.between(2_000, 60_000)).unwrap_or(2_000);
                machine.disk.set_faults(DiskFaults {
                    write_per_million: rate,
                    short_write_per_million: rate / 2,
                    read_per_million: rate / 8,
                    ..DiskFaults::default()
                });
            }
            "server-fsync-failed" | "agent-fsync-failed" => {
                self.sicken(&machine, fault);
                machine.disk.set_faults(DiskFaults {
                    sync_per_million: 150_000,
                    ..DiskFaults::default()
                });
            }
            "server-clock-jump" | "agent-clock-jump" => {
                let ms = i64::try_from(self.chance.between(1, 120_000)).unwrap_or(1);
                let by = if self.chance.permille(500) { ms } else { -ms };
                machine.jump_clock(by);
                self.world
                    .fault(fault, &format!("{} by {by} ms", machine.name));
            }
            _ => {}
        }
    }

    /// Where in an operation on its disk a machine is to die.
    fn an_edge(&self, of_server: bool) -> CrashPoint {
        if self.chance.permille(300) {
            return CrashPoint::Operation(self.chance.between(1, 60));
        }
        let kinds: &[FileKind] = match of_server {
            true => &[
                FileKind::Redo,
                FileKind::Redo,
                FileKind::Wal,
                FileKind::Db,
                FileKind::Journal,
            ],
            false => &[FileKind::Wal, FileKind::Wal, FileKind::Db],
        };
        let kind = self.chance.pick(kinds).copied().unwrap_or(FileKind::Wal);
        let moments = [
            Moment::WriteBefore,
            Moment::WriteTorn,
            Moment::WriteAfter,
            Moment::SyncBefore,
            Moment::SyncAfter,
        ];
        let moment = self.chance.pick(&moments).copied();
        let moment = moment.unwrap_or(Moment::SyncBefore);
        CrashPoint::Edge(Edge { kind, moment }, self.chance.between(1, 12))
    }

    /// The machine's disk is to have a fault for a while.
    fn sicken(&mut self, machine: &Machine, fault: &'static str) {
        self.heal(&machine.name);
        let before = machine.disk.counts();
        self.sick.insert(machine.name.clone(), (fault, before));
        let ms = self.chance.between(200, 4_000);
        self.later(ms, Later::Heal(machine.name.clone()));
    }

    /// The machine's disk works again. Its fault is counted if anybody met it.
    pub(super) fn heal(&mut self, name: &str) {
        let Some(host) = self.hosts.iter().find(|host| host.machine.name == name) else {
            return;
        };
        if let Some((fault, before)) = self.sick.remove(name) {
            let now = host.machine.disk.counts();
            let met = now.no_space
                + now.write_failed
                + now.short_writes
                + now.read_failed
                + now.sync_failed;
            let met_before = before.no_space
                + before.write_failed
                + before.short_writes
                + before.read_failed
                + before.sync_failed;
            if met > met_before {
                self.world
                    .fault(fault, &format!("{name}, {} times", met - met_before));
            }
        }
        host.machine.disk.set_full(false);
        host.machine.disk.set_faults(DiskFaults::default());
    }

    /// A process dies; what it wrote stays as far as the machine has it.
    fn kill(&mut self, sim: &mut Sim<'_>, host: &Host, fault: &'static str) {
        self.world.fault(fault, &host.name);
        let machine = host.machine.clone();
        let others = self.hosts.iter().filter(|other| {
            other.name != host.name
                && other.machine.name == machine.name
                && sim.is_host_running(other.name.as_str())
        });
        let down = self.chance.between(DOWN_MS.0, DOWN_MS.1);
        if others.count() > 0 {
            // The machine and its other processes live on.
            sim.crash(host.name.as_str());
            machine.process_ended(&host.name);
            self.later(down, Later::Begin(host.name.clone()));
        } else {
            self.stop(sim, &machine, false);
            self.later(down, Later::Boot(machine.name.clone()));
        }
    }

    /// Ends all processes of the machine where they stand; with the power, what was not synced goes
    /// as well, or a part of it.
    pub(super) fn stop(&mut self, sim: &mut Sim<'_>, machine: &Machine, power_cut: bool) {
        machine.die("stopped");
        machine.disk.freeze();
        for host in self
            .hosts
            .iter()
            .filter(|host| host.machine.name == machine.name)
        {
            if power_cut {
                // Nobody says goodbye.
                sim.partition(host.name.as_str(), "server");
            }
            sim.crash(host.name.as_str());
        }
        machine.processes_ended();
        machine.bury();
        // What died in the middle of a step may not have closed its files: then only it is gone.
        if power_cut && let Err(error) = machine.disk.power_cut() {
            self.world.trace(&format!("no power cut: {error}"));
        }
        self.world.trace(&format!("{} stops", machine.name));
    }

    /// Machines that died by themselves: at a write, or at an edge of their disk.
    pub(super) fn bury(&mut self, sim: &mut Sim<'_>) {
        let dead = self.hosts.iter().filter(|host| host.machine.is_unburied());
        let mut dead: Vec<_> = dead.map(|host| host.machine.clone()).collect();
        dead.dedup_by(|one, other| one.name == other.name);
        for machine in dead {
            let of_server = machine.name == "server";
            let why = machine.why_dead();
            let (at_write, power) = (
                why.starts_with("write"),
                match of_server {
                    true => "server-power-cut",
                    false => "agent-power-cut",
                },
            );
            let fault = match (of_server, at_write) {
                (true, true) => "server-kill-at-write",
                (true, false) => "server-kill-at-edge",
                (false, true) => "agent-kill-at-write",
                (false, false) => "agent-kill-at-edge",
            };
            self.world
                .fault(fault, &format!("{} at {why}", machine.name));
            let power_cut = self.world.plan.has(power) && self.chance.permille(600);
            if power_cut {
                self.world.fault(power, &machine.name);
            }
            self.stop(sim, &machine, power_cut);
            let down = self.chance.between(DOWN_MS.0, DOWN_MS.1);
            let down = if self.calm_at.is_some() { 1 } else { down };
            self.later(down, Later::Boot(machine.name.clone()));
        }
    }

    /// The machine starts, and all that runs on it.
    pub(super) fn boot(&mut self, sim: &mut Sim<'_>, name: &str) {
        let on_it = self.hosts.iter().filter(|host| host.machine.name == name);
        let hosts: Vec<_> = on_it.cloned().collect();
        let Some(machine) = hosts.first().map(|host| host.machine.clone()) else {
            return;
        };
        if machine.is_dead() {
            machine.boot();
        }
        for host in hosts {
            if sim.is_host_running(host.name.as_str()) {
                continue;
            }
            if host.agent.is_some() {
                sim.repair(host.name.as_str(), "server");
            }
            sim.bounce(host.name.as_str());
        }
        if name == "server" {
            self.mend_links(sim);
        }
    }

    /// A power cut of the server had cut it off from everybody.
    fn mend_links(&self, sim: &Sim<'_>) {
        let mut all = self.world.board().readers.clone();
        all.push(crate::sim::owner::OWNER.to_owned());
        all.extend(self.hosts.iter().map(|host| host.name.clone()));
        for name in all.iter().filter(|name| *name != "server") {
            sim.repair(name.as_str(), "server");
        }
    }

    /// Processes that ended by themselves are begun again after a while.
    pub(super) fn begin_again(&mut self, sim: &mut Sim<'_>) {
        for host in self.hosts.clone() {
            let is_due = self.later.iter().any(|(_, later)| match later {
                Later::Boot(name) => *name == host.machine.name,
                Later::Begin(name) => *name == host.name,
                _ => false,
            });
            let rests = self.world.board().at_rest.contains(&host.name);
            if is_due || rests || sim.is_host_running(host.name.as_str()) {
                continue;
            }
            host.machine.process_ended(&host.name);
            let down = self.chance.between(100, 1_500);
            let down = if self.calm_at.is_some() { 100 } else { down };
            let what = match host.machine.is_dead() {
                true => Later::Boot(host.machine.name.clone()),
                false => Later::Begin(host.name.clone()),
            };
            self.later(down, what);
        }
    }
}
