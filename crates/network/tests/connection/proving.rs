//! What a peer may send before it has proven an authority.

use std::time::Duration;

use share_network::{NetworkError, NetworkLimits};
use tokio::time::advance;

use super::peer::{bootstrap, call};
use super::service::{ECHO, PROVE, WAIT};
use super::world::{World, run};

const LARGE: usize = 1 << 20;

#[test]
fn a_large_message_pipelined_behind_what_proves_an_authority_is_answered() {
    run(async {
        let mut world = World::silent(NetworkLimits::server(), 8 << 20);
        let mut all = bootstrap();
        all.extend(call(1, PROVE, 0));
        all.extend(call(2, ECHO, LARGE));
        all.extend(call(3, ECHO, 8));
        world.peer.send(&all).await;
        assert_eq!(world.answers().await, [0, 1, 2, 3]);
    });
}

#[test]
fn a_large_message_waits_unread_and_is_refused_if_nothing_is_proven_in_time() {
    run(async {
        let at_bound = call(1, WAIT, 8).len();
        let limits = NetworkLimits {
            message_bytes_unproven_max: at_bound,
            ..NetworkLimits::server()
        };
        let mut world = World::new(limits).await;
        world.peer.send(&call(1, WAIT, 8)).await;
        world.peer.send(&call(2, ECHO, 16)).await;
        world.settle().await;
        assert_eq!(world.service.calls.get(), 1);
        advance(Duration::from_secs(9)).await;
        world.settle().await;
        assert_eq!(world.reason(), None);
        advance(Duration::from_secs(1)).await;
        let unproven = NetworkError::Unproven {
            announced: at_bound + 8,
            max: at_bound,
        };
        assert_eq!(world.end().await, Some(unproven));
    });
}

#[test]
fn a_large_message_that_waits_takes_no_room() {
    run(async {
        let mut world = World::silent(NetworkLimits::server(), 8 << 20);
        let mut all = bootstrap();
        all.extend(call(1, WAIT, 8));
        all.extend(call(2, ECHO, LARGE));
        world.peer.send(&all).await;
        world.settle().await;
        // Only the call that runs.
        assert_eq!(world.budget.taken_bytes(), call(1, WAIT, 8).len());
        world.service.standing.prove();
        assert_eq!(world.answers().await, [0, 2]);
    });
}
