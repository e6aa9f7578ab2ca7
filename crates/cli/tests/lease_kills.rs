//! Two parents and four children over three cycles of delegation, each a process that is killed with
//! SIGKILL at any moment and started again; then the log of a real server, filled by the real
//! replay, is held against what they were told.

#[expect(dead_code, reason = "what it can do is not all for these tests")]
mod running;

#[path = "lease_kills/actors.rs"]
mod actors;
#[path = "lease_kills/crowd.rs"]
mod crowd;
#[path = "lease_kills/verdict.rs"]
mod verdict;

use share_client::{AgentSession, Gone, LeaseEvent, Outbox, OutboxOptions, RowFilter, RowState};
use share_model::ShareRef;
use share_model::seam::{Entropy, SeededEntropy};

use crowd::{Crowd, Told};
use running::Place;
use verdict::Verdict;

const PARENTS: [&str; 2] = ["p0", "p1"];
const CHILDREN: [&str; 4] = ["c0", "c1", "c2", "c3"];
const CYCLES: u64 = 3;
/// Kills of each cycle.
const KILLS: u64 = 8;

/// Not a test of its own: what the next one starts, and kills.
#[test]
fn actor() {
    actors::run_if_asked();
}

#[test]
fn no_op_of_a_stale_claim_is_applied_however_the_sessions_are_killed() {
    let seed = match std::env::var("SHARE_SEED") {
        Ok(seed) => seed.parse().expect("SHARE_SEED is a number"),
        Err(_) => SeededEntropy::new(u64::from(std::process::id())).below(1_000_000),
    };
    println!("replay with: SHARE_SEED={seed} cargo test -p share-cli --test lease_kills no_op");
    let place = Place::new();
    let _serving = place.serve_a_share();
    let used = place.share(&["use", "@owner.ref"]);
    assert_eq!(used.code, 0, "{used:?}");
    let reference: ShareRef = place.read("owner.ref").trim().parse().expect("a ref");

    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime can be made");
    let outbox = Outbox::open(&place.outbox(), OutboxOptions::default()).expect("it opens");
    let mut events = Vec::new();
    // As they come: they may be more than are kept.
    let hear = || runtime.block_on(hear_events(&outbox, &mut events));
    let told = act(&place, seed, hear);
    runtime.block_on(let_parents_in(&outbox, &reference));
    runtime.block_on(hear_events(&outbox, &mut events));

    let replayed = place.share(&["replay"]);
    assert_eq!(replayed.code, 0, "{replayed:?}");
    let log = place.share(&["tail", "@owner.ref", "--no-follow", "--json"]);
    assert_eq!(log.code, 0, "{log:?}");
    runtime.block_on(async {
        let rows = outbox.rows(RowFilter::default(), None, 1_000_000).await;
        let rows = rows.expect("the outbox can be read");
        let unsettled = rows.iter().find(|row| row.state != RowState::Settled);
        assert_eq!(unsettled, None, "what was stored is applied");
        let verdict = Verdict {
            delegations: outbox.delegations(0, 1_000_000).await.expect("read"),
            events,
            told: &told,
        };
        println!("{}", verdict.check(&log.out, rows.len()));
    });
}

/// Reads the events that are new.
async fn hear_events(outbox: &Outbox, events: &mut Vec<LeaseEvent>) {
    let after = events.last().map_or(0, |it| it.number);
    let new = outbox.lease_events(after, 1_000_000).await;
    events.extend(new.expect("the events can be read"));
}

/// All sessions act and are killed; what they were told. Calls `hear` after each kill.
fn act(place: &Place, seed: u64, mut hear: impl FnMut()) -> Told {
    let chance = SeededEntropy::new(seed);
    let mut crowd = Crowd::new(place.outbox(), seed);
    for child in CHILDREN {
        crowd.start(child, 0);
    }
    for cycle in 1..=CYCLES {
        for parent in PARENTS {
            crowd.start(parent, cycle);
        }
        for _ in 0..KILLS {
            let all = [&PARENTS[..], &CHILDREN[..]].concat();
            let at = usize::try_from(chance.below(all.len() as u64)).expect("it is small");
            crowd.wait_for(all[at], 1 + chance.below(40));
            crowd.kill_and_restart(all[at]);
            hear();
        }
        // Each parent has delegated this cycle before the next one begins.
        for parent in PARENTS {
            crowd.wait_for_cycle(parent, cycle);
            crowd.kill(parent);
        }
    }
    crowd.end()
}

/// Claims are left over from sessions that are gone. The parents come back, are locked out, look at
/// what became, say so, and are let in everywhere.
async fn let_parents_in(outbox: &Outbox, reference: &ShareRef) {
    let share = reference.share;
    for name in PARENTS {
        let agent = outbox.agent(AgentSession::new(name).expect("an id"));
        let seen = agent.reconcile(share, Gone::Nobody).await.expect("told");
        assert_eq!(seen.len(), 2, "two scopes of each parent");
        for delegation in &seen {
            let key = format!("{}/{name}/before", delegation.of.scope.as_str());
            let before = agent.enqueue(share, actors::put(&key, "{}")).await;
            let is_held = delegation.ended.is_none() && delegation.claim.is_some();
            assert_eq!(before.is_err(), is_held, "{delegation:?}");
        }
        let seen = agent.reconcile(share, Gone::Everybody).await.expect("told");
        for delegation in seen {
            let key = format!("{}/{name}/after", delegation.of.scope.as_str());
            let after = agent.enqueue(share, actors::put(&key, "{}")).await;
            after.expect("no parent stays locked");
        }
    }
}
