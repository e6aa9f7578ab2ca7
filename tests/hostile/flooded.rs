//! Calls without end, and answers that nobody takes.

use share_hostile::Attack;

use crate::scene::{From, Scene, With, survives};

#[test]
#[cfg_attr(not(target_os = "linux"), ignore = "reads /proc")]
fn answers_that_are_never_read_do_not_pile_up() {
    survives(Attack::UnreadAnswers, 5000);
}

#[test]
#[cfg_attr(not(target_os = "linux"), ignore = "reads /proc")]
fn cancelled_calls_leave_nothing_behind() {
    survives(Attack::CancelledCalls, 100000);
}

#[test]
#[cfg_attr(not(target_os = "linux"), ignore = "reads /proc")]
fn large_answers_that_are_never_read_do_not_pile_up() {
    let scene = Scene {
        attack: Attack::UnreadGetters,
        from: From::Elsewhere,
        with: With::FullShare,
        deeds: 1000,
    };
    scene.play();
}

#[test]
#[cfg_attr(not(target_os = "linux"), ignore = "reads /proc")]
fn large_answers_that_are_read_hold_up_nobody() {
    let scene = Scene {
        attack: Attack::Getters,
        from: From::Elsewhere,
        with: With::FullShare,
        deeds: 500,
    };
    scene.play();
}

#[test]
#[cfg_attr(not(target_os = "linux"), ignore = "reads /proc")]
fn subscribers_that_read_nothing_hold_nothing() {
    let scene = Scene {
        attack: Attack::UnreadSubscriptions,
        from: From::Elsewhere,
        with: With::FullShare,
        deeds: 64,
    };
    scene.play();
}

#[test]
#[cfg_attr(not(target_os = "linux"), ignore = "reads /proc")]
fn sinks_that_never_return_hold_nothing() {
    let scene = Scene {
        attack: Attack::SilentSinks,
        from: From::Elsewhere,
        with: With::FullShare,
        deeds: 64,
    };
    scene.play();
}

#[test]
#[cfg_attr(not(target_os = "linux"), ignore = "reads /proc")]
fn wrong_secrets_shut_nobody_out() {
    let scene = Scene {
        attack: Attack::WrongSecrets,
        from: From::Beside,
        with: With::OwnShare,
        deeds: 500,
    };
    scene.play();
}
