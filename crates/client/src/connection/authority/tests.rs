//! What a client asks of a share's authority, and what a server may answer that does not end.

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;

use capnp::capability::{Params, Results};
use capnp_rpc::rpc_twoparty_capnp::Side;
use capnp_rpc::{RpcSystem, new_client, twoparty};
use futures_util::io::AsyncReadExt;
use share_model::{
    AuditEvent, Cursor, Epoch, FactoryAttenuate, FactoryRedeemed, FactoryRef, HistoryId,
    Incarnation, Limits, LogPosition, Nonce, OriginKind, OutboxKey, OwnerKey, Quotas, Redeemed,
    Refusal, RefusalCode, RequestId, Rights, Secret, SecretHash, Served, ShareId, Slug, UnixMs,
    Usage,
};
use share_proto::persistent_capnp::persistent;
use share_proto::share_capnp::{bootstrap, share_factory, share_ref, share_session};
use tokio::task::LocalSet;
use tokio_util::compat::TokioAsyncReadCompatExt;

use super::*;
use crate::connection::tests::server::{Pipes, reference};
use crate::connection::{
    Follower, RpcLink, attenuate_factory, factory_grants, revoke_factory_grant,
};
use crate::link::{LaneRequest, Link};

// The generator orders the parameters of its own aliases now so, now so.
type SaveParams = Params<persistent::save_params::Owned<share_ref::Owned, capnp::text::Owned>>;
type SaveResults = Results<persistent::save_results::Owned<share_ref::Owned, capnp::text::Owned>>;

/// A server that answers everything, and writes down what it was asked.
#[derive(Clone, Default)]
struct Double {
    asked: Rc<RefCell<Vec<String>>>,
    /// The pages of `grants` and `audit`, by their ids and numbers; then empty ones.
    pages: Rc<RefCell<Vec<Vec<u16>>>>,
    /// It tells one more item for ever.
    is_endless: bool,
    /// The ref was proven, and has ended.
    has_ended: bool,
}

impl Double {
    fn ask(&self, what: String) {
        self.asked.borrow_mut().push(what);
    }

    fn page(&self, after: u16) -> Vec<u16> {
        if self.is_endless {
            return (after..u16::MAX).take(256).map(|last| last + 1).collect();
        }
        let mut pages = self.pages.borrow_mut();
        match pages.is_empty() {
            true => Vec::new(),
            false => pages.remove(0),
        }
    }
}

/// Runs `test` against `double`.
async fn run(double: Double, test: impl AsyncFnOnce(&Pipes)) {
    let (pipes, local) = serve(double);
    local.run_until(test(&pipes)).await;
}

/// Serves `double` for as long as the set runs.
fn serve(double: Double) -> (Arc<Pipes>, LocalSet) {
    let (pipes, mut accepted) = Pipes::new();
    let serve = async move {
        while let Some(stream) = accepted.recv().await {
            let (reader, writer) = stream.compat().split();
            let network =
                twoparty::VatNetwork::new(reader, writer, Side::Server, Default::default());
            let bootstrap: bootstrap::Client = new_client(double.clone());
            tokio::task::spawn_local(RpcSystem::new(Box::new(network), Some(bootstrap.client)));
        }
    };
    let local = LocalSet::new();
    local.spawn_local(serve);
    (pipes, local)
}

fn redeemed() -> Redeemed {
    Redeemed {
        share: ShareId::from_bytes([9; 16]),
        cursor: Cursor::new(7),
        epoch: Epoch::new(1),
        history: HistoryId::from_bytes([3; 16]),
        rights: Rights::ALL,
        limits: Limits::DEFAULT,
        title: "a title".into(),
        created_at: UnixMs::new(1),
        origin: origin(),
        server: "s".into(),
        protocol_version: 1,
        grant: grant(2),
        expires_at: None,
        label: String::new(),
        owner: true,
        frozen: false,
    }
}

fn grant(number: u16) -> GrantId {
    let mut bytes = [0; 16];
    bytes[14..].copy_from_slice(&number.to_be_bytes());
    GrantId::from_bytes(bytes)
}

fn origin() -> Origin {
    Origin::new(OriginKind::User, "u".into(), 9).unwrap()
}

fn minted() -> Minted {
    Minted {
        grant: grant(5),
        epoch: Epoch::new(1),
        expires_at: None,
    }
}

fn cut() -> Cut {
    Cut {
        grants: 1,
        served: vec![Served {
            grant: grant(5),
            cursor: Cursor::new(6),
        }],
        ..Cut::default()
    }
}

fn bumped() -> Bumped {
    Bumped {
        epoch: Epoch::new(2),
        grant: grant(6),
        cut: cut(),
    }
}

impl bootstrap::Server for Double {
    async fn redeem_share(
        self: Rc<Self>,
        params: bootstrap::RedeemShareParams,
        mut results: bootstrap::RedeemShareResults,
    ) -> Result<(), capnp::Error> {
        let params = params.get()?;
        let reference = wire::read_share_ref_to_redeem(params.get_ref()?);
        let proof = wire::read_owner_proof(params.get_owner_proof());
        let owner = OwnerKey::from_bytes([7; 32]).id();
        let secret = reference.secret.hash();
        let is_proven =
            proof.map(|it| owner.is_proven(reference.share, reference.grant, &secret, &it));
        self.ask(format!("redeem, proven: {is_proven:?}"));
        let mut results = results.get();
        let answer = match self.has_ended {
            true => Err(Refusal::new(RefusalCode::Gone, "it was deleted")),
            false => Ok(redeemed()),
        };
        wire::write_redeem_outcome(&answer, results.reborrow().init_outcome());
        results.set_session(new_client(Self::clone(&self)));
        Ok(())
    }

    async fn redeem_slug(
        self: Rc<Self>,
        params: bootstrap::RedeemSlugParams,
        mut results: bootstrap::RedeemSlugResults,
    ) -> Result<(), capnp::Error> {
        let slug = wire::read_slug_to_redeem(params.get()?.get_slug());
        self.ask(format!("redeem slug of grant {}", slug.grant));
        let mut results = results.get();
        wire::write_redeem_outcome(&Ok(redeemed()), results.reborrow().init_outcome());
        results.set_session(new_client(Self::clone(&self)));
        Ok(())
    }

    async fn redeem_factory(
        self: Rc<Self>,
        _: bootstrap::RedeemFactoryParams,
        mut results: bootstrap::RedeemFactoryResults,
    ) -> Result<(), capnp::Error> {
        let redeemed = FactoryRedeemed {
            addresses: vec!["public:1".into()],
            security: share_model::Security::ByAddress,
            history: HistoryId::from_bytes([3; 16]),
            server: "s".into(),
            http_url: None,
        };
        let mut results = results.get();
        wire::write_factory_outcome(&Ok(redeemed), results.reborrow().init_outcome());
        results.set_factory(new_client(Self::clone(&self)));
        Ok(())
    }
}

impl share_factory::Server for Double {
    async fn attenuate(
        self: Rc<Self>,
        params: share_factory::AttenuateParams,
        mut results: share_factory::AttenuateResults,
    ) -> Result<(), capnp::Error> {
        let request = wire::read_factory_attenuate(params.get()?.get_request()?).unwrap();
        self.ask(format!(
            "factory grant for {} shares",
            request.quotas.shares_max
        ));
        wire::write_factory_mint_outcome(&Ok(grant(5)), results.get().init_outcome());
        Ok(())
    }

    async fn revoke(
        self: Rc<Self>,
        params: share_factory::RevokeParams,
        mut results: share_factory::RevokeResults,
    ) -> Result<(), capnp::Error> {
        let grant = wire::read_factory_revoke(params.get()?).unwrap();
        self.ask(format!("revoke factory grant {grant}"));
        wire::write_factory_revoke_outcome(&Ok(true), results.get().init_outcome());
        Ok(())
    }

    async fn grants(
        self: Rc<Self>,
        _: share_factory::GrantsParams,
        mut results: share_factory::GrantsResults,
    ) -> Result<(), capnp::Error> {
        let refusal = Refusal::new(RefusalCode::RightMissing, "no root");
        wire::write_factory_grants_outcome(&Err(refusal), results.get().init_outcome());
        Ok(())
    }
}

impl persistent::Server<share_ref::Owned, capnp::text::Owned> for Double {
    async fn save(
        self: Rc<Self>,
        params: SaveParams,
        mut results: SaveResults,
    ) -> Result<(), capnp::Error> {
        let owner = wire::read_seal_for(params.get()?.get_seal_for()).unwrap();
        self.ask(format!("save for {owner:?}"));
        wire::write_share_ref(&reference(), results.get().init_sturdy_ref());
        Ok(())
    }
}

impl share_session::Server for Double {
    async fn attenuate(
        self: Rc<Self>,
        params: share_session::AttenuateParams,
        mut results: share_session::AttenuateResults,
    ) -> Result<(), capnp::Error> {
        let request = wire::read_attenuate(params.get()?.get_request()?).unwrap();
        self.ask(format!("attenuate `{}`", request.label));
        wire::write_mint_outcome(&Ok(minted()), results.get().init_outcome());
        Ok(())
    }

    async fn publish(
        self: Rc<Self>,
        params: share_session::PublishParams,
        mut results: share_session::PublishResults,
    ) -> Result<(), capnp::Error> {
        let request = wire::read_publish(params.get()?.get_request()?).unwrap();
        self.ask(format!("publish `{}`", request.label));
        wire::write_mint_outcome(&Ok(minted()), results.get().init_outcome());
        Ok(())
    }

    async fn revoke_capability(
        self: Rc<Self>,
        params: share_session::RevokeCapabilityParams,
        mut results: share_session::RevokeCapabilityResults,
    ) -> Result<(), capnp::Error> {
        let request = wire::read_revoke_request(params.get()?).unwrap();
        self.ask(format!(
            "revoke {} by {}",
            request.grant,
            request.origin.id()
        ));
        wire::write_end_outcome(&Ok(cut()), results.get().init_outcome());
        Ok(())
    }

    async fn freeze(
        self: Rc<Self>,
        params: share_session::FreezeParams,
        mut results: share_session::FreezeResults,
    ) -> Result<(), capnp::Error> {
        let origin = wire::read_origin(params.get()?.get_origin()?).unwrap();
        self.ask(format!("freeze by {}", origin.id()));
        wire::write_freeze_outcome(&Ok(true), results.get().init_outcome());
        Ok(())
    }

    async fn unfreeze(
        self: Rc<Self>,
        params: share_session::UnfreezeParams,
        mut results: share_session::UnfreezeResults,
    ) -> Result<(), capnp::Error> {
        let origin = wire::read_origin(params.get()?.get_origin()?).unwrap();
        self.ask(format!("unfreeze by {}", origin.id()));
        wire::write_freeze_outcome(&Ok(false), results.get().init_outcome());
        Ok(())
    }

    async fn delete(
        self: Rc<Self>,
        params: share_session::DeleteParams,
        mut results: share_session::DeleteResults,
    ) -> Result<(), capnp::Error> {
        let origin = wire::read_origin(params.get()?.get_origin()?).unwrap();
        self.ask(format!("delete by {}", origin.id()));
        let answer = match self.has_ended {
            true => Ok(Cut::default()),
            false => Err(Refusal::new(RefusalCode::RightMissing, "no admin")),
        };
        wire::write_end_outcome(&answer, results.get().init_outcome());
        Ok(())
    }

    async fn bump_epoch(
        self: Rc<Self>,
        params: share_session::BumpEpochParams,
        mut results: share_session::BumpEpochResults,
    ) -> Result<(), capnp::Error> {
        let request = wire::read_bump_epoch(params.get()?.get_request()?).unwrap();
        self.ask(format!("bump by {}", request.origin.id()));
        wire::write_bump_outcome(&Ok(bumped()), results.get().init_outcome());
        Ok(())
    }

    async fn grants(
        self: Rc<Self>,
        params: share_session::GrantsParams,
        mut results: share_session::GrantsResults,
    ) -> Result<(), capnp::Error> {
        let after = wire::read_grants_request(params.get()?).unwrap();
        self.ask(format!("grants after {after:?}"));
        let after = after.map_or(0, |id| {
            u16::from_be_bytes([id.to_bytes()[14], id.to_bytes()[15]])
        });
        let page = self.page(after).into_iter().map(|number| GrantInfo {
            id: grant(number),
            rights: Rights::ALL,
            epoch: Epoch::new(1),
            created_at: UnixMs::new(1),
            expires_at: None,
            label: String::new(),
            parent: None,
            origin: origin(),
            sealed_for: None,
            published: false,
            revoked_at: None,
            sessions: 0,
            viewers: 0,
            usage: Usage::default(),
        });
        let page = Ok(page.collect());
        wire::write_grants_outcome(&page, results.get().init_outcome());
        Ok(())
    }

    async fn audit(
        self: Rc<Self>,
        params: share_session::AuditParams,
        mut results: share_session::AuditResults,
    ) -> Result<(), capnp::Error> {
        let after = params.get()?.get_after();
        self.ask(format!("audit after {after}"));
        let page = self.page(u16::try_from(after).unwrap());
        let page = page.into_iter().map(|number| AuditEntry {
            number: number.into(),
            at: UnixMs::new(1),
            last_at: UnixMs::new(1),
            count: 1,
            event: AuditEvent::Redeemed,
            grant: None,
            by: None,
            origin: None,
            client: String::new(),
            refusal: None,
            cursor: Cursor::ZERO,
        });
        let page = Ok(page.collect());
        wire::write_audit_outcome(&page, results.get().init_outcome());
        Ok(())
    }
}

fn attenuate_request() -> Attenuate {
    Attenuate {
        request: RequestId::from_bytes([1; 16]),
        secret_hash: SecretHash::from_bytes([2; 32]),
        rights: Rights::ALL,
        expires_at: None,
        label: "for ann".into(),
        sealed_for: None,
        origin: origin(),
    }
}

fn publish_request() -> Publish {
    Publish {
        slug_hash: SecretHash::from_bytes([2; 32]),
        expires_at: None,
        label: "page".into(),
        origin: origin(),
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_asked_arrives_and_what_is_answered_comes_as_values() {
    let double = Double::default();
    let asked = Rc::clone(&double.asked);
    let test = async |pipes: &Pipes| {
        let session = Session::redeem(pipes, &reference()).await.unwrap();
        assert_eq!(session.attenuate(&attenuate_request()).await, Ok(minted()));
        assert_eq!(session.publish(&publish_request()).await, Ok(minted()));
        assert_eq!(session.revoke(grant(5), &origin()).await, Ok(cut()));
        assert_eq!(session.freeze(&origin()).await, Ok(true));
        assert_eq!(session.unfreeze(&origin()).await, Ok(false));
        let refused = session.delete(&origin()).await.unwrap_err();
        let expected = Refusal::new(RefusalCode::RightMissing, "no admin");
        assert_eq!(refused, ClientError::Refused(expected));
        let saved = session.save().await.unwrap();
        assert_eq!(saved.expose(), reference().expose());
        let owner = OwnerId::from_bytes([1; 32]);
        session.save_for(Some(owner)).await.unwrap();
    };
    run(double, test).await;
    let expected = [
        "redeem, proven: None",
        "attenuate `for ann`",
        "publish `page`",
        "revoke 00000000000000000000000000000005 by u",
        "freeze by u",
        "unfreeze by u",
        "delete by u",
        "save for None",
        "save for Some(OwnerId(AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE))",
    ];
    assert_eq!(*asked.borrow(), expected);
}

/// The session's own answer is not waited for.
#[tokio::test(start_paused = true)]
async fn a_grant_is_asked_for_together_with_the_redeem() {
    let double = Double::default();
    let asked = Rc::clone(&double.asked);
    let test = async |pipes: &Pipes| {
        let key = OwnerKey::from_bytes([7; 32]);
        let (reference, request) = (reference(), attenuate_request());
        let answer = attenuate_share(pipes, &reference, Some(&key), &request).await;
        assert_eq!(answer, Ok(minted()));
        let answer = publish_share(pipes, &reference, None, &publish_request()).await;
        assert_eq!(answer, Ok(minted()));
    };
    run(double, test).await;
    let expected = [
        "redeem, proven: Some(true)",
        "attenuate `for ann`",
        "redeem, proven: None",
        "publish `page`",
    ];
    assert_eq!(*asked.borrow(), expected);
}

/// The answer to what ended the ref may have been lost: it is asked for again with the same ref.
#[tokio::test(start_paused = true)]
async fn what_ended_a_ref_is_repeated_under_that_ref() {
    let double = Double {
        has_ended: true,
        ..Double::default()
    };
    let asked = Rc::clone(&double.asked);
    let test = async |pipes: &Pipes| {
        let refused = Session::redeem(pipes, &reference()).await.unwrap_err();
        let gone = Refusal::new(RefusalCode::Gone, "it was deleted");
        assert_eq!(refused, ClientError::Refused(gone));
        let deleted = delete_share(pipes, &reference(), None, &origin()).await;
        assert_eq!(deleted, Ok(Cut::default()));
        let request = BumpEpoch {
            request: RequestId::from_bytes([1; 16]),
            owner_secret_hash: SecretHash::from_bytes([2; 32]),
            origin: origin(),
        };
        let key = OwnerKey::from_bytes([7; 32]);
        let answer = bump_epoch(pipes, &reference(), Some(&key), &request).await;
        assert_eq!(answer, Ok(bumped()));
    };
    run(double, test).await;
    let expected = [
        "redeem, proven: None",
        "redeem, proven: None",
        "delete by u",
        "redeem, proven: Some(true)",
        "bump by u",
    ];
    assert_eq!(*asked.borrow(), expected);
}

#[tokio::test(start_paused = true)]
async fn an_owner_proves_itself_when_it_redeems_and_a_slug_is_sent_as_it_is() {
    let double = Double::default();
    let asked = Rc::clone(&double.asked);
    let test = async |pipes: &Pipes| {
        let key = OwnerKey::from_bytes([7; 32]);
        let session = Session::redeem_as(pipes, &reference(), Some(&key)).await;
        assert_eq!(session.unwrap().redeemed(), &redeemed());
        let slug = Slug::from_bytes([0; 16]);
        let session = Session::redeem_slug(
            pipes,
            &["public:1".into()],
            share_model::Security::ByAddress,
            &slug,
        )
        .await;
        assert_eq!(session.unwrap().redeemed(), &redeemed());
    };
    run(double, test).await;
    let expected = [
        "redeem, proven: Some(true)",
        "redeem slug of grant afef6c89cb748db6af8ac9cf6143a966",
    ];
    assert_eq!(*asked.borrow(), expected);
}

/// A sealed ref is good for the replay and for a viewer as well.
#[tokio::test(start_paused = true)]
async fn the_replay_and_a_follower_prove_their_owner_too() {
    let double = Double::default();
    let asked = Rc::clone(&double.asked);
    let (pipes, local) = serve(double);
    let test = async {
        let owner = Some(OwnerKey::from_bytes([7; 32]));
        let link = RpcLink::new(pipes.clone()).with_owner(owner.clone());
        let request = LaneRequest {
            reference: reference(),
            key: OutboxKey::from_bytes([1; 32]),
            incarnation: Incarnation::new(0),
            nonce: Nonce::from_bytes([2; 16]),
            history: None,
        };
        let lane = link.open(request).await.unwrap();
        assert_eq!(lane.redeemed.await, Ok(redeemed()));
        let follower = Follower::new(pipes, reference(), LogPosition::default());
        // This server has no log.
        let end = follower.with_owner(owner).next().await.unwrap_err();
        assert!(matches!(end, ClientError::Unimplemented { .. }), "{end:?}");
    };
    local.run_until(test).await;
    assert_eq!(*asked.borrow(), ["redeem, proven: Some(true)"; 2]);
}

#[tokio::test(start_paused = true)]
async fn grants_and_audit_are_read_page_by_page_to_an_empty_one() {
    let double = Double::default();
    let (asked, pages) = (Rc::clone(&double.asked), Rc::clone(&double.pages));
    let test = async |pipes: &Pipes| {
        let session = Session::redeem(pipes, &reference()).await.unwrap();
        *pages.borrow_mut() = vec![vec![1, 2], vec![4]];
        let ids: Vec<_> = session
            .grants()
            .await
            .unwrap()
            .iter()
            .map(|it| it.id)
            .collect();
        assert_eq!(ids, [grant(1), grant(2), grant(4)]);
        *pages.borrow_mut() = vec![vec![8, 9], vec![12]];
        let told = session.audit(7).await.unwrap();
        let numbers: Vec<_> = told.iter().map(|it| it.number).collect();
        assert_eq!(numbers, [8, 9, 12]);
    };
    run(double, test).await;
    let expected = [
        "grants after None",
        "grants after Some(GrantId(00000000000000000000000000000002))",
        "grants after Some(GrantId(00000000000000000000000000000004))",
        "audit after 7",
        "audit after 9",
        "audit after 12",
    ];
    assert_eq!(asked.borrow()[1..], expected);
}

#[track_caller]
fn fails<T: std::fmt::Debug>(answer: Result<T, ClientError>, expected: &str) {
    match answer {
        Err(ClientError::Failed { reason }) => assert_eq!(reason, expected),
        other => panic!("{other:?}"),
    }
}

#[tokio::test(start_paused = true)]
async fn pages_that_do_not_go_on_are_a_fault() {
    let double = Double::default();
    let pages = Rc::clone(&double.pages);
    let test = async |pipes: &Pipes| {
        let session = Session::redeem(pipes, &reference()).await.unwrap();
        for told in [vec![vec![1, 2], vec![2]], vec![vec![2, 1]]] {
            *pages.borrow_mut() = told.clone();
            fails(session.grants().await, "a page of grants does not go on");
            *pages.borrow_mut() = told;
            fails(session.audit(0).await, "a page of the audit does not go on");
        }
        // Not above what was asked for.
        *pages.borrow_mut() = vec![vec![7]];
        fails(session.audit(7).await, "a page of the audit does not go on");
    };
    run(double, test).await;
}

#[tokio::test(start_paused = true)]
async fn pages_that_do_not_end_are_a_fault() {
    let double = Double {
        is_endless: true,
        ..Double::default()
    };
    let test = async |pipes: &Pipes| {
        let session = Session::redeem(pipes, &reference()).await.unwrap();
        let grants = "it tells more than 16384 items of grants";
        fails(session.grants().await, grants);
        let audit = "it tells more than 16384 items of the audit";
        fails(session.audit(0).await, audit);
    };
    run(double, test).await;
}

#[tokio::test(start_paused = true)]
async fn a_factorys_grants_are_asked_for_in_one_round_trip_with_the_redeem() {
    let double = Double::default();
    let asked = Rc::clone(&double.asked);
    let test = async |pipes: &Pipes| {
        let factory = FactoryRef {
            addresses: vec!["server:1".into()],
            grant: grant(1),
            security: share_model::Security::ByAddress,
            secret: Secret::from_bytes([7; 32]),
        };
        let request = FactoryAttenuate {
            request: RequestId::from_bytes([1; 16]),
            secret_hash: SecretHash::from_bytes([2; 32]),
            quotas: Quotas {
                shares_max: 3,
                ..Quotas::default()
            },
            label: String::new(),
            origin: origin(),
        };
        let (made, served) = attenuate_factory(pipes, &factory, &request).await.unwrap();
        assert_eq!(
            (made, served.addresses),
            (grant(5), vec!["public:1".to_owned()])
        );
        assert_eq!(revoke_factory_grant(pipes, &factory, made).await, Ok(true));
        let refusal = Refusal::new(RefusalCode::RightMissing, "no root");
        let refused = factory_grants(pipes, &factory).await;
        assert_eq!(refused, Err(ClientError::Refused(refusal)));
    };
    run(double, test).await;
    let expected = [
        "factory grant for 3 shares",
        "revoke factory grant 00000000000000000000000000000005",
    ];
    assert_eq!(*asked.borrow(), expected);
}
