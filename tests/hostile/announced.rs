//! Messages that are announced and never sent: nothing may be set aside for them.

use share_hostile::Attack;

use crate::scene::{From, Scene, With, survives};

#[test]
#[cfg_attr(not(target_os = "linux"), ignore = "reads /proc")]
fn announced_sizes_take_no_memory() {
    survives(Attack::AnnouncedSize, 100);
}

#[test]
#[cfg_attr(not(target_os = "linux"), ignore = "reads /proc")]
fn announced_sizes_from_the_same_address_take_no_memory() {
    let scene = Scene {
        attack: Attack::AnnouncedSize,
        from: From::Beside,
        with: With::OwnShare,
        deeds: 100,
    };
    scene.play();
}

#[test]
#[cfg_attr(not(target_os = "linux"), ignore = "reads /proc")]
fn announced_segments_take_no_memory() {
    survives(Attack::AnnouncedSegments, 100);
}
