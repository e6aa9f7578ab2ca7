//! How large one message may be, and what calls hold.

use share_network::{FrameError, NetworkError, NetworkLimits};

use super::peer::{bytes_of, call, call_with};
use super::service::{ECHO, WAIT};
use super::world::{World, run};

#[test]
fn a_message_at_the_bound_is_answered_and_one_word_more_ends_the_connection() {
    run(async {
        let whole = call(1, ECHO, 1000);
        let limits = NetworkLimits {
            message_bytes_max: whole.len(),
            ..NetworkLimits::server()
        };
        let mut world = World::proven(limits).await;
        world.peer.send(&whole).await;
        assert_eq!(world.answers().await, [1]);
        world.peer.send(&call(2, ECHO, 1008)).await;
        let too_large = FrameError::TooLarge {
            announced: whole.len() as u64 + 8,
            max: whole.len(),
        };
        assert_eq!(world.end().await, Some(NetworkError::Frame(too_large)));
    });
}

#[test]
fn a_message_brings_so_many_capabilities_and_not_one_more() {
    run(async {
        let limits = NetworkLimits {
            capabilities_max: 2,
            ..NetworkLimits::server()
        };
        let mut world = World::proven(limits).await;
        world.peer.send(&call_with(1, ECHO, 8, 2)).await;
        assert_eq!(world.answers().await, [1]);
        world.peer.send(&call_with(2, ECHO, 8, 3)).await;
        let capabilities = NetworkError::Capabilities { count: 3, max: 2 };
        assert_eq!(world.end().await, Some(capabilities));
    });
}

#[test]
fn what_calls_hold_is_bounded_and_more_waits_unread() {
    run(async {
        let bytes = call(1, WAIT, 1000).len();
        let limits = NetworkLimits {
            held_bytes_max: 2 * bytes,
            ..NetworkLimits::server()
        };
        let mut world = World::proven(limits).await;
        for question in 1..=3 {
            world.peer.send(&call(question, WAIT, 1000)).await;
        }
        world.settle().await;
        assert_eq!(world.service.calls.get(), 2);
        assert_eq!(world.budget.taken_bytes(), 2 * bytes);
        world.service.lets.send_replace(1);
        world.settle().await;
        assert_eq!(world.service.calls.get(), 3);
        world.service.lets.send_replace(2);
        assert_eq!(world.answers().await.len(), 3);
        assert_eq!(world.budget.taken_bytes(), 0);
    });
}

#[test]
fn a_message_that_is_none_of_the_protocol_ends_the_connection() {
    run(async {
        let mut world = World::proven(NetworkLimits::server()).await;
        // One segment of no words has no root.
        world.peer.send(&[0; 8]).await;
        let reason = world.end().await;
        let is_malformed = matches!(reason, Some(NetworkError::Malformed { .. }));
        assert!(is_malformed, "{reason:?}");
    });
}

#[test]
fn an_answer_to_what_was_not_asked_ends_the_connection() {
    run(async {
        let mut world = World::proven(NetworkLimits::server()).await;
        let answer = bytes_of(|message| message.init_return().set_answer_id(7));
        world.peer.send(&answer).await;
        assert_eq!(world.end().await, Some(NetworkError::AnswerUnasked));
    });
}
