//! How a connection ends in order.

use share_network::NetworkLimits;

use super::peer::{Came, call};
use super::service::{ECHO, WAIT};
use super::world::{World, run};

#[test]
fn what_was_answered_is_written_before_the_connection_ends() {
    run(async {
        let mut world = World::proven(NetworkLimits::server()).await;
        let calls: Vec<u8> = (1..=20)
            .flat_map(|question| call(question, ECHO, 20_000))
            .collect();
        world.peer.send(&calls).await;
        world.settle().await;
        let disconnector = world.disconnector.take().unwrap();
        let disconnecting = tokio::task::spawn_local(disconnector);
        let mut came = Vec::new();
        while let Some(message) = world.peer.next().await {
            came.push(message);
        }
        let answers = came.iter().filter(|came| matches!(came, Came::Return(..)));
        assert_eq!(answers.count(), 20);
        assert_eq!(came.last(), Some(&Came::Abort));
        assert_eq!(disconnecting.await.unwrap().ok(), Some(()));
        assert_eq!(world.end().await, None);
    });
}

#[test]
fn a_peer_that_leaves_gives_back_all_room() {
    run(async {
        let mut world = World::proven(NetworkLimits::server()).await;
        for question in 1..=10 {
            world.peer.send(&call(question, WAIT, 20_000)).await;
        }
        world.settle().await;
        assert!(world.budget.taken_bytes() > 200_000);
        let budget = std::sync::Arc::clone(&world.budget);
        assert_eq!(world.end().await, None);
        assert_eq!((budget.taken_bytes(), budget.queued_bytes()), (0, 0));
    });
}
