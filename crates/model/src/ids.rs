//! Ids and counters, each a type of its own, so that a [`Seq`] never goes where a [`Cursor`] is
//! wanted.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::seam::{Clock, Entropy};
use crate::secret::sha256;

macro_rules! uuid_id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        pub struct $name(Uuid);

        impl $name {
            /// A new id, ordered by time (UUIDv7).
            pub fn new(clock: &dyn Clock, entropy: &dyn Entropy) -> Self {
                let mut random = [0; 10];
                entropy.fill(&mut random);
                Self(uuid::Builder::from_unix_timestamp_millis(clock.now().get(), &random).into_uuid())
            }

            /// The id that follows from `parts` within `domain`: the first half of SHA-256 over
            /// both, shaped as a UUID of version 8.
            pub fn derived(domain: &[u8], parts: &[&[u8]]) -> Self {
                let hash = sha256(&[&[domain], parts].concat());
                Self::shaped(std::array::from_fn(|at| hash[at]))
            }

            /// These bytes, shaped as a UUID of version 8.
            pub(crate) fn shaped(bytes: [u8; 16]) -> Self {
                Self(uuid::Builder::from_custom_bytes(bytes).into_uuid())
            }

            /// The id with these 16 bytes, in network order.
            pub const fn from_bytes(bytes: [u8; 16]) -> Self {
                Self(Uuid::from_bytes(bytes))
            }

            /// The id's 16 bytes, in network order.
            pub const fn to_bytes(self) -> [u8; 16] {
                *self.0.as_bytes()
            }
        }

        /// 32 lower-case hexadecimal digits.
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(self.0.as_simple(), f)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!(stringify!($name), "({})"), self.0.as_simple())
            }
        }

        /// Takes every usual form of a UUID.
        impl FromStr for $name {
            type Err = uuid::Error;

            fn from_str(text: &str) -> Result<Self, Self::Err> {
                Uuid::parse_str(text).map(Self)
            }
        }
    };
}

macro_rules! bytes_id {
    ($(#[$doc:meta])* $name:ident, $len:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        pub struct $name([u8; $len]);

        impl $name {
            /// The value with these bytes.
            pub const fn from_bytes(bytes: [u8; $len]) -> Self {
                Self(bytes)
            }

            /// The value's bytes.
            pub const fn to_bytes(self) -> [u8; $len] {
                self.0
            }

            /// A random value.
            pub fn random(entropy: &dyn Entropy) -> Self {
                let mut bytes = [0; $len];
                entropy.fill(&mut bytes);
                Self(bytes)
            }
        }

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
    };
}

macro_rules! counter {
    ($(#[$doc:meta])* $name:ident, $int:ty) => {
        $(#[$doc])*
        #[derive(
            Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
        )]
        #[serde(transparent)]
        pub struct $name($int);

        impl $name {
            /// Zero: before the first.
            pub const ZERO: Self = Self(0);

            /// The counter with this value.
            pub const fn new(value: $int) -> Self {
                Self(value)
            }

            /// The plain number.
            pub const fn get(self) -> $int {
                self.0
            }

            /// The next value; stays at the greatest number that the type holds.
            #[must_use]
            pub const fn next(self) -> Self {
                Self(self.0.saturating_add(1))
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(&self.0, f)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!(stringify!($name), "({})"), self.0)
            }
        }
    };
}

uuid_id! {
    /// Names a share. Not a credential.
    ShareId
}
uuid_id! {
    /// Names a grant of a share, or a factory's grant. Not a credential.
    GrantId
}
uuid_id! {
    /// The id that an op carries; goes into its fingerprint.
    OpId
}
uuid_id! {
    /// Names a stored batch in logs and listings; the ledger does not look at it.
    BatchId
}
uuid_id! {
    /// Makes minting repeatable: the same request id gives the same answer.
    RequestId
}
uuid_id! {
    /// Names an event of a delegation lease; that of a claim names the claim as well.
    LeaseEventId
}
bytes_id! {
    /// The public name of an outbox: the first 16 bytes of SHA-256 over its key.
    OutboxId, 16
}
bytes_id! {
    /// Made with a store and again at every restore from backup: tells a client that the server
    /// went back in time.
    HistoryId, 16
}

/// Takes every usual form of a UUID, its own among them.
impl FromStr for HistoryId {
    type Err = uuid::Error;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Uuid::parse_str(text).map(|id| Self(id.into_bytes()))
    }
}

bytes_id! {
    /// Stored by the client before it claims a writer, so that a claim may be repeated.
    Nonce, 16
}
counter! {
    /// The number that a share gives to a lane at its first append, counting up from 1. Means
    /// nothing outside one history.
    WriterId, u32
}
counter! {
    /// A writer's own op counter 1, 2, 3 …, given at enqueue, never reused. Zero: before the first.
    Seq, u64
}
counter! {
    /// Per share, the number of ops applied so far.
    Cursor, u64
}
counter! {
    /// Per share; bumping it ends every grant and session of earlier epochs. Starts at 1.
    Epoch, u64
}
counter! {
    /// How often a writer has been claimed; a claim is compare-and-set on it.
    Incarnation, u64
}
counter! {
    /// How often a parent has delegated a scope of a share. From 1.
    Cycle, u64
}
counter! {
    /// How many commits a share has seen: what the store's compare-and-set compares.
    ShareVersion, u64
}
counter! {
    /// Milliseconds since 1970-01-01 00:00 UTC.
    UnixMs, u64
}

impl Seq {
    /// How many seqs lie above `floor` up to this one; zero if it lies at or below it.
    pub const fn above(self, floor: Self) -> u64 {
        self.0.saturating_sub(floor.0)
    }
}

impl UnixMs {
    /// This time and `ms` milliseconds later.
    #[must_use]
    pub const fn plus_ms(self, ms: u64) -> Self {
        Self(self.0.saturating_add(ms))
    }
}
