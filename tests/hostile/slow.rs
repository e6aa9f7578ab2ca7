//! Bytes that come one by one: who sends so holds up nobody else, and not for long.

use share_hostile::Attack;

use crate::scene::{From, Scene};

#[test]
#[cfg_attr(not(target_os = "linux"), ignore = "reads /proc")]
fn a_first_message_byte_by_byte_holds_up_nobody() {
    Scene {
        ended: 200,
        ..Scene::of(Attack::SlowFirst, 2000)
    }
    .play();
}

#[test]
#[cfg_attr(not(target_os = "linux"), ignore = "reads /proc")]
fn a_later_message_byte_by_byte_holds_up_nobody() {
    Scene {
        from: From::Beside,
        ended: 200,
        ..Scene::of(Attack::SlowLater, 2000)
    }
    .play();
}

/// The bystander's own batches are large too.
#[test]
#[cfg_attr(not(target_os = "linux"), ignore = "reads /proc")]
fn large_messages_piece_by_piece_hold_up_nobody() {
    Scene {
        word_bytes: 20 << 10,
        ..Scene::of(Attack::SlowLarge, 64)
    }
    .play();
}
