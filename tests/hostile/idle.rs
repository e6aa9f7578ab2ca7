//! Connections that say nothing, or nothing that makes sense to the server.

use share_hostile::Attack;

use crate::scene::{From, Scene, With, survives};

#[test]
#[cfg_attr(not(target_os = "linux"), ignore = "reads /proc")]
fn idle_connections_leave_room_for_others() {
    survives(Attack::Idle, 2000);
}

#[test]
#[cfg_attr(not(target_os = "linux"), ignore = "reads /proc")]
fn idle_connections_from_the_same_address_leave_room() {
    let scene = Scene {
        attack: Attack::Idle,
        from: From::Beside,
        with: With::OwnShare,
        deeds: 2000,
    };
    scene.play();
}

#[test]
#[cfg_attr(not(target_os = "linux"), ignore = "reads /proc")]
fn silent_tls_clients_leave_room() {
    let scene = Scene {
        attack: Attack::SilentTls,
        from: From::Beside,
        with: With::OwnShare,
        deeds: 500,
    };
    scene.play();
}

#[test]
#[cfg_attr(not(target_os = "linux"), ignore = "reads /proc")]
fn half_a_hello_leaves_room() {
    let scene = Scene {
        attack: Attack::HalfHello,
        from: From::Beside,
        with: With::OwnShare,
        deeds: 500,
    };
    scene.play();
}
