//! Bytes that come one by one: who sends so holds up nobody else.

use share_hostile::Attack;

use crate::scene::{From, Scene, With, survives};

#[test]
#[cfg_attr(not(target_os = "linux"), ignore = "reads /proc")]
fn a_first_message_byte_by_byte_holds_up_nobody() {
    survives(Attack::SlowFirst, 2000);
}

#[test]
#[cfg_attr(not(target_os = "linux"), ignore = "reads /proc")]
fn a_later_message_byte_by_byte_holds_up_nobody() {
    let scene = Scene {
        attack: Attack::SlowLater,
        from: From::Beside,
        with: With::OwnShare,
        deeds: 2000,
    };
    scene.play();
}
