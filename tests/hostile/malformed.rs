//! What is no message, or one that does not hold together.

use share_hostile::Attack;

use crate::scene::survives;

#[test]
#[cfg_attr(not(target_os = "linux"), ignore = "reads /proc")]
fn noise_ends_only_its_own_connection() {
    survives(Attack::Noise, 100);
}

#[test]
#[cfg_attr(not(target_os = "linux"), ignore = "reads /proc")]
fn wild_pointers_end_only_their_own_connection() {
    survives(Attack::WildPointers, 200);
}

#[test]
#[cfg_attr(not(target_os = "linux"), ignore = "reads /proc")]
fn pointer_cycles_end_only_their_own_connection() {
    survives(Attack::PointerCycles, 100);
}

#[test]
#[cfg_attr(not(target_os = "linux"), ignore = "reads /proc")]
fn nested_messages_do_not_exhaust_the_stack() {
    survives(Attack::NestedMessages, 50);
}

#[test]
#[cfg_attr(not(target_os = "linux"), ignore = "reads /proc")]
fn nested_json_does_not_exhaust_the_stack() {
    survives(Attack::DeepJson, 9);
}

#[test]
#[cfg_attr(not(target_os = "linux"), ignore = "reads /proc")]
fn an_echo_does_not_grow() {
    survives(Attack::AmplifiedEcho, 8);
}
