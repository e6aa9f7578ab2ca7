//! What servers tell of their shares, within bounds.

use std::cell::RefCell;
use std::collections::HashSet;
use std::rc::Rc;
use std::time::Duration;

use share_client::{ClientError, RegistryEntry, Session, TcpConnector};
use share_model::{OwnerKey, Redeemed, ShareRef};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout, timeout_at};

/// How long one server may take to connect and answer.
const ANSWER_MAX: Duration = Duration::from_secs(2);
/// Servers that are asked at once.
const AT_ONCE: usize = 16;

/// What a server told of a share.
#[derive(Debug, Clone)]
pub(super) enum Told {
    /// How it stands now.
    Now(Box<Redeemed>),
    /// Why that is not known.
    Nothing(String),
    /// There is no share to ask about.
    NotAsked,
}

impl Told {
    pub(super) fn now(&self) -> Option<&Redeemed> {
        match self {
            Self::Now(redeemed) => Some(redeemed),
            Self::Nothing(_) | Self::NotAsked => None,
        }
    }
}

/// The servers of the machine's shares, and which of them are away.
#[derive(Debug)]
pub(super) struct Servers {
    until: Instant,
    shared: Rc<Shared>,
}

#[derive(Debug)]
struct Shared {
    /// This machine's key, for refs that are sealed to it.
    owner: Option<OwnerKey>,
    places: Semaphore,
    /// Addresses that did not answer: nobody waits for them a second time.
    away: RefCell<HashSet<Vec<String>>>,
}

impl Servers {
    /// Nothing is waited for beyond `until`.
    pub(super) fn new(until: Instant, owner: Option<OwnerKey>) -> Self {
        let shared = Shared {
            owner,
            places: Semaphore::new(AT_ONCE),
            away: RefCell::default(),
        };
        Self {
            until,
            shared: Rc::new(shared),
        }
    }

    /// Asks about each entry's share.
    pub(super) async fn ask(&self, entries: &[RegistryEntry]) -> Vec<Told> {
        let mut told = vec![Told::NotAsked; entries.len()];
        let mut asking = JoinSet::new();
        for (at, entry) in entries.iter().enumerate() {
            if let Some(reference) = entry.reference.clone() {
                told[at] = Told::Nothing("it was not asked in time".into());
                let shared = Rc::clone(&self.shared);
                asking.spawn_local(async move { (at, shared.ask(&reference).await) });
            }
        }
        while let Ok(Some(asked)) = timeout_at(self.until, asking.join_next()).await {
            if let Ok((at, answer)) = asked {
                told[at] = answer;
            }
        }
        told
    }
}

impl Shared {
    async fn ask(&self, reference: &ShareRef) -> Told {
        let Ok(_place) = self.places.acquire().await else {
            return Told::NotAsked;
        };
        if self.away.borrow().contains(&reference.addresses) {
            return Told::Nothing("its server does not answer".into());
        }
        let connector = TcpConnector {
            connect_timeout: ANSWER_MAX,
            ..TcpConnector::default()
        };
        let redeeming = Session::redeem_as(&connector, reference, self.owner.as_ref());
        match timeout(ANSWER_MAX, redeeming).await {
            Ok(Ok(session)) => Told::Now(Box::new(session.redeemed().clone())),
            Ok(Err(ClientError::Refused(refusal))) => Told::Nothing(format!("refused: {refusal}")),
            Ok(Err(error)) => {
                if error.is_transport() || error.is_about_identity() {
                    self.is_away(reference);
                }
                Told::Nothing(error.to_string())
            }
            Err(_) => {
                self.is_away(reference);
                let wait = ANSWER_MAX.as_millis();
                Told::Nothing(format!("no answer within {wait} ms"))
            }
        }
    }

    fn is_away(&self, reference: &ShareRef) {
        self.away.borrow_mut().insert(reference.addresses.clone());
    }
}
