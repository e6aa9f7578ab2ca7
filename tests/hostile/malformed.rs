//! What is no message, or one that does not hold together.

use share_hostile::Attack;

use crate::scene::Scene;

#[test]
#[cfg_attr(not(target_os = "linux"), ignore = "reads /proc")]
fn noise_ends_only_its_own_connection() {
    Scene::of(Attack::Noise, 100).play();
}

#[test]
#[cfg_attr(not(target_os = "linux"), ignore = "reads /proc")]
fn wild_pointers_end_only_their_own_connection() {
    Scene::of(Attack::WildPointers, 200).play();
}

#[test]
#[cfg_attr(not(target_os = "linux"), ignore = "reads /proc")]
fn pointer_cycles_end_only_their_own_connection() {
    Scene::of(Attack::PointerCycles, 100).play();
}

#[test]
#[cfg_attr(not(target_os = "linux"), ignore = "reads /proc")]
fn nested_messages_do_not_exhaust_the_stack() {
    Scene::of(Attack::NestedMessages, 50).play();
}

#[test]
#[cfg_attr(not(target_os = "linux"), ignore = "reads /proc")]
fn nested_json_does_not_exhaust_the_stack() {
    Scene::of(Attack::DeepJson, 9).play();
}

#[test]
#[cfg_attr(not(target_os = "linux"), ignore = "reads /proc")]
fn an_echo_does_not_grow() {
    Scene::of(Attack::AmplifiedEcho, 8).play();
}
