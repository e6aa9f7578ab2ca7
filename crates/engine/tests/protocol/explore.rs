//! The two explorers: every interleaving within a small scope, and random long runs.

use std::collections::HashSet;

use share_model::seam::{Entropy, SeededEntropy};

use super::drain::Drained;
use super::events::Event;
use super::rules::Rules;
use super::scope::Scope;
use super::world::{Checked, Violation, World};

/// What an exhaustive exploration came to.
#[derive(Debug)]
pub(crate) struct Explored {
    pub(crate) states: usize,
    pub(crate) steps: usize,
    /// Nothing was left to look at: every interleaving was seen.
    pub(crate) is_exhausted: bool,
    pub(crate) found: Option<Found>,
}

/// A run that breaks a promise, as short as it was made.
#[derive(Debug)]
pub(crate) struct Found {
    pub(crate) violation: Violation,
    pub(crate) trace: Vec<Event>,
}

/// Every state that can be reached, depth first; each is drained too.
pub(crate) fn exhaustive(rules: Rules, scope: Scope, states_max: usize) -> Explored {
    let mut explored = Explored {
        states: 0,
        steps: 0,
        is_exhausted: false,
        found: None,
    };
    let mut drained = Drained::default();
    let first = World::new(rules, scope);
    let mut seen = HashSet::from([first.hash(true)]);
    let mut stack = vec![(first.enabled(), first)];
    let mut trace: Vec<Event> = Vec::new();
    while let Some((events, world)) = stack.last_mut() {
        let Some(event) = events.pop() else {
            stack.pop();
            trace.pop();
            continue;
        };
        let mut next = world.clone();
        trace.push(event);
        explored.steps += 1;
        let is_new = |next: &World, seen: &mut HashSet<u128>| seen.insert(next.hash(true));
        let checked = match next.step(event) {
            Ok(()) if is_new(&next, &mut seen) => drained.drain(next.clone()),
            Ok(()) => {
                trace.pop();
                continue;
            }
            Err(violation) => Err(violation),
        };
        if let Err(violation) = checked {
            explored.found = Some(shrink(rules, scope, Found { violation, trace }));
            explored.states = seen.len();
            return explored;
        }
        if seen.len() >= states_max {
            explored.states = seen.len();
            return explored;
        }
        stack.push((next.enabled(), next));
    }
    explored.states = seen.len();
    explored.is_exhausted = true;
    explored
}

/// One long run of a seed, then a drain.
pub(crate) fn random(rules: Rules, scope: Scope, seed: u64) -> Option<Found> {
    let chance = SeededEntropy::new(seed);
    let mut world = World::new(rules, scope);
    let mut trace = Vec::new();
    let steps = 10 + chance.below(90);
    for _ in 0..steps {
        let events = world.enabled();
        let Some(event) = pick(&chance, &events) else {
            break;
        };
        trace.push(event);
        if let Err(violation) = world.step(event) {
            return Some(Found { violation, trace });
        }
    }
    let violation = Drained::default().drain(world).err()?;
    Some(Found { violation, trace })
}

/// What makes progress is drawn more often than what breaks it, so that runs get somewhere.
fn pick(chance: &SeededEntropy, events: &[Event]) -> Option<Event> {
    let weight = |event: &Event| match event {
        Event::Serve(..) | Event::Deliver(..) => 12,
        Event::Connect(_) | Event::Send(..) | Event::Retry(..) => 8,
        Event::Enqueue(..) | Event::Settle(_) => 4,
        Event::Restore { .. } => 2,
        _ => 1,
    };
    let sum = events.iter().map(weight).sum();
    let mut left = chance.below(sum);
    events.iter().copied().find(|event| {
        let is_it = left < weight(event);
        left = left.saturating_sub(weight(event));
        is_it
    })
}

/// Runs a trace, leaving out what can't happen, and drains.
fn replay(rules: Rules, scope: Scope, trace: &[Event]) -> Checked {
    let mut world = World::new(rules, scope);
    for event in trace {
        if world.enabled().contains(event) {
            world.step(*event)?;
        }
    }
    Drained::default().drain(world)
}

/// Takes out what the violation does not need.
pub(crate) fn shrink(rules: Rules, scope: Scope, found: Found) -> Found {
    let Found {
        mut violation,
        mut trace,
    } = found;
    let mut is_shorter = true;
    while is_shorter {
        is_shorter = false;
        for size in [16, 8, 4, 2, 1] {
            let mut at = 0;
            while at < trace.len() {
                let mut shorter = trace.clone();
                shorter.drain(at..(at + size).min(trace.len()));
                match replay(rules, scope, &shorter) {
                    Err(other) if other.kind == violation.kind => {
                        (trace, violation) = (shorter, other);
                        is_shorter = true;
                    }
                    _ => at += 1,
                }
            }
        }
    }
    Found { violation, trace }
}
