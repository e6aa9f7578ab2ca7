//! How long a peer may take.

use std::time::Duration;

use share_network::{NetworkError, NetworkLimits};
use tokio::time::{Instant, advance};

use super::peer::{bootstrap, call};
use super::service::ECHO;
use super::world::{World, run};

const SECOND: Duration = Duration::from_secs(1);

#[test]
fn the_first_message_comes_in_time_or_the_connection_ends() {
    run(async {
        let world = World::silent(NetworkLimits::server(), 1 << 20);
        let begin = Instant::now();
        while world.reason().is_none() {
            world.settle().await;
        }
        assert_eq!(
            world.reason(),
            Some(NetworkError::FirstMessage { ms: 10_000 })
        );
        let waited = begin.elapsed();
        assert!((10 * SECOND..11 * SECOND).contains(&waited), "{waited:?}");

        let mut world = World::silent(NetworkLimits::server(), 1 << 20);
        world.settle().await;
        advance(9 * SECOND).await;
        world.peer.send(&bootstrap()).await;
        assert_eq!(world.answers().await, [0]);
        advance(3600 * SECOND).await;
        world.settle().await;
        assert_eq!(world.reason(), None);
    });
}

#[test]
fn a_message_that_is_not_gone_on_with_ends_the_connection() {
    run(async {
        let mut world = World::proven(NetworkLimits::server()).await;
        let message = call(1, ECHO, 100_000);
        world.peer.send(&message[..20_000]).await;
        world.settle().await;
        // A byte a second is less than 16 KiB in ten.
        for at in 20_000..20_011 {
            world.peer.send(&message[at..=at]).await;
            advance(SECOND).await;
            world.settle().await;
        }
        let stalled = NetworkError::MessageStall {
            bytes: 16 << 10,
            ms: 10_000,
        };
        assert_eq!(world.end().await, Some(stalled));
    });
}

#[test]
fn a_header_that_is_not_gone_on_with_ends_the_connection() {
    run(async {
        let mut world = World::proven(NetworkLimits::server()).await;
        world.peer.send(&[0, 0, 0]).await;
        world.settle().await;
        advance(10 * SECOND).await;
        world.settle().await;
        let reason = world.end().await;
        let is_stall = matches!(reason, Some(NetworkError::MessageStall { .. }));
        assert!(is_stall, "{reason:?}");
    });
}

#[test]
fn a_slow_message_that_goes_on_is_answered() {
    run(async {
        let mut world = World::proven(NetworkLimits::server()).await;
        let message = call(1, ECHO, 100_000);
        for piece in message.chunks(17 << 10) {
            world.peer.send(piece).await;
            world.settle().await;
            advance(9 * SECOND).await;
            world.settle().await;
        }
        assert_eq!(world.answers().await, [1]);
    });
}

#[test]
fn a_large_message_goes_on_by_a_part_of_it() {
    run(async {
        let limits = NetworkLimits {
            message_progress_bytes: 1,
            ..NetworkLimits::server()
        };
        let mut world = World::proven(limits).await;
        let message = call(1, ECHO, 640_000);
        let (first, rest) = message.split_at(20_000);
        world.peer.send(first).await;
        world.settle().await;
        // 11 000 bytes in ten seconds are more than a 64th, 9 900 are not.
        let (enough, rest) = rest.split_at(11_000);
        trickle(&mut world, enough, 1100).await;
        assert_eq!(world.reason(), None);
        trickle(&mut world, &rest[..9900], 990).await;
        let stalled = NetworkError::MessageStall {
            bytes: 10_002,
            ms: 10_000,
        };
        assert_eq!(world.reason(), Some(stalled));
    });
}

/// So many bytes a second.
async fn trickle(world: &mut World, bytes: &[u8], bytes_a_second: usize) {
    for piece in bytes.chunks(bytes_a_second) {
        world.peer.send(piece).await;
        world.settle().await;
        advance(SECOND).await;
    }
    world.settle().await;
}

#[test]
fn a_peer_that_takes_nothing_ends_the_connection() {
    run(async {
        let mut world = World::silent(NetworkLimits::server(), 4096);
        world.service.standing.prove();
        world.peer.send(&bootstrap()).await;
        world.peer.send(&call(1, ECHO, 8192)).await;
        world.settle().await;
        advance(29 * SECOND).await;
        world.settle().await;
        assert_eq!(world.reason(), None);
        advance(SECOND).await;
        world.settle().await;
        assert_eq!(
            world.reason(),
            Some(NetworkError::WriteStall { ms: 30_000 })
        );
        assert_eq!(world.budget.queued_bytes(), 0);
    });
}

#[test]
fn a_connection_that_is_cut_within_a_message_says_so() {
    run(async {
        let mut world = World::proven(NetworkLimits::server()).await;
        world.peer.send(&call(1, ECHO, 100)[..50]).await;
        assert_eq!(world.end().await, Some(NetworkError::Cut));
        let world = World::proven(NetworkLimits::server()).await;
        assert_eq!(world.end().await, None);
    });
}
