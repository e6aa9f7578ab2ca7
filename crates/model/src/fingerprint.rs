//! Fingerprints and chains: how the server recognises an op (`docs/design.md` §3 "Bytes").

use std::fmt;

use ring::digest;
use serde::{Deserialize, Serialize};

use crate::ids::OutboxId;
use crate::op::Op;
use crate::secret::sha256;

/// 16 bytes that stand for an op's content: opId, dependsOn and mutation; not seq, not `was`.
///
/// The server computes every fingerprint from the op itself and never takes one for it from the
/// wire.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Fingerprint([u8; 16]);

impl Fingerprint {
    /// The fingerprint with these bytes.
    pub const fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(bytes)
    }

    /// The fingerprint's bytes.
    pub const fn to_bytes(self) -> [u8; 16] {
        self.0
    }

    /// The fingerprint of `op`, whose first lane is `first_lane`: first 16 bytes of SHA-256 over
    /// `share-op-1`, opId, the count (u32le) and identities (outbox id, seq u64le, fingerprint) of
    /// dependsOn, the mutation's tag (one byte), then each field as u32le length and its bytes.
    ///
    /// # Panics
    ///
    /// If a field or the list of dependencies has 2³² or more bytes or items; limits refuse such an
    /// op long before.
    pub fn of(op: &Op, first_lane: OutboxId) -> Self {
        let mut context = digest::Context::new(&digest::SHA256);
        context.update(b"share-op-1");
        context.update(&op.id.to_bytes());
        context.update(&length(op.depends_on.len()));
        for dependency in &op.depends_on {
            let identity = dependency.resolve(first_lane);
            context.update(&identity.outbox.to_bytes());
            context.update(&identity.seq.get().to_le_bytes());
            context.update(&identity.fingerprint.0);
        }
        context.update(&[op.mutation.tag()]);
        for field in op.mutation.fields().into_iter().flatten() {
            context.update(&length(field.len()));
            context.update(field.as_bytes());
        }
        let hash = context.finish();
        Self(std::array::from_fn(|at| hash.as_ref()[at]))
    }
}

fn length(len: usize) -> [u8; 4] {
    u32::try_from(len)
        .expect("limits keep every field below 4 GiB")
        .to_le_bytes()
}

/// Running hash over a writer's fingerprints of seqs 1…n: two sides that agree on the chain at n
/// agree on every op up to n.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Chain([u8; 32]);

impl Chain {
    /// The chain of no ops: 32 zero bytes.
    pub const EMPTY: Self = Self([0; 32]);

    /// The chain with these bytes.
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// The chain's bytes.
    pub const fn to_bytes(self) -> [u8; 32] {
        self.0
    }

    /// The chain one op further: SHA-256(chain ‖ fingerprint).
    #[must_use]
    pub fn then(self, fingerprint: Fingerprint) -> Self {
        Self(sha256(&[&self.0, &fingerprint.0]))
    }
}

macro_rules! hex_format {
    ($($name:ident),*) => {$(
        /// Lower-case hexadecimal digits.
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!(stringify!($name), "({})"), self)
            }
        }
    )*};
}

hex_format!(Fingerprint, Chain);
