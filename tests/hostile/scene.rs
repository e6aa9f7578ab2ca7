//! One attack on one server, and what must be true all the while.

use std::net::{IpAddr, Ipv4Addr};
use std::path::Path;
use std::time::Duration;

use share_hostile::{Attack, Counts, Running, Target};
use share_model::ShareRef;
use tokio::sync::watch;
use tokio::task::LocalSet;

use crate::bystander::{self, Bystander};
use crate::server::Server;
use crate::shares;

/// Memory that the server may hold, whatever is sent to it.
const MEMORY_BYTES: u64 = 256 << 20;
/// How long everything may take, on a machine that is busy with other things too.
const DEADLINE: Duration = Duration::from_secs(120);
/// How long the server has to end.
const DRAIN: Duration = Duration::from_secs(40);
/// Ops that the bystander appends at least.
const OPS: usize = 30;
/// How often the server's memory is looked at: it must not take the machine's.
const LOOK: Duration = Duration::from_millis(50);

/// Where an attack comes from, as seen from the bystander.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum From {
    /// Another address.
    Elsewhere,
    /// The same address.
    Beside,
}

/// What an attacker has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum With {
    /// A grant of a share that it has to itself.
    OwnShare,
    /// The same, and there are eight megabytes in the share.
    FullShare,
    /// A grant of the bystander's share, beside the bystander's own.
    SameShare,
}

/// An attack, and how much of it there is to be at least.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Scene {
    pub(crate) attack: Attack,
    pub(crate) from: From,
    pub(crate) with: With,
    /// Deeds: an attack that did less proves nothing.
    pub(crate) deeds: u64,
}

/// Plays an attack from another address, by who has a share to itself.
pub(crate) fn survives(attack: Attack, deeds: u64) {
    Scene {
        attack,
        from: From::Elsewhere,
        with: With::OwnShare,
        deeds,
    }
    .play();
}

impl Scene {
    /// A server is attacked. Meanwhile a bystander appends, and another follows: each op comes once,
    /// in order. The server holds no more memory than it may, does not panic, and drains.
    pub(crate) fn play(self) {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build();
        let runtime = runtime.expect("a runtime can be made");
        let folder = tempfile::tempdir().expect("a temporary folder can be made");
        let playing = async {
            let played = tokio::time::timeout(DEADLINE, self.run(folder.path())).await;
            assert!(played.is_ok(), "{self:?} did not come to its end");
        };
        LocalSet::new().block_on(&runtime, playing);
    }

    async fn run(self, folder: &Path) {
        let mut server = Server::start(folder);
        let (ours, theirs) = self.shares(&server, folder).await;
        let (told, ops) = watch::channel(None);
        let following = tokio::task::spawn_local(bystander::follow(ours.clone(), ops));

        let target = Target {
            server: server.address.parse().expect("it is an address"),
            from: (self.from == From::Elsewhere).then_some(IpAddr::V4(Ipv4Addr::new(127, 0, 0, 2))),
            share: theirs,
        };
        let attack = Running::start(self.attack, target).expect("the attack begins");
        let under_attack = async {
            attack.reached(1).await;
            let mut bystander = Bystander::start(&ours, folder).await;
            while bystander.ops() < OPS || attack.counts().deeds < self.deeds {
                bystander.append().await;
            }
            told.send_replace(Some(bystander.ops()));
            following.await.expect("the follower saw every op once");
            bystander.check_document().await;
            bystander.stop().await;
        };
        let watched = async {
            tokio::select! {
                () = under_attack => {}
                () = holds_no_more(&server) => {}
            }
        };
        let seen = tokio::time::timeout(DEADLINE - DRAIN, watched).await;
        let (peak, counts) = (server.peak_bytes(), attack.counts());
        self.check(&server, seen.is_ok(), (peak, counts));
        attack.stop();
        let status = server.drain(DRAIN).await;
        assert!(status.success(), "{status}\n{}", server.said());
        let said = server.said();
        assert!(!said.contains("panicked"), "{said}");
    }

    fn check(self, server: &Server, came_through: bool, (peak, counts): (u64, Counts)) {
        let Self { attack, deeds, .. } = self;
        let (name, deed, mib) = (attack.name(), attack.deed(), peak >> 20);
        let seen = format!(
            "{name}: peak {mib} MiB, {deed}: {counts:?}\n{}",
            server.said()
        );
        assert!(peak < MEMORY_BYTES, "the server held too much: {seen}");
        assert!(came_through, "the bystander did not come through: {seen}");
        assert!(counts.deeds >= deeds, "less than {deeds}: {seen}");
    }

    /// The bystander's ref and the attacker's.
    async fn shares(self, server: &Server, folder: &Path) -> (ShareRef, ShareRef) {
        let factory = server.factory();
        let owner = shares::create(&factory).await;
        let ours = shares::attenuate(&owner).await;
        let theirs = match self.with {
            With::SameShare => shares::attenuate(&owner).await,
            With::OwnShare | With::FullShare => {
                let owner = shares::create(&factory).await;
                shares::attenuate(&owner).await
            }
        };
        if self.with == With::FullShare {
            shares::fill(&theirs, folder).await;
        }
        (ours, theirs)
    }
}

/// Ends when the server holds too much.
async fn holds_no_more(server: &Server) {
    let mut looks = tokio::time::interval(LOOK);
    while server.peak_bytes() < MEMORY_BYTES {
        looks.tick().await;
    }
}
