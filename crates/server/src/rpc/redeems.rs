//! What redeems that prove nothing may cost.
//!
//! Each takes a token of its peer's address before anything is looked at, and gives it back if it
//! proved an authority. So who guesses, or asks in a loop for what has ended, is told to come later,
//! with the right secret and with a wrong one alike; who opens what it may open is not slowed down.

use std::collections::BTreeMap;
use std::rc::Rc;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use share_model::seam::Clock;
use share_network::{Party, Trying};

use super::patience::Trust;
use super::quota::{Held, Quota};
use crate::fault::Fault;
use crate::rate::Bucket;
use crate::server::Source;

/// Addresses whose redeems are counted at a time.
const SOURCES_MAX: usize = 4096;

/// How often a peer may try. Shared by all connections of a server.
#[derive(Debug)]
pub(crate) struct RedeemRates {
    per_second: u32,
    clock: Arc<dyn Clock>,
    /// Of peers that proved nothing lately. Held for a look or a change only.
    buckets: Mutex<BTreeMap<Source, Bucket>>,
    /// Of all requests together that count for no address and belong to no connection.
    uncounted: Mutex<Option<Bucket>>,
}

/// A redeem for a request that stands alone, whatever connection brought it.
#[derive(Debug)]
pub(crate) struct Asking<'a> {
    rates: &'a RedeemRates,
    source: Option<Source>,
}

/// The redeems of one connection.
#[derive(Debug)]
pub(super) struct Redeems {
    rates: Arc<RedeemRates>,
    /// Of a connection that counts for no address.
    own: Mutex<Bucket>,
    /// While the peer has proven nothing.
    in_flight: Rc<Quota>,
}

/// A redeem that is under way; what it took is given back only if it proves an authority.
#[derive(Debug)]
pub(super) struct Try<'a> {
    redeems: &'a Redeems,
    trust: &'a Trust,
    _in_flight: Option<Held>,
    /// So that the connection does not give way to one that does nothing.
    _trying: Trying,
}

impl RedeemRates {
    /// Each address may try so often a second, and twice as often at once.
    pub(crate) fn new(per_second: u32, clock: Arc<dyn Clock>) -> Arc<Self> {
        Arc::new(Self {
            per_second,
            clock,
            buckets: Mutex::default(),
            uncounted: Mutex::default(),
        })
    }

    /// Begins a redeem for a request from there; what it takes is given back only if it proves an
    /// authority.
    pub(crate) fn ask(&self, source: Option<Source>) -> Result<Asking<'_>, Fault> {
        match source {
            Some(source) => self.take(source)?,
            None => self.of(self.uncounted().get_or_insert_with(|| self.full()))?,
        }
        Ok(Asking {
            rates: self,
            source,
        })
    }

    fn uncounted(&self) -> MutexGuard<'_, Option<Bucket>> {
        self.uncounted
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    fn full(&self) -> Bucket {
        Bucket::full(self.per_second, self.clock.now())
    }

    fn take(&self, source: Source) -> Result<(), Fault> {
        let now = self.clock.now();
        let mut buckets = self.buckets.lock().unwrap_or_else(PoisonError::into_inner);
        if buckets.len() >= SOURCES_MAX && !buckets.contains_key(&source) {
            buckets.retain(|_, bucket| !bucket.is_full(now));
            let longest = buckets.iter().min_by_key(|(_, bucket)| bucket.taken_at());
            if let Some(source) = longest.map(|(source, _)| *source)
                && buckets.len() >= SOURCES_MAX
            {
                buckets.remove(&source);
            }
        }
        let bucket = buckets.entry(source).or_insert_with(|| self.full());
        self.of(bucket)
    }

    fn of(&self, bucket: &mut Bucket) -> Result<(), Fault> {
        let taken = bucket.take(1, self.clock.now());
        taken.map_err(|_| Fault::TooOften {
            what: "redeems of one address that proved nothing",
            per_second: self.per_second,
        })
    }

    fn give_back(&self, source: Source) {
        let mut buckets = self.buckets.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(bucket) = buckets.get_mut(&source) {
            bucket.give_back(1);
        }
    }
}

impl Asking<'_> {
    /// It has proven an authority.
    pub(crate) fn proven(self) {
        match self.source {
            Some(source) => self.rates.give_back(source),
            None => {
                if let Some(bucket) = &mut *self.rates.uncounted() {
                    bucket.give_back(1);
                }
            }
        }
    }
}

impl Redeems {
    /// At most `unproven_max` in flight while the peer has proven nothing.
    pub(super) fn new(rates: &Arc<RedeemRates>, unproven_max: usize) -> Self {
        Self {
            own: Mutex::new(rates.full()),
            rates: Arc::clone(rates),
            in_flight: Quota::new(
                "redeems in flight of a connection that has proven nothing",
                unproven_max,
            ),
        }
    }

    /// Begins a redeem.
    pub(super) fn begin<'a>(&'a self, trust: &'a Trust) -> Result<Try<'a>, Fault> {
        let in_flight = match trust.standing.is_proven() {
            true => None,
            false => Some(self.in_flight.take()?),
        };
        match trust.source {
            Some(source) => self.rates.take(source)?,
            None => self.rates.of(&mut self.own())?,
        }
        Ok(Try {
            redeems: self,
            trust,
            _in_flight: in_flight,
            _trying: trust.standing.trying(),
        })
    }

    fn own(&self) -> MutexGuard<'_, Bucket> {
        self.own.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Try<'_> {
    /// It has proven an authority of this party.
    pub(super) fn proven(&self, party: Party) {
        self.trust.standing.prove_as(party);
        match self.trust.source {
            Some(source) => self.redeems.rates.give_back(source),
            None => self.redeems.own().give_back(1),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;
    use std::time::Duration;

    use share_model::UnixMs;
    use share_model::seam::SimulatedClock;
    use share_network::Standing;
    use tokio_util::sync::CancellationToken;

    use super::*;

    fn source(number: u32) -> Source {
        Source::V4(Ipv4Addr::from(number))
    }

    fn trust(number: u32) -> Trust {
        Trust {
            source: Some(source(number)),
            standing: Standing::default(),
            gives_way: CancellationToken::new(),
        }
    }

    fn clock() -> Arc<dyn Clock> {
        Arc::new(SimulatedClock::starting_at(UnixMs::new(1000)))
    }

    #[tokio::test(start_paused = true)]
    async fn tries_of_an_address_are_bounded_on_all_its_connections_and_come_back_with_time() {
        let clock = clock();
        let rates = RedeemRates::new(3, Arc::clone(&clock));
        let [one, other] = [0, 1].map(|_| Redeems::new(&rates, 8));
        let (peer, stranger) = (trust(1), trust(2));
        for _ in 0..3 {
            one.begin(&peer).unwrap();
            other.begin(&peer).unwrap();
        }
        let fault = one.begin(&peer).unwrap_err();
        assert!(matches!(fault, Fault::TooOften { per_second: 3, .. }));
        one.begin(&stranger).unwrap();
        clock.sleep(Duration::from_secs(1)).await;
        for _ in 0..3 {
            other.begin(&peer).unwrap();
        }
        other.begin(&peer).unwrap_err();
    }

    #[tokio::test(start_paused = true)]
    async fn what_proves_an_authority_costs_no_try() {
        let rates = RedeemRates::new(3, clock());
        let redeems = Redeems::new(&rates, 8);
        let mut pipe = trust(1);
        pipe.source = None;
        for trust in [trust(1), pipe] {
            for _ in 0..20 {
                redeems.begin(&trust).unwrap().proven(Party::default());
            }
            assert!(trust.standing.is_proven());
            for _ in 0..6 {
                redeems.begin(&trust).unwrap();
            }
            redeems.begin(&trust).unwrap_err();
        }
    }

    #[tokio::test(start_paused = true)]
    async fn requests_that_stand_alone_share_the_tries_of_their_address_and_of_none() {
        let rates = RedeemRates::new(1, clock());
        for from in [Some(source(1)), None] {
            for _ in 0..20 {
                rates.ask(from).unwrap().proven();
            }
            rates.ask(from).unwrap();
            rates.ask(from).unwrap();
            let fault = rates.ask(from).unwrap_err();
            assert!(matches!(fault, Fault::TooOften { per_second: 1, .. }));
        }
        let connection = Redeems::new(&rates, 8);
        connection.begin(&trust(1)).unwrap_err();
        rates.ask(Some(source(2))).unwrap();
    }

    #[tokio::test(start_paused = true)]
    async fn so_many_are_in_flight_until_the_peer_has_proven_an_authority() {
        let rates = RedeemRates::new(100, clock());
        let redeems = Redeems::new(&rates, 2);
        let peer = trust(1);
        let [one, _two] = [0, 1].map(|_| redeems.begin(&peer).unwrap());
        let fault = redeems.begin(&peer).unwrap_err();
        assert!(matches!(fault, Fault::TooMany { max: 2, .. }), "{fault}");
        drop(one);
        let one = redeems.begin(&peer).unwrap();
        one.proven(Party::default());
        for _ in 0..50 {
            std::mem::forget(redeems.begin(&peer).unwrap());
        }
    }

    #[test]
    fn a_peer_tries_to_prove_an_authority_while_a_redeem_is_under_way() {
        let rates = RedeemRates::new(1, clock());
        let redeems = Redeems::new(&rates, 2);
        let peer = trust(1);
        assert!(!peer.standing.is_trying());
        let tries = [0, 1].map(|_| redeems.begin(&peer).unwrap());
        assert!(peer.standing.is_trying());
        drop(tries);
        assert!(!peer.standing.is_trying());
        // Who is told to come later has none under way.
        redeems.begin(&peer).unwrap_err();
        assert!(!peer.standing.is_trying());
    }

    #[tokio::test(start_paused = true)]
    async fn addresses_that_are_counted_are_bounded_and_those_that_tried_last_stay() {
        let rates = RedeemRates::new(1, clock());
        for number in 0..u32::try_from(SOURCES_MAX).unwrap() {
            rates.take(source(number)).unwrap();
        }
        rates.clock.sleep(Duration::from_millis(500)).await;
        rates.take(source(0)).unwrap();
        rates.take(source(9999)).unwrap();
        let kept = rates.buckets.lock().unwrap();
        assert_eq!(kept.len(), SOURCES_MAX);
        assert!(kept.contains_key(&source(0)) && kept.contains_key(&source(9999)));
        assert!(!kept.contains_key(&source(1)));
    }
}
