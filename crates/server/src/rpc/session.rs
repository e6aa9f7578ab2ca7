//! A redeemed share on one connection.

use std::rc::Rc;

use capnp::Error;
use capnp::capability::{Params, Results};
use share_engine::{Authority, BumpEpoch, ClaimRequest};
use share_model::{
    Bumped, Claimed, GrantId, LogPosition, Origin, OriginKind, Redeemed, Refusal, RefusalCode,
    SnapshotAt,
};
use share_proto::persistent_capnp::persistent::{self, save_params, save_results};
use share_proto::share_capnp::{share_ref, share_session, sink, snapshot, subscription};
use share_proto::wire;

use super::appender::{Appender, ClaimedBy};
use super::arriving::Arriving;
use super::connection::Connection;
use super::exception::{exception, malformed};
use super::posted::claim_of;
use super::pump::{Around, Pump};
use super::quota::Held;
use super::reading::Reading;
use super::refused::Refused;
use super::snapshot::Snapshot;
use super::subscription::Subscription;
use crate::owner::{
    BumpCall, Claim, ClaimCall, Command, DocumentAt, DocumentCall, Outcome, SessionTicket,
    SubscribeCall, WritersCall,
};

mod authority;

use authority::read_as;

// The generator's own aliases name these parameters in an order that differs from build to build.
type SaveParams = Params<save_params::Owned<share_ref::Owned, capnp::text::Owned>>;
type SaveResults = Results<save_results::Owned<share_ref::Owned, capnp::text::Owned>>;

/// A session: who may call, of which share. It is given out while its ref is being redeemed; if
/// that is refused, so is every method. When authority has ended, the owner gives that refusal.
#[derive(Debug)]
pub(super) struct Session {
    connection: Rc<Connection>,
    opened: Arriving<Opened>,
    _held: Held,
}

/// What a ref has opened.
#[derive(Debug, Clone)]
pub(super) struct Opened {
    pub(super) reading: Reading,
    /// Refused if the authority has ended; the share's owner says so again at each call.
    pub(super) redeemed: Rc<Result<Redeemed, Refusal>>,
    /// Counts the session as live, while it is held.
    pub(super) _ticket: SessionTicket,
}

impl Session {
    pub(super) fn new(connection: Rc<Connection>, opened: Arriving<Opened>, held: Held) -> Self {
        Self {
            connection,
            opened,
            _held: held,
        }
    }

    /// Asks the owner of the share; gives also who asked.
    async fn call<C: Command>(
        &self,
        command: impl FnOnce(Authority) -> C,
    ) -> Outcome<(Reading, C::Answer)> {
        let _call = self.connection.begin_call()?;
        let asked = async {
            let reading = match self.opened.get().await? {
                Ok(opened) => opened.reading,
                Err(refusal) => return Ok(Err(refusal)),
            };
            let reply = reading.call(command(reading.authority.clone()), 0);
            let outcome = reply.outcome().await?;
            Ok(outcome.map(|answer| (reading, answer)))
        };
        self.connection.deadlines.within(asked).await
    }

    async fn claim(
        &self,
        params: share_session::ClaimWriterParams,
    ) -> Outcome<(Rc<ClaimedBy>, Claimed)> {
        let request = match read_claim(&params) {
            Ok(request) => request,
            Err(refusal) => return Ok(Err(refusal)),
        };
        let command = |authority| ClaimCall { authority, request };
        let claim = self.call(command).await?;
        Ok(claim.map(|(reading, Claim { appender, claimed })| {
            let ticket = appender;
            (Rc::new(ClaimedBy { reading, ticket }), claimed)
        }))
    }

    async fn bump(&self, params: share_session::BumpEpochParams) -> Outcome<Bumped> {
        let request = match read_bump(&params) {
            Ok(request) => request,
            Err(refusal) => return Ok(Err(refusal)),
        };
        let share = match self.opened.get().await? {
            Ok(opened) => opened.reading.handle.share(),
            Err(refusal) => return Ok(Err(refusal)),
        };
        let command = |authority: Authority| BumpCall {
            request: BumpEpoch {
                request: request.request,
                owner_grant: request.owner_grant(share, authority.epoch().next()),
                owner_secret_hash: request.owner_secret_hash,
                origin: request.origin,
            },
            authority,
        };
        Ok(self.call(command).await?.map(|(_, (bumped, _))| bumped))
    }

    async fn read_document(&self) -> Outcome<(Snapshot, SnapshotAt)> {
        let held = self.connection.snapshots.take()?;
        let document = self.call(DocumentCall).await?;
        Ok(document.map(|(reading, DocumentAt { at, document })| {
            let connection = Rc::clone(&self.connection);
            (Snapshot::new(connection, reading, document, held), at)
        }))
    }

    async fn follow(
        &self,
        params: share_session::SubscribeParams,
    ) -> Outcome<(Subscription, LogPosition)> {
        let (from, sink) = match read_subscribe(&params) {
            Ok(read) => read,
            Err(refusal) => return Ok(Err(refusal)),
        };
        drop(params);
        let Ok(held) = self.connection.subscriptions.take() else {
            return Ok(Err(too_many()));
        };
        let command = |authority| SubscribeCall { authority, from };
        let (reading, subscribed) = match self.call(command).await? {
            Ok(subscribed) => subscribed,
            Err(refusal) => return Ok(Err(refusal)),
        };
        let position = subscribed.position;
        let around = Around {
            answers: self.connection.answers.clone(),
            turnstile: Rc::clone(&self.connection.turnstile),
        };
        let door = self.connection.door.clone();
        let pump = Pump::new((door, around), reading, sink, subscribed);
        let pumping = async move {
            let _held = held;
            pump.run().await;
        };
        let subscription = Subscription(self.connection.run(pumping));
        Ok(Ok((subscription, position)))
    }
}

/// The origin of a grant that its holder's session made.
fn saved_by(grant: GrantId) -> Origin {
    Origin::new(
        OriginKind::System,
        format!("save of grant {grant}"),
        u32::MAX,
    )
    .expect("the id is not empty and has no bound")
}

fn too_many() -> Refusal {
    Refusal::new(
        RefusalCode::QuotaExceeded,
        "the connection has as many subscriptions as it may have",
    )
}

impl persistent::Server<share_ref::Owned, capnp::text::Owned> for Session {
    async fn save(
        self: Rc<Self>,
        params: SaveParams,
        mut results: SaveResults,
    ) -> Result<(), Error> {
        let seal_for = wire::read_seal_for(params.get()?.get_seal_for());
        let seal_for = seal_for.map_err(|error| Error::failed(Refusal::from(error).to_string()))?;
        let saved = self
            .save_ref(seal_for)
            .await
            .map_err(|fault| exception(&fault))?;
        let saved = saved.map_err(|refusal| Error::failed(refusal.to_string()))?;
        wire::write_share_ref(&saved, results.get().init_sturdy_ref());
        Ok(())
    }
}

impl share_session::Server for Session {
    async fn claim_writer(
        self: Rc<Self>,
        params: share_session::ClaimWriterParams,
        mut results: share_session::ClaimWriterResults,
    ) -> Result<(), Error> {
        let session = Rc::clone(&self);
        let claiming = async move { session.claim(params).await };
        let claimed = Arriving::begin(&self.connection, claiming);
        let appender = Appender::new(Rc::clone(&self.connection), claimed.clone());
        results.get().set_appender(capnp_rpc::new_client(appender));
        results.set_pipeline()?;
        let claimed = claimed.get().await.map_err(|fault| exception(&fault))?;
        let outcome = claimed.map(|(_, claimed)| claimed);
        wire::write_claim_outcome(&outcome, results.get().init_outcome());
        Ok(())
    }

    async fn document(
        self: Rc<Self>,
        _: share_session::DocumentParams,
        mut results: share_session::DocumentResults,
    ) -> Result<(), Error> {
        let read = self.read_document().await;
        let (snapshot, outcome) = match read.map_err(|fault| exception(&fault))? {
            Ok((snapshot, at)) => (capnp_rpc::new_client(snapshot), Ok(at)),
            Err(refusal) => {
                let refused: snapshot::Client = capnp_rpc::new_client(Refused(refusal.clone()));
                (refused, Err(refusal))
            }
        };
        let mut results = results.get();
        wire::write_snapshot_outcome(&outcome, results.reborrow().init_outcome());
        results.set_snapshot(snapshot);
        Ok(())
    }

    async fn subscribe(
        self: Rc<Self>,
        params: share_session::SubscribeParams,
        mut results: share_session::SubscribeResults,
    ) -> Result<(), Error> {
        let followed = self.follow(params).await;
        let (subscription, outcome) = match followed.map_err(|fault| exception(&fault))? {
            Ok((subscription, position)) => (capnp_rpc::new_client(subscription), Ok(position)),
            Err(refusal) => {
                let refused: subscription::Client = capnp_rpc::new_client(Refused(refusal.clone()));
                (refused, Err(refusal))
            }
        };
        let mut results = results.get();
        wire::write_subscribe_outcome(&outcome, results.reborrow().init_outcome());
        results.set_subscription(subscription);
        Ok(())
    }

    async fn bump_epoch(
        self: Rc<Self>,
        params: share_session::BumpEpochParams,
        mut results: share_session::BumpEpochResults,
    ) -> Result<(), Error> {
        let bumped = self.bump(params).await.map_err(|fault| exception(&fault))?;
        wire::write_bump_outcome(&bumped, results.get().init_outcome());
        Ok(())
    }

    async fn writers(
        self: Rc<Self>,
        _: share_session::WritersParams,
        mut results: share_session::WritersResults,
    ) -> Result<(), Error> {
        let turn = self.connection.turn().await;
        let _turn = turn.map_err(|fault| exception(&fault))?;
        let writers = self.call(WritersCall).await;
        let writers = writers.map_err(|fault| exception(&fault))?;
        let writers = writers.map(|(_, writers)| writers);
        wire::write_writers_outcome(&writers, results.get().init_outcome());
        Ok(())
    }

    async fn attenuate(
        self: Rc<Self>,
        params: share_session::AttenuateParams,
        mut results: share_session::AttenuateResults,
    ) -> Result<(), Error> {
        let minted = Session::attenuate(&self, params).await;
        let minted = minted.map_err(|fault| exception(&fault))?;
        wire::write_mint_outcome(&minted, results.get().init_outcome());
        Ok(())
    }

    async fn publish(
        self: Rc<Self>,
        params: share_session::PublishParams,
        mut results: share_session::PublishResults,
    ) -> Result<(), Error> {
        let minted = Session::publish(&self, params).await;
        let minted = minted.map_err(|fault| exception(&fault))?;
        wire::write_mint_outcome(&minted, results.get().init_outcome());
        Ok(())
    }

    async fn revoke_capability(
        self: Rc<Self>,
        params: share_session::RevokeCapabilityParams,
        mut results: share_session::RevokeCapabilityResults,
    ) -> Result<(), Error> {
        let cut = self.revoke(params).await;
        let cut = cut.map_err(|fault| exception(&fault))?;
        wire::write_end_outcome(&cut, results.get().init_outcome());
        Ok(())
    }

    async fn freeze(
        self: Rc<Self>,
        params: share_session::FreezeParams,
        mut results: share_session::FreezeResults,
    ) -> Result<(), Error> {
        let origin = params.get().and_then(|params| params.get_origin());
        let frozen = self
            .set_frozen(true, read_as(origin, wire::read_origin))
            .await;
        let frozen = frozen.map_err(|fault| exception(&fault))?;
        wire::write_freeze_outcome(&frozen, results.get().init_outcome());
        Ok(())
    }

    async fn unfreeze(
        self: Rc<Self>,
        params: share_session::UnfreezeParams,
        mut results: share_session::UnfreezeResults,
    ) -> Result<(), Error> {
        let origin = params.get().and_then(|params| params.get_origin());
        let frozen = self
            .set_frozen(false, read_as(origin, wire::read_origin))
            .await;
        let frozen = frozen.map_err(|fault| exception(&fault))?;
        wire::write_freeze_outcome(&frozen, results.get().init_outcome());
        Ok(())
    }

    async fn delete(
        self: Rc<Self>,
        params: share_session::DeleteParams,
        mut results: share_session::DeleteResults,
    ) -> Result<(), Error> {
        let cut = self.delete_share(params).await;
        let cut = cut.map_err(|fault| exception(&fault))?;
        wire::write_end_outcome(&cut, results.get().init_outcome());
        Ok(())
    }

    async fn grants(
        self: Rc<Self>,
        params: share_session::GrantsParams,
        mut results: share_session::GrantsResults,
    ) -> Result<(), Error> {
        let turn = self.connection.turn().await;
        let _turn = turn.map_err(|fault| exception(&fault))?;
        let grants = self.list_grants(params).await;
        let grants = grants.map_err(|fault| exception(&fault))?;
        wire::write_grants_outcome(&grants, results.get().init_outcome());
        Ok(())
    }

    async fn audit(
        self: Rc<Self>,
        params: share_session::AuditParams,
        mut results: share_session::AuditResults,
    ) -> Result<(), Error> {
        let turn = self.connection.turn().await;
        let _turn = turn.map_err(|fault| exception(&fault))?;
        let entries = self.read_audit(params).await;
        let entries = entries.map_err(|fault| exception(&fault))?;
        wire::write_audit_outcome(&entries, results.get().init_outcome());
        Ok(())
    }
}

fn read_claim(params: &share_session::ClaimWriterParams) -> Result<ClaimRequest, Refusal> {
    let request = wire::read_claim_request(params.get().map_err(malformed)?)?;
    Ok(claim_of(&request))
}

fn read_bump(params: &share_session::BumpEpochParams) -> Result<share_model::BumpEpoch, Refusal> {
    let request = params.get().and_then(|params| params.get_request());
    Ok(wire::read_bump_epoch(request.map_err(malformed)?)?)
}

fn read_subscribe(
    params: &share_session::SubscribeParams,
) -> Result<(LogPosition, sink::Client), Refusal> {
    let params = params.get().map_err(malformed)?;
    let from = wire::read_log_position(params.get_from().map_err(malformed)?)?;
    Ok((from, params.get_sink().map_err(malformed)?))
}
