//! A grant that uses up what its share has: the owner's other children go on.

use share_hostile::Attack;

use crate::scene::{From, Scene, With};

#[test]
#[cfg_attr(not(target_os = "linux"), ignore = "reads /proc")]
fn writers_of_one_grant_leave_room_for_its_siblings() {
    let scene = Scene {
        attack: Attack::ManyWriters,
        from: From::Elsewhere,
        with: With::SameShare,
        deeds: 100,
    };
    scene.play();
}

#[test]
#[cfg_attr(not(target_os = "linux"), ignore = "reads /proc")]
fn requeued_ops_of_one_grant_leave_room_for_its_siblings() {
    let scene = Scene {
        attack: Attack::ManyRequeues,
        from: From::Elsewhere,
        with: With::SameShare,
        deeds: 40,
    };
    scene.play();
}
