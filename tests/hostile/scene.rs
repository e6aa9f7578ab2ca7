//! One attack on one server, and what must be true all the while.

use std::net::Ipv4Addr;
use std::path::Path;
use std::sync::{PoisonError, RwLock};
use std::time::Duration;

use share_hostile::{Attack, Counts, Running, Target};
use share_model::ShareRef;
use tokio::sync::watch;
use tokio::task::LocalSet;
use tokio::time::Instant;

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
/// From one op of the bystander to the next, at least.
const PACE: Duration = Duration::from_millis(20);
/// An attack that has done nothing more for so long gets no further.
const STANDSTILL: Duration = Duration::from_secs(2);
/// How often the server's memory is looked at: it must not take the machine's.
const LOOK: Duration = Duration::from_millis(50);

/// Where an attack comes from, as seen from the bystander.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum From {
    /// Another address.
    Elsewhere,
    /// The same address.
    Beside,
    /// Many addresses.
    Everywhere,
}

impl From {
    fn addresses(self) -> Option<(Ipv4Addr, u8)> {
        match self {
            Self::Elsewhere => Some((Ipv4Addr::new(127, 0, 0, 2), 1)),
            Self::Beside => None,
            Self::Everywhere => Some((Ipv4Addr::new(127, 0, 1, 1), 40)),
        }
    }
}

/// What an attacker has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum With {
    /// A grant of a share that it has to itself.
    Own,
    /// The same, and there are eight values in the share.
    Full,
    /// A grant of the bystander's share, beside the bystander's own.
    Same,
}

/// Held by the scenes that are played; by one alone, if it is for nobody to play beside it.
static STAGE: RwLock<()> = RwLock::new(());

/// An attack, and how much of it there is to be at least.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Scene {
    pub(crate) attack: Attack,
    pub(crate) from: From,
    pub(crate) with: With,
    /// Deeds: an attack that did less proves nothing.
    pub(crate) deeds: u64,
    /// Deeds after which it is enough, if the server takes so many: one that does not read on has
    /// stopped the attack. The same as `deeds` where nothing may stop it.
    pub(crate) deeds_max: u64,
    /// Deeds before the bystander begins.
    pub(crate) head_start: u64,
    /// Connections that the server is to end at least.
    pub(crate) ended: u64,
    /// Bytes of each of the bystander's ops, about.
    pub(crate) word_bytes: usize,
    /// Bytes of each of the eight values of a share that is full.
    pub(crate) value_bytes: usize,
    /// Files that the server may have open, connections among them; `None`: as many as this process.
    pub(crate) files: Option<u32>,
}

impl Scene {
    /// An attack from another address, by who has a share to itself.
    pub(crate) fn of(attack: Attack, deeds: u64) -> Self {
        Self {
            attack,
            from: From::Elsewhere,
            with: With::Own,
            deeds,
            deeds_max: deeds,
            head_start: 1,
            ended: 0,
            word_bytes: 8,
            value_bytes: 1 << 20,
            files: None,
        }
    }

    /// A server is attacked. Meanwhile a bystander appends, and another follows: each op comes once,
    /// in order. The server holds no more memory than it may, does not panic, and drains.
    pub(crate) fn play(self) {
        // From the bystander's own address it is a matter of who is faster: there no other scene
        // takes the processors from it.
        let (_alone, _beside_others) = match self.from {
            From::Beside => (
                Some(STAGE.write().unwrap_or_else(PoisonError::into_inner)),
                None,
            ),
            _ => (
                None,
                Some(STAGE.read().unwrap_or_else(PoisonError::into_inner)),
            ),
        };
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
        let mut server = Server::start(folder, self.files);
        let (ours, theirs) = self.shares(&server, folder).await;
        let (told, ops) = watch::channel(None);
        let following =
            tokio::task::spawn_local(bystander::follow(ours.clone(), self.word_bytes, ops));

        let target = Target {
            server: server.address.parse().expect("it is an address"),
            from: self.from.addresses(),
            share: theirs,
        };
        let attack = Running::start(self.attack, target).expect("the attack begins");
        let under_attack = async {
            attack.reached(self.head_start).await;
            let mut bystander = Bystander::start(&ours, folder, self.word_bytes).await;
            let mut progress = Progress::begin();
            let mut pace = tokio::time::interval(PACE);
            while bystander.ops() < OPS || !self.is_enough(attack.counts(), &mut progress) {
                pace.tick().await;
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
        assert!(!server.has_panicked(), "{}", server.said());
    }

    /// Whether there was enough of the attack, or it gets no further.
    fn is_enough(self, counts: Counts, progress: &mut Progress) -> bool {
        let Counts { deeds, ended, .. } = counts;
        let is_over = deeds >= self.deeds_max || progress.has_ended(deeds);
        deeds >= self.deeds && ended >= self.ended && is_over
    }

    fn check(self, server: &Server, came_through: bool, (peak, counts): (u64, Counts)) {
        let Self {
            attack,
            deeds,
            ended,
            ..
        } = self;
        let (name, deed, mib) = (attack.name(), attack.deed(), peak >> 20);
        let seen = format!(
            "{name}: peak {mib} MiB, {deed}: {counts:?}\n{}",
            server.said()
        );
        assert!(peak < MEMORY_BYTES, "the server held too much: {seen}");
        assert!(came_through, "the bystander did not come through: {seen}");
        let did = counts.deeds >= deeds && counts.ended >= ended;
        assert!(
            did,
            "less than {deeds}, or fewer than {ended} ended: {seen}"
        );
    }

    /// The bystander's ref and the attacker's.
    async fn shares(self, server: &Server, folder: &Path) -> (ShareRef, ShareRef) {
        let factory = server.factory();
        let owner = shares::create(&factory).await;
        let ours = shares::attenuate(&owner).await;
        let theirs = match self.with {
            With::Same => shares::attenuate(&owner).await,
            With::Own | With::Full => {
                let owner = shares::create(&factory).await;
                shares::attenuate(&owner).await
            }
        };
        if self.with == With::Full {
            shares::fill(&theirs, folder, self.value_bytes).await;
        }
        (ours, theirs)
    }
}

/// How far an attack has got, and since when it has not got further.
struct Progress {
    deeds: u64,
    since: Instant,
}

impl Progress {
    fn begin() -> Self {
        Self {
            deeds: 0,
            since: Instant::now(),
        }
    }

    /// Whether it has stood still for a while.
    fn has_ended(&mut self, deeds: u64) -> bool {
        if deeds != self.deeds {
            *self = Self {
                deeds,
                since: Instant::now(),
            };
        }
        self.since.elapsed() >= STANDSTILL
    }
}

/// Ends when the server holds too much.
async fn holds_no_more(server: &Server) {
    let mut looks = tokio::time::interval(LOOK);
    while server.peak_bytes() < MEMORY_BYTES {
        looks.tick().await;
    }
}
