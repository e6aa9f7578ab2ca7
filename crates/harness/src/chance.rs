//! Draws by lot, from a seed.

use std::sync::Arc;

use share_model::OpId;
use share_model::seam::{Clock, Entropy, SeededEntropy};

/// Draws, the same for the same seed and name.
#[derive(Debug, Clone)]
pub struct Chance(Arc<SeededEntropy>);

impl Chance {
    /// The draws of `name` in the run of `seed`: names don't disturb each other.
    pub fn new(seed: u64, name: &str) -> Self {
        // FNV-1a, so that neighbouring seeds and names have nothing in common.
        let bytes = seed.to_le_bytes().into_iter().chain(name.bytes());
        let mixed = bytes.fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
        });
        Self(Arc::new(SeededEntropy::new(mixed)))
    }

    /// As what the code under test draws from.
    pub fn entropy(&self) -> Arc<dyn Entropy> {
        Arc::clone(&self.0) as _
    }

    /// Below `bound`; zero if that is zero.
    pub fn below(&self, bound: u64) -> u64 {
        self.0.below(bound)
    }

    /// From `low` to `high`, both included.
    pub fn between(&self, low: u64, high: u64) -> u64 {
        low + self.below(high.saturating_sub(low) + 1)
    }

    /// Whether it comes to pass, with a probability of so many in a thousand.
    pub fn permille(&self, rate: u64) -> bool {
        self.below(1000) < rate
    }

    /// One of them; `None` of none.
    pub fn pick<'a, T>(&self, of: &'a [T]) -> Option<&'a T> {
        let at = self.below(u64::try_from(of.len()).unwrap_or(u64::MAX));
        of.get(usize::try_from(at).unwrap_or(usize::MAX))
    }

    /// The id of a new op.
    pub fn op_id(&self, clock: &dyn Clock) -> OpId {
        OpId::new(clock, &*self.0)
    }
}
