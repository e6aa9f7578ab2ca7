//! Faults of the network.

use std::time::Duration;

use turmoil::Sim;

use super::{Chaos, Later};
use crate::sim::owner::OWNER;

/// The longest delay of a message in bad times.
const LATENCY_MS_MAX: u64 = 2_500;

impl Chaos {
    /// Somebody who talks to the server.
    fn somebody(&self) -> String {
        let mut all: Vec<String> = self.world.board().readers.clone();
        all.push(OWNER.to_owned());
        let agents = self.hosts.iter().filter(|host| host.agent.is_some());
        // Twice: they are what this is about.
        all.extend(agents.clone().map(|host| host.name.clone()));
        all.extend(agents.map(|host| host.name.clone()));
        let picked = self.chance.pick(&all).cloned();
        picked.unwrap_or_else(|| OWNER.to_owned())
    }

    pub(super) fn break_network(&mut self, sim: &mut Sim<'_>, fault: &'static str) {
        let who = self.somebody();
        let ms = self.chance.between(50, 6_000);
        let mut detail = format!("{who} and the server, for {ms} ms");
        match fault {
            "latency" => {
                let max = self.chance.between(50, LATENCY_MS_MAX);
                sim.set_max_message_latency(Duration::from_millis(max));
                self.later(ms, Later::ShortLatency);
                detail = format!("up to {max} ms, for {ms} ms");
            }
            "message-loss" => {
                let rate = self.chance.between(1, 30);
                sim.set_fail_rate(f64::from(u32::try_from(rate).unwrap_or(1)) / 1000.0);
                self.later(ms, Later::NoLoss);
                detail = format!("{rate} of 1000 messages break a link, for {ms} ms");
            }
            "partition" => {
                sim.partition(who.as_str(), "server");
                self.later(ms, Later::Repair(who));
            }
            "one-way-cut" => {
                if self.chance.permille(700) {
                    detail = format!("from the server to {detail}");
                    sim.partition_oneway("server", who.as_str());
                } else {
                    detail = format!("to the server from {detail}");
                    sim.partition_oneway(who.as_str(), "server");
                }
                self.later(ms, Later::Repair(who));
            }
            "held-messages" => {
                sim.hold(who.as_str(), "server");
                self.later(ms, Later::Release(who));
            }
            _ => {
                // Counted when it happens.
                let bytes = self.chance.between(200, 20_000);
                self.world.wire.cut_next_after(bytes);
                return;
            }
        }
        self.world.fault(fault, &detail);
    }

    pub(super) fn short_latency(&self, sim: &Sim<'_>) {
        let ms = self.world.plan.latency_ms;
        sim.set_max_message_latency(Duration::from_millis(ms));
    }

    pub(super) fn mend_network(&self, sim: &mut Sim<'_>) {
        self.short_latency(sim);
        sim.set_fail_rate(0.0);
        let mut all = self.world.board().readers.clone();
        all.push(OWNER.to_owned());
        all.extend(self.hosts.iter().map(|host| host.name.clone()));
        for name in all.iter().filter(|name| *name != "server") {
            sim.release(name.as_str(), "server");
            sim.repair(name.as_str(), "server");
        }
    }
}
