//! Viewing tokens: so that the ref of a private share is sent once, and what is sent then opens nothing
//! but its page, here, for a while.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use ring::digest::{SHA256, digest};
use share_model::seam::{Clock, Entropy};
use share_model::{Secret, UnixMs};

use crate::reader::Proof;

/// What a token is known by: its SHA-256.
type Key = [u8; 32];

/// The viewing tokens of a face. In memory only: whoever has one that is forgotten opens the ref anew.
#[derive(Debug)]
pub(crate) struct Tokens {
    table: Arc<Mutex<HashMap<Key, Entry>>>,
    clock: Arc<dyn Clock>,
    entropy: Arc<dyn Entropy>,
    max: usize,
    idle_ms: u64,
}

#[derive(Debug)]
struct Entry {
    /// What it stands for. Whether that still opens the share is asked each time.
    proof: Proof,
    used_at: UnixMs,
    /// Streams that it has opened.
    uses: usize,
}

/// A token in use: it does not run out meanwhile.
#[derive(Debug)]
pub(crate) struct InUse {
    table: Arc<Mutex<HashMap<Key, Entry>>>,
    clock: Arc<dyn Clock>,
    key: Key,
}

impl Tokens {
    /// At most `max`; one that is not used for `idle` ends.
    pub(crate) fn new(
        (clock, entropy): (Arc<dyn Clock>, Arc<dyn Entropy>),
        (max, idle): (usize, Duration),
    ) -> Self {
        Self {
            table: Arc::default(),
            clock,
            entropy,
            max,
            idle_ms: u64::try_from(idle.as_millis()).unwrap_or(u64::MAX),
        }
    }

    /// A new token; the one that was used longest ago may end for it. `None`: all are in use.
    pub(crate) fn mint(&self, proof: Proof) -> Option<String> {
        let now = self.clock.now();
        let mut table = lock(&self.table);
        table.retain(|_, entry| !self.is_over(entry, now));
        if table.len() >= self.max {
            let idle = table.iter().filter(|(_, entry)| entry.uses == 0);
            let oldest = idle.min_by_key(|(_, entry)| entry.used_at);
            let oldest = oldest.map(|(key, _)| *key)?;
            table.remove(&oldest);
        }
        let token = Secret::random(&*self.entropy).to_text();
        let entry = Entry {
            proof,
            used_at: now,
            uses: 0,
        };
        table.insert(key_of(&token), entry);
        Some(token)
    }

    /// What a token stands for; `None`: it is none, or has ended.
    pub(crate) fn open(&self, token: &str) -> Option<(Proof, InUse)> {
        let now = self.clock.now();
        let key = key_of(token);
        let mut table = lock(&self.table);
        let entry = table.get_mut(&key)?;
        if self.is_over(entry, now) {
            table.remove(&key);
            return None;
        }
        entry.uses += 1;
        let proof = entry.proof;
        Some((
            proof,
            InUse {
                table: Arc::clone(&self.table),
                clock: Arc::clone(&self.clock),
                key,
            },
        ))
    }

    fn is_over(&self, entry: &Entry, now: UnixMs) -> bool {
        let idle_ms = now.get().saturating_sub(entry.used_at.get());
        entry.uses == 0 && idle_ms >= self.idle_ms
    }
}

impl Drop for InUse {
    fn drop(&mut self) {
        let now = self.clock.now();
        if let Some(entry) = lock(&self.table).get_mut(&self.key) {
            entry.uses -= 1;
            entry.used_at = now;
        }
    }
}

fn key_of(token: &str) -> Key {
    let mut key = [0; 32];
    key.copy_from_slice(digest(&SHA256, token.as_bytes()).as_ref());
    key
}

fn lock(table: &Mutex<HashMap<Key, Entry>>) -> MutexGuard<'_, HashMap<Key, Entry>> {
    table.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use share_model::seam::{SeededEntropy, SimulatedClock};
    use share_model::{GrantId, ShareId};

    use super::*;

    const IDLE: Duration = Duration::from_secs(60);

    fn proof(number: u8) -> Proof {
        Proof {
            share: ShareId::from_bytes([number; 16]),
            grant: GrantId::from_bytes([number; 16]),
            secret: Secret::from_bytes([number; 32]).hash(),
        }
    }

    fn tokens(max: usize) -> Tokens {
        let clock = Arc::new(SimulatedClock::starting_at(UnixMs::new(0)));
        Tokens::new((clock, Arc::new(SeededEntropy::new(1))), (max, IDLE))
    }

    fn share_of(tokens: &Tokens, token: &str) -> Option<ShareId> {
        tokens.open(token).map(|(proof, _)| proof.share)
    }

    #[tokio::test(start_paused = true)]
    async fn a_token_opens_what_it_was_made_for_until_nobody_uses_it_any_more() {
        let tokens = tokens(9);
        let [one, other] = [1, 2].map(|number| tokens.mint(proof(number)).unwrap());
        assert_ne!(one, other);
        assert_eq!(share_of(&tokens, &other), Some(proof(2).share));
        for wrong in ["", "x", &one[1..]] {
            assert_eq!(share_of(&tokens, wrong), None);
        }
        let almost = IDLE - Duration::from_millis(1);
        tokens.clock.sleep(almost).await;
        let (_, in_use) = tokens.open(&one).unwrap();
        assert_eq!(
            share_of(&tokens, &other),
            Some(proof(2).share),
            "used just in time"
        );
        tokens.clock.sleep(IDLE).await;
        assert_eq!(share_of(&tokens, &other), None);
        assert!(share_of(&tokens, &one).is_some(), "it is in use");
        drop(in_use);
        tokens.clock.sleep(almost).await;
        assert!(share_of(&tokens, &one).is_some());
        tokens.clock.sleep(IDLE).await;
        assert_eq!(share_of(&tokens, &one), None);
        assert!(lock(&tokens.table).is_empty());
    }

    #[tokio::test(start_paused = true)]
    async fn for_one_token_too_many_the_one_that_was_used_longest_ago_ends_and_none_in_use() {
        let tokens = tokens(2);
        let first = tokens.mint(proof(1)).unwrap();
        tokens.clock.sleep(Duration::from_secs(1)).await;
        let second = tokens.mint(proof(2)).unwrap();
        let (_, in_use) = tokens.open(&first).unwrap();
        let third = tokens.mint(proof(3)).unwrap();
        assert_eq!(share_of(&tokens, &second), None);
        let (_, other) = tokens.open(&third).unwrap();
        assert!(tokens.mint(proof(4)).is_none());
        drop((in_use, other));
        assert!(tokens.mint(proof(4)).is_some());
    }
}
