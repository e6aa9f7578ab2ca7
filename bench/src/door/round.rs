//! Tries of all kinds in one random order, each timed from its send to its answer.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::Duration;

use futures_util::future::try_join_all;
use share_model::seam::{Entropy, SeededEntropy};
use share_model::{PROTOCOL_VERSION, Refusal, ShareRef};
use share_proto::share_capnp::{bootstrap, redeem_outcome};
use share_proto::wire;
use tokio::net::TcpStream;
use tokio::time::Instant;

use super::kinds::Kind;
use crate::error::BenchError;
use crate::lane::connect;
use crate::report::as_ms;

/// Tries of the baseline before those that count.
const WARM_UP: usize = 100;
/// The kind that is the baseline.
const BASELINE: usize = 0;

/// What is presented at the door.
#[derive(Debug, Clone, Default)]
pub(crate) struct Presented {
    pub(crate) share: Vec<u8>,
    pub(crate) grant: Vec<u8>,
    pub(crate) secret: Vec<u8>,
    pub(crate) proof: Vec<u8>,
    /// Alone, in place of a ref.
    pub(crate) slug: Option<Vec<u8>>,
}

impl Presented {
    /// A ref.
    pub(crate) fn of(share_ref: &ShareRef) -> Self {
        Self {
            share: share_ref.share.to_bytes().to_vec(),
            grant: share_ref.grant.to_bytes().to_vec(),
            secret: share_ref.secret.expose().to_vec(),
            ..Self::default()
        }
    }

    pub(crate) fn slug(slug: &[u8]) -> Self {
        Self {
            slug: Some(slug.to_vec()),
            ..Self::default()
        }
    }
}

/// How many tries are in flight.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Lanes {
    pub(crate) connections: usize,
    /// On each connection.
    pub(crate) in_flight: usize,
    /// A try is as many calls of its kind at once as may be in flight, and takes until the last
    /// answer; the next one comes after it. It shows what costs too little to be seen alone.
    pub(crate) is_burst: bool,
}

/// What a try was told.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Told {
    refusal: Refusal,
    /// Of the whole answer.
    words: u64,
}

/// Tries that are under way.
pub(crate) struct Round {
    kinds: Vec<Kind>,
    /// Of indexes of kinds.
    order: Vec<usize>,
    next: Cell<usize>,
    /// Of each kind, in milliseconds.
    times: RefCell<Vec<Vec<f64>>>,
    /// What the first try was told: every other must be told the same.
    told: RefCell<Option<Told>>,
    entropy: SeededEntropy,
}

impl Round {
    /// All tries of `kinds`, in an order that `entropy` decides.
    pub(crate) fn new(kinds: Vec<Kind>, entropy: SeededEntropy) -> Self {
        let each = kinds.iter().enumerate();
        let mut tries: Vec<usize> = each
            .flat_map(|(at, kind)| std::iter::repeat_n(at, kind.tries))
            .collect();
        // Fisher and Yates's shuffle.
        for last in (1..tries.len()).rev() {
            let with = entropy.below(last as u64 + 1);
            tries.swap(last, usize::try_from(with).unwrap_or(last));
        }
        let warm_up = std::iter::repeat_n(BASELINE, WARM_UP);
        let order = warm_up.chain(tries).collect();
        Self {
            next: Cell::new(0),
            times: RefCell::new(vec![Vec::new(); kinds.len()]),
            told: RefCell::new(None),
            kinds,
            order,
            entropy,
        }
    }

    pub(crate) fn kinds(&self) -> &[Kind] {
        &self.kinds
    }

    /// Makes all tries; the times of each kind, in milliseconds.
    pub(crate) async fn run(
        self: &Rc<Self>,
        address: &str,
        lanes: Lanes,
    ) -> Result<Vec<Vec<f64>>, BenchError> {
        let mut calls = Vec::new();
        for _ in 0..lanes.connections {
            let bootstrap = connect(TcpStream::connect(address).await?)?;
            calls.extend(std::iter::repeat_n(bootstrap, lanes.in_flight));
        }
        let bursts = if lanes.is_burst { calls.len() } else { 1 };
        let lanes = calls.chunks(bursts).map(|calls| {
            let lane = Rc::clone(self).lane(calls.to_vec());
            tokio::task::spawn_local(lane)
        });
        for lane in lanes.collect::<Vec<_>>() {
            let done = lane.await;
            done.map_err(|error| BenchError::Unexpected(error.to_string()))??;
        }
        Ok(self.times.take())
    }

    /// Makes one try after the other until none is left, each on all of `calls` at once.
    async fn lane(self: Rc<Self>, calls: Vec<bootstrap::Client>) -> Result<(), BenchError> {
        loop {
            let at = self.next.replace(self.next.get() + 1);
            let Some(&number) = self.order.get(at) else {
                return Ok(());
            };
            let kind = &self.kinds[number];
            let trying = calls.iter().map(|bootstrap| self.one(bootstrap, kind));
            let latencies = try_join_all(trying).await?;
            if at >= WARM_UP {
                let last = latencies.iter().max().map_or(0.0, as_ms);
                self.times.borrow_mut()[number].push(last);
            }
        }
    }

    async fn one(
        &self,
        bootstrap: &bootstrap::Client,
        kind: &Kind,
    ) -> Result<Duration, BenchError> {
        let presented = (kind.present)(&self.entropy);
        let (latency, told) = match &presented.slug {
            Some(slug) => redeem_slug(bootstrap, slug).await?,
            None => redeem(bootstrap, &presented).await?,
        };
        self.check(kind, told)?;
        Ok(latency)
    }

    fn check(&self, kind: &Kind, told: Told) -> Result<(), BenchError> {
        let mut first = self.told.borrow_mut();
        let first = first.get_or_insert_with(|| told.clone());
        if *first == told && told.refusal == Refusal::not_authorized() {
            return Ok(());
        }
        Err(BenchError::Unexpected(format!(
            "{} ({}) is told {told:?}, an unknown share {first:?}",
            kind.name, kind.share
        )))
    }
}

async fn redeem(
    bootstrap: &bootstrap::Client,
    presented: &Presented,
) -> Result<(Duration, Told), BenchError> {
    let mut request = bootstrap.redeem_share_request();
    let mut params = request.get();
    params.set_protocol_version(PROTOCOL_VERSION);
    params.set_owner_proof(&presented.proof);
    let mut share_ref = params.init_ref();
    share_ref.set_share(&presented.share);
    share_ref.set_grant(&presented.grant);
    share_ref.set_secret(&presented.secret);
    let before = Instant::now();
    let answer = request.send().promise.await?;
    let latency = before.elapsed();
    Ok((latency, told(answer.get()?.get_outcome()?)?))
}

async fn redeem_slug(
    bootstrap: &bootstrap::Client,
    slug: &[u8],
) -> Result<(Duration, Told), BenchError> {
    let mut request = bootstrap.redeem_slug_request();
    let mut params = request.get();
    params.set_protocol_version(PROTOCOL_VERSION);
    params.set_slug(slug);
    let before = Instant::now();
    let answer = request.send().promise.await?;
    let latency = before.elapsed();
    Ok((latency, told(answer.get()?.get_outcome()?)?))
}

fn told(outcome: redeem_outcome::Reader<'_>) -> Result<Told, BenchError> {
    let words = outcome.total_size()?.word_count;
    match wire::read_redeem_outcome(outcome)? {
        Err(refusal) => Ok(Told { refusal, words }),
        Ok(redeemed) => Err(BenchError::Unexpected(format!(
            "a redeem that proves nothing opened share {}",
            redeemed.share
        ))),
    }
}
