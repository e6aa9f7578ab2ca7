//! The attacks by name.

use crate::peer::Attacker;
use crate::{appending, bytes, deep, getters, guessing, hoard, slow, unread, wild};

/// Declares each attack with its name, its deed and what it does, in one place.
macro_rules! attacks {
    ($($(#[$doc:meta])* $attack:ident = $name:literal, $deed:literal, $run:path;)*) => {
        /// What a hostile peer does, until it is stopped.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        #[non_exhaustive]
        pub enum Attack {
            $($(#[$doc])* $attack,)*
        }

        impl Attack {
            /// Every attack.
            pub const ALL: &[Self] = &[$(Self::$attack,)*];

            /// Its name, in lower case with hyphens.
            pub fn name(self) -> &'static str {
                match self { $(Self::$attack => $name,)* }
            }

            /// What it counts as its deeds.
            pub fn deed(self) -> &'static str {
                match self { $(Self::$attack => $deed,)* }
            }

            pub(crate) async fn run(self, attacker: &Attacker) {
                match self { $(Self::$attack => $run(attacker).await,)* }
            }
        }
    };
}

attacks! {
    /// A hundred connections that announce a message of 64 MiB each, and send no more.
    AnnouncedSize = "announced-size", "announcements", bytes::announce;
    /// The same in 511 segments.
    AnnouncedSegments = "announced-segments", "announcements", bytes::announce_segments;
    /// Two thousand connections that say nothing.
    Idle = "idle", "connections", bytes::idle;
    /// Five thousand connections that say nothing.
    Crowd = "crowd", "connections", bytes::crowd;
    /// Connections that were to begin TLS and say nothing.
    SilentTls = "silent-tls", "connections", bytes::silent_tls;
    /// Connections that send half of a TLS client's hello.
    HalfHello = "half-hello", "hellos", bytes::half_hello;
    /// Random bytes.
    Noise = "noise", "blocks of 4 KiB", bytes::noise;
    /// A byte now and then of the first message.
    SlowFirst = "slow-first", "bytes", slow::first;
    /// A byte now and then of a later message that is announced to be long.
    SlowLater = "slow-later", "bytes", slow::later;
    /// Large messages of peers with a grant that come 16 KiB at a time, now and then.
    SlowLarge = "slow-large", "pieces of 16 KiB", slow::large;
    /// Well-framed calls with a pointer that leads out of the message.
    WildPointers = "wild-pointers", "messages", wild::out_of_range;
    /// Far pointers that lead to each other, and structs that contain themselves.
    PointerCycles = "pointer-cycles", "messages", wild::cycles;
    /// Messages that grow a thousandfold when they are sent back as not understood.
    AmplifiedEcho = "amplified-echo", "messages", wild::amplified_echo;
    /// Messages within messages, two thousand levels deep.
    NestedMessages = "nested-messages", "messages", deep::messages;
    /// Ops whose JSON has a million levels. Needs the right to append.
    DeepJson = "deep-json", "batches", deep::json;
    /// Calls whose answers are never read.
    UnreadAnswers = "unread-answers", "calls", unread::answers;
    /// Calls that are cancelled at once.
    CancelledCalls = "cancelled-calls", "calls", unread::cancelled;
    /// Subscribers that read nothing.
    UnreadSubscriptions = "unread-subscriptions", "subscriptions", unread::subscriptions;
    /// Subscribers that read everything and never return from their sinks.
    SilentSinks = "silent-sinks", "subscriptions", unread::sinks;
    /// Small calls for large answers, which are never read.
    UnreadGetters = "unread-getters", "calls", getters::unread;
    /// Small calls for large answers, which are read.
    Getters = "getters", "calls", getters::read;
    /// Sessions that are never given back.
    KeptSessions = "kept-sessions", "redeems", hoard::sessions;
    /// Appenders that are never given back. Needs the right to append.
    KeptAppenders = "kept-appenders", "claims", hoard::appenders;
    /// Subscriptions that are never given back.
    KeptSubscriptions = "kept-subscriptions", "subscribes", hoard::subscriptions;
    /// Snapshots that are never given back.
    KeptSnapshots = "kept-snapshots", "snapshots", hoard::snapshots;
    /// Calls that bring two thousand capabilities each.
    FullTables = "full-tables", "calls", hoard::descriptors;
    /// Redeems with wrong secrets, from many connections.
    WrongSecrets = "wrong-secrets", "redeems", guessing::wrong_secrets;
    /// A grant that uses up its writers. Needs the right to append.
    ManyWriters = "many-writers", "claims", appending::many_writers;
    /// A grant that uses up its remembered identities. Needs the right to append.
    ManyRequeues = "many-requeues", "batches", appending::many_requeues;
}
