//! What in one process holds leases.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::{Mutex, PoisonError};

use crate::seam::Entropy;

/// A holder of leases, told apart from every other one of any process.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct HolderId([u8; 16]);

impl HolderId {
    /// A new one.
    pub fn random(entropy: &dyn Entropy) -> Self {
        let mut bytes = [0; 16];
        entropy.fill(&mut bytes);
        Self(bytes)
    }

    /// The one with these bytes.
    pub const fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(bytes)
    }

    /// Its bytes.
    pub const fn to_bytes(self) -> [u8; 16] {
        self.0
    }
}

impl fmt::Debug for HolderId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "HolderId({:032x})", u128::from_be_bytes(self.0))
    }
}

/// The holders of one process that still live. That the process lives does not say that of them:
/// without this, a lease whose holder was dropped would be held until the process ends.
#[derive(Debug, Default)]
pub struct Holders(Mutex<BTreeSet<HolderId>>);

impl Holders {
    /// Nobody holds anything.
    pub const fn new() -> Self {
        Self(Mutex::new(BTreeSet::new()))
    }

    /// The holder lives from now on.
    pub fn enter(&self, holder: HolderId) {
        let mut live = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        live.insert(holder);
    }

    /// The holder does nothing any more.
    pub fn leave(&self, holder: HolderId) {
        let mut live = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        live.remove(&holder);
    }

    /// Whether the holder is one of this process and still lives.
    pub fn is_live(&self, holder: HolderId) -> bool {
        let live = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        live.contains(&holder)
    }
}
