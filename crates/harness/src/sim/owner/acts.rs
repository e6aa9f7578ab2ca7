//! What an owner does to a share while it is used.

use share_client::{ClientError, Session, attenuate_share, delete_share, rotate_share};
use share_model::{
    Attenuate, BumpEpoch, GrantId, RequestId, Right, Rights, Secret, ShareRef, UnixMs,
};

use super::{Given, OWNER, Owner, origin};
use crate::history::{Authority, Trouble, What};

/// An act, by the operation that switches it on.
const ACTS: &[&str] = &[
    "revoke",
    "revoke-above",
    "bump",
    "freeze",
    "delete",
    "expire",
];

impl Owner {
    /// Acts now and then.
    pub(super) async fn act_until_calm(&mut self) {
        while !self.world.is_calm() {
            let gap = self.world.plan.act_gap_ms;
            self.pause(self.chance.between(1, 2 * gap)).await;
            self.take_new_owner_ref();
            if self.is_deleted || self.world.is_calm() {
                continue;
            }
            let on: Vec<_> = ACTS.iter().filter(|act| self.world.plan.has(act)).collect();
            match self.chance.pick(&on) {
                Some(&&"revoke") => self.revoke(false).await,
                Some(&&"revoke-above") => self.revoke(true).await,
                Some(&&"bump") if self.chance.permille(500) => self.bump().await,
                Some(&&"freeze") => self.freeze_for_a_while().await,
                Some(&&"delete") if self.chance.permille(120) => self.delete().await,
                Some(&&"expire") => self.give_for_a_while().await,
                _ => drop(self.read_cursor().await),
            }
        }
    }

    /// New refs for everybody.
    pub(super) async fn give_all(&mut self) {
        let agents = self.world.board().agents.clone();
        for agent in agents {
            let rights = Rights::of(&[Right::Read, Right::Append]);
            self.give(&agent, rights, None).await;
        }
        let readers = self.world.board().readers.clone();
        for reader in readers {
            self.give(&reader, Rights::of(&[Right::Read]), None).await;
        }
    }

    /// A ref with these rights; now and then by way of a grant in between.
    async fn give(&mut self, to: &str, rights: Rights, expires_at: Option<UnixMs>) {
        let mut above = self.reference();
        if self.world.plan.has("delegate") && self.chance.permille(400) {
            // Only who administers gives grants on.
            let Some(between) = self.mint(&above, Rights::ALL, None).await else {
                return;
            };
            self.given.push(Given {
                to: None,
                grant: between.grant,
            });
            above = between;
        }
        if let Some(reference) = self.mint(&above, rights, expires_at).await {
            self.given.push(Given {
                to: Some(to.to_owned()),
                grant: reference.grant,
            });
            self.world.board().give(to, reference);
        }
    }

    async fn mint(
        &self,
        above: &ShareRef,
        rights: Rights,
        expires_at: Option<UnixMs>,
    ) -> Option<ShareRef> {
        let secret = Secret::random(&*self.chance.entropy());
        let request = Attenuate {
            request: RequestId::new(&*self.clock, &*self.chance.entropy()),
            secret_hash: secret.hash(),
            rights,
            expires_at,
            label: "given".into(),
            sealed_for: None,
            origin: origin(),
        };
        let minted = self
            .told(async || attenuate_share(&*self.connector, above, None, &request).await)
            .await;
        let minted = match minted {
            Ok(minted) => minted,
            Err(error) => {
                self.world.trace(&format!("no grant: {error}"));
                return None;
            }
        };
        let (share, grant, epoch) = (above.share, minted.grant, minted.epoch);
        let what = What::Granted {
            share,
            grant,
            parent: above.grant,
            epoch,
            rights,
            expires_at: minted.expires_at,
        };
        self.world.push(OWNER, what);
        Some(ShareRef {
            grant,
            epoch,
            secret,
            ..above.clone()
        })
    }

    /// A ref that runs out soon.
    async fn give_for_a_while(&mut self) {
        let agents = self.world.board().agents.clone();
        let Some(agent) = self.chance.pick(&agents).cloned() else {
            return;
        };
        let ms = self.chance.between(500, 4_000);
        let expires_at = self.world.server.clock().now().plus_ms(ms);
        let rights = Rights::of(&[Right::Read, Right::Append]);
        self.give(&agent, rights, Some(expires_at)).await;
        self.pause(ms + self.chance.between(0, 1_500)).await;
        self.read_cursor().await;
        if !self.world.is_calm() {
            self.give(&agent, rights, None).await;
        }
    }

    /// Takes a grant back, or one that others hang below; whoever had it gets another one later.
    async fn revoke(&mut self, above: bool) {
        let could = |given: &&Given| given.to.is_none() == above;
        let grants: Vec<GrantId> = self.given.iter().filter(could).map(|it| it.grant).collect();
        // The newest are those in use.
        let newest = &grants[grants.len().saturating_sub(4)..];
        let Some(grant) = self.chance.pick(newest).copied() else {
            return;
        };
        let (share, reference) = (self.share(), self.reference());
        let call = self.world.history.call();
        let end = What::End {
            call,
            share,
            authority: Authority::Grant(grant),
            request: None,
        };
        self.world.push(OWNER, end);
        let revoked = self
            .told(async || {
                let session = Session::redeem(&*self.connector, &reference).await?;
                session.revoke(grant, &origin()).await
            })
            .await;
        match revoked {
            Ok(_) => {
                let new_owner = None;
                self.world
                    .push(OWNER, What::AuthorityEnded { call, new_owner });
                self.read_cursor().await;
                self.pause(self.chance.between(100, 1_500)).await;
                self.replace(grant).await;
            }
            Err(error) => self.not_done(call, &error),
        }
    }

    /// Whoever had this grant, or one below it, gets another one.
    async fn replace(&mut self, grant: GrantId) {
        let had = self.given.iter().find(|given| given.grant == grant);
        let to = had.and_then(|given| given.to.clone());
        self.given.retain(|given| given.grant != grant);
        match to {
            Some(to) if self.world.board().readers.contains(&to) => {
                self.give(&to, Rights::of(&[Right::Read]), None).await;
            }
            Some(to) => {
                let rights = Rights::of(&[Right::Read, Right::Append]);
                self.give(&to, rights, None).await;
            }
            // Nobody knows who hangs below it.
            None => self.give_all().await,
        }
    }

    async fn bump(&mut self) {
        let (share, reference) = (self.share(), self.reference());
        let secret = Secret::random(&*self.chance.entropy());
        let request = BumpEpoch {
            request: RequestId::new(&*self.clock, &*self.chance.entropy()),
            owner_secret_hash: secret.hash(),
            origin: origin(),
        };
        let call = self.world.history.call();
        let end = What::End {
            call,
            share,
            authority: Authority::Before(reference.epoch.next()),
            request: Some(request.request),
        };
        self.world.push(OWNER, end);
        let bumped = self
            .told(async || {
                rotate_share(&*self.connector, &reference, None, (&request, &secret)).await
            })
            .await;
        match bumped {
            Ok(bumped) => {
                let new_owner = Some((bumped.grant, bumped.epoch));
                self.world
                    .push(OWNER, What::AuthorityEnded { call, new_owner });
                self.owner_ref = Some(ShareRef {
                    grant: bumped.grant,
                    epoch: bumped.epoch,
                    secret,
                    ..reference
                });
                self.given.clear();
                self.read_cursor().await;
                self.pause(self.chance.between(100, 1_500)).await;
                self.give_all().await;
            }
            Err(error) => self.not_done(call, &error),
        }
    }

    async fn freeze_for_a_while(&mut self) {
        if self.set_frozen(true).await {
            self.read_cursor().await;
            self.pause(self.chance.between(100, 2_000)).await;
            self.read_cursor().await;
            self.set_frozen(false).await;
        }
    }

    /// Whether it came to that.
    pub(super) async fn set_frozen(&mut self, frozen: bool) -> bool {
        let (share, reference) = (self.share(), self.reference());
        let call = self.world.history.call();
        let what = What::Freeze {
            call,
            share,
            frozen,
        };
        self.world.push(OWNER, what);
        let done = self
            .told(async || {
                let session = Session::redeem(&*self.connector, &reference).await?;
                match frozen {
                    true => session.freeze(&origin()).await,
                    false => session.unfreeze(&origin()).await,
                }
            })
            .await;
        match done {
            Ok(_) => {
                self.world.push(OWNER, What::Frozen { call });
                true
            }
            Err(error) => {
                self.not_done(call, &error);
                false
            }
        }
    }

    async fn delete(&mut self) {
        let (share, reference) = (self.share(), self.reference());
        let call = self.world.history.call();
        self.world.push(OWNER, What::Delete { call, share });
        let deleted = self
            .told(async || delete_share(&*self.connector, &reference, None, &origin()).await)
            .await;
        match deleted {
            Ok(_) => {
                self.is_deleted = true;
                self.world.push(OWNER, What::Deleted { call });
            }
            Err(error) => self.not_done(call, &error),
        }
    }

    fn not_done(&self, call: u64, error: &ClientError) {
        let why = Trouble::of(error);
        self.world.push(OWNER, What::NotDone { call, why });
    }
}
