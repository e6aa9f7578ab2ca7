//! The commands that make a secret, and what can be seen of what they have made.

use std::fs;
use std::path::Path;

use serde_json::Value;

use crate::scene::Scene;

const CREATING: &str = ".opencode/state/share.creating";
const MINTING: &str = "data/share-sessions/minting";

#[derive(Debug, Clone, Copy, PartialEq)]
enum Kind {
    Create,
    Grant,
    Publish,
    Rotate,
    FactoryGrant,
}

/// One command.
#[derive(Debug)]
pub(crate) struct Making {
    kind: Kind,
    pub(crate) args: &'static [&'static str],
}

pub(crate) const ALL: [Making; 5] = [
    Making {
        kind: Kind::Create,
        args: &["create", "--factory", "@via-team.ref"],
    },
    Making {
        kind: Kind::Grant,
        args: &["grant", "@via-owner.ref", "--rights", "append"],
    },
    Making {
        kind: Kind::Publish,
        args: &["publish", "@via-owner.ref"],
    },
    Making {
        kind: Kind::Rotate,
        args: &["rotate", "@via-owner.ref"],
    },
    Making {
        kind: Kind::FactoryGrant,
        args: &["grant", "@via-factory.ref", "--shares", "3"],
    },
];

impl Making {
    /// How many of what it makes there are, as the server tells it past the proxy.
    pub(crate) fn made(&self, scene: &Scene) -> u64 {
        match self.kind {
            Kind::Create => {
                let grants = lines(scene, &["grants", "@factory.ref", "--json"]);
                grants.iter().filter_map(|it| it["shares"].as_u64()).sum()
            }
            Kind::Grant | Kind::Publish => {
                lines(scene, &["grants", "@owner.ref", "--json"]).len() as u64
            }
            Kind::Rotate => epoch(scene),
            Kind::FactoryGrant => lines(scene, &["grants", "@factory.ref", "--json"]).len() as u64,
        }
    }

    /// The files of requests that are under way.
    pub(crate) fn requests(&self, scene: &Scene) -> Vec<String> {
        let is_there = |name: &str| Path::exists(&scene.place.path(name));
        if self.kind == Kind::Create {
            return Vec::from_iter(is_there(CREATING).then(|| CREATING.to_owned()));
        }
        let Ok(files) = fs::read_dir(scene.place.path(MINTING)) else {
            return Vec::new();
        };
        let names = files.map(|file| file.expect("an entry").file_name());
        let names = names.map(|name| name.into_string().expect("a name is text"));
        // One that is being written has no name of its own yet.
        let names = names.filter(|name| !name.starts_with('.'));
        names.map(|name| format!("{MINTING}/{name}")).collect()
    }

    /// The one request that is under way: its file, and what that holds.
    pub(crate) fn only_request(&self, scene: &Scene) -> (String, Value) {
        let mut files = self.requests(scene);
        assert_eq!(files.len(), 1, "{files:?}");
        let file = files.remove(0);
        let stored = serde_json::from_str(&scene.place.read(&file)).expect("a request is JSON");
        (file, stored)
    }

    /// What was printed is good for what it was made for.
    pub(crate) fn check_opens(&self, scene: &Scene, printed: &str) {
        let share = |args: &[&str]| scene.place.share(args);
        scene.place.write("made", &past_the_proxy(scene, printed));
        let opened = match self.kind {
            Kind::Create | Kind::Rotate => {
                let who = share(&["whoami", "@made"]);
                assert!(who.out.contains(" (the owner's)\n"), "{who:?}");
                who
            }
            Kind::Grant => share(&["whoami", "@made"]),
            Kind::Publish => {
                let ended = share(&["unpublish", "@owner.ref", "@made"]);
                assert!(ended.err.contains("cut: 1 grant"), "{ended:?}");
                ended
            }
            Kind::FactoryGrant => share(&["create", "--factory", "@made"]),
        };
        assert_eq!(opened.code, 0, "{self:?}: {opened:?}");
    }

    /// The next one goes on from what was printed.
    pub(crate) fn go_on(&self, scene: &Scene, printed: &str) {
        if self.kind == Kind::Rotate {
            let directly = past_the_proxy(scene, printed);
            scene.place.write("owner.ref", &directly);
            scene.place.write("via-owner.ref", printed);
        }
    }
}

/// The proxy may hold everything back.
fn past_the_proxy(scene: &Scene, text: &str) -> String {
    let owner = scene.place.read("owner.ref");
    let server = owner.split('/').nth(2).expect("a ref has an address");
    text.replace(&scene.proxy.local_addr().to_string(), server)
}

fn lines(scene: &Scene, args: &[&str]) -> Vec<Value> {
    let ended = scene.place.share(args);
    assert_eq!(ended.code, 0, "{ended:?}");
    let lines = ended.out.lines();
    lines
        .map(|line| serde_json::from_str(line).expect("a line is JSON"))
        .collect()
}

/// At which epoch the share is, as is told to who proves a ref of the epoch before too.
fn epoch(scene: &Scene) -> u64 {
    let who = scene.place.share(&["whoami", "@owner.ref"]);
    let told = match who.code {
        0 => who.out.split("\nepoch\t").nth(1),
        _ => who.err.split("the share is at epoch ").nth(1),
    };
    let number = told.and_then(|told| told.split([' ', '\n']).next());
    let number = number.and_then(|number| number.parse().ok());
    number.unwrap_or_else(|| panic!("no epoch in {who:?}"))
}
