//! Any sequence of steps by any sessions, over restarts: the outbox answers as the oracle does.

use std::collections::BTreeMap;
use std::time::Duration;

use share_client::{DelegateOptions, DelegationError, Gone, Grouping, OutboxError};
use share_model::Cycle;
use share_model::seam::{Entropy, SeededEntropy};

use crate::oracle::Oracle;
use crate::place::{Place, SHARE, put, refused, scope, session};

const SESSIONS: [&str; 6] = ["p", "q", "c", "d", "e", "f"];
const SCOPES: [&str; 4] = ["", "a", "a/b", "b"];
const KEYS: [&str; 6] = ["a", "a/x", "a/b/x", "ab", "b/x", "z"];

struct World {
    place: Place,
    oracle: Oracle,
    chance: SeededEntropy,
    /// How often each answer was given.
    seen: BTreeMap<String, u64>,
}

fn name(error: &DelegationError) -> &'static str {
    match error {
        DelegationError::NotClaimed { .. } => "not claimed",
        DelegationError::OutsideScope { .. } => "outside",
        DelegationError::StaleClaim { .. } => "stale",
        DelegationError::ScopeHeld { .. } => "held",
        DelegationError::Taken { .. } => "taken",
        DelegationError::CycleOver { .. } => "over",
        DelegationError::NotDelegated { .. } => "not delegated",
        DelegationError::SeveralParents { .. } => "several",
        DelegationError::OwnDelegation { .. } => "own",
        DelegationError::CycleBehind { .. } => "behind",
        DelegationError::Overlaps { .. } => "overlaps",
        DelegationError::NotHeld { .. } => "not held",
        DelegationError::NeverClaimed { .. } => "never claimed",
        DelegationError::NeverDelegated { .. } => "never delegated",
        _ => "another",
    }
}

fn answer<T: std::fmt::Debug>(done: Result<T, OutboxError>) -> Result<(), &'static str> {
    match done {
        Ok(_) => Ok(()),
        error => Err(name(&refused(error))),
    }
}

impl World {
    async fn new(seed: u64) -> Self {
        Self {
            place: Place::with_seed(seed).await,
            oracle: Oracle {
                now: 1_000_000,
                ..Oracle::default()
            },
            chance: SeededEntropy::new(seed),
            seen: BTreeMap::new(),
        }
    }

    fn one<T: Copy>(&self, of: &[T]) -> T {
        of[usize::try_from(self.chance.below(of.len() as u64)).unwrap()]
    }

    /// One random step, done by both.
    async fn step(&mut self) -> (String, Result<(), &'static str>, Result<(), &'static str>) {
        let (who, prefix) = (self.one(&SESSIONS), self.one(&SCOPES));
        let (agent, its_scope) = (self.place.agent(who), scope(prefix));
        match self.chance.below(100) {
            0..=17 => self.delegate(who, prefix).await,
            18..=39 => {
                let parent = self.one(&[None, Some("p"), Some("q")]);
                let named = parent.map(session);
                let got = agent.claim(SHARE, &its_scope, named.as_ref()).await;
                let expected = self.oracle.claim(who, prefix, parent);
                (
                    format!("{who} claims {prefix} of {parent:?}"),
                    answer(got),
                    expected,
                )
            }
            40..=45 => {
                let got = agent.release(SHARE, &its_scope).await;
                let expected = self.oracle.release(who, prefix);
                (format!("{who} releases {prefix}"), answer(got), expected)
            }
            46..=50 => {
                let got = agent.revoke(SHARE, &its_scope).await;
                let expected = self.oracle.revoke(who, prefix);
                (format!("{who} revokes {prefix}"), answer(got), expected)
            }
            51..=53 => {
                let gone = [self.one(&SESSIONS), self.one(&SESSIONS)];
                let named = Gone::Sessions(gone.map(session).to_vec());
                let got = agent.reconcile(SHARE, named).await;
                self.oracle.gone(who, &gone);
                (format!("{who} says {gone:?} are gone"), answer(got), Ok(()))
            }
            54..=57 => {
                let ms = 1000 * (1 + self.chance.below(40));
                tokio::time::advance(Duration::from_millis(ms)).await;
                self.oracle.pass(ms);
                (format!("{ms} ms pass"), Ok(()), Ok(()))
            }
            58..=60 => {
                self.place.restart();
                ("the processes are killed".to_owned(), Ok(()), Ok(()))
            }
            _ => {
                let count = self.one(&[1, 1, 1, 2, 3]);
                let keys: Vec<_> = (0..count).map(|_| self.one(&KEYS)).collect();
                let ops = keys.iter().map(|key| put(key)).collect();
                let got = agent.enqueue_all(SHARE, ops, Grouping::Loose).await;
                let expected = self.oracle.enqueue(who, &keys);
                (format!("{who} enqueues {keys:?}"), answer(got), expected)
            }
        }
    }

    async fn delegate(
        &mut self,
        who: &'static str,
        prefix: &'static str,
    ) -> (String, Result<(), &'static str>, Result<(), &'static str>) {
        let cycle = match self.chance.below(4) {
            0 => Some(1 + self.chance.below(6)),
            _ => None,
        };
        let idle_ms = (self.chance.below(2) == 0).then_some(30_000);
        let options = DelegateOptions {
            cycle: cycle.map(Cycle::new),
            idle_max: idle_ms.map(Duration::from_millis),
        };
        let agent = self.place.agent(who);
        let got = agent.delegate(SHARE, &scope(prefix), options).await;
        let expected = self.oracle.delegate(who, prefix, (cycle, idle_ms));
        (format!("{who} delegates {prefix}"), answer(got), expected)
    }

    /// Every cycle that ever was stands as the oracle has it.
    async fn compare(&self, step: &str) {
        let all = self.place.outbox.delegations(0, 100_000).await.unwrap();
        assert_eq!(all.len(), self.oracle.cycles.len(), "{step}");
        for (got, expected) in all.iter().zip(&self.oracle.cycles) {
            let child = got.claim.as_ref().map(|claim| claim.child.id());
            let over = got.ended.map(|(_, ending)| ending.name());
            assert_eq!(
                (
                    got.of.scope.as_str(),
                    got.of.parent.id(),
                    got.of.cycle.get()
                ),
                (expected.scope, expected.parent, expected.number),
                "{step}"
            );
            assert_eq!(
                (child, over, got.ops.enqueued),
                (expected.child, expected.over, expected.ops),
                "{step}: {expected:?}"
            );
        }
    }

    /// What the events say agrees with what there is.
    async fn check_events(&self) {
        let events = self.place.events().await;
        let count =
            |is_it: &dyn Fn(&str) -> bool| events.iter().filter(|it| is_it(it.kind.name())).count();
        let cycles = &self.oracle.cycles;
        let claimed = cycles.iter().filter(|it| it.child.is_some()).count();
        assert_eq!(count(&|kind| kind == "delegated"), cycles.len());
        assert_eq!(count(&|kind| kind == "claimed"), claimed);
        for ending in [
            "released",
            "revoked",
            "superseded",
            "session-gone",
            "expired",
        ] {
            let over = cycles.iter().filter(|it| it.over == Some(ending)).count();
            assert_eq!(count(&|kind| kind == ending), over, "{ending}");
        }
        let refusals = ["held", "stale", "outside", "not claimed"];
        let refused: u64 = refusals.iter().filter_map(|it| self.seen.get(*it)).sum();
        let told = count(&|kind| kind.starts_with("append-refused-"));
        assert_eq!(told as u64, refused, "each refused append is told once");
    }
}

#[tokio::test(start_paused = true)]
async fn any_sequence_of_steps_keeps_the_rules() {
    let seeds = match std::env::var("SHARE_SEED") {
        Ok(seed) => vec![seed.parse().unwrap()],
        Err(_) => (1..=6).collect::<Vec<u64>>(),
    };
    let mut seen: BTreeMap<String, u64> = BTreeMap::new();
    let is_one = seeds.len() == 1;
    for seed in seeds {
        println!(
            "replay with: SHARE_SEED={seed} cargo test -p share-client --test delegation any_sequence"
        );
        let mut world = World::new(seed).await;
        for _ in 0..250 {
            let (step, got, expected) = world.step().await;
            assert_eq!(got, expected, "{step}");
            let word = got.err().unwrap_or("done").to_owned();
            *world.seen.entry(word).or_default() += 1;
            world.compare(&step).await;
        }
        world.check_events().await;
        for (word, count) in world.seen {
            *seen.entry(word).or_default() += count;
        }
    }
    let all = [
        "behind",
        "done",
        "held",
        "never claimed",
        "never delegated",
        "not claimed",
        "not delegated",
        "not held",
        "outside",
        "over",
        "overlaps",
        "own",
        "several",
        "stale",
        "taken",
    ];
    for word in all {
        assert!(is_one || seen.contains_key(word), "never seen: {word}");
    }
}
