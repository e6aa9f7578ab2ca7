//! What the owner does: creates shares, grants, and ends what it has granted.

use share_client::{ClientError, Session, attenuate_share, create_share, delete_share};
use share_model::seam::{Entropy, SystemEntropy};
use share_model::{
    Attenuate, BumpEpoch, CreateShare, GrantId, Origin, OriginKind, RefusalCode, RequestId, Right,
    Rights, Secret, ShareRef,
};

use super::connector;
use super::error::RealError;
use super::stage::{Shared, Stage};
use crate::history::{Authority, Trouble, What};

/// More than the owner's name has.
const ORIGIN_BYTES_MAX: u32 = 64;

/// How often an act is tried whose answer was lost.
const TRIES_MAX: u32 = 5;

fn origin() -> Origin {
    Origin::new(OriginKind::User, "owner".to_owned(), ORIGIN_BYTES_MAX)
        .expect("the id is neither empty nor long")
}

fn request_id(entropy: &dyn Entropy) -> RequestId {
    let mut bytes = [0; 16];
    entropy.fill(&mut bytes);
    RequestId::from_bytes(bytes)
}

/// A result as the history has it.
enum Done<T> {
    Acked(T),
    Failed(Trouble),
}

impl Stage {
    /// Creates a share; nothing is broken yet.
    pub(super) async fn create(&mut self) -> Result<(), RealError> {
        let factory = self.factory.clone().ok_or_else(|| RealError::TooLate {
            what: "there is no factory's ref",
            seconds: 0,
            seen: String::new(),
        })?;
        let entropy = SystemEntropy::default();
        let secret = Secret::random(&entropy);
        let create = CreateShare {
            request: request_id(&entropy),
            owner_secret_hash: secret.hash(),
            title: "chaos".to_owned(),
            origin: origin(),
        };
        let created = create_share(&connector(), &factory, &create).await;
        let (created, served) = created.map_err(RealError::call("create a share"))?;
        if self.shares.is_empty() {
            let history = served.history;
            self.story.tell("server", What::ServerStarted { history });
        }
        self.story.tell(
            "owner",
            What::Created {
                share: created.share,
                grant: created.grant,
                epoch: created.epoch,
            },
        );
        self.shares.push(Shared {
            owner: ShareRef {
                addresses: served.addresses,
                share: created.share,
                grant: created.grant,
                epoch: created.epoch,
                security: served.security,
                secret,
            },
            bumping: None,
            is_deleted: false,
        });
        Ok(())
    }

    /// Makes a grant that may read and append; nothing is broken yet.
    pub(super) async fn grant(&self, share: usize, label: &str) -> Result<ShareRef, RealError> {
        let owner = &self.shares[share].owner;
        let entropy = SystemEntropy::default();
        let secret = Secret::random(&entropy);
        let rights = Rights::of(&[Right::Read, Right::Append]);
        let request = Attenuate {
            request: request_id(&entropy),
            secret_hash: secret.hash(),
            rights,
            expires_at: None,
            label: label.to_owned(),
            sealed_for: None,
            origin: origin(),
        };
        let minted = attenuate_share(&connector(), &self.direct(owner), None, &request).await;
        let minted = minted.map_err(RealError::call("make a grant"))?;
        self.story.tell(
            "owner",
            What::Granted {
                share: owner.share,
                grant: minted.grant,
                parent: owner.grant,
                epoch: minted.epoch,
                rights,
                expires_at: minted.expires_at,
            },
        );
        Ok(ShareRef {
            grant: minted.grant,
            epoch: minted.epoch,
            secret,
            ..owner.clone()
        })
    }

    /// Ends the grants of an agent that has its own; then its refs open nothing.
    pub(super) async fn revoke(&mut self, agent: usize) -> Result<(), RealError> {
        for share in 0..self.shares.len() {
            let Some(reference) = self.agents[agent].refs.get(share).cloned() else {
                continue;
            };
            let is_owner = reference.grant == self.shares[share].owner.grant;
            if !is_owner && !self.shares[share].is_deleted {
                self.revoke_grant(share, reference.grant).await?;
            }
        }
        Ok(())
    }

    async fn revoke_grant(&mut self, share: usize, grant: GrantId) -> Result<(), RealError> {
        for _ in 0..TRIES_MAX {
            self.ensure_server().await?;
            let call = self.story.call();
            let end = What::End {
                call,
                share: self.shares[share].owner.share,
                authority: Authority::Grant(grant),
                request: None,
            };
            self.story.tell("owner", end);
            let owner = self.direct(&self.shares[share].owner);
            let done = match Session::redeem(&connector(), &owner).await {
                Ok(session) => told(session.revoke(grant, &origin()).await),
                Err(error) => Done::Failed(not_sent(&error)),
            };
            match done {
                Done::Acked(_) => {
                    let new_owner = None;
                    self.story
                        .tell("owner", What::AuthorityEnded { call, new_owner });
                    self.read_cursors().await;
                    return Ok(());
                }
                Done::Failed(why) if self.failed(call, &why) => return Ok(()),
                Done::Failed(_) => {}
            }
        }
        Ok(())
    }

    /// Tells that a call came to nothing; whether it is no use to try again.
    fn failed(&self, call: crate::history::Call, why: &Trouble) -> bool {
        let is_final = matches!(why, Trouble::Refused(_));
        let why = why.clone();
        self.story.tell("owner", What::NotDone { call, why });
        is_final
    }

    /// Bumps the epoch of a share: every ref of it is over but the new owner's, which all agents get
    /// when they start again.
    pub(super) async fn bump(&mut self, share: usize) -> Result<(), RealError> {
        let bumping = self.shares[share].bumping.clone();
        let bumping = bumping.unwrap_or_else(Bumping::new);
        self.shares[share].bumping = Some(bumping.clone());
        let Bumping { id, secret } = bumping;
        let request = BumpEpoch {
            request: id,
            owner_secret_hash: secret.hash(),
            origin: origin(),
        };
        for _ in 0..TRIES_MAX {
            if self.shares[share].is_deleted {
                return Ok(());
            }
            self.ensure_server().await?;
            let call = self.story.call();
            let owner = self.shares[share].owner.clone();
            let end = What::End {
                call,
                share: owner.share,
                authority: Authority::Before(owner.epoch.next()),
                request: Some(request.request),
            };
            self.story.tell("owner", end);
            let direct = self.direct(&owner);
            let asked = (&request, &secret);
            match told(share_client::rotate_share(&connector(), &direct, None, asked).await) {
                Done::Acked(bumped) => {
                    let new_owner = Some((bumped.grant, bumped.epoch));
                    self.story
                        .tell("owner", What::AuthorityEnded { call, new_owner });
                    let new = ShareRef {
                        grant: bumped.grant,
                        epoch: bumped.epoch,
                        secret,
                        ..owner
                    };
                    self.hand_out(share, &new);
                    self.read_cursors().await;
                    return Ok(());
                }
                Done::Failed(why) if self.failed(call, &why) => return Ok(()),
                Done::Failed(_) => {}
            }
        }
        Ok(())
    }

    /// Asks again for what has had no answer yet: it may have been done all the same.
    pub(super) async fn repeat_bumps(&mut self) -> Result<(), RealError> {
        for share in 0..self.shares.len() {
            if self.shares[share].bumping.is_some() {
                self.bump(share).await?;
            }
        }
        Ok(())
    }

    fn hand_out(&mut self, share: usize, new: &ShareRef) {
        self.shares[share].bumping = None;
        self.shares[share].owner = new.clone();
        for agent in &mut self.agents {
            if let Some(reference) = agent.refs.get_mut(share) {
                *reference = new.clone();
            }
        }
    }

    /// Freezes a share, or ends that, until it is so.
    pub(super) async fn set_frozen(&mut self, share: usize, frozen: bool) -> Result<(), RealError> {
        for _ in 0..TRIES_MAX {
            if self.shares[share].is_deleted {
                return Ok(());
            }
            self.ensure_server().await?;
            let call = self.story.call();
            let owner = self.direct(&self.shares[share].owner);
            let of = owner.share;
            let freeze = What::Freeze {
                call,
                share: of,
                frozen,
            };
            self.story.tell("owner", freeze);
            let done = match Session::redeem(&connector(), &owner).await {
                Ok(session) if frozen => told(session.freeze(&origin()).await),
                Ok(session) => told(session.unfreeze(&origin()).await),
                Err(error) => Done::Failed(not_sent(&error)),
            };
            match done {
                Done::Acked(_) => {
                    self.story.tell("owner", What::Frozen { call });
                    return Ok(());
                }
                Done::Failed(why) if self.failed(call, &why) => return Ok(()),
                Done::Failed(_) => {}
            }
        }
        Ok(())
    }

    /// Deletes the last share, until it is gone.
    pub(super) async fn delete(&mut self) -> Result<(), RealError> {
        let share = self.shares.len() - 1;
        for _ in 0..TRIES_MAX {
            self.ensure_server().await?;
            let call = self.story.call();
            let owner = self.direct(&self.shares[share].owner);
            let of = owner.share;
            self.story.tell("owner", What::Delete { call, share: of });
            // Whether it took effect or not, nothing is expected of it any more but at the end.
            match told(delete_share(&connector(), &owner, None, &origin()).await) {
                Done::Acked(_) => {
                    self.story.tell("owner", What::Deleted { call });
                    self.shares[share].is_deleted = true;
                    return Ok(());
                }
                Done::Failed(why) => {
                    let is_gone = why == Trouble::Refused(RefusalCode::Gone);
                    let is_final = self.failed(call, &why);
                    self.shares[share].is_deleted |= is_gone;
                    if is_final {
                        return Ok(());
                    }
                }
            }
        }
        Ok(())
    }
}

/// A bump that has had no answer yet: repeated, it is the same one.
#[derive(Debug, Clone)]
pub(super) struct Bumping {
    id: RequestId,
    secret: Secret,
}

impl Bumping {
    fn new() -> Self {
        let entropy = SystemEntropy::default();
        Self {
            id: request_id(&entropy),
            secret: Secret::random(&entropy),
        }
    }
}

fn told<T>(answer: Result<T, ClientError>) -> Done<T> {
    match answer {
        Ok(done) => Done::Acked(done),
        Err(error) => Done::Failed(Trouble::of(&error)),
    }
}

/// The call itself was never made.
fn not_sent(error: &ClientError) -> Trouble {
    match Trouble::of(error) {
        Trouble::Lost(why) => Trouble::NotSent(why),
        why => why,
    }
}
