//! Connections that say nothing, or nothing that makes sense to the server.

use share_hostile::Attack;

use crate::scene::{From, Scene};

#[test]
#[cfg_attr(not(target_os = "linux"), ignore = "reads /proc")]
fn idle_connections_leave_room_for_others() {
    Scene::of(Attack::Idle, 2000).play();
}

#[test]
#[cfg_attr(not(target_os = "linux"), ignore = "reads /proc")]
fn idle_connections_from_the_same_address_leave_room() {
    Scene {
        from: From::Beside,
        ..Scene::of(Attack::Idle, 2000)
    }
    .play();
}

#[test]
#[cfg_attr(not(target_os = "linux"), ignore = "reads /proc")]
fn silent_tls_clients_leave_room() {
    Scene {
        from: From::Beside,
        ..Scene::of(Attack::SilentTls, 500)
    }
    .play();
}

#[test]
#[cfg_attr(not(target_os = "linux"), ignore = "reads /proc")]
fn half_a_hello_leaves_room() {
    Scene {
        from: From::Beside,
        ..Scene::of(Attack::HalfHello, 500)
    }
    .play();
}

/// More than the server serves at all, from as many addresses as it takes.
#[test]
#[cfg_attr(not(target_os = "linux"), ignore = "reads /proc")]
fn a_crowd_from_everywhere_leaves_room() {
    Scene {
        from: From::Everywhere,
        ..Scene::of(Attack::Crowd, 5000)
    }
    .play();
}

/// More than the system lets the server have.
#[test]
#[cfg_attr(not(target_os = "linux"), ignore = "reads /proc")]
fn more_connections_than_files_leave_room() {
    Scene {
        files: Some(256),
        from: From::Everywhere,
        ..Scene::of(Attack::Idle, 2000)
    }
    .play();
}
