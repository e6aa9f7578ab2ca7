//! Capabilities that are asked for again and again, and never given back.

use share_hostile::Attack;

use crate::scene::{Scene, With};

#[test]
#[cfg_attr(not(target_os = "linux"), ignore = "reads /proc")]
fn sessions_that_are_kept_have_a_bound() {
    Scene::of(Attack::KeptSessions, 1000).play();
}

#[test]
#[cfg_attr(not(target_os = "linux"), ignore = "reads /proc")]
fn appenders_that_are_kept_have_a_bound() {
    Scene::of(Attack::KeptAppenders, 1000).play();
}

#[test]
#[cfg_attr(not(target_os = "linux"), ignore = "reads /proc")]
fn subscriptions_that_are_kept_have_a_bound() {
    Scene::of(Attack::KeptSubscriptions, 500).play();
}

#[test]
#[cfg_attr(not(target_os = "linux"), ignore = "reads /proc")]
fn snapshots_that_are_kept_have_a_bound() {
    Scene {
        with: With::Full,
        ..Scene::of(Attack::KeptSnapshots, 500)
    }
    .play();
}

#[test]
#[cfg_attr(not(target_os = "linux"), ignore = "reads /proc")]
fn tables_full_of_capabilities_have_a_bound() {
    Scene::of(Attack::FullTables, 100).play();
}
