//! Ids of batches and ops.

use share_model::seam::{Entropy, SystemEntropy};

/// Ids that differ from all others of a run, and cost next to nothing.
#[derive(Debug, Clone)]
pub(crate) struct Ids {
    seed: [u8; 8],
    count: u64,
}

impl Ids {
    /// Those of one lane.
    pub(crate) fn random() -> Self {
        let mut seed = [0; 8];
        SystemEntropy::default().fill(&mut seed);
        Self { seed, count: 0 }
    }

    /// The next id, of the form of a UUID of version 7.
    pub(crate) fn next(&mut self) -> [u8; 16] {
        self.count += 1;
        let mut id = [0; 16];
        // Of version and variant nothing is taken: a run has far fewer than 2⁴⁸.
        id[..6].copy_from_slice(&self.count.to_be_bytes()[2..]);
        id[8..].copy_from_slice(&self.seed);
        id[6] = 0x70 | (id[6] & 0x0f);
        id[8] = 0x80 | (id[8] & 0x3f);
        id
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn ids_differ_however_many_there_are() {
        let mut ids = Ids {
            seed: [0; 8],
            count: 0,
        };
        let seen: HashSet<_> = (0..200_000).map(|_| ids.next()).collect();
        assert_eq!(seen.len(), 200_000);
    }
}
