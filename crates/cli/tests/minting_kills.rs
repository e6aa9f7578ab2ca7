//! Commands that make a secret, killed with SIGKILL at each of their steps, and given again.
//!
//! Whatever was lost, the same command gives the same secret again, and the server has made one
//! grant for it.

#[expect(dead_code, reason = "what it can do is not all for these tests")]
mod running;

#[path = "minting_kills/making.rs"]
mod making;
#[path = "minting_kills/scene.rs"]
mod scene;

use std::collections::BTreeSet;

use making::{ALL, Making};
use scene::Scene;
use share_faults::Direction;

/// What a command that is killed has got under way.
#[derive(Debug, Clone, Copy)]
enum Step {
    /// Its request is stored, and has not left the machine.
    Request,
    /// The server has made what was asked for, and its answer has not come.
    Answer,
    /// The answer is there, and nobody takes what is printed.
    Output,
}

const STEPS: [Step; 3] = [Step::Request, Step::Answer, Step::Output];

/// Runs the command up to the step, and kills it there.
async fn kill_at(scene: &Scene, making: &Making, step: Step) {
    let made = making.made(scene);
    let command = match step {
        Step::Output => {
            let (command, _nobody) = scene.start_unread(making.args);
            command.until_it_prints().await;
            assert_eq!(making.made(scene), made + 1, "{step:?}");
            command.kill();
            return;
        }
        _ => scene.start_held(making).await,
    };
    if let Step::Answer = step {
        scene.proxy.partition(Direction::Down);
        scene.proxy.heal(Direction::Up);
        scene
            .until("the server has made it", || making.made(scene) == made + 1)
            .await;
    }
    command.kill();
    // What the network still holds of it is lost with it.
    scene.lose_connections().await;
    let is_applied = matches!(step, Step::Answer);
    assert_eq!(making.made(scene), made + u64::from(is_applied), "{step:?}");
}

#[tokio::test]
async fn a_command_that_was_killed_at_any_step_gives_the_same_secret_when_it_is_given_again() {
    for making in ALL {
        let scene = Scene::new().await;
        for step in STEPS {
            let what = format!("{} {step:?}", making.args[0]);
            let made = making.made(&scene);
            kill_at(&scene, &making, step).await;
            let (file, stored) = making.only_request(&scene);

            let again = scene.run(making.args).await;
            assert_eq!(again.code, 0, "{what}: {again:?}");
            let secret = stored["secret"].as_str().expect("a secret is stored");
            assert!(again.out.trim().ends_with(secret), "{what}: {again:?}");
            assert_eq!(making.made(&scene), made + 1, "{what}");
            assert_eq!(making.requests(&scene), Vec::<String>::new(), "{what}");
            making.check_opens(&scene, &again.out);

            // As if it had been killed when its output was taken, before the request was over.
            scene.place.write(&file, &stored.to_string());
            let more = scene.run(making.args).await;
            assert_eq!((more.code, &more.out), (0, &again.out), "{what}");
            assert_eq!(making.made(&scene), made + 1, "{what}");
            assert_eq!(making.requests(&scene), Vec::<String>::new(), "{what}");
            making.go_on(&scene, &again.out);
        }
    }
}

/// Who gives it twice has what was made twice; nothing is made that nobody was told of.
#[tokio::test]
async fn of_two_commands_at_once_each_secret_that_is_told_has_one_grant() {
    for making in ALL {
        let scene = Scene::new().await;
        let made = making.made(&scene);
        let first = scene.start_held(&making).await;
        let second = scene.start_beside(&making).await;
        scene.proxy.heal(Direction::Up);
        let told = [first.end().await, second.end().await];
        let secrets: BTreeSet<_> = told.iter().map(|ended| &ended.out).collect();
        let what = making.args[0];
        for ended in &told {
            assert_eq!(ended.code, 0, "{what}: {told:?}");
        }
        assert_eq!(secrets.len(), 1, "{what}: {told:?}");
        assert_eq!(making.made(&scene), made + 1, "{what}");
        assert_eq!(making.requests(&scene), Vec::<String>::new(), "{what}");
        making.check_opens(&scene, &told[0].out);
    }
}

/// What is over is over: the next one is another.
#[tokio::test]
async fn a_command_that_ended_makes_another_secret_when_it_is_given_again() {
    for making in ALL {
        let scene = Scene::new().await;
        let made = making.made(&scene);
        let first = scene.run(making.args).await;
        making.go_on(&scene, &first.out);
        let second = scene.run(making.args).await;
        assert_eq!((first.code, second.code), (0, 0), "{first:?} {second:?}");
        assert_ne!(first.out, second.out);
        assert_eq!(making.made(&scene), made + 2);
    }
}
