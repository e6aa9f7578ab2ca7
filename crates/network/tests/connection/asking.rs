//! How many calls may be in flight, given up, or made of the peer.

use std::sync::Arc;
use std::time::Duration;

use share_network::{Budget, BudgetLimits, NetworkError, NetworkLimits};

use super::peer::{Came, answer, call, call_with_sink, finish};
use super::service::{CALL_ASIDE, CALL_BACK, ECHO, WAIT};
use super::world::{World, run};

fn limits(questions_max: usize) -> NetworkLimits {
    NetworkLimits {
        questions_max,
        questions_unproven_max: 2,
        ..NetworkLimits::server()
    }
}

#[test]
fn so_many_calls_are_in_flight_and_the_next_is_read_when_one_is_answered() {
    run(async {
        let mut world = World::proven(limits(3)).await;
        for question in 1..=5 {
            world.peer.send(&call(question, WAIT, 8)).await;
        }
        world.settle().await;
        assert_eq!(world.service.calls.get(), 3);
        world.service.lets.send_replace(1);
        world.settle().await;
        assert_eq!(world.service.calls.get(), 4);
        world.service.lets.send_replace(4);
        assert_eq!(world.answers().await.len(), 5);
        assert_eq!(world.reason(), None);
    });
}

#[test]
fn a_connection_has_some_calls_although_all_together_have_too_many() {
    run(async {
        // Of which a party has three.
        let budget = Arc::new(Budget::new(&BudgetLimits {
            calls_max: 9,
            ..BudgetLimits::server()
        }));
        let mut world = World::within(NetworkLimits::server(), &budget).await;
        for question in 1..=10 {
            world.peer.send(&call(question, WAIT, 8)).await;
        }
        world.settle().await;
        assert_eq!(world.service.calls.get(), 8);
        world.service.lets.send_replace(1);
        world.settle().await;
        assert_eq!(world.service.calls.get(), 9);
        world.service.lets.send_replace(9);
        assert_eq!(world.answers().await.len(), 10);
    });
}

#[test]
fn a_peer_that_has_proven_nothing_has_fewer_calls_in_flight() {
    run(async {
        let mut world = World::new(limits(3)).await;
        for question in 1..=3 {
            world.peer.send(&call(question, WAIT, 8)).await;
        }
        world.settle().await;
        assert_eq!(world.service.calls.get(), 2);
    });
}

#[test]
fn a_finish_behind_a_call_in_flight_makes_room_for_the_next() {
    run(async {
        let mut world = World::proven(limits(2)).await;
        for message in [
            call(1, WAIT, 8),
            call(2, WAIT, 8),
            finish(1),
            call(3, ECHO, 8),
        ] {
            world.peer.send(&message).await;
        }
        assert_eq!(world.answers().await, [3]);
    });
}

#[test]
fn a_call_with_the_number_of_another_ends_the_connection() {
    run(async {
        let mut world = World::proven(limits(9)).await;
        world.peer.send(&call(1, WAIT, 8)).await;
        world.peer.send(&call(1, WAIT, 8)).await;
        assert_eq!(world.end().await, Some(NetworkError::QuestionInUse));
    });
}

#[test]
fn so_many_calls_may_be_given_up_and_one_more_ends_the_connection() {
    run(async {
        let limits = NetworkLimits {
            cancelled_max: 3,
            ..limits(9)
        };
        let mut world = World::proven(limits).await;
        for question in 1..=3 {
            world.peer.send(&call(question, WAIT, 8)).await;
            world.peer.send(&finish(question)).await;
        }
        world.peer.send(&call(4, ECHO, 8)).await;
        assert_eq!(world.answers().await, [4]);
        world.peer.send(&call(5, WAIT, 8)).await;
        world.peer.send(&finish(5)).await;
        let cancelled = NetworkError::Cancelled { max: 3 };
        assert_eq!(world.end().await, Some(cancelled));
    });
}

#[test]
fn a_hundred_thousand_calls_that_are_given_up_end_at_the_bound_and_do_not_hang() {
    run(async {
        let mut world = World::proven(NetworkLimits::server()).await;
        for question in 1..=100_000 {
            let mut both = call(question, WAIT, 8);
            both.extend(finish(question));
            world.peer.send(&both).await;
        }
        world.settle().await;
        assert_eq!(world.service.calls.get(), 4097);
        let cancelled = NetworkError::Cancelled { max: 4096 };
        assert_eq!(world.end().await, Some(cancelled));
    });
}

#[test]
fn the_peer_may_leave_so_many_calls_unanswered_and_not_one_more() {
    run(async {
        let limits = NetworkLimits {
            asked_max: 2,
            ..limits(9)
        };
        let mut world = World::proven(limits).await;
        world.service.lets.send_replace(2);
        world.peer.send(&call_with_sink(1, CALL_BACK)).await;
        let mut asked = Vec::new();
        while asked.len() < 2 {
            match world.peer.next().await.unwrap() {
                Came::Call(question) => asked.push(question),
                _ => continue,
            }
        }
        world.settle().await;
        assert_eq!(world.reason(), None);
        world.peer.send(&answer(asked[0])).await;
        world.service.lets.send_replace(1);
        world.peer.send(&call_with_sink(2, CALL_BACK)).await;
        world.settle().await;
        assert_eq!(world.reason(), None);
        world.peer.send(&call_with_sink(3, CALL_BACK)).await;
        assert_eq!(world.end().await, Some(NetworkError::Asked { max: 2 }));
    });
}

/// What has come by now.
async fn came(world: &mut World) -> Vec<Came> {
    let mut all = Vec::new();
    let now = Duration::from_micros(100);
    while let Ok(Some(came)) = tokio::time::timeout(now, world.peer.next()).await {
        all.push(came);
    }
    all
}

/// A server that has called the peer, and what has to be answered.
async fn called(method: u16) -> (World, u32) {
    let mut world = World::proven(limits(9)).await;
    world.service.lets.send_replace(1);
    world.peer.send(&call_with_sink(1, method)).await;
    let asked = came(&mut world)
        .await
        .into_iter()
        .find_map(|came| match came {
            Came::Call(question) => Some(question),
            _ => None,
        });
    (world, asked.expect("it calls"))
}

#[test]
fn the_finish_of_an_answered_call_leaves_with_the_next_message_or_after_a_while() {
    run(async {
        let (mut world, asked) = called(CALL_ASIDE).await;
        world.peer.send(&answer(asked)).await;
        assert_eq!(came(&mut world).await, []);
        world.peer.send(&call(2, ECHO, 8)).await;
        let together = came(&mut world).await;
        assert!(
            matches!(together[..], [Came::Finish(finished), Came::Return(2, _)] if finished == asked),
            "{together:?}"
        );

        let (mut world, asked) = called(CALL_ASIDE).await;
        world.peer.send(&answer(asked)).await;
        let begin = tokio::time::Instant::now();
        assert_eq!(world.peer.next().await, Some(Came::Finish(asked)));
        assert_eq!(begin.elapsed().as_millis(), 5);
    });
}

#[test]
fn the_end_of_a_call_without_an_answer_is_told_at_once_and_so_is_what_waits_when_all_ends() {
    run(async {
        let mut world = World::proven(limits(9)).await;
        world.service.lets.send_replace(1);
        world.peer.send(&call_with_sink(1, CALL_BACK)).await;
        let given_up = came(&mut world).await;
        let finishes = |came: &Came| matches!(came, Came::Finish(_));
        assert!(given_up.iter().any(finishes), "{given_up:?}");

        let (mut world, asked) = called(CALL_ASIDE).await;
        world.peer.send(&answer(asked)).await;
        assert_eq!(came(&mut world).await, []);
        if let Some(disconnector) = world.disconnector.take() {
            tokio::task::spawn_local(disconnector);
        }
        assert!(came(&mut world).await.contains(&Came::Finish(asked)));
    });
}
