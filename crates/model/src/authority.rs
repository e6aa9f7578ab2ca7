//! What passes between an administrator and a server: grants, how they end, and what is remembered
//! of their use (`docs/design.md` §5).

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::grant::{Origin, Rights};
use crate::ids::{Cursor, Epoch, GrantId, RequestId, UnixMs};
use crate::owner::OwnerId;
use crate::refusal::RefusalCode;
use crate::secret::SecretHash;

/// A request for a weaker grant. Repeatable.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attenuate {
    /// Stored by the caller before the call.
    pub request: RequestId,
    /// Of the new grant's secret, which the caller made and stored before the call.
    pub secret_hash: SecretHash,
    /// At least one; at most those of the grant under which it is made.
    pub rights: Rights,
    /// By the server's clock; `None`: as long as the grant under which it is made.
    pub expires_at: Option<UnixMs>,
    /// For people; may be empty.
    pub label: String,
    /// Who alone may redeem it; `None`: whoever holds the ref.
    pub sealed_for: Option<OwnerId>,
    /// Who asks.
    pub origin: Origin,
}

/// A request for a public address. Repeatable: the slug names it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Publish {
    /// Of the [`Slug`](crate::Slug), which the caller made and stored before the call.
    pub slug_hash: SecretHash,
    /// By the server's clock; `None`: as long as the grant under which it is made.
    pub expires_at: Option<UnixMs>,
    /// For people; may be empty.
    pub label: String,
    /// Who asks.
    pub origin: Origin,
}

/// A grant that was made, now or by the same request before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Minted {
    /// The grant.
    pub grant: GrantId,
    /// Its epoch.
    pub epoch: Epoch,
    /// When it runs out; `None`: never.
    pub expires_at: Option<UnixMs>,
}

/// What ended with authority, at one call; all zero for a call that is repeated.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Cut {
    /// Grants that were in force until then.
    pub grants: u32,
    /// Live sessions, on all connections.
    pub sessions: u32,
    /// Appenders of claimed writers.
    pub appenders: u32,
    /// Live subscriptions.
    pub viewers: u32,
    /// The cut viewers; at most [`Cut::SERVED_MAX`] of them.
    pub served: Vec<Served>,
}

impl Cut {
    /// Viewers that are told one by one.
    pub const SERVED_MAX: usize = 256;
}

/// How far a viewer was served.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Served {
    /// Under which grant it read.
    pub grant: GrantId,
    /// Everything up to here was sent to it; nothing behind.
    pub cursor: Cursor,
}

/// What an administrator sees of a grant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GrantInfo {
    /// Names the grant.
    pub id: GrantId,
    /// What it allows.
    pub rights: Rights,
    /// The epoch under which it was given.
    pub epoch: Epoch,
    /// When it was made.
    pub created_at: UnixMs,
    /// When it runs out; `None`: never.
    pub expires_at: Option<UnixMs>,
    /// For people; may be empty.
    pub label: String,
    /// The grant from which it was made; `None`: the owner's.
    pub parent: Option<GrantId>,
    /// Who made it.
    pub origin: Origin,
    /// Who alone may redeem it.
    pub sealed_for: Option<OwnerId>,
    /// It is a slug's.
    pub published: bool,
    /// When it, or one above it, was revoked; `None`: it was not.
    pub revoked_at: Option<UnixMs>,
    /// Live sessions.
    pub sessions: u32,
    /// Live subscriptions.
    pub viewers: u32,
    /// How it was used.
    pub usage: Usage,
}

impl GrantInfo {
    /// Grants that are told at a time.
    pub const PAGE_MAX: usize = 256;
}

/// How a grant was used, as far as it is remembered. Durable within seconds, not at once.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Usage {
    // The order of the fields is persisted: keep stable.
    /// How often it was redeemed.
    pub redeems: u64,
    /// When first.
    pub first_redeemed_at: Option<UnixMs>,
    /// When last.
    pub last_redeemed_at: Option<UnixMs>,
    /// When something was appended under it first.
    pub first_appended_at: Option<UnixMs>,
    /// When it read last.
    pub last_read_at: Option<UnixMs>,
    /// The highest cursor that it was served.
    pub last_read_cursor: Cursor,
    /// How often it was refused, to a caller who had proven it.
    pub refusals: u64,
    /// When last.
    pub last_refused_at: Option<UnixMs>,
}

macro_rules! audit_events {
    ($($(#[$doc:meta])* $name:ident = $text:literal,)*) => {
        /// What happened to a share's authority.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
        #[non_exhaustive]
        pub enum AuditEvent {
            // The order of the variants is persisted: keep stable.
            $($(#[$doc])* $name,)*
        }

        impl AuditEvent {
            /// Every event, in the order of the schema.
            pub const ALL: &[Self] = &[$(Self::$name),*];

            /// The event as it is written in the schema and in messages.
            pub const fn name(self) -> &'static str {
                match self { $(Self::$name => $text,)* }
            }
        }
    };
}

audit_events! {
    /// The share was created.
    Created = "created",
    /// A grant was redeemed.
    Redeemed = "redeemed",
    /// A redeem or a call of who had proven the secret was refused.
    Refused = "refused",
    /// A redeem that proved nothing was refused.
    RefusedUnproven = "refusedUnproven",
    /// The first op under a grant was applied.
    AppendedFirst = "appendedFirst",
    /// A grant was made.
    Granted = "granted",
    /// A grant was revoked, with those below it.
    Revoked = "revoked",
    /// A public address was made.
    Published = "published",
    /// The epoch was bumped.
    Bumped = "bumped",
    /// The share was frozen.
    Frozen = "frozen",
    /// The share was unfrozen.
    Unfrozen = "unfrozen",
    /// The share was deleted.
    Deleted = "deleted",
    /// The server ended authority again that a restored backup had brought back.
    Restored = "restored",
}

/// An event as a server told it, which may know more of them than this version.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ToldEvent {
    /// An event of this version.
    Known(AuditEvent),
    /// One of a later version: its number in the schema.
    Unknown(u16),
}

/// The event's name, else its number.
impl fmt::Display for ToldEvent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Known(event) => f.write_str(event.name()),
            Self::Unknown(number) => write!(f, "event {number}"),
        }
    }
}

/// An entry of a share's audit. A change of authority is an entry of its own; what the same one only
/// does again with a grant is counted in the entry that it has. What was told by a server has [`ToldEvent`] as its event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuditEntry<Event = AuditEvent> {
    /// Counts up from 1, for ever; what is missing was overwritten.
    pub number: u64,
    /// The first time.
    pub at: UnixMs,
    /// The last time.
    pub last_at: UnixMs,
    /// How often.
    pub count: u64,
    /// What happened.
    pub event: Event,
    /// The grant that was used, made or ended.
    pub grant: Option<GrantId>,
    /// The grant under which it was done; `None`: nobody proved one.
    pub by: Option<GrantId>,
    /// Who, as the caller said.
    pub origin: Option<Origin>,
    /// The program, as it called itself at redeem; may be empty.
    pub client: String,
    /// With [`AuditEvent::Refused`]: why.
    pub refusal: Option<RefusalCode>,
    /// The share's cursor then.
    pub cursor: Cursor,
}

impl AuditEntry {
    /// Entries that are told at a time.
    pub const PAGE_MAX: usize = 256;
    /// Bytes of a program's name that are kept.
    pub const CLIENT_BYTES_MAX: usize = 128;
}

/// What a factory's grant may use up; zero: no bound.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Quotas {
    // The order of the fields is persisted: keep stable.
    /// Shares created under it that are not deleted.
    pub shares_max: u64,
    /// Bytes of the ops applied to them; counted at most 1 MiB a share too much.
    pub bytes_max: u64,
    /// Ops that may be appended to all of them together per second, on average; up to twice as many
    /// at once.
    pub appends_per_second: u32,
}

/// A request for a factory grant within quotas. Repeatable.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FactoryAttenuate {
    /// Stored by the caller before the call.
    pub request: RequestId,
    /// Of the new grant's secret, which the caller made and stored before the call.
    pub secret_hash: SecretHash,
    /// What it may use up.
    pub quotas: Quotas,
    /// For people; may be empty.
    pub label: String,
    /// Who asks.
    pub origin: Origin,
}

/// What is seen of a factory's grant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FactoryGrantInfo {
    /// Names the grant.
    pub id: GrantId,
    /// It may do everything, without bound.
    pub root: bool,
    /// What it may use up.
    pub quotas: Quotas,
    /// Shares that count against it; zero for a root.
    pub shares: u64,
    /// Bytes that count against it; zero for a root.
    pub bytes: u64,
    /// For people; may be empty.
    pub label: String,
    /// When it was made, if that is known.
    pub created_at: Option<UnixMs>,
}

impl FactoryGrantInfo {
    /// Grants that a factory may have in force.
    pub const COUNT_MAX: usize = 64;
}
