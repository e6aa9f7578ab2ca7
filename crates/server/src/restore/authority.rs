//! A restore without the journal: every grant ends, and each share gets a new owner.

use serde::Serialize;
use share_engine::{Ends, EpochBumped, Grant};
use share_model::{
    FactoryRef, GrantId, Limits, Origin, OriginKind, RequestId, Rights, Secret, Security, ShareId,
    ShareRef,
};

use crate::factory::ServedAt;
use crate::journal::{erase_share, load_share};
use crate::seams::Seams;
use crate::server::ServerError;
use crate::store::{CommitOutcome, ShareCommit, Store, StoreError};

/// Shares that are listed at a time.
const SHARES_PAGE: usize = 1024;
/// Where a server listens if nothing else is said.
const ADDRESS: &str = "127.0.0.1:7420";

/// The new owners' refs, with what tells people which is which. Its `Debug` shows no secret.
#[derive(Debug, Default)]
pub(super) struct OwnerRefs(Vec<(ShareRef, String)>);

/// One line of the file. Persisted by who keeps it: keep stable.
#[derive(Serialize)]
struct Line<'a> {
    share: String,
    title: &'a str,
    epoch: u64,
    r#ref: String,
}

impl OwnerRefs {
    pub(super) fn count(&self) -> u64 {
        self.0.len() as u64
    }

    /// One JSON object per line.
    pub(super) fn to_lines(&self) -> String {
        let mut lines = String::new();
        for (owner, title) in &self.0 {
            let line = Line {
                share: owner.share.to_string(),
                title,
                epoch: owner.epoch.get(),
                r#ref: owner.expose(),
            };
            lines += &serde_json::to_string(&line).expect("numbers and text can be written");
            lines.push('\n');
        }
        lines
    }
}

/// Where the new refs say that the server is, and how connections are protected: as the factory's
/// ref does, for the server's certificate stays.
pub(super) fn served(advertise: &[String], factory: Option<&FactoryRef>) -> ServedAt {
    let addresses = match (advertise, factory) {
        ([], Some(factory)) if !factory.addresses.is_empty() => factory.addresses.clone(),
        ([], _) => vec![ADDRESS.to_owned()],
        (advertise, _) => advertise.to_vec(),
    };
    ServedAt {
        addresses,
        security: factory.map_or(Security::ByAddress, |factory| factory.security),
        http_url: None,
    }
}

/// Ends every grant of every share and mints new owners.
pub(super) async fn end_all(
    store: &dyn Store,
    seams: &Seams,
    served: &ServedAt,
) -> Result<OwnerRefs, ServerError> {
    let mut refs = OwnerRefs::default();
    let mut after = None;
    loop {
        let page = store.shares(after, SHARES_PAGE).await?;
        let Some((last, _)) = page.last() else {
            return Ok(refs);
        };
        after = Some(*last);
        for (share, _) in page {
            refs.0.extend(end(store, seams, (share, served)).await?);
        }
    }
}

/// Ends the grants of one share; its new owner's ref and its title.
async fn end(
    store: &dyn Store,
    seams: &Seams,
    (share, served): (ShareId, &ServedAt),
) -> Result<Option<(ShareRef, String)>, ServerError> {
    let Some(mut state) = load_share(store, share).await? else {
        return Ok(None);
    };
    if state.is_deleted() {
        // Nobody gets in, and there is nothing to get.
        erase_share(store, share).await?;
        return Ok(None);
    }
    let (clock, entropy) = (&*seams.clock, &*seams.entropy);
    let (now, expected) = (clock.now(), state.version());
    let owner = ShareRef {
        addresses: served.addresses.clone(),
        share,
        grant: GrantId::new(clock, entropy),
        epoch: state.epoch_after_restore(),
        security: served.security,
        secret: Secret::random(entropy),
    };
    let origin = Origin::new(
        OriginKind::System,
        "restore".to_owned(),
        Limits::DEFAULT.label_bytes_max,
    );
    let bumped = EpochBumped {
        request: RequestId::new(clock, entropy),
        // Nobody's: no grant asked for it.
        by: GrantId::from_bytes([0; 16]),
        owner: Grant {
            id: owner.grant,
            rights: Rights::ALL,
            epoch: owner.epoch,
            expires_at: None,
            label: String::new(),
            parent: None,
            origin: origin.expect("the id is neither empty nor long"),
            secret_hash: owner.secret.hash(),
            created_at: now,
        },
    };
    let title = state.title().to_owned();
    let ends = Ends {
        bump: Some(bumped),
        ..Ends::default()
    };
    let records = state.catch_up(now, &ends);
    let commit = ShareCommit {
        share,
        expected,
        records,
    };
    match store.commit(vec![commit]).await.into_iter().next() {
        Some(CommitOutcome::Done) => Ok(Some((owner, title))),
        Some(CommitOutcome::Refused(error)) => Err(error.into()),
        // Nobody else commits: what is made ready is thrown away.
        Some(CommitOutcome::Conflict { .. } | CommitOutcome::Unknown(_)) | None => {
            Err(StoreError::Overloaded.into())
        }
    }
}
