//! What a seed breaks: which kinds of faults are on, and in what order the script plays them.

use share_faults::{Close, Direction};
use share_model::seam::{Entropy, SeededEntropy};

use super::clock::Jump;
use super::machine::{KillAt, MachineArgs, Span};
use crate::disk::{Edge, FileKind};

/// One thing that the script does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Step {
    /// SIGKILL, verified gone, and a new process on the same data.
    KillServer,
    /// SIGTERM, and a new process.
    EndServer,
    KillAgent(usize),
    EndAgent(usize),
    /// Kills the agent, copies its folder, and lets both go on.
    CopyAgent(usize),
    Cut(Direction, u64, Close),
    LoseReply(Close),
    Stall(Direction, u64),
    Partition(Direction, u64),
    Refuse(u64),
    /// Small pieces, each late, for this many milliseconds.
    Slow(u64),
    BackUp,
    Restore,
    /// Keeps a copy of the server's folder, for [`Step::PutBack`].
    Keep,
    PutBack,
    Revoke(usize),
    Bump(usize),
    Freeze(usize, u64),
    Delete,
}

/// A step and the wait before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Planned {
    pub(super) pause_ms: u64,
    pub(super) step: Step,
}

/// What a process is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Role {
    Server,
    Agent,
}

/// Out of a hundred starts of a process.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Percents {
    bounded_file: u64,
    clock_jumps: u64,
    killed_at_edge: u64,
    full_disk: u64,
    failing_disk: u64,
}

/// The plan of a seed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Plan {
    seed: u64,
    pub(super) agents: usize,
    pub(super) shares: usize,
    /// Whether the first agent has a grant of its own; else all have the owner's.
    pub(super) has_grants: bool,
    pub(super) steps: Vec<Planned>,
    percents: Percents,
}

/// Kinds of steps, switched on and off as a whole.
const KINDS: u64 = 19;

impl Plan {
    /// The plan of `seed`.
    pub(super) fn of(seed: u64) -> Self {
        let entropy = SeededEntropy::new(seed);
        let pick = |bound: usize| usize::try_from(entropy.below(bound as u64)).unwrap_or(0);
        let agents = 2 + pick(2);
        let shares = 1 + pick(2);
        // Most seeds know half of the kinds: what always happens hides what needs its absence.
        let on: Vec<u64> = (0..KINDS).filter(|_| entropy.below(2) == 0).collect();
        let steps = 7 + pick(7);
        let steps = (0..steps).map(|_| Planned {
            pause_ms: 20 + entropy.below(180),
            step: match on.get(pick(on.len().max(1))) {
                Some(kind) => Step::of(*kind, (agents, shares), &entropy),
                None => Step::KillServer,
            },
        });
        let steps = steps.collect();
        let percent = |bound| match entropy.below(2) {
            0 => 0,
            _ => entropy.below(bound),
        };
        Self {
            seed,
            agents,
            shares,
            has_grants: entropy.below(2) == 0,
            steps,
            percents: Percents {
                bounded_file: percent(40),
                clock_jumps: percent(60),
                killed_at_edge: percent(80),
                full_disk: percent(50),
                failing_disk: percent(50),
            },
        }
    }

    /// What befalls the machine of the `start`-th process named `name`.
    pub(super) fn draw(&self, role: Role, name: &str, start: u64) -> MachineArgs {
        let entropy = self.entropy_of(name, start);
        let is_on = |percent| entropy.below(100) < percent;
        let mut machine = MachineArgs {
            disk_seed: entropy.below(u64::MAX),
            ..MachineArgs::default()
        };
        // An outbox with a bound gives up what is settled, which the checker wants to see.
        if is_on(self.percents.bounded_file) && role == Role::Server {
            // SQLite takes what the file has already for the least that it may have.
            machine.pages_max = Some(1);
        }
        if is_on(self.percents.clock_jumps) {
            machine.clock_jump = (0..1 + entropy.below(2)).map(|_| jump(&entropy)).collect();
        }
        if is_on(self.percents.killed_at_edge) {
            machine.kill_at = Some(kill_at(role, &entropy));
        }
        if is_on(self.percents.full_disk) {
            let from_ms = entropy.below(200);
            let to_ms = from_ms + 20 + entropy.below(300);
            machine.disk_full = Some(Span { from_ms, to_ms });
        }
        if is_on(self.percents.failing_disk) {
            let rate = || u32::try_from(entropy.below(2) * entropy.below(4000)).unwrap_or(0);
            machine.write_fails = rate();
            machine.write_torn = rate();
            machine.read_fails = rate();
            machine.sync_fails = rate();
        }
        machine
    }

    /// The randomness of the `start`-th process named `name`.
    pub(super) fn seed_of(&self, name: &str, start: u64) -> u64 {
        self.entropy_of(name, start).below(u64::MAX)
    }

    fn entropy_of(&self, name: &str, start: u64) -> SeededEntropy {
        let name = name.bytes().fold(0_u64, |hash, byte| {
            hash.wrapping_mul(1_099_511_628_211) ^ u64::from(byte)
        });
        SeededEntropy::new(self.seed ^ name.rotate_left(17) ^ start.rotate_left(48))
    }
}

fn jump(entropy: &dyn Entropy) -> Jump {
    let by = i64::try_from(1 + entropy.below(7_200_000)).unwrap_or(1);
    Jump {
        at_ms: entropy.below(300),
        by_ms: if entropy.below(2) == 0 { by } else { -by },
    }
}

fn kill_at(role: Role, entropy: &dyn Entropy) -> KillAt {
    let is_met = |edge: &Edge| match edge.kind {
        FileKind::Db | FileKind::Wal => true,
        FileKind::Rollback => false,
        FileKind::Journal | FileKind::Redo | FileKind::File => role == Role::Server,
    };
    let edges: Vec<_> = Edge::all().filter(is_met).collect();
    let at = usize::try_from(entropy.below(edges.len() as u64)).unwrap_or(0);
    let edge = edges[at];
    // A log is written often; a journal only when authority ends.
    let often = match edge.kind {
        FileKind::Db | FileKind::Wal | FileKind::Redo => 30,
        FileKind::Journal | FileKind::Rollback | FileKind::File => 2,
    };
    KillAt {
        edge,
        nth: 1 + entropy.below(often),
    }
}

impl Step {
    fn of(kind: u64, (agents, shares): (usize, usize), entropy: &dyn Entropy) -> Self {
        let pick = |bound: usize| usize::try_from(entropy.below(bound as u64)).unwrap_or(0);
        let close = match entropy.below(2) {
            0 => Close::Reset,
            _ => Close::Finish,
        };
        let direction = match entropy.below(2) {
            0 => Direction::Up,
            _ => Direction::Down,
        };
        match kind {
            0 | 1 => Self::KillServer,
            2 => Self::EndServer,
            3 | 4 => Self::KillAgent(pick(agents)),
            5 => Self::EndAgent(pick(agents)),
            6 => Self::CopyAgent(pick(agents)),
            7 => Self::Cut(direction, 1 + entropy.below(2000), close),
            8 => Self::LoseReply(close),
            9 => Self::Stall(direction, 50 + entropy.below(400)),
            10 => Self::Partition(direction, 50 + entropy.below(600)),
            11 => Self::Refuse(50 + entropy.below(300)),
            12 => Self::Slow(50 + entropy.below(400)),
            13 => Self::BackUp,
            14 => Self::Restore,
            15 => match entropy.below(2) {
                0 => Self::Keep,
                _ => Self::PutBack,
            },
            16 => Self::Revoke(pick(agents)),
            17 => match entropy.below(4) {
                0 if shares > 1 => Self::Delete,
                _ => Self::Bump(pick(shares)),
            },
            _ => Self::Freeze(pick(shares), 50 + entropy.below(300)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_has_one_plan_and_another_seed_another() {
        assert_eq!(Plan::of(7), Plan::of(7));
        assert_ne!(Plan::of(7).steps, Plan::of(8).steps);
        let plan = Plan::of(7);
        assert_eq!(
            plan.draw(Role::Server, "s", 1),
            plan.draw(Role::Server, "s", 1)
        );
        assert_ne!(plan.seed_of("server", 1), plan.seed_of("server", 2));
        assert_ne!(plan.seed_of("agent-0", 1), plan.seed_of("agent-1", 1));
    }

    /// A kind that no seed plays is a fault that never fires.
    #[test]
    fn every_kind_of_step_is_in_the_plan_of_some_seed() {
        let steps: Vec<_> = (0..200).flat_map(|seed| Plan::of(seed).steps).collect();
        let kinds: std::collections::HashSet<_> = steps
            .iter()
            .map(|planned| std::mem::discriminant(&planned.step))
            .collect();
        assert_eq!(kinds.len(), 19);
    }
}
