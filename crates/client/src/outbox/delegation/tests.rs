//! Bounds that take more steps than a file on a disk is good for, and tables beside these.

use std::sync::Arc;

use rusqlite::{Connection, params};
use share_model::seam::{SeededEntropy, SystemClock};
use share_model::{Cycle, Epoch, GrantId, OutboxKey, Secret, ShareRef};

use super::steps::{At, Step, claim, delegate, revoke};
use super::*;
use crate::outbox::{lanes, schema};

const SHARE: ShareId = ShareId::from_bytes([9; 16]);

fn db() -> Connection {
    let db = Connection::open_in_memory().unwrap();
    schema::create(&db).unwrap();
    let reference = ShareRef {
        addresses: vec!["server:1".into()],
        share: SHARE,
        grant: GrantId::from_bytes([2; 16]),
        epoch: Epoch::new(1),
        security: share_model::Security::ByAddress,
        secret: Secret::from_bytes([7; 32]),
    };
    lanes::insert(&db, &reference, &OutboxKey::from_bytes([1; 32])).unwrap();
    db
}

fn acting(id: &str) -> Acting {
    let clock = Arc::new(SystemClock);
    let entropy = Arc::new(SeededEntropy::new(1));
    Acting {
        session: AgentSession::new(id).unwrap(),
        stamp: Stamp::new(clock, entropy),
    }
}

fn at<'a>(db: &'a Connection, acting: &'a Acting) -> At<'a> {
    At {
        db,
        acting,
        share: SHARE,
    }
}

fn scope(prefix: &str) -> Scope {
    Scope::new(prefix).unwrap()
}

#[track_caller]
fn done<T>(step: Step<T>) -> T {
    step.unwrap().unwrap_or_else(|error| panic!("{error}"))
}

#[test]
fn every_table_of_this_module_is_made() {
    let parts = [table::TABLES, claimed_ops::TABLES, event::TABLES].concat();
    assert_eq!(TABLES, parts);
}

#[test]
fn a_share_has_a_bounded_number_of_delegations_that_are_not_over() {
    let (db, p) = (db(), acting("p"));
    let next = (None, None);
    for n in 0..1024 {
        done(delegate(at(&db, &p), &scope(&n.to_string()), next));
    }
    let one_more = delegate(at(&db, &p), &scope("x"), next).unwrap();
    assert_eq!(one_more, Err(DelegationError::TooManyOpen { max: 1024 }));
    done(revoke(at(&db, &p), &scope("7")));
    done(delegate(at(&db, &p), &scope("x"), next));
}

#[test]
fn a_share_has_a_bounded_number_of_cycles_and_forgets_none() {
    let (db, p) = (db(), acting("p"));
    done(delegate(at(&db, &p), &scope("a"), (None, None)));
    // As that many steps would leave it.
    db.execute(
        "WITH RECURSIVE n(n) AS (SELECT 2 UNION ALL SELECT n + 1 FROM n WHERE n < 65536) \
         INSERT INTO delegation (share, scope, parent, cycle, delegated_at, ended_at, ending) \
         SELECT ?1, 'b', 'q', n, 0, 0, 2 FROM n",
        params![SHARE.to_bytes()],
    )
    .unwrap();
    let one_more = delegate(at(&db, &p), &scope("a"), (None, None)).unwrap();
    assert_eq!(
        one_more,
        Err(DelegationError::TooManyCycles { max: 65_536 })
    );
    let again = delegate(at(&db, &p), &scope("a"), (Some(Cycle::new(1)), None));
    assert_eq!(done(again).of.cycle, Cycle::new(1));
}

/// The events of a cycle that lives say who is where; refusals come without end.
#[test]
fn old_events_go_and_those_of_a_cycle_that_is_not_over_stay() {
    let (db, p, c, d) = (db(), acting("p"), acting("c"), acting("d"));
    for prefix in ["over", "lives"] {
        done(delegate(at(&db, &p), &scope(prefix), (None, None)));
        done(claim(at(&db, &c), &scope(prefix), None));
    }
    done(revoke(at(&db, &p), &scope("over")));
    for _ in 0..10_000 {
        let refused = claim(at(&db, &d), &scope("lives"), None).unwrap();
        assert!(matches!(refused, Err(DelegationError::Taken { .. })));
    }
    let events = event::list(&db, 0, 1_000_000).unwrap();
    assert_eq!(events.len(), 10_000);
    let first = |at: usize| (events[at].kind.name(), events[at].of.scope.as_str());
    assert_eq!(first(0), ("delegated", "lives"));
    assert_eq!(first(1), ("claimed", "lives"));
    assert_eq!(first(2), ("claim-refused", "lives"));
}

/// An op of the outbox as if it had been enqueued under the delegation numbered 1.
fn op(db: &Connection, seq: u32, state: i64) {
    let id = u128::from(seq).to_be_bytes();
    db.execute(
        "INSERT INTO op (lane, seq, op_id, fingerprint, chain, bytes, enqueued_at, entry) \
         VALUES (1, ?1, ?2, ?2, zeroblob(32), 1, 1, x'00')",
        params![seq, id],
    )
    .unwrap();
    db.execute(
        "INSERT INTO progress (lane, seq, state) VALUES (1, ?1, ?2)",
        params![seq, state],
    )
    .unwrap();
    claimed_ops::insert(db, (1, share_model::Seq::new(seq.into())), 1).unwrap();
}

#[test]
fn ops_are_told_by_how_they_stand_also_those_that_are_no_more_held() {
    let db = db();
    for (seq, state) in [(1, 10), (2, 10), (3, 11), (4, 12), (5, 4), (6, 1), (7, 3)] {
        op(&db, seq, state);
    }
    let told = claimed_ops::of(&db, 1, 7).unwrap();
    let expected = ClaimedOps {
        enqueued: 7,
        pending: 3,
        settled: 2,
        dead_letters: 1,
        in_doubt: 1,
        dropped: 0,
    };
    assert_eq!(told, expected);
    // Pruned, and its number in SQLite taken by an op that is none of the claim's.
    db.execute("DELETE FROM op WHERE seq = 7", []).unwrap();
    db.execute("DELETE FROM progress WHERE seq = 7", [])
        .unwrap();
    db.execute(
        "INSERT INTO op (lane, seq, op_id, fingerprint, chain, bytes, enqueued_at, entry) \
         VALUES (1, 8, zeroblob(16), zeroblob(16), zeroblob(32), 1, 1, x'00')",
        [],
    )
    .unwrap();
    db.execute(
        "INSERT INTO progress (lane, seq, state) VALUES (1, 8, 1)",
        [],
    )
    .unwrap();
    // Re-queued into another lane.
    db.execute("UPDATE op SET lane = 2, seq = 1 WHERE seq = 6", [])
        .unwrap();
    db.execute("UPDATE progress SET lane = 2, seq = 1 WHERE seq = 6", [])
        .unwrap();
    let expected = ClaimedOps {
        pending: 2,
        dropped: 1,
        ..expected
    };
    assert_eq!(claimed_ops::of(&db, 1, 7).unwrap(), expected);
}
