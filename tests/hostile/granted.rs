//! A grant that uses up what its share has: the owner's other children go on.

use share_hostile::Attack;

use crate::scene::{Scene, With};

#[test]
#[cfg_attr(not(target_os = "linux"), ignore = "reads /proc")]
fn writers_of_one_grant_leave_room_for_its_siblings() {
    Scene {
        with: With::Same,
        head_start: 100,
        ..Scene::of(Attack::ManyWriters, 100)
    }
    .play();
}

#[test]
#[cfg_attr(not(target_os = "linux"), ignore = "reads /proc")]
fn requeued_ops_of_one_grant_leave_room_for_its_siblings() {
    Scene {
        with: With::Same,
        head_start: 40,
        ..Scene::of(Attack::ManyRequeues, 40)
    }
    .play();
}
