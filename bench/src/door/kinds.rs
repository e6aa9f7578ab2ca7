//! The kinds of redeem that prove nothing.

use std::cell::Cell;

use futures_util::future::try_join_all;
use share_client::{Session, TcpConnector};
use share_model::seam::{Entropy, SystemClock, SystemEntropy};
use share_model::{
    BumpEpoch, GrantId, OwnerKey, OwnerProof, Publish, RequestId, Secret, ShareRef, Slug,
};

use super::round::Presented;
use crate::error::BenchError;
use crate::server::{Server, attenuate, origin};

/// Calls that are made at once where many are to be made.
const AT_ONCE: usize = 16;

type Present = Box<dyn Fn(&dyn Entropy) -> Presented>;

/// A kind of redeem that proves nothing.
pub(crate) struct Kind {
    pub(crate) name: &'static str,
    /// What the server has of the share.
    pub(crate) share: &'static str,
    pub(crate) tries: usize,
    /// Makes another one.
    pub(crate) present: Present,
}

/// A share that exists, and what it once gave.
#[derive(Clone)]
pub(crate) struct Known {
    pub(crate) owner: ShareRef,
    /// Sealed to an owner.
    sealed: ShareRef,
    /// A revoked slug's.
    revoked: GrantId,
    /// The share has forgotten it with the second bump after it; the server's index has not.
    forgotten: Slug,
}

/// Shares that are asked for.
pub(crate) struct Shares {
    /// Somebody holds it open.
    pub(crate) loaded: Known,
    /// Nobody has opened it since the server's start.
    pub(crate) unloaded: Known,
}

impl Known {
    pub(crate) async fn make(server: &Server) -> Result<Self, BenchError> {
        let mut owner = server.create_share().await?;
        let session = open(&owner).await?;
        let forgotten = publish(&session).await?;
        for _ in 0..2 {
            owner = bump(&owner).await?;
        }
        let session = open(&owner).await?;
        let sealed_for = OwnerKey::random(&SystemEntropy::default()).id();
        let sealed = attenuate(&session, &owner, Some(sealed_for)).await?;
        let revoked = publish(&session).await?.grant();
        session.revoke(revoked, &origin()?).await?;
        Ok(Self {
            owner,
            sealed,
            revoked,
            forgotten,
        })
    }

    /// One with `grants` more.
    pub(crate) async fn make_large(server: &Server, grants: usize) -> Result<Self, BenchError> {
        let known = Self::make(server).await?;
        let session = open(&known.owner).await?;
        let mut left = grants;
        while left > 0 {
            let now = left.min(AT_ONCE);
            let making = (0..now).map(|_| attenuate(&session, &known.owner, None));
            try_join_all(making).await?;
            left -= now;
        }
        Ok(known)
    }

    fn wrong_secret(&self, entropy: &dyn Entropy) -> Presented {
        let mut presented = Presented::of(&self.owner);
        presented.secret = random(entropy, 32);
        presented
    }

    fn unknown_grant(&self, entropy: &dyn Entropy) -> Presented {
        let mut presented = self.wrong_secret(entropy);
        presented.grant = random(entropy, 16);
        presented
    }

    /// Those that ask for this share.
    fn kinds(self, share: &'static str, tries: usize) -> Vec<Kind> {
        let kind = |name, present| Kind {
            name,
            share,
            tries,
            present,
        };
        let of = |make: fn(&Self, &dyn Entropy) -> Presented| {
            let known = self.clone();
            let present: Present = Box::new(move |entropy| make(&known, entropy));
            present
        };
        vec![
            kind("unknown-grant", of(Self::unknown_grant)),
            kind("wrong-secret", of(Self::wrong_secret)),
            kind(
                "short-grant-id",
                of(|known, _| {
                    let mut presented = Presented::of(&known.owner);
                    presented.grant.truncate(8);
                    presented
                }),
            ),
            kind(
                "short-secret",
                of(|known, _| {
                    let mut presented = Presented::of(&known.owner);
                    presented.secret.truncate(16);
                    presented
                }),
            ),
            kind(
                "revoked-slugs-grant-wrong-secret",
                of(|known, entropy| {
                    let mut presented = known.wrong_secret(entropy);
                    presented.grant = known.revoked.to_bytes().to_vec();
                    presented
                }),
            ),
            kind(
                "forgotten-slug",
                of(|known, _| Presented::slug(known.forgotten.expose())),
            ),
        ]
    }
}

impl Shares {
    /// All kinds; `cold` is asked for once each.
    pub(crate) fn kinds(self, tries: usize, cold: Vec<ShareRef>) -> Vec<Kind> {
        let sealed = self.loaded.sealed.clone();
        let mut all = baselines(tries);
        all.extend(nowhere(tries));
        all.extend(self.loaded.kinds("loaded", tries));
        all.extend(self.unloaded.kinds("unloaded", tries));
        all.extend([
            {
                let sealed = sealed.clone();
                Kind {
                    name: "sealed-without-proof",
                    share: "loaded",
                    tries,
                    present: Box::new(move |_| Presented::of(&sealed)),
                }
            },
            Kind {
                name: "sealed-with-anothers-proof",
                share: "loaded",
                tries,
                present: Box::new(move |entropy| {
                    let proof = anothers_proof(&sealed, entropy).to_bytes().to_vec();
                    let presented = Presented::of(&sealed);
                    Presented { proof, ..presented }
                }),
            },
        ]);
        let next = Cell::new(0);
        all.push(Kind {
            name: "sealed-without-proof",
            share: "unloaded",
            tries: cold.len(),
            present: Box::new(move |_| {
                let at = next.replace(next.get() + 1);
                Presented::of(&cold[at % cold.len()])
            }),
        });
        all
    }

    /// Those whose cost may follow the share's size.
    pub(crate) fn at_large(self, tries: usize) -> Vec<Kind> {
        let at = |known: Known, share| {
            let kinds = known.kinds(share, tries).into_iter();
            kinds.filter(|kind| ["unknown-grant", "wrong-secret"].contains(&kind.name))
        };
        let mut all = baselines(tries);
        all.extend(at(self.loaded, "loaded"));
        all.extend(at(self.unloaded, "unloaded"));
        all
    }
}

/// Fresh shares, each with a sealed ref.
pub(crate) async fn cold(server: &Server, count: usize) -> Result<Vec<ShareRef>, BenchError> {
    let sealed_for = OwnerKey::random(&SystemEntropy::default()).id();
    let one = async || {
        let owner = server.create_share().await?;
        let session = open(&owner).await?;
        attenuate(&session, &owner, Some(sealed_for)).await
    };
    let mut made = Vec::new();
    while made.len() < count {
        let now = (count - made.len()).min(AT_ONCE);
        made.extend(try_join_all((0..now).map(|_| one())).await?);
    }
    Ok(made)
}

/// The baseline, twice.
fn baselines(tries: usize) -> Vec<Kind> {
    let one = |name| Kind {
        name,
        share: "none",
        tries,
        present: Box::new(unknown_share),
    };
    vec![one("unknown-share"), one("unknown-share-again")]
}

/// Those that name no share that exists.
fn nowhere(tries: usize) -> Vec<Kind> {
    let kind = |name, present| Kind {
        name,
        share: "none",
        tries,
        present,
    };
    vec![
        kind(
            "short-share-id",
            Box::new(|entropy| {
                let mut presented = unknown_share(entropy);
                presented.share.truncate(8);
                presented
            }),
        ),
        kind(
            "unknown-slug",
            Box::new(|entropy| Presented::slug(&random(entropy, 16))),
        ),
        kind(
            "short-slug",
            Box::new(|entropy| Presented::slug(&random(entropy, 8))),
        ),
    ]
}

fn unknown_share(entropy: &dyn Entropy) -> Presented {
    Presented {
        share: random(entropy, 16),
        grant: random(entropy, 16),
        secret: random(entropy, 32),
        ..Presented::default()
    }
}

fn anothers_proof(sealed: &ShareRef, entropy: &dyn Entropy) -> OwnerProof {
    let another = OwnerKey::random(entropy);
    another.prove(sealed.share, sealed.grant, &sealed.secret.hash())
}

fn random(entropy: &dyn Entropy, len: usize) -> Vec<u8> {
    let mut bytes = vec![0; len];
    entropy.fill(&mut bytes);
    bytes
}

async fn open(share_ref: &ShareRef) -> Result<Session, BenchError> {
    Ok(Session::redeem(&TcpConnector::default(), share_ref).await?)
}

async fn publish(session: &Session) -> Result<Slug, BenchError> {
    let slug = Slug::random(&SystemEntropy::default());
    let request = Publish {
        slug_hash: slug.hash(),
        expires_at: None,
        label: String::new(),
        origin: origin()?,
    };
    session.publish(&request).await?;
    Ok(slug)
}

async fn bump(owner: &ShareRef) -> Result<ShareRef, BenchError> {
    let entropy = SystemEntropy::default();
    let secret = Secret::random(&entropy);
    let request = BumpEpoch {
        request: RequestId::new(&SystemClock, &entropy),
        owner_secret_hash: secret.hash(),
        origin: origin()?,
    };
    let bumped = open(owner).await?.bump_epoch(&request).await?;
    Ok(ShareRef {
        grant: bumped.grant,
        epoch: bumped.epoch,
        secret,
        ..owner.clone()
    })
}
