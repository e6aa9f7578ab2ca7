//! Capabilities that are asked for again and again, and never given back.

use share_hostile::Attack;

use crate::scene::{From, Scene, With, survives};

#[test]
#[cfg_attr(not(target_os = "linux"), ignore = "reads /proc")]
fn sessions_that_are_kept_have_a_bound() {
    survives(Attack::KeptSessions, 1000);
}

#[test]
#[cfg_attr(not(target_os = "linux"), ignore = "reads /proc")]
fn appenders_that_are_kept_have_a_bound() {
    survives(Attack::KeptAppenders, 1000);
}

#[test]
#[cfg_attr(not(target_os = "linux"), ignore = "reads /proc")]
fn subscriptions_that_are_kept_have_a_bound() {
    survives(Attack::KeptSubscriptions, 500);
}

#[test]
#[cfg_attr(not(target_os = "linux"), ignore = "reads /proc")]
fn snapshots_that_are_kept_have_a_bound() {
    let scene = Scene {
        attack: Attack::KeptSnapshots,
        from: From::Elsewhere,
        with: With::FullShare,
        deeds: 500,
    };
    scene.play();
}

#[test]
#[cfg_attr(not(target_os = "linux"), ignore = "reads /proc")]
fn tables_full_of_capabilities_have_a_bound() {
    survives(Attack::FullTables, 100);
}
