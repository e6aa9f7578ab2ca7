//! Calls without end, and answers that nobody takes.

use share_hostile::Attack;

use crate::scene::{From, Scene, With};

#[test]
#[cfg_attr(not(target_os = "linux"), ignore = "reads /proc")]
fn answers_that_are_never_read_do_not_pile_up() {
    Scene {
        deeds_max: 1_000_000,
        ..Scene::of(Attack::UnreadAnswers, 5000)
    }
    .play();
}

#[test]
#[cfg_attr(not(target_os = "linux"), ignore = "reads /proc")]
fn cancelled_calls_leave_nothing_behind() {
    Scene::of(Attack::CancelledCalls, 100_000).play();
}

#[test]
#[cfg_attr(not(target_os = "linux"), ignore = "reads /proc")]
fn large_answers_that_are_never_read_do_not_pile_up() {
    Scene {
        with: With::Full,
        value_bytes: 32 << 10,
        deeds_max: 300_000,
        ..Scene::of(Attack::UnreadGetters, 1000)
    }
    .play();
}

#[test]
#[cfg_attr(not(target_os = "linux"), ignore = "reads /proc")]
fn large_answers_that_are_read_hold_up_nobody() {
    Scene {
        with: With::Full,
        value_bytes: 32 << 10,
        ..Scene::of(Attack::Getters, 500)
    }
    .play();
}

#[test]
#[cfg_attr(not(target_os = "linux"), ignore = "reads /proc")]
fn subscribers_that_read_nothing_hold_nothing() {
    Scene {
        with: With::Full,
        deeds_max: u64::MAX,
        ..Scene::of(Attack::UnreadSubscriptions, 512)
    }
    .play();
}

#[test]
#[cfg_attr(not(target_os = "linux"), ignore = "reads /proc")]
fn sinks_that_never_return_hold_nothing() {
    Scene {
        with: With::Full,
        deeds_max: u64::MAX,
        ..Scene::of(Attack::SilentSinks, 512)
    }
    .play();
}

#[test]
#[cfg_attr(not(target_os = "linux"), ignore = "reads /proc")]
fn wrong_secrets_from_the_same_address_shut_nobody_out() {
    Scene {
        from: From::Beside,
        ..Scene::of(Attack::WrongSecrets, 500)
    }
    .play();
}

#[test]
#[cfg_attr(not(target_os = "linux"), ignore = "reads /proc")]
fn wrong_secrets_from_everywhere_shut_nobody_out() {
    Scene {
        from: From::Everywhere,
        ..Scene::of(Attack::WrongSecrets, 500)
    }
    .play();
}
