//! Whoever owns the shares: creates them, gives refs, takes authority back, and looks at everything
//! in the end.

mod acts;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use share_client::{ClientError, Connector, Session, SubscriptionEvent, create_share};
use share_model::seam::Clock;
use share_model::{
    CreateShare, Cursor, FactoryRef, GrantId, Limits, LogPosition, Origin, OriginKind, RefusalCode,
    RequestId, Secret, Security, ShareId, ShareRef,
};

use super::net::SimConnector;
use super::server;
use super::world::World;
use crate::chance::Chance;
use crate::history::What;

/// The owner's name, and its machine's.
pub(crate) const OWNER: &str = "owner";

/// The owner's process: it never crashes, but its network is as bad as everybody's.
pub(crate) async fn run(world: Arc<World>) -> turmoil::Result {
    let machine = world.machine(OWNER);
    let _process = machine.begin(&world.processes, OWNER);
    let connector = SimConnector::of(&world, &machine);
    let clock = machine.clock();
    let mut owning = Vec::new();
    for number in 1..=world.plan.shares {
        let mut owner = Owner {
            chance: world.chance(&format!("owner-{number}")),
            world: Arc::clone(&world),
            connector: Arc::clone(&connector),
            clock: Arc::clone(&clock),
            owner_ref: None,
            given: Vec::new(),
            is_deleted: false,
        };
        owning.push(tokio::task::spawn_local(async move {
            owner.begin().await;
            owner.act_until_calm().await;
            owner.settle().await;
            owner
        }));
    }
    let mut owners = Vec::new();
    for owner in owning {
        owners.push(owner.await?);
    }
    world.board().refs_are_final = true;
    while !everybody_rests(&world) {
        clock.sleep(Duration::from_millis(200)).await;
    }
    for owner in &owners {
        owner.look().await;
    }
    world.board().is_over = true;
    Ok(())
}

fn everybody_rests(world: &World) -> bool {
    let board = world.board();
    board
        .processes
        .iter()
        .all(|agent| board.at_rest.contains(agent))
}

/// Who owns one share.
struct Owner {
    world: Arc<World>,
    connector: Arc<dyn Connector>,
    clock: Arc<dyn Clock>,
    chance: Chance,
    owner_ref: Option<ShareRef>,
    given: Vec<Given>,
    is_deleted: bool,
}

/// A ref that was given.
struct Given {
    to: Option<String>,
    grant: GrantId,
}

fn origin() -> Origin {
    let max = Limits::DEFAULT.label_bytes_max;
    Origin::new(OriginKind::User, OWNER.to_owned(), max).expect("it is short and not empty")
}

/// Whether asking again may bring another answer.
fn is_passing(error: &ClientError) -> bool {
    match error {
        ClientError::Refused(refusal) => refusal.retry_after_ms.is_some(),
        error => {
            error.is_transport()
                || matches!(
                    error,
                    ClientError::Overloaded { .. } | ClientError::Failed { .. }
                )
        }
    }
}

impl Owner {
    async fn pause(&self, ms: u64) {
        self.clock.sleep(Duration::from_millis(ms)).await;
    }

    /// Asks until there is an answer.
    async fn told<T>(
        &self,
        mut ask: impl AsyncFnMut() -> Result<T, ClientError>,
    ) -> Result<T, ClientError> {
        loop {
            match ask().await {
                Err(error) if is_passing(&error) => {
                    self.pause(self.chance.between(100, 800)).await;
                }
                told => return told,
            }
        }
    }

    fn reference(&self) -> ShareRef {
        self.owner_ref.clone().expect("the share was created")
    }

    fn share(&self) -> ShareId {
        self.reference().share
    }

    /// Creates the share, and gives refs of it.
    async fn begin(&mut self) {
        let factory = self.factory().await;
        let secret = Secret::random(&*self.chance.entropy());
        let request = CreateShare {
            request: RequestId::new(&*self.clock, &*self.chance.entropy()),
            owner_secret_hash: secret.hash(),
            title: "simulated".into(),
            origin: origin(),
        };
        let created = self
            .told(async || create_share(&*self.connector, &factory, &request).await)
            .await;
        let (created, served) = match created {
            Ok(created) => created,
            Err(error) => {
                self.world.broken(format!("create-refused: {error}"));
                return std::future::pending().await;
            }
        };
        let (share, grant, epoch) = (created.share, created.grant, created.epoch);
        let what = What::Created {
            share,
            grant,
            epoch,
        };
        self.world.push(OWNER, what);
        self.owner_ref = Some(ShareRef {
            addresses: served.addresses,
            share,
            grant,
            epoch,
            security: Security::ByAddress,
            secret,
        });
        self.give_all().await;
        self.world.board().shares_made += 1;
    }

    /// The ref of the factory, once the server has written it.
    async fn factory(&self) -> FactoryRef {
        let path: PathBuf = server::data(&self.world).join("factory.ref");
        loop {
            let read = std::fs::read_to_string(&path);
            if let Some(factory) = read.ok().and_then(|text| text.trim().parse().ok()) {
                return factory;
            }
            self.pause(100).await;
        }
    }

    /// Writes down the share's cursor.
    async fn read_cursor(&self) -> Option<Cursor> {
        let (share, reference) = (self.share(), self.reference());
        let mut since = 0;
        let redeemed = self
            .told(async || {
                since = self.world.history.next();
                let session = Session::redeem(&*self.connector, &reference).await?;
                Ok((session.redeemed().history, session.redeemed().cursor))
            })
            .await;
        let (history, cursor) = redeemed.ok()?;
        self.world.board().cursors.insert(share, cursor);
        let what = What::CursorRead {
            share,
            history,
            cursor,
            since,
        };
        self.world.push(OWNER, what);
        Some(cursor)
    }

    /// All is calm: refs that hold for everybody, and a share that takes ops.
    async fn settle(&mut self) {
        self.take_new_owner_ref();
        if self.is_deleted {
            return;
        }
        // A backup may have brought the frost back.
        if self.world.plan.has("freeze") {
            self.set_frozen(false).await;
        }
        self.give_all().await;
        self.read_cursor().await;
    }

    /// A restore without the journal has made a new one.
    fn take_new_owner_ref(&mut self) {
        let share = self.share();
        let board = self.world.board();
        let newest = board.owner_refs.iter().rev();
        if let Some(reference) = newest.into_iter().find(|it| it.share == share).cloned()
            && reference.epoch > self.reference().epoch
        {
            drop(board);
            let (grant, epoch) = (reference.grant, reference.epoch);
            self.world.push(
                OWNER,
                What::Created {
                    share,
                    grant,
                    epoch,
                },
            );
            self.owner_ref = Some(reference);
        }
    }

    /// Writes down all that a reader who begins anew is told.
    async fn look(&self) {
        let share = self.share();
        let reference = self.reference();
        let looked = self.told(async || self.read_all(&reference).await).await;
        match looked {
            Ok(what) => self.world.push(OWNER, what),
            Err(ClientError::Refused(refusal)) if self.says_gone(refusal.code) => {
                self.world.push(OWNER, What::FinalGone { share });
            }
            Err(error) => self.world.broken(format!(
                "unreadable: share {share} can't be read in the end: {error}"
            )),
        }
    }

    /// Whether a refusal says that the share is deleted. The journal of a deleted share has nothing but
    /// that: a server that is restored from before the bump that made the owner's ref does not know it.
    fn says_gone(&self, code: RefusalCode) -> bool {
        let may_be_unknown = self.is_deleted && self.world.plan.has("backup-restored");
        code == RefusalCode::Gone || (may_be_unknown && code == RefusalCode::NotAuthorized)
    }

    async fn read_all(&self, reference: &ShareRef) -> Result<What, ClientError> {
        let session = Session::redeem(&*self.connector, reference).await?;
        let mut subscription = session.subscribe(LogPosition::default()).await?;
        let mut log = Vec::new();
        loop {
            match subscription.next().await {
                Some(SubscriptionEvent::Ops(ops)) => log.extend(ops),
                Some(SubscriptionEvent::Live(_)) => break,
                Some(SubscriptionEvent::Ended(refusal)) => return Err(refusal.into()),
                Some(_) => {}
                None => {
                    let reason = "the subscription ended".into();
                    return Err(ClientError::Disconnected { reason });
                }
            }
        }
        let mut document = std::collections::BTreeMap::new();
        let read = session.document(|key, json| {
            document.insert(key.to_owned(), json.to_owned());
        });
        let at = read.await?;
        Ok(What::Final {
            share: reference.share,
            history: session.redeemed().history,
            log,
            document,
            cursor: at.position.cursor,
        })
    }
}
