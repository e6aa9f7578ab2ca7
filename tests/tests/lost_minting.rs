//! What changes authority is repeatable: wherever its call is lost, on the way, in the server, or with
//! either of them, the same request made again has the same answer and took effect once
//! (`docs/design.md` §5).
//!
//! Whoever asks has stored the request's id and the secret before the call. That is all of it that is
//! left here: every repeat is made from those bytes.

use std::collections::BTreeSet;
use std::future::poll_fn;
use std::panic::resume_unwind;
use std::pin::pin;
use std::task::{Context, Poll};
use std::time::Duration;

use share_client::{
    ClientError, Connector, Session, attenuate_factory, bump_epoch, create_share, delete_share,
    factory_grants,
};
use share_model::{
    Attenuate, AuditEvent, BumpEpoch, CreateShare, CreatedShare, Cut, Epoch, FactoryAttenuate,
    FactoryRef, GrantId, Minted, Origin, OriginKind, Publish, Quotas, RefusalCode, RequestId,
    Right, Rights, Secret, ShareRef, Slug, ToldEvent, UnixMs,
};
use share_tests::{Cuts, GatedConnector, Halt, World};

const NO_CUTS: Cuts = Cuts {
    connections: 0,
    bytes_max: 1,
};

/// Bytes from one step to the next. Messages begin and end at multiples of eight: nearly every step is
/// amid one.
const BYTES_STEP: u64 = 61;

/// What is asked for.
#[derive(Debug, Clone, Copy)]
enum Ask {
    Create,
    Attenuate,
    Publish,
    Revoke,
    Bump,
    Delete,
    /// A grant of the factory, under which shares are created.
    Factory,
}

/// What befalls the call.
#[derive(Debug, Clone, Copy)]
enum Fault {
    ConnectionCut,
    ClientKilled,
    ServerCrashed,
}

/// When it does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Step {
    /// When everybody in this thread had so many turns: between any two of the server's.
    Turns(u64),
    /// After so many bytes to the server; the rest never leaves.
    Up(u64),
    /// After so many bytes of its replies; the rest never arrives.
    Down(u64),
}

/// What a client stored before its call: the request's id, and the secret.
#[derive(Debug, Clone, Copy)]
struct Stored([u8; 48]);

impl Stored {
    fn new() -> Self {
        Self(std::array::from_fn(|at| {
            u8::try_from(at * 5 % 251).expect("a byte")
        }))
    }

    fn part<const LEN: usize>(&self, from: usize) -> [u8; LEN] {
        std::array::from_fn(|at| self.0[from + at])
    }

    fn request(&self) -> RequestId {
        RequestId::from_bytes(self.part(0))
    }

    fn secret(&self) -> Secret {
        Secret::from_bytes(self.part(16))
    }

    fn slug(&self) -> Slug {
        Slug::from_bytes(self.part(32))
    }
}

/// What there is before anything is asked.
struct Scene {
    factory: FactoryRef,
    /// Of a share, but where one is asked for.
    owner: Option<ShareRef>,
    /// The grant that is to be revoked, where one is.
    child: Option<ShareRef>,
}

/// An answer, without what it says of this very call.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Answer {
    Created(CreatedShare),
    Minted(Minted),
    Bumped(Epoch, GrantId),
    Ended,
    Factory(GrantId),
}

/// The answer, and how many grants this very call has ended.
type Answered = (Answer, u32);

fn origin() -> Origin {
    Origin::new(OriginKind::Agent, "test".into(), 100).expect("an origin")
}

fn creation(stored: &Stored) -> CreateShare {
    CreateShare {
        request: stored.request(),
        owner_secret_hash: stored.secret().hash(),
        title: "asked for".into(),
        origin: origin(),
    }
}

fn attenuation(stored: &Stored) -> Attenuate {
    Attenuate {
        request: stored.request(),
        secret_hash: stored.secret().hash(),
        rights: Rights::of(&[Right::Read]),
        expires_at: None,
        label: "a reader".into(),
        sealed_for: None,
        origin: origin(),
    }
}

fn ref_of(owner: &ShareRef, minted: Minted, secret: Secret) -> ShareRef {
    ShareRef {
        grant: minted.grant,
        epoch: minted.epoch,
        secret,
        ..owner.clone()
    }
}

impl Scene {
    async fn set(world: &World, ask: Ask) -> Self {
        let factory = world.factory();
        let owner = match ask {
            Ask::Create | Ask::Factory => None,
            _ => Some(world.create_share().await),
        };
        let child = match (ask, &owner) {
            (Ask::Revoke, Some(owner)) => {
                let other = Stored([9; 48]);
                let minted = world.redeem(owner).await;
                let minted = minted.attenuate(&attenuation(&other)).await;
                Some(ref_of(owner, minted.expect("a grant"), other.secret()))
            }
            _ => None,
        };
        Self {
            factory,
            owner,
            child,
        }
    }

    fn owner(&self) -> &ShareRef {
        self.owner.as_ref().expect("a share is there")
    }

    fn child(&self) -> &ShareRef {
        self.child.as_ref().expect("a grant is there")
    }
}

impl Ask {
    /// Asks, by what was stored and nothing else.
    async fn call(
        self,
        connector: &dyn Connector,
        scene: &Scene,
        stored: Stored,
    ) -> Result<Answered, ClientError> {
        let open = async || Session::redeem(connector, scene.owner()).await;
        let ended = |cut: Cut| (Answer::Ended, cut.grants);
        match self {
            Self::Create => {
                let request = creation(&stored);
                let (created, _) = create_share(connector, &scene.factory, &request).await?;
                Ok((Answer::Created(created), 0))
            }
            Self::Attenuate => {
                let minted = open().await?.attenuate(&attenuation(&stored)).await?;
                Ok((Answer::Minted(minted), 0))
            }
            Self::Publish => {
                let request = Publish {
                    slug_hash: stored.slug().hash(),
                    expires_at: None,
                    label: "page".into(),
                    origin: origin(),
                };
                let minted = open().await?.publish(&request).await?;
                Ok((Answer::Minted(minted), 0))
            }
            Self::Revoke => {
                let grant = scene.child().grant;
                open().await?.revoke(grant, &origin()).await.map(ended)
            }
            Self::Bump => {
                let request = BumpEpoch {
                    request: stored.request(),
                    owner_secret_hash: stored.secret().hash(),
                    origin: origin(),
                };
                let bumped = bump_epoch(connector, scene.owner(), None, &request).await?;
                let cut = bumped.cut.grants;
                Ok((Answer::Bumped(bumped.epoch, bumped.grant), cut))
            }
            Self::Delete => delete_share(connector, scene.owner(), None, &origin())
                .await
                .map(ended),
            Self::Factory => {
                let request = FactoryAttenuate {
                    request: stored.request(),
                    secret_hash: stored.secret().hash(),
                    quotas: Quotas {
                        shares_max: 1,
                        ..Quotas::default()
                    },
                    label: "one share".into(),
                    origin: origin(),
                };
                let (grant, _) = attenuate_factory(connector, &scene.factory, &request).await?;
                Ok((Answer::Factory(grant), 0))
            }
        }
    }
}

/// Goes behind all that is ready now. `yield_now` would wait until nothing is.
fn own_turn(had_it: &mut bool, context: &Context<'_>) -> Poll<()> {
    if std::mem::replace(had_it, true) {
        return Poll::Ready(());
    }
    context.waker().wake_by_ref();
    Poll::Pending
}

/// One call that a fault befalls, and what was there before.
struct Run {
    world: World,
    scene: Scene,
    ask: Ask,
    what: String,
}

impl Run {
    /// Calls, and lets the fault happen at its step. The answer, if it came all the same; whether it
    /// came before the step.
    async fn disturb(&mut self, fault: Fault, step: Step) -> (Option<Answered>, bool) {
        let halt = match step {
            Step::Turns(_) => Halt::Never,
            Step::Up(bytes) => Halt::Up(bytes),
            Step::Down(bytes) => Halt::Down(bytes),
        };
        let gated = GatedConnector::new(self.world.connector(), halt);
        let gate = gated.gate();
        let reached = async {
            match step {
                Step::Turns(turns) => {
                    for _ in 0..turns {
                        let mut had_its_turn = false;
                        poll_fn(|context| own_turn(&mut had_its_turn, context)).await;
                    }
                }
                Step::Up(_) | Step::Down(_) => gate.halted().await,
            }
        };
        let mut asking = pin!(self.ask.call(&gated, &self.scene, Stored::new()));
        tokio::select! {
            biased;
            answer = &mut asking => {
                let answer = answer.unwrap_or_else(|error| panic!("{}: {error}", self.what));
                return (Some(answer), true);
            }
            () = reached => {}
        }
        match fault {
            Fault::ClientKilled => return (None, false),
            Fault::ConnectionCut => {}
            Fault::ServerCrashed => self.world.crash_server().await,
        }
        gate.cut();
        match asking.await {
            Ok(answer) => (Some(answer), false),
            Err(error) => {
                assert!(error.is_transport(), "{}: {error}", self.what);
                (None, false)
            }
        }
    }

    async fn again(&self) -> Answered {
        let connector = self.world.connector();
        let again = self.ask.call(&*connector, &self.scene, Stored::new()).await;
        again.unwrap_or_else(|error| panic!("{}: repeated: {error}", self.what))
    }

    async fn refused(&self, reference: &ShareRef, code: RefusalCode) {
        match Session::redeem(&*self.world.connector(), reference).await {
            Err(ClientError::Refused(refusal)) => assert_eq!(refusal.code, code, "{}", self.what),
            other => panic!("{}: not refused as {code:?}: {other:?}", self.what),
        }
    }

    /// Looks at the share under `owner`: these grants and no other, and the event once, whose time it
    /// gives.
    async fn once(&self, owner: &ShareRef, event: AuditEvent, grants: &[GrantId]) -> UnixMs {
        let what = &self.what;
        let session = self.world.redeem(owner).await;
        let listed = session.grants().await.expect("grants are listed");
        let listed: BTreeSet<_> = listed.iter().map(|grant| grant.id).collect();
        let expected: BTreeSet<_> = grants.iter().copied().collect();
        assert_eq!(listed, expected, "{what}: grants");
        let audit = session.audit(0).await.expect("the audit is read");
        let found: Vec<_> = audit
            .iter()
            .filter(|entry| entry.event == ToldEvent::Known(event))
            .collect();
        let [entry] = found[..] else {
            panic!("{what}: {event:?} is not told once: {audit:?}")
        };
        assert_eq!(entry.count, 1, "{what}: {event:?}");
        entry.at
    }

    /// There is the factory's root and this grant, which creates a share; when it was made.
    async fn one_factory_grant(&self, grant: GrantId) -> UnixMs {
        let (what, root, stored) = (&self.what, &self.scene.factory, Stored::new());
        let connector = self.world.connector();
        let listed = factory_grants(&*connector, root).await;
        let listed = listed.expect("the factory's grants are listed");
        let made: Vec<_> = listed.iter().filter(|it| !it.root).collect();
        let [made] = made[..] else {
            panic!("{what}: not one grant: {listed:?}")
        };
        assert_eq!((made.id, listed.len()), (grant, 2), "{what}");
        let child = FactoryRef {
            grant,
            secret: stored.secret(),
            ..root.clone()
        };
        let created = create_share(&*connector, &child, &creation(&stored)).await;
        created.unwrap_or_else(|error| panic!("{what}: under the new grant: {error}"));
        made.created_at.expect("when it was made is known")
    }

    /// Everything is as after one undisturbed call; when that took effect, if that can be told.
    async fn check(&self, answer: &Answer) -> Option<UnixMs> {
        let (what, scene, stored) = (&self.what, &self.scene, Stored::new());
        let at = match (self.ask, answer) {
            (Ask::Create, Answer::Created(created)) => {
                let owner = ShareRef {
                    addresses: scene.factory.addresses.clone(),
                    share: created.share,
                    grant: created.grant,
                    epoch: created.epoch,
                    security: share_model::Security::ByAddress,
                    secret: stored.secret(),
                };
                let grants = [created.grant];
                self.once(&owner, AuditEvent::Created, &grants).await
            }
            (Ask::Attenuate, Answer::Minted(minted)) => {
                let child = ref_of(scene.owner(), *minted, stored.secret());
                let opened = self.world.redeem(&child).await;
                assert_eq!(opened.redeemed().rights, Rights::of(&[Right::Read]));
                let grants = [scene.owner().grant, minted.grant];
                self.once(scene.owner(), AuditEvent::Granted, &grants).await
            }
            (Ask::Publish, Answer::Minted(minted)) => {
                let addresses = &scene.factory.addresses;
                let connector = self.world.connector();
                let opened = Session::redeem_slug(
                    &*connector,
                    addresses,
                    share_model::Security::ByAddress,
                    &stored.slug(),
                )
                .await;
                let opened = opened.unwrap_or_else(|error| panic!("{what}: the slug: {error}"));
                assert_eq!(opened.redeemed().share, scene.owner().share, "{what}");
                let grants = [scene.owner().grant, minted.grant];
                self.once(scene.owner(), AuditEvent::Published, &grants)
                    .await
            }
            (Ask::Revoke, Answer::Ended) => {
                self.refused(scene.child(), RefusalCode::Revoked).await;
                let grants = [scene.owner().grant, scene.child().grant];
                self.once(scene.owner(), AuditEvent::Revoked, &grants).await
            }
            (Ask::Bump, Answer::Bumped(epoch, grant)) => {
                assert_eq!(epoch.get(), 2, "{what}");
                self.refused(scene.owner(), RefusalCode::StaleEpoch).await;
                let owner = ShareRef {
                    grant: *grant,
                    epoch: *epoch,
                    secret: stored.secret(),
                    ..scene.owner().clone()
                };
                self.once(&owner, AuditEvent::Bumped, &[*grant]).await
            }
            (Ask::Delete, Answer::Ended) => {
                self.refused(scene.owner(), RefusalCode::Gone).await;
                return None;
            }
            (Ask::Factory, Answer::Factory(grant)) => self.one_factory_grant(*grant).await,
            (ask, answer) => panic!("{what}: {ask:?} was answered by {answer:?}"),
        };
        Some(at)
    }
}

/// When the request took effect, as far as it was disturbed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Effect {
    /// By the call whose answer was lost.
    AtFirst,
    /// By the repeat.
    AtRepeat,
}

/// One call, the fault at its step, and the repeat. `None`: the answer came before the step.
async fn run(ask: Ask, fault: Fault, step: Step) -> Option<Effect> {
    let world = World::start(1, NO_CUTS).await;
    let scene = Scene::set(&world, ask).await;
    let what = format!("{ask:?}, {fault:?} at {step:?}");
    let mut run = Run {
        world,
        scene,
        ask,
        what,
    };
    let (first, is_early) = run.disturb(fault, step).await;
    let before = run.world.now();
    tokio::time::advance(Duration::from_secs(1)).await;
    let (answer, ended) = run.again().await;
    if let Some((first, _)) = &first {
        assert_eq!((&answer, ended), (first, 0), "{}", run.what);
    }
    assert_eq!(run.again().await, (answer.clone(), 0), "{}", run.what);
    let at = run.check(&answer).await;
    let was_at_first = at.map_or(ended == 0, |at| at <= before);
    // Acked is durable.
    assert!(first.is_none() || was_at_first, "{}: lost", run.what);
    assert_eq!(run.world.stored_shares().await, 1, "{}", run.what);
    match (is_early, was_at_first) {
        (true, _) => None,
        (false, true) => Some(Effect::AtFirst),
        (false, false) => Some(Effect::AtRepeat),
    }
}

/// Every step of one kind, up to the answer; what was seen of them.
fn at_every(ask: Ask, fault: Fault, step: impl Fn(u64) -> Step) -> (u64, BTreeSet<Effect>) {
    let mut effects = BTreeSet::new();
    for number in 0.. {
        // As one task among those of the server: it gets its turns between theirs.
        let run = async { tokio::task::spawn_local(run(ask, fault, step(number))).await };
        let seen = share_tests::simulate(1, run);
        match seen.unwrap_or_else(|error| resume_unwind(error.into_panic())) {
            Some(effect) => effects.insert(effect),
            None => return (number, effects),
        };
    }
    unreachable!("an answer comes")
}

fn survives(ask: Ask) {
    let both = BTreeSet::from([Effect::AtFirst, Effect::AtRepeat]);
    for fault in [
        Fault::ConnectionCut,
        Fault::ClientKilled,
        Fault::ServerCrashed,
    ] {
        let (turns, effects) = at_every(ask, fault, Step::Turns);
        assert!(turns > 5, "{ask:?}, {fault:?}: {turns} turns");
        assert_eq!(effects, both, "{ask:?}, {fault:?} after some turns");
        let (ups, effects) = at_every(ask, fault, |number| Step::Up(number * BYTES_STEP));
        assert!(ups > 5, "{ask:?}, {fault:?}: {ups} steps up");
        assert!(effects.contains(&Effect::AtRepeat), "{ask:?}, {fault:?}");
        let (downs, effects) = at_every(ask, fault, |number| Step::Down(number * BYTES_STEP));
        assert!(downs > 2, "{ask:?}, {fault:?}: {downs} steps down");
        assert!(effects.contains(&Effect::AtFirst), "{ask:?}, {fault:?}");
    }
}

#[test]
fn a_share_that_is_created_again_after_any_loss_is_the_same_share() {
    survives(Ask::Create);
}

#[test]
fn a_grant_that_is_made_again_after_any_loss_is_the_same_grant() {
    survives(Ask::Attenuate);
}

#[test]
fn a_public_address_that_is_made_again_after_any_loss_is_the_same() {
    survives(Ask::Publish);
}

#[test]
fn a_grant_that_is_revoked_again_after_any_loss_was_revoked_once() {
    survives(Ask::Revoke);
}

#[test]
fn an_epoch_that_is_bumped_again_after_any_loss_was_bumped_once_and_has_its_owner() {
    survives(Ask::Bump);
}

#[test]
fn a_share_that_is_deleted_again_after_any_loss_was_deleted_once() {
    survives(Ask::Delete);
}

#[test]
fn a_factory_grant_that_is_made_again_after_any_loss_is_the_same_grant() {
    survives(Ask::Factory);
}
