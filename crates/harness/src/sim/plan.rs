//! What a seed decides before a run begins: who takes part, what may break and how often. Each seed
//! switches a random part of it on, so that rare things meet (swarm testing, Groce et al. 2012).

use std::collections::BTreeSet;

use crate::chance::Chance;

/// Kinds of faults that the simulation makes; each is counted by this name when it fires.
pub const FAULTS: &[&str] = &[
    "latency",
    "message-loss",
    "partition",
    "one-way-cut",
    "held-messages",
    "connection-cut",
    "server-restart",
    "server-kill",
    "server-kill-at-write",
    "server-kill-at-edge",
    "server-power-cut",
    "server-disk-full",
    "server-disk-error",
    "server-fsync-failed",
    "server-clock-jump",
    "agent-kill",
    "agent-kill-at-write",
    "agent-kill-at-edge",
    "agent-power-cut",
    "agent-disk-full",
    "agent-disk-error",
    "agent-fsync-failed",
    "agent-clock-jump",
    "outbox-copied",
    "backup-restored",
    "backup-restored-without-journal",
    "machine-put-back",
];

/// What agents and owners do besides appending plain ops.
pub const OPERATIONS: &[&str] = &[
    "merge",
    "remove",
    "append-item",
    "shared-text",
    "invalid",
    "depend",
    "depend-on-others",
    "atomic",
    "expected-cursor",
    "second-process",
    "delegate",
    "expire",
    "revoke",
    "revoke-above",
    "bump",
    "freeze",
    "delete",
    "reader-anew",
    "small-window",
    "idle-unload",
    "prober",
];

/// A named part of the swarm: what is switched on for sure, and all that may be.
#[derive(Debug, Clone, Copy)]
pub struct Scenario {
    /// Its name.
    pub name: &'static str,
    /// For a person.
    pub about: &'static str,
    /// Faults and operations that are on.
    pub always: &'static [&'static str],
    /// Those that a seed may switch on; `None`: all.
    pub may: Option<&'static [&'static str]>,
}

/// Scenarios by name. The first is what runs if none is named.
pub const SCENARIOS: &[Scenario] = &[
    Scenario {
        name: "swarm",
        about: "anything",
        always: &[],
        may: None,
    },
    Scenario {
        name: "quiet",
        about: "nothing breaks",
        always: &[],
        may: Some(OPERATIONS),
    },
    Scenario {
        name: "network",
        about: "connections break, machines don't",
        always: &["connection-cut", "one-way-cut"],
        may: Some(&[
            "latency",
            "message-loss",
            "partition",
            "held-messages",
            "merge",
            "remove",
            "append-item",
            "shared-text",
            "depend",
            "atomic",
            "invalid",
            "small-window",
            "reader-anew",
        ]),
    },
    Scenario {
        name: "crash",
        about: "server and agents die, also by power cuts",
        always: &[
            "server-kill-at-edge",
            "server-power-cut",
            "agent-kill-at-write",
        ],
        may: Some(&[
            "server-kill",
            "server-kill-at-write",
            "agent-kill",
            "agent-kill-at-edge",
            "agent-power-cut",
            "connection-cut",
            "merge",
            "remove",
            "append-item",
            "shared-text",
            "depend",
            "atomic",
            "invalid",
            "small-window",
            "idle-unload",
            "second-process",
        ]),
    },
    Scenario {
        name: "disk",
        about: "disks are full, fail and forget",
        always: &["server-disk-full", "server-disk-error"],
        may: Some(&[
            "server-fsync-failed",
            "server-power-cut",
            "agent-disk-full",
            "agent-disk-error",
            "agent-fsync-failed",
            "agent-power-cut",
            "server-kill",
            "append-item",
            "shared-text",
            "atomic",
        ]),
    },
    Scenario {
        name: "copies",
        about: "outboxes are copied",
        always: &["outbox-copied"],
        may: Some(&[
            "connection-cut",
            "one-way-cut",
            "agent-kill",
            "agent-kill-at-write",
            "agent-kill-at-edge",
            "server-kill",
            "server-kill-at-write",
            "merge",
            "append-item",
            "shared-text",
            "invalid",
            "depend",
            "atomic",
            "depend-on-others",
        ]),
    },
    Scenario {
        name: "forks",
        about: "copies of outboxes meet in every order",
        always: &[
            "outbox-copied",
            "agent-kill-at-write",
            "server-restart",
            "invalid",
        ],
        may: Some(&[
            "partition",
            "one-way-cut",
            "connection-cut",
            "server-kill",
            "agent-kill",
            "shared-text",
            "append-item",
            "depend",
        ]),
    },
    Scenario {
        name: "delegation",
        about: "grants end above those that are used",
        always: &["delegate", "revoke-above"],
        may: Some(&[
            "revoke",
            "bump",
            "expire",
            "reader-anew",
            "latency",
            "connection-cut",
            "server-kill",
            "server-kill-at-edge",
            "idle-unload",
            "shared-text",
        ]),
    },
    Scenario {
        name: "restore",
        about: "the server is restored from backups",
        always: &["backup-restored"],
        may: Some(&[
            "backup-restored-without-journal",
            "connection-cut",
            "server-kill",
            "agent-kill",
            "append-item",
            "shared-text",
            "atomic",
            "depend",
            "revoke",
            "bump",
            "delete",
            "delegate",
            "reader-anew",
        ]),
    },
    Scenario {
        name: "put-back",
        about: "the server's machine is put back, and does not know it",
        // Holes, and what fills them late: what a server that went back can have lost unseen.
        always: &["machine-put-back", "invalid", "depend-on-others"],
        may: Some(&[
            "connection-cut",
            "server-kill",
            "server-kill-at-edge",
            "agent-kill",
            "agent-kill-at-write",
            "append-item",
            "shared-text",
            "atomic",
            "depend",
            "reader-anew",
        ]),
    },
    Scenario {
        name: "probe",
        about: "a client with a right to append tries what an honest one does not",
        always: &["prober"],
        may: Some(&[
            "connection-cut",
            "latency",
            "one-way-cut",
            "server-kill",
            "server-kill-at-write",
            "freeze",
            "revoke",
            "delegate",
            "shared-text",
            "small-window",
        ]),
    },
    Scenario {
        name: "authority",
        about: "authority ends while it is used",
        always: &["revoke", "bump"],
        may: Some(&[
            "delegate",
            "expire",
            "revoke-above",
            "freeze",
            "delete",
            "reader-anew",
            "connection-cut",
            "one-way-cut",
            "latency",
            "server-kill",
            "server-kill-at-write",
            "server-kill-at-edge",
            "server-clock-jump",
            "append-item",
            "shared-text",
            "idle-unload",
        ]),
    },
    Scenario {
        name: "rejections",
        about: "ops are refused, alone and in groups, and wait for others",
        always: &["invalid", "depend", "depend-on-others", "atomic", "merge"],
        may: Some(&[
            "expected-cursor",
            "small-window",
            "remove",
            "append-item",
            "shared-text",
            "connection-cut",
            "one-way-cut",
            "reader-anew",
            "agent-kill",
            "server-kill",
        ]),
    },
    Scenario {
        name: "processes",
        about: "two processes share an outbox, and one of them may die",
        always: &["second-process"],
        may: Some(&[
            "agent-kill",
            "agent-kill-at-write",
            "agent-kill-at-edge",
            "agent-power-cut",
            "server-kill",
            "connection-cut",
            "one-way-cut",
            "partition",
            "append-item",
            "shared-text",
            "atomic",
            "invalid",
        ]),
    },
];

/// What a machine that is put back would undo.
const ENDS_FOR_GOOD: &[&str] = &[
    "revoke",
    "revoke-above",
    "bump",
    "freeze",
    "delete",
    "backup-restored",
    "backup-restored-without-journal",
];

/// What can't be told from a machine that was put back: a copy of an outbox takes the lane, and others
/// bring the cursor up again (`docs/design.md` §3, "A restored server").
const HIDES: &str = "outbox-copied";

/// The scenario of this name.
pub fn scenario(name: &str) -> Option<&'static Scenario> {
    SCENARIOS.iter().find(|scenario| scenario.name == name)
}

/// What a seed decides.
#[derive(Debug, Clone)]
pub struct Plan {
    /// The seed.
    pub seed: u64,
    /// Faults and operations that are on.
    pub on: BTreeSet<&'static str>,
    /// Shares that are created.
    pub shares: u64,
    /// Agents; each writes to every share.
    pub agents: u64,
    /// Readers, each of one share.
    pub readers: u64,
    /// Virtual milliseconds in which things break and ops are made.
    pub active_ms: u64,
    /// Between two faults, on average.
    pub fault_gap_ms: u64,
    /// Between two steps of an agent, on average.
    pub step_gap_ms: u64,
    /// The same of the first agent, if it is a quiet one.
    pub quiet_gap_ms: Option<u64>,
    /// Between two acts of the owner, on average.
    pub act_gap_ms: u64,
    /// The longest delay of a message in good times.
    pub latency_ms: u64,
    /// Ops of a batch.
    pub batch_ops: u32,
    /// Batches in flight.
    pub in_flight: usize,
    /// Seqs between a writer's floor and its highest.
    pub window: u32,
    /// Pages of the write-ahead log after which the server copies it into its file.
    pub wal_pages: u32,
}

impl Plan {
    /// Draws the plan of a seed within a scenario.
    pub fn draw(seed: u64, scenario: &Scenario) -> Self {
        let chance = Chance::new(seed, "plan");
        let rate = chance.between(150, 650);
        let all = FAULTS.iter().chain(OPERATIONS).copied();
        let on = all.filter(|name| {
            let may = scenario.may.is_none_or(|may| may.contains(name));
            let drawn = chance.permille(rate);
            scenario.always.contains(name) || (may && drawn)
        });
        let mut on: BTreeSet<_> = on.collect();
        if on.contains("machine-put-back") {
            // All of the machine goes back, its journal too: what ended with it does not stay ended,
            // and no backup fits it any more.
            on.retain(|name| !ENDS_FOR_GOOD.contains(name) && *name != HIDES);
        }
        let window = match on.contains("small-window") {
            // No smaller than a batch that a client cuts before it knows.
            true => u32::try_from(chance.between(10, 32)).unwrap_or(32),
            false => 4096,
        };
        let small = |low, high| u32::try_from(chance.between(low, high)).unwrap_or(u32::MAX);
        let mut plan = Self {
            seed,
            shares: chance.between(1, 3),
            agents: chance.between(1, 4),
            readers: chance.between(0, 2),
            active_ms: chance.between(8_000, 25_000),
            fault_gap_ms: chance.between(300, 3_000),
            step_gap_ms: chance.between(20, 300),
            quiet_gap_ms: None,
            act_gap_ms: chance.between(500, 4_000),
            latency_ms: chance.between(2, 40),
            batch_ops: small(1, 9),
            in_flight: usize::try_from(chance.between(1, 8)).unwrap_or(1),
            window,
            wal_pages: small(8, 200),
            on,
        };
        if plan.has("machine-put-back") && chance.permille(500) {
            // An op of a hole is filled in, the outbox appends nothing else, the server is put back, and
            // others bring the cursor up again: nothing but the floor tells.
            plan.quiet_gap_ms = Some(chance.between(800, 3_000));
            plan.agents = plan.agents.max(3);
            plan.shares = 1;
        }
        plan
    }

    /// Whether this is the agent that appends little.
    pub(crate) fn is_quiet(&self, agent: &str) -> bool {
        self.quiet_gap_ms.is_some() && agent == "agent-1"
    }

    /// Whether a fault or operation is on.
    pub(crate) fn has(&self, name: &str) -> bool {
        self.on.contains(name)
    }
}
