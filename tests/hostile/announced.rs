//! Messages that are announced and never sent: nothing may be set aside for them.

use share_hostile::Attack;

use crate::scene::{From, Scene};

#[test]
#[cfg_attr(not(target_os = "linux"), ignore = "reads /proc")]
fn announced_sizes_take_no_memory() {
    Scene::of(Attack::AnnouncedSize, 100).play();
}

#[test]
#[cfg_attr(not(target_os = "linux"), ignore = "reads /proc")]
fn announced_sizes_from_the_same_address_take_no_memory() {
    Scene {
        from: From::Beside,
        ..Scene::of(Attack::AnnouncedSize, 100)
    }
    .play();
}

#[test]
#[cfg_attr(not(target_os = "linux"), ignore = "reads /proc")]
fn announced_segments_take_no_memory() {
    Scene::of(Attack::AnnouncedSegments, 100).play();
}
