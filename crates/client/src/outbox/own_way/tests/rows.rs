//! Which ops get a row of their own, and what is written at all.

use super::*;
use crate::outbox::batches::Kind;

/// Of an outbox that all went well with.
fn replayed(ops: usize) -> World {
    let world = World::new(1, false);
    world.enqueue(&vec![10; ops], Grouping::Loose);
    let mut cursor = 0;
    loop {
        let taken = world.take(&[], 3);
        if taken.outgoing.is_empty() {
            return world;
        }
        for sent in taken.outgoing {
            let outcomes = sent.batch.entries.iter().map(|_| {
                cursor += 1;
                OpOutcome::Applied(Cursor::new(cursor))
            });
            world.record(&Answer {
                batch: sent.number,
                outcomes: outcomes.collect(),
                fresh: sent.fresh.clone(),
            });
        }
    }
}

#[test]
fn on_the_ordinary_way_no_op_has_a_row_of_its_own_and_each_batch_is_written_twice() {
    let world = World::new(1, false);
    world.enqueue(&[10; 5], Grouping::Loose);
    assert_eq!(world.own_rows(), 0);
    let changes = |step: &dyn Fn()| {
        let before = world.db.total_changes();
        step();
        world.db.total_changes() - before
    };
    let sent = std::cell::RefCell::new(Vec::new());
    // The batch, and the lane's cut.
    let taking = || sent.borrow_mut().extend(world.take(&[], 1).outgoing);
    assert_eq!(changes(&taking), 2);
    let sent = sent.into_inner().remove(0);
    assert_eq!(sent.batch.entries.len(), 5);
    let answer = Answer {
        batch: sent.number,
        outcomes: (1..=5)
            .map(|at| OpOutcome::Applied(Cursor::new(at)))
            .collect(),
        fresh: sent.fresh,
    };
    // The batch, and what is settled of the lane.
    let recording = || drop(world.record(&answer));
    assert_eq!(changes(&recording), 2);
    assert_eq!(world.own_rows(), 0);
    let rows = status::rows(&world.db, &RowFilter::default(), None, 9).unwrap();
    let told: Vec<_> = rows.iter().map(|row| (row.state, row.attempts)).collect();
    assert_eq!(told, [(RowState::Settled, 1); 5]);
}

#[test]
fn one_rejected_op_gives_each_of_its_batch_a_row_of_its_own() {
    let world = World::new(1, false);
    world.enqueue(&[10; 10], Grouping::Loose);
    let mut sent = world.take(&[], 2).outgoing.into_iter();
    for luck in [Some(2), None] {
        let sent = sent.next().unwrap();
        assert_eq!(sent.batch.entries.len(), 5);
        let outcome = |at| match luck {
            Some(hole) if hole == at => OpOutcome::Rejected(RejectReason::AtomicGroupFailed),
            _ => OpOutcome::Applied(Cursor::new(at)),
        };
        world.record(&Answer {
            batch: sent.number,
            outcomes: (0..5).map(outcome).collect(),
            fresh: sent.fresh,
        });
    }
    assert_eq!(world.own_rows(), 5);
    world.check();
    let rejected = RowFilter {
        share: None,
        states: vec![RowState::Rejected],
    };
    let rows = status::rows(&world.db, &rejected, None, 9).unwrap();
    let seqs: Vec<_> = rows.iter().map(|row| row.seq.get()).collect();
    assert_eq!(seqs, [3]);
    assert_eq!(world.lane().settled_through, Seq::new(2));
}

/// A row of an op that is pruned goes with it, and its batch when none of its ops is left.
#[test]
fn a_batch_goes_with_the_last_of_its_ops() {
    let world = replayed(20);
    let batches = || {
        let sql = "SELECT count(*) FROM batch";
        world
            .db
            .query_row(sql, [], |row| row.get::<_, u32>(0))
            .unwrap()
    };
    assert_eq!(batches(), 4);
    for (ops_max, left) in [(16, 4), (15, 3), (14, 3), (1, 1), (0, 0)] {
        world.prune(ops_max);
        assert_eq!(batches(), left, "{ops_max} ops are kept");
        let rows = status::rows(&world.db, &RowFilter::default(), None, 99).unwrap();
        assert_eq!(rows.len() as u64, ops_max);
    }
}

/// What each step of the replay asks costs nothing for what is settled.
#[test]
fn no_step_looks_at_all_that_is_settled() {
    let plans = |sql: &str| {
        let world = World::new(1, false);
        let mut plan = world
            .db
            .prepare(&format!("EXPLAIN QUERY PLAN {sql}"))
            .unwrap();
        let count = plan.parameter_count();
        let keys: Vec<_> = (0..count).map(|_| 1_i64).collect();
        let steps = plan.query_map(rusqlite::params_from_iter(keys), |row| {
            row.get::<_, String>(3)
        });
        steps.unwrap().map(Result::unwrap).collect::<Vec<_>>()
    };
    for sql in [
        progress::FIRST_UNSETTLED,
        members::SETTLED_OF_WHOLE,
        "SELECT * FROM standing WHERE lane = ?1 AND seq > ?2 ORDER BY seq LIMIT ?3",
        "SELECT * FROM standing WHERE lane = ?1 AND seq BETWEEN ?2 AND ?3 ORDER BY seq",
        "SELECT sum(state = 10) FROM delegation_op JOIN standing ON standing.id = delegation_op.op \
         WHERE delegation = ?1",
    ] {
        let plan = plans(sql);
        let is_dear = |step: &String| {
            step.contains("TEMP B-TREE") || step.starts_with("SCAN ") && !step.contains("subquery")
        };
        assert!(!plan.iter().any(is_dear), "{plan:#?}");
    }
}

#[test]
fn a_batch_that_gives_ops_up_or_was_cut_anew_is_not_whole() {
    let world = World::new(1, false);
    world.enqueue(&[10; 3], Grouping::Loose);
    let sent = world.take(&[], 1).outgoing.remove(0);
    let refusal = Refusal::new(RefusalCode::BatchTooLarge, "no");
    let now = world.clock.now();
    refused::dissolve(&world.db, &world.lane(), sent.number, &refusal, now).unwrap();
    assert_eq!(world.own_rows(), 3);
    world.enqueue(&[10], Grouping::Loose);
    // With the one that was in no batch before.
    let again = world.take(&[], 1).outgoing.remove(0);
    assert_eq!(again.batch.entries.len(), 4);
    world.check();
    let open = batches::open(&world.db, world.lane().number).unwrap();
    assert_eq!(open.len(), 1);
    assert!(!open[0].whole && open[0].kind == Kind::Apply);
}

/// A full outbox has room for it: nothing is written that was not there before.
#[test]
fn what_was_in_no_batch_goes_into_another_lane_without_a_row_of_its_own() {
    let world = World::new(1, false);
    world.enqueue(&[10; 10], Grouping::Loose);
    assert_eq!(world.take(&[], 1).outgoing.len(), 1);
    let planner = Planner {
        key: OutboxKey::from_bytes([2; 32]),
        now: world.clock.now(),
    };
    let why = ("fenced".to_owned(), Cursor::ZERO);
    replan::lane_is_lost(&world.db, &world.lane(), why, &planner).unwrap();
    assert_eq!(world.own_rows(), 5);
    assert_eq!(world.lane().cut_through, Seq::new(5));
    world.check();
    let sent = world.take(&[], 3).outgoing;
    let entries = sent.iter().flat_map(|sent| &sent.batch.entries);
    let seqs: Vec<_> = entries.map(|entry| entry.seq.get()).collect();
    assert_eq!(seqs, (1..=10).collect::<Vec<_>>());
}
