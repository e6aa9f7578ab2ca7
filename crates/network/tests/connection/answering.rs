//! What waits for the peer to take it, keep it or give it back.

use std::sync::Arc;

use share_network::{Budget, BudgetLimits, NetworkError, NetworkLimits};

use super::peer::{Came, bootstrap, call, finish, finish_keeping, release};
use super::service::{CAPABILITY, ECHO, LARGE, LARGE_BYTES, PAGE};
use super::world::{World, run};

#[test]
fn while_the_peer_takes_no_answers_its_calls_are_not_read() {
    run(async {
        let limits = NetworkLimits {
            queue_bytes_max: 4000,
            ..NetworkLimits::server()
        };
        let mut world = World::silent(limits, 1000);
        world.service.standing.prove();
        world.peer.send(&bootstrap()).await;
        let mut calls = Vec::new();
        for question in 1..=100 {
            calls.extend(call(question, ECHO, 1000));
        }
        let Peers {
            mut reading,
            writing,
        } = split(world.peer.io);
        let sent = tokio::task::spawn_local(async move {
            let mut writing = writing;
            let _ = tokio::io::AsyncWriteExt::write_all(&mut writing, &calls).await;
            writing
        });
        let _ = tokio::time::timeout(
            std::time::Duration::from_millis(1),
            std::future::pending::<()>(),
        )
        .await;
        // Four answers of a little more than 1000 bytes are past the bound, one fills the pipe.
        let read = world.service.calls.get();
        assert!((4..=6).contains(&read), "{read} calls were read");
        assert!(world.budget.queued_bytes() <= 4000 + 1100);
        let mut all = vec![0; 1 << 20];
        let mut came = 0;
        while world.service.calls.get() < 100 {
            came += tokio::io::AsyncReadExt::read(&mut reading, &mut all)
                .await
                .unwrap();
        }
        assert!(came > 50_000);
        drop(sent.await);
    });
}

struct Peers {
    reading: tokio::io::ReadHalf<tokio::io::DuplexStream>,
    writing: tokio::io::WriteHalf<tokio::io::DuplexStream>,
}

fn split(io: tokio::io::DuplexStream) -> Peers {
    let (reading, writing) = tokio::io::split(io);
    Peers { reading, writing }
}

#[test]
fn answers_come_in_the_order_in_which_they_were_given() {
    run(async {
        let mut world = World::proven(NetworkLimits::server()).await;
        let calls: Vec<u8> = (1..=200)
            .flat_map(|question| call(question, ECHO, 512))
            .collect();
        world.peer.send(&calls).await;
        let expected: Vec<u32> = (1..=200).collect();
        assert_eq!(world.answers().await, expected);
    });
}

#[test]
fn large_answers_are_built_one_at_a_time() {
    run(async {
        let mut world = World::silent(NetworkLimits::server(), 1000);
        world.service.standing.prove();
        let mut calls = bootstrap();
        for question in 1..=8 {
            calls.extend(call(question, LARGE, 0));
        }
        world.peer.send(&calls).await;
        world.settle().await;
        let queued = world.budget.queued_bytes();
        let one = LARGE_BYTES as usize;
        assert!(
            (one - 1000..one + 1000).contains(&queued),
            "{queued} bytes are queued"
        );
        assert_eq!(world.answers().await, [0, 1, 2, 3, 4, 5, 6, 7, 8]);
    });
}

#[test]
fn what_one_connection_keeps_of_answers_another_of_its_party_waits_for() {
    run(async {
        // Each connection keeps the answer with the service; a party has a third of the budget.
        let service = World::new(NetworkLimits::server())
            .await
            .budget
            .kept_bytes();
        assert!(service > 0);
        let budget = Arc::new(Budget::new(&BudgetLimits {
            kept_bytes: 3 * (2 * service - 1),
            ..BudgetLimits::server()
        }));
        let mut one = World::within(NetworkLimits::server(), &budget).await;
        let mut other = World::within(NetworkLimits::server(), &budget).await;
        for world in [&mut one, &mut other] {
            world.peer.send(&call(1, ECHO, 8)).await;
            assert_eq!(world.answers().await, [1]);
        }
        other.peer.send(&call(2, LARGE, 0)).await;
        assert!(other.answers().await.is_empty());
        one.peer.send(&finish_keeping(0)).await;
        assert_eq!(other.answers().await, [2]);
    });
}

#[test]
fn a_page_waits_while_another_connection_of_its_party_does_not_take_its_own() {
    run(async {
        // As above; what both keep is just what may be kept.
        let service = World::new(NetworkLimits::server())
            .await
            .budget
            .kept_bytes();
        let budget = Arc::new(Budget::new(&BudgetLimits {
            kept_bytes: 3 * 2 * service,
            ..BudgetLimits::server()
        }));
        let mut one = World::within(NetworkLimits::server(), &budget).await;
        let mut other = World::within(NetworkLimits::server(), &budget).await;
        one.peer.send(&call(1, PAGE, 0)).await;
        one.settle().await;
        assert!(budget.queued_bytes() > 0, "the pipe takes less than a page");
        other.peer.send(&call(1, PAGE, 0)).await;
        assert!(other.answers().await.is_empty());
        assert_eq!(one.answers().await, [1]);
        assert_eq!(other.answers().await, [1]);
    });
}

#[test]
fn the_peer_keeps_so_many_answers_and_not_one_more() {
    run(async {
        // The answer with the service is one of them.
        let limits = NetworkLimits {
            answers_max: 3,
            ..NetworkLimits::server()
        };
        let mut world = World::proven(limits).await;
        world.peer.send(&call(1, CAPABILITY, 0)).await;
        world.peer.send(&call(2, CAPABILITY, 0)).await;
        assert_eq!(world.answers().await, [1, 2]);
        world.peer.send(&finish(1)).await;
        world.peer.send(&call(3, CAPABILITY, 0)).await;
        assert_eq!(world.answers().await, [3]);
        world.peer.send(&call(4, CAPABILITY, 0)).await;
        assert_eq!(world.end().await, Some(NetworkError::Answers { max: 3 }));
    });
}

#[test]
fn the_peer_keeps_answers_of_so_many_bytes_and_not_more() {
    run(async {
        // The answer with the service is one of them; each has the same bytes.
        let mut world = World::silent(NetworkLimits::server(), 1 << 20);
        world.peer.send(&bootstrap()).await;
        let Some(Came::Return(0, service)) = world.peer.next().await else {
            panic!("the service was not given");
        };
        world.peer.send(&call(1, CAPABILITY, 0)).await;
        let Some(Came::Return(1, one)) = world.peer.next().await else {
            panic!("no answer");
        };
        drop(world);
        // Sixteen times the bound is the end.
        let room = 15 * one + service;
        let limits = NetworkLimits {
            answer_bytes_max: room.div_ceil(16),
            ..NetworkLimits::server()
        };
        let mut world = World::proven(limits).await;
        for question in 1..=15 {
            world.peer.send(&call(question, CAPABILITY, 0)).await;
        }
        assert_eq!(world.answers().await.len(), 15);
        world.peer.send(&call(16, CAPABILITY, 0)).await;
        let reason = world.end().await;
        let is_bound = matches!(reason, Some(NetworkError::AnswerBytes { .. }));
        assert!(is_bound, "{reason:?}");
    });
}

#[test]
fn the_peer_holds_so_many_capabilities_and_not_one_more() {
    run(async {
        // The service is one; the library gives every capability of one object one number.
        let limits = NetworkLimits {
            exports_max: 1,
            ..NetworkLimits::server()
        };
        let mut world = World::proven(limits).await;
        for question in 1..=3 {
            world.peer.send(&call(question, CAPABILITY, 0)).await;
            assert_eq!(world.answers().await, [question]);
            world.peer.send(&finish_keeping(question)).await;
            world.peer.send(&release(0)).await;
        }
        assert_eq!(world.reason(), None);
        drop(world);
        let limits = NetworkLimits {
            exports_max: 0,
            ..NetworkLimits::server()
        };
        let mut world = World::silent(limits, 1 << 20);
        world.peer.send(&bootstrap()).await;
        assert_eq!(world.end().await, Some(NetworkError::Exports { max: 0 }));
    });
}
