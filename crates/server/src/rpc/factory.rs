//! Creating shares, who may do it, and backups of all of them.

use std::rc::Rc;

use capnp::Error;
use share_model::{
    BackupMade, CreateShare, CreatedShare, FactoryGrantInfo, FactoryRedeemed, GrantId, Refusal,
};
use share_proto::share_capnp::share_factory;
use share_proto::wire;

use super::backup::Backup;
use super::connection::Connection;
use super::exception::{exception, malformed};
use super::refused::Refused;
use super::{Door, in_time};
use crate::backup::OpenBackup;
use crate::factory::creation;
use crate::owner::{Outcome, server_name};

/// A redeemed factory.
#[derive(Debug)]
pub(super) struct ShareFactory {
    connection: Rc<Connection>,
    grant: GrantId,
}

impl ShareFactory {
    pub(super) fn new(connection: Rc<Connection>, grant: GrantId) -> Self {
        Self { connection, grant }
    }

    async fn create(&self, params: share_factory::CreateShareParams) -> Outcome<CreatedShare> {
        let _call = self.connection.begin_call()?;
        let request = match read_request(&params) {
            Ok(request) => request,
            Err(refusal) => return Ok(Err(refusal)),
        };
        let door = &self.connection.door;
        door.within(create_share(door, self.grant, request)).await
    }

    async fn attenuate(&self, params: share_factory::AttenuateParams) -> Outcome<GrantId> {
        let _call = self.connection.begin_call()?;
        let request = params.get().and_then(|params| params.get_request());
        let request = request.map_err(malformed);
        let read = request.and_then(|request| Ok(wire::read_factory_attenuate(request)?));
        let request = match read {
            Ok(request) => request,
            Err(refusal) => return Ok(Err(refusal)),
        };
        let door = &self.connection.door;
        let attenuate = door.factory.attenuate(self.grant, request);
        door.within(attenuate).await
    }

    async fn revoke(&self, params: share_factory::RevokeParams) -> Outcome<bool> {
        let _call = self.connection.begin_call()?;
        let read = params.get().map_err(malformed);
        let read = read.and_then(|params| Ok(wire::read_factory_revoke(params)?));
        let grant = match read {
            Ok(grant) => grant,
            Err(refusal) => return Ok(Err(refusal)),
        };
        let door = &self.connection.door;
        door.within(door.factory.revoke(self.grant, grant)).await
    }

    async fn list(&self) -> Outcome<Vec<FactoryGrantInfo>> {
        let _call = self.connection.begin_call()?;
        let door = &self.connection.door;
        door.within(door.factory.list(self.grant)).await
    }

    /// Copying takes as long as the store is large: it has a deadline of its own.
    async fn make_backup(&self) -> Outcome<OpenBackup> {
        let _call = self.connection.begin_call()?;
        let door = &self.connection.door;
        if let Err(refusal) = door.factory.check_root(self.grant) {
            return Ok(Err(refusal));
        }
        in_time(door.limits.backup_deadline, door.backups.make()).await
    }
}

/// Creates a share under a grant that was redeemed, within its quotas.
pub(super) async fn create_share(
    door: &Door,
    grant: GrantId,
    request: CreateShare,
) -> Outcome<CreatedShare> {
    if let Err(refusal) = door.factory.check(grant) {
        return Ok(Err(refusal));
    }
    let request = creation(grant, request);
    let usage = door.factory.uses().of(grant);
    match usage.begin_share(request.share).await? {
        Ok(counted) => door.hub.create(request, counted).await,
        Err(refusal) => Ok(Err(refusal)),
    }
}

/// What the server tells of itself to who has redeemed a factory.
pub(super) fn redeemed_of(door: &Door) -> FactoryRedeemed {
    let served = door.factory.served().clone();
    FactoryRedeemed {
        addresses: served.addresses,
        security: served.security,
        history: door.hub.history(),
        server: server_name().to_owned(),
        http_url: served.http_url,
    }
}

impl share_factory::Server for ShareFactory {
    async fn create_share(
        self: Rc<Self>,
        params: share_factory::CreateShareParams,
        mut results: share_factory::CreateShareResults,
    ) -> Result<(), Error> {
        let outcome = self.create(params).await;
        let outcome = outcome.map_err(|fault| exception(&fault))?;
        wire::write_create_outcome(&outcome, results.get().init_outcome());
        Ok(())
    }

    async fn attenuate(
        self: Rc<Self>,
        params: share_factory::AttenuateParams,
        mut results: share_factory::AttenuateResults,
    ) -> Result<(), Error> {
        let minted = Self::attenuate(&self, params).await;
        let minted = minted.map_err(|fault| exception(&fault))?;
        wire::write_factory_mint_outcome(&minted, results.get().init_outcome());
        Ok(())
    }

    async fn revoke(
        self: Rc<Self>,
        params: share_factory::RevokeParams,
        mut results: share_factory::RevokeResults,
    ) -> Result<(), Error> {
        let revoked = Self::revoke(&self, params).await;
        let revoked = revoked.map_err(|fault| exception(&fault))?;
        wire::write_factory_revoke_outcome(&revoked, results.get().init_outcome());
        Ok(())
    }

    async fn grants(
        self: Rc<Self>,
        _: share_factory::GrantsParams,
        mut results: share_factory::GrantsResults,
    ) -> Result<(), Error> {
        let turn = self.connection.turn().await;
        let _turn = turn.map_err(|fault| exception(&fault))?;
        let grants = self.list().await.map_err(|fault| exception(&fault))?;
        wire::write_factory_grants_outcome(&grants, results.get().init_outcome());
        Ok(())
    }

    async fn backup(
        self: Rc<Self>,
        _: share_factory::BackupParams,
        mut results: share_factory::BackupResults,
    ) -> Result<(), Error> {
        let made = self.make_backup().await;
        let made = made.map_err(|fault| exception(&fault))?;
        let (backup, outcome): (_, Result<BackupMade, Refusal>) = match made {
            Ok(backup) => {
                let made = backup.made();
                let backup = Backup::new(Rc::clone(&self.connection), backup);
                (capnp_rpc::new_client(backup), Ok(made))
            }
            Err(refusal) => (
                capnp_rpc::new_client(Refused(refusal.clone())),
                Err(refusal),
            ),
        };
        let mut results = results.get();
        wire::write_backup_outcome(&outcome, results.reborrow().init_outcome());
        results.set_backup(backup);
        Ok(())
    }
}

fn read_request(params: &share_factory::CreateShareParams) -> Result<CreateShare, Refusal> {
    let request = params.get().and_then(|params| params.get_request());
    Ok(wire::read_create_share(request.map_err(malformed)?)?)
}
