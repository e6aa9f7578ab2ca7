//! Messages that are wrong in ways that nobody thought of.

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};
use share_network::NetworkLimits;

use super::peer::{bootstrap, call, call_with, call_with_sink, finish, release};
use super::service::{CALL_BACK, CAPABILITY, ECHO, PROVE, WAIT};
use super::world::{World, run};

/// Every kind of message that a peer sends in order.
fn conversation() -> Vec<u8> {
    let messages = [
        bootstrap(),
        call(1, PROVE, 0),
        call(2, ECHO, 40),
        call_with(3, ECHO, 8, 2),
        call(4, WAIT, 8),
        finish(4),
        call(5, CAPABILITY, 0),
        release(0),
        call_with_sink(6, CALL_BACK),
        finish(5),
    ];
    messages.concat()
}

/// A panic would show at the connection's end.
#[test]
fn no_change_of_bytes_makes_a_connection_panic() {
    run(async {
        let whole = conversation();
        let mut random = ChaCha8Rng::seed_from_u64(7);
        for _ in 0..1000 {
            let mut bytes = whole.clone();
            for _ in 0..=random.next_u32() % 4 {
                let at = random.next_u32() as usize % bytes.len();
                let [kind, value, ..] = random.next_u32().to_le_bytes();
                bytes[at] = if kind.is_multiple_of(2) { 0xff } else { value };
            }
            let mut world = World::silent(NetworkLimits::server(), 1 << 20);
            world.service.lets.send_replace(1);
            world.peer.send(&bytes).await;
            world.settle().await;
            // Whatever the reason is.
            let _ = world.end().await;
        }
    });
}

#[test]
fn the_conversation_itself_is_answered() {
    run(async {
        let mut world = World::silent(NetworkLimits::server(), 1 << 20);
        world.peer.send(&conversation()).await;
        assert_eq!(world.answers().await, [0, 1, 2, 3, 5, 6]);
        assert_eq!(world.reason(), None);
    });
}
